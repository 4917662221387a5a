"""The ladder from plain Python to the parallel direction: its samplers, rungs, factors and files."""

import csv
import importlib
import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console
from synthetic import any_environment, once, run_of, write_run

from seqgap.bench.analysis.ladder import Ladder, ladders
from seqgap.bench.analysis.ranking import rankings
from seqgap.bench.analysis.run import read_run
from seqgap.bench.cli import cli
from seqgap.bench.measure import parent as running
from seqgap.bench.measure.cell import measure
from seqgap.bench.measure.gate import difference
from seqgap.bench.model.case import Dtype
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import cases, matched_pairs
from seqgap.bench.plan.cells import plan, too_slow
from seqgap.bench.plan.options import LADDER, Options
from seqgap.bench.plan.rungs import BLOCKS, STEPS, cells, ladder_dim, of_run, planned
from seqgap.bench.report.plots import draw_ladder
from seqgap.bench.report.tables import print_ladders
from seqgap.bench.results.folder import RunFolder
from seqgap.bench.results.rows import ResultError, Row

STEMS = ("ar_process", "linear_ar")
PAIR = next(pair for pair in matched_pairs() if pair.sequential == "linear_ar.forward")
IMPLEMENTATIONS = ("python", "numpy-passes", "numpy", "numba-plain", "numba")


# The samplers.


SAMPLERS = [(stem, name) for stem in STEMS for name in ("numpy-passes", "numba-plain")] + [
    ("maf", name) for name in ("numpy-passes", "numpy", "numba-naive", "numba-jacobi")
]


@pytest.mark.parametrize(("stem", "implementation"), SAMPLERS)
def test_the_samplers_equal_the_reference(stem: str, implementation: str, dtype: Dtype) -> None:
    case, operation = cases()[stem], cases()[stem].operation("forward")
    for dim in (1, 2, 3, 8, 17, 64):
        for batch in (0, 1, 5) if dim < 64 else (2,):
            call = operation.inputs(dim, batch, dtype, 11)
            before = call.args[0].copy()
            output = case.setup("forward", implementation)(call, dim, dtype)()
            plain = case.plain("forward", call, dtype)
            expected = case.reference("forward")(*plain.args)
            relative = operation.tolerance.of(dim, dtype)
            assert difference(output, expected, relative, dtype).used <= 1, (dim, batch)
            assert [part.dtype for part in output] == [dtype, dtype]
            assert [part.shape for part in output] == [(batch, dim), (batch,)]
            assert np.array_equal(call.args[0], before)


@pytest.mark.parametrize("stem", [*STEMS, "maf"])
@pytest.mark.parametrize("dim", [1, 2, 7])
def test_passes_need_as_many_sweeps_as_dimensions(stem: str, dim: int) -> None:
    module = importlib.import_module(f"seqgap.bench.cases.{stem}")
    operation = cases()[stem].operation("forward")
    call = operation.inputs(dim, 4, np.dtype(np.float64), 5)
    z, params = call.args
    right = operation.implementations["numpy"](call, dim, np.dtype(np.float64))()[0]
    for count in range(dim + 1):
        x = module.sweeps(z, params, count)
        x = x[0] if isinstance(x, tuple) else x
        np.testing.assert_allclose(x[:, :count], right[:, :count], rtol=1e-12)
        assert not np.isclose(x[:, count:], right[:, count:], rtol=1e-12, atol=0).all(axis=0).any()
    assert np.array_equal(module.numpy_passes(z, params)[0], x)


@pytest.mark.parametrize("implementation", ["numpy-passes", "numba-plain"])
@pytest.mark.parametrize("stem", STEMS)
def test_the_gate_knows_the_samplers(monkeypatch: pytest.MonkeyPatch, stem: str, implementation: str) -> None:
    cell = Cell(stem, "forward", implementation, "float64", 6, 9, 1)
    assert measure(cell, Options(seed=3, longest=1e9), once).status == "ok"
    if implementation == "numpy-passes":  # one sweep too few
        module = importlib.import_module(f"seqgap.bench.cases.{stem}")
        sweeps = module.sweeps
        monkeypatch.setattr(module, "sweeps", lambda z, params, count: sweeps(z, params, count - 1))
        assert measure(cell, Options(seed=3, longest=1e9), once).status == "failed"


def test_full_passes_are_expected_to_take_d_times_as_long() -> None:
    def left_out(implementation: str, dim: int, longest: float) -> bool:
        cell = Cell("linear_ar", "forward", implementation, "float64", dim, 1024, 1)
        return too_slow(cell, Options(longest=longest, longest_rung=longest)) is not None

    assert not left_out("numpy", 64, 1e-3)
    assert left_out("numpy-passes", 64, 64e-3 / 2)
    assert not left_out("numpy-passes", 64, 64e-3)


