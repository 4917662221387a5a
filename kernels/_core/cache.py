"""Compiled kernels on disk: a second process compiles nothing, and no stale kernel ever runs.

Not Numba's own cache, which looks at one file and not at the options, and keeps an index that two
processes can garble. Here an entry is one file, written in one step, named by the hash of all that
decides its machine code: the files of the kernels, versions, settings, processor, the function with
what it closes over and calls, options and argument types. Whatever goes wrong, the kernel is compiled.
"""

import hashlib
import pickle
import re
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite
import numba
import numpy as np
import platformdirs
from numba.core import compiler, config, event, sigutils
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

from seqgap.kernels._core import sources

_VERSIONS = (numba.__version__, llvmlite.__version__, np.__version__, sys.version)
# Settings of Numba that are not compiled in; any other makes entries of its own.
_NOT_COMPILED_IN = {"CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_DEFAULT_NUM_THREADS", "THREADING_LAYER"}
_KEPT = 8  # folders, one for each state of the files: what was last edited, or another version
_HASH_BYTES = 32
LOADING = "seqgap:load"  # the event, as of numba.core.event, of looking for an entry and loading it


def enable(dispatcher: Any) -> None:
    """Let a jitted function of this package load its machine code from disk, and store it there."""
    sources.loaded()  # notices a module that is read after an edit
    if not config.DISABLE_JIT:  # else it is a plain function
        dispatcher._cache = _Cache(dispatcher)


def count() -> int:
    """How many kernels of these files and versions are on disk, so that no process compiles them again."""
    folder = _folder()
    return len(list(folder.iterdir())) if folder is not None and folder.is_dir() else 0


class _Cache(NullCache):  # type: ignore[misc]  # numba is not followed for types
    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher

    @property
    def cache_path(self) -> str | None:
        folder = _folder()
        return None if folder is None else str(folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with event.trigger_event(LOADING):
            return self._load(sig, target_context)

    def _load(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        try:
            file, key = self._entry(sig, target_context.codegen())
            stored = file.read_bytes()
            if hashlib.sha256(stored[_HASH_BYTES:]).digest() != stored[:_HASH_BYTES]:
                return None
            stored_key, result = pickle.loads(stored[_HASH_BYTES:])
            return compiler.CompileResult._rebuild(target_context, *result) if stored_key == key else None
        except Exception:  # not there, not readable, not cacheable: compile
            return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        if cres.lifted or cres.library.has_dynamic_globals:
            return
        try:
            file, key = self._entry(sig, cres.codegen)
            data = dumps((key, cres._reduce()))
            _write(file, hashlib.sha256(data).digest() + data)
        except Exception:  # no folder, no space, not cacheable: the kernel runs all the same
            return

    def _entry(self, sig: Any, codegen: Any) -> tuple[Path, Any]:
        """The file of an entry, and all that decides its content besides the name of the folder."""
        folder = _folder()
        if folder is None:
            raise _NotCacheableError
        settings = [
            (name, repr(value))
            for name, value in sorted(vars(config).items())
            if name.isupper() and name not in _NOT_COMPILED_IN and isinstance(value, int | str | None)
        ]
        arguments, result = sigutils.normalize_signature(sig)
        classes = [type(argument).__name__ for argument in arguments]  # some print alike
        key = (_identity(self._dispatcher, ()), arguments, classes, result, codegen.magic_tuple(), settings)
        function = self._dispatcher.py_func
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        return folder / f"{name}-{_hash(key)}", key


def _hash(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:32]


def _folder() -> Path | None:
    """Where the entries of these files and versions lie; None where nothing may be cached."""
    files = sources.loaded()
    if files is None:
        return None
    root = Path(config.CACHE_DIR) if config.CACHE_DIR else platformdirs.user_cache_path(appauthor=False)
    return root / "seqgap-kernels" / _hash((files, _VERSIONS))


def _write(file: Path, data: bytes) -> None:
    if not file.parent.is_dir():
        file.parent.mkdir(parents=True, exist_ok=True)
        ours = [path for path in file.parent.parent.iterdir() if re.fullmatch("[0-9a-f]{32}", path.name)]
        for old in sorted(ours, key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    handle, name = tempfile.mkstemp(dir=file.parent)
    temporary = Path(name)
    try:
        with open(handle, "wb") as stream:
            stream.write(data)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class _NotCacheableError(Exception):
    """The function uses something that the name of an entry cannot say."""


def _identity(dispatcher: Any, callers: tuple[Any, ...]) -> str:
    """A jitted function: its code, its options, and the values of its outer names."""
    function = dispatcher.py_func
    name = f"{function.__module__}.{function.__qualname__}"
    if not name.startswith("seqgap.kernels."):  # of a file that the digest does not cover
        raise _NotCacheableError
    if dispatcher in callers:
        return name
    code = function.__code__
    outer = {key: function.__globals__[key] for key in code.co_names if key in function.__globals__}
    cells = (cell.cell_contents for cell in function.__closure__ or ())
    outer.update(zip(code.co_freevars, cells, strict=True))
    options = sorted((key, _value(value, ())) for key, value in dispatcher.targetoptions.items())
    values = [(key, _value(value, (*callers, dispatcher))) for key, value in sorted(outer.items())]
    return repr((name, sources.describe(code), function.__defaults__, options, values))


def _value(value: Any, callers: tuple[Any, ...]) -> str:
    if isinstance(value, Dispatcher):
        return _identity(value, callers)
    if isinstance(value, tuple):
        return repr([_value(item, callers) for item in value])
    if isinstance(value, set | frozenset):
        return repr(sorted(map(repr, value)))
    if isinstance(value, int | float | str | np.generic | None):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, ModuleType):
        return value.__name__
    module, name = getattr(value, "__module__", None) or "", getattr(value, "__qualname__", "<locals>")
    known = module.partition(".")[0] in ("builtins", "math", "numba", "numpy", "seqgap")
    if not known or "<locals>" in name:  # a name that several functions may have
        raise _NotCacheableError
    return f"{module}.{name}"
