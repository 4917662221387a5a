"""How long a run takes, roughly: within a factor of two on most machines."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.cells import expected_seconds, planned, too_slow
from seqgap.bench.plan.options import Options
from seqgap.kernels._core import cache

_AROUND = 15.0  # seconds before the first process and after the last: ceilings, tables and pictures
_SHOWN = 0.015  # seconds for each cell, in tables and pictures
_START = 4.0  # seconds until a process measures: its imports, and the first probes
_CELL = 0.035  # seconds for each cell besides its calls: inputs, the check of the result, pytest
_PARAMETER = 3e-7  # seconds for each parameter: it is drawn, and handed to the reference in a list
_TIMING = 1.6  # times `seconds`, for each cell: warm-up, calibration, timing
_SLOW_CALLS = 4  # of what takes longer than `seconds`: the first, one to warm up, two rounds
_LONGEST_TIMING = 20  # times the timing of the profile, of what a budget has room for
_COMPILING = 4.0  # seconds for each compiled operation and dtype
_KERNELS = 6  # on disk, for each compiled operation and dtype


def seconds_of(todo: Mapping[int, Collection[Cell]], options: Options) -> float:
    """Estimated seconds of a run whose processes (the keys) measure these cells; without compiling."""
    processes = (_START + sum(_seconds(cell, options.seconds) for cell in cells) for cells in todo.values())
    return _AROUND + _SHOWN * max(map(len, todo.values())) + sum(processes)


def _seconds(cell: Cell, timing: float) -> float:
    expected = expected_seconds(cell)
    calls = _SLOW_CALLS * expected if expected > timing else _TIMING * timing
    return _CELL + _PARAMETER * cell.cost.parameters + calls


def within(options: Options, budget: float) -> Options:
    """The options with as long a timing of each cell as fits so many seconds, up to 20 times theirs.

    ValueError where the run takes longer as it is.
    """
    todo = todo_of(options)
    least = seconds_of(todo, options) + seconds_of_compiling(todo)
    if least > budget:
        raise ValueError(f"takes about {duration(least)} at least, more than {duration(budget)}")
    visits = sum(map(len, todo.values()))
    seconds = options.seconds + (budget - least) / (_TIMING * visits)
    return replace(options, seconds=float(f"{min(seconds, _LONGEST_TIMING * options.seconds):.3g}"))


def todo_of(options: Options) -> dict[int, list[Cell]]:
    """What each process of a new run measures."""
    cells = [cell for cell in planned(options) if not too_slow(cell, options)]
    return dict.fromkeys(range(options.processes), cells)


def seconds_of_compiling(todo: Mapping[int, Collection[Cell]]) -> float:
    """Estimated seconds of compiling what is not on disk yet."""
    compiled = (cell for cells in todo.values() for cell in cells if cell.impl.startswith("numba"))
    operations = len({(cell.name, cell.impl, cell.dtype) for cell in compiled})
    seconds = _COMPILING * max(0.0, operations - cache.count() / _KERNELS)
    return seconds if seconds > _COMPILING else 0.0


def expectation(todo: Mapping[int, Collection[Cell]], options: Options) -> str:
    """What is to be measured and how long it takes: 270 cells x 5 processes, about 2 min; ...

    Compiling is named where no kernel is on disk yet.
    """
    cells, count = max(map(len, todo.values())), len(todo)
    text = f"{cells} cells x {count} process{'es' * (count > 1)}, about {duration(seconds_of(todo, options))}"
    compiling = seconds_of_compiling(todo)
    return f"{text}; the first run compiles for about {duration(compiling)} more" if compiling else text


def duration(seconds: float) -> str:
    """40 s, 5 min, 2 h 30 min."""
    if seconds < 99.5:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    hours = f"{minutes // 60} h " if minutes >= 120 else ""
    return f"{hours}{minutes % 60 if hours else minutes} min"
