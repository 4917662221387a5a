"""Options that several commands have, and what no run on this machine can have."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seqgap.bench.cli.values import (
    case_names,
    completed,
    dtype_names,
    numbers,
    public_implementations,
    suggestion,
    words,
)

if TYPE_CHECKING:
    from seqgap.bench.plan.options import Options

_Function = TypeVar("_Function", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """The end of a help text."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def case_option(text: str) -> Callable[[_Function], _Function]:
    """--case, with commas or once for each."""
    return click.option(
        "--case",
        multiple=True,
        callback=words,
        metavar="NAME,...",
        shell_complete=completed(case_names),
        help=text,
    )


def numbers_option(
    name: str, metavar: str, text: str, default: str | None = None
) -> Callable[[_Function], _Function]:
    """Integers and ranges of them."""
    return click.option(
        name, callback=numbers, default=default, show_default=default is not None, metavar=metavar, help=text
    )


def out_option(function: _Function) -> _Function:
    """--out, the folder to write into."""
    text = "New result folder. [default: seqgap-results/DATE]"
    return click.option("--out", callback=new_path, metavar="DIR", help=text)(function)


def new_path(context: click.Context, option: click.Parameter, value: str | None) -> Path | None:
    """The path of a folder; the callback of an option. An empty one, as of an unset variable, is none."""
    if value == "":
        raise click.BadParameter("expected a folder, got ''")
    return None if value is None else Path(value)


def detail_options(function: _Function) -> _Function:
    """-q and -v: how much to print."""
    quiet = click.option("-q", "--quiet", is_flag=True, callback=_alone, help="The result alone, and errors.")
    verbose = click.option("-v", "--verbose", is_flag=True, callback=_alone, help="All tables too.")
    return quiet(verbose(function))


def _alone(context: click.Context, option: click.Parameter, chosen: bool) -> bool:
    if chosen and (context.params.get("quiet") or context.params.get("verbose")):
        raise click.UsageError("--quiet and --verbose: choose one of them")
    return chosen


def validated(options: "Options") -> "Options":
    """The options; UsageError where no run on this machine can have them."""
    from seqgap.bench.model.registry import implementation_names
    from seqgap.kernels._core.jit import threads_available

    _refuse_unknown("--impl", options.impl, implementation_names(), public_implementations())
    _refuse_unknown("--dtype", options.dtype, dtype_names(), dtype_names())
    most = threads_available()
    if max(options.threads) > most:
        raise click.UsageError(
            f"--threads: expected integers from 1 to {most}, the hardware threads of this machine, got"
            f" {max(options.threads)}"
        )
    try:
        options.validate(most)
    except ValueError as error:
        raise click.UsageError(f"--{error}") from None
    if options.processes == 1:
        click.echo("Warning: one process gives no intervals, so every comparison stays undecided", err=True)
    return options


def _refuse_unknown(option: str, names: Sequence[str], known: Sequence[str], public: Sequence[str]) -> None:
    """UsageError for the first name that is none of the known; what users know comes first."""
    for name in names:
        if name not in known:
            first = [other for other in public if other in known]
            also = [other for other in known if other not in public]
            more = f"; also {', '.join(also)};" if also else ","
            expected = f"expected some of {', '.join(first)}{more}"
            raise click.UsageError(f"{option}: {expected} got {name!r}{suggestion(name, known)}")


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
    click.echo(f"Not installed, left out: {needs}", err=True)
    return tuple(name for name in impl if name not in names)


def refuse_idle(options: "Options", cases: Sequence[str], impl: Sequence[str]) -> None:
    """UsageError where a pattern of --case fits nothing, or nothing is left to measure.

    cases, impl: those asked for by name. An implementation that no operation has is named in a line.
    """
    from seqgap.bench.model.registry import implementation_names
    from seqgap.bench.plan.cells import plan

    for name in cases:
        if not plan(replace(options, case=(name,), impl=implementation_names())):
            near = suggestion(name, _operation_names()) or "; see seqgap list"
            raise click.UsageError(f"--case: nothing matches {name or repr(name)}{near}")
    idle = [name for name in options.impl if not plan(replace(options, impl=(name,)))]
    if len(idle) == len(options.impl):
        threads = " on several threads" if min(options.threads) > 1 else ""
        raise click.UsageError(
            f"--impl: no chosen operation runs in {', '.join(idle)}{_dtypes(options, idle)}{threads};"
            " see seqgap list"
        )
    if named := [name for name in impl if name in idle]:
        where = f"{', '.join(named)}{_dtypes(options, named)}"
        click.echo(f"No chosen operation runs in {where}; left out", err=True)


def _dtypes(options: "Options", names: Sequence[str]) -> str:
    """The dtypes that were asked for, where one of the implementations takes none of them."""
    from seqgap.bench.model.implementation import implementation

    none = any(not {*options.dtype} & {*implementation(name).dtypes} for name in names)
    return f" with {' or '.join(options.dtype)}" if none else ""


def _operation_names() -> list[str]:
    """The stems, and stem.operation of all that is timed."""
    from seqgap.bench.model.registry import cases

    return [
        *cases(),
        *(f"{stem}.{o.name}" for stem, case in cases().items() for o in case.operations if o.timed),
    ]
