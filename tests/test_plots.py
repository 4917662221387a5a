"""The pictures: the figures behind them, what they mark, and that the same files give the same bytes."""

import html
import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from pictures import faults
from PIL import Image
from synthetic import CEILINGS, SMALL, any_environment, read_csv, run_of, write_run

from seqgap.bench.analysis.curves import kinds, table
from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.analysis.scaling import crossings
from seqgap.bench.analysis.scaling import curves as curves_of
from seqgap.bench.analysis.statistics import METHOD
from seqgap.bench.machine.ceilings import working_bytes
from seqgap.bench.model.cell import Cell
from seqgap.bench.report.plots import curves, draw, families
from seqgap.bench.report.plots.limits import Limits
from seqgap.bench.report.plots.style import FONT, WIDTH, house_style, save, shown_points, spread
from seqgap.bench.results.folder import ENVIRONMENT, OPERATIONS
from seqgap.bench.results.rows import PROBES, ROWS, Probe, ResultError, Row

ONE_N = replace(SMALL, batch=(1,))
MANY = ("linear_ar", "ar_process", "maf.forward", "iaf.forward", "rnn_ar", "bigram", "ddpm", "elementwise")
ALL = replace(ONE_N, case=("linear_ar", "affine_coupling"), impl=("numpy", "numba"), threads=(1, 2))
PICTURES = (
    "curves", "gap", "ladder", "gap-map", "forest", "families", "threads", "compile", "rounds",
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all its pictures."""
    path = write_run(tmp_path_factory.mktemp("plots") / "run", ALL)
    assert {file.suffix for file in draw([read_run(path)], path)} == {".png", ".svg", ".csv"}
    return path


def test_every_picture_has_two_forms_and_its_table(drawn: Path) -> None:
    for name in PICTURES:
        assert (drawn / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        text = (drawn / f"{name}.svg").read_text(encoding="utf-8")
        assert len(text) < 1e6
        cpu = read_run(drawn).environment["machine"]["cpu"]
        for part in ("<svg", "<desc>", cpu, "Numba", "processes, ", "95% intervals: Student t"):
            assert part in text, (name, part)
        assert len(read_csv(drawn / f"{name}.csv")) > 1


def test_drawn_again_it_is_the_same(drawn: Path, tmp_path: Path, fresh_python: Callable[..., str]) -> None:
    copy = tmp_path / "run"
    copy.mkdir()
    for name in (ROWS, PROBES, ENVIRONMENT, OPERATIONS):
        shutil.copy(drawn / name, copy)
    loaded = fresh_python(f"""
import sys
from pathlib import Path
from seqgap.bench.analysis.run import read_run
from seqgap.bench.report.plots import draw
draw([read_run(Path({str(copy)!r}))], Path({str(copy)!r}))
print([name for name in sys.modules if name.startswith(("numba", "seqgap.kernels.", "seqgap.bench.cases."))])
""")
    assert loaded == "[]\n"  # what a folder holds is enough
    made = [path for path in copy.iterdir() if path.suffix in (".png", ".svg", ".csv")]
    assert len(made) >= 3 * len(PICTURES)
    for path in made:
        assert path.read_bytes() == (drawn / path.name).read_bytes(), path.name


def test_the_table_of_the_curves_is_what_the_run_holds(drawn: Path) -> None:
    run = read_run(drawn)
    head, *found = read_csv(drawn / "curves.csv")
    lines = [line for cells in found if (line := dict(zip(head, cells, strict=False)))["what"] == "median"]
    wanted = {str(c): m for c, m in run.measured.items() if (c.dtype, c.threads) == ("float64", 1)}
    assert len(lines) == len(wanted)
    for line in lines:
        stem, operation = line["operation"].split(".")
        sizes = (int(line["dim"]), int(line["batch"]), int(line["threads"]))
        m = wanted[str(Cell(stem, operation, line["impl"], line["dtype"], *sizes))]
        seconds = float(line["seconds_per_sample"])
        assert seconds * m.cell.batch == pytest.approx(m.seconds)
        assert float(line["low"]) < seconds < float(line["high"])
        assert float(line["p5"]) < seconds < float(line["p95"])
        assert float(line["samples_per_second"]) == pytest.approx(1 / seconds)


def figure_of(run: Run) -> Any:
    with house_style():
        figure = curves.picture([run], "curves").figure
        figure.draw_without_rendering()
    return figure


def boxes(axes: Any) -> list[Any]:
    renderer = axes.figure.canvas.get_renderer()
    names = [text for text in axes.texts if "D^" in text.get_text()]
    return [Text.get_window_extent(name, renderer) for name in names]  # an annotation's has its line too


def test_names_at_the_ends_do_not_overlap(tmp_path: Path) -> None:
    """All curves end at the same height, the worst case."""
    run = read_run(write_run(tmp_path / "run", ONE_N, seconds=lambda _: 1e-5, noise=1e-4))
    figure = figure_of(run)
    FigureCanvasAgg(figure)
    for axes in figure.axes:
        found = boxes(axes)
        for one, other in itertools.combinations(found, 2):
            assert not one.overlaps(other)
    assert sum(len(boxes(axes)) for axes in figure.axes) >= 2 * 6


def crossing(at: float) -> Callable[[Cell], float]:
    """The sequential direction of linear_ar passes the parallel one at D = at."""

    def seconds(cell: Cell) -> float:
        return 1e-6 * cell.batch * (cell.dim / at if cell.operation == "forward" else 1.0)

    return seconds


@pytest.mark.parametrize(("at", "marked"), [(20.0, True), (1e6, False)])
def test_crossovers_are_marked_where_there_are_any(tmp_path: Path, at: float, marked: bool) -> None:
    options = replace(ONE_N, case=("linear_ar.forward", "linear_ar.inverse"))
    run = read_run(write_run(tmp_path / "run", options, seconds=crossing(at), noise=1e-3))
    stars = [line for axes in figure_of(run).axes for line in axes.get_lines() if line.get_marker() == "*"]
    assert len(stars) == (3 if marked else 0)  # one for each implementation
    for star in stars:
        assert star.get_xdata()[0] == pytest.approx(at, rel=0.02)
    lines = [line for line in table([run], "curves").lines if line[1] == "crossover"]
    assert len(lines) == len(stars)


@pytest.mark.parametrize("processes", [1, 3])
def test_curves_that_lie_on_each_other_have_no_crossover(tmp_path: Path, processes: int) -> None:
    """Noise alone makes them cross somewhere, with an interval that reaches an end of the range or both."""
    options = replace(ONE_N, case=("linear_ar",))
    path = write_run(tmp_path / "run", options, seconds=lambda _: 1e-6, noise=0.05, processes=processes)
    run = read_run(path)
    assert any(crossing.at is not None for crossing in crossings(run))
    assert not [line for axes in figure_of(run).axes for line in axes.get_lines() if line.get_marker() == "*"]


def test_names_at_the_ends_stay_off_the_right_axis(tmp_path: Path) -> None:
    """With the longest name, a negative exponent and its interval."""
    dims = tuple(2**k for k in range(1, 11))
    options = replace(ONE_N, case=("affine_coupling.forward", "linear_ar.forward"), dim=dims)
    path = write_run(tmp_path / "run", options, seconds=lambda cell: 1e-5 * cell.dim**-0.5, noise=0.1)
    run = read_run(path)
    figure = figure_of(run)
    figure.set_dpi(130)  # as saved
    figure.draw_without_rendering()
    for axes in figure.axes:
        found = [label for label in axes.texts if "D^" in label.get_text()]
        assert any("D^-0." in label.get_text() and "±" in label.get_text() for label in found)
        for label in found:
            assert Text.get_window_extent(label).x1 < axes.bbox.x1, label.get_text()


def test_the_caption_is_cut_to_a_line_and_the_files_hold_all_of_it(tmp_path: Path) -> None:
    options = replace(ONE_N, case=("normal.standard_normal",), impl=("numba",))
    machine = any_environment()["machine"] | {"cpu": "a long name of a processor " * 12}
    run = read_run(write_run(tmp_path / "run", options, stored={"machine": machine}))
    with house_style():
        picture = curves.picture([run], "curves")
        save(picture, tmp_path)
    assert sum("of a processor" in line for line in picture.figure.get_supxlabel().splitlines()) == 1
    assert faults(picture) == []
    with Image.open(tmp_path / "curves.png") as image:
        described = image.info["Description"]
    for text in ((tmp_path / "curves.svg").read_text(), described):
        assert text.count("of a processor") >= 12
        assert METHOD in html.unescape(text)


def test_no_text_is_smaller_than_9_points_where_a_readme_shows_it(drawn: Path) -> None:
    """A picture of 1200 pixels is shown 838 wide; 9 points are 12 of those pixels."""
    assert shown_points(FONT, WIDTH) >= 9
    assert shown_points(12 * 1200 / 838 * 72 / 130, 1200 / 130) == pytest.approx(9)
    for path in drawn.glob("*.png"):
        with Image.open(path) as image:
            assert image.width == 1200, path.name


def test_texts_of_curves_are_legible_and_inside(drawn: Path, tmp_path: Path) -> None:
    many = read_run(write_run(tmp_path / "many", replace(ONE_N, case=MANY, longest=1e-2), noise=0.1))
    for run in (read_run(drawn), many):
        with house_style():
            pictures = [curves.picture([run], name) for name in kinds([run])]
            pictures += filter(None, [families.picture(run), curves.picture([run, run], "curves")])
        assert len(pictures) >= 3
        assert [fault for picture in pictures for fault in faults(picture)] == []


@pytest.mark.parametrize("impl", [("numba",), ("python", "numpy", "numba")], ids=len)
def test_labels_of_the_dimensions_do_not_overlap(tmp_path: Path, impl: tuple[str, ...]) -> None:
    dims = tuple(2**k for k in range(1, 11))
    options = replace(ONE_N, case=("linear_ar",), impl=impl, dim=dims)
    figure = figure_of(read_run(write_run(tmp_path / "run", options, seconds=lambda _: 1e-6)))
    for axes in figure.axes:
        labels = [label for label in axes.get_xticklabels() if label.get_text()]
        assert "1024" in {label.get_text() for label in labels}
        assert len(labels) >= 3
        assert list(axes.get_xticks()) == list(dims)
        for left, right in itertools.pairwise(label.get_window_extent() for label in labels):
            assert left.x1 < right.x0


def test_cells_left_out_are_shown_at_their_estimate(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", replace(SMALL, batch=(64,), longest=1e-3)))
    left_out = [row for row in run.left_out if row.cell.impl == "python"]
    assert left_out
    crosses = [line for axes in figure_of(run).axes for line in axes.get_lines() if line.get_marker() == "x"]
    drawn_points = {(x, y) for line in crosses for x, y in zip(*line.get_data(), strict=True)}
    names = {"forward", "inverse"}
    for row in left_out:
        if row.cell.operation in names and row.cell.case != "affine_coupling":
            assert (row.cell.dim, row.expected / row.cell.batch) in drawn_points


def test_a_panel_has_a_pair_and_rungs_have_no_curves(tmp_path: Path) -> None:
    """The ladder of maf measures numba-naive for one dimension, which is no curve."""
    options = replace(ONE_N, case=("linear_ar", "maf.forward", "iaf.forward", "affine_coupling"))
    figure = figure_of(read_run(write_run(tmp_path / "run", options)))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["linear_ar.forward / inverse", "maf.forward / iaf.forward"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    names = ["plain Python", "NumPy", "compiled (Numba)"]
    assert legend == [*names, "one step at a time", "all at once"]
    for axes in figure.axes:
        faces: dict[str, set[bool]] = {}
        for bar in axes.containers:
            line = bar.lines[0]
            faces.setdefault(line.get_color(), set()).add(line.get_markerfacecolor() == line.get_color())
        assert list(faces.values()) == [{True, False}] * 3  # either direction of each implementation


def test_families_have_a_row_each_the_slowest_on_top(tmp_path: Path) -> None:
    speed = {"linear_ar": 1.0, "affine_coupling": 4.0, "elementwise": 2.0}
    options = replace(SMALL, case=tuple(speed), impl=("numpy", "numba"))
    path = write_run(tmp_path / "run", options, seconds=lambda cell: 1e-6 * speed[cell.case] * cell.dim)
    run = read_run(path)
    with house_style():
        picture = families.picture(run)
    assert picture is not None
    names = [label.get_text() for label in picture.figure.axes[0].get_yticklabels()]
    assert names == ["affine_coupling.forward", "elementwise.forward", "linear_ar.forward"]
    head, *lines = picture.table.read_back()
    assert len(lines) == 3 * len(SMALL.dim) * len(SMALL.batch)
    for line in lines:
        found = dict(zip(head, line, strict=True))
        stem, operation = found["operation"].split(".")
        sizes = (int(found["dim"]), int(found["batch"]), 1)
        measured = run.measured[Cell(stem, operation, "numba", "float64", *sizes)]
        assert float(found["seconds_per_sample"]) == pytest.approx(measured.per_sample.middle)
        assert found["dependent_steps"] == ("yes" if stem == "linear_ar" else "no")


SLOW = replace(
    CEILINGS,
    bandwidth=tuple(replace(level, read=1e7, write=1e7, copy=1e7, triad=1e7) for level in CEILINGS.bandwidth),
    fma_latency={"float64": 1e-7, "float32": 1e-7},
    call_arrays=4e-6,
)


def test_limits_are_drawn_where_the_machine_was_measured(tmp_path: Path) -> None:
    def names(**stored: Any) -> set[str]:
        figure = figure_of(read_run(write_run(tmp_path / f"{len(stored)}", ONE_N, stored=stored)))
        return {line.get_label() for axes in figure.axes for line in axes.get_lines()}

    limits = {"bandwidth", "chain of D multiply-adds", "call of a compiled function", "L1"}
    assert limits <= names(ceilings=SLOW.to_json())
    assert not limits & names()


@pytest.mark.parametrize("cores", [1, 2])
def test_a_cache_is_outgrown_where_no_operation_fits(cores: int) -> None:
    """Each core has an L1 of its own."""
    cells = [
        Cell(case, "forward", "numba", "float64", dim, 64, cores)
        for case in ("linear_ar", "affine_coupling") for dim in range(2, 257)
    ]  # fmt: skip
    run = run_of([Row(cell, "ok", (1.0,), 1) for cell in cells])
    first, *_, last = CEILINGS.bandwidth
    levels = (replace(first, level=name, capacity=n) for name, n in (("L1", 32768), ("L3", 10**9)))
    ceilings = replace(CEILINGS, bandwidth=(*levels, last))
    outgrown = dict(Limits(run, ceilings, curves_of(run)).outgrown([2, 256]))
    assert list(outgrown) == ["L1"]
    fits = [
        any(working_bytes(cell, cell.cost) <= cores * 32768 for cell in cells if cell.dim == dim)
        for dim in (outgrown["L1"] - 1, outgrown["L1"])
    ]
    assert fits == [True, False]


NORMAL = Cell("normal", "standard_normal", "numba", "float64", 2, 1, 1)
LINEAR = Cell("linear_ar", "forward", "numba", "float32", 2, 1, 1)


@pytest.mark.parametrize(
    ("cells", "processes"),
    [
        ([NORMAL], 1),
        ([LINEAR, replace(LINEAR, operation="inverse")], 1),
        ([LINEAR, replace(LINEAR, threads=2)], 2),
        ([replace(LINEAR, dim=d, batch=n) for d in (1, 2, 4, 8) for n in (1, 2, 4)], 2),
        ([replace(LINEAR, impl=name) for name in ("python", "numpy", "torch", "jax")], 2),
    ],
    ids=["one cell", "one process", "one D", "five N", "libraries"],
)
def test_odd_runs_are_drawn(tmp_path: Path, cells: list[Cell], processes: int) -> None:
    rows = [
        Row(c, "ok", (1e-5, 2e-5), 1, p, 1.8e9 + k, 1.0)
        for p in range(processes)
        for k, c in enumerate(cells)
    ]
    probes = [Probe(row.process, row.started, 1e-3) for row in rows]
    names = {file.name for file in draw([run_of(rows, probes, any_environment())], tmp_path)}
    assert {"curves.png", "curves.svg", "curves.csv"} <= names


def test_a_run_without_times_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no timed cells"):
        draw([run_of([])], tmp_path)


def test_labels_are_moved_as_little_as_needed() -> None:
    assert spread([0.0, 0.1, 5.0], 1.0).tolist() == pytest.approx([-0.45, 0.55, 5.0])
    assert spread([0.0, 2.0], 1.0).tolist() == [0.0, 2.0]
