"""Defaults of options: `[tool.seqgap.COMMAND]` in pyproject.toml, and who set a wrong one."""

import contextlib
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from seqgap.bench.cli.values import suggestion

FILE = "pyproject.toml"


def defaults(group: click.Group) -> tuple[Path | None, dict[str, dict[str, Any]]]:
    """The nearest pyproject.toml in the working folder and those above, and its defaults by command.

    Values are texts, as if typed; UsageError where a key is no command or option, or a value no text.
    """
    path = _nearest()
    if path is None:
        return None, {}
    tool = _table(_read(path).get("tool", {}), f"{path}: tool")
    tables = _table(tool.get("seqgap", {}), f"{path}: tool.seqgap")
    return path, {name: _of_command(group, name, values, path) for name, values in tables.items()}


def _nearest() -> Path | None:
    with contextlib.suppress(OSError):  # a working folder that has been deleted, or may not be looked into
        here = Path.cwd()
        return next((path for folder in (here, *here.parents) if (path := folder / FILE).is_file()), None)
    return None


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise click.UsageError(f"{path}: not TOML ({error})") from None


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise click.UsageError(f"{where}: expected a table, got {value!r}")
    return value


def _of_command(group: click.Group, name: str, values: Any, path: Path) -> dict[str, Any]:
    where = f"{path}: tool.seqgap.{name}"
    command = group.commands.get(name)
    if command is None:
        raise click.UsageError(f"{where}: no such command{suggestion(name, group.commands)}")
    options = {_key(option): option for option in command.params if isinstance(option, click.Option)}
    for key in _table(values, where):
        if key not in options:
            raise click.UsageError(f"{where}.{key}: no such option{suggestion(key, options)}")
    return {
        options[key].name or key: _text(options[key], value, f"{where}.{key}")
        for key, value in values.items()
    }


def _key(option: click.Option) -> str:
    """`fail-on` for --fail-on."""
    return max(option.opts, key=len).lstrip("-")


def _text(option: click.Option, value: Any, where: str) -> str | list[str]:
    """A value as it would be typed: lists with commas, or once for each use of an option that is repeated."""
    texts = [_one(item, where) for item in (value if isinstance(value, list) else [value])]
    return texts if option.multiple else ",".join(texts)


def _one(value: Any, where: str) -> str:
    if not isinstance(value, str | int | float):
        raise click.UsageError(
            f"{where}: expected a text, a number, true, false, or a list of them, got {value!r}"
        )
    if "\0" in str(value):
        raise click.UsageError(f"{where}: expected a text without NUL, got {value!r}")
    return str(value)


def origin(error: click.ClickException) -> str:
    """Where the options that an error names come from, if they were not typed."""
    context = getattr(error, "ctx", None)
    if context is None:
        return ""
    message = error.format_message()
    named = [option for option in context.command.params if any(opt in message for opt in option.opts)]
    return "".join(_source(context, option) for option in named if isinstance(option, click.Option))


def _source(context: click.Context, option: click.Option) -> str:
    source = context.get_parameter_source(option.name or "")
    if source is ParameterSource.DEFAULT_MAP:
        return f" (from {context.find_root().obj}: tool.seqgap.{context.info_name}.{_key(option)})"
    if source is ParameterSource.ENVIRONMENT:
        return f" (from the variable {context.auto_envvar_prefix}_{(option.name or '').upper()})"
    return ""
