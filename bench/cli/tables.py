"""`--format`: the table of a command for people, or its data for programs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

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


def print_tables(tables: "list[Table]", style: str) -> None:
    """Tables in one of the formats for programs."""
    from seqgap.bench.report.formats import formatted

    click.echo(formatted(tables, style))
