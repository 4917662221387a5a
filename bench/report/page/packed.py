"""The rounds of every cell, compressed: a page opens them when somebody asks for a cell."""

import base64
import gzip
import json
from typing import Any

import numpy as np

from seqgap.bench.analysis.run import Measured, Run
from seqgap.bench.report.page.records import rounded
from seqgap.bench.results.rows import Row

MOST_BYTES = 8_000_000  # of compressed rounds on a page
_QUANTILES = tuple(np.linspace(0, 1, 21).tolist())


def packed_rounds(run: Run) -> tuple[str, bool]:
    """The rounds of every timed cell as base64 of gzipped JSON, and whether they are all there.

    The JSON is {cell: [[process, number of rounds, seconds of one call ...], ...]}. Where all of them take
    more than 8 MB, a process has 21 quantiles of its rounds instead, from the least to the most.
    """
    for every in (True, False):
        text = json.dumps(
            {str(m.cell): _of_cell(m, every) for m in run.measured.values()}, separators=(",", ":")
        )
        packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
        if len(packed) <= MOST_BYTES:
            break
    return packed, every


def _of_cell(measured: Measured, every: bool) -> list[list[Any]]:
    return [[row.process + 1, len(row.rounds), *map(rounded, _rounds(row, every))] for row in measured.rows]


def _rounds(row: Row, every: bool) -> list[float]:
    if every or len(row.rounds) <= len(_QUANTILES):
        return list(row.rounds)
    quantiles: list[float] = np.quantile(row.rounds, _QUANTILES).tolist()
    return quantiles
