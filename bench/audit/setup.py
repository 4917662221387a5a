"""The checks of rules 9, 11 and 12: the environment block, the ceilings, the pictures."""

import html
import re
from typing import Any

import numpy as np

from seqgap.bench.analysis.statistics import METHOD
from seqgap.bench.audit.tables import Table, near, number, read_table
from seqgap.bench.audit.verdict import Outcome, judge, some
from seqgap.bench.machine.ceilings import Ceilings, bound
from seqgap.bench.machine.variables import SLOWING
from seqgap.bench.model.cell import Cell
from seqgap.bench.results.run import Run

# What environment.json has to hold, but for the timer and the ceilings, which are looked at elsewhere.
REQUIRED = (
    "schema", "options", "started",
    *(f"machine.{key}" for key in ("cpu", "threads", "memory_gib", "system", "caches", "vector_bytes")),
    *(f"versions.{key}" for key in (
        "python", "seqgap", "numpy", "numba", "llvmlite", "scipy", "pytest-benchmark",
    )),
    "blas", "variables", "removed_variables", "load", "source.digest", "garbage_collector",
)  # fmt: skip
# What may be null: not every system tells it.
OPTIONAL = (
    *(f"machine.{key}" for key in (
        "cores", "governor", "turbo", "affinity", "cgroup.cpu_max", "cgroup.memory_max",
    )),
    "source.commit", "source.dirty",
)  # fmt: skip
_OF_BLAS = ("internal_api", "version", "architecture")
_WITH_KERNELS = ("openblas", "blis")  # whose kernel threadpoolctl can tell
_MISSING = object()
_PLACE = ("operation", "impl", "dtype", "threads", "batch", "dim")
_BOUND = re.compile(r"(|.*_)low")


def value(environment: dict[str, Any], dotted: str) -> object:
    """What an environment holds under a.b.c; None where there is no such key."""
    found = _look_up(environment, dotted)
    return None if found is _MISSING else found


def _look_up(stored: object, dotted: str) -> object:
    for key in dotted.split("."):
        if not isinstance(stored, dict) or key not in stored:
            return _MISSING
        stored = stored[key]
    return stored


def setup(run: Run) -> Outcome:
    """environment.json holds everything that a time may depend on."""
    found = {key: _look_up(run.environment, key) for key in (*REQUIRED, *OPTIONAL)}
    missing = [key for key, stored in found.items() if stored is _MISSING]
    empty = [key for key in REQUIRED if found[key] is None or found[key] == ""]
    untold = [key for key in OPTIONAL if found[key] is None]
    problems, evidence = _libraries(run.environment)
    options = run.options
    commit, dirty, digest = (value(run.environment, f"source.{key}") for key in ("commit", "dirty", "digest"))
    return judge(
        [
            f"missing: {', '.join(missing)}" if missing else "",
            f"without a value: {', '.join(empty)}" if empty else "",
            *problems,
        ],
        f"{len(found) - len(missing)} of {len(found)} entries present",
        f"not told by the system: {', '.join(untold)}" if untold else "",
        *evidence,
        f"commit {commit}{' with changes' if dirty else ''}, digest of the source {digest}",
        f"factors: implementation ({len(options.impl)}), dtype ({len(options.dtype)}),"
        f" D ({len(options.dim)}), N ({len(options.batch)}), threads ({len(options.threads)});"
        f" seed {options.seed}",
    )


