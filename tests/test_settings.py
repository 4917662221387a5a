"""Pictures and settings of their user for matplotlib: they change no byte, and break nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from command import seqgap
from synthetic import SMALL, write_run

from seqgap.bench.analysis.run import read_run
from seqgap.bench.report.plots import draw

RC_FILE = """
backend: qtagg
text.usetex: True
figure.autolayout: True
savefig.bbox: tight
savefig.facecolor: black
axes.grid: True
font.family: monospace
"""
SETTINGS: list[dict[str, Any]] = [
    {"text.usetex": True, "savefig.bbox": "tight", "savefig.dpi": 30, "axes.grid": True},
    {"figure.autolayout": True, "font.family": ["monospace"], "lines.linewidth": 5, "path.sketch": (1, 9, 2)},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its pictures."""
    options = replace(SMALL, case=("linear_ar",), dim=(2, 8))
    path = write_run(tmp_path_factory.mktemp("settings") / "run", options, processes=2)
    draw([read_run(path)], path)
    return path


def same_files(drawn: Path, folder: Path) -> None:
    names = {path.name for path in folder.iterdir() if path.suffix in (".png", ".svg", ".csv")}
    assert {path.name for path in drawn.iterdir()} == names > {"curves.png", "curves.svg", "ladder.png"}
    for name in names:
        assert (drawn / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: next(iter(settings)))
def test_settings_of_the_process_change_no_byte(
    folder: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    with matplotlib.rc_context(settings):
        draw([read_run(folder)], tmp_path)
        assert {name: matplotlib.rcParams[name] for name in settings} == settings
    same_files(tmp_path, folder)


@pytest.mark.parametrize(
    ("where", "backend", "content"),
    [
        ("variable", "module://no_such.backend", RC_FILE.encode()),
        ("variable", "gtk4agg", b"# gr\xf6\xdfer\n"),  # known, but there is no display; not UTF-8
        ("working folder", "module://no_such.backend", b"# gr\xf6\xdfer\n"),
    ],
)
def test_files_and_variables_of_the_user_change_no_byte(
    folder: Path, tmp_path: Path, where: str, backend: str, content: bytes
) -> None:
    file = tmp_path / "matplotlibrc"
    file.write_bytes(content)
    apart = tmp_path / "apart"
    apart.mkdir()
    variables = {"MPLBACKEND": backend} | ({"MATPLOTLIBRC": str(file)} if where == "variable" else {})
    cwd = apart if where == "variable" else tmp_path
    done = seqgap("plot", str(folder), "--out", str(tmp_path / "drawn"), cwd=cwd, **variables)
    assert done.returncode == 0, done.stderr
    same_files(tmp_path / "drawn", folder)
