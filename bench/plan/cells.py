"""Which cells a run measures: profiles, options, and what is too slow to be worth its time."""

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from seqgap.bench.model.registry import Case, Operation, cases, compared, comparisons

# Seconds for each floating-point operation, to leave out cells that would take too long; rough on
# purpose, an order of magnitude is enough.
_SECONDS_PER_FLOP = {"python": 2e-8, "numpy": 1.5e-10, "numba": 2.5e-11, "numba-plain": 5e-10}
_SECONDS_PER_NORMAL = {"python": 2e-6}  # the random words behind it are products of Python's integers
_SECONDS_PER_COMPILED_FLOP = 5e-11  # of all others: BLAS, or loops that a compiler has fused
_FULL_PASSES = ("numpy-passes", "numba-naive")  # implementations that do the work of the operation D times
_LIBRARIES = ("zuko", "nflows", "flowjax")  # so do these where the operation takes D steps
_LARGEST_BYTES = 2**31  # of input, output and parameters
_LIST_BYTES = 40  # of one parameter in the lists that the check hands to the reference
_LARGEST_SIZE = 2**24  # of a dimension or a batch
_ONE_THREAD = ("python", "numba-plain")  # implementations without a notion of threads
LADDER = "ladder"  # the profile of what measures ladders alone
DTYPES = ("float64", "float32")


@dataclass(frozen=True)
class Options:
    """Everything that decides which cells a run has; stored with it, so that it can be resumed."""

    profile: str = "quick"
    case: tuple[str, ...] = ("*",)
    impl: tuple[str, ...] = ("python", "numpy", "numba")
    dim: tuple[int, ...] = (2, 8, 64, 256, 1024)
    batch: tuple[int, ...] = (1, 1024)
    map: tuple[int, ...] = (32,)  # further batch sizes, of the matched pairs alone: for the map of the gap
    threads: tuple[int, ...] = (1,)
    ladder_threads: int = 1  # the most that the ladders have
    dtype: tuple[str, ...] = ("float64",)
    seed: int = 25
    processes: int = 3  # fresh ones, each measuring every cell
    seconds: float = 0.004  # of timing for each cell in each process
    longest: float = 0.1  # expected seconds of one call above which a cell is left out

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Options":
        """The options of `to_json`, of any machine; TypeError or ValueError where they cannot be."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        for key, value in values.items():
            if type(value) is not type(getattr(cls(), key, None)):
                raise TypeError(f"{key}: not an option")
        options = cls(**values)
        options.validate(_LARGEST_SIZE)
        return options

    def validate(self, threads: int) -> None:
        """Raise ValueError naming the first option that no run on so many threads can have."""
        known = implementation_names()
        sizes = (lambda v: type(v) is int and 1 <= v <= _LARGEST_SIZE, f"integers from 1 to {_LARGEST_SIZE}")
        duration = (lambda v: 0 < v < float("inf"), "a positive number of seconds")
        thread_counts = (lambda v: type(v) is int and 1 <= v <= threads, f"integers from 1 to {threads}")
        allowed: dict[str, tuple[Callable[[Any], bool], str]] = {
            "case": (lambda v: isinstance(v, str), "patterns"),
            "impl": (lambda v: v in known, f"some of {', '.join(known)}"),
            "dim": sizes,
            "batch": sizes,
            "map": sizes,
            "threads": thread_counts,
            "ladder_threads": thread_counts,
            "dtype": (lambda v: v in DTYPES, f"some of {', '.join(DTYPES)}"),
            "seed": (lambda v: 0 <= v < 2**64, "an integer from 0 to 2**64 - 1"),
            "processes": (lambda v: type(v) is int and 1 <= v <= 1000, "an integer from 1 to 1000"),
            "seconds": duration,
            "longest": duration,
        }
        for name, (right, expected) in allowed.items():
            value = getattr(self, name)
            values = value if isinstance(value, tuple) else (value,)
            wrong = [v for v in values if not right(v)]
            if wrong or not (values or name == "map"):
                raise ValueError(f"{name}: expected {expected}, got {wrong[0] if wrong else 'none'!r}")


def profile(name: str, threads: int) -> Options:
    """The options of a profile on a machine with that many threads.

    Only `full` has the operations that take part in no comparison: they and their compilation would take
    most of the two minutes that quick may take.
    """
    quick = Options(case=tuple(sorted(compared())), ladder_threads=threads)
    if name == "smoke":
        return replace(
            quick,
            profile=name,
            processes=2,
            dim=(2, 16),
            batch=(1, 64),
            map=(),
            seconds=0.005,
            longest=0.02,
        )
    if name == "full":
        return replace(
            quick,
            profile=name,
            case=("*",),
            processes=5,
            dim=tuple(2**k for k in range(1, 11)),
            map=(4, 32, 256),
            threads=tuple(sorted({1, threads})),
            dtype=("float64", "float32"),
            seconds=0.015,
        )
    return quick


@dataclass(frozen=True)
class Cell:
    """One measured point."""

    case: str
    operation: str
    impl: str
    dtype: str
    dim: int
    batch: int
    threads: int

    def __str__(self) -> str:
        return (
            f"{self.case}.{self.operation}-{self.impl}-{self.dtype}-D{self.dim}-N{self.batch}-t{self.threads}"
        )

    @property
    def name(self) -> str:
        """stem.operation."""
        return f"{self.case}.{self.operation}"

    def lookup(self) -> tuple[Case, Operation]:
        """The case and the operation of this cell."""
        case = cases()[self.case]
        return case, case.operation(self.operation)


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether `stem.operation` fits a glob on it or on its stem."""
    return any(fnmatch.fnmatchcase(name, p) or fnmatch.fnmatchcase(name.split(".")[0], p) for p in patterns)


