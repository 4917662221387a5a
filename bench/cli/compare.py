"""`seqgap compare`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqgap.bench.cli.console import make_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seqgap.bench.analysis.compare import Change
    from seqgap.bench.analysis.run import Run


def _margin(context: Any, parameter: Any, value: float) -> float:
    if not 0 < value < 1:
        raise click.BadParameter(f"expected a number between 0 and 1, got {value:g}")
    return value


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--margin", type=float, default=0.03, show_default=True, callback=_margin,
    help="Relative difference that does not matter.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(["slower", "faster"]), multiple=True,
    help="Exit code 1 when there is such a cell; repeatable.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects, and nothing else.")
def compare(old: Path, new: Path, margin: float, fail_on: tuple[str, ...], as_json: bool) -> None:
    """Compare two result folders: which cells got slower or faster, are the same, or undecided.

    Ratios are NEW over OLD, above 1 is slower. Exit code 2 when lines of the files were damaged; all other
    lines are compared.
    """
    from seqgap.bench.analysis.compare import changes, machine_differences
    from seqgap.bench.analysis.run import timed_run
    from seqgap.bench.report.text import tell_damaged

    before, after = timed_run(old), timed_run(new)
    decided = changes(before, after, margin)
    if as_json:
        _print_json(decided)
    else:
        _print_text(before, after, decided, margin)
    for line in machine_differences(before, after):
        click.echo(f"Warning: {line}", err=True)
    damaged = [run for run in (before, after) if tell_damaged(run)]
    if damaged:
        sys.exit(2)
    if any(change.verdict in fail_on for change in decided):
        sys.exit(1)


def _print_json(decided: "Sequence[Change]") -> None:
    import json

    objects = [
        {
            "cell": str(change.cell),
            "verdict": change.verdict,
            "ratio": change.ratio.middle,
            "low": change.ratio.low if change.ratio.known else None,
            "high": change.ratio.high if change.ratio.known else None,
        }
        for change in decided
    ]
    click.echo(json.dumps(objects, indent=1, allow_nan=False))


def _print_text(old: "Run", new: "Run", decided: "Sequence[Change]", margin: float) -> None:
    from collections import Counter

    from seqgap.bench.analysis.compare import CORRECTION, VERDICTS

    changed = [change for change in decided if change.verdict in ("slower", "faster")]
    if changed:
        make_console().print(_table(old, new, changed))
    counts = Counter(change.verdict for change in decided)
    click.echo(f"{len(decided)} cells: {', '.join(f'{counts[name]} {name}' for name in VERDICTS)}")
    click.echo(f"same: the 95% interval within {margin:.3g} of 1; slower, faster: {CORRECTION}")
    for run, others in ((old, new), (new, old)):
        alone = len(run.measured.keys() - others.measured.keys())
        if alone:
            click.echo(f"Only in {run.path}, not compared: {alone} cells")


def _table(old: "Run", new: "Run", changed: "Sequence[Change]") -> Any:
    from seqgap.bench.report.text import grid, si

    table = grid("cell", ">old", ">new", ">ratio", ">interval", "is")
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    for change in sorted(changed, key=lambda change: change.ratio.middle, reverse=True):
        seconds = (si(run.measured[change.cell].seconds) for run in (old, new))
        ratio, low, high = change.ratio.columns
        table.add_row(str(change.cell), *seconds, f"{ratio:.3f}", f"{low:.3f}-{high:.3f}", change.verdict)
    return table
