"""Wrong files of cases: one line that names the file and the line, and nothing is measured."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from own import HEAD, SOUND, ZEROS, use, write_case

from seqgap.bench.cli import main
from seqgap.bench.measure import parent
from seqgap.bench.model import outside
from seqgap.bench.model.script import CaseError

FULL = f"from seqgap.bench import Case, Cost, Operation, Tolerance\n{HEAD}{ZEROS}"
SETUP = "implementations={'own': lambda call, dim, dtype: call.of(zeros)}"
WRONG = {  # what a file holds -> the line that is named, and what is said of it
    "def f(:": (1, "SyntaxError"),
    "x = 1\n\ndef f():\n    1 / 0\nf()": (4, "ZeroDivisionError: division by zero"),
    "import no_such_module": (1, "No module named 'no_such_module'"),
    "import sys\nsys.exit('no more')": (2, "SystemExit: no more"),
    "import pytest\npytest.skip('not today', allow_module_level=True)": (2, "Skipped: not today"),
    "import sys\nsys.path.clear()\n1 / 0": (3, "ZeroDivisionError"),
    "def f(): f()\nf()": (1, "RecursionError"),
    "class E(Exception): __str__ = None\nraise E": (2, "E"),
    f"{HEAD}{ZEROS}CASE = pair('mine', sequential=zeros, dims=range(10**18))": (4, "dims: expected integers"),
    "x = 1": (1, "no CASE; expected CASE = seqgap.bench.pair(...)"),
    "x = 1\nCASE = None": (2, "no CASE"),
    "CASE = 1\nCASE = 5": (2, "expected CASE = seqgap.bench.pair(...), got int"),
    f"{HEAD}CASE = pair('mine')": (3, "sequential, parallel: expected a callable for one of them"),
    f"{HEAD}CASE = pair('mine', sequential=3)": (3, "sequential: expected a callable, got 3"),
    f"{HEAD}CASE = pair('mine', parallel={{}})": (3, "parallel: expected a callable, or a dict"),
    f"{HEAD}{ZEROS}CASE = pair('mine', parallel={{'a b': zeros}})": (4, "expected names of 1 to 60"),
    f"{HEAD}CASE = pair('mine', sequential=lambda n: n)": (3, "expected a callable of (n, dim, seed)"),
    f"{HEAD}{ZEROS}CASE = pair('mine', sequential=zeros, inputs=3)": (4, "inputs: expected a callable"),
    f"{HEAD}{ZEROS}CASE = pair('mine', sequential=zeros, reference=3)": (4, "reference: expected a callable"),
    f"{HEAD}{ZEROS}CASE = pair('mine', sequentiel=zeros)": (4, "unexpected keyword argument 'sequentiel'"),
    f"{HEAD}{ZEROS}\nCASE = pair(\n    'my-own', sequential=zeros)": (5, "digits and _, got 'my-own'"),
    f"{HEAD}{ZEROS}CASE = pair('', sequential=zeros)": (4, "name: expected"),
    f"{HEAD}{ZEROS}CASE = pair('mine', sequential=zeros, dims=64)": (4, "dims: expected integers from 1"),
    f"{HEAD}{ZEROS}CASE = pair('mine', sequential=zeros, dims=(0,))": (4, "dims: expected integers from 1"),
    f"{HEAD}{ZEROS}CASE = pair('mine', sequential=zeros, batches='12')": (4, "batches: expected integers"),
    f"{HEAD}{ZEROS}CASE = pair('mine', sequential=zeros, dtype='float16')": (4, "expected one of float64"),
    f"{FULL}CASE = Case('mine', [3])": (5, "operations: expected a tuple of Operation"),
    f"{FULL}CASE = Case('mine', ())": (5, "operations: expected one or more"),
    f"{FULL}CASE = Case('mine', (Operation('a', None, Cost, None),))": (5, "a: expected implementations"),
    f"{FULL}CASE = Case('mine', (Operation('a', None, len, None, {SETUP}),))": (5, "cost(1): TypeError"),
    f"{FULL}CASE = Case('mine', (Operation('a', None, lambda d: Cost(-1.0), None, {SETUP}),))": (
        5, "cost(1): expected figures of 0 or more",
    ),
    f"{FULL}CASE = Case('mine', (Operation('a', None, Cost, None, {SETUP}),), matched=(('a', 'b'),))": (
        5, "expected some of a, got 'b'",
    ),
    f"{FULL}CASE = Case('mine', (Operation('a', None, Cost, None, {SETUP}),), control=('a', 'c'))": (
        5, "expected some of a, got 'c'",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parent, "measure_machine", lambda **_: pytest.fail("measured"))
    yield
    use()


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """The one line that a command ends with, and code 2."""
    monkeypatch.setattr(sys, "argv", ["seqgap", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text.splitlines()[-1])
def test_one_line_names_the_file_and_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    path = write_case(tmp_path, text)
    line, said = WRONG[text]
    printed = refused(capsys, monkeypatch, "run", "--case", "mine.py")
    assert printed.startswith(f"seqgap: {path}:{line}: ")
    assert said in printed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"x = 1\n# caf\xe9", "mine.py:2: not UTF-8"),
        (b"x = 1\0", "mine.py:1: SyntaxError: source code string cannot contain null bytes"),
        (None, "mine.py: cannot be read (No such file or directory)"),
    ],
)
def test_what_is_no_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: bytes | None, said: str
) -> None:
    if text is not None:
        Path("mine.py").write_bytes(text)
    assert said in refused(capsys, monkeypatch, "run", "--case", "mine.py")


def test_a_folder_and_a_wrong_sibling(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Path("folder.py").mkdir()
    assert "Is a directory" in refused(capsys, monkeypatch, "run", "--case", "folder.py")
    write_case(tmp_path, "\ndef f(:", "wrong_sibling.py")
    write_case(tmp_path, "import wrong_sibling")
    assert f"{tmp_path}/wrong_sibling.py:2: Syn" in refused(capsys, monkeypatch, "run", "--case", "mine.py")


def test_two_files_of_one_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    paths = [str(write_case(tmp_path, name=name)) for name in ("mine.py", "same.py")]
    printed = refused(capsys, monkeypatch, "run", *(f"--case={path}" for path in paths))
    assert printed == f"seqgap: {paths[0]} and {paths[1]} have the same name, own-mine; choose another\n"


def test_what_a_file_prints_is_no_output(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    use(write_case(tmp_path, f"print('loading')\n{SOUND}"))
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "loading\n")


def test_siblings_import_and_hide_nothing_later(tmp_path: Path) -> None:
    write_case(tmp_path, "VALUE = 4\n", "own_sibling.py")
    before = sys.path[:]
    use(write_case(tmp_path, f"from own_sibling import VALUE\n{SOUND}"))
    assert sys.path == [*before, str(tmp_path)]


def test_only_the_text_that_was_measured_is_executed(tmp_path: Path) -> None:
    path = write_case(tmp_path, f"{SOUND}raise SystemExit('executed')\n")
    with pytest.raises(CaseError, match=r"mine\.py: changed since the run was started"):
        outside.from_file(path, "0" * 64)
