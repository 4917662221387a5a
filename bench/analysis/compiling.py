"""What a kernel costs before its first result: compiling, or loading from the disk cache."""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import numpy as np

from seqgap.bench.analysis.run import Run, once
from seqgap.bench.results.rows import Row
from seqgap.bench.results.tables import Table

_HEAD = ("operation", "dtype", "threads", "compile_seconds", "load_seconds")


class Kernel(NamedTuple):
    """Seconds of a compiled kernel's first call that were no computing; None where there were none.

    threads: "1", or "2 or more", which is a compiled function of its own.
    """

    operation: str
    dtype: str
    threads: str
    compiling: float | None
    loading: float | None

    @property
    def longest(self) -> float:
        """The longer of the two."""
        return max(self.compiling or 0, self.loading or 0)


@once
def kernels(run: Run) -> list[Kernel]:
    """Those of which some row spent time on compiling or loading, the longest first."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in run.rows:  # all visits: a further one, after a disturbance, finds the kernel compiled
        cell = row.cell
        if row.status == "ok" and cell.impl == "numba":
            threads = "1" if cell.threads == 1 else "2 or more"
            groups.setdefault((cell.name, cell.dtype, threads), []).append(row)
    spent = [Kernel(*k, max(r.compile for r in rows) or None, _loading(rows)) for k, rows in groups.items()]
    return sorted((k for k in spent if k.longest), key=lambda kernel: (-kernel.longest, kernel[:3]))


def _loading(rows: Iterable[Row]) -> float | None:
    """The median over processes of each one's longest."""
    loaded = sorted((row for row in rows if row.load and not row.compile), key=lambda row: row.process)
    longest = [max(row.load for row in of_one) for _, of_one in groupby(loaded, lambda row: row.process)]
    return float(np.median(longest)) if longest else None


def table(run: Run) -> Table:
    """compile.csv: a line for each kernel."""
    return Table("compile.csv", _HEAD, kernels(run))
