"""The verdict of a run in sentences, with which the page begins; `seqgap show` says the same on a screen."""

import math
from collections.abc import Iterator
from typing import Any

from seqgap.bench.analysis.ladder import Ladder
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.verdict import Answer, PairVerdict, certainty, pairs
from seqgap.bench.model.implementation import in_order
from seqgap.bench.report.text import plain_cause, si, threads_text
from seqgap.bench.report.verdict import advice, axis_of, factor, span

_WAYS = {
    "python": "in plain Python",
    "numpy": "in NumPy",
    "numba": "compiled (Numba)",
    "own": "as yours is written",
}
_SIZES = (("cores", "cores"), ("threads", "threads"), ("memory_gib", "GiB"))


def _way(impl: str) -> str:
    """How a sentence calls an implementation."""
    return _WAYS.get(impl, f"in {impl}")


def answers(run: Run) -> Iterator[tuple[str, str]]:
    """(model, sentence) for every matched pair: how much slower one at a time is."""
    for pair in pairs(run):
        parts = (_answer(pair.answers[impl], _way(impl)) for impl in in_order(pair.answers))
        yield pair.title, f"{'; '.join(parts)} ({' against '.join(pair.names)})."


def _answer(answer: Answer, where: str) -> str:
    if math.isnan(answer.at_most):
        return f"{where} about {factor(answer.largest.middle)} times as long (no interval)"
    if answer.slower and answer.faster:
        low, high = factor(answer.faster.middle), factor(answer.slower.middle)
        return f"{where} {low} to {high} times as long {span(answer.slower)}"
    if answer.slower:
        return f"{where} up to {factor(answer.slower.middle)} times as long {span(answer.slower)}"
    if answer.faster:
        return f"{where} no gap, down to {factor(answer.faster.middle)} times as long {span(answer.faster)}"
    return f"{where} no gap seen, at most {factor(answer.at_most)} times as long"


def reasons(run: Run) -> Iterator[tuple[str, str]]:
    """(model, sentence) for every matched pair with a ladder: what made it slow."""
    for pair in pairs(run):
        if pair.ladder:
            yield pair.title, _reason(run, pair, pair.ladder)


def _reason(run: Run, pair: PairVerdict, ladder: Ladder) -> str:
    first, *steps = ladder.rungs
    cell, last = ladder.cell, steps[-1]
    threads = threads_text(last.measured.cell.threads)
    size = f"{axis_of(run, [cell])} {cell.dim}, calls of {cell.batch}, {threads}"
    ways = " to ".join(si(rung.measured.per_sample.middle) for rung in (first, last))
    factors = " x ".join(
        f"{factor(step.factor.middle)} {plain_cause(step.cause)}" for step in steps if step.factor
    )
    ends = f" {span(last.factor)}" if last.factor and last.factor.known else ""
    whole = f"{factor(ladder.total.middle)} = {factors}{ends}"
    return f"from {first.name} to the best, {ways} a sample ({size}): {whole}."


def certainty_sentence(run: Run) -> str:
    """How sure that is."""
    sure = certainty(run)
    width = "intervals take two processes and a pair of samplers"
    if sure.half_widths:
        width = (
            f"half of the {len(sure.half_widths)} ratios are known within {sure.visible:.0%}, the worst"
            f" within {sure.half_widths[-1]:.0%}; smaller differences cannot be told here{advice(run)}"
        )
    failed = f" {sure.failed} gave wrong results or errors and were not timed." if sure.failed else ""
    return (
        f"{sure.grade}: {width}. {run.processes} process{'es' * (run.processes != 1)};"
        f" {sure.disturbed} of {len(run.measured)} timings met other load; {sure.skipped} were too slow and"
        f" left out.{failed}"
    )


def host(run: Run) -> str:
    """Machine and versions on one line."""
    machine, versions = (_block(run, key) for key in ("machine", "versions"))
    sizes = [f"{machine[key]} {unit}" for key, unit in _SIZES if machine.get(key) is not None]
    software = [f"{name} {version}" for name, version in versions.items()]
    parts = [machine.get("cpu") or "unknown processor", *sizes, machine.get("system"), *software]
    return ", ".join(str(part) for part in parts if part)


def _block(run: Run, key: str) -> dict[str, Any]:
    """An object of the environment; an empty one where it is not there."""
    stored = run.environment.get(key)
    return stored if isinstance(stored, dict) else {}
