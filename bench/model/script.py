"""A Python file of a user, executed; what is wrong with it is one line that names the file and the line."""

import ast
import contextlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click


class CaseError(click.ClickException):
    """A case from outside that cannot be used; the message is one line and names file and line."""


def read(path: Path) -> bytes:
    """The bytes of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CaseError(f"{path}: cannot be read ({error.strerror or error})") from None


def execute(path: Path, text: bytes, name: str) -> ModuleType:
    """The module of this name that the text of a file makes; what it prints goes to standard error.

    The folder of the file comes first for its imports, and last for those of its functions: it must not hide
    what this package imports later.
    """
    source = _decoded(path, text)
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    with _first(str(path.parent)), contextlib.redirect_stdout(sys.stderr):
        try:
            exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
        except SyntaxError as error:
            raise CaseError(f"{error.filename or path}:{error.lineno or 1}: {said(error)}") from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an exit too, or a test that is skipped
            raise CaseError(f"{path}:{line_of(error, path)}: {said(error)}") from None
    return module


def said(error: BaseException) -> str:
    """The type of an error, and what it says."""
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # of a user's own class
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def line_of(error: BaseException, path: Path) -> int:
    """The innermost line of a file that an error came through, 1 where it came through none."""
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == str(path)]
    return lines[-1] if lines else 1


def innermost(error: BaseException) -> str:
    """Where an error was raised, as ` (FILE:LINE)`."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({frame.filename}:{frame.lineno})"


def line_of_assignment(name: str, text: bytes) -> int:
    """Where a text assigns to a name for the last time, 1 where it does not."""
    stored = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name) and node.id == name)
    return max((node.lineno for node in stored if isinstance(node.ctx, ast.Store)), default=1)


def _decoded(path: Path, text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise CaseError(f"{path}:{line}: not UTF-8") from None


@contextlib.contextmanager
def _first(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # it may have been taken out
            sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
