"""The figures of a run as tables for the terminal."""

import itertools
from collections.abc import Sequence

from rich.console import Console

from seqgap.bench.analysis.gap import Gap
from seqgap.bench.analysis.ladder import Ladder
from seqgap.bench.analysis.ranking import Ranking, peers_of
from seqgap.bench.analysis.run import Measured, Run
from seqgap.bench.analysis.scaling import Crossing
from seqgap.bench.analysis.statistics import METHOD
from seqgap.bench.plan.rungs import BEST
from seqgap.bench.report.text import (
    ends,
    grid,
    heading,
    print_rows,
    show,
    si,
    threads_text,
    times,
    total_line,
)

_MATCHED = "Matched pairs: the same weights and the same arithmetic, in either direction"
_OWN_PAIRS = "Own samplers: what their authors compare"


def print_gaps(console: Console, gaps: Sequence[Gap]) -> None:
    """The gaps of the fastest implementation: matched pairs at every size, families at the largest D."""
    if not gaps:
        console.print("No comparison: no sequential and parallel sampler were timed at equal sizes.")
        return
    others = set()
    for text, own in ((_OWN_PAIRS, True), (_MATCHED, False)):
        group = [gap for gap in gaps if gap.cell.own is own]
        if group:
            impls = [gap.cell.impl for gap in group]
            impl = next((impl for impl in BEST if impl in impls), impls[-1])
            shown = [gap for gap in group if gap.cell.impl == impl]
            _print_matched(console, text, [gap for gap in shown if gap.kind == "matched"], impl)
            _print_families(console, [gap for gap in shown if gap.kind == "family"], impl)
            others |= {*impls} - {impl}
    if others:
        console.print(f"The same for {' and '.join(sorted(others))}, and for families at every D: gap.csv.")


def _print_matched(console: Console, text: str, gaps: Sequence[Gap], impl: str) -> None:
    if not gaps:
        return
    console.print(f"\n[bold]{text}[/bold] ({impl})")
    heads = (">N", ">D", ">seq.\n/sample", ">par.\n/sample", ">seq.\n/call", ">par.\n/call")
    for (names, dtype, threads), group in itertools.groupby(
        gaps, key=lambda gap: (gap.names, gap.cell.dtype, gap.cell.threads)
    ):
        title = f"seq. {names[0]}, par. {names[1]} ({dtype}, {threads_text(threads)})"
        table = grid(*heads, ">ratio", ">95%", "seq. is", title=title)
        for gap in group:
            per_call = (si(gap.sequential.seconds), si(gap.parallel.seconds))
            table.add_row(
                *map(str, gap.cell.columns("batch", "dim")), *_per_sample(gap), *per_call, *_ratio(gap)
            )
        show(console, table)


def _print_families(console: Console, gaps: Sequence[Gap], impl: str) -> None:
    """Each pair and N at its largest D."""
    text = "[bold]Families: different models at equal D; their work differs, not only their structure[/bold]"
    size = ("dtype", "threads", "batch", "dim")
    largest = {(gap.names, gap.cell.columns(*size[:-1])): gap for gap in gaps}
    heads = (">dtype", ">thr.", ">N", ">D", ">seq.\n/sample", ">par.\n/sample", ">ratio", ">95%", "seq. is")
    rows = [
        (", ".join(gap.names), *map(str, gap.cell.columns(*size)), *_per_sample(gap), *_ratio(gap))
        for gap in largest.values()
    ]
    print_rows(console, f"{text} ({impl}, largest D)", ("sequential, parallel", *heads), rows)


def _per_sample(gap: Gap) -> tuple[str, str]:
    return si(gap.sequential.per_sample.middle), si(gap.parallel.per_sample.middle)


def _ratio(gap: Gap) -> tuple[str, str, str]:
    ratio = gap.ratio
    return f"{ratio.middle:.3g}", f"{ratio.low:.3g}-{ratio.high:.3g}" if ratio.known else "", gap.verdict


