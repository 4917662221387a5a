"""Runs for the tests of report.html, and what its charts show: rendered without a browser, or by one."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthetic import CEILINGS, edit_json, edit_rows, plausible, write_run

from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.audit.rules import audit, table
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.options import Options
from seqgap.bench.report.page import PAGE, write_page
from seqgap.bench.results.folder import ENVIRONMENT, OPERATIONS
from seqgap.bench.results.operations import Operations

OPTIONS = Options(
    case=("linear_ar", "maf", "iaf"), dim=(4, 16, 64), batch=(1, 64), threads=(1, 2), ladder_threads=2
)
HOSTILE = "</script><img src=x onerror=\"document.title='broken'\">'\"&<!--"
COMMAND = "seqgap run --case 'linear_ar'"


def seconds(cell: Cell) -> float:
    """Peers at other speeds than the others; a gap that grows in NumPy."""
    return plausible(replace(cell, impl="numpy")) / 3 if cell.impl == "scipy" else plausible(cell)


def run_folder(path: Path, **kwargs: Any) -> Path:
    """A finished run with ceilings, a command, and a peer."""
    return write_run(
        path, replace(OPTIONS, impl=(*OPTIONS.impl, "scipy")), seconds=seconds,
        stored={"ceilings": CEILINGS.to_json(), "command": COMMAND}, **kwargs,
    )  # fmt: skip


def with_page(path: Path, before: Run | None = None) -> Path:
    """The page of a folder."""
    run = read_run(path)
    return write_page(run, path / PAGE, table(audit(run)), before)


def hostile_folder(path: Path) -> Path:
    """A run whose texts try to end the script or to be elements; also the name of its folder."""
    folder = run_folder(path / HOSTILE.replace("/", "\N{FRACTION SLASH}"))

    def environment(stored: Any) -> None:
        stored["machine"]["cpu"] = stored["versions"]["numpy"] = stored["command"] = HOSTILE
        stored["started"] = HOSTILE

    def operations(stored: Any) -> None:
        for operation in stored["operations"].values():
            operation["title"] = operation["axis"] = HOSTILE

    edit_json(folder / ENVIRONMENT, environment)
    edit_json(folder / OPERATIONS, operations)
    edit_rows(folder, lambda row: {**row, "reason": HOSTILE} if row["status"] != "ok" else row)
    assert HOSTILE in Operations.from_json(json.loads((folder / OPERATIONS).read_text()))["maf.forward"].title
    return folder


def page_data(page: Path) -> dict[str, Any]:
    """What the script of a page works with."""
    text = page.read_text(encoding="utf-8")
    match = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', text, re.DOTALL)
    assert match
    data: dict[str, Any] = json.loads(match[1])
    return data


def records(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The records of a chart."""
    columns = data["datasets"][name]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def complete(data: dict[str, Any], name: str, **chosen: Any) -> dict[str, Any]:
    """A chart with its data and other values of its parameters, as the page makes it."""
    spec: dict[str, Any] = json.loads(json.dumps(data["specs"][name]))
    spec["width"] = 600
    spec["data"] = {"values": records(data, spec["data"]["name"])}
    for parameter in spec.get("params", []):
        parameter["value"] = chosen.get(parameter["name"], parameter["value"])
    return {**spec, "config": data["themes"]["light"]}