def test_the_samplers_are_no_peers_of_numba() -> None:
    rows = [
        Row(Cell("linear_ar", "forward", name, "float64", 6, 9, 1), "ok", (1.0, 1.0, 1.0), 1)
        for name in ("python", "numpy-passes", "numba-plain", "numba")
    ]
    assert rankings(run_of(rows)) == []


# The rungs.


def test_the_rungs_of_a_pair() -> None:
    found = [(c.operation, c.impl, c.threads) for c in cells(PAIR, "float32", 8, 3, 4)]
    assert found == [
        *(("forward", name, 1) for name in IMPLEMENTATIONS),
        ("forward", "numba", 4),
        ("inverse", "numba", 4),
    ]
    assert {(c.case, c.dtype, c.dim, c.batch) for c in cells(PAIR, "float32", 8, 3, 4)} == {
        ("linear_ar", "float32", 8, 3)
    }
    alone = [(c.operation, c.impl, c.threads) for c in cells(PAIR, "float64", 8, 3, 1)]
    assert alone == [*(("forward", name, 1) for name in IMPLEMENTATIONS), ("inverse", "numba", 1)]


def test_every_matched_pair_has_the_rungs_that_no_ladder_can_do_without() -> None:
    for pair in matched_pairs():
        found = (cell.impl for cell in cells(pair, "float64", 4, 1, 2))
        impls = [impl for impl in found if impl != BLOCKS]
        assert impls[0] == "python"
        assert impls[-3] in ("numba", STEPS)
        assert impls[-2:] == ["numba"] * 2  # on threads, and in parallel


def test_a_chain_that_forgets_has_a_rung_of_blocks_before_its_threads() -> None:
    (pair,) = (pair for pair in matched_pairs() if pair.sequential == "rnn_ar.forward")
    impls = [cell.impl for cell in cells(pair, "float64", 4096, 3, 2)]
    assert impls == [*IMPLEMENTATIONS[:-1], STEPS, BLOCKS, "numba", "numba"]
    short = [cell.impl for cell in cells(pair, "float64", 4095, 3, 2)]
    assert short == [impl for impl in impls if impl != BLOCKS]


def test_the_rungs_of_a_masked_network_end_at_the_inverse_flow() -> None:
    (pair,) = (pair for pair in matched_pairs() if pair.sequential == "maf.forward")
    found = [(c.name, c.impl, c.threads) for c in cells(pair, "float32", 8, 3, 2)]
    rungs = [("python", 1), ("numpy-passes", 1), ("numba-naive", 1), ("numba", 1), ("numba", 2)]
    assert found == [*(("maf.forward", *rung) for rung in rungs), ("iaf.forward", "numba", 2)]


def test_the_ladders_of_a_run_have_its_threads() -> None:
    for threads in (1, 3):
        found = of_run(Options(ladder_threads=threads))
        assert {cell.threads for cell in found} == {1, threads}


@pytest.mark.parametrize(
    ("dims", "chosen"), [((2, 32, 256, 1024), 32), ((2, 64, 65), 64), ((1024, 512), 512), ([7], 7)]
)
def test_the_dimension_of_a_runs_ladder(dims: Iterable[int], chosen: int) -> None:
    assert ladder_dim(dims) == chosen


def test_no_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^dims: expected at least one"):
        ladder_dim([])


def test_planned_cells_are_those_of_the_chosen_pairs_and_can_be_measured() -> None:
    impls = (*IMPLEMENTATIONS, BLOCKS)
    options = Options(case=("ar_process",), dim=(4, 8), batch=(1, 5), threads=(1,), impl=impls)
    found = planned(options)
    assert len(found) == len(set(found)) == 2 * 2 * 6
    assert set(found) <= set(plan(options))
    blocks = [(cell.batch, cell.dim) for cell in found]
    assert blocks == sorted(blocks)
    assert planned(Options(case=("ar_process.forward",))) == []  # the other direction is not wanted
    assert planned(Options(case=("normal",))) == []


# The factors.

LEVEL = {  # seconds of one call, of forward on one thread
    "python": 64e-3, "numpy-passes": 16e-3, "numpy": 8e-3, "numba-plain": 12e-3, "numba": 2e-3,
}  # fmt: skip
FACTORS = [4.0, 2.0, 8 / 12, 6.0, 2.0, 1.25]
CAUSES = ["interpreter", "redundant work", "call overhead", "vector width, checks", "threads"]
LADDER_OPTIONS = Options(
    case=("linear_ar",), impl=IMPLEMENTATIONS, dim=(8,), batch=(1, 16), map=(), threads=(1, 2)
)


def level(cell: Cell) -> float:
    if cell.operation == "inverse":
        return 1.6e-3 / cell.threads
    return LEVEL[cell.impl] / cell.threads


