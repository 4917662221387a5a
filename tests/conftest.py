"""Settings and helpers shared by the tests."""

import functools
import importlib
import inspect
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import completed
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from seqgap.bench.model.case import COUNT, DTYPES, Case, Operation
from seqgap.bench.model.registry import cases

# Whether pytest-xdist did not start this process, but is to start others.
FIRST = "PYTEST_XDIST_WORKER" not in os.environ

# Before Numba is loaded: the kernels that the tests and their subprocesses compile are shared, and
# nothing comes from or goes to the user's folder. SEQGAP_TEST_CACHE names a folder to keep them in.
KEPT = os.environ.get("SEQGAP_TEST_CACHE")
COMPILED = tempfile.TemporaryDirectory(prefix="seqgap-tests-") if FIRST and not KEPT else None
if FIRST:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # more wait for each other in loops, on cores that others use
    os.environ["NUMBA_CACHE_DIR"] = KEPT or (COMPILED.name if COMPILED else "")
_PROCESSES = 4  # at most: each compiles

# The first examples compile kernels, so there is no deadline; the same examples in every run.
settings.register_profile("seqgap", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("seqgap")


@pytest.fixture(autouse=True)
def no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as where nobody has set a width; workers of pytest-xdist may be given one."""
    monkeypatch.delenv("COLUMNS", raising=False)


Subject = tuple[Case, Operation]
OPERATIONS = [(case, operation) for case in cases().values() for operation in case.operations]
ROWS = [(case, operation) for case, operation in OPERATIONS if operation.rows and operation.timed]
BATCHES = [(case, operation) for case, operation in ROWS if operation.rows and operation.rows[0] == 0]


def takes(argument: str, case: Case, operation: Operation) -> bool:
    return argument in inspect.signature(case.kernel(operation.name)).parameters


def with_verbs(*verbs: str) -> list[Subject]:
    """The cases that have all of these operations, each with the first."""
    having = [case for case in cases().values() if {*verbs} <= {o.name for o in case.operations}]
    return [(case, case.operation(verbs[0])) for case in having]


def draws(case: Case, operation: Operation) -> bool:
    """Whether a result depends on a seed."""
    if not takes("seed", case, operation):
        return False
    sampler = operation.name == "random_params" or COUNT in (operation.rows or ())
    return sampler or operation.cost(max(operation.sizes or (4,))).normals > 0


SUBJECTS = {  # what a test is about, by the argument that it takes
    "operation": OPERATIONS,
    "row_operation": ROWS,
    "writing_operation": [(case, o) for case, o in ROWS if takes("out", case, o)],
    "transform": [(case, o) for case, o in BATCHES if takes("out", case, o)],
    "mapping": [(case, o) for case, o in BATCHES if not draws(case, o)],
    "float_operation": [(case, o) for case, o in BATCHES if o.dtypes == DTYPES],
    "drawing_operation": [(case, o) for case, o in ROWS if o.noise or COUNT in (o.rows or ())],
    "seeded_operation": [(case, o) for case, o in OPERATIONS if draws(case, o)],
    "numpy_drawing": [(case, o) for case, o in ROWS if o.noise and "numpy" in o.implementations],
    "flow": with_verbs("forward", "inverse", "log_prob", "sample"),
    "distribution": with_verbs("log_prob", "sample"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every subject of the registry, with each dtype that it has and the sizes nearest to those of `dims`."""
    names, marker = metafunc.fixturenames, metafunc.definition.get_closest_marker
    slow = pytest.mark.slow if marker("float32_is_slow") else ()
    subject, dims = next((name for name in SUBJECTS if name in names), ""), marker("dims")
    if not subject:
        if "dtype" in names:
            second = pytest.param(np.dtype(DTYPES[1]), marks=slow)
            metafunc.parametrize("dtype", [np.dtype(DTYPES[0]), second], ids=str)
        return
    keys = [key for key in ("case", subject, "dtype", "dim" if dims else "") if key in names]
    params = []
    for case, operation in SUBJECTS[subject]:
        for dtype in operation.dtypes if "dtype" in keys else operation.dtypes[:1]:
            for dim in _sizes(operation, dims) if dims else [0]:
                value = operation if "case" in keys else case
                values = {"case": case, subject: value, "dtype": np.dtype(dtype), "dim": dim}
                marks = [slow] if slow and dtype == DTYPES[1] else []
                chosen = [values[key] for key in keys]
                params.append(pytest.param(*chosen, marks=marks, id="-".join(map(_label, chosen))))
    metafunc.parametrize(keys, params)


def _sizes(operation: Operation, dims: pytest.Mark) -> list[int]:
    near = operation.near(dims.args)
    return [dim for dim in near if dim in dims.args] if dims.kwargs.get("exact") else near


def _label(value: Any) -> str:
    return value.stem if isinstance(value, Case) else getattr(value, "name", str(value))


@functools.cache
def leaders() -> dict[str, str]:
    """Of each family the first that runs some of the same kernels."""
    first: dict[Any, str] = {}
    leader = {}
    for stem in cases():
        family = getattr(importlib.import_module(f"seqgap.kernels.{stem}"), "_family", None)
        rows = getattr(family, "_rows", ())
        leader[stem] = next((first[kernel] for kernel in rows if kernel in first), stem)
        first |= dict.fromkeys(rows, leader[stem])
    return leader


class Families(LoadScopeScheduling):
    """What names families of the same kernels goes to one process, which compiles them; else a file does.

    Not xdist's own groups: with pytest 9.2 and xdist 3.8 their marks have no effect.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, parameters = nodeid.partition("[")
        file, _, _ = file.partition("::")
        names = [*re.split("[-.]", parameters), Path(file).stem.removeprefix("test_")]
        return next((leaders()[name] for name in names if name in leaders()), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Families, unless another way to share the tests was asked for."""
    return Families(config, log) if config.option.dist == "loadscope" else None


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """A process for each core, one family or file at a time in each, unless -n or --pdb says otherwise."""
    if FIRST and config.getoption("numprocesses", 0) is None and not config.option.usepdb:
        config.option.numprocesses = min(os.cpu_count() or 1, _PROCESSES)
        config.option.dist = "loadscope"


def pytest_unconfigure() -> None:
    if COMPILED:
        COMPILED.cleanup()


@pytest.fixture
def fresh_python() -> Callable[..., str]:
    """Runs a program in a new interpreter and returns what it printed."""

    def run(program: str, **variables: str) -> str:
        nowhere_near_the_sources = Path(sys.prefix)
        done = completed(sys.executable, "-c", program, cwd=nowhere_near_the_sources, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
