"""Files of arrays in NumPy's npz format: written whole or not at all, read if they hold what they promise."""

import math
import os
import secrets
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from seqgap.kernels._core.check import Array

Result = TypeVar("Result")


def write(path: str | os.PathLike[str], arrays: dict[str, Any]) -> None:
    """Write arrays under their names, through a symbolic link to its target; there is no pickle in it.

    Raises OSError, or ValueError for a path to something else than a regular file, such as a FIFO.
    """
    target = Path(os.path.realpath(path))
    if os.path.lexists(target):
        _refuse_irregular(path, target.lstat())
    elif os.fspath(path).endswith(os.sep):
        raise ValueError(f"path: expected the name of a file, got {os.fspath(path)!r}")
    part = target.with_name(f".{secrets.token_hex(8)}.part")  # of this call alone: threads may share a path
    try:
        with open(part, "xb") as file:
            np.savez(file, **arrays)
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    except OSError as error:
        if error.errno is None:  # NumPy's own
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None  # not the name of the part
    finally:
        part.unlink(missing_ok=True)


def read(path: str | os.PathLike[str], writer: str, build: Callable[[dict[str, Array]], Result]) -> Result:
    """What `build` makes of the arrays that `write` wrote.

    Raises OSError, or ValueError naming `writer` for any file that it did not write: no more is read of one
    than it has bytes, whatever its headers promise.
    """
    _refuse_irregular(path, Path(path).stat())
    with open(path, "rb") as file:
        try:
            return build(_arrays(file))
        except Exception as error:  # a damaged file leads zipfile and NumPy to errors of a dozen classes
            message = f"path: expected a file of {writer}, got {os.fspath(path)!r}: {error}"
            raise ValueError(message) from None


def _refuse_irregular(path: str | os.PathLike[str], status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        mode = stat.filemode(status.st_mode)
        raise ValueError(f"path: expected a regular file or a new name, got {os.fspath(path)!r} ({mode})")


def _arrays(file: BinaryIO) -> dict[str, Array]:
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"expected members that are stored, not compressed, got {member.filename}")
        promised = sum(member.file_size + member.compress_size for member in members) / 2
        if promised > size:  # members overlap, or are larger than the file
            raise ValueError(f"expected members of at most {size} bytes together, got {promised:.0f}")
        return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """One array, once its header is seen to promise what the file has."""
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"expected version 1.0 of NumPy's npy format in {member.filename}")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        promised = math.prod(shape) * dtype.itemsize + file.tell()
    if not dtype.itemsize or min(shape, default=0) < 0 or promised != member.file_size:
        raise ValueError(
            f"expected an array of {member.file_size} bytes in {member.filename}, got {dtype} {shape}"
        )
    with archive.open(member) as file:
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array
