"""`seqgap report`."""

import sys
from pathlib import Path

import click

from seqgap.bench.cli.folders import complete_folder, to_folders
from seqgap.bench.cli.options import examples, new_path


def _one_or_two(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[Path, ...]:
    if len(value) > 2:
        raise click.BadParameter(f"expected one folder, or an old and a new one, got {len(value)}")
    return to_folders(context, parameter, value)


@click.command(
    short_help="Write the page of a run again.",
    epilog=examples(
        "seqgap report                   the newest run, a few seconds",
        "seqgap report latest~1 latest   with what has changed since the run before",
        "seqgap report DIR --out page.html",
    ),
)
@click.argument(
    "results", nargs=-1, callback=_one_or_two, shell_complete=complete_folder, metavar="[OLD] [DIR]"
)
@click.option("--out", callback=new_path, metavar="FILE", help="The page. [default: report.html in DIR]")
def report(results: tuple[Path, ...], out: Path | None) -> None:
    """Write the page of a result folder, by default the newest: one file, which needs no network.

    After an older folder the page has a chapter of what got slower or faster. It is made of the files of the
    folders alone. Prints the path. Exit code 2 when lines of the files were damaged; all others are shown.
    """
    from seqgap.bench.analysis.run import timed_run
    from seqgap.bench.audit.rules import audit, table
    from seqgap.bench.report.page import PAGE, write_page
    from seqgap.bench.report.text import tell_damaged

    *older, run = [timed_run(path) for path in results]
    damaged = [known for known in (*older, run) if tell_damaged(known)]
    target = results[-1] / PAGE if out is None else out
    if target.is_dir():
        raise click.UsageError(f"--out: expected a file, got the folder {target}")
    click.echo(write_page(run, target, table(audit(run)), older[0] if older else None))
    if damaged:
        sys.exit(2)
