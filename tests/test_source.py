"""Which source a run says it has measured."""

import os
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from seqgap.bench.machine import source as source_module
from seqgap.bench.machine.source import digest_of, source

PARTS = ("bench", "kernels", "reference")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *names, *arguments], check=True, capture_output=True)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that is not in a repository, and the working folder, which has its files."""
    package, checkout = tmp_path / "site" / "seqgap", tmp_path / "checkout"
    for folder in (package, checkout):
        for part in PARTS:
            write(folder / part / "module.py", f"# {part}")
    monkeypatch.setattr(source_module.importlib, "import_module", lambda name: _Package(package, name))
    monkeypatch.chdir(checkout)
    return package


class _Package:
    def __init__(self, package: Path, name: str) -> None:
        self.__path__ = [str(package / name.split(".")[1])]


def commit_all(folder: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")


def head(folder: Path) -> str:
    done = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip()


def test_no_repository_no_commit(installed: Path) -> None:
    found = source()
    assert found["commit"] is None
    assert found["dirty"] is None
    assert len(found["digest"]) == 16


def test_the_working_folder_counts_where_its_files_are_those_installed(installed: Path) -> None:
    checkout = Path.cwd()
    commit_all(checkout)
    assert source() == {"commit": head(checkout), "dirty": False, "digest": source()["digest"]}
    write(checkout / "elsewhere.py", "")
    assert source()["dirty"] is False
    write(checkout / "kernels" / "note.txt", "")
    assert source()["dirty"] is True
    write(checkout / "kernels" / "module.py", "# edited")
    assert source()["commit"] is None  # not what runs


def test_the_folder_of_the_package_counts_with_its_changes(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commit_all(installed)
    before = source()
    assert before["commit"] == head(installed)
    assert before["dirty"] is False
    write(installed / "bench" / "module.py", "# edited")
    after = source()
    assert after["commit"] == before["commit"]
    assert after["dirty"] is True
    assert after["digest"] != before["digest"]


def test_an_ignored_environment_inside_a_checkout_has_no_commit(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".gitignore").write_text("site\n")
    commit_all(tmp_path)
    assert source()["commit"] is None


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 1)])
def test_git_is_absent_or_hangs(installed: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    commit_all(Path.cwd())
    monkeypatch.setattr(subprocess, "run", fail)
    assert source()["commit"] is None
    assert len(source()["digest"]) == 16


def test_variables_of_a_git_hook(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_all(Path.cwd())
    expected = head(Path.cwd())
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert source()["commit"] == expected


def test_a_deleted_working_folder(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Path:
        raise FileNotFoundError(os.curdir)

    monkeypatch.setattr(Path, "cwd", gone)
    assert source()["commit"] is None


CHANGES: list[Callable[[Path], object]] = [
    lambda folder: write(folder / "kernels" / "module.py", "# other"),
    lambda folder: write(folder / "kernels" / "more.py", ""),
    lambda folder: (folder / "kernels" / "module.py").rename(folder / "kernels" / "renamed.py"),
    lambda folder: (folder / "kernels" / "module.py").rename(folder / "bench" / "moved.py"),
    lambda folder: (folder / "kernels" / "module.py").unlink(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_digest_depends_on_names_and_bytes(installed: Path, change: Callable[[Path], object]) -> None:
    folders = {part: installed / part for part in PARTS}
    before = digest_of(folders)
    write(installed / "kernels" / "__pycache__" / "module.pyc", "compiled")
    assert digest_of(folders) == before
    change(installed)
    assert digest_of(folders) != before


def test_digest_is_of_the_package_that_runs() -> None:
    folders = {part: Path(import_module(f"seqgap.{part}").__path__[0]) for part in PARTS}
    assert source()["digest"] == digest_of(folders)
