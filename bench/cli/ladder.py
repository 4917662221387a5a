"""`seqgap ladder`: the causes of the gap, measured for a few sizes."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqgap.bench.cli.console import make_console
from seqgap.bench.cli.options import dated, numbers, validated
from seqgap.bench.cli.own import loaded

if TYPE_CHECKING:
    from rich.console import Console

    from seqgap.bench.plan.options import Options

_LONGEST = 1.0  # expected seconds of one call above which a rung is left out


@click.command()
@click.option(
    "--case", metavar="STEM|FILE.py", help="Only the matched pair of this case, or of a file. [default: all]"
)
@click.option("--dim", type=int, default=64, show_default=True, metavar="D", help="Dimension.")
@click.option(
    "--batch", callback=numbers, default="1,1024", show_default=True, metavar="N,...", help="Batch sizes."
)
@click.option("--dtype", default="float64", show_default=True, metavar="NAME", help="float64 or float32.")
@click.option(
    "--processes", type=int, default=3, show_default=True, metavar="P", help="Fresh processes that measure."
)
@click.option("--out", type=click.Path(path_type=Path), help="Result folder. [default: seqgap-results/DATE]")
def ladder(
    case: str | None, dim: int, batch: tuple[int, ...], dtype: str, processes: int, out: Path | None
) -> None:
    """Split the sequential-vs-parallel gap into its causes.

    From plain Python over NumPy and compiled code to the parallel direction with the same weights: every
    rung removes one cause, and its factor is what that cause costs. N = 1 is about latency, a large N about
    throughput. Writes a result folder, with the table as ladder.csv and a picture of it.
    """
    from seqgap.bench.measure.parent import measure_run, started, stoppable

    options = _options(case, dim, batch, dtype, processes)
    console = make_console()
    with started(options, out or dated()) as folder, stoppable(folder):
        measure_run(console, folder)
        _report(console, folder.path)


def _options(case: str | None, dim: int, batch: tuple[int, ...], dtype: str, processes: int) -> "Options":
    """The options of a run that has the ladders' cells; UsageError where there can be none."""
    from seqgap.bench.model.registry import matched_pairs
    from seqgap.bench.plan import rungs
    from seqgap.bench.plan.options import LADDER, Options
    from seqgap.kernels._core.jit import threads_available

    case = next(iter(loaded([case] if case else [])), None)
    pairs = [pair for pair in matched_pairs() if case in (None, pair.sequential.split(".")[0])]
    if not pairs:
        known = ", ".join(pair.sequential.split(".")[0] for pair in matched_pairs())
        raise click.UsageError(f"--case: expected one of {known}, got {case!r}")
    options = Options(
        profile=LADDER,
        case=tuple(name for pair in pairs for name in (pair.sequential, pair.parallel)),
        impl=rungs.implementations(pairs),
        dim=(dim,),
        batch=batch,
        threads=tuple(sorted({1, threads_available()})),
        dtype=(dtype,),
        processes=processes,
        seconds=0.1,
        longest=_LONGEST,
    )
    return validated(options)


def _report(console: "Console", path: Path) -> None:
    """Table, ladder.csv and picture of a measured folder; exit code 1 where a result was wrong."""
    from seqgap.bench.analysis.ladder import ladders
    from seqgap.bench.analysis.run import timed_run
    from seqgap.bench.report.notes import print_other_rows
    from seqgap.bench.report.plots import draw_ladder
    from seqgap.bench.report.tables import print_ladders

    run = timed_run(path)
    print_ladders(console, ladders(run))
    if not ladders(run):
        console.print("No ladder: too few of its rungs were timed.")
    print_other_rows(console, run)
    names = ["rows.jsonl", "environment.json", "operations.json", *(p.name for p in draw_ladder(run, path))]
    click.echo(f"Written to {path}: {', '.join(names)}")
    if any(row.status == "failed" for row in run.left_out):
        sys.exit(1)
