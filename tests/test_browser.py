"""report.html as a reader has it: in a real Chromium, from a file, without a network.

python -m pip install ".[test,browser]" && python -m pytest -m browser
needs a Chromium of the system (Debian: apt-get install chromium-headless-shell; SEQGAP_CHROMIUM names
another) and, for the rules of accessibility, axe-core (npm install axe-core; SEQGAP_AXE names the axe.min.js
in it). What is missing skips tests, with a line that says so; with SEQGAP_BROWSER=required it fails them.
"""

import io
import json
import os
import random
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from page_runs import hostile_folder, page_data, records, run_folder, with_page
from synthetic import read_csv

from seqgap.bench.analysis.gap import table as gap_table
from seqgap.bench.analysis.run import read_run
from seqgap.bench.report.page import PAGE
from seqgap.bench.results.rows import ROWS
from seqgap.bench.results.tables import write_table

pytestmark = pytest.mark.browser
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def missing(what: str, remedy: str) -> NoReturn:
    line = f"{what} is missing: {remedy}"
    if os.environ.get("SEQGAP_BROWSER") == "required":
        pytest.fail(line)
    pytest.skip(line)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser."""
    program = os.environ.get("SEQGAP_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if not program:
        missing("Chromium", "apt-get install chromium-headless-shell, or SEQGAP_CHROMIUM=PATH")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright", "python -m pip install '.[browser]'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its page, and gap.csv."""
    path = run_folder(tmp_path_factory.mktemp("pages") / "run")
    run = read_run(path)
    write_table(gap_table(run), path)
    with_page(path)
    return path


