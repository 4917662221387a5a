"""`--format`: the table of a command for people, or its data for programs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from seqgap.bench.cli.values import OneOf

if TYPE_CHECKING:
    from seqgap.bench.results.tables import Table

TABLE = "table"
_Function = TypeVar("_Function", bound=Callable[..., Any])


def format_option(function: _Function) -> _Function:
    """--format, which the command takes as `style`."""
    option = click.option(
        "--format", "style", type=OneOf([TABLE, "json", "csv", "markdown"]), default=TABLE, show_default=True,
        help="table: for reading; json, csv: all digits; markdown: for a comment or a page.",
    )  # fmt: skip
    return option(function)


def json_option(function: _Function) -> _Function:
    """--json, which the command takes as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="The same as --format json.")(function)


def chosen_style(style: str, as_json: bool) -> str:
    """The style, json for --json; UsageError where both options were set in one way, and disagree."""
    if not as_json:
        return style
    context = click.get_current_context()
    source = context.get_parameter_source("style")
    if style != "json" and source is context.get_parameter_source("as_json"):
        raise click.UsageError(f"--json is --format json, not --format {style}; drop one of them", context)
    return style if source is ParameterSource.COMMANDLINE else "json"


def print_tables(tables: "list[Table]", style: str) -> None:
    """Tables in one of the formats for programs."""
    from seqgap.bench.report.formats import formatted

    click.echo(formatted(tables, style))
