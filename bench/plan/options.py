"""The options of a run, and the profiles: the options that have a name."""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

from seqgap.bench.model.cell import DTYPES
from seqgap.bench.model.registry import implementation_names, quick

_LARGEST_SIZE = 2**24  # of a dimension or a batch
LADDER = "ladder"  # the profile of what measures ladders alone


@dataclass(frozen=True)
class Options:
    """Everything that decides which cells a run has; stored with it, so that it can be resumed."""

    profile: str = "quick"
    case: tuple[str, ...] = ("*",)
    impl: tuple[str, ...] = ("python", "numpy", "numba")
    dim: tuple[int, ...] = (4, 64, 256)
    batch: tuple[int, ...] = (1, 1024)
    curve: tuple[int, ...] = ()  # further dimensions, of the matched pairs alone: for their curves
    map: tuple[int, ...] = ()  # further batch sizes, of the matched pairs alone: for the map of the gap
    threads: tuple[int, ...] = (1,)
    ladder_threads: int = 1  # the most that the ladders have
    dtype: tuple[str, ...] = ("float64",)
    seed: int = 25
    processes: int = 5  # fresh ones, each measuring every cell
    seconds: float = 0.01  # of timing for each cell in each process
    longest: float = 0.1  # expected seconds of one call above which a cell is left out
    longest_rung: float = 0.5  # the same of a rung of a ladder

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any], implementations: Collection[str] = ()) -> "Options":
        """The options of `to_json`, of any machine; TypeError or ValueError where they cannot be."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        for key, value in values.items():
            if type(value) is not type(getattr(cls(), key, None)):
                raise TypeError(f"{key}: not an option")
        options = cls(**values)
        options.validate(_LARGEST_SIZE, implementations)
        return options

    def validate(self, threads: int, implementations: Collection[str] = ()) -> None:
        """Raise ValueError naming the first option that no run on so many threads can have.

        implementations: that there are, by default those of the cases.
        """
        known = implementations or implementation_names()
        sizes = (lambda v: type(v) is int and 1 <= v <= _LARGEST_SIZE, f"integers from 1 to {_LARGEST_SIZE}")
        duration = (lambda v: 0 < v < float("inf"), "a positive number of seconds")
        thread_counts = (lambda v: type(v) is int and 1 <= v <= threads, f"integers from 1 to {threads}")
        allowed: dict[str, tuple[Callable[[Any], bool], str]] = {
            "case": (lambda v: isinstance(v, str), "patterns"),
            "impl": (lambda v: v in known, f"some of {', '.join(known)}"),
            "dim": sizes,
            "batch": sizes,
            "curve": sizes,
            "map": sizes,
            "threads": thread_counts,
            "ladder_threads": thread_counts,
            "dtype": (lambda v: v in DTYPES, f"some of {', '.join(DTYPES)}"),
            "seed": (lambda v: 0 <= v < 2**64, "an integer from 0 to 2**64 - 1"),
            "processes": (lambda v: type(v) is int and 1 <= v <= 1000, "an integer from 1 to 1000"),
            "seconds": duration,
            "longest": duration,
            "longest_rung": duration,
        }
        for name, (right, expected) in allowed.items():
            value = getattr(self, name)
            values = value if isinstance(value, tuple) else (value,)
            wrong = [v for v in values if not right(v)]
            if wrong or not (values or name in ("curve", "map")):
                raise ValueError(f"{name}: expected {expected}, got {wrong[0] if wrong else 'none'!r}")


def profile(name: str, threads: int) -> Options:
    """The options of a profile on a machine with that many threads.

    quick measures the matched pairs of the cases that say so, smoke the same at fewer sizes. full measures
    all operations, and the matched pairs among them at every power of two.
    """
    common = Options(case=quick(), ladder_threads=threads)
    if name == "smoke":
        return replace(
            common, profile=name, processes=2, dim=(2, 16), batch=(1, 64), seconds=0.005, longest=0.02
        )
    if name == "full":
        full = replace(common, profile=name, case=("*",), threads=tuple(sorted({1, threads})), seconds=0.015)
        return replace(full, dim=(4, 16, 64, 256), curve=(2, 8, 32, 128, 512, 1024), map=(4, 32, 256))
    return common
