"""Files of flows: whole or not at all under any name, and nothing but a `ValueError` for any other file."""

import os
import resource
import stat
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seqgap import Flow
from seqgap.kernels import affine_coupling

FLOW = Flow(affine_coupling.random_params(4, 1))
REFUSED = r"^path: expected a file of Flow\.save, got '.*flow\.npz'"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flow.npz"
    FLOW.save(path)
    return path


def test_threads_save_and_load_one_path(path: Path) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(60):
                FLOW.save(path)
                Flow.load(path)
        except BaseException as error:  # of any class: it is looked at below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(path.parent.iterdir()) == [path]


def test_a_symbolic_link_stays_and_its_target_is_written(path: Path) -> None:
    link, other = path.with_name("link"), Flow(affine_coupling.random_params(4, 2))
    link.symlink_to(path)
    other.save(link)
    assert link.is_symlink()
    assert Flow.load(path).sample(3, 1).tobytes() == other.sample(3, 1).tobytes()
    dangling = path.with_name("dangling")
    dangling.symlink_to(path.with_name("new"))
    other.save(dangling)
    assert dangling.is_symlink()
    assert path.with_name("new").is_file()


def test_what_is_no_regular_file_is_neither_replaced_nor_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    link = tmp_path / "link"
    link.symlink_to(fifo)
    for name in (fifo, link, tmp_path, Path("/dev/null")):
        mode = name.stat().st_mode
        for verb in (FLOW.save, Flow.load):
            with pytest.raises(ValueError, match=r"^path: expected a regular file.*, got "):
                verb(name)
        assert stat.S_IFMT(name.stat().st_mode) == stat.S_IFMT(mode)
    assert sorted(tmp_path.iterdir()) == [fifo, link]


def test_a_file_keeps_its_mode_and_a_folder_its_name(path: Path) -> None:
    path.chmod(0o600)
    FLOW.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ValueError, match=r"^path: expected the name of a file, got '.*new/'"):
        FLOW.save(f"{path.with_name('new')}/")


def test_names_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    FLOW.save(path)
    assert Flow.load(path).dim == 4
    with pytest.raises(OSError, match=r"name too long: '.*nnn'$"):
        FLOW.save(tmp_path / ("n" * 256))
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: '.*/none/flow'$"):
        FLOW.save(tmp_path / "none" / "flow")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_on_a_full_disk_leaves_the_old_one(path: Path) -> None:
    before = path.read_bytes()
    code = (
        "import resource, signal, sys\n"
        "from seqgap import Flow\n"
        "flow = Flow.load(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "flow.save(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert "OSError" in done.stderr, done.stderr
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """An .npy file that promises an array of this shape and has none of it."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _member(name: str, data: bytes, method: int = zipfile.ZIP_STORED) -> Callable[[Path], None]:
    """Writes `data` under the name of a member, or as one more."""

    def write(path: Path) -> None:
        members = {**_members(path), name: data}
        with zipfile.ZipFile(path, "w") as file:
            for key, value in members.items():
                file.writestr(key, value, method if key == name else zipfile.ZIP_STORED)

    return write


def _byte(signature: bytes, offset: int, value: int) -> Callable[[Path], None]:
    """Sets a byte of the first record with a signature (APPNOTE 4.3, the format of zip)."""

    def write(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[data.index(signature) + offset] = value
        path.write_bytes(data)

    return write


CENTRAL = b"PK\x01\x02"


def _overlapping(path: Path) -> None:
    """2000 members that are one and the same."""
    with zipfile.ZipFile(path, "a") as file:
        file.filelist += file.filelist[-1:] * 2000
        file.comment = b"so that the directory is written anew"


HOSTILE = {
    "24 TB promised": _member("0.a_s.npy", _header("<f8", (10**12, 3))),
    "2^40 integers promised": _member("permutation.npy", _header("<i8", (2**40,))),
    "2^64 entries": _member("0.a_s.npy", _header("<f8", (2**64,))),
    "10^20 entries of no bytes": _member("families.npy", _header("<U0", (10**4,) * 5)),
    "2^40 records of no bytes": _member("0.a_s.npy", _header("|V0", (2**40,))),
    "members that overlap": _overlapping,
    "negative shape": _member("0.a_s.npy", _header("<f8", (-1,))),
    "256 MiB of zeros that nobody wants": _member("more.npy", bytes(2**28), zipfile.ZIP_DEFLATED),
    "256 MiB of zeros in a field": _member("0.a_s.npy", bytes(2**28), zipfile.ZIP_DEFLATED),
    "bzip2": _member("0.a_s.npy", bytes(20), zipfile.ZIP_BZIP2),
    "lzma": _member("0.a_s.npy", bytes(20), zipfile.ZIP_LZMA),
    "deeply nested header": _member("0.a_s.npy", b"\x93NUMPY\x01\x00\x40\x9c" + b"(" * 40000),
    "objects": _member("0.a_s.npy", _header("|O", (2,)) + b"cos\nsystem\n"),
    "dates": _member("0.a_s.npy", _header("<M8[s]", (2,)) + bytes(16)),
    "records": _member("families.npy", _header("|V4", (1,)) + bytes(4)),
    "no array": _member("0.a_s.npy", b"text"),
    "a method of compression that nobody knows": _byte(CENTRAL, 10, 99),
    "encrypted": _byte(CENTRAL, 8, 1),
    "strong encryption": _byte(CENTRAL, 8, 0x41),
    "patched data": _byte(CENTRAL, 8, 0x20),
    "an offset beyond the end": _byte(CENTRAL, 44, 0x7F),
    "a size beyond the end": _byte(CENTRAL, 27, 0x7F),
    "a newer zip": _byte(CENTRAL, 6, 255),
}


@pytest.mark.parametrize("damage", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_files_are_refused_unread(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=REFUSED):
        Flow.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16  # KiB: 64 MiB


def test_any_byte_changed_is_refused_or_harmless(path: Path) -> None:
    whole, generator = path.read_bytes(), np.random.default_rng(1)
    for _ in range(2000):
        data = bytearray(whole)
        for position in generator.integers(0, len(data), generator.integers(1, 4)):
            data[position] = generator.integers(0, 256)
        path.write_bytes(data[: generator.integers(1, len(data) + 1)] if generator.random() < 0.2 else data)
        try:
            Flow.load(path)
        except ValueError as error:
            assert str(error).startswith("path: expected a file of Flow.save, got ")  # noqa: PT017


def test_a_compressed_copy_is_refused_and_says_so(path: Path) -> None:
    with np.load(path) as file:
        fields = {name: file[name] for name in file.files}
    np.savez_compressed(path, **fields)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="stored, not compressed"):
        Flow.load(path)
