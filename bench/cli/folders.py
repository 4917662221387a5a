"""Result folders by name: a path, or `latest` and `latest~1` among those that runs named by their date."""

import contextlib
import os
import re
from datetime import datetime
from pathlib import Path

import click
from click.shell_completion import CompletionItem

RESULTS = Path("seqgap-results")  # in the working folder
_LATEST = re.compile(r"latest(?:~(\d{1,9}))?")
_DATED = re.compile(r"(\d{4}-\d\d-\d\d-\d{6})(?:-(\d+))?")
_OF_A_RUN = "environment.json"  # as bench.results.folder has it, which is not imported here: it needs NumPy


def result_folder(name: str | os.PathLike[str]) -> Path:
    """The folder of a run: a path, or latest, latest~1, ... for the newest in `RESULTS` and those before.

    What exists under that name in the working folder comes first. ValueError where there is no such run.
    """
    if not os.fspath(name):
        raise ValueError(f"expected a folder, got ''; {_advice()}")
    path = Path(name)
    match = _LATEST.fullmatch(os.fspath(name))
    if match and not path.exists():
        return _newest(int(match[1] or 0), os.fspath(name))
    if not (path / _OF_A_RUN).exists():
        raise ValueError(
            f"{path}: {'not a result folder' if path.exists() else 'no such folder'}; {_advice()}"
        )
    return path


def to_folder(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    """The path of a result folder: the callback of an option or argument."""
    try:
        return None if value is None else result_folder(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def to_folders(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[Path, ...]:
    """As `to_folder`, of an argument that takes several; the newest where there is none."""
    return tuple(path for name in value or ("latest",) if (path := to_folder(context, parameter, name)))


def complete_folder(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """What Tab offers: `latest` and its predecessors, and folders."""
    names = ["latest", *(f"latest~{k}" for k in range(1, len(dated_folders())))]
    offered = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return [*offered, CompletionItem(incomplete, type="dir")]


def dated_folders() -> list[Path]:
    """The runs in `RESULTS` that were named by their date, the oldest first."""
    try:
        dated = [(match, path) for path in RESULTS.iterdir() if (match := _DATED.fullmatch(path.name))]
    except OSError:
        return []
    order = sorted(dated, key=lambda item: (item[0][1], int(item[0][2] or 1)))
    return [path for _, path in order if (path / _OF_A_RUN).exists()]


def _newest(back: int, name: str) -> Path:
    runs = dated_folders()
    if back < len(runs):
        return runs[-1 - back]
    raise ValueError(f"{name}: there are {len(runs)} runs in {RESULTS}" if runs else f"{name}: {_advice()}")


def _advice() -> str:
    runs = dated_folders()
    return (
        f"the newest is {runs[-1]}" if runs else f"there is no run in {RESULTS}, measure one with: seqgap run"
    )


def new_folder() -> Path:
    """A new name of a result folder, made of the time."""
    now = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    names = (RESULTS / f"{now}{suffix}" for suffix in ("", *(f"-{i}" for i in range(2, 100))))
    return next(path for path in names if not path.exists())


def enlist(folder: Path) -> None:
    """Have git ignore `RESULTS` and `RESULTS/latest` lead to this run of it; nothing for any other folder.

    Where links are impossible, `latest` is a file with the name. Neither is needed by seqgap: no error ends a
    run.
    """
    if folder.parent != RESULTS or not _DATED.fullmatch(folder.name):
        return
    with contextlib.suppress(OSError):
        ignored = RESULTS / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n")
        link = RESULTS / f".latest-{os.getpid()}"
        try:
            link.symlink_to(folder.name, target_is_directory=True)
        except OSError:
            link.write_text(f"{folder.name}\n")
        try:
            link.replace(RESULTS / "latest")
        except OSError:  # a folder has that name
            link.unlink()
