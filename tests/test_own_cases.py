"""Samplers from outside: what is measured of them, how they are gated, and what a run stores."""

import hashlib
import importlib.util
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import invoke
from own import HEAD, SOUND, ZEROS, own_cell, use, write_case
from rich.console import Console
from synthetic import edit_json, once, write_run

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.ladder import ladders
from seqgap.bench.analysis.run import read_run
from seqgap.bench.cli.own import loaded, with_own_cases
from seqgap.bench.measure import parent
from seqgap.bench.measure.cell import measure
from seqgap.bench.model import outside, registry
from seqgap.bench.model.script import CaseError
from seqgap.bench.plan.cells import plan
from seqgap.bench.plan.options import Options
from seqgap.bench.plan.order import blocks
from seqgap.bench.report import summary
from seqgap.bench.report.notes import print_other_rows
from seqgap.bench.results.folder import RunFolder, read_environment
from seqgap.bench.results.rows import Row

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SEED = Options(seed=3, longest=1e9)  # nothing is too slow
FEW = Options(case=("own-mine",), impl=("own",), dim=(4, 2), batch=(3,), map=(), processes=1, seconds=0.002)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield
    use()


def gated(folder: Path, result: str, **more: str) -> Row:
    """The row of a sampler with this result, an expression of n, dim and seed."""
    arguments = "".join(f", {name}={value}" for name, value in more.items())
    sampler = f"lambda n, dim, seed: {result}"
    use(write_case(folder, f"{HEAD}CASE = pair('mine', sequential={sampler}{arguments})\n"))
    return measure(own_cell(), SEED, once)


# What is measured.


def test_no_shipped_case_can_be_taken_for_one_from_outside(tmp_path: Path) -> None:
    use(write_case(tmp_path))
    assert [stem for stem in registry.cases() if "-" in stem] == ["own-mine"]
    assert all(stem.isidentifier() for stem in registry.stems("bench.cases"))
    use()
    assert "own-mine" not in registry.cases()


def planned_sizes(chosen: dict[str, Any]) -> set[tuple[int, int]]:
    options = Options(**{"dim": (8,), "batch": (1, 16), "map": (5,), **with_own_cases(chosen)})
    return {(cell.dim, cell.batch) for cell in plan(options) if cell.own}


def test_the_sizes_of_the_file_hold_unless_the_run_has_others(tmp_path: Path) -> None:
    case = (str(write_case(tmp_path)), "maf")
    assert planned_sizes({"case": case}) == {(4, 3), (2, 3)}
    assert planned_sizes({"case": case, "dim": (7,)}) == {(7, 3)}
    assert planned_sizes({"case": case, "batch": (1, 2), "map": ()}) == {(4, 1), (2, 1), (4, 2), (2, 2)}
    bare = (str(write_case(tmp_path, SOUND.replace("dims=(4, 2), batches=(3,)", ""))),)
    assert planned_sizes({"case": bare}) == {(8, 1), (8, 16), (8, 5)}


def test_a_run_of_a_file_alone_has_its_sizes_as_options(tmp_path: Path) -> None:
    chosen = with_own_cases({"case": (str(write_case(tmp_path)),)})
    assert chosen == {
        "case": ("own-mine",), "impl": ("own",), "dim": (2, 4), "batch": (3,), "dtype": ("float64",),
    }  # fmt: skip


def test_it_stands_beside_shipped_cases(tmp_path: Path) -> None:
    path = str(write_case(tmp_path))
    beside = with_own_cases({"case": ("maf", path), "impl": ("numba", "torch")})
    assert beside == {"case": ("maf", "own-mine"), "impl": ("numba", "torch", "own")}
    assert with_own_cases({"case": (path, "maf")})["impl"] == (*Options().impl, "own")
    assert with_own_cases({"case": ("maf",)}) == {"case": ("maf",)}
    assert "own-mine" not in registry.cases()


def test_one_callable_alone_is_no_pair(tmp_path: Path) -> None:
    use(write_case(tmp_path, f"{HEAD}{ZEROS}CASE = pair('mine', parallel=zeros)"))
    assert not any(pair.sequential.startswith("own-") for pair in registry.matched_pairs())
    assert [cell.operation for cell in plan(FEW)] == ["parallel", "parallel"]


WHOLE = """
from seqgap.bench import Call, Case, Cost, Operation, Tolerance

def inputs(dim, n, dtype, seed):
    return Call((np.ones((n, dim), dtype),))

def sums(ones):
    return ones.cumsum(axis=1)

CASE = Case("mine", (Operation(
    "sums", inputs, lambda dim: Cost(depth=dim, flops=dim), Tolerance(lambda dim, dtype: 0.1, "rough"),
    implementations={"own": lambda call, dim, dtype: call.of(sums)}, dtypes=("float32",),
    reference=lambda ones: sums(ones) + SHIFT,
),))
"""


