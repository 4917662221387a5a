"""`seqgap.load`: a result folder in Python, with pandas and without."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from command import invoke
from synthetic import write_run

import seqgap
from seqgap.bench.analysis import curves, gap
from seqgap.bench.results.tables import Table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("load") / "run")


@pytest.fixture
def without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)


@pytest.mark.usefixtures("without_pandas")
def test_gap_is_that_of_the_table(folder: Path) -> None:
    run = seqgap.load(folder)
    lines = [tuple(record.values()) for record in run.gap]
    assert len(lines) > 10
    assert Table("gap.csv", list(run.gap[0]), lines, unknown="nan").text() == gap.table(run).text()
    assert json.loads(json.dumps(run.gap)) == run.gap


@pytest.mark.usefixtures("without_pandas")
def test_cells_are_those_of_the_curves(folder: Path) -> None:
    run = seqgap.load(str(folder))
    head, *lines = (line for name in curves.kinds([run]) for line in curves.table([run], name).read_back())
    drawn = [dict(zip(head, line, strict=True)) for line in lines if line[1] == "median"]
    assert len(run.cells) == len(run.timed) >= len(drawn) > 10
    texts = [{name: str(value) for name, value in record.items()} for record in run.cells]
    for record in drawn:
        assert {name: value for name, value in record.items() if name in texts[0]} in texts


def test_figures_are_data_frames(folder: Path) -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed: frames are not tested")
    run = seqgap.load(folder)
    for frame, lines in ((run.cells, run.timed), (run.gap, gap.table(run).lines)):
        assert isinstance(frame, pd.DataFrame)
        assert len(frame) == len(lines)
    assert run.cells["seconds_per_sample"].dtype == np.float64
    assert (run.gap["ratio_low"] <= run.gap["ratio_high"]).all()


def test_the_verdict_is_that_of_the_command(folder: Path) -> None:
    assert f"{seqgap.load(folder).verdict()}\n" == invoke("show", folder).stdout


def test_runs_show_themselves_in_a_line(folder: Path) -> None:
    run = seqgap.load(folder)
    assert repr(run) == f"<seqgap run '{folder}': {len(run.timed)} cells, 3 processes>"


def test_what_is_no_result_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"environment\.json: cannot be read") as caught:
        seqgap.load(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)
