"""Every cell as a pytest-benchmark test: under `seqgap run`, or by hand as `pytest bench --benchmark-only`.

By hand the cells are those of the smoke profile, and pytest-benchmark's own options hold.
"""

from typing import Any

import pytest

from seqgap.bench.measure.cell import measure
from seqgap.bench.measure.session import PLUGIN, Session
from seqgap.bench.model.case import Thunk
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.cells import plan, too_slow
from seqgap.bench.plan.options import profile
from seqgap.bench.results.rows import Row
from seqgap.kernels._core.jit import threads_available

_FEWEST = 2  # rounds in each process, of what is slow


def _session(config: pytest.Config) -> Session:
    session: Session | None = config.pluginmanager.get_plugin(PLUGIN)
    if session is None:
        options = profile("smoke", threads_available())
        cells = [cell for cell in plan(options) if not too_slow(cell, options)]
        session = Session(options, cells, _fail_if_wrong)
        config.pluginmanager.register(session, PLUGIN)
    return session


def _fail_if_wrong(row: Row) -> None:
    if row.status == "failed":
        pytest.fail(row.reason)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each cell of the session."""
    metafunc.parametrize("cell", _session(metafunc.config).cells, ids=str)


def test_speed(cell: Cell, benchmark: Any, pytestconfig: pytest.Config) -> None:
    """Measure one cell and store its row."""
    session = _session(pytestconfig)

    def timer(thunk: Thunk, estimate: float) -> tuple[tuple[float, ...], int]:
        benchmark.group = f"{cell.name} {cell.dtype} D={cell.dim} N={cell.batch} t={cell.threads}"
        benchmark.extra_info.update(vars(cell))
        if estimate > session.options.seconds:  # calibration and the call after it would double the time
            benchmark.pedantic(thunk, rounds=_FEWEST)
        else:
            benchmark(thunk)
        if benchmark.stats is None:  # --benchmark-disable: called once
            return (), 1
        stats = benchmark.stats
        return tuple(float(f"{seconds:.6g}") for seconds in stats.stats.data), int(stats.iterations)

    row = measure(cell, session.options, timer)
    session.finished(row)
    if row.status != "ok":  # said in the row; the fixture, unused, would warn in a test that passes
        pytest.skip(row.reason)
