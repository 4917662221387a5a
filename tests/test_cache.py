"""The kernels on disk: found again by the next process, and never run once they are out of date."""

import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from command import HANGS, SEQGAP, completed
from numba.core.bytecode import FunctionIdentity

import seqgap
import seqgap.kernels
from seqgap.bench.analysis.run import read_run
from seqgap.kernels._core import cache
from seqgap.kernels._core.jit import jit, jit_exact

INSTALLED = Path(seqgap.kernels.__path__[0])
COUNTED = """
import os, pathlib, sys
import numpy as np
from numba.core import event

class Compiled(event.Listener):
    count = 0
    def on_start(self, what):
        Compiled.count += 1
    def on_end(self, what):
        pass

event.register("numba:compile", Compiled())
"""
NORMALS = """
from seqgap.kernels import normal
normals = normal.standard_normal(1, 4, 1).tolist()
print(Compiled.count, normals)
"""


TINY = """
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.simd import fma
@jit_exact
def half(x):
    return x / 2
@jit_exact
def double(x):
    return fma(x, 2.0, 0.0)
"""
SMALL = """
from seqgap.kernels import tiny
numbers = [tiny.half(3.0), tiny.double(3.0)]
print(Compiled.count, numbers)
"""
EXPECTED = [1.5, 6.0]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the kernels that may be edited, and with two that take no time to compile."""
    kernels = Path(shutil.copytree(INSTALLED, tmp_path / "copy" / "seqgap" / "kernels"))
    assert seqgap.__file__ is not None
    shutil.copy(seqgap.__file__, kernels.parent)  # a folder without it would come after the installed package
    (kernels / "tiny.py").write_text(TINY)
    return kernels


def cache_of(copied: Path) -> Path:
    return copied.parents[2] / "cache"


def start(program: str, copied: Path, **variables: str) -> subprocess.Popen[str]:
    """A program that runs the copy."""
    where = f"from seqgap.kernels._core import sources; assert str(sources._FOLDER) == {str(copied)!r}\n"
    ours = {"NUMBA_CACHE_DIR", "PYTHONDONTWRITEBYTECODE"}
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    environment |= dict.fromkeys(("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"), str(cache_of(copied)))
    environment["PYTHONPATH"] = str(copied.parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", COUNTED + where + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | variables,
        cwd=Path(sys.prefix),  # nowhere near the sources
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, list[float]]:
    """How many functions the program compiled, and its numbers."""
    printed, errors = process.communicate(timeout=HANGS)
    assert process.returncode == 0, errors
    assert errors == ""
    count, _, numbers = printed.partition(" ")
    return int(count), eval(numbers)


def run(program: str, copied: Path, **variables: str) -> tuple[int, list[float]]:
    return finish(start(program, copied, **variables))


def entries(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("seqgap-kernels/*/*") if path.is_file())


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


EVERY_OPERATION = """
import hashlib
from seqgap.bench.model.registry import cases
digest = hashlib.sha256()
def leaves(value):
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, tuple) else [value]
for case in cases().values():
    for operation in case.operations:
        if not operation.timed:
            continue
        count = operation.batches[0] if operation.batches else 3
        call = operation.inputs(*operation.near([5]), count, np.dtype(np.float64), 3)
        for array in leaves(case.kernel(operation.name)(*call.args, **call.kwargs)):
            digest.update(np.asarray(array).tobytes())