@pytest.mark.parametrize(("shift", "status"), [(0.3, "ok"), (0.5, "failed")])
def test_a_whole_case(tmp_path: Path, shift: float, status: str) -> None:
    use(write_case(tmp_path, f"{HEAD}SHIFT = {shift}{WHOLE}"))
    (cell, _) = plan(FEW)
    assert (str(cell), cell.cost.flops) == ("own-mine.sums-own-float32-D2-N3-t1", 2)
    assert measure(own_cell("sums"), SEED, once).status == status  # the largest is 4


# The gate, and what goes wrong in a callable.


RIGHT = [
    "np.zeros((n, dim))", "[[0.0] * dim] * n", "[0] * n", "(np.zeros((n, dim)), np.zeros(n))",
    "np.zeros((n, dim), complex)", "np.float16(np.zeros((n, dim)))", "np.zeros((n, dim)) > 0",
]  # fmt: skip
WRONG = {
    "None": "WrongResultError: the result: expected numbers, got NoneType",
    "['a'] * n": "WrongResultError: the result: expected numbers, got list of <U1",
    "0.0": "WrongResultError: the result: expected n = 3 rows, got the shape ()",
    "np.zeros((n + 1, dim))": "WrongResultError: the result: expected n = 3 rows, got the shape (4, 4)",
    "(np.zeros((n, dim)), np.zeros(dim))": "WrongResultError: the result: expected n = 3 rows",
    "[[0] * k for k in range(n)]": "WrongResultError: the result: expected an array, got list",
    "np.full((n, dim), np.nan)": "WrongResultError: the result: expected finite numbers, got 12 of",
    "[[np.inf]] * n": "WrongResultError: the result: expected finite numbers, got 3 of",
    "1 / 0": "ZeroDivisionError: division by zero (mine.py:3)",
    "np.linalg.inv(np.zeros((2, 2)))": "LinAlgError: Singular matrix (mine.py:3)",
    "exit('now')": "SystemExit: now (mine.py:3)",
    "exec('raise KeyboardInterrupt')": "KeyboardInterrupt (mine.py:3)",
    "__import__('pytest').skip('not today')": "Skipped: not today (mine.py:3)",
    "exec('class E(Exception): __str__ = None\\nraise E')": "E (mine.py:3)",
    "input()": "EOFError",
    "(lambda: 1)(n)": "TypeError: ",
}


@pytest.mark.parametrize("result", RIGHT)
def test_results_may_be_whatever_makes_arrays(tmp_path: Path, result: str) -> None:
    row = gated(tmp_path, result)
    assert (row.status, row.rounds) == ("ok", (1.0, 2.0, 3.0)), row.reason


@pytest.mark.parametrize("result", WRONG)
def test_a_wrong_result_or_an_error_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, result: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    row = gated(tmp_path, result)
    assert (row.status, row.rounds) == ("failed", ())
    assert row.reason.startswith(WRONG[result]), row.reason


@pytest.mark.parametrize(
    ("result", "reference", "status"),
    [
        ("np.ones((n, dim))", "lambda n, dim, seed: [[1 + 1e-9] * dim] * n", "ok"),
        ("np.ones((n, dim))", "lambda n, dim, seed: [[1 + 1e-7] * dim] * n", "failed"),
        ("np.float32([[1] * dim] * n)", "lambda n, dim, seed: [[1 + 1e-4] * dim] * n", "ok"),
        ("np.float32([[1] * dim] * n)", "lambda n, dim, seed: [[1 + 1e-3] * dim] * n", "failed"),
        ("np.full((n, dim), 1j)", "lambda n, dim, seed: np.full((n, dim), 1j)", "ok"),
        ("np.full((n, dim), 1j)", "lambda n, dim, seed: np.full((n, dim), -1j)", "failed"),
        ("np.ones((n, dim))", "lambda n, dim, seed: np.ones((n, 1))", "failed"),
        ("np.ones((n, dim))", "lambda n, dim, seed: 1 / 0", "failed"),
    ],
)
def test_a_reference_is_met_to_half_of_the_digits(
    tmp_path: Path, result: str, reference: str, status: str
) -> None:
    assert gated(tmp_path, result, reference=reference).status == status


