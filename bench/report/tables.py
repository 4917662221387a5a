"""Tables for the terminal."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from math import isinf, isnan

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqgap.bench.analysis.gap import Gap
from seqgap.bench.analysis.ranking import Ranking, peers_of
from seqgap.bench.analysis.scaling import Cost, Crossing
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.machine.ceilings import Bandwidth, Ceilings
from seqgap.bench.measure.verify import Verdict
from seqgap.bench.model.registry import cases
from seqgap.bench.results.run import Measured, Run, drift

_FEW = 3
_ONE_CORE = 1.3  # cores kept busy: more are more than one thread


def tell_damaged(run: Run) -> bool:
    """Name the lines of a result folder that could not be used, on standard error; whether there were any."""
    for line in run.damaged[:_FEW]:
        click.echo(f"seqgap: {line}; left out", err=True)
    if len(run.damaged) > _FEW:
        click.echo(f"seqgap: {len(run.damaged) - _FEW} further damaged lines left out", err=True)
    return bool(run.damaged)


def si(seconds: float) -> str:
    """Seconds with a unit, three digits."""
    if seconds == 0:
        return "0"
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def print_gaps(console: Console, found: Sequence[Gap]) -> None:
    """The gaps of the fastest implementation: matched pairs at every size, families at the largest D."""
    if not found:
        console.print("No comparison: no sequential and parallel sampler were timed at equal sizes.")
        return
    impl = "numba" if any(gap.impl == "numba" for gap in found) else found[-1].impl
    shown = [gap for gap in found if gap.impl == impl]
    _print_matched(console, [gap for gap in shown if gap.kind == "matched"], impl)
    _print_families(console, [gap for gap in shown if gap.kind == "family"], impl)
    others = sorted({gap.impl for gap in found} - {impl})
    if others:
        console.print(f"The same for {' and '.join(others)}, and for families at every D: gap.csv.")


def _print_matched(console: Console, found: Sequence[Gap], impl: str) -> None:
    if not found:
        return
    console.print(
        "\n[bold]Matched pairs: the same weights and the same arithmetic, in either direction[/bold]"
        f" ({impl})"
    )
    for (sequential, parallel, dtype, threads), group in itertools.groupby(
        found, key=lambda gap: (gap.sequential, gap.parallel, gap.dtype, gap.threads)
    ):
        plural = "s" * (threads > 1)
        title = f"seq. {sequential}, par. {parallel} ({dtype}, {threads} thread{plural})"
        console.print(_gap_table(title, group))
        console.print()


def _print_families(console: Console, found: Sequence[Gap], impl: str) -> None:
    """Each pair and N at its largest D."""
    if not found:
        return
    console.print(
        "[bold]Families: different models at equal D; their work differs, not only their structure[/bold]"
        f" ({impl}, largest D)"
    )
    largest = {(g.sequential, g.parallel, g.dtype, g.threads, g.batch): g for g in found}
    heads = ("dtype", "thr.", "N", "D", "seq.\n/sample", "par.\n/sample", "ratio", "95%")
    table = _table(None, heads, "seq. is", first="sequential, parallel")
    for gap in largest.values():
        table.add_row(
            f"{gap.sequential}, {gap.parallel}", gap.dtype, str(gap.threads), str(gap.batch), str(gap.dim),
            si(gap.sequential_per_sample), si(gap.parallel_per_sample), *_ratio(gap), gap.verdict,
        )  # fmt: skip
    console.print(table)
    console.print()


def _ratio(gap: Gap) -> tuple[str, str]:
    return f"{gap.ratio:.3g}", "" if isnan(gap.ratio_low) else f"{gap.ratio_low:.3g}-{gap.ratio_high:.3g}"


def _gap_table(title: str, group: Iterable[Gap]) -> Table:
    names = ("N", "D", "seq.\n/sample", "par.\n/sample", "seq.\n/call", "par.\n/call", "ratio", "95%")
    table = _table(title, names, "seq. is")
    for gap in group:
        table.add_row(
            str(gap.batch), str(gap.dim), si(gap.sequential_per_sample), si(gap.parallel_per_sample),
            si(gap.sequential_per_call), si(gap.parallel_per_call),
            *_ratio(gap), gap.verdict,
        )  # fmt: skip
    return table


def _table(title: str | None, numbers: Sequence[str], last: str, first: str | None = None) -> Table:
    """A table of right-aligned columns between two of text, narrow enough for 80 characters."""
    table = Table(
        title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0),
        show_edge=False,
    )  # fmt: skip
    if first is not None:
        table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(last, no_wrap=True)
    return table


def print_fractions(console: Console, run: Run) -> None:
    """How near the compiled operations come to the machine's ceilings, each at its largest size."""
    largest: dict[str, Measured] = {}
    for measured in run.measured.values():
        if measured.cell.impl == "numba" and measured.rows[0].ceiling:
            known = largest.setdefault(measured.cell.name, measured)
            largest[measured.cell.name] = max(known, measured, key=lambda m: m.cell.dim * m.cell.batch)
    if not largest:
        return
    console.print("\n[bold]How near the ceilings[/bold] (numba, largest size timed)")
    table = _table(None, ("N", "D", "/call", "of the\nceiling"), "which is", first="operation")
    for _, measured in sorted(largest.items()):
        cell, row = measured.cell, measured.rows[0]
        fraction = row.fraction * row.median / measured.seconds
        table.add_row(
            cell.name, str(cell.batch), str(cell.dim), si(measured.seconds), f"{fraction:.0%}", row.ceiling
        )
    console.print(table)
    console.print()


