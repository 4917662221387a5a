"""report.html without a browser: its charts are valid and show the figures, its texts are escaped."""

import base64
import gzip
import hashlib
import itertools
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import altair
import pytest
import vl_convert
from click.testing import CliRunner
from jsonschema import ValidationError
from page_runs import COMMAND, HOSTILE, complete, hostile_folder, page_data, records, run_folder, with_page
from synthetic import edit_rows, read_csv, run_of, write_run

from seqgap.bench.analysis.gap import table as gap_table
from seqgap.bench.analysis.run import read_run
from seqgap.bench.analysis.verdict import pairs
from seqgap.bench.audit.rules import RULES
from seqgap.bench.cli import cli
from seqgap.bench.plan.options import Options, profile
from seqgap.bench.report.page import PAGE, bundles, packed, write_page
from seqgap.bench.report.page.records import rounded
from seqgap.bench.report.verdict import factor
from seqgap.bench.results.rows import ROWS, ResultError
from seqgap.bench.results.tables import write_table

VEGA_LITE = "6.4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its page, which compares it with another."""
    root = tmp_path_factory.mktemp("pages")
    old, new = run_folder(root / "old", seed=1), run_folder(root / "new")
    with_page(new, read_run(old))
    return new


@pytest.fixture(scope="module")
def data(folder: Path) -> dict[str, Any]:
    return page_data(folder / PAGE)