def _libraries(environment: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Why the BLAS that ours is compared with may be slower than it is, or wrong; and which one it was."""
    blas, variables, removed = (environment.get(key) for key in ("blas", "variables", "removed_variables"))
    entries = [entry for entry in blas if isinstance(entry, dict)] if isinstance(blas, list) else []
    names = [str(entry.get("library")) for entry in entries]
    unknown = sorted({"numpy", "scipy"} - set(names))
    slowed = sorted(SLOWING & set(variables)) if isinstance(variables, dict) else []
    problems = [
        f"the BLAS of {' and '.join(unknown)} is not recorded" if unknown else "",
        f"measured with what slows libraries down: {', '.join(slowed)}" if slowed else "",
    ]
    for name, entry in zip(names, entries, strict=True):
        if entry.get("internal_api") in _WITH_KERNELS and not entry.get("architecture"):
            problems.append(f"the kernel of the BLAS of {name} is not recorded")
        if not isinstance(entry.get("error"), float) or not entry["error"] <= 1:
            problems.append(f"the BLAS of {name} was wrong, or not checked")
    facts = [[name, *map(entry.get, _OF_BLAS)] for name, entry in zip(names, entries, strict=True)]
    evidence = [f"BLAS of {' '.join(str(fact) for fact in line if fact is not None)}" for line in facts]
    if isinstance(removed, dict):
        evidence.append(f"removed variables: {', '.join(removed) or 'none'}")
    return problems, evidence


def bounds(run: Run) -> Outcome:
    """Every time is set against the least time that this machine could need."""
    try:
        ceilings = Ceilings.from_json(run.environment["ceilings"])
    except (KeyError, TypeError, ValueError):
        return judge(["no usable ceilings of this machine"])
    wrong, fractions = [], []
    for cell, found in run.measured.items():
        least, _ = bound(cell, cell.cost, ceilings)
        for row in found.rows:
            fractions.append((row.fraction, str(cell)))
            if not row.ceiling or not near(row.fraction, least / row.median):
                wrong.append(cell)
    above = sum(fraction > 1 for fraction, _ in fractions)
    return judge(
        [some(wrong, "rows without the fraction of their ceiling, or with a wrong one")],
        f"{len(fractions)} rows, {np.median([f for f, _ in fractions]):.2g} of the ceiling in the middle,"
        f" {max(fractions)[0]:.2g} at most ({max(fractions)[1]}), {above} above 1",
        f"ceilings of {ceilings.threads} thread{'s' * (ceilings.threads > 1)}: bandwidth of"
        f" {', '.join(level.level for level in ceilings.bandwidth)}, chain, arithmetic, exp, normals, call",
    )


def pictures(run: Run) -> Outcome:
    """Pictures name the machine's software, and the figures behind them have intervals."""
    drawn = sorted(path for path in run.path.glob("*.svg") if path.is_file())
    behind = {picture.name: read_table(picture.with_suffix(".csv")) for picture in drawn}
    found = [table for table in behind.values() if table is not None]
    with_intervals = [table for table in found if _intervals(table)]
    crossed = [f"{table.path.name}:{line}" for table in with_intervals for line in _crossed(table)]
    wanted = (str(value(run.environment, "versions.numba")), METHOD)
    texts = {path.name: html.unescape(path.read_text(errors="replace")) for path in drawn}
    nameless = [name for name, text in texts.items() if any(part not in text for part in wanted)]
    other = [f"{table.path.name}:{line}" for table in found for line in _not_from(run, table)]
    return judge(
        [
            "" if drawn else "no picture",
            some([name for name, table in behind.items() if table is None], "pictures without a CSV file"),
            "" if with_intervals or not found else "no picture has intervals",
            some(crossed, "lines whose interval ends before it begins"),
            some(other, "lines with other times than the rows give"),
            some(nameless, "pictures that do not name the versions and the method of the intervals"),
        ],
        f"{len(drawn)} pictures, {len(found)} with the figures behind them, {len(with_intervals)} of these"
        " with intervals",
    )


def _intervals(table: Table) -> list[tuple[int, float, float]]:
    """(line, low, high) for every lower limit with an upper one beside it."""
    lows = [column for column in table.columns if _BOUND.fullmatch(column)]
    pairs = [(low, f"{low.removesuffix('low')}high") for low in lows]
    limits = (
        (line_number, number(line[low]), number(line.get(high)))
        for line_number, line in enumerate(table.lines, 2)
        for low, high in pairs
    )
    return [limit for limit in limits if not np.isnan(limit[1:]).any()]


def _crossed(table: Table) -> list[int]:
    return [line_number for line_number, low, high in _intervals(table) if low > high]


def _not_from(run: Run, table: Table) -> list[int]:
    """The lines that give another median of a cell than its rows; none where several runs are drawn."""
    if len({line.get("run") for line in table.lines}) > 1:
        return []
    measured = {_place(cell): found for cell, found in run.measured.items()}
    wrong = []
    for line_number, line in enumerate(table.lines, 2):
        cell = measured.get(tuple(line.get(key) or "" for key in _PLACE))
        if cell is None or line.get("what", "median") != "median" or "seconds_per_sample" not in line:
            continue
        if not near(number(line["seconds_per_sample"]) * cell.cell.batch, cell.seconds):
            wrong.append(line_number)
    return wrong


def _place(cell: Cell) -> tuple[str, ...]:
    return tuple(str(getattr(cell, "name" if key == "operation" else key)) for key in _PLACE)