def print_ceilings(console: Console, found: Ceilings) -> None:
    """The ceilings of a machine, with units."""
    _print_bandwidth(console, "Bandwidth of one core, GB/s", found.bandwidth)
    if found.shared:
        _print_bandwidth(console, f"Bandwidth of {found.threads} threads together, GB/s", found.shared)
    table = _table("Arithmetic of one core", ("float64", "float32"), "", first="")
    for name, values, scale, unit in (
        ("fused multiply-add, latency", found.fma_latency, 1e-9, "ns for each dependent step"),
        ("fused multiply-add, throughput", found.fma_flops, 1e9, "Gflop/s, a multiply-add is 2"),
        ("exp", found.exp, 1e-9, "ns for each element, in L1"),
        ("normals", found.normal, 1e-9, "ns for each, into L1"),
    ):
        table.add_row(name, *(f"{values[dtype] / scale:.3g}" for dtype in ("float64", "float32")), unit)
    console.print(table)
    table = _table("\nOverheads", ("",), "", first="")
    region = found.parallel_region
    for name, value, note in (
        ("timer", si(found.timer), "smallest step of time.perf_counter"),
        ("empty call", si(found.call_empty), "a compiled function without arguments"),
        ("empty call, 7 arrays", si(found.call_arrays), "with a range and seven arrays"),
        ("empty parallel region", "-" if region is None else si(region), f"{found.threads} threads"),
    ):
        table.add_row(name, value, note)
    console.print(table)


def _print_bandwidth(console: Console, title: str, levels: Iterable[Bandwidth]) -> None:
    table = _table(title, ("size", "measured\nwith", "read", "write", "copy", "triad"), "", first="level")
    for level in levels:
        rates = (level.read, level.write, level.copy, level.triad)
        sizes = (_bytes(size) if size else "-" for size in (level.capacity, level.working_set))
        table.add_row(level.level, *sizes, *(f"{rate / 1e9:.3g}" for rate in rates), "")
    console.print(table)
    console.print()


def _bytes(size: int) -> str:
    return f"{size / 2**20:.3g} MiB" if size >= 2**20 else f"{size / 2**10:.3g} KiB"


