"""`report.html`: a run on one page, in one file that opens by double click and asks no network."""

import functools
import importlib.metadata
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from seqgap.bench.analysis.compare import changes
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import METHOD
from seqgap.bench.report.page import prose
from seqgap.bench.report.page.chapters import Before, Chapter, chapters, datasets
from seqgap.bench.report.page.charts import quality
from seqgap.bench.report.page.choices import Choices, choices
from seqgap.bench.report.page.packed import packed_rounds
from seqgap.bench.report.page.records import Record
from seqgap.bench.report.page.theme import theme
from seqgap.bench.report.verdict import control_sentences
from seqgap.bench.results.folder import ENVIRONMENT, OPERATIONS
from seqgap.bench.results.rows import PROBES, ROWS, writing
from seqgap.bench.results.tables import Table

PAGE = "report.html"


class Bundle(NamedTuple):
    """A library that draws the charts, as `.ci/refresh-vega` fetches it."""

    name: str
    version: str
    licence: str
    sha256: str

    @property
    def source(self) -> str:
        """Its minified text."""
        return _text("vega", f"{self.name}.min.js")

    @property
    def terms(self) -> str:
        """Its licence in full."""
        return _text("vega", f"{self.name}.LICENSE")


def bundles() -> list[Bundle]:
    """In the order in which they need each other."""
    return [Bundle(**stored) for stored in json.loads(_text("vega", "bundles.json"))]


def write_page(run: Run, path: Path, audited: Table | None = None, before: Run | None = None) -> Path:
    """Write the page of a run to a file and return its path; the same files give the same bytes.

    Parameters
    ----------
    run : Run
        With at least one timed cell.
    path : Path
        Of the page; all of it is written or nothing.
    audited : Table, optional
        The findings of the audit, a line for each rule.
    before : Run, optional
        An earlier run, for a chapter of what has changed since.

    Raises
    ------
    ResultError
        Where the file cannot be written, or the two runs have no cell or too few processes to be compared.
    """
    text = _templates().get_template("page.html").render(_context(run, audited, before))
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    with writing(path):
        try:
            temporary.write_text(text, encoding="utf-8", newline="\n")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def _text(folder: str, name: str) -> str:
    return (files(__name__) / folder / name).read_text(encoding="utf-8")


@functools.cache
def _templates() -> Environment:
    """Every text of a run is escaped: names and messages may come from anybody."""
    loader = PackageLoader(__name__)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def _context(run: Run, audited: Table | None, earlier: Run | None) -> dict[str, Any]:
    before = Before(earlier, changes(earlier, run)) if earlier else None
    chosen = choices(run)
    contents = chapters(run, chosen, audited, before)
    return {
        "run": run,
        "host": prose.host(run),
        "started": str(run.environment.get("started") or "an unknown time"),
        "command": str(run.environment.get("command") or ""),
        "version": importlib.metadata.version("seqgap"),
        "answers": list(prose.answers(run)),
        "reasons": list(prose.reasons(run)),
        "controls": list(control_sentences(run)),
        "certainty": prose.certainty_sentence(run),
        "chapters": contents,
        "choices": chosen,
        "method": METHOD,
        "options": [(name, _listed(value)) for name, value in run.options.to_json().items()],
        "files": (ENVIRONMENT, OPERATIONS, ROWS, PROBES),
        "bundles": bundles(),
        "page": _data(chosen, contents, datasets(run, before)),
        "rounds": packed_rounds(run),
        "style": _text("templates", "page.css"),
        "script": _text("templates", "page.js"),
    }


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _data(chosen: Choices, contents: list[Chapter], known: dict[str, list[Record]]) -> dict[str, Any]:
    """What the script of the page works with."""
    return {
        "chosen": chosen.values,
        "impls": list(chosen.impls),
        "specs": {chart.name: chart.spec for chapter in contents for chart in chapter.charts}
        | {"rounds": quality.rounds()},
        "datasets": {name: _columns(records) for name, records in known.items()},
        "themes": {"light": theme(dark=False), "dark": theme(dark=True)},
    }


def _columns(records: list[Record]) -> dict[str, list[Any]]:
    """Records of the same keys as columns, which are shorter."""
    return {key: [record[key] for record in records] for key in records[0]}
