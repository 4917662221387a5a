"""The libraries that users would pick instead: right results, threads, what is missing, the table."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import invoke
from rich.console import Console
from synthetic import run_of

from seqgap.bench.analysis.ranking import Ranking, rankings, table
from seqgap.bench.analysis.run import read_run
from seqgap.bench.measure.cell import measure
from seqgap.bench.model import arrays
from seqgap.bench.model.case import Case, Dtype, Operation, Thunk
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.implementation import implementation, left_out
from seqgap.bench.model.registry import cases, implementation_names
from seqgap.bench.plan.cells import plan
from seqgap.bench.plan.options import Options
from seqgap.bench.report import summary
from seqgap.bench.report.tables import print_peers
from seqgap.bench.results.rows import Row
from seqgap.kernels._core.jit import threads_available

FLOAT32 = np.dtype(np.float32)
COMPILED = "torch-compile"  # seconds for each function
PEERS = [name for name in implementation_names() if implementation(name).peer]
IN_FLOAT32 = [name for name in PEERS if implementation(name).dtypes == ("float32",)]  # alone
LIBRARIES = [name for name in PEERS if name not in ("numpy", COMPILED, *IN_FLOAT32)]


def needs(implementation: str) -> Any:
    missing = left_out((implementation,))
    return pytest.mark.skipif(bool(missing), reason=f"{implementation}: {', '.join(missing)}")


def each(*names: str) -> Any:
    return pytest.mark.parametrize("implementation", [pytest.param(n, marks=needs(n)) for n in names])


class Once:
    """A timer that keeps what the call returned."""

    output: Any = None

    def __call__(self, thunk: Thunk, estimate: float) -> tuple[tuple[float, ...], int]:
        self.output = thunk()
        return (1.0,), 1


def leaves(output: Any) -> list[Any]:
    if isinstance(output, tuple):
        return [leaf for item in output for leaf in leaves(item)]
    return [np.asarray(output)]


def assert_right(cell: Cell) -> None:
    timer = Once()
    row = measure(cell, Options(seed=3, longest=1e9), timer)
    assert row.status == "ok", f"{cell}: {row.reason}"
    for leaf in leaves(timer.output):
        assert leaf.dtype == cell.dtype or leaf.dtype.kind in "biu", cell


def assert_all_right(
    case: Case, operation: Operation, implementation: str, dtype: Dtype, sizes: tuple[int, ...]
) -> None:
    options = Options(
        impl=(implementation,), case=(f"{case.stem}.{operation.name}",), dtype=(dtype.name,), dim=sizes,
        batch=(1, 12),
    )  # fmt: skip
    cells = plan(options)
    assert bool(cells) == (dtype.name in operation.dtypes)
    for cell in cells:
        assert_right(cell)


def every(*names: str) -> Any:
    """Every operation that has one of the implementations."""
    return pytest.mark.parametrize(
        ("case", "peer_operation", "implementation"),
        [
            pytest.param(case, operation, name, marks=needs(name), id=f"{case.stem}-{operation.name}-{name}")
            for case in cases().values()
            for operation in case.operations
            for name in names
            if name in operation.implementations
        ],
    )


@pytest.mark.float32_is_slow
@every(*LIBRARIES)
def test_results_are_right(case: Case, peer_operation: Operation, implementation: str, dtype: Dtype) -> None:
    """At D = 70 a series is two blocks of steps and a rest."""
    assert_all_right(case, peer_operation, implementation, dtype, (1, 5, 70))


@every(*IN_FLOAT32)
def test_results_of_float32_are_right(case: Case, peer_operation: Operation, implementation: str) -> None:
    assert_all_right(case, peer_operation, implementation, FLOAT32, (1, 7))


@pytest.mark.slow
@every(*IN_FLOAT32)
def test_results_of_float32_are_right_at_more_sizes(
    case: Case, peer_operation: Operation, implementation: str
) -> None:
    assert_all_right(case, peer_operation, implementation, FLOAT32, (2, 70))


@pytest.mark.slow
@every(COMPILED)
def test_compiled_results_equal_the_reference(
    case: Case, peer_operation: Operation, implementation: str, dtype: Dtype
) -> None:
    assert_all_right(case, peer_operation, implementation, dtype, (5, 70))


@each(COMPILED)
def test_one_operation_compiles(implementation: str) -> None:
    assert_right(Cell("diffusion", "noise", implementation, "float64", 5, 3, 1))


def test_a_default_run_has_no_peer_but_numpy() -> None:
    assert Options().impl == ("python", "numpy", "numba")


def test_a_library_of_flows_needs_what_it_builds_on(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "torch", "flowjax")
    (names,) = left_out(("numpy", "torch", "zuko", "nflows", "flowjax")).values()
    assert names == ["torch", "zuko", "nflows", "flowjax"]


@each("torch", "jax")
def test_draws_differ_from_call_to_call_and_not_from_run_to_run(implementation: str) -> None:
    def draws() -> list[Any]:
        cell = Cell("normal", "standard_normal", implementation, "float64", 6, 50, 1)
        case, operation = cell.lookup()
        call = operation.inputs(6, 50, np.dtype(np.float64), 2**64 - 1)
        with arrays.settings(implementation, 1):
            thunk = case.setup(operation.name, implementation)(call, 6, np.dtype(np.float64))
            return [np.asarray(thunk()) for _ in range(3)]

    first, second = draws(), draws()
    assert not np.array_equal(first[0], first[1])
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left, right)


@needs("torch")
def test_settings_of_torch_hold_for_a_cell_alone() -> None:
    import torch

    torch.manual_seed(5)
    before = torch.get_num_threads(), torch.is_inference_mode_enabled(), torch.random.get_rng_state()
    with arrays.settings("torch", 1):
        assert (torch.get_num_threads(), torch.is_inference_mode_enabled()) == (1, True)
        torch.randn(3)
    assert (torch.get_num_threads(), torch.is_inference_mode_enabled()) == before[:2]
    assert torch.equal(torch.random.get_rng_state(), before[2])


JAX_THREADS = """
import os
import numpy as np
import psutil
from seqgap.bench.model import arrays

