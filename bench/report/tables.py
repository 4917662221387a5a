"""The figures of a run as tables for the terminal."""

from collections.abc import Sequence

from rich.console import Console

from seqgap.bench.analysis import gap as gaps_of
from seqgap.bench.analysis import ranking as rankings_of
from seqgap.bench.analysis import scaling
from seqgap.bench.analysis.gap import Gap
from seqgap.bench.analysis.ladder import Ladder, ladders
from seqgap.bench.analysis.ranking import Ranking, peers_of
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import METHOD, Interval
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.rungs import BEST
from seqgap.bench.report import shapes
from seqgap.bench.report.text import ends, grid, heading, in_groups, show, si, threads_text, times, total_line

_MATCHED = "Matched pairs: the same weights and the same arithmetic, in either direction"
_OWN_PAIRS = "Own samplers: what their authors compare"


def print_all(console: Console, run: Run) -> None:
    """Every table of a run."""
    print_gaps(console, gaps_of.gaps(run))
    print_peers(console, rankings_of.rankings(run))
    print_ladders(console, ladders(run))
    shapes.print_crossings(console, scaling.crossings(run))
    shapes.print_fractions(console, run)


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
            _print_controls(console, [gap for gap in shown if gap.kind == "control"], impl)
            others |= {*impls} - {impl}
    if others:
        console.print(f"The same for {' and '.join(sorted(others))}, and for families at every D: gap.csv.")


def _print_matched(console: Console, text: str, gaps: Sequence[Gap], impl: str) -> None:
    """Each pair at every size. The seconds of a call are N times those of a sample."""
    if not gaps:
        return
    console.print(f"\n[bold]{text}[/bold] ({impl}, seconds for one sample)")
    for ((sequential, parallel), dtype, threads), group in in_groups(
        gaps, lambda gap: (gap.names, *_setting(gap.cell))
    ):
        title = f"seq. {sequential}, par. {parallel} ({dtype}, {threads_text(threads)})"
        table = grid(">N", ">D", ">seq.", ">par.", ">ratio", ">95%", "seq. is")
        for gap in group:
            table.add_row(*map(str, gap.cell.columns("batch", "dim")), *_figures(gap), gap.verdict)
        show(console, table, title)


def _print_families(console: Console, gaps: Sequence[Gap], impl: str) -> None:
    """Each pair and N at its largest D."""
    if not gaps:
        return
    console.print(
        "[bold]Families: different models at equal D; their work differs, not only their structure[/bold]"
        f" ({impl}, largest D, seconds for one sample; a ratio above 1: seq. is slower)"
    )
    largest = {(gap.names, gap.cell.columns("dtype", "threads", "batch")): gap for gap in gaps}
    for (sequential, dtype, threads), group in in_groups(
        largest.values(), lambda gap: (gap.names[0], *_setting(gap.cell))
    ):
        title = f"seq. {sequential} ({dtype}, {threads_text(threads)})"
        table = grid("par.", ">N", ">D", ">seq.", ">par.", ">ratio", ">95%")
        for gap in group:
            table.add_row(gap.names[1], *map(str, gap.cell.columns("batch", "dim")), *_figures(gap))
        show(console, table, title)


def _print_controls(console: Console, gaps: Sequence[Gap], impl: str) -> None:
    """Each control at every size."""
    if not gaps:
        return
    console.print(
        f"[bold]Controls: equally many steps and the same arithmetic[/bold] ({impl}, seconds for one sample)"
    )
    for ((first, second), dtype, threads), group in in_groups(
        gaps, lambda gap: (gap.names, *_setting(gap.cell))
    ):
        table = grid(">N", ">D", ">first", ">second", ">ratio", ">95%", "first is")
        for gap in group:
            table.add_row(*map(str, gap.cell.columns("batch", "dim")), *_figures(gap), gap.verdict)
        show(console, table, f"first {first}, second {second} ({dtype}, {threads_text(threads)})")


def _setting(cell: Cell) -> tuple[str, int]:
    return cell.dtype, cell.threads


def _figures(gap: Gap) -> tuple[str, ...]:
    """Seconds of a sample in either direction, their ratio, and its interval."""
    per_sample = (si(side.per_sample.middle) for side in (gap.sequential, gap.parallel))
    return (*per_sample, *_ratio(gap.ratio))


def _ratio(ratio: Interval) -> tuple[str, str]:
    """A ratio and its interval."""
    return f"{ratio.middle:.3g}", f"{ratio.low:.3g}-{ratio.high:.3g}" if ratio.known else ""


def print_peers(console: Console, rankings: Sequence[Ranking]) -> None:
    """Numba against the fastest of its peers: seconds of one call, who wins; NumPy alone gets one line."""
    if not rankings:
        return
    won = sum(ranking.verdict.startswith(ranking.peer) for ranking in rankings)
    if peers_of(rankings) == ["numba", "numpy"]:
        console.print(f"numpy is faster than numba in {won} of {len(rankings)} cells: peers.csv.")
        return
    console.print(
        "[bold]Median time of one call: numba and the fastest of its peers[/bold]; ratio: peer over numba,"
        " below 1 where the peer is faster; all peers: peers.csv"
    )
    for (operation, dtype, threads), group in in_groups(
        rankings, lambda ranking: (ranking.cell.name, *_setting(ranking.cell))
    ):
        table = grid(">N", ">D", ">numba", ">peer", "which", ">ratio", ">95%", "who wins")
        for ranking in group:
            size = map(str, ranking.cell.columns("batch", "dim"))
            seconds = (si(ranking.medians[impl]) for impl in ("numba", ranking.peer))
            table.add_row(*size, *seconds, ranking.peer, *_ratio(ranking.ratio), ranking.verdict)
        show(console, table, f"{operation} ({dtype}, {threads_text(threads)})")
    console.print(f"A peer wins in {won} of {len(rankings)} rows.\n")


def print_ladders(console: Console, ladders: Sequence[Ladder]) -> None:
    """Each ladder with its total; how to read them comes last."""
    for ladder in ladders:
        console.print(f"\n[bold]{heading(ladder)}[/bold]")
        table = grid("rung", ">/sample", ">factor", ">95% interval", "cause")
        for name, cause, measured, factor in ladder.rungs:
            of_rung = (times(factor), ends(factor)) if factor else ("", "")
            table.add_row(name, si(measured.per_sample.middle), *of_rung, cause)
        console.print(table)
        console.print(total_line(ladder))
    if ladders:
        console.print(
            "\nfactor: time of the rung before over this one, below 1 where the step made it slower;"
            " cause: what the step changes."
        )
        if not all(ladder.cell.own for ladder in ladders):
            console.print(
                "The best compiled code is a verb of a Flow, which checks its batch; the plain loops check"
                " nothing: about 2 us a call, which counts at N = 1."
            )
        console.print(f"{METHOD}.")
