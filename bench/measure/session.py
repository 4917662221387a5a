"""pytest-benchmark run from Python: one test for each cell, each result stored as it comes."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seqgap.bench.machine.processor import timer_step
from seqgap.bench.model import arrays
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.options import Options
from seqgap.bench.results.rows import Row

PLUGIN = "seqgap-session"
_TICKS = 1500  # of the timer in each round: at least 1000, and calibration may come out lower


@dataclass(eq=False)
class Session:
    """The pytest plugin that hands the cells to bench/test_speed.py and takes the rows.

    A cell that is not `due` when its turn comes is passed over.
    """

    options: Options
    cells: list[Cell]
    finished: Callable[[Row], None]
    due: Callable[[Cell], bool] = lambda cell: True

    def __post_init__(self) -> None:
        self.__name__ = PLUGIN  # by which pytest registers it

    def pytest_runtest_protocol(self, item: Any) -> bool | None:
        """Pass over a cell that is not due before pytest sets anything up for it."""
        return None if self.due(item.callspec.params["cell"]) else True


class SessionError(Exception):
    """pytest ended early; the message is its last error line, `output` all it printed."""

    def __init__(self, output: str) -> None:
        lines = output.splitlines() or ["no output"]
        errors = [line[1:].strip() for line in lines if line.startswith("E  ")]
        super().__init__((errors or lines)[-1])
        self.output = output


def run(session: Session) -> bool:
    """Measure the cells of `session`; False if interrupted from the keyboard."""
    arguments = [
        str(Path(__file__).with_name("test_speed.py")),
        "-p", "pytest_benchmark.plugin",
        "-p", "no:cacheprovider",
        "-c", os.devnull,
        "--rootdir", str(Path(__file__).parent),
        "--noconftest",
        "--import-mode=importlib",
        "--override-ini", "consider_namespace_packages=true",
        "--capture=no",
        "--exitfirst",
        "-W", "error::pytest_benchmark.logger.PytestBenchmarkWarning",  # nobody would see it
        "--benchmark-only",
        "--benchmark-disable-gc",
        "--benchmark-columns=median",
        f"--benchmark-max-time={session.options.seconds}",
        f"--benchmark-min-time={max(session.options.seconds / 40, _TICKS * timer_step())}",  # of a round
        "--benchmark-min-rounds=3",
        "--benchmark-warmup=off",  # `measure` has its own, of a stated length
    ]  # fmt: skip
    output = io.StringIO()
    with _own_settings(), contextlib.redirect_stdout(output):
        code = pytest.main(arguments, plugins=[session])
    if code == pytest.ExitCode.INTERRUPTED:
        return False
    if code != pytest.ExitCode.OK:
        raise SessionError(output.getvalue())
    return True


@contextlib.contextmanager
def _own_settings() -> Iterator[None]:
    """Without the caller's pytest options and plugins, which could change or stop the timing."""
    # The last but one is of a test that runs this: it would switch the timing off.
    unset = dict.fromkeys(("PYTEST_ADDOPTS", "PYTEST_DEBUG", "PYTEST_PLUGINS", "PYTEST_XDIST_WORKER"))
    known = set(sys.modules)
    try:
        with arrays.variables(**unset, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"):
            yield
    finally:
        if "bench" not in known:  # what pytest found where the working folder holds these sources
            sys.modules.pop("bench", None)
