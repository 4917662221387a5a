"""The pictures: the figures behind them, what they mark, and that the same files give the same bytes."""

import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from synthetic import CEILINGS, SMALL, any_environment, read_csv, run_of, write_run

from seqgap.bench.analysis.curves import table
from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.analysis.scaling import crossings
from seqgap.bench.analysis.scaling import curves as curves_of
from seqgap.bench.machine.ceilings import working_bytes
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import comparisons
from seqgap.bench.report.plots import curves, draw
from seqgap.bench.report.plots.limits import Limits
from seqgap.bench.report.plots.style import SHADES, house_style, spread
from seqgap.bench.results.folder import ENVIRONMENT, OPERATIONS
from seqgap.bench.results.rows import PROBES, ROWS, Probe, ResultError, Row

ONE_N = replace(SMALL, batch=(1,))
ALL = replace(ONE_N, case=("linear_ar", "affine_coupling"), impl=("numpy", "numba"), threads=(1, 2))
PICTURES = ("curves", "gap-map", "ladder", "threads", "compile", "rounds")


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
        for part in ("<svg", cpu, "Numba", "processes, ", "95% intervals: Student t"):
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
    names = [text for text in axes.texts if "." in text.get_text()]
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
    assert sum(len(boxes(axes)) for axes in figure.axes) >= 3 * 5


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


def test_title_and_footer_fit_where_there_is_one_panel(tmp_path: Path) -> None:
    options = replace(ONE_N, case=("normal.standard_normal",), impl=("numba",))
    machine = any_environment()["machine"] | {"cpu": "a long name of a processor " * 12}
    figure = figure_of(read_run(write_run(tmp_path / "run", options, stored={"machine": machine})))
    assert sum("of a processor" in text for text in figure.get_supxlabel().splitlines()) > 1
    for box in (text.get_window_extent() for text in figure.texts):
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("impl", [("numba",), ("python", "numpy", "numba")], ids=len)
def test_labels_of_the_dimensions_do_not_overlap(tmp_path: Path, impl: tuple[str, ...]) -> None:
    dims = tuple(2**k for k in range(1, 11))
    options = replace(ONE_N, case=("linear_ar",), impl=impl, dim=dims)
    figure = figure_of(read_run(write_run(tmp_path / "run", options, seconds=lambda _: 1e-6)))
    for axes in figure.axes:
        labels = [label for label in axes.get_xticklabels() if label.get_text()]
        assert {"4", "1024"} <= {label.get_text() for label in labels}
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


def test_both_directions_of_a_pair_have_a_colour_of_their_own_and_rungs_no_panel(tmp_path: Path) -> None:
    """The ladder of maf measures numba-naive for one dimension, which is no curve."""
    compared = {name for c in comparisons() for name in (c.sequential, c.parallel)}
    options = replace(ONE_N, case=tuple(sorted(compared)))
    figure = figure_of(read_run(write_run(tmp_path / "run", options)))
    titles = [axes.get_title() for axes in figure.axes]
    assert [title for title in titles if "naive" in title or "passes" in title] == []
    texts = figure.axes[titles.index("numba, batch N = 1")].texts
    labels = [text for text in texts if "." in text.get_text()]
    colours = {text.get_text().split(" ")[0]: text.get_color() for text in labels}
    assert colours["maf.forward"] == colours["iaf.forward"]
    assert colours["linear_ar.forward"] == colours["linear_ar.inverse"]
    others = {name.split(".")[0]: colour for name, colour in colours.items() if not name.startswith("iaf")}
    assert len(set(others.values())) == min(len(others), len(SHADES)) >= 8


SLOW = replace(
    CEILINGS,
    bandwidth=tuple(replace(level, read=1e7, write=1e7, copy=1e7, triad=1e7) for level in CEILINGS.bandwidth),
    fma_latency={"float64": 1e-7, "float32": 1e-7},
    call_arrays=4e-6,
)


def test_limits_are_drawn_where_the_machine_was_measured(tmp_path: Path) -> None:
    def texts(**stored: Any) -> set[str]:
        figure = figure_of(read_run(write_run(tmp_path / f"{len(stored)}", ONE_N, stored=stored)))
        return {text.get_text() for axes in figure.axes for text in axes.texts}

    limits = {"bandwidth", "chain of D multiply-adds", "call of a compiled function", " L1"}
    assert limits <= texts(ceilings=SLOW.to_json())
    assert not limits & texts()


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