def plan(options: Options) -> list[Cell]:
    """Every cell of the options, those that share D, N and threads next to each other."""
    pairs = {name for c in comparisons() if c.kind == "matched" for name in (c.sequential, c.parallel)}
    return [
        Cell(case.stem, operation.name, impl, dtype, dim, batch, threads)
        for dtype in options.dtype
        for threads in options.threads
        for batch in dict.fromkeys((*options.batch, *options.map))
        for dim in options.dim
        for case, operation in _operations(options)
        if batch in options.batch or f"{case.stem}.{operation.name}" in pairs
        for impl in operation.implementation_names
        if impl in options.impl and not (impl in _ONE_THREAD and threads > 1)
    ]


def implementation_names() -> list[str]:
    """Every implementation that some operation has."""
    found = [n for c in cases().values() for o in c.operations for n in o.implementation_names]
    return list(dict.fromkeys(found))


def expected_seconds(cell: Cell) -> float:
    """Estimated seconds of one call; rough, but never more than an order of magnitude off."""
    _, operation = cell.lookup()
    names = (cell.impl, cell.impl.partition("-")[0])  # of a strategy or rung, and what it is written in
    rate = next((_SECONDS_PER_FLOP[n] for n in names if n in _SECONDS_PER_FLOP), _SECONDS_PER_COMPILED_FLOP)
    work = _repeats(cell) * rate * (operation.flops(cell.dim) + operation.elements(cell.dim))
    return cell.batch * (work + _SECONDS_PER_NORMAL.get(cell.impl, 0.0) * operation.normals(cell.dim))


def too_slow(cell: Cell, options: Options) -> str | None:
    """Why a cell is left out, or None."""
    _, operation = cell.lookup()
    expected = expected_seconds(cell)
    if expected > options.longest:
        return f"about {expected:.2g} s for one call, above {options.longest:g} s"
    itemsize = np.dtype(cell.dtype).itemsize
    size = cell.batch * operation.elements(cell.dim) * itemsize
    size += operation.parameters(cell.dim) * (itemsize + _LIST_BYTES)
    return f"{size / 2**30:.1f} GiB of data, above 2 GiB" if size > _LARGEST_BYTES else None


def _repeats(cell: Cell) -> int:
    """How often the implementation does the work that the operation declares."""
    full = cell.impl in _FULL_PASSES or (cell.impl in _LIBRARIES and cell.lookup()[1].sequential)
    return cell.dim if full else 1


def _operations(options: Options) -> Iterator[tuple[Case, Operation]]:
    for case in cases().values():
        for operation in case.operations:
            if operation.timed and matches(f"{case.stem}.{operation.name}", options.case):
                yield case, operation