def timed(
    left_out: Callable[[Cell, int], bool] = lambda cell, process: False,
    slower: Callable[[int], float] = lambda process: 1.0,
    options: Options = LADDER_OPTIONS,
) -> list[Ladder]:
    """The ladders of a run of three processes without noise."""
    rows = [
        Row(cell, "ok", (level(cell) * slower(process),) * 3, 1, process)
        for process in range(3)
        for cell in planned(options)
        if not left_out(cell, process)
    ]
    return ladders(run_of(rows))


def middles(ladder: Ladder) -> list[float]:
    return [rung.factor.middle for rung in ladder.rungs if rung.factor is not None]


def test_known_times_give_known_factors() -> None:
    latency, throughput = timed()
    assert (latency.cell.batch, throughput.cell.batch) == (1, 16)
    assert (latency.pair, latency.parallel) == (PAIR, "inverse")
    assert [rung.measured.cell for rung in latency.rungs] == cells(PAIR, "float64", 8, 1, 2)
    assert latency.rungs[0].factor is None
    assert middles(latency) == pytest.approx(FACTORS)
    assert [rung.measured.seconds for rung in latency.rungs[:5]] == pytest.approx(list(LEVEL.values()))
    assert latency.total.middle == pytest.approx(80.0)
    assert [rung.cause for rung in latency.rungs] == ["", *CAUSES, "true data dependence"]
    assert latency.rungs[5].name == "compiled, 2 threads"


def test_intervals_hold_the_truth_and_grow_with_the_noise(tmp_path: Path) -> None:
    widths = []
    for noise in (0.001, 0.03):
        path = write_run(tmp_path / str(noise), LADDER_OPTIONS, seconds=level, processes=6, noise=noise)
        found = ladders(read_run(path))
        for ladder in found:
            for rung, true in zip(ladder.rungs[1:], FACTORS, strict=True):
                assert rung.factor is not None
                assert rung.factor.low < rung.factor.middle < rung.factor.high
                assert rung.factor.middle == pytest.approx(true, rel=3 * noise)
            assert ladder.total.low < 80 < ladder.total.high
            assert np.prod(middles(ladder)) == pytest.approx(ladder.total.middle)
        factor = found[0].rungs[1].factor
        assert factor is not None
        widths.append(np.log(factor.high / factor.low))
    assert widths[1] > 5 * widths[0]


def test_a_process_that_was_slow_throughout_changes_no_factor() -> None:
    ladder = timed(slower=lambda process: 1 + process)[0]
    first = ladder.rungs[0].measured.interval
    assert first.high > 1.5 * first.low
    for rung, true in zip(ladder.rungs[1:], FACTORS, strict=True):
        assert rung.factor is not None
        assert (rung.factor.low, rung.factor.high) == pytest.approx((true, true))