class Reader:
    """A page that is open, and what went wrong on it."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "assert"):
            self.complaints.append(message.text)

    def open(self, page: Path, address: str = "") -> Any:
        self.page.goto(page.as_uri() + address)
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def points(self, chart: str, layer: str) -> list[Any]:
        """The marks of a layer."""
        shown: list[Any] = self.page.locator(f".chart[data-chart={chart}] .{layer}_marks path").all()
        return shown

    def hover(self, point: Any) -> None:
        """Move the mouse to a mark, in the middle of the screen: nothing lies above it but its neighbours."""
        point.evaluate("(mark) => mark.scrollIntoView({ block: 'center' })")
        point.hover(force=True)
        self.page.wait_for_selector("#vg-tooltip-element.visible")


@pytest.fixture
def reader(chromium: Any) -> Iterator[Callable[..., Reader]]:
    """Opens contexts, offline, and closes them."""
    contexts = []

    def made(**kwargs: Any) -> Reader:
        context = chromium.new_context(offline=True, **{"viewport": {"width": 1200, "height": 900}, **kwargs})
        contexts.append(context)
        return Reader(context)

    yield made
    for context in contexts:
        context.close()


def gap_lines(folder: Path) -> list[dict[str, str]]:
    head, *lines = read_csv(folder / "gap.csv")
    return [dict(zip(head, line, strict=True)) for line in lines]


def shown(folder: Path, chosen: dict[str, Any]) -> list[dict[str, str]]:
    """The lines of gap.csv for a choice."""
    return [
        line
        for line in gap_lines(folder)
        if f"{line['sequential']} / {line['parallel']}" == chosen["pair"]
        and line["kind"] == "matched"
        and line["dtype"] == chosen["dtype"]
        and (int(line["threads"]), int(line["batch"])) == (chosen["threads"], chosen["N"])
        and line["impl"] not in chosen["hidden"]
    ]


def test_it_opens_from_a_file_and_asks_for_nothing_else(folder: Path, reader: Callable[..., Reader]) -> None:
    opened = reader()
    opened.context.route(re.compile("^(?!file:|data:|blob:)"), lambda route: route.abort())
    opened.open(folder / PAGE)
    assert [url for url in opened.requests if not url.startswith(("data:", "blob:"))] == [
        (folder / PAGE).as_uri()
    ]
    assert opened.complaints == []
    assert len(opened.page.locator(".chart svg").all()) == len(opened.page.locator("main .chart").all()) > 5


def test_choices_change_the_marks_to_those_of_the_table(folder: Path, reader: Callable[..., Reader]) -> None:
    opened = reader()
    page, chosen = opened.open(folder / PAGE), page_data(folder / PAGE)["chosen"]

    def agrees() -> None:
        lines = shown(folder, chosen)
        page.wait_for_function(
            "([shown, count]) => document.querySelectorAll(shown).length === count",
            arg=["[data-chart=gap] .gap_points_marks path", len(lines)],
        )
        said = {point.get_attribute("aria-label") for point in opened.points("gap", "gap_points")}
        assert len(said) == len(lines)
        for line in lines:
            assert any(f"D: {line['dim']};" in text and line["impl"] in text for text in said if text)

    agrees()
    names = ("pair", "threads", "N")
    for name in names:
        options = page.locator(f"#controls select[name={name}] option")
        values = [option.get_attribute("value") for option in options.all()]
        assert len(values) > 1
        for value in values:
            page.locator(f"#controls select[name={name}]").select_option(value)
            chosen[name] = value if name == "pair" else int(value)
            if shown(folder, chosen):
                agrees()
        chosen[name] = page_data(folder / PAGE)["chosen"][name]
        page.locator(f"#controls select[name={name}]").select_option(str(chosen[name]))
    for impl in ("python", "numpy", "numba"):
        page.locator(f".key[data-impl={impl}]").click()
        chosen["hidden"].append(impl)
        if shown(folder, chosen):
            agrees()
        else:
            page.wait_for_selector("#gap .empty:not([hidden])")
        page.locator(f".key[data-impl={impl}]").click()
        chosen["hidden"].remove(impl)
        agrees()
    before = [point.get_attribute("d") for point in opened.points("curves", "sequential_points")]
    page.locator("select[name=per]").select_option("call")
    assert "per=call" in page.url
    page.wait_for_function("() => document.querySelector('[data-chart=curves] svg') !== null")
    assert len(before) == len(opened.points("curves", "sequential_points"))


def test_what_is_said_of_a_point_is_in_the_table(folder: Path, reader: Callable[..., Reader]) -> None:
    opened = reader()
    page, chosen = opened.open(folder / PAGE), page_data(folder / PAGE)["chosen"]
    lines = {(line["impl"], line["dim"]): line for line in shown(folder, chosen)}
    points = opened.points("gap", "gap_points")
    for point in random.Random(1).sample(points, 5):
        opened.hover(point)
        rows = page.locator("#vg-tooltip-element tr").all_inner_texts()
        said = dict(re.split(r":?\t", row, maxsplit=1) for row in rows)
        match = re.search(r"-(\w+)-float64-D(\d+)-", said["cell"])
        assert match
        line = lines[match[1], match[2]]
        figures = [float(text) for text in re.findall(r"[\d.]+", said["ratio"])]
        wanted = [float(line[key]) for key in ("ratio", "ratio_low", "ratio_high")]
        assert figures == pytest.approx(wanted, rel=6e-3)
        value, unit = said["sample, one at a time"].split()
        scale = {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit]
        assert float(value) * scale == pytest.approx(float(line["sequential_per_sample"]), rel=6e-3)
        page.mouse.move(1, 1)


def test_a_link_to_a_cell_opens_its_rounds(folder: Path, reader: Callable[..., Reader]) -> None:
    row = next(
        row
        for row in map(json.loads, (folder / ROWS).read_text().splitlines())
        if row["status"] == "ok" and row["cell"]["dim"] == 16 and row["cell"]["impl"] == "numba"
    )
    cell = "{case}.{operation}-{impl}-{dtype}-D{dim}-N{batch}-t{threads}".format_map(row["cell"])
    opened = reader()
    page = opened.open(folder / PAGE, f"#cell={cell}")
    page.wait_for_selector("dialog[open] svg")
    assert page.locator("#cell-title").inner_text() == cell
    lines = page.locator("#rounds-list").text_content().splitlines()
    numbers = {line.split(":")[0]: [*map(float, line.split(":")[1].split())] for line in lines}
    assert numbers[f"process {row['process'] + 1}"] == pytest.approx(row["rounds"], rel=1e-4)
    marks = page.locator("dialog .chart .mark-symbol.role-mark path").count()
    assert marks == sum(map(len, numbers.values()))
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")
    assert "cell=" not in page.url
    opened.points("gap", "gap_points")[0].click(force=True)
    page.wait_for_selector("dialog[open] svg")
    assert "cell=" in page.url
    assert opened.complaints == []


def test_it_is_light_and_dark_and_within_the_rules_of_accessibility(
    folder: Path, reader: Callable[..., Reader]
) -> None:
    axe = os.environ.get("SEQGAP_AXE")
    if not axe:
        missing("axe-core", "npm install axe-core, then SEQGAP_AXE=node_modules/axe-core/axe.min.js")
    pictures = []
    for scheme in ("light", "dark"):
        page = reader(color_scheme=scheme).open(folder / PAGE)
        pictures.append(page.screenshot())
        page.add_script_tag(content=Path(axe).read_text(encoding="utf-8"))
        violations = page.evaluate("async () => (await axe.run()).violations")
        serious = [v for v in violations if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"][:200]) for v in serious] == []
    assert pictures[0] != pictures[1]


def test_the_keyboard_reaches_every_control(folder: Path, reader: Callable[..., Reader]) -> None:
    page = reader().open(folder / PAGE)
    wanted = page.evaluate(
        """() => [...document.querySelectorAll('a, button, select, input, summary')]
        .filter((part) => part.checkVisibility() && !part.closest('dialog')).length"""
    )
    page.evaluate("() => { window.reached = new Set(); }")
    for _ in range(wanted + 60):
        page.keyboard.press("Tab")
        page.evaluate("() => window.reached.add(document.activeElement)")
    reached = page.evaluate(
        "() => [...window.reached].filter((part) => part.matches('a, button, select, input, summary')).length"
    )
    assert reached == wanted > 50
    key = page.locator(".key").first
    key.focus()
    page.keyboard.press("Enter")
    assert key.get_attribute("aria-pressed") == "false"


def test_all_of_it_is_printed(folder: Path, reader: Callable[..., Reader]) -> None:
    try:
        from pypdf import PdfReader
    except ImportError:
        missing("pypdf", "python -m pip install '.[browser]'")
    page = reader(color_scheme="dark").open(folder / PAGE)
    headings = [text for text in page.locator("main :is(h2, h3)").all_inner_texts() if text]
    file = PdfReader(io.BytesIO(page.pdf()))
    pages = " ".join(sheet.extract_text() for sheet in file.pages)
    text = " ".join(unicodedata.normalize("NFKC", pages).split())  # without ligatures
    assert len(headings) > 10
    assert [heading for heading in headings if heading not in text] == []
    assert text.count("float64") > len(read_run(folder).measured)  # tables are unfolded


def test_a_narrow_screen_needs_no_scrolling_sideways(folder: Path, reader: Callable[..., Reader]) -> None:
    page = reader(viewport={"width": 360, "height": 740}).open(folder / PAGE)
    width, room = page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width <= room
    charts = page.evaluate("() => [...document.querySelectorAll('.chart svg')].map((s) => s.clientWidth)")
    assert max(charts) <= 360


def test_without_scripts_the_verdict_and_the_tables_are_there(
    folder: Path, reader: Callable[..., Reader]
) -> None:
    page = reader(java_script_enabled=False).context.new_page()
    page.goto((folder / PAGE).as_uri())
    assert page.get_by_text("times as long").first.is_visible()
    assert page.locator("#cells-table tbody tr").count() == len(read_run(folder).measured)
    assert not page.locator("#controls").is_visible()
    page.locator("#gap summary").click()
    assert page.locator("#gap-table").is_visible()


def test_tables_are_sorted_filtered_and_copied(folder: Path, reader: Callable[..., Reader]) -> None:
    opened = reader(permissions=["clipboard-read", "clipboard-write"])
    page = opened.open(folder / PAGE)
    page.locator("#cells-table thead button", has_text="call").click()
    values = page.evaluate(
        "() => [...document.querySelectorAll('#cells-table tbody tr')].map((r) => +r.cells[6].dataset.value)"
    )
    assert values == sorted(values)
    page.locator("#cells-table thead button", has_text="call").click()
    assert page.locator("#cells-table th[aria-sort=descending]").count() == 1
    page.locator("#cells input[type=search]").fill("maf numba D64")
    rows = page.locator("#cells-table tbody tr:not([hidden])")
    assert rows.count() > 0
    assert all("maf" in text and "numba" in text for text in rows.all_inner_texts())
    page.locator("#cells .tools button", has_text="Markdown").click()
    text = page.evaluate("() => navigator.clipboard.readText()")
    assert len(text.splitlines()) == 2 + rows.count()
    assert text.startswith("| cell |")


def test_two_builds_are_the_same(folder: Path, tmp_path: Path, fresh_python: Callable[..., str]) -> None:
    fresh_python(f"""
import shutil
import unicodedata
from pathlib import Path
from seqgap.bench.cli import cli
shutil.copytree({str(folder)!r}, {str(tmp_path / "run")!r})
cli(["report", {str(tmp_path / "run")!r}], standalone_mode=False)
""")
    assert (tmp_path / "run" / PAGE).read_bytes() == (folder / PAGE).read_bytes()


def test_hostile_texts_stay_texts(tmp_path: Path, reader: Callable[..., Reader]) -> None:
    file = with_page(hostile_folder(tmp_path))
    opened = reader()
    page = opened.open(file)
    assert page.title() != "broken"
    assert page.locator("img").count() == 0
    opened.hover(opened.points("gap", "gap_points")[0])
    opened.hover(max(opened.points("causes", "cause_pieces"), key=lambda p: p.bounding_box()["width"]))
    page.wait_for_function(
        "() => document.querySelector('#vg-tooltip-element').innerText.includes('</script>')"
    )
    assert page.locator("#vg-tooltip-element img").count() == 0
    assert page.title() != "broken"
    assert opened.complaints == []
    assert records(page_data(file), "gaps")
