"""Which source was measured: a digest of its files, and the commit where they are those of a git checkout."""

import contextlib
import hashlib
import importlib
import os
import subprocess
from pathlib import Path
from typing import Any

_PARTS = ("bench", "kernels", "reference")
_LONGEST = 10  # seconds for git


def source() -> dict[str, Any]:
    """{commit, dirty, digest} of the package that runs.

    commit and dirty (something in its folders is not committed) are None where its files are not those of a
    git checkout: neither lies the package in one, nor is the working folder one with the same files.
    """
    installed = {part: Path(importlib.import_module(f"seqgap.{part}").__path__[0]) for part in _PARTS}
    digest = digest_of(installed)
    candidates = [installed["kernels"].parent]
    with contextlib.suppress(OSError):  # it has been deleted
        candidates.append(Path.cwd())
    for folder in candidates:
        same = digest_of({part: folder / part for part in _PARTS}) == digest
        if same and _git(folder, "ls-files", *_PARTS):  # tracked: a venv in a checkout lies in one, too
            changes = _git(folder, "status", "--porcelain", *_PARTS)
            dirty = None if changes is None else changes != ""
            return {"commit": _git(folder, "rev-parse", "HEAD"), "dirty": dirty, "digest": digest}
    return {"commit": None, "dirty": None, "digest": digest}


def digest_of(folders: dict[str, Path]) -> str:
    """16 hexadecimal digits of SHA-256 over the names and bytes of the Python files of some folders."""
    digest = hashlib.sha256()
    for name, folder in sorted(folders.items()):
        for path in sorted(folder.rglob("*.py")):
            for part in (f"{name}/{path.relative_to(folder).as_posix()}".encode(), path.read_bytes()):
                digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def _git(folder: Path, command: str, *arguments: str) -> str | None:
    """What git prints; None where it fails or is not installed."""
    # Without GIT_DIR and the like, which a hook sets for its own repository; the index is left as it is.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        line = ["git", "-C", str(folder), command, *arguments]
        done = subprocess.run(line, capture_output=True, timeout=_LONGEST, check=True, env=environment)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()
