"""What stands beside the figures of a run: what was not timed, compiling, the host."""

from collections import Counter

import click
from rich.console import Console

from seqgap.bench.analysis.run import Run
from seqgap.bench.report.text import si
from seqgap.bench.results.printable import printable

_CHECKED = "results equalled the reference."
_UNCHECKED = "no reference; results had n rows of finite numbers, more is not known of them."
_ONE_CORE = 1.3  # cores kept busy: more are more than one thread


def print_other_rows(console: Console, run: Run) -> None:
    """What was not timed, and why; what went into compiling, which is not in the timings; the host."""
    ok = [row for row in run.rows if row.status == "ok"]
    if any(row.cell.impl == "numba" for row in ok):
        compiling, loading = sum(row.compile for row in ok), sum(row.load for row in ok)
        loaded = "nothing was compiled, all came from the cache on disk"
        spent = f"compiling took {si(compiling)}" if compiling else loaded
        console.print(f"Kernels: {spent}; loading took {si(loading)}, all processes together.")
    _print_host(console, run)
    print_checked(console, run)
    skipped = Counter(row.cell.impl for row in run.left_out if row.status == "skipped")
    if skipped:
        counts = ", ".join(f"{impl} {count}" for impl, count in skipped.items())
        console.print(f"Left out as too slow or too large: {sum(skipped.values())} cells ({counts}).")


def tell_wrong(run: Run) -> bool:
    """Name the cells whose results were wrong, on standard error; whether there were any."""
    failed = [row for row in run.left_out if row.status == "failed"]
    for row in failed:
        click.echo(f"Wrong, not timed: {row.cell}: {printable(row.reason)}", err=True)
    return bool(failed)


def _print_host(console: Console, run: Run) -> None:
    """Drift, disturbances, and threads that were asked for and not used."""
    if run.probes:
        least, most = run.drift()
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


def print_checked(console: Console, run: Run) -> None:
    """What is known of the results of samplers from outside."""
    stored = run.environment.get("own_cases")
    for stem, known in stored.items() if isinstance(stored, dict) else ():
        checked = known.get("checked") if isinstance(known, dict) else ()
        right = [f"{stem}.{name}" for name in checked] if isinstance(checked, list) else []
        operations = [name for name in run.operations.operations if name.startswith(f"{stem}.")]
        for names, text in (
            ([name for name in operations if name in right], _CHECKED),
            ([name for name in operations if name not in right], _UNCHECKED),
        ):
            if names:
                console.print(f"{', '.join(names)}: {text}", markup=False, soft_wrap=True)
