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
    from seqgap.bench.report.plots import draw
    from seqgap.bench.report.tables import tell_damaged
    from seqgap.bench.results.run import read_run

    target = out or results[0]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    damaged = [path for path in results if tell_damaged(read_run(path))]  # told if nothing can be drawn too
    for path in draw(results, target):
        click.echo(path)
    if damaged:
        sys.exit(2)