def print_peers(console: Console, rankings: Sequence[Ranking]) -> None:
    """Numba against its peers: median times of one call, and who wins; NumPy alone gets one line."""
    if not rankings:
        return
    names = peers_of(rankings)
    won = sum(ranking.verdict.startswith(ranking.peer) for ranking in rankings)
    if names == ["numba", "numpy"]:
        console.print(f"numpy is faster than numba in {won} of {len(rankings)} cells: peers.csv.")
        return
    columns = [">" + name.replace("-", "-\n") for name in names]
    title = "Median time of one call; ratio: fastest peer over numba, below 1 where the peer is faster"
    heads = ("operation", ">dtype", ">thr.", ">N", ">D", *columns, ">fastest\npeer", ">ratio", "who wins")
    table = grid(*heads, title=title)
    for ranking in rankings:
        size = map(str, ranking.cell.columns("operation", "dtype", "threads", "batch", "dim"))
        medians = (si(ranking.medians[name]) if name in ranking.medians else "" for name in names)
        table.add_row(*size, *medians, ranking.peer, f"{ranking.ratio.middle:.3g}", ranking.verdict)
    console.print(table)
    console.print(f"A peer wins in {won} of {len(rankings)} rows.\n")


def print_ladders(console: Console, ladders: Sequence[Ladder]) -> None:
    """Each ladder with its total; how to read them comes last."""
    for ladder in ladders:
        console.print(f"\n[bold]{heading(ladder)}[/bold]")
        table = grid("rung", ">/sample", ">factor", ">95% interval", "cause")
        table.columns[-1].no_wrap = False
        for name, cause, measured, factor in ladder.rungs:
            of_rung = (times(factor), ends(factor)) if factor else ("", "")
            table.add_row(name, si(measured.per_sample.middle), *of_rung, cause)
        console.print(table)
        console.print(total_line(ladder), soft_wrap=True)
    if ladders:
        console.print(
            "\nfactor: time of the rung before over this one, below 1 where the step made it slower;"
            " cause: what the step changes.",
            soft_wrap=True,
        )
        if not all(ladder.cell.own for ladder in ladders):
            console.print(
                "The best compiled function checks its arguments, the plain loops do not: about 2 us a call,"
                " which counts at N = 1.",
                soft_wrap=True,
            )
        console.print(f"{METHOD}.", soft_wrap=True)


def print_crossings(console: Console, crossings: Sequence[Crossing]) -> None:
    """The crossover dimension of the comparisons whose interval ends within the measured range."""
    text = "\n[bold]Crossover dimension D*[/bold]: where sequential and parallel take equally long"
    heads = ("sequential, parallel", "", ">dtype", ">thr.", ">N", ">D* (95%)")
    rows = []
    for crossing in crossings:
        (name, *curve), at = crossing.sequential, crossing.at
        if at is not None and crossing.certain:
            rows.append((f"{name}, {crossing.parallel}", *map(str, curve), f"{at.middle:.3g} {ends(at)}"))
    print_rows(console, text, heads, rows)


def print_fractions(console: Console, run: Run) -> None:
    """How near the compiled operations come to the machine's ceilings, each at its largest size."""
    largest: dict[str, Measured] = {}
    for cell in run.bounds:
        if cell.impl == "numba":
            measured = run.measured[cell]
            known = largest.setdefault(cell.name, measured)
            largest[cell.name] = max(known, measured, key=lambda m: m.cell.dim * m.cell.batch)
    rows = []
    for _, measured in sorted(largest.items()):
        seconds, ceiling = run.bounds[measured.cell]
        size = map(str, measured.cell.columns("operation", "batch", "dim"))
        rows.append((*size, si(measured.seconds), f"{seconds / measured.seconds:.0%}", ceiling))
    text = "\n[bold]How near the ceilings[/bold] (numba, largest size timed)"
    print_rows(console, text, ("operation", ">N", ">D", ">/call", ">of the\nceiling", "which is"), rows)