class Document(HTMLParser):
    """Headings, ids, tables by id, and every address."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self._rows: list[list[str]] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        self.ids += [known["id"] or ""] if "id" in known else []
        self.addresses += [known[key] or "" for key in ("href", "src") if key in known]
        if tag == "table":
            self._rows = self.tables.setdefault(known["id"] or "", [])
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th") and self._rows:
            self._rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._rows and self._rows[-1] and self.tags[-1] in ("td", "th", "a"):
            self._rows[-1][-1] += data.strip()


def marks(spec: dict[str, Any], layer: str) -> list[str]:
    """The shapes of a named layer, as SVG."""
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    group = re.search(rf'<g class="mark-\w+ role-mark {layer}_marks".*?</g>', svg, re.DOTALL)
    assert group, layer
    return re.findall(r"<path [^>]*d=", group[0])


@pytest.mark.parametrize(
    "name", ["gap", "causes", "forest", "curves", "peers", "changes", "probes", "offsets", "rounds"]
)
def test_every_chart_is_valid(data: dict[str, Any], name: str) -> None:
    altair.Chart.from_dict(data["specs"][name])  # a ValidationError names what is wrong
    with pytest.raises(ValidationError):
        altair.Chart.from_dict({**data["specs"][name], "heigth": 3})


@pytest.mark.parametrize("chosen", [{}, {"N": 1}, {"N": 64}, {"threads": 2}, {"hidden": ["numpy"]}])
def test_the_gap_has_a_mark_for_each_line_of_the_table(data: dict[str, Any], chosen: dict[str, Any]) -> None:
    wanted = {**data["chosen"], **chosen}
    shown = [
        record
        for record in records(data, "gaps")
        if all(record[key] == wanted[key] for key in ("pair", "dtype", "threads", "N"))
        and record["impl"] not in wanted["hidden"]
    ]
    assert shown
    assert len(marks(complete(data, "gap", **chosen), "gap_points")) == len(shown)


def test_the_records_of_the_gap_are_those_of_the_table(folder: Path, data: dict[str, Any]) -> None:
    head, *lines = read_csv(write_table(gap_table(read_run(folder)), folder))
    every = [dict(zip(head, line, strict=True)) for line in lines]
    matched = {(line["sequential"], line["parallel"]) for line in every if line["kind"] == "matched"}
    stored = [
        line
        for line in every
        if line["kind"] == "matched" or (line["sequential"], line["parallel"]) not in matched
    ]
    assert len(stored) < len(every)
    for record, line in zip(records(data, "gaps"), stored, strict=True):
        assert record["pair"] == f"{line['sequential']} / {line['parallel']}"
        assert (record["D"], record["N"]) == (int(line["dim"]), int(line["batch"]))
        for key, column in (("ratio", "ratio"), ("low", "ratio_low"), ("high", "ratio_high")):
            assert record[key] == pytest.approx(float(line[column]), rel=1e-4)
        assert record["sequential"] == pytest.approx(float(line["sequential_per_sample"]), rel=1e-4)


def test_the_pieces_of_a_bar_multiply_to_the_whole(data: dict[str, Any]) -> None:
    pieces = records(data, "causes")
    for model in {(p["model"], p["dtype"], p["N"]) for p in pieces}:
        bar = [p for p in pieces if (p["model"], p["dtype"], p["N"]) == model]
        for before, after in itertools.pairwise(bar):
            assert before["to"] == after["from"]
        assert all(p["from"] / p["to"] == pytest.approx(p["factor"], rel=0.02) for p in bar)
    svg = vl_convert.vegalite_to_svg(complete(data, "causes"), vl_version=VEGA_LITE)
    shown = [p for p in pieces if (p["dtype"], p["N"]) == ("float64", data["chosen"]["ladder_N"])]
    assert svg.count('aria-roledescription="bar"') == len(shown)


def test_the_forest_has_every_compiled_ratio(data: dict[str, Any]) -> None:
    compiled = [r for r in records(data, "compiled") if (r["dtype"], r["threads"]) == ("float64", 1)]
    assert len({r["label"] for r in compiled}) == len(compiled) > 10
    assert len(marks(complete(data, "forest"), "forest_points")) == len(compiled)


def test_curves_leave_the_rungs_of_a_ladder_out(data: dict[str, Any]) -> None:
    pair = data["chosen"]["pair"].split(" / ")
    cells = [
        r
        for r in records(data, "cells")
        if r["operation"] in pair and (r["threads"], r["N"]) == (1, data["chosen"]["N"])
    ]
    rungs = {"numpy-passes", "numba-plain", "numba-naive"}
    assert rungs & {r["impl"] for r in cells}
    sequential = [r for r in cells if r["impl"] not in rungs and r["direction"] == "sequential"]
    assert len(marks(complete(data, "curves"), "sequential_points")) == len(sequential)


def test_peers_are_relative_to_the_fastest(data: dict[str, Any]) -> None:
    sizes: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for record in records(data, "peers"):
        key = tuple(record[name] for name in ("operation", "dtype", "threads", "N", "D"))
        sizes.setdefault(key, []).append(record)
    assert any(record["impl"] == "scipy" for record in records(data, "peers"))
    for of_size in sizes.values():
        fastest = min(of_size, key=lambda record: record["seconds"])
        assert {record["fastest"] for record in of_size} == {fastest["impl"]}
        for record in of_size:
            assert record["relative"] == pytest.approx(record["seconds"] / fastest["seconds"], rel=1e-3)


def test_the_rounds_are_those_of_the_rows(folder: Path) -> None:
    text, every = packed.packed_rounds(read_run(folder))
    unpacked = json.loads(gzip.decompress(base64.b64decode(text)))
    assert every
    for line in (folder / ROWS).read_text().splitlines():
        row = json.loads(line)
        if row["status"] == "ok":
            cell = "{case}.{operation}-{impl}-{dtype}-D{dim}-N{batch}-t{threads}".format_map(row["cell"])
            [stored] = [p for p in unpacked[cell] if p[0] == row["process"] + 1]
            assert stored[1:] == [len(row["rounds"]), *map(rounded, row["rounds"])]


def test_too_many_rounds_become_quantiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path / "r", Options(case=("linear_ar",), dim=(4,), batch=(1,)))
    edit_rows(folder, lambda row: {**row, "rounds": row["rounds"] * 5} if row["status"] == "ok" else row)
    monkeypatch.setattr(packed, "MOST_BYTES", 1)
    text, every = packed.packed_rounds(read_run(folder))
    assert not every
    processes = next(iter(json.loads(gzip.decompress(base64.b64decode(text))).values()))
    for _, count, *quantiles in processes:
        assert (count, len(quantiles)) == (100, 21)
        assert quantiles == sorted(quantiles)
    page = (write_page(read_run(folder), folder / "other.html")).read_text()
    assert 'data-all="false"' in page


def test_everything_can_be_read_without_a_script(folder: Path) -> None:
    document = Document(folder / PAGE)
    run = read_run(folder)
    tables = document.tables
    assert len(tables["cells-table"]) == 1 + len(run.measured)
    assert [line[0] for line in tables["cells-table"][1:]] == [str(cell) for cell in run.measured]
    assert [line[0] for line in tables["audit-table"][1:]] == [str(k + 1) for k in range(len(RULES))]
    others = ("gap", "causes", "peers", "changes", "left-out", "offsets", "fractions", "ceilings", "options")
    for name in others:
        assert len(tables[f"{name}-table"]) > 1, name
    text = (folder / PAGE).read_text()
    assert f"<code>{COMMAND.replace(chr(39), '&#39;')}</code>" in text
    assert len(document.ids) == len(set(document.ids))
    inner = [address[1:] for address in document.addresses if not address.startswith("#cell=")]
    assert set(inner) <= set(document.ids)


def test_sentences_have_the_figures_of_the_screen(folder: Path) -> None:
    text = (folder / PAGE).read_text()
    for pair in pairs(read_run(folder)):
        largest = max(gap.ratio.middle for gap in pair.gaps if gap.cell.impl == "numpy")
        assert f"in NumPy up to {factor(largest)} times as long" in text


def test_nothing_is_asked_of_a_network(folder: Path) -> None:
    document = Document(folder / PAGE)
    assert all(address.startswith("#") for address in document.addresses)
    assert "link" not in document.tags
    assert "img" not in document.tags
    assert "default-src 'none'" in (folder / PAGE).read_text()


def test_the_same_files_give_the_same_bytes(
    folder: Path, tmp_path: Path, fresh_python: Callable[..., str]
) -> None:
    first = write_page(read_run(folder), tmp_path / "a.html").read_bytes()
    fresh_python(f"""
