"""The gap map: its numbers, classes and border, what is bold, odd runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from pictures import faults
from synthetic import SMALL, edit_rows, plausible, write_run

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.options import Options
from seqgap.bench.report.plots import gap_map
from seqgap.bench.report.plots.style import Picture, house_style

FIVE = ("python", "numpy-passes", "numpy", "numba-plain", "numba")
ALL = Options(case=("linear_ar", "ar_process"), impl=FIVE, dim=(8, 64), batch=(1, 64), map=())
LINEAR = Options(case=("linear_ar",), impl=("numba",), dim=(2, 8, 64, 256), batch=(1, 32), map=())


def planted(ratios: Callable[[Cell], float]) -> Callable[[Cell], float]:
    """A second for the parallel direction, `ratios` for the sequential one."""
    return lambda cell: ratios(cell) if cell.operation == "forward" else 1.0


def drawn(run: Run) -> Picture:
    with house_style():
        picture = gap_map.picture(run)
    assert picture is not None
    return picture


def table(picture: Picture) -> list[list[str]]:
    return picture.table.read_back()


def panels(picture: Picture) -> dict[str, Any]:
    return {axes.get_title(): axes for axes in picture.figure.axes if axes.get_visible()}


def thick_lines(picture: Picture) -> set[tuple[float, ...]]:
    """(x, x, y, y) of every piece of the border in the first panel."""
    lines = picture.figure.axes[0].lines
    return {(*map(float, line.get_xdata()), *map(float, line.get_ydata())) for line in lines}


def test_border_lies_between_the_cells_on_both_sides_of_the_ratio() -> None:
    lows = np.array([[1.5, 1.11, 1.09], [1.5, 1.1, 0.5]])
    assert set(gap_map.border(lows)) == {((2, 0), (2, 1)), ((1, 1), (1, 2)), ((1, 1), (2, 1))}


def test_border_encloses_an_island() -> None:
    ratios = np.ones((3, 3))
    ratios[1, 1] = 2.0
    sides = {((1, 1), (2, 1)), ((1, 2), (2, 2)), ((1, 1), (1, 2)), ((2, 1), (2, 2))}
    assert set(gap_map.border(ratios)) == sides


@pytest.mark.parametrize("ratios", [[[np.nan, 2.0], [1.0, np.nan]], [[2.0, 1.2]], [[1.1], [0.2]], [[3.0]]])
def test_no_border_beside_what_was_not_timed_nor_on_one_side(ratios: list[list[float]]) -> None:
    assert gap_map.border(np.array(ratios)) == []


def test_thick_line_is_drawn_where_the_planted_ratio_crosses(tmp_path: Path) -> None:
    seconds = planted(lambda cell: 1.3 if cell.dim < 64 and cell.batch == 1 else 1.02)
    picture = drawn(read_run(write_run(tmp_path / "run", LINEAR, seconds=seconds, noise=0.001)))
    # D = 2, 8 | 64, 256 and N = 1 below 32: right of the second column, on top of the first row.
    assert thick_lines(picture) == {(2, 2, 0, 1), (0, 1, 1, 1), (1, 2, 1, 1)}


def test_gap_map_table_is_the_gaps_of_the_run(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", replace(SMALL, threads=(1, 2), dtype=("float32", "float64"))))
    head, *lines = table(drawn(run))
    wanted = [
        g for g in gaps(run) if (g.kind, g.cell.threads, g.cell.dtype) == ("matched", 1, "float64")
        and g.cell.impl in ("python", "numpy", "numba")
    ]  # fmt: skip
    sizes = [[*g.names, g.cell.impl, "float64", "1", str(g.cell.batch), str(g.cell.dim)] for g in wanted]
    assert [line[:7] for line in lines] == sizes
    assert [tuple(map(float, line[7:10])) for line in lines] == [g.ratio.columns for g in wanted]
    assert head[7:10] == ["ratio", "low", "high"]


def test_fewest_threads_are_those_of_the_shown_dtype(tmp_path: Path) -> None:
    options = replace(LINEAR, dtype=("float32", "float64"), threads=(1, 2))
    path = write_run(tmp_path / "run", options)
    alone = {"dtype": "float64", "threads": 1}
    edit_rows(path, lambda row: None if alone.items() <= row["cell"].items() else row)
    _, *lines = table(drawn(read_run(path)))
    assert {(line[3], line[4]) for line in lines} == {("float64", "2")}


ONE = replace(ALL, case=("linear_ar",))


@pytest.mark.parametrize(
    ("ratio", "answer", "bold"), [(1.5, "yes", True), (1.1, "undecided", True), (1, "no", False)]
)
def test_what_excludes_1_is_bold(ratio: float, answer: str, bold: bool, tmp_path: Path) -> None:
    options = replace(LINEAR, dim=(64,), batch=(32,))
    path = write_run(tmp_path / "run", options, seconds=planted(lambda _: ratio), noise=0.005)
    picture = drawn(read_run(path))
    head, line = table(picture)
    assert line[head.index("above_1.1")] == answer
    (axes,) = picture.figure.axes
    (value,) = axes.texts
    assert (value.get_weight() == "bold") is bold
    assert (value.get_alpha() == 1) is bold


def test_the_border_follows_the_lower_end_and_not_the_ratio(tmp_path: Path) -> None:
    """1.15, but with intervals that contain 1.1."""
    seconds = planted(lambda cell: 1.15 if cell.dim < 64 else 1.0)
    picture = drawn(read_run(write_run(tmp_path / "run", LINEAR, seconds=seconds, noise=0.05)))
    assert thick_lines(picture) == set()


CLASSES = [
    (0.5, "#b2abd2"),
    (1.0, "#f2f2f2"),
    (1.1, "#fee0b6"),
    (1.5, "#fdb863"),
    (5, "#e08214"),
    (50, "#b35806"),
]


@pytest.mark.parametrize(("ratio", "colour"), [*CLASSES, (500, "#7f3b08")])
def test_a_ratio_has_the_colour_of_its_class(ratio: float, colour: str, tmp_path: Path) -> None:
    options = replace(LINEAR, dim=(64,), batch=(32,))
    run = read_run(write_run(tmp_path / "run", options, seconds=planted(lambda _: ratio), noise=1e-4))
    mesh = drawn(run).figure.axes[0].collections[0]
    mesh.update_scalarmappable()
    assert to_hex(mesh.get_facecolor()[0]) == colour


def test_one_process_has_nothing_bold_and_no_line(tmp_path: Path) -> None:
    picture = drawn(read_run(write_run(tmp_path / "run", LINEAR, processes=1)))
    (axes,) = picture.figure.axes
    assert len(axes.texts) == len(LINEAR.dim) * len(LINEAR.batch)
    assert not [text for text in axes.texts if text.get_weight() == "bold"]
    assert thick_lines(picture) == set()
    head, *lines = table(picture)
    assert {(line[head.index("low")], line[-1]) for line in lines} == {("", "undecided")}


@pytest.mark.parametrize(("ratio", "told"), [(1.0, True), (2.0, False)])
def test_plain_python_is_one_line_where_it_has_no_gap_else_the_last_panel(
    ratio: float, told: bool, tmp_path: Path
) -> None:
    options = replace(LINEAR, impl=("python", "numba"), dim=(8, 64))
    seconds = planted(lambda cell: ratio if cell.impl == "python" else 1.0)
    picture = drawn(read_run(write_run(tmp_path / "run", options, seconds=seconds, noise=1e-3)))
    titles = list(panels(picture))
    assert ("Plain Python: none of 4 ratios is above 1.1" in picture.figure.get_supxlabel()) is told
    assert [", Python," in title for title in titles] == ([False] if told else [False, True])
    assert {line[2] for line in table(picture)[1:]} == {"python", "numba"}


def test_a_cell_that_is_missing_is_hatched(tmp_path: Path) -> None:
    options = replace(ALL, case=("linear_ar",), impl=("numpy", "numba"))
    path = write_run(tmp_path / "run", options)
    gone = {"impl": "numpy", "dim": 64, "batch": 1}
    edit_rows(path, lambda row: None if gone.items() <= row["cell"].items() else row)
    found = panels(drawn(read_run(path)))
    hatched = [sum(bool(part.get_hatch()) for part in axes.collections) for axes in found.values()]
    assert hatched == [1, 0]


def test_no_picture_without_a_pair(tmp_path: Path) -> None:
    options = Options(case=("affine_coupling",), dim=(8,), batch=(1,))
    assert gap_map.picture(read_run(write_run(tmp_path / "run", options))) is None


ODD = {
    "two pairs": (ALL, {}),
    "one N": (replace(ONE, batch=(32,)), {}),
    "one process": (ONE, {"processes": 1}),
    "many sizes": (
        replace(ONE, impl=("numba",), dim=tuple(range(2, 400, 20)), batch=(1, 8, 64, 512, 4096)), {},
    ),
    "all equal": (ONE, {"seconds": lambda _: 1.0, "noise": 0.0}),
    "far apart": (ONE, {"seconds": planted(lambda cell: 1e5 if cell.dim > 8 else 1e-5)}),
    "much noise": (ONE, {"noise": 1.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_every_text_is_legible_and_inside(name: str, tmp_path: Path) -> None:
    options, how = ODD[name]
    run = read_run(write_run(tmp_path / "run", options, **({"seconds": plausible} | how)))  # type: ignore[arg-type]
    assert faults(drawn(run)) == []
