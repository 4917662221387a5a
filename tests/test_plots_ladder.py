"""The picture of the causes: its segments multiply to the whole gap, and what costs time goes back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import faults
from synthetic import edit_rows, read_csv, write_run

from seqgap.bench.analysis.ladder import ladders
from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.plan.options import Options
from seqgap.bench.report.plots import draw_ladder, ladder
from seqgap.bench.report.plots.style import Picture, house_style

FIVE = ("python", "numpy-passes", "numpy", "numba-plain", "numba")
ALL = Options(case=("linear_ar", "ar_process"), impl=FIVE, dim=(8, 64), batch=(1, 64), map=())
ONE = replace(ALL, case=("linear_ar",), dim=(64,), batch=(64,))
TIMES = dict(zip(FIVE, (16.0, 4.0, 8.0, 2.0, 1.0), strict=True))


def drawn(run: Run) -> Picture:
    with house_style():
        picture = ladder.picture(run)
    assert picture is not None
    return picture


def planted(path: Path, options: Options, times: dict[str, float]) -> Run:
    def seconds(cell: Any) -> float:
        return times[cell.impl] * (0.5 if cell.operation == "inverse" else 1.0) * cell.batch

    return read_run(write_run(path, options, seconds=seconds, noise=1e-6))


def bars(axes: Any) -> list[tuple[float, float, bool]]:
    """(left, right, hatched) of each segment."""
    return [(bar.get_x(), bar.get_x() + bar.get_width(), bool(bar.get_hatch())) for bar in axes.patches]


def test_segments_multiply_to_the_whole_gap(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", ALL))
    for known in ladders(run):
        logs = [segment.log for segment in ladder.segments(known)]
        assert np.exp(sum(logs)) == pytest.approx(known.total.middle)


def test_bars_go_from_the_slowest_code_down_and_back_where_a_cause_costs_time(tmp_path: Path) -> None:
    run = planted(tmp_path / "run", ONE, TIMES)
    (axes,) = drawn(run).figure.axes
    wanted = [(4, 16, False), (0.25, 0.5, True), (1, 4, False), (0.5, 1, False), (0.25, 0.5, False)]
    found = bars(axes)
    assert [hatched for *_, hatched in found] == [hatched for *_, hatched in wanted]
    assert np.allclose([ends[:2] for ends in found], [ends[:2] for ends in wanted], rtol=1e-4)
    (diamond,) = (line for line in axes.lines if line.get_marker() == "D")
    assert diamond.get_xdata()[0] == pytest.approx(0.5, rel=1e-4)


def test_causes_have_plain_names(tmp_path: Path) -> None:
    run = planted(tmp_path / "run", ONE, TIMES)
    (known,) = ladders(run)
    causes = [segment.cause for segment in ladder.segments(known)]
    assert causes == ["interpreter", "repeated work", "calls", "vectors", "order"]


def test_for_one_sample_the_rungs_of_numpy_are_one_with_the_interpreter(tmp_path: Path) -> None:
    run = planted(tmp_path / "run", replace(ONE, batch=(1,)), TIMES)
    (known,) = ladders(run)
    first, *others = ladder.segments(known)
    assert first.cause == "interpreter and its calls"
    assert np.exp(first.log) == pytest.approx(8, rel=1e-4)
    assert [segment.cause for segment in others] == ["vectors", "order"]


def test_all_panels_have_one_axis_and_the_largest_n_is_on_top(tmp_path: Path) -> None:
    axes = drawn(read_run(write_run(tmp_path / "run", ALL))).figure.axes
    assert [a.get_title(loc="left").split(":")[0] for a in axes] == ["Throughput", "Latency"]
    assert len({a.get_xlim() for a in axes}) == 1


def test_table_is_that_of_the_ladder_command(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", ALL))
    draw_ladder(run, tmp_path)
    assert drawn(run).table.read_back() == read_csv(tmp_path / "ladder.csv")


def test_no_picture_of_one_implementation(tmp_path: Path) -> None:
    assert ladder.picture(read_run(write_run(tmp_path / "run", replace(ALL, impl=("numba",))))) is None


def test_a_missing_rung_is_bridged_and_a_missing_start_is_told(tmp_path: Path) -> None:
    bridged, cut = (write_run(tmp_path / name, ONE) for name in ("bridged", "cut"))
    edit_rows(bridged, lambda row: None if row["cell"]["impl"] == "numpy" else row)
    edit_rows(cut, lambda row: None if row["cell"]["impl"] == "python" else row)
    (known,) = ladders(read_run(bridged))
    assert "repeated work and calls" in [segment.cause for segment in ladder.segments(known)]
    picture = drawn(read_run(cut))
    assert "*\n" in picture.figure.axes[0].get_yticklabels()[0].get_text()
    assert "* begins at a faster rung" in picture.figure.get_supxlabel()


MANY = ("linear_ar", "ar_process", "maf.forward", "iaf.forward", "rnn_ar", "bigram", "ddpm", "made_bernoulli")
ODD = {
    "all": (ALL, {}),
    "one process": (ONE, {"processes": 1}),
    "two rungs and the parallel direction": (replace(ONE, impl=("numba-plain", "numba")), {}),
    "all equal": (ONE, {"seconds": lambda _: 1.0, "noise": 0.0}),
    "far apart": (ONE, {"seconds": lambda cell: 1e5 if cell.impl == "python" else 1e-5}),
    "much noise": (ONE, {"noise": 1.0}),
    "many": (replace(ALL, case=MANY, longest_rung=10.0, longest=10.0), {}),
}


@pytest.mark.parametrize("name", ODD)
def test_every_text_is_legible_and_inside(name: str, tmp_path: Path) -> None:
    options, how = ODD[name]
    assert faults(drawn(read_run(write_run(tmp_path / "run", options, **how)))) == []  # type: ignore[arg-type]
