"""The command line. Heavy modules are imported inside the commands, so that --help is quick."""

import io
import sys

import click

from seqgap.bench.cli.audit import audit
from seqgap.bench.cli.compare import compare
from seqgap.bench.cli.ladder import ladder
from seqgap.bench.cli.list import list_cases
from seqgap.bench.cli.machine import machine
from seqgap.bench.cli.plot import plot
from seqgap.bench.cli.run import run
from seqgap.bench.cli.show import show
from seqgap.bench.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seqgap", message="%(prog)s %(version)s")
def cli() -> None:
    """Measure what it costs to sample one dimension at a time."""


for _command in (run, show, machine, plot, verify, list_cases, ladder, audit, compare):
    cli.add_command(_command)


def main() -> None:
    """Entry point: every error is one line on standard error and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # whatever a terminal cannot show, a name above all
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 0
    except click.ClickException as error:
        code = _fail(error.format_message())
    except click.Abort:
        code = 130
    except OSError as error:
        code = _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    click.echo(f"seqgap: {' '.join(message.split())}", err=True)
    return 2
