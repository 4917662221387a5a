"""A result folder in Python: `seqgap.load(DIR)`."""

import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from seqgap.bench.analysis import gap
from seqgap.bench.analysis.run import Run
from seqgap.bench.model.cell import COLUMNS
from seqgap.bench.report.verdict import verdict_lines
from seqgap.bench.results.tables import Value


class LoadedRun(Run):
    """A run and its figures: a pandas.DataFrame where pandas is installed, else a list of dicts.

    Times are seconds; `low` and `high` are the ends of 95% intervals, NaN where one process alone measured.
    docs/schema.md describes the columns, and what else a folder holds.
    """

    def __repr__(self) -> str:
        return f"<seqgap run {str(self.path)!r}: {len(self.timed)} cells, {self.processes} processes>"

    def verdict(self) -> str:
        """The screen of `seqgap show`: lines of at most 80 characters."""
        return "\n".join(verdict_lines(self))

    @property
    def cells(self) -> Any:
        """Every timed cell, with the columns of curves.csv."""
        figures = (
            "seconds_per_sample", "low", "high", "p5", "p95", "samples_per_second", "disturbed",
        )  # fmt: skip
        lines = []
        for m in self.measured.values():
            batch = m.cell.batch
            quantiles = m.quantile(0.05) / batch, m.quantile(0.95) / batch
            rate = batch / m.seconds
            lines.append((*m.cell.columns(), *m.per_sample.columns, *quantiles, rate, m.disturbed))
        return _records((*COLUMNS, *figures), lines)

    @property
    def gap(self) -> Any:
        """Sequential against parallel: gap.csv, one record for each pair of operations and size."""
        table = gap.table(self)
        return _records(table.head, table.lines)


def load(path: str | os.PathLike[str]) -> LoadedRun:
    """The run in a result folder; an error in one line that names the file where it is none.

    Damaged lines are left out, and named in `damaged`.
    """
    return LoadedRun.read(Path(path))


def _records(head: Sequence[str], lines: Iterable[Sequence[Value]]) -> Any:
    records = [dict(itertools.zip_longest(head, line)) for line in lines]
    try:
        import pandas as pd
    except ImportError:
        return records
    return pd.DataFrame(records, columns=list(head))
