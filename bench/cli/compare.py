"""`seqgap compare`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqgap.bench.cli.console import make_console
from seqgap.bench.cli.folders import complete_folder, to_folder
from seqgap.bench.cli.options import examples
from seqgap.bench.cli.tables import TABLE, chosen_style, format_option, json_option, print_tables
from seqgap.bench.cli.values import OneOf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seqgap.bench.analysis.compare import Change
    from seqgap.bench.analysis.run import Run
    from seqgap.bench.results.tables import Table


def _margin(context: Any, parameter: Any, value: float) -> float:
    if not 0 < value < 1:
        raise click.BadParameter(f"expected a number between 0 and 1, got {value:g}")
    return value


@click.command(
    short_help="Say which cells got slower or faster.",
    epilog=examples(
        "seqgap compare                  the newest with the one before, two seconds",
        "seqgap compare OLD NEW --fail-on slower     for CI",
        "seqgap compare latest~3 --format markdown   the newest with an older one",
    ),
)
@click.argument(
    "old", callback=to_folder, shell_complete=complete_folder, metavar="[OLD]", default="latest~1"
)
@click.argument("new", callback=to_folder, shell_complete=complete_folder, metavar="[NEW]", default="latest")
@click.option(
    "--margin", type=float, default=0.03, show_default=True, metavar="RATIO", callback=_margin,
    help="Relative difference that does not matter.",
)  # fmt: skip
@click.option(
    "--fail-on", type=OneOf(["slower", "faster"]), multiple=True,
    help="Exit code 1 when there is such a cell; repeatable.",
)  # fmt: skip
@format_option
@json_option
def compare(old: Path, new: Path, margin: float, fail_on: tuple[str, ...], style: str, as_json: bool) -> None:
    """Compare two result folders: which cells got slower or faster, are the same, or cannot be told.

    By default the newest run with the one before. Ratios are NEW over OLD, above 1 is slower. Exit code 2
    when lines of the files were damaged; all other lines are compared.
    """
    from seqgap.bench.analysis.compare import changes, machine_differences
    from seqgap.bench.analysis.run import timed_run
    from seqgap.bench.report.text import tell_damaged

    style = chosen_style(style, as_json)
    before, after = timed_run(old), timed_run(new)
    decided = changes(before, after, margin)
    if style != TABLE:
        print_tables([_data(decided)], style)
    else:
        _print_text(before, after, decided, margin)
    for line in machine_differences(before, after):
        click.echo(f"Warning: {line}", err=True)
    damaged = [run for run in (before, after) if tell_damaged(run)]
    if damaged:
        sys.exit(2)
    if any(change.verdict in fail_on for change in decided):
        sys.exit(1)


def _data(decided: "Sequence[Change]") -> "Table":
    from seqgap.bench.results.tables import Table

    head = ["cell", "verdict", "ratio", "low", "high"]
    return Table("changes", head, [(str(c.cell), c.verdict, *c.ratio.columns) for c in decided])


def _print_text(old: "Run", new: "Run", decided: "Sequence[Change]", margin: float) -> None:
    from collections import Counter

    from seqgap.bench.analysis.compare import CORRECTION, visible
    from seqgap.bench.report.text import show

    changed = [change for change in decided if change.verdict in ("slower", "faster")]
    console = make_console()
    if changed:
        show(console, _table(old, new, changed))
    counts = Counter(change.verdict for change in decided)
    told = (
        f"{counts['slower']} slower, {counts['faster']} faster, {counts['same']} the same within {margin:.3g}"
    )
    console.print(f"{len(decided)} cells: {told}, {counts['undecided']} cannot be told.")
    console.print(
        f"In half of the cells a change of less than {visible(decided):.1%} is not seen; more processes and"
        " longer timing (--processes, --budget) see smaller ones."
    )
    console.print(f"same: the whole 95% interval lies within; slower, faster: {CORRECTION}")
    for run, others in ((old, new), (new, old)):
        alone = len(run.measured.keys() - others.measured.keys())
        if alone:
            console.print(f"Only in {run.path}, not compared: {alone} cells", markup=False, soft_wrap=True)


def _table(old: "Run", new: "Run", changed: "Sequence[Change]") -> Any:
    from seqgap.bench.report.text import grid, si

    table = grid("cell", ">old", ">new", ">ratio", ">interval", "is")
    for change in sorted(changed, key=lambda change: change.ratio.middle, reverse=True):
        seconds = (si(run.measured[change.cell].seconds) for run in (old, new))
        ratio, low, high = change.ratio.columns
        table.add_row(str(change.cell), *seconds, f"{ratio:.3f}", f"{low:.3f}-{high:.3f}", change.verdict)
    return table
