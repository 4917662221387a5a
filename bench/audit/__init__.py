"""A result folder against the twelve rules for benchmark reports.

Hoefler and Belli, "Scientific Benchmarking of Parallel Computing Systems", SC15, doi 10.1145/2807591.2807644.
Every verdict is computed from the files of the folder.
"""

from dataclasses import dataclass
from pathlib import Path

from seqgap.bench.audit.rules import RULES
from seqgap.bench.audit.verdict import Verdict
from seqgap.bench.results.run import Run, timed_run


@dataclass(frozen=True)
class Finding:
    """What became of one rule. verdict: pass, fail or not applicable; evidence: the figures behind it."""

    rule: int
    title: str
    verdict: Verdict
    evidence: str


def audit(results: Path | Run) -> list[Finding]:
    """The twelve findings of a result folder; ResultError where it is none or nothing was timed."""
    run = timed_run(results) if isinstance(results, Path) else results
    return [Finding(rule, title, *check(run)) for rule, (title, check) in enumerate(RULES, 1)]
