"""`seqgap plot`."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the pictures. [default: the first of RESULTS]"
)
def plot(results: tuple[Path, ...], out: Path | None) -> None:
    """Draw all pictures of a result folder, or the curves of several together, from their files alone."""
    from seqgap.bench.analysis.run import read_run
    from seqgap.bench.report.plots import draw
    from seqgap.bench.report.text import tell_damaged

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    runs = [read_run(path) for path in results]
    damaged = [run for run in runs if tell_damaged(run)]  # told if nothing can be drawn too
    for path in draw(runs, out or results[0]):
        click.echo(path)
    if damaged:
        sys.exit(2)
