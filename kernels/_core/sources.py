"""What the kernels were made from: a digest of all their files, for the cache on disk."""

import functools
import hashlib
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

_FOLDER = Path(__file__).parents[1]


def describe(code: CodeType) -> str:
    """What `code` does, in the same words in every process; its place in the file left out."""
    constants = [_constant(value) for value in code.co_consts]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return repr((code.co_name, code.co_argcount, code.co_flags, code.co_code.hex(), *names, constants))


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return describe(value)
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


def digest() -> str | None:
    """A hash of every file of the package, sub-folders too: its text, and the code that Python makes of it.

    The code too, since Python runs a compiled file of the same time and size instead of the text.
    None if the files cannot be read.
    """
    try:
        stats = [(path, path.stat()) for path in sorted(_FOLDER.rglob("*.py"))]
        return _digest(tuple((path, s.st_mtime_ns, s.st_ctime_ns, s.st_size) for path, s in stats)) or None
    except (OSError, SyntaxError, ValueError):
        return None


@functools.lru_cache(maxsize=1)
def _digest(stats: tuple[tuple[Path, int, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, *_ in stats:
        module = path.relative_to(_FOLDER).with_suffix("")
        name = ".".join(("seqgap.kernels", *module.parts)).removesuffix(".__init__")
        code = SourceFileLoader(name, str(path)).get_code(name)
        for part in (name.encode(), path.read_bytes(), describe(code).encode() if code else b""):
            digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest() if stats else ""


class _Known:
    digest = digest()  # seqgap.kernels imports this module before any other is read
    valid = digest is not None


def loaded() -> str | None:
    """The digest of the files that this process runs; None for good once a file has been edited."""
    if _Known.valid and digest() != _Known.digest:
        _Known.valid = False  # from now on a module may hold either text
    return _Known.digest if _Known.valid else None