def test_an_error_of_a_later_call_ends_its_cell_alone(tmp_path: Path) -> None:
    use(write_case(tmp_path, SOUND))

    def failing(thunk: Any, estimate: float) -> Any:
        raise SystemExit("of the\nfortieth call")

    row = measure(own_cell(), SEED, failing)
    assert row.status == "failed"
    assert re.fullmatch(r"SystemExit: of the fortieth call \(test_own_cases\.py:\d+\)", row.reason)


def test_one_slow_call_is_not_made_again_and_again(tmp_path: Path) -> None:
    """Nothing is known beforehand of how long it takes."""
    text = f"{HEAD}calls = []\ndef slow(n, dim, seed): calls.append(n); return [0] * n\n"
    use(write_case(tmp_path, f"{text}CASE = pair('mine', sequential=slow)\n"))
    row = measure(own_cell(), Options(longest=1e-9, seconds=1e-9), once)
    assert row.status == "skipped"
    assert len(module_of("calls").calls) == 2


def module_of(name: str) -> Any:
    """The module of the file that has a variable of that name."""
    files = [module for key, module in sys.modules.items() if key.startswith("seqgap_case_")]
    return [module for module in files if hasattr(module, name)][-1]


def test_inputs_are_made_once_and_passed_to_each_call(tmp_path: Path) -> None:
    text = f"""{HEAD}
made, seen = [], []
def inputs(n, dim, seed):
    made.append((n, dim, seed))
    return np.zeros((n, dim)), "model"
def sampler(z, model):
    seen.append(model)
    return z
CASE = pair("mine", sequential=sampler, inputs=inputs)
"""
    use(write_case(tmp_path, text))
    assert measure(own_cell(), SEED, once).status == "ok"
    module = module_of("made")
    assert module.made == [(3, 4, 3)]
    assert len(module.seen) > 2
    assert set(module.seen) == {"model"}
    row = gated(tmp_path, "n", inputs="lambda n, dim, seed: [n]")
    assert row.reason.startswith("TypeError: inputs: expected a tuple of arguments, got list")


def test_numba_has_the_threads_of_the_cell(tmp_path: Path) -> None:
    threads = "[__import__('numba').get_num_threads()] * n"
    assert gated(tmp_path, threads, reference="lambda n, dim, seed: [1] * n").status == "ok"


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="pip install 'seqgap[peers]'")
def test_pytorch_has_the_threads_of_the_cell_and_no_gradients(tmp_path: Path) -> None:
    import torch

    assert torch.is_grad_enabled()
    import_torch = "(torch := __import__('torch'))"
    state = f"[[{import_torch}.get_num_threads(), torch.is_grad_enabled()]] * n"
    assert gated(tmp_path, state, reference="lambda n, dim, seed: [[1, 0]] * n").status == "ok"
    assert gated(tmp_path, f"{import_torch}.ones(n, dim, requires_grad=True)").status == "ok"
    assert torch.is_grad_enabled()


# The processes.


def test_what_a_callable_prints_and_reads_disturbs_nothing(tmp_path: Path) -> None:
    text = f"""{HEAD}import os, sys
def noisy(n, dim, seed):
    print("a row")
    os.write(1, b"no row\\n")
    sys.stderr.write("nor this")
    try:
        input()
    except EOFError:
        return [0] * n
CASE = pair("mine", sequential=noisy)
"""
    use(write_case(tmp_path / "case", text))
    folder = RunFolder.create(tmp_path / "run", {}, FEW)
    parent.measure_run(Console(), folder)
    run = read_run(folder.path)
    assert [row.status for row in run.rows] == ["ok", "ok"]
    assert run.damaged == []


def test_no_process_waits_for_what_a_callable_leaves_running(tmp_path: Path) -> None:
    text = f"""{HEAD}import threading
def threaded(n, dim, seed):
    if threading.active_count() == 1:
        threading.Thread(target=threading.Event().wait).start()  # for ever
    return [0] * n
CASE = pair("mine", sequential=threaded)
"""
    use(write_case(tmp_path / "case", text))
    folder = RunFolder.create(tmp_path / "run", {}, FEW)
    parent.measure_run(Console(), folder)
    assert [row.status for row in read_run(folder.path).rows] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("os._exit(0)", "exit code 0; see"),
        ("ctypes.string_at(0)", "Segmentation fault at mine.py:4, exit code -11; see"),
    ],
)
def test_a_callable_that_ends_its_process_is_one_line(tmp_path: Path, end: str, said: str) -> None:
    def text(last: int) -> str:
        sampler = f"lambda n, dim, seed: {end} if dim == {last} else [0] * n"
        return f"{HEAD}import ctypes, os\nCASE = pair('mine', sequential={sampler})\n"

    use(write_case(tmp_path, text(0)))
    *_, last = (cell for block in blocks(FEW, 0) for cell in block)
    use(write_case(tmp_path, text(last.dim)))
    folder = RunFolder.create(tmp_path / "run", {}, FEW)
    with pytest.raises(parent.WorkerError) as caught:
        parent.measure_run(Console(), folder)
    assert f"the measurement ended early: {said}" in caught.value.message
    assert [(row.cell.dim, row.status) for row in read_run(folder.path).rows] == [(6 - last.dim, "ok")]


