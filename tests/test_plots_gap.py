"""The pictures of the gap against D and of all compiled ratios."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import faults
from synthetic import SMALL, write_run

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.plan.options import Options
from seqgap.bench.report.plots import forest, gap
from seqgap.bench.report.plots.style import Picture, house_style
from seqgap.bench.report.verdict import factor

LINEAR = replace(SMALL, case=("linear_ar",))
PAIRS = (
    "linear_ar",
    "ar_process",
    "maf.forward",
    "iaf.forward",
    "rnn_ar",
    "bigram",
    "ddpm",
    "made_bernoulli",
)
MANY = Options(case=PAIRS, dim=(2, 8, 64), batch=(1, 64), map=(), longest=1e-2)


def drawn(module: Any, run: Run) -> Picture:
    with house_style():
        picture: Picture | None = module.picture(run)
    assert picture is not None
    return picture


def panels(picture: Picture) -> list[Any]:
    return [axes for axes in picture.figure.axes if axes.get_visible()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_run(tmp_path_factory.mktemp("gap") / "run", LINEAR))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_run(tmp_path_factory.mktemp("gap") / "many", MANY, noise=0.1))


def test_curves_and_ribbons_are_the_gaps_of_the_run(run: Run) -> None:
    latency, throughput = panels(drawn(gap, run))
    for axes, batch in ((latency, 1), (throughput, 64)):
        seen = {
            tuple(line.get_ydata()): tuple(line.get_xdata())
            for line in axes.lines
            if line.get_marker() != "None"
        }
        for impl in ("python", "numpy", "numba"):
            of = [g for g in gaps(run) if (g.kind, g.cell.impl, g.cell.batch) == ("matched", impl, batch)]
            assert seen[tuple(g.ratio.middle for g in of)] == tuple(g.cell.dim for g in of)
        ends = {
            round(y, 12) for band in axes.collections for path in band.get_paths() for _, y in path.vertices
        }
        assert {round(g.ratio.low, 12) for g in of} | {round(g.ratio.high, 12) for g in of} <= ends


def test_each_end_is_named_with_its_ratio(run: Run) -> None:
    axes = panels(drawn(gap, run))[0]
    last = [g for g in gaps(run) if (g.kind, g.cell.batch, g.cell.dim) == ("matched", 1, 256)]
    names = {"python": "Python", "numpy": "NumPy", "numba": "compiled"}
    wanted = {f"{names[g.cell.impl]} {factor(g.ratio.middle)}" for g in last}
    assert {text.get_text() for text in axes.texts} == wanted


def test_a_curve_that_ends_early_says_where(tmp_path: Path) -> None:
    options = replace(LINEAR, batch=(64,), longest=1e-3)
    axes = panels(drawn(gap, read_run(write_run(tmp_path / "run", options))))[0]
    (python,) = (text.get_text() for text in axes.texts if text.get_text().startswith("Python"))
    assert " at " in python


def test_every_pair_has_a_panel_for_its_smallest_and_largest_n(many: Run) -> None:
    shown = panels(drawn(gap, many))
    pairs = {g.names for g in gaps(many) if g.kind == "matched"}
    assert len(pairs) >= 8
    assert len(shown) == 2 * len(pairs)
    assert len([axes for axes in shown if axes.get_title()]) == len(pairs)


def test_all_panels_have_one_scale(many: Run) -> None:
    assert len({axes.get_ylim() for axes in panels(drawn(gap, many))}) == 1


def test_no_picture_without_a_pair(tmp_path: Path) -> None:
    options = Options(case=("affine_coupling",), dim=(8,), batch=(1,))
    assert gap.picture(read_run(write_run(tmp_path / "run", options))) is None


MODULES = (gap, forest)


def test_the_forest_has_every_compiled_ratio_and_names_the_ends_of_each_pair(run: Run, many: Run) -> None:
    for known in (run, many):
        wanted = [g for g in gaps(known) if (g.kind, g.cell.impl) == ("matched", "numba")]
        picture = drawn(forest, known)
        head, *lines = picture.table.read_back()
        ratios = [float(line[head.index("ratio")]) for line in lines]
        assert ratios == sorted((g.ratio.middle for g in wanted), reverse=True)
        dots = [
            line for axes in picture.figure.axes for line in axes.lines if line.get_marker() in ("o", ".")
        ]
        shown = [x for line in dots for x in np.atleast_1d(line.get_xdata())]
        assert set(ratios) <= set(map(float, shown))
    labels = [label.get_text() for label in picture.figure.axes[-1].get_yticklabels()]
    assert len(labels) == 2 * len({g.names for g in wanted})


def test_the_forest_counts_what_is_above_and_below_1(tmp_path: Path) -> None:
    def seconds(cell: Any) -> float:
        return {2: 2.0, 8: 0.5}.get(cell.dim, 1.0) if cell.operation == "forward" else 1.0

    options = replace(LINEAR, impl=("numba",), batch=(1,))
    picture = drawn(forest, read_run(write_run(tmp_path / "run", options, seconds=seconds, noise=0.01)))
    title = picture.figure.get_suptitle()
    assert "1 above 1 (orange), 1 below (blue), 2 whose interval contains 1 (grey)" in title


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rsplit(".", 1)[1])
def test_every_text_is_legible_and_inside(module: Any, run: Run, many: Run) -> None:
    for known in (run, many):
        assert faults(drawn(module, known)) == []


@pytest.mark.parametrize(
    ("options", "how"),
    [
        (replace(LINEAR, processes=1), {"processes": 1}),
        (replace(LINEAR, dim=(8,), batch=(1,)), {}),
        (replace(LINEAR, dim=tuple(2**k for k in range(1, 11)), impl=("numba",)), {"noise": 1.0}),
        (LINEAR, {"seconds": lambda _: 1.0, "noise": 0.0}),
    ],
    ids=["one process", "one size", "much noise", "all equal"],
)
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rsplit(".", 1)[1])
def test_odd_runs(module: Any, options: Options, how: dict[str, Any], tmp_path: Path) -> None:
    assert faults(drawn(module, read_run(write_run(tmp_path / "run", options, **how)))) == []
