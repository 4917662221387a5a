"""Settings and helpers shared by the tests."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import SMALL, seqgap
from hypothesis import settings

from seqgap.bench.model.case import Case, Operation
from seqgap.bench.model.registry import cases

# Whether pytest-xdist did not start this process, but is to start others.
FIRST = "PYTEST_XDIST_WORKER" not in os.environ

# Before Numba is loaded: the kernels that the tests and their subprocesses compile are shared, and
# nothing comes from or goes to the user's folder. SEQGAP_TEST_CACHE names a folder to keep them in.
KEPT = os.environ.get("SEQGAP_TEST_CACHE")
COMPILED = tempfile.TemporaryDirectory(prefix="seqgap-tests-") if FIRST and not KEPT else None
if FIRST:
    os.environ["NUMBA_CACHE_DIR"] = KEPT or (COMPILED.name if COMPILED else "")
_PROCESSES = 4  # at most: each compiles

# The first examples compile kernels, so there is no deadline; the same examples in every run.
settings.register_profile("seqgap", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("seqgap")

OPERATIONS = [(case, operation) for case in cases().values() for operation in case.operations]
FLOWS = [case for case in cases().values() if {"forward", "inverse"} <= {o.name for o in case.operations}]


def _name(value: Case | Operation) -> str:
    return value.stem if isinstance(value, Case) else value.name


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every operation, row-wise operation, flow and dtype of the registry, by argument name."""
    names = metafunc.fixturenames
    if "operation" in names:
        metafunc.parametrize(("case", "operation"), OPERATIONS, ids=_name)
    if "row_operation" in names:
        chosen = [(c, o) for c, o in OPERATIONS if o.rows is not None and o.timed]
        metafunc.parametrize(("case", "row_operation"), chosen, ids=_name)
    if "drawing_operation" in names:
        chosen = [(c, o) for c, o in OPERATIONS if o.noise is not None]
        metafunc.parametrize(("case", "drawing_operation"), chosen, ids=_name)
    if "flow" in names:
        metafunc.parametrize("flow", FLOWS, ids=lambda case: case.stem)
    if "dtype" in names:
        second = pytest.mark.slow if metafunc.definition.get_closest_marker("float32_is_slow") else ()
        dtypes = [np.dtype(np.float64), pytest.param(np.dtype(np.float32), marks=second)]
        metafunc.parametrize("dtype", dtypes, ids=str)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """A process for each core, one file of tests at a time in each, unless -n or --pdb says otherwise."""
    if FIRST and config.getoption("numprocesses", 0) is None and not config.option.usepdb:
        config.option.numprocesses = min(os.cpu_count() or 1, _PROCESSES)
        config.option.dist = "loadfile"


def pytest_unconfigure() -> None:
    if COMPILED:
        COMPILED.cleanup()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A result folder and what its run printed; it compiled, amid settings of others for pytest and BLAS."""
    folder = tmp_path_factory.mktemp("run") / "results"
    (folder.parent / "pytest.ini").write_text("[pytest]\naddopts = --benchmark-disable -n 4\n")
    (folder.parent / "conftest.py").write_text("raise SystemExit('loaded')\n")
    variables = {"NUMBA_CACHE_DIR": str(folder.parent / "cache"), "PYTEST_ADDOPTS": "--benchmark-skip"}
    variables |= {"OPENBLAS_CORETYPE": "Prescott"}
    done = seqgap("run", *SMALL, "--out", str(folder), cwd=folder.parent, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


@pytest.fixture
def fresh_python() -> Callable[..., str]:
    """Runs a program in a new interpreter and returns what it printed."""

    def run(program: str, **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env={**os.environ, **variables},
            cwd=Path(sys.prefix),  # nowhere near the sources
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