MISSING: dict[str, tuple[Callable[[Cell, int], bool], list[str], list[float]]] = {
    "two rungs, whose causes go to the next": (
        lambda cell, process: cell.impl in ("numpy-passes", "numba-plain"),
        ["", "interpreter + redundant work", "call overhead + vector width, checks", *CAUSES[4:]],
        [8.0, 4.0, 2.0, 1.25],
    ),
    "plain Python, so that it starts higher": (
        lambda cell, process: cell.impl == "python",
        ["", *CAUSES[1:]],
        FACTORS[1:],
    ),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_ladder_without_some_rungs_has_the_causes_of_the_others(name: str) -> None:
    left_out, causes, factors = MISSING[name]
    ladder = timed(left_out)[0]
    assert [rung.cause for rung in ladder.rungs] == [*causes, "true data dependence"]
    assert middles(ladder) == pytest.approx(factors)
    assert ladder.total.middle == pytest.approx(np.prod(factors))


def test_one_thread_has_no_rung_of_threads() -> None:
    ladder = timed(options=replace(LADDER_OPTIONS, threads=(1,)))[0]
    assert [rung.cause for rung in ladder.rungs[-2:]] == ["vector width, checks", "true data dependence"]
    assert middles(ladder)[-1] == pytest.approx(2 / 1.6)
    assert {rung.measured.cell.threads for rung in ladder.rungs} == {1}


@pytest.mark.parametrize(
    "missing",
    [
        lambda cell, process: cell.operation == "inverse",
        lambda cell, process: (cell.impl, cell.operation, cell.threads) == ("numba", "forward", 1),
        lambda cell, process: cell.impl != "numba" or (cell.operation == "forward" and cell.threads == 2),
        lambda cell, process: (cell.impl == "python") is (process == 0),
    ],
    ids=["parallel", "best", "one other", "a common process"],
)
def test_too_few_rungs_are_no_ladder(missing: Callable[[Cell, int], bool]) -> None:
    assert timed(missing) == []


def test_the_ladders_of_a_run_are_at_one_dimension_and_its_outer_batches(tmp_path: Path) -> None:
    options = Options(
        case=("linear_ar", "ar_process", "affine_coupling"), dim=(2, 64, 512), batch=(1, 8, 64), map=(),
        dtype=("float32", "float64"), impl=("python", "numpy", "numba"), longest=10.0,
    )  # fmt: skip
    run = read_run(write_run(tmp_path / "run", options))
    found = [ladder.cell.columns("operation", "dtype", "dim", "batch") for ladder in ladders(run)]
    sizes = [(dtype, 64, batch) for dtype in ("float64", "float32") for batch in (1, 64)]
    assert sorted(found) == sorted((f"{stem}.forward", *size) for stem in STEMS for size in sizes)
    alone = replace(run, options=replace(options, profile=LADDER))  # has those of all batches
    assert {ladder.cell.batch for ladder in ladders(alone)} == {1, 8, 64}


# Table, file and command.


def shown(found: list[Ladder], width: int = 80) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        print_ladders(console, found)
    return capture.get()


def test_the_table_names_rungs_factors_and_the_rest() -> None:
    text = shown(timed())
    assert "Latency: linear_ar.forward against inverse, D = 8, N = 1, float64" in text
    assert "Throughput: linear_ar.forward against inverse, D = 8, N = 16, float64" in text
    assert "total python -> parallel: 80x; of it true data dependence 1.25x (1.25 to 1.25)" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["NumPy,", "step", "by", "step", "8", "ms", "2x", "(2", "to", "2)", "redundant", "work"] in lines
    assert ["NumPy,", "step", "by", "step", "500", "us", "2x", "(2", "to", "2)", "redundant", "work"] in lines
    assert ["plain", "Python", "64", "ms"] in lines
    assert "0.667x" in text
    assert "…" not in text
    rungs = [line for line in text.splitlines() if line.startswith("compiled, best")]
    assert len(rungs) == 2
    assert all(line.rstrip().endswith("vector width, checks") for line in rungs)  # in one line of 80
    assert shown([]) == ""


def test_one_process_has_no_intervals_in_the_table() -> None:
    text = shown(timed(left_out=lambda cell, process: process > 0))
    assert "nan" not in text
    assert "of it true data dependence 1.25x\n" in text


def test_csv_has_a_line_for_each_rung(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", LADDER_OPTIONS, seconds=level, noise=1e-12)
    draw_ladder(read_run(path), tmp_path)
    with (tmp_path / "ladder.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 7
    first, last = lines[0], lines[-1]
    assert [first[key] for key in ("rung", "cause", "factor", "impl")] == ["plain Python", "", "", "python"]
    assert (last["cause"], last["threads"], last["batch"]) == ("true data dependence", "2", "16")
    assert float(last["seconds_per_sample"]) == pytest.approx(0.8e-3 / 16)
    factor = [float(last[name]) for name in ("factor_low", "factor", "factor_high")]
    assert factor == pytest.approx([1.25] * 3)


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """The command in an empty folder, with made-up times."""

    def measured(options: Options, path: Path, notes: Console) -> Any:
        return nullcontext(RunFolder(write_run(path, options, seconds=level, noise=0.001)))

    monkeypatch.setattr(running, "started", measured)
    monkeypatch.setattr(running, "measure_run", lambda notes, folder: None)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, ["ladder", *arguments])


def test_the_command_prints_and_stores_the_ladders(invoke: Callable[..., Any], tmp_path: Path) -> None:
    done = invoke("--case", "linear_ar", "--dim", "5", "--batch", "1,4,9", "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    parts = ("Latency: linear_ar", "N = 4", "N = 9", "total python -> parallel", "ladder.png", "ladder.csv")
    for part in parts:
        assert part in done.output
    assert "ar_process" not in done.output
    options = json.loads((tmp_path / "out" / "environment.json").read_text())["options"]
    assert (options["dim"], options["batch"], options["processes"]) == ([5], [1, 4, 9], 3)
    assert len((tmp_path / "out" / "ladder.csv").read_text().splitlines()) > 3 * 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--case", "normal"), "rnn_ar, which have both directions, got 'normal'"),
        (("--dim", "0"), "--dim: expected integers"),
        (("--batch", "1,x"), "expected integers and ranges"),
        (("--batch", "0"), "--batch: expected integers"),
        (("--dtype", "float16"), "--dtype: expected"),
        (("--processes", "0"), "--processes: expected"),
    ],
)
def test_wrong_input_is_one_line(
    invoke: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert not list(tmp_path.iterdir())


def test_nothing_timed_is_an_error(
    invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    def begun(options: Options, path: Path, notes: Console) -> Any:
        return nullcontext(RunFolder.create(path, any_environment(), options))

    monkeypatch.setattr(running, "started", begun)
    done = invoke("--out", str(tmp_path / "run"))
    assert done.exit_code == ResultError.exit_code
    assert "no timed cells" in done.output
