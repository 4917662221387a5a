"""`seqgap plot`."""

import sys
from pathlib import Path

import click

from seqgap.bench.cli.folders import complete_folder, to_folders
from seqgap.bench.cli.options import examples, new_path


@click.command(
    short_help="Draw the pictures of a run again.",
    epilog=examples(
        "seqgap plot                     the newest run, about 15 seconds",
        "seqgap plot DIR --out pictures",
        "seqgap plot latest~1 latest --out both    the curves of two runs together",
    ),
)
@click.argument("results", nargs=-1, callback=to_folders, shell_complete=complete_folder, metavar="[DIR]...")
@click.option(
    "--out", callback=new_path, metavar="DIR",
    help="Folder for the pictures. [default: the first of the results]",
)  # fmt: skip
def plot(results: tuple[Path, ...], out: Path | None) -> None:
    """Draw all pictures of a result folder, by default the newest, or the curves of several together.

    They are drawn from the files of the folders alone. Prints the paths of what it writes.
    """
    from seqgap.bench.analysis.run import read_run
    from seqgap.bench.report.plots import draw
    from seqgap.bench.report.text import tell_damaged

    runs = [read_run(path) for path in results]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    damaged = [run for run in runs if tell_damaged(run)]  # told if nothing can be drawn too
    for path in draw(runs, out or results[0]):
        click.echo(path)
    if damaged:
        sys.exit(2)
