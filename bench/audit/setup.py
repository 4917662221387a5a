"""The checks of rules 9, 11 and 12: the environment block, the ceilings, the pictures."""

import html
from typing import Any

import numpy as np

from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import METHOD
from seqgap.bench.audit import Outcome, judge, some
from seqgap.bench.audit.tables import differences
from seqgap.bench.machine.variables import SLOWING
from seqgap.bench.results.rows import ResultError

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


def value(environment: dict[str, Any], dotted: str) -> object:
    """What an environment holds under a.b.c; None where there is no such key."""
    held = _look_up(environment, dotted)
    return None if held is _MISSING else held


def _look_up(stored: object, dotted: str) -> object:
    for key in dotted.split("."):
        if not isinstance(stored, dict) or key not in stored:
            return _MISSING
        stored = stored[key]
    return stored


def setup(run: Run) -> Outcome:
    """environment.json holds everything that a time may depend on."""
    held = {key: _look_up(run.environment, key) for key in (*REQUIRED, *OPTIONAL)}
    missing = [key for key, stored in held.items() if stored is _MISSING]
    empty = [key for key in REQUIRED if held[key] is None or held[key] == ""]
    untold = [key for key in OPTIONAL if held[key] is None]
    problems, evidence = _libraries(run.environment)
    options = run.options
    commit, dirty, digest = (value(run.environment, f"source.{key}") for key in ("commit", "dirty", "digest"))
    return judge(
        [
            f"missing: {', '.join(missing)}" if missing else "",
            f"without a value: {', '.join(empty)}" if empty else "",
            *problems,
        ],
        f"{len(held) - len(missing)} of {len(held)} entries present",
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
        ceilings = run.ceilings
    except ResultError:
        ceilings = None
    if ceilings is None:
        return judge(["no usable ceilings of this machine"])
    fractions = [
        (run.bounds[cell][0] / row.median, str(cell)) for cell, m in run.measured.items() for row in m.rows
    ]
    above = sum(fraction > 1 for fraction, _ in fractions)
    return judge(
        [],
        f"{len(fractions)} rows, {np.median([f for f, _ in fractions]):.2g} of the ceiling in the middle,"
        f" {max(fractions)[0]:.2g} at most ({max(fractions)[1]}), {above} above 1",
        f"ceilings of {ceilings.threads} thread{'s' * (ceilings.threads > 1)}: bandwidth of"
        f" {', '.join(level.level for level in ceilings.bandwidth)}, chain, arithmetic, exp, normals, call",
    )


def pictures(run: Run) -> Outcome:
    """Pictures name the machine's software; the figures behind them are those of the rows, with intervals."""
    drawn = sorted(path for path in run.path.glob("*.svg") if path.is_file())
    behind = [path.with_suffix(".csv").name for path in drawn]
    differing = [line for name in behind for line in differences(run, name)]
    wanted = (str(value(run.environment, "versions.numba")), METHOD)
    texts = {path.name: html.unescape(path.read_text(encoding="utf-8", errors="replace")) for path in drawn}
    nameless = [name for name, text in texts.items() if any(part not in text for part in wanted)]
    unknown = sum(not measured.interval.known for measured in run.measured.values())
    return judge(
        [
            "" if drawn else "no picture",
            f"{unknown} cells without an interval" if unknown else "",
            some(differing, "lines of tables that the rows do not give"),
            some(nameless, "pictures that do not name the versions and the method of the intervals"),
        ],
        f"{len(drawn)} pictures, each with the figures behind it",
    )
