"""The end of a run: its tables on the console and in files, and its pictures."""

from pathlib import Path

import click
from rich.console import Console

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.gap import write_csv as write_gaps
from seqgap.bench.analysis.ladder import ladders
from seqgap.bench.analysis.ranking import rankings
from seqgap.bench.analysis.ranking import write_csv as write_peers
from seqgap.bench.analysis.scaling import costs, crossings
from seqgap.bench.analysis.scaling import write_csv as write_shapes
from seqgap.bench.model.registry import compared
from seqgap.bench.report.ladder import print_ladders
from seqgap.bench.report.plots import draw
from seqgap.bench.report.tables import (
    print_costs,
    print_crossings,
    print_fractions,
    print_gaps,
    print_other_rows,
    print_peers,
    tell_damaged,
)
from seqgap.bench.results.rows import ENVIRONMENT, PROBES, ROWS
from seqgap.bench.results.run import read_run

GAPS, PEERS, SHAPES = "gap.csv", "peers.csv", "shapes.csv"


def report(console: Console, path: Path) -> bool:
    """Tables and pictures of a run, from its files; False if a cell was wrong or a line damaged."""
    run = read_run(path)
    found = gaps(run)
    write_gaps(found, path / GAPS)
    print_gaps(console, found)
    ranked = rankings(run)
    write_peers(ranked, path / PEERS)
    print_peers(console, ranked)
    print_ladders(console, ladders(run))
    print_crossings(console, crossings(run))
    print_costs(console, [cost for cost in costs(run) if cost.curve.name in compared()])
    print_fractions(console, run)
    print_other_rows(console, run)
    write_shapes(run, path / SHAPES)
    pictures = [picture.name for picture in (draw([path], path) if run.measured else [])]
    names = [ROWS, PROBES, ENVIRONMENT, GAPS, PEERS, SHAPES, *pictures]
    click.echo(f"Written to {path}: {', '.join(names)}")
    return not tell_damaged(run) and all(row.status != "failed" for row in run.left_out)
