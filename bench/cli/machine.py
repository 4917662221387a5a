"""`seqgap machine`."""

import json

import click

from seqgap.bench.cli.console import make_console


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, in seconds, bytes/s and flop/s.")
def machine(as_json: bool) -> None:
    """Measure this machine's ceilings: bandwidths, arithmetic, call overheads. About 5 seconds.

    Each is the best of several repetitions, on one core unless said.
    """
    from seqgap.bench.machine.probe import MEASURING, measure_machine
    from seqgap.bench.report.machine import print_ceilings

    click.echo(MEASURING, err=True)
    ceilings = measure_machine(parallel=True).ceilings
    if as_json:
        click.echo(json.dumps(ceilings.to_json(), indent=1))
    else:
        print_ceilings(make_console(), ceilings)
