"""The command line. Heavy modules are imported inside the commands, so that --help is quick."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqgap.bench.compare_command import compare

if TYPE_CHECKING:
    from rich.console import Console

    from seqgap.bench.plan import Options
    from seqgap.bench.results import RunFolder

_MEASURING = "Measuring the ceilings of this machine, about 5 s ..."
_PIPED_WIDTH = 160  # of tables that do not go to a terminal


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
    "--profile", type=click.Choice(["smoke", "quick", "full"]), help="Which sizes. [default: quick]"
)
@click.option(
    "--case", multiple=True, metavar="GLOB", help="Only matching stems or stem.operations; repeatable."
)
@click.option("--impl", callback=_words, metavar="NAMES", help="Implementations, such as python,numpy,numba.")
@click.option("--dim", callback=_numbers, metavar="D,...", help="Dimensions.")
@click.option("--batch", callback=_numbers, metavar="N,...", help="Batch sizes.")
@click.option("--threads", callback=_numbers, metavar="T,...", help="Thread counts.")
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
    chosen = {key: value for key, value in choices.items() if value not in (None, ())}
    console = _console()
    if resume is not None:
        given = [f"--{key}" for key in [*chosen, *(["out"] if out else [])]]
        if given:
            raise click.UsageError(f"--resume takes its options from DIR; drop {', '.join(given)}")
        folder, options, done = _resume(resume)
    else:
        folder, options, done = *_start(out, chosen), set()
    try:
        if not _measure(console, folder, options, done):
            raise KeyboardInterrupt
        _report(console, folder)
    except KeyboardInterrupt:
        click.echo(f"Stopped. Go on with: seqgap run --resume {folder.path}")
        sys.exit(130)


def _start(out: Path | None, chosen: dict[str, Any]) -> "tuple[RunFolder, Options]":
    from seqgap.bench.environment import environment
    from seqgap.bench.machine import measure_machine
    from seqgap.bench.plan import plan, profile
    from seqgap.bench.results import RunFolder, make_empty
    from seqgap.kernels._jit import threads_available

    options = replace(profile(chosen.pop("profile", "quick"), threads_available()), **chosen)
    try:
        options.validate()
    except ValueError as error:
        raise click.UsageError(f"--{error}") from None
    options = replace(options, impl=_installed(options.impl))
    if not plan(options):
        if not plan(replace(options, impl=("numba",))):
            raise click.UsageError(f"--case: nothing matches {' '.join(options.case)}; see seqgap list")
        raise click.UsageError("--impl: python runs on one thread; choose another or --threads 1")
    path = out or _dated()
    make_empty(path)
    click.echo(_MEASURING)
    ceilings = measure_machine(parallel=max(options.threads) > 1)
    stored = {**environment(), "ceilings": ceilings.to_json()}
    return RunFolder.create(path, stored, options), options


def _installed(impl: tuple[str, ...]) -> tuple[str, ...]:
    """The implementations that can run here; the others are named in one line."""
    from seqgap.bench.peers import left_out

    missing = left_out(impl)
    names = [name for group in missing.values() for name in group]
    if not names:
        return impl
    needs = "; ".join(f"{', '.join(group)} ({remedy})" for remedy, group in missing.items())
    if len(names) == len(impl):
        raise click.UsageError(f"--impl: not installed: {needs}")
    click.echo(f"Not installed, left out: {needs}")
    return tuple(name for name in impl if name not in names)


def _resume(path: Path) -> "tuple[RunFolder, Options, set[Any]]":
    from seqgap.bench.environment import environment
    from seqgap.bench.results import ResultError, RunFolder, read_environment

    here, there = environment(), read_environment(path)
    for key in ("machine", "versions"):
        if here[key] != there.get(key):
            raise ResultError(f"{path}: measured with other {key}; start a new run")
    return RunFolder.resume(path)


def _dated() -> Path:
    from datetime import datetime

    now = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    names = (Path("seqgap-results") / f"{now}{suffix}" for suffix in ("", *(f"-{i}" for i in range(2, 100))))
    return next(path for path in names if not path.exists())


def _measure(console: "Console", folder: "RunFolder", options: "Options", done: set[Any]) -> bool:
    """Time what is not done yet; False if interrupted."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from seqgap.bench.measure import with_fraction
    from seqgap.bench.plan import plan, too_slow
    from seqgap.bench.results import Row, read_ceilings
    from seqgap.bench.session import Session, SessionError
    from seqgap.bench.session import run as run_session

    ceilings = read_ceilings(folder.path)
    planned = plan(options)
    todo = []
    for cell in planned:
        if cell in done:
            continue
        reason = too_slow(cell, options)
        if reason:
            folder.append(Row(cell, "skipped", reason=reason))
        else:
            todo.append(cell)
    if not todo:
        return True
    click.echo(f"{len(todo)} of {len(planned)} cells to measure, results in {folder.path}")
    columns = [
        BarColumn(30), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn(),
        TextColumn("{task.description}"),
    ]  # fmt: skip
    # No refresh thread: it would take time from what is measured.
    with Progress(
        *columns,
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        coming = iter(map(str, todo))
        task = progress.add_task(next(coming), total=len(todo))

        def finished(row: Row) -> None:
            folder.append(with_fraction(row, ceilings))
            progress.update(task, advance=1, description=next(coming, ""), refresh=True)

        try:
            return run_session(Session(options, todo, finished))
        except SessionError as error:
            log = folder.path / "pytest.log"
            log.write_text(error.output, encoding="utf-8")
            raise click.ClickException(f"the measurement ended early: {error}; see {log}") from None


def _report(console: "Console", folder: "RunFolder") -> None:
    from seqgap.bench.gap import gaps, write_csv
    from seqgap.bench.plot import draw
    from seqgap.bench.ranking import rankings
    from seqgap.bench.ranking import write_csv as write_peers
    from seqgap.bench.report import print_fractions, print_gaps, print_other_rows, print_peers
    from seqgap.bench.results import read_rows

    rows = read_rows(folder.path)
    found = gaps(rows)
    write_csv(found, folder.path / "gap.csv")
    print_gaps(console, found)
    ranked = rankings(rows)
    write_peers(ranked, folder.path / "peers.csv")
    print_peers(console, ranked)
    print_fractions(console, rows)
    print_other_rows(console, rows)
    written = draw([folder.path], folder.path) if any(row.status == "ok" for row in rows) else []
    names = ["rows.jsonl", "environment.json", "gap.csv", "peers.csv", *(path.name for path in written)]
    click.echo(f"Written to {folder.path}: {', '.join(names)}")
    if any(row.status == "failed" for row in rows):
        sys.exit(1)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, in seconds, bytes/s and flop/s.")
def machine(as_json: bool) -> None:
    """Measure this machine's ceilings: bandwidths, arithmetic, call overheads. About 5 seconds.

    Each is the best of several repetitions, on one core unless said.
    """
    import json

    from seqgap.bench.machine import measure_machine
    from seqgap.bench.report import print_ceilings

    click.echo(_MEASURING, err=True)
    found = measure_machine(parallel=True)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
    else:
        print_ceilings(_console(), found)


@cli.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the pictures. [default: the first of RESULTS]"
)
def plot(results: tuple[Path, ...], out: Path | None) -> None:
    """Draw the curves of one or more result folders, from their files alone."""
    from seqgap.bench.plot import draw

    target = out or results[0]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    for path in draw(results, target):
        click.echo(path)


@cli.command()
def verify() -> None:
    """Compare every operation with its plain-Python reference; exit code 1 if one is wrong."""
    from rich.progress import track

    from seqgap.bench.report import print_verdicts
    from seqgap.bench.verify import count
    from seqgap.bench.verify import verify as verdicts

    console = _console()
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
    from seqgap.bench.report import print_cases

    print_cases(_console(), dim)


cli.add_command(compare)


def _console() -> "Console":
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