def print_peers(console: Console, found: Sequence[Ranking]) -> None:
    """Numba against its peers: median times of one call, and who wins; NumPy alone gets one line."""
    if not found:
        return
    names = peers_of(found)
    won = sum(ranking.verdict.startswith(ranking.peer) for ranking in found)
    if names == ["numba", "numpy"]:
        console.print(f"numpy is faster than numba in {won} of {len(found)} cells: peers.csv.")
        return
    heads = (
        "dtype",
        "thr.",
        "N",
        "D",
        *(name.replace("-", "-\n") for name in names),
        "fastest\npeer",
        "ratio",
    )
    title = "Median time of one call; ratio: fastest peer over numba, below 1 where the peer is faster"
    table = _table(title, heads, "who wins", first="operation")
    for ranking in found:
        cell = ranking.cell
        times = (si(ranking.medians[name]) if name in ranking.medians else "" for name in names)
        table.add_row(
            cell.name, cell.dtype, str(cell.threads), str(cell.batch), str(cell.dim), *times,
            ranking.peer, f"{ranking.ratio:.3g}", ranking.verdict,
        )  # fmt: skip
    console.print(table)
    console.print(f"A peer wins in {won} of {len(found)} rows.\n")


def print_crossings(console: Console, found: Sequence[Crossing]) -> None:
    """The crossover dimension of every comparison: one line for a pair and a batch size."""
    groups: dict[tuple[str, str, str, int, int], dict[str, str]] = {}
    for crossing in found:
        curve = crossing.sequential
        key = (curve.name, crossing.parallel, curve.dtype, curve.threads, curve.batch)
        groups.setdefault(key, {})[curve.impl] = _crossover(crossing)
    if not groups:
        return
    console.print(
        "\n[bold]Crossover dimension D*[/bold]: where sequential and parallel take equally long, with its 95%"
        " interval; none: nowhere in the measured range"
    )
    impls = list(dict.fromkeys(crossing.sequential.impl for crossing in found))
    table = _table(None, ("dtype", "thr.", "N", *impls), "", first="sequential, parallel")
    for (sequential, parallel, dtype, threads, batch), at in groups.items():
        cells = (at.get(impl, "") for impl in impls)
        table.add_row(f"{sequential}, {parallel}", dtype, str(threads), str(batch), *cells)
    console.print(table)
    console.print()


def _crossover(crossing: Crossing) -> str:
    if crossing.at is None:
        return "none"
    low, high = crossing.at.low, crossing.at.high
    below = "<" + str(crossing.first) if low == 0 else f"{low:.3g}"
    above = ">" + str(crossing.last) if isinf(high) else f"{high:.3g}"
    return f"{crossing.at.middle:.3g}" + ("" if isnan(low) else f" \\[{below}, {above}]")


def print_costs(console: Console, found: Sequence[Cost]) -> None:
    """What a call, a dependent step and a flop cost, fitted over all sizes; compiled and NumPy."""
    shown = [cost for cost in found if cost.curve.impl in ("numpy", "numba")]
    if not shown:
        return
    console.print(
        "\n[bold]What a call, a dependent step and a flop cost[/bold], fitted over all D and N;"
        " off: the largest relative error of the fit"
    )
    table = _table(None, ("dtype", "thr.", "call", "step", "flop", "off"), "", first="operation")
    for cost in sorted(shown, key=lambda c: c.curve):
        step = "" if cost.step is None else _si_interval(cost.step)
        table.add_row(
            f"{cost.curve.name} {cost.curve.impl}", cost.curve.dtype, str(cost.curve.threads),
            _si_interval(cost.call), step, _si_interval(cost.flop), f"{cost.residual:.0%}",
        )  # fmt: skip
    console.print(table)
    console.print()


def _si_interval(interval: Interval) -> str:
    ends = "" if isnan(interval.low) else f" \\[{si(interval.low)}, {si(interval.high)}]"
    return si(interval.middle) + ends