print(Compiled.count, list(digest.digest()))
"""


def test_a_second_process_compiles_nothing(fresh_python: Callable[..., str]) -> None:
    """In the cache that the whole run of tests shares, so that this compiles what others need anyway."""
    first, second = (fresh_python(COUNTED + EVERY_OPERATION).partition(" ") for _ in range(2))
    assert second[0] == "0"
    assert first[2] == second[2]


@pytest.mark.slow
def test_a_second_run_compiles_nothing(tmp_path: Path) -> None:
    options = ["--profile", "smoke", "--case", "ar_process.*", "--impl", "numba", "--dim", "2"]
    found = []
    for name in ("first", "second"):
        variables = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        done = completed(SEQGAP, "run", *options, "--out", str(tmp_path / name), cwd=tmp_path, **variables)
        assert done.returncode == 0, done.stderr
        rows = read_run(tmp_path / name).rows
        assert {row.status for row in rows} == {"ok"}
        found.append(sum(row.compile for row in rows))
        assert ("compiling took" in done.stdout) == (name == "first")
        assert ("nothing was compiled" in done.stdout) == (name == "second")
    assert found[0] > 0
    assert found[1] == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "program"),
    [
        ("_core/simd.py", "arguments, operands)", "arguments, operands)[:1] * len(operands)", SMALL),
        ("tiny.py", "x / 2", "x / 20", SMALL),
        pytest.param(
            "_core/vecmath.py", "(number(x, 2) + f)", "(number(x, 3) + f)", NORMALS, marks=pytest.mark.slow
        ),
    ],
)
def test_an_edited_file_is_what_runs(copied: Path, name: str, old: str, new: str, program: str) -> None:
    compiled, before = run(program, copied)
    assert compiled > 0
    edit(copied / name, old, new)
    compiled, after = run(program, copied)
    assert compiled > 0
    assert after != before
    edit(copied / name, new, old)
    assert run(program, copied) == (0, before)


def load_sources(copied: Path) -> Any:
    spec = importlib.util.spec_from_file_location("copied_sources", copied / "_core" / "sources.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files_of_every_folder_count(copied: Path) -> None:
    """One of each folder, and every tenth: half a second each."""
    sources = load_sources(copied)
    before = sources.digest()
    files = sorted(copied.rglob("*.py"))
    chosen = {*files[::10], *{file.parent: file for file in files}.values()}
    assert {file.parent for file in chosen} == {file.parent for file in files}
    for file in chosen:
        text = file.read_text()
        file.write_text(text + "# a comment\n")
        assert sources.digest() not in (before, None), file
        file.write_text(text)
    assert sources.digest() == before


def test_after_an_edit_nothing_counts_as_loaded_in_this_process(copied: Path) -> None:
    """For good: modules may have been read in between."""
    sources, text = load_sources(copied), (copied / "maf.py").read_text()
    assert sources.loaded() == sources.digest()
    (copied / "maf.py").write_text(text + "# a comment\n")
    assert sources.loaded() is None
    (copied / "maf.py").write_text(text)
    assert sources.loaded() is None
    assert load_sources(copied).loaded() == sources.digest()


def test_a_new_a_lost_and_a_broken_file_count(copied: Path) -> None:
    sources = load_sources(copied)
    before = sources.digest()
    (copied / "extra.py").write_text("")
    assert sources.digest() not in (before, None)
    (copied / "extra.py").write_text("def")
    assert sources.digest() is None
    (copied / "extra.py").unlink()
    assert sources.digest() == before
    (copied / "mask_stack.py").unlink()
    assert sources.digest() not in (before, None)


@pytest.mark.slow
def test_code_that_python_kept_from_an_older_file_is_not_taken_for_new(copied: Path) -> None:
    """Python runs the compiled file where time and size of the text are the same."""
    _, before = run(NORMALS, copied)
    file = copied / "_core" / "philox.py"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    edit(file, "_WEYL = (0x9E3779B9", "_WEYL = (0x9E3779BB")
    os.utime(file, ns=times)
    assert run(NORMALS, copied)[1] == before  # Python's doing
    file.touch()
    compiled, after = run(NORMALS, copied)
    assert compiled > 0
    assert after != before


@pytest.mark.parametrize(
    "place",
    ["before the kernel is read", pytest.param("before the kernel is compiled", marks=pytest.mark.slow)],
)
def test_an_edit_while_the_process_runs_stores_nothing(copied: Path, place: str) -> None:
    """Nor when the file is as it was again, if the kernel was read in between."""
    change = "file = pathlib.Path(sources._FOLDER, 'tiny.py'); before = file.read_text()\n"
    change += "file.write_text(before.replace('x / 2', 'x / 20'))\n"
    read = "from seqgap.kernels import tiny\n"
    back = "file.write_text(before)\n"
    early = place == "before the kernel is read"
    program = change + read + back + SMALL if early else read + change + SMALL + back
    compiled, numbers = run(program, copied)
    assert compiled > 0
    assert (numbers == EXPECTED) != early
    assert entries(cache_of(copied)) == []
    assert run(SMALL, copied)[1] == EXPECTED


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "garbage": lambda data: bytes(range(256)) * 9,
    "one bit": lambda data: data[:-3000] + bytes([data[-3000] ^ 1]) + data[-2999:],
}


@pytest.mark.slow
def test_damaged_entries_are_compiled_again(copied: Path) -> None:
    whole, numbers = run(SMALL, copied)
    assert whole > 0
    assert numbers == EXPECTED
    for name, damage in DAMAGES.items():
        for file in entries(cache_of(copied)):
            file.write_bytes(damage(file.read_bytes()))
        assert run(SMALL, copied) == (whole, EXPECTED), name
    assert run(SMALL, copied) == (0, EXPECTED)


def test_an_entry_under_another_name_is_not_taken(copied: Path) -> None:
    run(SMALL, copied)
    double, half = entries(cache_of(copied))
    assert ("double" in double.name, "half" in half.name) == (True, True)
    content = double.read_bytes()
    double.write_bytes(half.read_bytes())
    half.write_bytes(content)
    assert run(SMALL, copied) == (2, EXPECTED)


def test_no_folder_no_cache(copied: Path) -> None:
    cache_of(copied).touch()
    assert run(SMALL, copied) == run(SMALL, copied) == (2, EXPECTED)


def test_numba_cache_dir_is_the_root_if_set(copied: Path, tmp_path: Path) -> None:
    variables = {"NUMBA_CACHE_DIR": str(tmp_path / "root")}
    assert run(SMALL, copied, **variables) == (2, EXPECTED)
    assert len(entries(tmp_path / "root")) == 2
    assert not cache_of(copied).exists()
    assert run(SMALL, copied, **variables) == (0, EXPECTED)


@pytest.mark.slow
def test_processes_at_once(copied: Path) -> None:
    for process in [start(SMALL, copied) for _ in range(3)]:
        assert finish(process)[1] == EXPECTED
    assert run(SMALL, copied) == (0, EXPECTED)
    assert all("-" in entry.name for entry in entries(cache_of(copied)))  # nothing half-written is left


@pytest.mark.slow
def test_settings_that_change_the_code_have_entries_of_their_own(copied: Path) -> None:
    run(SMALL, copied)
    assert run(SMALL, copied, NUMBA_BOUNDSCHECK="1") == (2, EXPECTED)
    assert run(SMALL, copied, NUMBA_NUM_THREADS="1") == (0, EXPECTED)


OUTSIDE = """
from seqgap.kernels._core.jit import jit_exact
@jit_exact
def rows(lo, hi, x):
    for i in range(lo, hi):
        x[i] = {value}
