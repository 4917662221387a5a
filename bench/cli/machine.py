"""`seqgap machine`."""

import json

import click

from seqgap.bench.cli.console import make_console, make_notes
from seqgap.bench.cli.options import examples
from seqgap.bench.cli.tables import TABLE, chosen_style, format_option, json_option, print_tables


@click.command(
    short_help="Measure what this machine can do at best.",
    epilog=examples(
        "seqgap machine                  ten seconds",
        "seqgap machine --format csv     a line for each figure",
    ),
)
@format_option
@json_option
def machine(style: str, as_json: bool) -> None:
    """Measure this machine's ceilings: bandwidths, arithmetic, call overheads. About 10 seconds.

    Each is the best of several repetitions, on one core unless said. In JSON they are one object, as in the
    environment.json of a run; in seconds, bytes/s and flop/s.
    """
    from seqgap.bench.machine.probe import MEASURING, measure_machine
    from seqgap.bench.report.machine import ceilings_table, print_ceilings

    style = chosen_style(style, as_json)
    make_notes().print(MEASURING)
    ceilings = measure_machine(parallel=True).ceilings
    if style == "json":
        click.echo(json.dumps(ceilings.to_json(), indent=1))
    elif style == TABLE:
        print_ceilings(make_console(), ceilings)
    else:
        print_tables([ceilings_table(ceilings)], style)
