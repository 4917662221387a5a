"""No quantity of a result folder has two intervals: read from its files alone, with the csv module."""

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic import write_run

from seqgap.bench.analysis.run import read_run
from seqgap.bench.analysis.tables import tables
from seqgap.bench.plan.options import Options
from seqgap.bench.results.tables import write_table

OPTIONS = Options(
    case=("linear_ar", "ar_process", "maf", "iaf"), impl=("python", "numpy", "numba", "numpy-passes"),
    dim=(4, 64), batch=(1, 64), map=(8,), threads=(1, 2), ladder_threads=2, longest=10.0,
)  # fmt: skip
Ends = tuple[float, float]
Seen = dict[tuple[str, ...], list[tuple[str, float, Ends]]]


def lines(path: Path, name: str) -> list[dict[str, str]]:
    with open(path / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ratios(path: Path) -> Seen:
    """Every ratio of two cells in the tables: (numerator, denominator) -> file, middle, ends."""
    seen: Seen = defaultdict(list)

    def note(file: str, first: str, second: str, line: dict[str, str], names: str) -> None:
        middle, low, high = (float(line[name] or "nan") for name in names.split())
        seen[first, second].append((file, middle, (low, high)))
        seen[second, first].append((file, 1 / middle, (1 / high, 1 / low)))

    def size(line: dict[str, str], threads: str = "") -> str:
        return f"-{line['dtype']}-D{line['dim']}-N{line['batch']}-t{threads or line['threads']}"

    for file, ends in (
        ("gap.csv", "ratio ratio_low ratio_high"),
        ("gap-map.csv", "ratio low high"),
        ("forest.csv", "ratio low high"),
    ):
        for line in lines(path, file):
            cells = (f"{line[side]}-{line['impl']}{size(line)}" for side in ("sequential", "parallel"))
            note(file, *cells, line, ends)
    before = ""
    for line in lines(path, "ladder.csv"):
        pair = f"{line['case']}.{line['operation']}", line["parallel"]
        parallel = pair[1] if "." in pair[1] else f"{line['case']}.{pair[1]}"
        name = parallel if line["rung"] == "parallel direction" else pair[0]
        cell = f"{name}-{line['impl']}{size(line)}"
        if line["factor"]:
            note("ladder.csv", before, cell, line, "factor factor_low factor_high")
        before = cell
    for line in lines(path, "threads.csv"):
        if line["threads"] != "1":
            cells = (f"{line['operation']}-numba{size(line, threads)}" for threads in ("1", line["threads"]))
            note("threads.csv", *cells, line, "speed_up speed_up_low speed_up_high")
    for line in lines(path, "peers.csv"):
        cells = (f"{line['operation']}-{impl}{size(line)}" for impl in (line["fastest_peer"], "numba"))
        note("peers.csv", *cells, line, "ratio ratio_low ratio_high")
    return seen


def times(path: Path) -> Seen:
    """Every time of a sample in the tables."""
    seen: Seen = defaultdict(list)
    for file in path.glob("curves*.csv"):
        for line in lines(path, file.name):
            if line["what"] == "median":
                key = tuple(line[k] for k in ("operation", "impl", "dtype", "threads", "batch", "dim"))
                ends = float(line["low"]), float(line["high"])
                seen[key].append((file.name, float(line["seconds_per_sample"]), ends))
    for line in lines(path, "ladder.csv"):
        if line["rung"] != "parallel direction":
            name = f"{line['case']}.{line['operation']}"
            key = (name, *(line[k] for k in ("impl", "dtype", "threads", "batch", "dim")))
            ends = float(line["seconds_low"]), float(line["seconds_high"])
            seen[key].append(("ladder.csv", float(line["seconds_per_sample"]), ends))
    return seen


@pytest.mark.parametrize("quantities", [ratios, times])
def test_no_quantity_has_two_intervals(quantities: Callable[[Path], Seen], tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", OPTIONS, noise=0.05)
    for of_run in tables(read_run(path)).values():
        write_table(of_run, path)
    seen = quantities(path)
    files = {frozenset(file for file, *_ in of_one) for of_one in seen.values()}
    assert any(len(of_one) > 1 for of_one in files)  # some are in two tables
    for key, of_one in seen.items():
        for _, middle, ends in of_one[1:]:
            assert (middle, *ends) == pytest.approx((of_one[0][1], *of_one[0][2]), rel=1e-9, nan_ok=True), key
