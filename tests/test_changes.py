"""Comparing two runs: verdicts on made-up runs, false alarms and power by simulation, the command."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command import invoke
from synthetic import SMALL, edit_rows, plausible
from synthetic import write_run as write_run_of

from seqgap.bench.analysis.compare import Change, changes, machine_differences
from seqgap.bench.analysis.run import read_run
from seqgap.bench.cli import main
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.options import Options
from seqgap.bench.results.rows import ResultError

SLOW = "linear_ar.forward"
FEW = replace(SMALL, case=("linear_ar",), dim=(2, 64))


def write_run(path: Path, options: Options = FEW, **made_up: Any) -> Path:
    return write_run_of(path, options, **made_up)


def slower_in(name: str, factor: float) -> Callable[[Cell], float]:
    return lambda cell: plausible(cell) * (factor if cell.name == name else 1)


def compared(cells: int, old: np.ndarray, new: np.ndarray) -> list[Change]:
    """The changes between runs whose logs (cells, processes) are given."""
    keys = [Cell("linear_ar", "forward", "numba", "float64", k + 1, 1, 1) for k in range(cells)]

    def run(logs: np.ndarray) -> Any:
        measured = {key: SimpleNamespace(logs=own, rows=own) for key, own in zip(keys, logs, strict=True)}
        return SimpleNamespace(path=Path("run"), processes=logs.shape[1], measured=measured)

    return changes(run(old), run(new))


def two_runs(
    random: np.random.Generator, cells: int, noise: float, *, unequal: float = 0.3, shared: float = 0.002
) -> list[np.ndarray]:
    """Logs of equal runs of 5 processes; noise: standard deviation of the median cell."""
    level = random.uniform(-14, -4, (cells, 1))
    of_cell = noise * np.exp(unequal * random.standard_normal((cells, 1)))
    return [
        level + of_cell * random.standard_normal((cells, 5)) + shared * random.standard_normal(5)
        for _ in range(2)
    ]


def false_alarms(runs: int, cells: int) -> float:
    """The fraction of pairs of equal runs in which some cell differs."""
    random = np.random.default_rng(1)
    found = [compared(cells, *two_runs(random, cells, 0.01)) for _ in range(runs)]
    return float(np.mean([any(c.verdict in ("slower", "faster") for c in run) for run in found]))


def power(runs: int, cells: int, noise: float, unequal: float) -> tuple[float, float]:
    """Of a tenth of the cells, 5% slower: the fraction found; and that of the found that is wrong."""
    random = np.random.default_rng(2)
    found, wrong = 0, 0
    for _ in range(runs):
        old, new = two_runs(random, cells, noise, unequal=unequal)
        new[::10] += np.log(1.05)
        verdicts = np.array([change.verdict for change in compared(cells, old, new)])
        found += (verdicts[::10] == "slower").sum()
        verdicts[::10] = "planted"
        wrong += np.isin(verdicts, ["slower", "faster"]).sum()
    return found / (runs * cells / 10), wrong / (found + wrong)


def test_equal_runs_seldom_differ_anywhere() -> None:
    assert false_alarms(runs=100, cells=200) <= 0.05


def test_a_planted_slowdown_of_5_percent_is_found() -> None:
    found, wrong = power(runs=4, cells=1000, noise=0.012, unequal=0.3)
    assert found >= 0.95
    assert wrong <= 0.05


@pytest.mark.slow
def test_equal_runs_of_the_size_of_full_seldom_differ_anywhere() -> None:
    assert false_alarms(runs=100, cells=3000) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "unequal"), [(0.016, 0.0), (0.013, 0.3), (0.009, 0.5)])
def test_a_planted_slowdown_is_found_up_to_the_stated_noise(noise: float, unequal: float) -> None:
    found, wrong = power(runs=20, cells=3000, noise=noise, unequal=unequal)
    assert found >= 0.95
    assert wrong <= 0.05


def test_few_processes_of_a_noisier_run_raise_no_alarm() -> None:
    random = np.random.default_rng(3)
    alarms = []
    for _ in range(60):
        level = 0.005 * np.exp(0.3 * random.standard_normal((200, 1)))
        old, new = level * random.standard_normal((200, 10)), 4 * level * random.standard_normal((200, 3))
        alarms.append(any(c.verdict in ("slower", "faster") for c in compared(200, old, new)))
    assert np.mean(alarms) <= 0.1  # 0.036 in 800 runs; 60 are off by 0.024


def test_intervals_of_what_was_found_cover_although_it_was_chosen() -> None:
    """Chosen cells are those whose change was overestimated; 95% intervals would cover 88% of them."""
    random = np.random.default_rng(4)
    hits = []
    for _ in range(6):
        old, new = two_runs(random, 1000, 0.03, unequal=0.0, shared=0.0)
        new[::10] += np.log(1.05)
        for cell, change in enumerate(compared(1000, old, new)):
            if change.verdict in ("slower", "faster"):
                ratio = change.ratio
                hits.append(ratio.low <= (1.05 if cell % 10 == 0 else 1.0) <= ratio.high)
    assert len(hits) > 50
    assert np.mean(hits) >= 0.93


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs; in the second one operation is slower."""
    folder = tmp_path_factory.mktemp("compare")
    old = write_run(folder / "old", seed=1, processes=5)
    return old, write_run(folder / "new", seed=2, processes=5, seconds=slower_in(SLOW, 1.3))


