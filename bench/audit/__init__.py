"""A result folder against the twelve rules for benchmark reports.

Hoefler and Belli, "Scientific Benchmarking of Parallel Computing Systems", SC15, doi 10.1145/2807591.2807644.
Every verdict is computed from the files of the folder: `rules.audit`.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

Verdict: TypeAlias = Literal["pass", "fail", "not applicable"]
Outcome: TypeAlias = tuple[Verdict, str]


class Finding(NamedTuple):
    """What became of one rule. evidence: the figures behind the verdict."""

    rule: int
    title: str
    verdict: Verdict
    evidence: str


def judge(problems: Sequence[str], *evidence: str) -> Outcome:
    """fail where there is a problem; problems first, then the evidence, empty ones left out."""
    wrong = [problem for problem in problems if problem]
    return "fail" if wrong else "pass", "; ".join([*wrong, *(text for text in evidence if text)])


def not_applicable(reason: str) -> Outcome:
    """A rule that says nothing about this folder."""
    return "not applicable", reason


def some(items: Sequence[object], what: str) -> str:
    """How many, what they are, and the first; empty where there are none."""
    return f"{len(items)} {what}, first {items[0]}" if items else ""