# What a run stores, and goes on with.


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run with made-up timings of a file in a folder `case`."""
    case = tmp_path / "case"
    use(write_case(case, LADDER))
    path = write_run(tmp_path / "run", FEW_RUNGS, seconds=lambda cell: SECONDS[cell.operation, cell.impl])
    use()
    return path


LADDER = f"""{HEAD}{ZEROS}
steps = {{"python": zeros, "numpy": zeros, "own": zeros}}
CASE = pair("mine", sequential=steps, parallel=zeros, reference=zeros)
"""
FEW_RUNGS = Options(
    case=("own-mine",), impl=("python", "numpy", "own"), dim=(2, 4, 8), batch=(1, 16), map=(), processes=3
)
SECONDS = {
    ("sequential", "python"): 8e-3, ("sequential", "numpy"): 4e-3, ("sequential", "own"): 1e-3,
    ("parallel", "own"): 0.5e-3,
}  # fmt: skip


def test_the_text_its_hash_and_its_path_are_stored(finished: Path) -> None:
    file = finished.parent / "case" / "mine.py"
    assert (finished / "own-mine.py").read_bytes() == file.read_bytes()
    assert read_environment(finished)["own_cases"] == {
        "own-mine": {
            "file": str(file),
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "own": ["dim", "batch"],
            "checked": ["sequential", "parallel"],
        }
    }


def test_a_folder_is_read_without_the_file(monkeypatch: pytest.MonkeyPatch, finished: Path) -> None:
    (finished.parent / "case" / "mine.py").unlink()
    monkeypatch.setattr(outside, "from_file", lambda *_: pytest.fail("loaded"))
    run = read_run(finished)
    assert {(gap.names, gap.cell.impl) for gap in gaps(run)} == {
        (("own-mine.sequential", "own-mine.parallel"), "own")
    }
    assert all(gap.ratio.middle == pytest.approx(2, rel=0.05) for gap in gaps(run))
    for arguments in (["plot", finished], ["audit", finished], ["compare", finished, finished]):
        result = invoke(*arguments)
        assert isinstance(result.exception, SystemExit | None), result.exception
        assert result.exit_code == (1 if arguments[0] == "audit" else 0), result.output
    assert "own-mine, own, over " in (finished / "gap-map.svg").read_text()


def test_the_ladder_has_the_rungs_that_the_file_has(finished: Path) -> None:
    for ladder in ladders(read_run(finished)):
        assert ladder.cell.dim == 8
        assert [(rung.name, rung.cause) for rung in ladder.rungs] == [
            ("plain Python", ""),
            ("NumPy, step by step", "interpreter"),
            ("own, one at a time", "how it is written"),
            ("own, all at once", "one at a time"),
        ]
        factors = [rung.factor.middle for rung in ladder.rungs if rung.factor]
        assert factors == pytest.approx([2, 4, 2], rel=0.1)
    assert len(ladders(read_run(finished))) == 2


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (True, "own-mine.sequential, own-mine.parallel: results equalled the reference."),
        (False, "no reference; results had n rows of finite numbers"),
    ],
)
def test_it_is_told_what_results_were_checked_against(tmp_path: Path, reference: bool, told: str) -> None:
    use(write_case(tmp_path, LADDER if reference else LADDER.replace(", reference=zeros", "")))
    run = read_run(write_run(tmp_path / "run", FEW_RUNGS))
    printed = io.StringIO()
    print_other_rows(Console(width=200, file=printed), run)
    assert told in printed.getvalue()


def resumed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[int, str]:
    monkeypatch.setattr(summary, "draw", lambda *_: [])
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    result = invoke("run", "--resume", folder)
    return result.exit_code, getattr(result.exception, "message", "") or result.output


def test_a_run_goes_on_with_the_same_file_alone(monkeypatch: pytest.MonkeyPatch, finished: Path) -> None:
    file = finished.parent / "case" / "mine.py"
    monkeypatch.chdir("/")
    code, printed = resumed(monkeypatch, finished)
    assert code == 0, printed
    file.write_text(LADDER + "# changed\n")
    code, printed = resumed(monkeypatch, finished)
    assert code == 1
    assert f"{file}: changed since the run was started" in printed
    file.unlink()
    assert f"{file}: cannot be read" in resumed(monkeypatch, finished)[1]
    edit_json(finished / "environment.json", lambda stored: stored.update(own_cases={"own-mine": 5}))
    assert "the cases from outside are not those of a run" in resumed(monkeypatch, finished)[1]


def test_a_relative_path_holds_from_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_case(tmp_path)
    monkeypatch.chdir(tmp_path)
    with_own_cases({"case": ("mine.py",)})
    folder = RunFolder.create(tmp_path / "run", {}, FEW)
    monkeypatch.chdir("/")
    parent.measure_run(Console(), folder)
    assert [row.status for row in read_run(folder.path).rows] == ["ok"] * 4


# Entry points.


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of an installed distribution with one case, `mine`."""
    folder = tmp_path / "site"
    metadata = folder / "own_plugin-1.5.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-plugin\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text("[seqgap.cases]\nmine = own_plugin_case:CASE\n")
    write_case(folder, SOUND, "own_plugin_case.py")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "own_plugin_case", raising=False)
    return folder


