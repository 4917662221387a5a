"""The answer of a run on one screen: at most 23 lines of 80 characters, in plain words."""

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from seqgap.bench.analysis.ladder import Ladder, Rung
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import PROCESSES, Interval
from seqgap.bench.analysis.verdict import MOST_PAIRS, Answer, PairVerdict, certainty, controls, pairs
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.implementation import MAIN
from seqgap.bench.report.text import si, threads_text

LINES, WIDTH = 23, 80  # of a terminal of 24 lines, whose last has the prompt
_INDENT = " " * 3
_NAME, _COLUMN = 23, 28  # characters
_NAMES = {"python": "plain Python", "numpy": "NumPy", "numba": "compiled (Numba)", "own": "yours"}
_SHORT = {
    "interpreter": "interpreter",
    "redundant work": "repeats",
    "call overhead": "calls",
    "vector width, checks": "vectors",
    "threads": "threads",
    "true data dependence": "order",
}
_FIXED = "\u00a0"  # a space where no line breaks
_COUNTS = ("none", "the one pair", "both", "all three", "all four", "all five")


def verdict_lines(run: Run) -> list[str]:
    """The screen. `Run` without matched pairs: what there is instead."""
    known = pairs(run)
    shown = known[:MOST_PAIRS]
    above = [*_title(run, shown), *(_answers(shown) if shown else _no_pair()), *_controls(run)]
    below = ["", *_sure(run), *_rest(known)]
    causes = _causes(run, shown, LINES - len(above) - len(below) - 1)
    return [*above, "", *causes, *below]


def _title(run: Run, shown: Sequence[PairVerdict]) -> Iterator[str]:
    same = "" if any(pair.own for pair in shown) else ": same weights, same work"
    yield f"Sampling one step at a time against all at once{same}"
    cells = [gap.cell for pair in shown for gap in pair.gaps] or list(run.measured)
    if cells:
        dtypes = " or ".join(dict.fromkeys(cell.dtype for cell in cells))
        sizes = (
            f"{axis_of(run, cells)} {_range(c.dim for c in cells)}, calls of {_range(c.batch for c in cells)}"
        )
        text = f" | {dtypes}, {threads_text(min(cell.threads for cell in cells))} | {sizes}"
        yield _host(run, WIDTH - len(text)) + text


def _host(run: Run, room: int) -> str:
    """The processor and its cores; its name is cut where there is no room."""
    machine = run.environment.get("machine")
    cpu, cores = (machine.get(key) if isinstance(machine, dict) else None for key in ("cpu", "cores"))
    name = re.sub(r"\((R|TM)\)|CPU|Processor|@.*", "", str(cpu or "unknown processor"))
    known = f", {cores} core{'s' * (cores != 1)}" if cores else ""
    return textwrap.shorten(name, max(room - len(known), 10), placeholder="") + known


def axis_of(run: Run, cells: Iterable[Cell]) -> str:
    """What the sizes of cells count, as a label before a size."""
    axes = {run.operations[cell.name].axis for cell in cells}
    return " and ".join(sorted(axes)) + " ="


def _range(values: Iterable[int]) -> str:
    known = sorted(set(values))
    return f"{known[0]}" if len(known) == 1 else f"{known[0]} to {known[-1]}"


def _no_pair() -> list[str]:
    return ["1  How much slower is one at a time?  No pair of samplers was timed: seqgap list"]


def _answers(shown: Sequence[PairVerdict]) -> Iterator[str]:
    """Question 1: a table for the pairs that have the same implementations."""
    sizes = max(len({(g.cell.dim, g.cell.batch) for g in pair.gaps}) for pair in shown)
    yield f"1  How much slower is one at a time?  (extremes of up to {sizes} sizes, 95%)"
    before: list[str] = []
    for pair in shown:
        columns = _columns(pair)
        if columns != before:
            yield f"{_INDENT}{'':{_NAME}}" + _row(_NAMES.get(impl, impl) for impl in columns)
        before = columns
        texts = (_answer(pair.answers[impl]) for impl in columns)
        yield f"{_INDENT}{_cut(pair.title):{_NAME}}{_row(texts)}"
    plain = [pair.answers["python"] for pair in shown if "python" in pair.answers and len(pair.answers) > 1]
    if plain:
        yield f"{_INDENT}In plain Python, {_of_all(plain)}."


def _columns(pair: PairVerdict) -> list[str]:
    """Two implementations: the first and the last of what there is beside plain Python."""
    order = sorted(pair.answers, key=lambda impl: (MAIN.index(impl) if impl in MAIN else 1, impl == "own"))
    rest = [impl for impl in order if impl != "python"] or order
    return list(dict.fromkeys((rest[0], rest[-1])))


def _cut(title: str) -> str:
    return title if len(title) < _NAME else title[: _NAME - 1]


def _row(texts: Iterator[str]) -> str:
    return "".join(f"{text:{_COLUMN}}" for text in texts).rstrip()


def _answer(answer: Answer) -> str:
    """A cell of the table."""
    if math.isnan(answer.at_most):
        return f"about {factor(answer.largest.middle)}x, no interval"
    if answer.slower and answer.faster:
        return f"{factor(answer.faster.middle)}x to {factor(answer.slower.middle)}x {span(answer.slower)}"
    if answer.slower:
        return f"{factor(answer.slower.middle)}x {span(answer.slower)}"
    if answer.faster:
        return f"none, {factor(answer.faster.middle)}x {span(answer.faster)}"
    return f"none seen, at most {factor(answer.at_most)}x"