def assert_found(found: Sequence[Change]) -> None:
    """All of the planted cells; of all found, one in twenty may be wrong: of so few, two."""
    assert all(change.verdict == "slower" for change in found if change.cell.name == SLOW)
    others = [change.verdict for change in found if change.cell.name != SLOW]
    assert sum(verdict in ("slower", "faster") for verdict in others) <= 2


def test_verdicts_on_a_planted_change(runs: tuple[Path, Path]) -> None:
    old, new = map(read_run, runs)
    found = changes(old, new)
    assert_found(found)
    for change in found:
        ratio = change.ratio
        assert ratio.low < ratio.middle < ratio.high
        assert ratio.middle == pytest.approx(1.3 if change.cell.name == SLOW else 1.0, rel=0.05)
        assert change.verdict != "slower" or ratio.low > 1
    for one, other in zip(changes(new, old), found, strict=True):
        opposite = {"slower": "faster", "faster": "slower"}
        assert one.verdict == opposite.get(other.verdict, other.verdict)
        assert one.ratio.middle == pytest.approx(1 / other.ratio.middle)


@pytest.mark.parametrize(
    ("noise", "factor", "margin", "verdict", "share"),
    [
        (0.001, 1.0, 0.03, "same", 0.95),
        (0.001, 1.02, 0.03, "same", 0.95),
        (0.2, 1.0, 0.03, "undecided", 0.95),
        (0.001, 1 / 1.2, 0.03, "faster", 0.95),
        (0.0005, 1.02, 0.01, "slower", 1.0),
    ],
)
def test_verdicts_by_noise_and_margin(
    tmp_path: Path, noise: float, factor: float, margin: float, verdict: str, share: float
) -> None:
    old = read_run(write_run(tmp_path / "old", seed=1, noise=noise))
    new = write_run(tmp_path / "new", seed=2, noise=noise, seconds=lambda cell: factor * plausible(cell))
    counts = Counter(change.verdict for change in changes(old, read_run(new), margin))
    assert counts[verdict] >= share * counts.total()


