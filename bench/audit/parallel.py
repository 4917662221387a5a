"""The check of rule 10: the timer, and whether cells of several threads kept as many cores busy."""

from seqgap.bench.analysis.run import Run
from seqgap.bench.audit import Outcome, judge, not_applicable, some
from seqgap.bench.audit.setup import value
from seqgap.bench.model.cell import Cell

_TICKS = 1000  # of the timer, at least, in a round
_SHORT = 0.01  # of the rows may be shorter: the calls were slower while their number was set
_ELEMENTS, _ROWS = 131072, 128  # for each thread, at least, of a cell that has to keep all of them busy
_BUSY = 0.75  # of the requested threads
_KEPT = 0.9  # of the large cells that must have kept them busy


def timing(run: Run) -> Outcome:
    """The timer resolves the rounds; parallel cells ran on the threads that they name.

    Small batches run on fewer threads on purpose, and NumPy's loops on one, so only large batches of the
    compiled kernels are held to it.
    """
    step = value(run.environment, "timer.step")
    if not isinstance(step, float) or not 0 < step < 1:
        return judge(["the step of the timer is not known"])
    ticks = [
        (row.median * row.iterations / step, str(row.cell))
        for measured in run.measured.values()
        for row in measured.rows
    ]
    short = [cell for count, cell in ticks if count < _TICKS]
    timer = (
        f"{value(run.environment, 'timer.name')}, steps of {step / 1e-9:.3g} ns, read by the caller around"
        f" each round; the shortest round has {min(ticks)[0]:.0f} steps"
    )
    many = {cell: measured.cpus for cell, measured in run.measured.items() if cell.threads > 1}
    shorter = some(short, f"of {len(ticks)} rows have rounds of fewer than {_TICKS} steps")
    too_short = shorter if len(short) > _SHORT * len(ticks) else ""
    if not many:
        reason = f"no cell ran on more than one thread; {timer}"
        return judge([too_short], reason) if too_short else not_applicable(reason)
    unknown = [cell for cell, cpus in many.items() if cpus == 0]
    large = {cell: cpus for cell, cpus in many.items() if _compiled(run, cell) and _large(cell)}
    fewer = sum(cpus < _BUSY * cell.threads for cell, cpus in many.items())
    idle = [f"{cell} ({cpus:.2f} busy)" for cell, cpus in large.items() if cpus < _BUSY * cell.threads]
    return judge(
        [
            too_short,
            some(unknown, "cells of several threads without the cores that were busy"),
            some(idle, f"of {len(large)} large cells of several threads kept too few cores busy")
            if len(idle) > (1 - _KEPT) * len(large) else "",
        ],
        timer,
        f"{len(large) - len(idle)} of {len(large)} large compiled cells kept at least {_BUSY:.0%} of their"
        f" threads busy; of all {len(many)} cells {fewer} ran on fewer",
    )  # fmt: skip


def _compiled(run: Run, cell: Cell) -> bool:
    return run.operations.implementations[cell.impl].language == "numba"


def _large(cell: Cell) -> bool:
    return min(cell.batch * cell.dim / _ELEMENTS, cell.batch / _ROWS) >= cell.threads
