"""Values of options, as several commands take them."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from seqgap.bench.plan.options import Options


def numbers(context: Any, parameter: Any, text: str | None) -> tuple[int, ...] | None:
    """Integers separated by commas, each once: the callback of an option."""
    if text is None:
        return None
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise click.BadParameter(f"expected integers separated by commas, got {text!r}") from None


def words(context: Any, parameter: Any, text: str | None) -> tuple[str, ...] | None:
    """Words separated by commas, each once: the callback of an option."""
    if text is None:
        return None
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))


def validated(options: "Options") -> "Options":
    """The options; UsageError where no run on this machine can have them."""
    from seqgap.kernels._core.jit import threads_available

    try:
        options.validate(threads_available())
    except ValueError as error:
        raise click.UsageError(f"--{error}") from None
    return options


def installed(impl: tuple[str, ...]) -> tuple[str, ...]:
    """The implementations that can run here; the others are named in one line."""
    from seqgap.bench.model.implementation import left_out

    missing = left_out(impl)
    names = [name for group in missing.values() for name in group]
    if not names:
        return impl
    needs = "; ".join(f"{', '.join(group)} ({remedy})" for remedy, group in missing.items())
    if len(names) == len(impl):
        raise click.UsageError(f"--impl: not installed: {needs}")
    click.echo(f"Not installed, left out: {needs}")
    return tuple(name for name in impl if name not in names)


def dated() -> Path:
    """A new name of a result folder, made of the time."""
    now = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    names = (Path("seqgap-results") / f"{now}{suffix}" for suffix in ("", *(f"-{i}" for i in range(2, 100))))
    return next(path for path in names if not path.exists())
