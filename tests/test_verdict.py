"""The verdict on one screen: a golden text, and each of its numbers once more from the files alone."""

import csv
import json
import math
import re
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic import any_environment, edit_json, write_run

from seqgap.bench.analysis import gap as gaps_of
from seqgap.bench.analysis.run import read_run
from seqgap.bench.analysis.scaling import crossings
from seqgap.bench.analysis.tables import tables
from seqgap.bench.analysis.verdict import certainty, pairs
from seqgap.bench.plan.options import Options
from seqgap.bench.report.verdict import verdict_lines
from seqgap.bench.results.rows import ROWS
from seqgap.bench.results.tables import write_table

OPTIONS = Options(dim=(4, 64), longest=10.0, ladder_threads=2)
PAIRS = ("linear_ar", "ar_process", "maf", "iaf")
HOST = {"machine": {**any_environment()["machine"], "cpu": "Acme(R) 9000 CPU @ 3.00GHz", "cores": 2}}
GOLDEN = """\
Sampling one step at a time against all at once: same weights, same work
Acme 9000, 2 cores | float64, 1 thread | D = 4 to 64, calls of 1 to 1024
1  How much slower is one at a time?  (extremes of up to 4 sizes, 95%)
                          NumPy                       compiled (Numba)
   AR(2) time series      38x (36 to 41)              1.40x (1.31 to 1.49)
   linear autoregression  23x (21 to 24)              1.07x (1.00 to 1.14)
   masked flow (MAF)      10x (9.8 to 11)             1.55x (1.46 to 1.65)
   In plain Python, no gap is seen in all three (at most 1.11x).

2  What made it slow?  (D = 64, calls of 1024, 2 threads, time of one sample)
   AR(2) time series, 6.35 us to 32.8 ns: 194 = 9.1 interpreter x 1.01 repeats
      x 2.7 calls x 2.8 vectors x 1.94 threads x 1.46 order (1.37 to 1.55)
   linear autoregression, 19.3 us to 97 ns: 199 = 9.1 interpreter x 1.06 repeats
      x 2.6 calls x 4.1 vectors x 1.98 threads x 0.99 order (0.93 to 1.06)
   masked flow (MAF), 58.9 us to 287 ns: 205 = 11 interpreter x 0.94 calls
      x 6.7 repeats x 1.93 threads x 1.59 order (1.49 to 1.70)
   order: what one at a time itself costs; the rest is how it was written.

3  How sure?  Fair: half of the 42 ratios within 7%, the worst within 7%.
   Differences under 7% cannot be told here: --profile full measures longer.
   5 processes; 0 of 216 timings met other load; 0 too slow, left out.
All tables: seqgap show --tables
"""
Lines = list[dict[str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verdict") / "run"
    options = replace(OPTIONS, case=PAIRS)
    write_run(path, options, noise=0.05, processes=5, seconds=_seconds, stored=HOST)
    return path


def _seconds(cell: Any) -> float:
    """NumPy pays for each step, Python for the work; compiled, the directions of `linear_ar` are equal."""
    sequential = cell.operation == "forward" and cell.case != "iaf"
    work = (
        cell.batch * cell.dim * {"linear_ar": 3e-9, "ar_process": 1e-9, "maf": 9e-9, "iaf": 9e-9}[cell.case]
    )
    if cell.impl == "python":
        return 100 * work
    if cell.impl in ("numpy", "numpy-passes", "numba-naive"):
        return 1e-6 * (cell.dim if sequential else 1) + 10 * work
    if cell.impl == "numba-plain":
        return 4 * work
    slower = {"maf": 1.5, "ar_process": 0.8 + 0.1 * math.log2(cell.dim)}.get(cell.case, 1.0)
    return 2e-6 + work / cell.threads * (slower if sequential else 1)


@pytest.fixture
def screen(folder: Path) -> list[str]:
    run = read_run(folder)
    for of_run in tables(run).values():
        write_table(of_run, folder)
    return verdict_lines(run)


def table(folder: Path, name: str) -> Lines:
    with open(folder / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digits(value: float) -> str:
    if value < 0.095:
        return f"{value:.2g}"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 1.995 else f"{value:.2f}"


def test_the_screen_is_the_golden_text(screen: list[str]) -> None:
    assert "\n".join(screen) + "\n" == GOLDEN
    assert len(screen) <= 23
    assert max(map(len, screen)) <= 80


TITLES = {"linear autoregression": "linear_ar", "AR(2) time series": "ar_process", "masked flow (MAF)": "maf"}


def main(folder: Path) -> Lines:
    """The gaps that the screen is about: of pairs, on one thread."""
    lines = table(folder, "gap.csv")
    return [line for line in lines if (line["kind"], line["threads"]) == ("matched", "1")]


def test_every_ratio_is_that_of_the_tables(folder: Path, screen: list[str]) -> None:
    gaps = main(folder)
    rows = screen[4:7]
    for row in rows:
        title, *answers = re.split(r"  +", row.strip())
        for impl, answer in zip(("numpy", "numba"), answers, strict=True):
            own = [g for g in gaps if (g["impl"], g["sequential"].split(".")[0]) == (impl, TITLES[title])]
            assert answer == expected(own), (title, impl)
    python = [float(line["ratio_high"]) for line in gaps if line["impl"] == "python"]
    assert f"(at most {digits(max(python))}x)" in screen[7]


def expected(gaps: Lines) -> str:
    """The largest ratio that is above 1 for certain, and the smallest that is below."""
    figures = [tuple(float(gap[f"ratio{end}"]) for end in ("", "_low", "_high")) for gap in gaps]
    above = max((f for f in figures if f[1] > 1), default=None)
    below = min((f for f in figures if f[2] < 1), default=None)
    shown = above or below
    if shown is None:
        return f"none seen, at most {digits(max(high for _, _, high in figures))}x"
    middle, low, high = map(digits, shown)
    ends = f"({low} to {high})"
    if above and below:
        return f"{digits(below[0])}x to {middle}x {ends}"
    return f"{middle}x {ends}" if above else f"none, {middle}x {ends}"


def test_every_cause_is_that_of_the_ladder(folder: Path, screen: list[str]) -> None:
    ladders: dict[str, Lines] = {}
    for line in table(folder, "ladder.csv"):
        if line["batch"] == "1024":
            ladders.setdefault(line["case"], []).append(line)
    start, stop = (next(i for i, line in enumerate(screen) if line.startswith(n)) for n in "23")
    text = " ".join(line.strip() for line in screen[start + 1 : stop - 2])
    for rungs in ladders.values():
        first, last = (float(rung["seconds_per_sample"]) for rung in (rungs[0], rungs[-1]))
        factors = [digits(float(rung["factor"])) for rung in rungs[1:]]
        ends = " to ".join(digits(float(rungs[-1][f"factor_{end}"])) for end in ("low", "high"))
        words = r" [a-z ]+ x ".join(re.escape(factor) for factor in factors)
        pattern = rf": {re.escape(digits(first / last))} = {words} order \({re.escape(ends)}\)"
        assert re.search(pattern, text), (pattern, text)


def test_how_sure_it_is_follows_from_the_files(folder: Path, screen: list[str]) -> None:
    gaps = [line for line in table(folder, "gap.csv") if line["kind"] == "matched"]
    widths = [math.sqrt(float(line["ratio_high"]) / float(line["ratio_low"])) - 1 for line in gaps]
    middle, worst = statistics.median(widths), max(widths)
    grade = "Good" if middle <= 0.03 else "Fair" if middle <= 0.1 else "Poor"
    rows = [json.loads(line) for line in (folder / ROWS).read_text(encoding="utf-8").splitlines()]
    cells = {str(row["cell"]) for row in rows if row["status"] == "ok"}
    text = " ".join(screen[-4:])
    assert (
        f"{grade}: half of the {len(gaps)} ratios within {middle:.0%}, the worst within {worst:.0%}." in text
    )
    assert f"Differences under {middle:.0%} cannot be told here" in text
    assert f"5 processes; 0 of {len(cells)} timings met other load" in text


def test_one_process_has_no_interval_and_says_so(tmp_path: Path) -> None:
    screen = "\n".join(lines_of(write_run(tmp_path / "run", replace(OPTIONS, case=PAIRS), processes=1)))
    assert "x, no interval" in screen
    assert "nan" not in screen


def lines_of(path: Path) -> list[str]:
    return verdict_lines(read_run(path))


def test_a_run_without_pairs_says_so(tmp_path: Path) -> None:
    options = replace(OPTIONS, case=("affine_coupling",), impl=("numba",))
    assert "No pair of samplers was timed" in "\n".join(lines_of(write_run(tmp_path / "run", options)))


def test_more_pairs_than_there_is_room_for(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", replace(OPTIONS, case=PAIRS))
    stored = json.loads((path / "operations.json").read_text(encoding="utf-8"))
    for name in ("iaf.forward", "maf.forward", "ar_process.inverse"):  # pairs that nobody would compare
        stored["comparisons"].append({"kind": "matched", "sequential": "linear_ar.forward", "parallel": name})
    (path / "operations.json").write_text(json.dumps(stored), encoding="utf-8")
    screen = lines_of(path)
    assert len(screen) <= 23
    assert screen[-1] == "1 more pair and all tables: seqgap show --tables"


CONTROLLED = replace(OPTIONS, case=("linear_ar", "glow"), dim=(48, 192), batch=(1, 64), longest=100.0)


def sentence(screen: list[str]) -> str:
    """What the screen says of its control, on one line; empty where it says nothing."""
    start = next((i for i, line in enumerate(screen) if line.startswith("Control: ")), len(screen))
    stop = screen.index("", start) if start < len(screen) else start
    return " ".join(line.strip() for line in screen[start:stop])


@pytest.mark.parametrize("slower", [0.4, 1.0, 3.0])
def test_a_control_is_said_as_it_was_measured(tmp_path: Path, slower: float) -> None:
    """Whatever its ratio is: of the compiled code, at the largest N D."""

    def seconds(cell: Any) -> float:
        first = cell.name == "glow.forward"
        return (
            1e-6 * cell.batch * cell.dim * (slower if first else 1) * (2 if first and cell.dim == 48 else 1)
        )

    folder = write_run(tmp_path / "run", CONTROLLED, seconds=seconds, noise=0.02, processes=5)
    for of_run in tables(read_run(folder)).values():
        write_table(of_run, folder)
    screen = lines_of(folder)
    size = {"kind": "control", "impl": "numba", "threads": "1", "batch": "64", "dim": "192"}
    (line,) = [line for line in table(folder, "gap.csv") if size.items() <= line.items()]
    middle, low, high = (digits(float(line[f"ratio{end}"])) for end in ("", "_low", "_high"))
    assert float(line["ratio"]) == pytest.approx(slower, rel=0.1)
    assert sentence(screen) == (
        "Control: glow.forward and glow.inverse have equally many steps; the first takes"
        f" {middle} times as long ({low} to {high}), compiled (Numba), D = 192, N = 64."
    )
    assert len(screen) <= 23
    assert max(map(len, screen)) <= 80


def test_a_control_is_no_pair(tmp_path: Path) -> None:
    """It has no place among the answers, the ratios of question 3 and the crossovers."""
    run = read_run(write_run(tmp_path / "run", CONTROLLED))
    alone = read_run(write_run(tmp_path / "alone", replace(CONTROLLED, case=("linear_ar",))))
    assert len(certainty(run).half_widths) == len(certainty(alone).half_widths) > 0
    assert [pair.names for pair in pairs(run)] == [("linear_ar.forward", "linear_ar.inverse")]
    assert "control" not in {crossing.kind for crossing in crossings(run)}
    assert "control" in {gap.kind for gap in gaps_of.gaps(run)}
    assert {gap.kind for gap in gaps_of.mapped(run)} == {"matched"}


def test_a_control_of_one_process_has_no_interval(tmp_path: Path) -> None:
    said = sentence(lines_of(write_run(tmp_path / "run", CONTROLLED, processes=1)))
    assert " times as long (no interval), compiled (Numba), D = 192, N = 64." in said
    assert "nan" not in said


def test_runs_without_a_control_say_nothing_of_one(folder: Path, tmp_path: Path) -> None:
    """Among them folders of before there were any."""
    assert sentence(lines_of(folder)) == ""
    one = write_run(tmp_path / "one", replace(CONTROLLED, case=("linear_ar", "glow.forward")))
    assert sentence(lines_of(one)) == ""
    old = write_run(tmp_path / "old", CONTROLLED)
    assert sentence(lines_of(old))

    def forget(stored: dict[str, Any]) -> None:
        stored["comparisons"] = [c for c in stored["comparisons"] if c["kind"] != "control"]

    edit_json(old / "operations.json", forget)
    assert sentence(lines_of(old)) == ""