def test_a_run_with_itself_is_the_same(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", noise=0.005))
    for change in changes(run, run):
        assert change.ratio.middle == 1
        assert change.verdict == "same"


def test_runs_without_any_noise(tmp_path: Path) -> None:
    old = read_run(write_run(tmp_path / "old", noise=0.0))
    new = read_run(write_run(tmp_path / "new", noise=0.0, seconds=slower_in(SLOW, 1.05)))
    found = changes(old, new)
    assert all((c.verdict == "slower") == (c.cell.name == SLOW) for c in found)
    assert {c.verdict for c in found} == {"slower", "same"}


def test_different_numbers_of_processes(tmp_path: Path) -> None:
    old = read_run(write_run(tmp_path / "old", processes=2, seed=1))
    new = read_run(write_run(tmp_path / "new", processes=6, seed=2, seconds=slower_in(SLOW, 1.5)))
    assert_found(changes(old, new))


def test_a_cell_that_one_process_measured_is_undecided(tmp_path: Path) -> None:
    old, folder = read_run(write_run(tmp_path / "old")), write_run(tmp_path / "new")
    first = vars(read_run(folder).rows[0].cell)
    edit_rows(folder, lambda row: None if row["cell"] == first and row["process"] else row)
    alone = changes(old, read_run(folder))[0]
    assert alone.verdict == "undecided"
    assert np.isnan([alone.ratio.low, alone.ratio.high]).all()


def test_one_process_is_not_enough(tmp_path: Path) -> None:
    one = read_run(write_run(tmp_path / "one", processes=1))
    two = read_run(write_run(tmp_path / "two", processes=2))
    for runs in ((one, two), (two, one)):
        with pytest.raises(ResultError, match=r"one: 1 process; .* 2 or more"):
            changes(*runs)


MACHINE = {"cpu": "A", "cores": 2, "governor": "performance", "caches": {"L1": 32768}}
VERSIONS = {"python": "3.11.1", "numpy": "2.1", "seqgap": "0.1"}


def test_machine_differences_name_what_differs(tmp_path: Path) -> None:
    other = MACHINE | {"cpu": "B", "governor": None, "caches": {"L1": 49152}}
    versions = VERSIONS | {"numpy": "2.2", "seqgap": "0.2"}
    old = read_run(write_run(tmp_path / "old", stored={"machine": MACHINE, "versions": VERSIONS}))
    new = read_run(write_run(tmp_path / "new", stored={"machine": other, "versions": versions}))
    assert machine_differences(old, old) == []
    assert machine_differences(old, new) == [
        "machine: cpu was A, is B",
        'machine: caches was {"L1": 32768}, is {"L1": 49152}',
        "versions: numpy was 2.1, is 2.2",
    ]


def test_the_order_of_libraries_makes_no_difference(tmp_path: Path) -> None:
    pools = [{"internal_api": "openblas", "num_threads": n} for n in (1, 2)]
    old = read_run(write_run(tmp_path / "old", stored={"blas": pools}))
    new = read_run(write_run(tmp_path / "new", stored={"blas": pools[::-1]}))
    more = read_run(write_run(tmp_path / "more", stored={"blas": pools[:1]}))
    assert not any("blas" in line for line in machine_differences(old, new))
    assert any("blas" in line for line in machine_differences(old, more))


@pytest.mark.parametrize("broken", [{"machine": 3}, {"versions": []}, {"machine": {"cpu": [1]}}])
def test_machine_differences_of_an_edited_environment(tmp_path: Path, broken: dict[str, Any]) -> None:
    old, new = read_run(write_run(tmp_path / "old")), read_run(write_run(tmp_path / "new", stored=broken))
    assert len(machine_differences(old, new)) == len(machine_differences(new, old)) <= 1


@pytest.mark.parametrize(("factor", "said"), [(1.01, False), (1.05, True), (1 / 1.05, True)])
def test_a_slower_host_is_said(tmp_path: Path, factor: float, said: bool) -> None:
    folder = write_run(tmp_path / "new")
    probes = (folder / "probes.jsonl").read_text()
    (folder / "probes.jsonl").write_text(probes.replace("0.001}", f"{0.001 * factor}}}"))
    found = machine_differences(read_run(write_run(tmp_path / "old")), read_run(folder))
    assert [line.startswith("host: ") for line in found] == [True] * said
    assert all(f"{factor:.3g} times" in line for line in found)


def test_compare_prints_the_changed_cells_and_all_counts(runs: tuple[Path, Path]) -> None:
    result = invoke("compare", *runs)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert result.stdout == invoke("compare", *runs).stdout
    planted = [c for c in read_run(runs[1]).measured if c.name == SLOW]
    slower = {change.cell for change in changes(*map(read_run, runs)) if change.verdict == "slower"}
    assert len(slower.intersection(planted)) > 0.8 * len(planted)
    for cell in slower.intersection(planted):
        assert re.search(rf"{re.escape(str(cell))} .*s .*s .*1\.\d+ .*1\.\d+-1\.\d+ .*slower", result.stdout)
    counts = Counter(change.verdict for change in changes(*map(read_run, runs)))
    parts = f"{counts['slower']} slower, {counts['faster']} faster, {counts['same']} the same within 0.03"
    told = f"{counts.total()} cells: {parts}, {counts['undecided']} cannot be told."
    assert told in " ".join(result.stdout.split())
    assert "is not seen" in result.stdout
    assert "Benjamini-Hochberg" in result.stdout
    assert result.stdout.count("-float64-D") == counts["slower"] + counts["faster"] < counts.total()


def test_compare_json_is_a_list_and_nothing_else(runs: tuple[Path, Path]) -> None:
    result = invoke("compare", *runs, "--json")
    assert result.exit_code == 0
    stored = json.loads(result.stdout)
    assert {str(cell) for cell in read_run(runs[0]).measured} == {item["cell"] for item in stored}
    for item in stored:
        assert list(item) == ["cell", "verdict", "ratio", "low", "high"]
        assert item["verdict"] in ("slower", "faster", "same", "undecided")
        assert item["low"] < item["ratio"] < item["high"]


def test_compare_json_has_null_for_no_interval(runs: tuple[Path, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(runs[1], tmp_path / "new")
    edit_rows(folder, lambda row: None if row["cell"]["dim"] == 64 and row["process"] else row)
    stored = json.loads(invoke("compare", runs[0], folder, "--json").stdout)
    none = [item for item in stored if item["low"] is None]
    assert none
    assert all("D64" in i["cell"] and i["verdict"] == "undecided" and i["high"] is None for i in none)


def test_fail_on(runs: tuple[Path, Path]) -> None:
    old, new = runs
    for folders, fail_on, code in (
        ((old, new), ["slower"], 1),
        ((old, new), ["faster"], 0),
        ((new, old), ["slower"], 0),
        ((new, old), ["slower", "faster"], 1),
        ((old, old), ["slower"], 0),
    ):
        assert invoke("compare", *folders, *(f"--fail-on={verdict}" for verdict in fail_on)).exit_code == code


def test_another_machine_is_a_warning(runs: tuple[Path, Path], tmp_path: Path) -> None:
    folder = write_run(tmp_path / "new", stored={"machine": MACHINE, "versions": VERSIONS})
    result = invoke("compare", runs[0], folder, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)
    assert "Warning: machine: cpu was" in result.stderr
    assert "Warning: versions: python was" in result.stderr


def test_cells_of_one_run_only_are_counted(runs: tuple[Path, Path], tmp_path: Path) -> None:
    folder = write_run(tmp_path / "new", replace(FEW, dim=(64,)), processes=5)
    missing = len(read_run(runs[0]).measured) - len(read_run(folder).measured)
    result = invoke("compare", runs[0], folder)
    assert f"Only in {runs[0]}, not compared: {missing} cells" in result.stdout
    assert result.stdout.count("Only in") == 1
    assert result.exit_code == 0


def test_nothing_in_common_is_one_line(runs: tuple[Path, Path], tmp_path: Path) -> None:
    folder = write_run(tmp_path / "new", replace(FEW, dim=(3,)))
    result = invoke("compare", runs[0], folder)
    assert result.exit_code != 0
    assert "no timed cell in both" in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_damaged_lines_are_named(runs: tuple[Path, Path], tmp_path: Path, as_json: list[str]) -> None:
    folder = shutil.copytree(runs[1], tmp_path / "new")
    lines = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    (folder / "rows.jsonl").write_text("".join([lines[0], "{\n", *lines[2:7], "[]\n", *lines[8:]]))
    result = invoke("compare", runs[0], folder, *as_json, "--fail-on", "slower")
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.count("\n") == 2
    assert "rows.jsonl:2" in result.stderr
    assert "rows.jsonl:8" in result.stderr
    assert "linear_ar.forward" in result.stdout
    if as_json:
        assert len(json.loads(result.stdout)) == len(read_run(runs[0]).measured)


Refused = Callable[..., None]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Asserts that the entry point ends with code 2 and prints one line alone, on standard error."""

    def assert_refused(*arguments: object, named: str) -> None:
        monkeypatch.setattr("sys.argv", ["seqgap", "compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        assert (left.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)
        assert named in printed.err

    return assert_refused


@pytest.mark.parametrize("margin", ["0", "-0.1", "1", "nan", "inf", "x"])
def test_a_margin_must_be_a_fraction(runs: tuple[Path, Path], margin: str, refused: Refused) -> None:
    refused(*runs, f"--margin={margin}", named="--margin")


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, Path.touch])
def test_what_is_no_result_folder_is_one_line(
    runs: tuple[Path, Path], tmp_path: Path, make: Callable[[Path], None], refused: Refused
) -> None:
    foreign = tmp_path / "foreign"
    make(foreign)
    refused(runs[0], foreign, "--json", named="foreign")
    refused(foreign, runs[0], "--json", named="foreign")
