"""A disk that is full, or a folder that may not be written: one line says where, and nothing is lost."""

import errno
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from command import SEQGAP, completed, invoke, seqgap
from synthetic import write_run

from seqgap.bench.analysis.run import read_run
from seqgap.bench.plan.cells import planned
from seqgap.bench.plan.options import Options
from seqgap.bench.results.folder import RunFolder
from seqgap.bench.results.rows import PROBES, ROWS, Probe, ResultError, Row

FULL = Path("/dev/full")
OPTIONS = Options(
    case=("diffusion.noise", "normal"), impl=("numpy",), dim=(2, 3, 4, 5), batch=(1,), map=(), processes=1
)
# Few curves, since each picture is drawn until the full disk stops it.
DRAWN = Options(case=("linear_ar",), impl=("numpy", "numba"), dim=(2, 8), batch=(1,), map=(), processes=2)
# Before the command and its arguments: no file grows beyond so many bytes.
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_a_run_whose_disk_is_full_goes_on_when_there_is_room(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    if not hasattr(signal, "SIGXFSZ"):
        pytest.skip("no limit of the size of files")
    folder = write_run(tmp_path / "run", OPTIONS, processes=1)
    lines = (folder / ROWS).read_bytes().splitlines(keepends=True)
    begun = b"".join(lines[:2])
    (folder / ROWS).write_bytes(begun)
    (folder / PROBES).unlink()
    most = max(path.stat().st_size for path in folder.iterdir()) + 1
    filler = json.dumps({"process": 9, "at": 1.0, "seconds": 1.0}).encode() + b"\n"
    (folder / PROBES).write_bytes(filler * ((most - 400) // len(filler)))  # room for a few more
    limited = [sys.executable, "-c", LIMITED, str(most), SEQGAP, "run", "--resume", str(folder)]
    stopped = completed(*limited, cwd=tmp_path)
    reason = os.strerror(errno.EFBIG)
    assert stopped.returncode == 2, stopped.stderr
    assert stopped.stderr.partition("\n")[2] == (  # after the line that says how much there is to do
        f"seqgap: {folder / PROBES}: cannot be written ({reason}); all before it is kept, go on with: "
        f"seqgap run --resume {folder}\n"
    )
    kept = (folder / ROWS).read_bytes()
    assert kept.startswith(begun)
    (folder / PROBES).write_bytes((folder / PROBES).read_bytes()[len(filler) * 3 :])
    done = seqgap("run", "--resume", str(folder), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (folder / ROWS).read_bytes().startswith(kept)
    run = read_run(folder)
    assert not run.damaged
    assert {row.cell for row in run.rows} == set(planned(OPTIONS))


@pytest.mark.parametrize("item", ["row", "probe"])
def test_a_row_that_finds_no_room_is_an_error_that_names_the_file(tmp_path: Path, item: str) -> None:
    if not FULL.exists():
        pytest.skip("no device that is always full")
    folder = RunFolder(write_run(tmp_path / "run", OPTIONS))
    name = ROWS if item == "row" else PROBES
    (folder.path / name).unlink()
    (folder.path / name).symlink_to(FULL)
    reason = os.strerror(errno.ENOSPC)
    with pytest.raises(ResultError) as caught:
        folder.append(Row(planned(OPTIONS)[0], "failed") if item == "row" else Probe(0, 1.0, 1.0))
    assert str(caught.value.message).startswith(f"{folder.path / name}: cannot be written ({reason})")


@pytest.mark.parametrize("name", ["curves.png", "curves.svg", "gap-map.csv"])
def test_a_picture_that_finds_no_room_is_an_error_that_names_the_file(tmp_path: Path, name: str) -> None:
    if not FULL.exists():
        pytest.skip("no device that is always full")
    folder = write_run(tmp_path / "run", DRAWN, processes=2)
    (folder / name).symlink_to(FULL)
    result = invoke("plot", folder)
    assert result.output == f"Error: {folder / name}: cannot be written ({os.strerror(errno.ENOSPC)})\n"
    assert isinstance(result.exception, SystemExit)


def test_a_folder_that_could_not_be_begun_is_left_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Or no later run could take it: it would be neither empty nor a run."""
    replace, calls = Path.replace, list[Path]()

    def full(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    path = tmp_path / "run"
    with pytest.raises(ResultError) as caught:
        RunFolder.create(path, {}, OPTIONS)
    assert caught.value.message == f"{path}: cannot be written ({os.strerror(errno.ENOSPC)})"
    assert len(calls) == 2
    assert list(path.iterdir()) == []