def _of_all(answers: Sequence[Answer]) -> str:
    """One answer for several pairs."""
    largest = max((a.slower for a in answers if a.slower), key=lambda ratio: ratio.middle, default=None)
    if largest:
        return f"up to {factor(largest.middle)}x {span(largest)}"
    at_most = max(answer.at_most for answer in answers)
    if math.isnan(at_most):
        return f"about {factor(max(answer.largest.middle for answer in answers))}x, no interval"
    return f"no gap is seen in {_COUNTS[len(answers)]} (at most {factor(at_most)}x)"


def _causes(run: Run, shown: Sequence[PairVerdict], room: int) -> list[str]:
    """Question 2: the ladders, as many as there is room for."""
    known = [(pair, pair.ladder) for pair in shown if pair.ladder]
    head = "2  What made it slow?"
    if not known:
        return [f"{head}  Not measured: that takes slower implementations too."]
    cell, threads = known[0][1].cell, known[0][1].rungs[-1].measured.cell.threads
    sizes = f"{axis_of(run, [cell])} {cell.dim}, calls of {cell.batch}, {threads_text(threads)}"
    lines = [f"{head}  ({sizes}, time of one sample)"]
    for pair, ladder in known:
        chain = _chain(pair.title, ladder)
        if len(lines) + len(chain) < room:  # one more for what comes after them
            lines += chain
    return [*lines, f"{_INDENT}order: what one at a time itself costs; the rest is how it was written."]


def _chain(title: str, ladder: Ladder) -> list[str]:
    """The factors of a ladder, which multiply to the whole; those that do nothing are there too."""
    first, *others = ladder.rungs
    seconds = " to ".join(si(rung.measured.per_sample.middle) for rung in (first, others[-1]))
    start = "" if first.name == "plain Python" else f" from {first.name}"
    whole = f"{title}, {seconds}{start}: {factor(ladder.total.middle)} ="
    products = [_product(rung, rung is others[-1]) for rung in others]
    wrapped = textwrap.wrap(
        f"{whole} {f' x{_FIXED}'.join(products)}", WIDTH,
        initial_indent=_INDENT, subsequent_indent=_INDENT * 2, break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace(_FIXED, " ") for line in wrapped]


def _product(rung: Rung, last: bool) -> str:
    """A factor with its cause, on one line; the last, which is what remains, with its interval."""
    assert rung.factor is not None
    causes = " and ".join(_SHORT.get(cause, cause) for cause in rung.cause.split(" + "))
    ends = f" {span(rung.factor)}" if last and rung.factor.known else ""
    return f"{factor(rung.factor.middle)} {causes}{ends}".replace(" ", _FIXED)


def _controls(run: Run) -> Iterator[str]:
    for sentence in control_sentences(run):
        for line in textwrap.wrap(sentence, WIDTH, subsequent_indent=_INDENT, break_on_hyphens=False):
            yield line.replace(_FIXED, " ")


def control_sentences(run: Run) -> Iterator[str]:
    """What is left where neither side has more steps: a sentence for each control, its figures unbroken."""
    for gap in controls(run):
        first, second = gap.names
        impl = _NAMES.get(gap.cell.impl, gap.cell.impl)
        size = f"{axis_of(run, [gap.cell])} {gap.cell.dim}, N = {gap.cell.batch}".replace(" ", _FIXED)
        ends = span(gap.ratio) if gap.ratio.known else "(no interval)"
        times = f"{factor(gap.ratio.middle)} times as long {ends}".replace(" ", _FIXED)
        steps = f"{first} and {second} have equally many steps"
        yield f"Control: {steps}; the first takes {times}, {impl}, {size}."


def _sure(run: Run) -> Iterator[str]:
    """Question 3."""
    sure = certainty(run)
    if sure.half_widths:
        widths = f"half of the {len(sure.half_widths)} ratios within {sure.visible:.0%}"
        yield f"3  How sure?  {sure.grade}: {widths}, the worst within {sure.half_widths[-1]:.0%}."
        yield f"{_INDENT}Differences under {sure.visible:.0%} cannot be told here{advice(run)}."
    else:
        yield f"3  How sure?  {sure.grade}: intervals take two processes and a pair of samplers."
    processes = f"{run.processes} process{'es' * (run.processes != 1)}"
    load = f"{sure.disturbed} of {len(run.measured)} timings met other load"
    yield f"{_INDENT}{processes}; {load}; {sure.skipped} too slow, left out."
    if sure.failed:
        yield f"{_INDENT}{sure.failed} gave wrong results or errors and were not timed: seqgap show --tables"


def advice(run: Run) -> str:
    """What to do for narrower intervals, as the end of a sentence."""
    if run.options.processes < PROCESSES:
        return f": take --processes {PROCESSES}"
    return "" if run.options.profile == "full" else ": --profile full measures longer"


def _rest(known: Sequence[PairVerdict]) -> Iterator[str]:
    more = len(known) - MOST_PAIRS
    pairs_text = f"{more} more pair{'s' * (more > 1)} and all" if more > 0 else "All"
    yield f"{pairs_text} tables: seqgap show --tables"


def factor(value: float) -> str:
    """A factor with two or three digits: 0.95, 1.08, 2.4, 42, 514."""
    if value < 0.095:
        return f"{value:.2g}"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 1.995 else f"{value:.2f}"


def span(ratio: Interval) -> str:
    """Its interval: (37 to 47)."""
    return f"({factor(ratio.low)} to {factor(ratio.high)})"