from pathlib import Path
from seqgap.bench.analysis.run import read_run
from seqgap.bench.report.page import write_page
write_page(read_run(Path({str(folder)!r})), Path({str(tmp_path / "b.html")!r}))
""")
    assert (tmp_path / "b.html").read_bytes() == first


def test_texts_of_a_run_are_escaped(tmp_path: Path) -> None:
    page = with_page(hostile_folder(tmp_path))
    text = page.read_text()
    assert "<img src=x" not in text
    assert HOSTILE not in text
    assert text.count("</script>") == 2 + len(bundles()) + 1
    assert records(page_data(page), "causes")[0]["model"].startswith(HOSTILE)


def test_the_page_of_a_quick_run_is_small(tmp_path: Path) -> None:
    """As many rounds as a real one has, of five different digits."""
    path = write_run(tmp_path / "r", profile("quick", 2), processes=5)
    edit_rows(path, lambda row: {**row, "rounds": row["rounds"][:15]} if row["status"] == "ok" else row)
    assert with_page(path).stat().st_size < 1.5e6


def test_a_run_without_a_pair_has_its_curves(tmp_path: Path) -> None:
    options = Options(case=("normal.sample", "affine.forward"), dim=(4, 16), batch=(1, 8))
    path = write_run(tmp_path / "r", options)
    data = page_data(with_page(path))
    assert "gap" not in data["specs"]
    assert data["chosen"]["pair"] in ("normal.sample", "affine.forward")
    cells = [r for r in records(data, "cells") if (r["operation"], r["N"]) == (data["chosen"]["pair"], 8)]
    assert len(marks(complete(data, "curves"), "parallel_points")) == len(cells) > 2


def test_one_process_has_no_intervals(tmp_path: Path) -> None:
    data = page_data(with_page(write_run(tmp_path / "r", Options(case=("linear_ar",)), processes=1)))
    assert {record["low"] for record in records(data, "gaps")} == {None}
    assert "offsets" not in data["specs"]
    assert marks(complete(data, "gap"), "gap_points")


def test_the_command_writes_the_page_beside_the_rows_or_elsewhere(folder: Path, tmp_path: Path) -> None:
    copy, other = tmp_path / "run", tmp_path / "page.html"
    shutil.copytree(folder, copy)
    (copy / PAGE).unlink()
    result = CliRunner().invoke(cli, ["report", str(copy)])
    assert (result.exit_code, result.output) == (0, f"{copy / PAGE}\n")
    assert 'id="changes"' not in (copy / PAGE).read_text()
    result = CliRunner().invoke(cli, ["report", str(folder), str(copy), "--out", str(other)])
    assert (result.exit_code, result.output) == (0, f"{other}\n")
    assert 'id="changes"' in other.read_text()
    with open(copy / ROWS, "a") as file:
        file.write("no row\n")
    assert CliRunner().invoke(cli, ["report", str(copy)]).exit_code == 2


def test_only_what_has_changed_is_compared(tmp_path: Path) -> None:
    options = Options(case=("linear_ar",), dim=(4,), batch=(1,))
    alone = read_run(write_run(tmp_path / "a", options, processes=1))
    with pytest.raises(ResultError, match="1 process; a comparison needs 2"):
        with_page(write_run(tmp_path / "b", options), alone)


def test_a_page_that_cannot_be_written_is_told(folder: Path) -> None:
    with pytest.raises(ResultError, match="cannot be written"):
        write_page(read_run(folder), folder / "missing" / PAGE)
    assert not list(folder.glob(".*"))


def test_the_bundles_are_those_that_were_fetched() -> None:
    assert [bundle.name for bundle in bundles()] == ["vega", "vega-lite", "vega-embed"]
    for bundle in bundles():
        assert hashlib.sha256(bundle.source.encode()).hexdigest() == bundle.sha256
        assert f'version:"{bundle.version}"' in bundle.source or f'"{bundle.version}"' in bundle.source
        assert "Redistribution and use" in bundle.terms


def test_a_run_of_an_unknown_machine_has_a_page(tmp_path: Path) -> None:
    """What an environment lacks is left out of the page."""
    run = read_run(write_run(tmp_path / "r", Options(case=("linear_ar",), dim=(4,), batch=(1,))))
    text = write_page(run_of(run.rows, environment={}), tmp_path / PAGE).read_text()
    assert "unknown processor" in text
    assert "an unknown time" in text