x = np.zeros(3)
rows(0, 3, x)
print(Compiled.count, x.tolist())
"""


def test_functions_of_other_files_are_not_stored(copied: Path) -> None:
    for value in (1.0, 2.0):
        assert run(OUTSIDE.format(value=value), copied) == (1, 3 * [value])
    assert entries(cache_of(copied)) == []


def made(body: str, decorate: Callable[..., Any] = jit_exact, **outer: Any) -> Any:
    """The identity of a function of the package, made here from its body."""
    names = {"__name__": "seqgap.kernels.made", **outer}
    exec(f"def f(x):\n    return {body}", names)
    function = names["f"]
    assert isinstance(function, FunctionType)
    return decorate(function)


def identity(*arguments: Any, **named: Any) -> str:
    return cache._identity(made(*arguments, **named), ())


def test_what_decides_the_machine_code_decides_the_entry() -> None:
    different = [
        identity("x + 1"),
        identity("x + 2"),
        identity("x + 1", jit),
        identity("x + c", c=1),
        identity("x + c", c=2),
        identity("x + c", c=1.0),
        identity("x + c[0]", c=(1, 2)),
        identity("x + c[0]", c=(2, 1)),
        identity("g(x)", g=made("x + 1")),
        identity("g(x)", g=made("x + 2")),
        identity("g(x)", g=made("x + 1", jit)),
    ]
    assert len(set(different)) == len(different)
    assert identity("g(x)", g=made("x + c", c=1)) == identity("g(x)", g=made("x + c", c=1))
    for unknown in ([1], {1: 2}, object(), os.sep.join, shutil.copy):
        with pytest.raises(cache._NotCacheableError):
            identity("x + c", c=unknown)


def test_a_function_that_calls_itself_has_an_identity() -> None:
    function = made("f(x - 1) if x > 0 else 0")
    function.py_func.__globals__["f"] = function
    assert cache._identity(function, ()).count("seqgap.kernels.made.f") == 2


TWINS = '''
"""Two functions of one name that stay functions, and their callers."""
from seqgap.kernels._core.jit import isolate, jit_exact
def factory(value):
    @jit_exact
    def made(x):
        isolate()
        return value * x
    return made
one, two = factory(1.0), factory(2.0)
@jit_exact
def call_one(x):
    return one(x) + 0.25
@jit_exact
def call_two(x):
    return two(x) + 0.25
'''
CALL = """
from seqgap.kernels import twins
results = [getattr(twins, name)(8.0) for name in {names}]
print(Compiled.count, results)
"""


def test_entries_of_two_processes_keep_their_functions_apart(copied: Path) -> None:
    """Numba counts functions from 1 in each process: both would be `made`, number so-and-so."""
    (copied / "twins.py").write_text(TWINS)
    assert run(CALL.format(names=["call_one"]), copied)[1] == [8.25]
    assert run(CALL.format(names=["call_two"]), copied)[1] == [16.25]
    assert run(CALL.format(names=["call_one", "call_two"]), copied) == (0, [8.25, 16.25])


def test_numba_counts_on_as_before() -> None:
    function = made("x + 1")
    assert function(1) == 2
    (compiled,) = function.overloads.values()
    assert next(FunctionIdentity._unique_ids) < 100_000 < compiled.fndesc.uid


def test_old_folders_go_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    names = [f"{number:032x}" for number in range(12)]
    for name, seconds in zip(names, itertools.count(), strict=False):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (seconds, seconds))
    cache._write(tmp_path / f"{99:032x}" / "entry", b"data")
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == sorted(["work", *names[5:], f"{99:032x}"])
    assert (tmp_path / f"{99:032x}" / "entry").read_bytes() == b"data"