def test_an_entry_point_is_loaded_where_it_is_named(plugin: Path) -> None:
    for pattern in ("maf", "*", "mine", "o*"):
        loaded([pattern])
        assert "own_plugin_case" not in sys.modules
        assert "own-mine" not in registry.cases()
    assert "own-mine: of own-plugin 1.5" in invoke("list").output
    assert "own_plugin_case" not in sys.modules
    for pattern in ("own-mine", "own-*", "own-mine.sequential"):
        assert loaded([pattern]) == (pattern,)
        assert registry.cases()["own-mine"].operation("sequential").sizes == (2, 4)
    (source,) = outside.used()
    assert source.stored == {
        "entry_point": "mine", "distribution": "own-plugin", "version": "1.5", "own": ["dim", "batch"],
        "checked": [],
    }  # fmt: skip
    (again,) = outside.restored(outside.stored())
    assert again.stored == source.stored


def test_entry_points_that_cannot_be_used(plugin: Path, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"mine\.py:4: own-mine is the name of an installed case"):
        loaded([str(write_case(tmp_path))])
    stored = {"own-mine": {"entry_point": "mine", "distribution": "own-plugin", "version": "1.4", "own": []}}
    with pytest.raises(CaseError, match=r"measured with own-plugin 1\.4; start a new run"):
        outside.restored(stored)
    with pytest.raises(CaseError, match=r"own-other: own-plugin 1\.4 is not installed"):
        outside.restored({"own-other": stored["own-mine"]})
    for text, said in (
        (SOUND.replace("'mine'", "'other'"), "its case is called 'other'; expected the same name"),
        ("1 / 0", r"ZeroDivisionError: division by zero \(.*own_plugin_case\.py:1\)"),
        ("CASE = 5", "expected CASE = seqgap"),
    ):
        write_case(plugin, text, "own_plugin_case.py")
        sys.modules.pop("own_plugin_case", None)
        importlib.invalidate_caches()
        with pytest.raises(CaseError, match=f"entry point mine of own-plugin 1.5: {said}"):
            loaded(["own-mine"])


# Examples, and what a file imports.


@pytest.mark.parametrize("name", ["own_sampler", "lstm", "README"])
def test_the_examples_are_measured(tmp_path: Path, name: str) -> None:
    if name != "own_sampler":
        pytest.importorskip("torch", reason="pip install 'seqgap[peers]'")
    path = ROOT / "examples" / f"{name}.py"
    if name == "README":
        (text,) = re.findall(r"## Your own sampler\n+```python\n(.*?)```", README, re.DOTALL)
        path = write_case(tmp_path, text)
    assert len(path.read_text().splitlines()) <= 25
    (stem,) = loaded([str(path)])
    found = plan(Options(case=(stem,), impl=("own",), dim=(3,), batch=(2,), map=()))
    for cell in (cell for cell in found if cell.dim < 64):
        assert measure(cell, SEED, once).status == "ok"


def test_a_file_of_a_case_loads_nothing_heavy(fresh_python: Callable[..., str]) -> None:
    program = """
import sys
from seqgap.bench import Call, Case, Cost, Operation, Tolerance, pair
CASE = pair("mine", sequential=lambda n, dim, seed: 0)
print([name for name in ("numba", "scipy", "matplotlib", "pytest", "seqgap.kernels") if name in sys.modules])
"""
    assert fresh_python(program) == "[]\n"
