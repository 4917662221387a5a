"""The command line. Heavy modules are imported inside the commands, so that --help is quick."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqgap.bench.cli.audit import audit
from seqgap.bench.cli.compare import compare
from seqgap.bench.cli.ladder import ladder

if TYPE_CHECKING:
    from rich.console import Console

    from seqgap.bench.results.rows import RunFolder

_PIPED_WIDTH = 180  # of tables that do not go to a terminal


def _numbers(context: Any, parameter: Any, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise click.BadParameter(f"expected integers separated by commas, got {text!r}") from None


def _words(context: Any, parameter: Any, text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seqgap", message="%(prog)s %(version)s")
def cli() -> None:
    """Measure what it costs to sample one dimension at a time."""


@cli.command()
@click.option(
    "--profile",
    type=click.Choice(["smoke", "quick", "full"]),
    help="Which sizes; full has all operations. [default: quick]",
)
@click.option(
    "--case", multiple=True, metavar="GLOB", help="Only matching stems or stem.operations; repeatable."
)
@click.option("--impl", callback=_words, metavar="NAMES", help="Implementations, such as python,numpy,numba.")
@click.option("--dim", callback=_numbers, metavar="D,...", help="Dimensions.")
@click.option("--batch", callback=_numbers, metavar="N,...", help="Batch sizes.")
@click.option("--threads", callback=_numbers, metavar="T,...", help="Thread counts.")
@click.option("--processes", type=int, metavar="P", help="Fresh processes that each measure every cell.")
@click.option("--dtype", callback=_words, metavar="NAMES", help="float64,float32 or one of them.")
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), help="Seed of inputs and parameters. [default: 25]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Result folder. [default: seqgap-results/DATE]")
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR", help="Finish the run in DIR.")
def run(out: Path | None, resume: Path | None, **choices: Any) -> None:
    """Time the cases, print the gap table, draw the curves.

    Every finished cell is on disk at once; --resume DIR goes on where a run was stopped.
    """
    from seqgap.bench.measure.parent import measure_run, stoppable
    from seqgap.bench.report.summary import report

    chosen = {key: value for key, value in choices.items() if value not in (None, ())}
    console = make_console()
    if resume is not None:
        given = [f"--{key}" for key in [*chosen, *(["out"] if out else [])]]
        if given:
            raise click.UsageError(f"--resume takes its options from DIR; drop {', '.join(given)}")
        folder = _resume(resume)
    else:
        folder = _start(out, chosen)
    with stoppable(folder):
        measure_run(console, folder)
        complete = report(console, folder.path)
    if not complete:
        sys.exit(1)


def _start(out: Path | None, chosen: dict[str, Any]) -> "RunFolder":
    from seqgap.bench.measure.parent import start
    from seqgap.bench.plan.cells import plan
    from seqgap.bench.plan.options import profile
    from seqgap.kernels._core.jit import threads_available

    if "batch" in chosen:
        chosen["map"] = ()
    if "threads" in chosen:
        chosen["ladder_threads"] = max(chosen["threads"])
    options = replace(profile(chosen.pop("profile", "quick"), threads_available()), **chosen)
    try:
        options.validate(threads_available())
    except ValueError as error:
        raise click.UsageError(f"--{error}") from None
    options = replace(options, impl=_installed(options.impl))
    if not plan(options):
        if not plan(replace(options, impl=("numba",))):
            raise click.UsageError(f"--case: nothing matches {' '.join(options.case)}; see seqgap list")
        raise click.UsageError("--impl: python runs on one thread; choose another or --threads 1")
    return start(options, out or dated())


def _installed(impl: tuple[str, ...]) -> tuple[str, ...]:
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


def _resume(path: Path) -> "RunFolder":
    from seqgap.bench.machine.environment import environment
    from seqgap.bench.results.rows import ResultError, RunFolder, read_environment

    here, there = environment(), read_environment(path)
    for key in ("machine", "versions"):
        if here[key] != there.get(key):
            raise ResultError(f"{path}: measured with other {key}; start a new run")
    return RunFolder.resume(path)


def dated() -> Path:
    """A new name of a result folder, made of the time."""
    from datetime import datetime

    now = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    names = (Path("seqgap-results") / f"{now}{suffix}" for suffix in ("", *(f"-{i}" for i in range(2, 100))))
    return next(path for path in names if not path.exists())


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, in seconds, bytes/s and flop/s.")
def machine(as_json: bool) -> None:
    """Measure this machine's ceilings: bandwidths, arithmetic, call overheads. About 5 seconds.

    Each is the best of several repetitions, on one core unless said.
    """
    import json

    from seqgap.bench.machine.probe import measure_machine
    from seqgap.bench.measure.parent import MEASURING
    from seqgap.bench.report.tables import print_ceilings

    click.echo(MEASURING, err=True)
    found = measure_machine(parallel=True)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
    else:
        print_ceilings(make_console(), found)


@cli.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the pictures. [default: the first of RESULTS]"
)
def plot(results: tuple[Path, ...], out: Path | None) -> None:
    """Draw all pictures of a result folder, or the curves of several together, from their files alone."""
    from seqgap.bench.report.plots import draw
    from seqgap.bench.report.tables import tell_damaged
    from seqgap.bench.results.run import read_run

    target = out or results[0]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    damaged = [path for path in results if tell_damaged(read_run(path))]  # told if nothing can be drawn too
    for path in draw(results, target):
        click.echo(path)
    if damaged:
        sys.exit(2)


@cli.command()
def verify() -> None:
    """Compare every operation with its plain-Python reference; exit code 1 if one is wrong."""
    from rich.progress import track

    from seqgap.bench.measure.verify import count
    from seqgap.bench.measure.verify import verify as verdicts
    from seqgap.bench.report.tables import print_verdicts

    console = make_console()
    found = list(track(verdicts(), "Comparing", count(), console=console, transient=True))
    if not print_verdicts(console, found):
        sys.exit(1)


@cli.command(name="list")
@click.option(
    "--dim",
    type=click.IntRange(1, 2**24),
    default=64,
    show_default=True,
    help="Dimension of the costs.",
)
def list_cases(dim: int) -> None:
    """List the operations with their depth, flops and implementations."""
    from seqgap.bench.report.tables import print_cases

    print_cases(make_console(), dim)


cli.add_command(ladder)
cli.add_command(audit)
cli.add_command(compare)


def make_console() -> "Console":
    """Where tables and progress go; wide enough for the tables where that is no terminal."""
    from rich.console import Console

    # The stream as it is now: pytest's output is sent elsewhere later, the progress is not.
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    return console


def main() -> None:
    """Entry point: every error is one line on standard error and exit code 2."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 0
    except click.ClickException as error:
        code = _fail(error.format_message())
    except click.Abort:
        code = 130
    except OSError as error:
        code = _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    click.echo(f"seqgap: {' '.join(message.split())}", err=True)
    return 2
