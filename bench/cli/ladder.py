"""`seqgap ladder`: the causes of the gap, measured for a few sizes."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqgap.bench.cli.console import make_console, make_notes
from seqgap.bench.cli.folders import enlist, new_folder
from seqgap.bench.cli.options import (
    case_option,
    detail_options,
    examples,
    numbers_option,
    out_option,
    validated,
)
from seqgap.bench.cli.own import loaded
from seqgap.bench.cli.tables import TABLE, format_option, print_tables
from seqgap.bench.cli.values import completed, dtype_names, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from seqgap.bench.model.registry import Comparison
    from seqgap.bench.plan.options import Options

_LONGEST = 1.0  # expected seconds of one call above which a rung is left out


@click.command(
    short_help="Split the gap into its causes.",
    epilog=examples(
        "seqgap ladder                   a minute",
        "seqgap ladder --case maf --dim 16 --batch 1,64,4096",
        "seqgap ladder --format csv      the factors for a program",
    ),
)
@case_option("Only the matched pairs of these cases. [default: all]")
@click.option("--dim", type=int, default=64, show_default=True, metavar="D", help="Dimension.")
@numbers_option("--batch", "N,...", "Batch sizes.", default="1,1024")
@click.option(
    "--dtype", default="float64", show_default=True, metavar="NAME", shell_complete=completed(dtype_names),
    help="float64 or float32.",
)  # fmt: skip
@click.option(
    "--processes", type=int, default=3, show_default=True, metavar="P", help="Fresh processes that measure."
)
@out_option
@format_option
@detail_options
def ladder(out: Path | None, style: str, quiet: bool, verbose: bool, **choices: Any) -> None:
    """Split the sequential-vs-parallel gap into its causes, in about a minute.

    From plain Python over NumPy and compiled code to the parallel direction with the same weights: every
    rung removes one cause, and its factor is what that cause costs. N = 1 is about latency, a large N about
    throughput. Writes a result folder, with the table as ladder.csv and a picture of it.
    """
    from seqgap.bench.measure.parent import measure_run, started
    from seqgap.bench.measure.stop import stoppable

    options, notes = _options(**choices), make_notes(quiet=quiet)
    with started(options, out or new_folder(), notes) as folder, stoppable(folder.path):
        enlist(folder.path)
        measure_run(notes, folder)
        complete = _report(folder.path, notes, style, verbose)
    if not complete:
        sys.exit(1)


def _options(
    case: tuple[str, ...] | None, dim: int, batch: tuple[int, ...], dtype: str, processes: int
) -> "Options":
    """The options of a run that has the ladders' cells; UsageError where there can be none."""
    from seqgap.bench.plan import rungs
    from seqgap.bench.plan.options import LADDER, Options
    from seqgap.kernels._core.jit import threads_available

    pairs = _pairs(loaded(case or ()))
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


def _pairs(stems: "Sequence[str]") -> "Sequence[Comparison]":
    """The matched pairs of the cases, of all by default; UsageError for a case that has none."""
    from seqgap.bench.model.registry import matched_pairs

    of_case = {pair: pair.sequential.split(".")[0] for pair in matched_pairs()}
    for stem in stems:
        if stem not in of_case.values():
            known = list(dict.fromkeys(of_case.values()))
            expected = f"expected some of {', '.join(known)}, which have both directions, got {stem!r}"
            raise click.UsageError(f"--case: {expected}{suggestion(stem, known)}")
    return [pair for pair, stem in of_case.items() if stem in stems or not stems]


def _report(path: Path, notes: "Console", style: str, verbose: bool) -> bool:
    """Tables, ladder.csv and picture of a measured folder; False where a result was wrong."""
    from seqgap.bench.analysis.ladder import ladders, table
    from seqgap.bench.analysis.run import timed_run
    from seqgap.bench.audit import rules
    from seqgap.bench.report.notes import print_other_rows, tell_wrong
    from seqgap.bench.report.page import PAGE, write_page
    from seqgap.bench.report.plots import draw_ladder
    from seqgap.bench.report.tables import print_all, print_ladders

    run = timed_run(path)
    names = ["rows.jsonl", "environment.json", "operations.json", *(p.name for p in draw_ladder(run, path))]
    names.append(write_page(run, path / PAGE, rules.table(rules.audit(run))).name)
    if style != TABLE:
        print_tables([table(run)], style)
    elif verbose:
        print_all(make_console(), run)
    else:
        print_ladders(make_console(), ladders(run))
    if not ladders(run):
        notes.print("No ladder: too few of its rungs were timed.")
    print_other_rows(notes, run)
    notes.print(f"Written to {path}: {', '.join(names)}")
    return not tell_wrong(run)