def print_other_rows(console: Console, run: Run) -> None:
    """What was not timed, and why; what went into compiling, which is not in the timings; the host."""
    ok = [row for row in run.rows if row.status == "ok"]
    if any(row.cell.impl == "numba" for row in ok):
        compiling, loading = sum(row.compile for row in ok), sum(row.load for row in ok)
        loaded = "nothing was compiled, all came from the cache on disk"
        spent = f"compiling took {si(compiling)}" if compiling else loaded
        console.print(f"Kernels: {spent}; loading took {si(loading)}, all processes together.")
    _print_host(console, run)
    skipped = Counter(row.cell.impl for row in run.left_out if row.status == "skipped")
    if skipped:
        counts = ", ".join(f"{impl} {count}" for impl, count in skipped.items())
        console.print(f"Left out as too slow or too large: {sum(skipped.values())} cells ({counts}).")
    for row in run.left_out:
        if row.status == "failed":
            console.print(f"[bold]Wrong, not timed[/bold] {row.cell}: {escape(row.reason)}", soft_wrap=True)


def _print_host(console: Console, run: Run) -> None:
    """Drift, disturbances, and threads that were asked for and not used."""
    if run.probes:
        least, most = drift(run.probes)
        flagged = sum(measured.disturbed for measured in run.measured.values())
        console.print(
            f"Host: 98% of the times of a fixed piece of work lie {least:+.0%} to {most:+.0%} off their"
            f" median; {flagged} of {len(run.measured)} cells fell into a disturbance in some process."
        )
    parallel = [m for m in run.measured.values() if m.cell.threads > 1]
    if parallel:
        idle = sum(m.cpus < (1 + m.cell.threads) / 2 for m in parallel)
        console.print(
            f"Threads: of {len(parallel)} cells asked to run on several, {idle} kept fewer than half of the"
            " others busy; small batches run on one."
        )
    busy = [m for m in run.measured.values() if m.cell.threads == 1 and m.cpus > _ONE_CORE]
    if busy:
        console.print(f"Threads: {len(busy)} cells asked to run on one used more, such as {busy[0].cell}.")


def print_verdicts(console: Console, found: Sequence[Verdict]) -> bool:
    """The verification table; True if all are within tolerance."""
    table = _table(None, ("dtype", "error", "ULP", "tolerance", "used", "size"), "", first="operation")
    for v in found:
        table.add_row(
            v.name, v.dtype.name, f"{v.absolute:.1e}", f"{v.ulp:.1e}", f"{v.tolerance:.1e}",
            f"{v.used:.0%}", v.size, "ok" if v.ok else "[bold]WRONG[/bold]",
        )  # fmt: skip
    console.print(table)
    console.print(
        "\nerror, ULP: the largest over all sizes; ULP counts values near 0 that are differences of larger"
        " ones.\ntolerance, used: at the size that uses most of its tolerance. Why it is what it is:"
    )
    for reason in dict.fromkeys(v.reason for v in found):
        console.print(f"- {reason}")
    wrong = [v.name for v in found if not v.ok]
    console.print(f"{len(found) - len(wrong)} of {len(found)} within tolerance.")
    return not wrong


def print_cases(console: Console, dim: int) -> None:
    """Every operation with its cost for one sample at a dimension."""
    title = f"Cost of one sample at D = {dim}; bytes in float64, parameters not counted"
    table = _table(title, ("kind", "depth", "flops", "bytes"), "implementations", first="operation")
    table.columns[-1].no_wrap = False  # of some operations there are ten
    for case in cases().values():
        for op in case.operations:
            cost = op.cost(dim)
            table.add_row(
                f"{case.stem}.{op.name}", "seq." if op.sequential else "par.",
                *(f"{figure:g}" for figure in (cost.depth, cost.flops, 8 * cost.elements)),
                ", ".join(op.implementation_names) + ("" if op.timed else " *"),
            )  # fmt: skip
    console.print(table)
    console.print("seq.: the depth grows with D; par.: it does not. * verified, not timed")
