"""Values of options, made of what was typed, and what Tab offers for them.

Only modules that import quickly are used here: completion runs the program for each press of Tab.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

_LARGEST = 2**24  # of a size, as bench.plan.options has it, which is not imported here: it needs NumPy
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class OneOf(click.Choice[str]):
    """One of some names; the error of a near miss suggests the name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; BadParameter where it is none."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            wrong = f"{error.message.removesuffix('.')}{suggestion(str(value), self.choices)}"
            raise click.BadParameter(wrong, ctx, param) from None


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` with the nearest of the known names, or nothing."""
    import difflib

    names = list(known)
    begin = [other for other in names if name and other.startswith(name)]
    near = begin[:1] or difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Integers separated by commas, each once; 2..20 stands for 2,4,8,16,20. The callback of an option."""
    if text is None:
        return None
    return tuple(dict.fromkeys(number for part in text.split(",") for number in _range(part)))


def _range(text: str) -> list[int]:
    """A number, or both ends of a range with the powers of two between."""
    first, dots, last = text.partition("..")
    try:
        low = int(first)
        high = int(last) if dots else low
    except ValueError:
        message = f"expected integers and ranges such as 2..1024, separated by commas, got {text!r}"
        raise click.BadParameter(message) from None
    if dots and high > _LARGEST:
        raise click.BadParameter(f"expected integers from 1 to {_LARGEST}, got {text!r}")
    if dots and not 1 <= low <= high:
        raise click.BadParameter(f"expected a range from a smaller number to a larger one, got {text!r}")
    between = (2**k for k in range(low.bit_length(), (high - 1).bit_length())) if dots else ()
    return [low, *between, high]


def words(
    context: click.Context, parameter: click.Parameter, value: str | Sequence[str] | None
) -> tuple[str, ...] | None:
    """Words separated by commas, each once, also of an option that may be repeated; None for none."""
    texts = [value] if isinstance(value, str) else value
    return tuple(dict.fromkeys(part.strip() for text in texts for part in text.split(","))) if texts else None


def seconds(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """The seconds of a duration such as 90s, 10m or 1h30m: the callback of an option."""
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    total = (
        sum(int(n or 0) * unit for n, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
    )
    if total == 0:
        raise click.BadParameter(f"expected a duration such as 90s, 10m or 1h30m, got {text!r}")
    return total


def completed(names: Callable[[], Iterable[str]]) -> Callable[..., list[str]]:
    """What Tab offers for the last word of a list with commas: the `shell_complete` of an option."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in names() if name.startswith(last)]

    return complete


def case_names() -> list[str]:
    """The stems of the cases."""
    from seqgap.bench.model.registry import stems

    return stems("bench.cases")


def dtype_names() -> tuple[str, ...]:
    """The dtypes that operations take."""
    from seqgap.bench.model.case import DTYPES

    return DTYPES


def public_implementations() -> tuple[str, ...]:
    """The implementations that users know; ladders have others."""
    from seqgap.bench.model.implementation import MAIN, PEERS

    return tuple(dict.fromkeys((*MAIN, *PEERS)))
