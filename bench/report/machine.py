"""The ceilings of a machine as tables for the terminal."""

from collections.abc import Iterable

from rich.console import Console

from seqgap.bench.machine.ceilings import Bandwidth, Ceilings
from seqgap.bench.report.text import grid, show, si


def print_ceilings(console: Console, ceilings: Ceilings) -> None:
    """Bandwidths, arithmetic and overheads, with units."""
    _print_bandwidth(console, "Bandwidth of one core, GB/s", ceilings.bandwidth)
    if ceilings.shared:
        _print_bandwidth(console, f"Bandwidth of {ceilings.threads} threads together, GB/s", ceilings.shared)
    table = grid("", ">float64", ">float32", "", title="Arithmetic of one core")
    for name, values, scale, unit in (
        ("fused multiply-add, latency", ceilings.fma_latency, 1e-9, "ns for each dependent step"),
        ("fused multiply-add, throughput", ceilings.fma_flops, 1e9, "Gflop/s, a multiply-add is 2"),
        ("exp", ceilings.exp, 1e-9, "ns for each element, in L1"),
        ("normals", ceilings.normal, 1e-9, "ns for each, into L1"),
    ):
        table.add_row(name, *(f"{values[dtype] / scale:.3g}" for dtype in ("float64", "float32")), unit)
    console.print(table)
    table = grid("", ">", "", title="\nOverheads")
    region = ceilings.parallel_region
    for name, value, note in (
        ("timer", si(ceilings.timer), "smallest step of time.perf_counter"),
        ("empty call", si(ceilings.call_empty), "a compiled function without arguments"),
        ("empty call, 7 arrays", si(ceilings.call_arrays), "with a range and seven arrays"),
        ("empty parallel region", "-" if region is None else si(region), f"{ceilings.threads} threads"),
    ):
        table.add_row(name, value, note)
    console.print(table)


def _print_bandwidth(console: Console, title: str, levels: Iterable[Bandwidth]) -> None:
    heads = (">size", ">measured\nwith", ">read", ">write", ">copy", ">triad")
    table = grid("level", *heads, title=title)
    for level in levels:
        rates = (level.read, level.write, level.copy, level.triad)
        sizes = (_bytes(size) if size else "-" for size in (level.capacity, level.working_set))
        table.add_row(level.level, *sizes, *(f"{rate / 1e9:.3g}" for rate in rates))
    show(console, table)


def _bytes(size: int) -> str:
    return f"{size / 2**20:.3g} MiB" if size >= 2**20 else f"{size / 2**10:.3g} KiB"
