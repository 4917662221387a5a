"""Tables for the terminal."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from seqgap.bench.gap import Gap
from seqgap.bench.registry import cases
from seqgap.bench.results import Row
from seqgap.bench.verify import Verdict

_KINDS = {
    "matched": "Matched pairs: the same weights and the same arithmetic, in either direction",
    "family": "Families: different models at equal D; their work differs, not only their structure",
}


def si(seconds: float) -> str:
    """Seconds with a unit, three digits."""
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def print_gaps(console: Console, found: Sequence[Gap]) -> None:
    """The gap tables of the fastest implementation present; matched and family kept apart."""
    if not found:
        console.print("No comparison: no sequential and parallel sampler were timed at equal sizes.")
        return
    impl = "numba" if any(gap.impl == "numba" for gap in found) else found[-1].impl
    for kind, heading in _KINDS.items():
        of_kind = [gap for gap in found if gap.kind == kind and gap.impl == impl]
        if not of_kind:
            continue
        console.print(f"\n[bold]{heading}[/bold] ({impl})")
        for (sequential, parallel, dtype, threads), group in itertools.groupby(
            of_kind, key=lambda gap: (gap.sequential, gap.parallel, gap.dtype, gap.threads)
        ):
            plural = "s" * (threads > 1)
            title = f"{sequential} (sequential) against {parallel}, {dtype}, {threads} thread{plural}"
            console.print(_gap_table(title, group))
    others = sorted({gap.impl for gap in found} - {impl})
    if others:
        console.print(f"The same for {' and '.join(others)}: gap.csv.")


def _gap_table(title: str, group: Iterable[Gap]) -> Table:
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE, padding=(0, 1))
    columns = (
        "N", "D", "sequential\n/sample", "parallel\n/sample", "sequential\n/call", "parallel\n/call",
        "ratio", "spread",
    )  # fmt: skip
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("the sequential one is", no_wrap=True)
    for gap in group:
        table.add_row(
            str(gap.batch), str(gap.dim), si(gap.sequential_per_sample), si(gap.parallel_per_sample),
            si(gap.sequential_per_call), si(gap.parallel_per_call),
            f"{gap.ratio:.3g}", f"{gap.ratio_low:.3g}-{gap.ratio_high:.3g}", gap.verdict,
        )  # fmt: skip
    return table


def print_other_rows(console: Console, rows: Iterable[Row]) -> None:
    """What was not timed, and why."""
    rows = list(rows)
    skipped = Counter(row.cell.impl for row in rows if row.status == "skipped")
    if skipped:
        counts = ", ".join(f"{impl} {count}" for impl, count in skipped.items())
        console.print(f"Left out as too slow or too large: {sum(skipped.values())} cells ({counts}).")
    for row in rows:
        if row.status == "failed":
            console.print(f"[bold]Wrong, not timed[/bold] {row.cell}: {row.reason}", soft_wrap=True)


def print_verdicts(console: Console, verdicts: Iterable[Verdict]) -> bool:
    """The verification table, row by row as it comes; True if all are within tolerance."""
    table = Table(box=box.SIMPLE)
    table.add_column("operation", no_wrap=True)
    table.add_column("dtype")
    for name in ("largest error", "in ULP", "tolerance", "used", "where"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    found = list(verdicts)
    for v in found:
        table.add_row(
            v.name, v.dtype.name, f"{v.absolute:.1e}", f"{v.ulp:.2g}", f"{v.tolerance:.1e}",
            f"{v.used:.1%}", v.size, "ok" if v.ok else "[bold]WRONG[/bold]",
        )  # fmt: skip
    console.print(table)
    console.print(
        "tolerance: for the size (where) that uses most of it, times max(1, largest value). ULP: largest"
        " over all values, also those near 0 that are differences of larger ones."
    )
    for reason in dict.fromkeys(v.reason for v in found):
        console.print(f"- {reason}")
    wrong = [v.name for v in found if not v.ok]
    console.print(f"{len(found) - len(wrong)} of {len(found)} within tolerance.")
    return not wrong


def print_cases(console: Console, dim: int) -> None:
    """Every operation with its cost for one sample at a dimension."""
    table = Table(
        title=f"Cost of one sample at D = {dim}; bytes in float64, parameters not counted", box=box.SIMPLE
    )
    table.add_column("operation", no_wrap=True)
    table.add_column("kind")
    for name in ("depth", "flops", "bytes"):
        table.add_column(name, justify="right")
    table.add_column("implementations", no_wrap=True)
    for case in cases().values():
        for op in case.operations:
            table.add_row(
                f"{case.stem}.{op.name}", "sequential" if op.sequential else "parallel",
                f"{op.depth(dim):g}", f"{op.flops(dim):g}", f"{8 * op.elements(dim):g}",
                ", ".join(op.implementation_names) + ("" if op.timed else " (verified, not timed)"),
            )  # fmt: skip
    console.print(table)
