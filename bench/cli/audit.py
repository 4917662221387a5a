"""`seqgap audit`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqgap.bench.cli.console import make_console
from seqgap.bench.cli.folders import complete_folder, to_folder
from seqgap.bench.cli.options import examples
from seqgap.bench.cli.tables import TABLE, format_option, print_tables

if TYPE_CHECKING:
    from seqgap.bench.audit import Finding

_COLOURS = {"pass": "green", "fail": "red", "not applicable": "dim"}


@click.command(
    short_help="Check a run against rules for benchmark reports.",
    epilog=examples(
        "seqgap audit                    the newest run, about ten seconds",
        "seqgap audit latest~1           the one before",
        "seqgap audit DIR --format markdown",
    ),
)
@click.argument(
    "results", callback=to_folder, shell_complete=complete_folder, metavar="[DIR]", default="latest"
)
@format_option
def audit(results: Path, style: str) -> None:
    """Check a result folder, by default the newest, against the twelve rules of Hoefler and Belli (SC15).

    Every verdict is computed from the files of the folder. Exit code 1 if a rule fails.
    """
    from seqgap.bench.analysis.run import timed_run
    from seqgap.bench.audit.rules import audit as audited
    from seqgap.bench.audit.rules import table
    from seqgap.bench.report.text import tell_damaged

    run = timed_run(results)
    findings = audited(run)
    tell_damaged(run)
    if style == TABLE:
        _show(findings)
    else:
        print_tables([table(findings)], style)
    if any(finding.verdict == "fail" for finding in findings):
        sys.exit(1)


def _show(findings: "list[Finding]") -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    console = make_console()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 1, 0))
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("rule", ratio=2)
    table.add_column("verdict", no_wrap=True)
    table.add_column("evidence", ratio=5, overflow="fold")
    for finding in findings:
        verdict = f"[{_COLOURS[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(str(finding.rule), finding.title, verdict, escape(finding.evidence))
    console.print(table)
    counts = {verdict: sum(f.verdict == verdict for f in findings) for verdict in _COLOURS}
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