def spent():
    return {t.id: t.user_time + t.system_time for t in psutil.Process().threads()}

for threads in (1, 2, 1):
    before = os.environ.get("NPROC")
    with arrays.settings("jax", threads):
        import jax
        assert os.environ.get("NPROC") == before
        x = jax.numpy.array(np.ones((1500, 1500)))
        run = jax.jit(lambda a: jax.numpy.exp(a @ a))
        jax.block_until_ready(run(x))
        start = spent()
        for _ in range(8):
            jax.block_until_ready(run(x))
        gained = [seconds - start.get(thread, 0) for thread, seconds in spent().items()]
        print(max(gained) / sum(gained))
    assert not jax.config.jax_enable_x64
"""


@pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")
@needs("jax")
def test_jax_keeps_to_the_stated_threads(fresh_python: Callable[..., str]) -> None:
    """With one, a single thread does all of the work; with two it is shared."""
    one, two, again = map(float, fresh_python(JAX_THREADS).split())
    assert one > 0.9
    assert two < 0.9
    assert again > 0.9


def without(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in libraries else real(name, *rest)
    )


SMALL = ["run", "--profile", "smoke", "--case", "diffusion.noise", "--dim", "2", "--batch", "3"]


def test_missing_libraries_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without(monkeypatch, "torch", "jax")
    monkeypatch.setattr(summary, "draw", lambda *_: [])
    folder = tmp_path / "results"
    names = "numba,numpy,torch,torch-compile,jax"
    done = invoke(*SMALL, "--impl", names, "--out", folder)
    assert done.exit_code == 0, done.output
    expected = "Not installed, left out: torch, torch-compile, jax (pip install 'seqgap[peers]')\n"
    assert done.output.startswith(expected)
    assert done.output.count("Not installed, left out") == 1
    assert {row.cell.impl for row in read_run(folder).rows} == {"numpy", "numba"}
    assert (folder / "peers.csv").exists()


def test_only_missing_libraries_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without(monkeypatch, "torch", "jax")
    done = invoke(*SMALL, "--impl", "torch,jax", "--out", tmp_path / "results")
    assert done.exit_code == 2
    assert "--impl: not installed: torch, jax (pip install 'seqgap[peers]')" in done.output
    assert not (tmp_path / "results").exists()


def test_a_missing_compiler_leaves_out_torch_compile_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    everything = tuple(implementation_names())
    assert left_out(everything) == (
        {}
        if any(map(shutil.which, ("c++", "g++", "clang++")))
        else {"needs a C++ compiler": ["torch-compile"]}
    )
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert left_out(everything) == {"needs a C++ compiler": ["torch-compile"]}


def cell(implementation: str, **change: Any) -> Cell:
    stored = {"dtype": "float64", "dim": 6, "batch": 9, "threads": 1, **change}
    return Cell("linear_ar", "forward", implementation, **stored)


def timed(**seconds: float) -> list[Row]:
    """The same in two processes."""
    return [row for name, s in seconds.items() for row in twice(cell(name.replace("_", "-")), s)]


def twice(cell: Cell, seconds: float) -> list[Row]:
    return [Row(cell, "ok", (seconds,) * 3, 1, process) for process in (0, 1)]


def ranked(rows: list[Row]) -> list[Ranking]:
    return rankings(run_of(rows))


def shown(found: list[Ranking]) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        print_peers(console, found)
    return captured.get()


def test_the_table_says_that_a_peer_wins() -> None:
    found = ranked(timed(python=0.1, numpy=8e-3, torch_compile=2e-3, jax=3e-3, numba=3e-3))
    (only,) = found
    assert only.peer == "torch-compile"
    assert only.ratio.middle == pytest.approx(2 / 3)
    assert only.verdict == "torch-compile wins, 1.5x"
    text = shown(found)
    assert "torch-compile wins, 1.5x" in text
    assert "A peer wins in 1 of 1 rows." in text
    assert "python" not in text
    for seconds in ("2 ms", "3 ms"):  # of the fastest peer, and of numba
        assert seconds in text
    assert "8 ms" not in text


def test_the_table_says_that_numba_wins() -> None:
    found = ranked(timed(numpy=8e-3, torch=6e-3, numba=3e-3))
    assert [(ranking.peer, ranking.verdict) for ranking in found] == [("torch", "numba wins, 2x")]
    assert "A peer wins in 0 of 1 rows." in shown(found)


def test_numpy_alone_is_one_line() -> None:
    """A default run keeps to the size of its gap tables."""
    rows = timed(python=1.0, numpy=1.0, numba=3.0)
    rows += [row for name in ("numba", "numpy") for row in twice(cell(name, dim=7), 1.0)]
    assert shown(ranked(rows)) == "numpy is faster than numba in 1 of 2 cells: peers.csv.\n"


def test_small_differences_are_no_win() -> None:
    (only,) = ranked(timed(numpy=1.04, numba=1.0))
    assert only.verdict == "as fast"


def test_only_equal_sizes_are_compared_and_only_with_numba_beside_peers() -> None:
    assert ranked(timed(python=1.0, numba=2.0)) == []
    assert ranked(timed(torch=1.0, jax=2.0)) == []
    other = twice(cell("numba", threads=2), 1.0)
    failed = Row(cell("numba"), "failed", reason="wrong")
    assert ranked([*timed(torch=1.0), *other, failed]) == []
    assert shown([]) == ""


def test_the_widest_table_fits_80_columns() -> None:
    names = [name for name in implementation_names() if name != "python"]
    rows = [
        row
        for name, s in zip(names, np.geomspace(1.23e-3, 0.987, len(names)), strict=True)
        for row in twice(Cell("affine_coupling", "log_prob", name, "float64", 1024, 16384, 16), s)
    ]
    text = shown(ranked([*rows[1:], rows[0]]))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_table_has_a_column_for_each_implementation() -> None:
    rows = timed(numpy=8e-3, torch=6e-3, numba=3e-3)
    rows += [row for name in ("numba", "torch") for row in twice(cell(name, dim=7), 1.0)]
    head, *lines = table(run_of(rows)).read_back()
    first, second = (dict(zip(head, line, strict=True)) for line in lines)
    assert (first["operation"], first["dim"], first["batch"]) == ("linear_ar.forward", "6", "9")
    assert [float(first[name]) for name in ("numba", "numpy", "torch")] == pytest.approx([3e-3, 8e-3, 6e-3])
    assert float(first["ratio"]) == pytest.approx(2)
    assert (first["fastest_peer"], first["verdict"]) == ("torch", "numba wins, 2x")
    assert (second["numpy"], second["fastest_peer"], second["verdict"]) == ("", "torch", "as fast")


@pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")
@needs("torch")
def test_torch_runs_with_two_threads() -> None:
    assert_right(Cell("linear_ar", "forward", "torch", "float64", 5, 3, 2))
