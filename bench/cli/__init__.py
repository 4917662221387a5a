"""The command line. Heavy modules are imported inside the commands, so that --help is quick."""

import io
import sys

import click

from seqgap.bench.cli import config
from seqgap.bench.cli.audit import audit
from seqgap.bench.cli.compare import compare
from seqgap.bench.cli.console import use_standard_streams
from seqgap.bench.cli.ladder import ladder
from seqgap.bench.cli.list import list_cases
from seqgap.bench.cli.machine import machine
from seqgap.bench.cli.options import examples
from seqgap.bench.cli.plot import plot
from seqgap.bench.cli.report import report
from seqgap.bench.cli.run import run
from seqgap.bench.cli.show import show
from seqgap.bench.cli.verify import verify
from seqgap.bench.measure.stop import Stopped, heeding_signals

_EPILOG = (
    examples(
        "seqgap run                     measure this machine, about 2 minutes",
        "seqgap run --profile smoke     the same in half a minute, to try it out",
        "seqgap compare                 the newest run with the one before",
    )
    + """

\b
Exit codes:
  0    done
  1    a result is wrong, a rule fails, or --fail-on found something
  2    wrong use, or files that cannot be read or written: one line says what
  130  stopped by Ctrl-C; 143: by SIGTERM; 141: nobody reads the output

\b
Defaults of options: [tool.seqgap.run] with processes = 7 in pyproject.toml,
or SEQGAP_RUN_PROCESSES=7; what is typed comes first, then variables.
"""
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "SEQGAP"},
    epilog=_EPILOG,
)
@click.version_option(package_name="seqgap", message="%(prog)s %(version)s", allow_from_autoenv=False)
@click.pass_context
def cli(context: click.Context) -> None:
    """Measure what it costs to sample one dimension at a time."""
    context.obj, context.default_map = config.defaults(cli)


for _command in (run, show, machine, plot, report, verify, list_cases, ladder, audit, compare):
    cli.add_command(_command)


def main() -> None:
    """Entry point: every error is one line on standard error and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # whatever a terminal cannot show, a name above all
    use_standard_streams()
    with heeding_signals():
        code = _code()
    sys.exit(code)


def _code() -> int:
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        return _fail(error.format_message() + config.origin(error))
    except click.Abort as error:
        return error.__cause__.code if isinstance(error.__cause__, Stopped) else 130
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    return code if isinstance(code, int) else 0


def _fail(message: str) -> int:
    click.echo(f"seqgap: {' '.join(message.split())}", err=True)
    return 2
