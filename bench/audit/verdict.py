"""Verdicts with their evidence, as the checks of an audit give them."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["pass", "fail", "not applicable"]
Outcome: TypeAlias = tuple[Verdict, str]


def judge(problems: Sequence[str], *evidence: str) -> Outcome:
    """fail where there is a problem; problems first, then the evidence, empty ones left out."""
    wrong = [problem for problem in problems if problem]
    return "fail" if wrong else "pass", "; ".join([*wrong, *(text for text in evidence if text)])


def not_applicable(reason: str) -> Outcome:
    """A rule that says nothing about this folder."""
    return "not applicable", reason


def some(found: Sequence[object], what: str) -> str:
    """How many, what they are, and the first; empty where there are none."""
    return f"{len(found)} {what}, first {found[0]}" if found else ""
