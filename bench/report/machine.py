"""The ceilings of a machine as tables for the terminal."""

from collections.abc import Iterable

from rich.console import Console

from seqgap.bench.machine.ceilings import Bandwidth, Ceilings
from seqgap.bench.report.text import grid, show, si
from seqgap.bench.results.tables import Table, Value

_PATTERNS = ("read", "write", "copy", "triad")


def print_ceilings(console: Console, ceilings: Ceilings) -> None:
    """Bandwidths, arithmetic and overheads, with units."""
    _print_bandwidth(console, "Bandwidth of one core, GB/s", ceilings.bandwidth)
    if ceilings.shared:
        _print_bandwidth(console, f"Bandwidth of {ceilings.threads} threads together, GB/s", ceilings.shared)
    table = grid("", ">float64", ">float32", "")
    for name, values, scale, unit in (
        ("fused multiply-add, latency", ceilings.fma_latency, 1e-9, "ns for each dependent step"),
        ("fused multiply-add, throughput", ceilings.fma_flops, 1e9, "Gflop/s, a multiply-add is 2"),
        ("exp", ceilings.exp, 1e-9, "ns for each element, in L1"),
        ("normals", ceilings.normal, 1e-9, "ns for each, into L1"),
    ):
        table.add_row(name, *(f"{values[dtype] / scale:.3g}" for dtype in ("float64", "float32")), unit)
    show(console, table, "Arithmetic of one core")
    table = grid("", ">time", "")
    region = ceilings.parallel_region
    for name, value, note in (
        ("timer", si(ceilings.timer), "smallest step of time.perf_counter"),
        ("empty call", si(ceilings.call_empty), "a compiled function without arguments"),
        ("empty call, 7 arrays", si(ceilings.call_arrays), "with a range and seven arrays"),
        ("empty parallel region", "-" if region is None else si(region), f"{ceilings.threads} threads"),
    ):
        table.add_row(name, value, note)
    show(console, table, "Overheads")


def ceilings_table(ceilings: Ceilings) -> Table:
    """A line for each figure, in seconds, bytes/s and flop/s."""
    lines: list[tuple[Value, ...]] = []
    for threads, levels in ((1, ceilings.bandwidth), (ceilings.threads, ceilings.shared)):
        for level in levels:
            rates = zip(_PATTERNS, (level.read, level.write, level.copy, level.triad), strict=True)
            lines += [
                (f"bandwidth, {name}", level.level, "", threads, rate, "bytes/s") for name, rate in rates
            ]
    for name, values, unit in (
        ("fused multiply-add, latency", ceilings.fma_latency, "s"),
        ("fused multiply-add, throughput", ceilings.fma_flops, "flop/s"),
        ("exp", ceilings.exp, "s"),
        ("normal", ceilings.normal, "s"),
    ):
        lines += [(name, "", dtype, 1, value, unit) for dtype, value in values.items()]
    lines += [
        ("timer", "", "", 1, ceilings.timer, "s"),
        ("empty call", "", "", 1, ceilings.call_empty, "s"),
        ("empty call, 7 arrays", "", "", 1, ceilings.call_arrays, "s"),
        ("empty parallel region", "", "", ceilings.threads, ceilings.parallel_region, "s"),
    ]
    return Table("ceilings", ["figure", "level", "dtype", "threads", "value", "unit"], lines)


def _print_bandwidth(console: Console, title: str, levels: Iterable[Bandwidth]) -> None:
    table = grid("level", ">size", ">measured\nwith", *(f">{pattern}" for pattern in _PATTERNS))
    for level in levels:
        rates = (level.read, level.write, level.copy, level.triad)
        sizes = (_bytes(size) if size else "-" for size in (level.capacity, level.working_set))
        table.add_row(level.level, *sizes, *(f"{rate / 1e9:.3g}" for rate in rates))
    show(console, table, title)


def _bytes(size: int) -> str:
    return f"{size / 2**20:.3g} MiB" if size >= 2**20 else f"{size / 2**10:.3g} KiB"
