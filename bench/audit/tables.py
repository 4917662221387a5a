"""Whether the tables of a result folder are what its rows give."""

import math
from itertools import zip_longest

from seqgap.bench.analysis.run import Run, once
from seqgap.bench.analysis.tables import REPORTED, tables
from seqgap.bench.plan.options import LADDER
from seqgap.bench.results.tables import read_table

_TOLERANCE = 1e-3  # relative, of numbers: they may have been rounded, or written on another processor


@once
def reported(run: Run) -> list[str]:
    """The lines of gap.csv, peers.csv and shapes.csv that the rows do not give; a run of ladders has none."""
    if run.options.profile == LADDER:
        return []
    return [line for make in REPORTED for line in differences(run, make(run).name)]


def differences(run: Run, name: str) -> list[str]:
    """NAME:LINE for each line of a table that its rows do not give; what several runs drew is let pass."""
    lines = read_table(run.path / name)
    if lines is None:
        return [f"{name} is missing"]
    named = lines[:1] and lines[0][:1] == ["run"]  # by the folder, which may have another name by now
    of_two = lines[:1] and lines[0][:2] == ["old", "new"]
    if of_two or (named and len({line[0] for line in lines[1:] if line}) > 1):
        return []
    table = tables(run).get(name)
    if table is None:
        return [f"{name}:1"]
    nothing: list[str] = []
    pairs = enumerate(zip_longest(lines, table.read_back(), fillvalue=nothing), 1)
    skip = 1 if named else 0
    return [f"{name}:{number}" for number, (line, want) in pairs if not _same(line[skip:], want[skip:])]


def _same(line: list[str], expected: list[str]) -> bool:
    return len(line) == len(expected) and all(map(_near, line, expected))


def _near(text: str, expected: str) -> bool:
    try:
        return text == expected or math.isclose(float(text), float(expected), rel_tol=_TOLERANCE)
    except ValueError:
        return False
