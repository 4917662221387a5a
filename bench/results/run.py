"""A result folder, read: every cell with its rows."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seqgap.bench.machine.ceilings import Ceilings
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.options import Options
from seqgap.bench.results.folder import read_ceilings, read_environment, read_operations, read_options
from seqgap.bench.results.operations import Operations
from seqgap.bench.results.printable import printable
from seqgap.bench.results.rows import Probe, Row, read_probes, read_rows

DISTURBED = 1.15  # a probe that took so many times the median of the run's


@dataclass(frozen=True, eq=False)
class Results:
    """All that a result folder holds.

    rows: as stored, repeated ones too. damaged: one line for each line of the files that could not be used.
    """

    path: Path
    environment: dict[str, Any]
    options: Options
    operations: Operations
    rows: Sequence[Row]
    probes: Sequence[Probe] = ()
    damaged: Sequence[str] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """A result folder; ResultError where it is none. Damaged lines are left out, and named."""
        environment, operations = read_environment(path), read_operations(path)
        options = read_options(path, environment, operations)
        rows, damaged = read_rows(path, operations)
        probes, more = read_probes(path)
        return cls(path, environment, options, operations, rows, probes, [*damaged, *more])

    @property
    def name(self) -> str:
        """The name of the folder, as it can be shown."""
        return printable(self.path.name)

    @functools.cached_property
    def timed(self) -> dict[Cell, list[Row]]:
        """The rows of every timed cell: the last of each process, in their order."""
        last = {(row.cell, row.process): row for row in self.rows if row.status == "ok"}
        left_out = {row.cell for row in self.left_out}
        groups: dict[Cell, list[Row]] = {}
        for row in sorted(last.values(), key=lambda row: row.process):
            if row.cell not in left_out:  # wrong in one process is wrong, too slow in one is too slow
                groups.setdefault(row.cell, []).append(row)
        return groups

    @functools.cached_property
    def left_out(self) -> list[Row]:
        """The rows that were skipped or failed, each cell once."""
        return list({row.cell: row for row in self.rows if row.status != "ok"}.values())

    @functools.cached_property
    def processes(self) -> int:
        """How many processes have measured."""
        return len({row.process for row in self.rows if row.status == "ok"})

    @functools.cached_property
    def ceilings(self) -> Ceilings | None:
        """Of the machine; None where the run did not measure any, ResultError where they cannot be used."""
        return read_ceilings(self.path, self.environment)

    @functools.cached_property
    def disturbed(self) -> Callable[[Row], bool]:
        """Whether the probe before or after a row was slow, against the median of all."""
        usual = np.median([probe.seconds for probe in self.probes]) if self.probes else 1.0
        by_process: dict[int, tuple[NDArray[np.float64], NDArray[np.bool_]]] = {}
        for process in {probe.process for probe in self.probes}:
            of_process = sorted((p for p in self.probes if p.process == process), key=lambda p: p.at)
            slow = np.array([p.seconds for p in of_process]) > DISTURBED * usual
            by_process[process] = (np.array([p.at for p in of_process]), slow)

        def disturbed(row: Row) -> bool:
            if row.process not in by_process:
                return False
            times, slow = by_process[row.process]
            after = int(np.searchsorted(times, row.started))
            return bool(slow[max(after - 1, 0) : after + 1].any())

        return disturbed

    def drift(self) -> tuple[float, float]:
        """Between which deviations from their median 98% of the probes lie: -0.03 is 3% faster."""
        seconds = np.array([probe.seconds for probe in self.probes])
        low, high = np.quantile(seconds, [0.01, 0.99]) / np.median(seconds) - 1
        return float(low), float(high)
