"""Pictures of libraries side by side, and of what changed between two runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import faults
from synthetic import SMALL, any_environment, read_csv, run_of, write_run

from seqgap.bench.analysis.compare import changes
from seqgap.bench.analysis.ranking import rankings
from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.audit.tables import differences
from seqgap.bench.model.cell import Cell
from seqgap.bench.report.plots import change, draw, peers
from seqgap.bench.report.plots.style import Picture, house_style
from seqgap.bench.results.rows import Row

SPEEDS = {
    "numba": 1.0,
    "numpy": 4.0,
    "scipy": 2.0,
    "torch": 30.0,
    "jax": 0.5,
    "torch-compile": 9.0,
    "zuko": 100.0,
}
NAMES = ("linear_ar.forward", "linear_ar.inverse", "ar_process.forward", "affine_coupling.forward")


def run_with(impls: tuple[str, ...], names: tuple[str, ...] = NAMES, processes: int = 3) -> Run:
    rows = [
        Row(
            Cell(*name.split("."), impl, "float64", dim, batch, 1), "ok",
            (SPEEDS[impl] * dim * 1e-6 * (1 + 0.01 * ((7 * k + 3 * p) % 5)),) * 3,
            10, p, 1.8e9 + k + 100 * p, 1.0,
        )
        for p in range(processes)
        for k, (name, impl, dim, batch) in enumerate(
            (name, impl, dim, batch)
            for name in names for impl in impls for dim in (2, 8, 64) for batch in (1, 16, 256)
        )
    ]  # fmt: skip
    return run_of(rows, environment=any_environment())


def drawn(picture: Picture | None) -> Picture:
    assert picture is not None
    return picture


def of_peers(run: Run) -> Picture:
    with house_style():
        return drawn(peers.picture(run))


def test_numpy_alone_is_no_picture_of_peers() -> None:
    assert peers.picture(run_with(("numba", "numpy"))) is None
    assert peers.picture(run_with(("torch",))) is None


def test_times_are_over_those_of_the_fastest_at_each_size() -> None:
    run = run_with(("numba", "numpy", "torch", "jax"), NAMES[:1])
    picture = of_peers(run)
    latency, throughput = (axes for axes in picture.figure.axes if axes.get_visible())
    assert [axes.get_title() for axes in (latency, throughput)] == [
        "linear_ar.forward\nN = 1", "linear_ar.forward\nN = 256",
    ]  # fmt: skip
    curves = [line for line in latency.lines if line.get_marker() != "None"]
    assert len(curves) == 4
    wanted = [r for r in rankings(run) if r.cell.batch == 1]
    for impl in ("numba", "numpy", "torch", "jax"):
        heights = [r.medians[impl] / min(r.medians.values()) for r in wanted]
        assert any(np.allclose(line.get_ydata(), heights) for line in curves)
    bars = [line for line in latency.lines if line.get_marker() == "None"]
    ends = [(r.ratio.inverse.low, r.ratio.inverse.high) for r in wanted]
    assert np.allclose([bar.get_ydata() for bar in bars], ends)


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("impls", [("numba", "jax"), tuple(SPEEDS)], ids=len)
def test_texts_of_peers_are_legible_and_inside(impls: tuple[str, ...], processes: int) -> None:
    assert faults(of_peers(run_with(impls, processes=processes))) == []


LINEAR = replace(SMALL, case=("linear_ar", "affine_coupling"), impl=("numba", "numpy"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """In the second run linear_ar.forward is half as fast, and linear_ar.inverse twice as fast."""

    def changed(cell: Cell) -> float:
        factors = {"linear_ar.forward": 2.0, "linear_ar.inverse": 0.5}
        return 1e-5 * factors.get(cell.name, 1.0)

    parent = tmp_path_factory.mktemp("change")
    old = write_run(parent / "old", LINEAR, seconds=lambda _: 1e-5)
    new = write_run(parent / "new", replace(LINEAR, dim=(8, 64)), seconds=changed, seed=1)
    return read_run(old), read_run(new)


def of_change(old: Run, new: Run) -> Picture | None:
    with house_style():
        return change.picture(old, new)


def test_changes_are_those_of_compare_the_slowest_on_top(two: tuple[Run, Run]) -> None:
    picture = drawn(of_change(*two))
    found = {c.cell: c for c in changes(*two)}
    head, *lines = picture.table.read_back()
    assert len(lines) == len(found)
    assert {tuple(line[:2]) for line in lines} == {("old", "new")}
    (axes,) = picture.figure.axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    ratios = [float(np.atleast_1d(line.get_xdata())[0]) for line in dots]
    assert ratios == sorted(ratios, reverse=True)
    most = sorted((max(c.ratio.middle, 1 / c.ratio.middle) for c in found.values()), reverse=True)[:16]
    assert {round(max(r, 1 / r), 9) for r in ratios} >= {round(r, 9) for r in most}
    slower = sum(c.verdict == "slower" for c in found.values())
    assert slower >= 8
    assert f"{slower} slower (orange)" in picture.figure.get_suptitle()
    assert [head.index(name) for name in ("ratio", "low", "high", "verdict")] == [10, 11, 12, 13]


def test_no_picture_of_changes_without_intervals_or_common_cells(
    two: tuple[Run, Run], tmp_path: Path
) -> None:
    one = read_run(write_run(tmp_path / "one", LINEAR, processes=1))
    other = read_run(write_run(tmp_path / "other", replace(LINEAR, dim=(5,))))
    assert of_change(two[0], one) is None
    assert of_change(two[0], other) is None


def test_two_runs_together_have_curves_and_changes_and_the_audit_lets_them_pass(
    two: tuple[Run, Run], tmp_path: Path
) -> None:
    names = {path.name for path in draw(two, tmp_path)}
    assert {"curves.png", "change.png", "change.svg", "change.csv"} <= names
    assert "gap.png" not in names
    assert differences(replace(two[0], path=tmp_path), "change.csv") == []
    assert len(read_csv(tmp_path / "change.csv")) == 1 + len(changes(*two))


def test_texts_of_changes_are_legible_and_inside(two: tuple[Run, Run]) -> None:
    long: Any = replace(two[1], path=Path("a long name of a folder " * 9))
    assert faults(drawn(of_change(*two))) == []
    assert faults(drawn(of_change(two[0], long))) == []
