"""`seqgap run`."""

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from seqgap.bench.cli.console import make_console, make_notes
from seqgap.bench.cli.folders import complete_folder, enlist, new_folder, to_folder
from seqgap.bench.cli.options import (
    case_option,
    detail_options,
    examples,
    installed,
    numbers_option,
    out_option,
    refuse_idle,
    validated,
)
from seqgap.bench.cli.own import with_own_cases
from seqgap.bench.cli.values import OneOf, completed, dtype_names, public_implementations, seconds, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqgap.bench.plan.options import Options
    from seqgap.bench.results.folder import RunFolder

_BESIDE_RESUME = ("resume", "quiet", "verbose")


@click.command(
    short_help="Time the cases, print the gap, draw the curves.",
    epilog=examples(
        "seqgap run                      about 2 minutes on 2 cores",
        "seqgap run --profile smoke      half a minute, to try it out",
        "seqgap run --case maf,linear_ar --dim 2..1024 --budget 10m",
        "seqgap run --resume latest      go on with what was stopped",
    ),
)
@click.option(
    "--profile",
    type=OneOf(["smoke", "quick", "full"]),
    help="Which sizes, and how long: half a minute, 2 minutes, an hour. Only full has all operations."
    " [default: quick]",
)
@case_option("Only matching stems or stem.operations, globs too; repeatable. [default: all]")
@click.option(
    "--impl", callback=words, metavar="NAME,...", shell_complete=completed(public_implementations),
    help="Implementations. [default: python,numpy,numba]",
)  # fmt: skip
@numbers_option(
    "--dim", "D,...", "Dimensions; 2..1024 has the powers of two between. [default: of the profile]"
)
@numbers_option("--batch", "N,...", "Batch sizes. [default: of the profile]")
@numbers_option("--threads", "T,...", "Thread counts. [default: 1; full: 1 and all]")
@click.option(
    "--processes", type=int, metavar="P",
    help="Fresh processes that each measure every cell. [default: of the profile]",
)  # fmt: skip
@click.option(
    "--dtype", callback=words, metavar="NAME,...", shell_complete=completed(dtype_names),
    help="float64, float32. [default: float64]",
)  # fmt: skip
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    metavar="SEED",
    help="Of inputs and parameters. [default: 25]",
)
@click.option(
    "--budget", callback=seconds, metavar="TIME",
    help="Take about so long, such as 10m or 1h30m: each cell is timed for longer than the profile has it.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be measured and how long it takes, and end.")
@out_option
@click.option(
    "--resume",
    callback=to_folder,
    shell_complete=complete_folder,
    metavar="DIR",
    help="Finish the run in DIR, `latest` for the newest.",
)
@detail_options
def run(
    out: Path | None,
    resume: Path | None,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    **choices: Any,
) -> None:
    """Time the cases, print the gap and its causes, draw the curves.

    Every finished cell is on disk at once: after Ctrl-C, a kill or a full disk --resume goes on.
    """
    from seqgap.bench.audit.rules import audit, table
    from seqgap.bench.measure.parent import measure_run, started
    from seqgap.bench.measure.stop import stoppable
    from seqgap.bench.report.summary import report

    notes = make_notes(quiet=quiet)
    if resume is not None:
        _refuse_typed_options(click.get_current_context())
        begun = _resumed(resume)
    else:
        options = _options({key: value for key, value in choices.items() if value is not None})
        if dry_run:
            _print_plan(options)
            return
        begun = started(options, out or new_folder(), notes)
    with begun as folder, stoppable(folder.path):
        if resume is None:
            enlist(folder.path)
        measure_run(notes, folder)
        complete = report(
            folder.path, notes, make_console() if verbose else None, lambda run: table(audit(run))
        )
    if not complete:
        sys.exit(1)


def _refuse_typed_options(context: click.Context) -> None:
    """UsageError for options beside --resume; those from a file or a variable do not count."""
    typed = [
        option.opts[-1]
        for option in context.command.params
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        and option.name not in _BESIDE_RESUME
    ]
    if typed:
        raise click.UsageError(f"--resume takes its options from DIR; drop {', '.join(typed)}")


def _options(chosen: dict[str, Any]) -> "Options":
    """The options of a new run; UsageError where nothing can be measured, or a pattern fits nothing."""
    from seqgap.bench.plan.estimate import within
    from seqgap.bench.plan.options import profile
    from seqgap.kernels._core.jit import threads_available

    budget = chosen.pop("budget", None)
    chosen = with_own_cases(chosen)
    for sizes, further in (("batch", "map"), ("dim", "curve")):
        if sizes in chosen:
            chosen[further] = ()
    if "threads" in chosen:
        chosen["ladder_threads"] = max(chosen["threads"])
    options = validated(replace(profile(chosen.pop("profile", "quick"), threads_available()), **chosen))
    options = replace(options, impl=installed(options.impl))
    refuse_idle(options, chosen.get("case", ()), chosen.get("impl", ()))
    try:
        return options if budget is None else within(options, budget)
    except ValueError as error:
        raise click.UsageError(
            f"--budget: {error}; fewer --case, --dim, --batch or --processes take less"
        ) from None


def _print_plan(options: "Options") -> None:
    """What a run with these options would measure."""
    from collections import Counter

    from seqgap.bench.plan.cells import planned
    from seqgap.bench.plan.estimate import expectation, todo_of
    from seqgap.bench.report.text import grid, show

    todo = todo_of(options)
    cells = todo[0]
    table = grid("operation", ">cells", "implementations", "D")
    for name, count in Counter(cell.name for cell in cells).items():
        own = [cell for cell in cells if cell.name == name]
        dims = ", ".join(map(str, sorted({cell.dim for cell in own})))
        table.add_row(name, str(count), ", ".join(dict.fromkeys(cell.impl for cell in own)), dims)
    console = make_console()
    show(console, table)
    console.print(f"Left out as too slow or too large: {len(planned(options)) - len(cells)} cells.")
    console.print(f"{expectation(todo, options)}. Nothing was measured or written.")


@contextmanager
def _resumed(path: Path) -> "Iterator[RunFolder]":
    from seqgap.bench.machine.environment import machine, versions
    from seqgap.bench.model import outside
    from seqgap.bench.results.folder import RunFolder, read_environment
    from seqgap.bench.results.lock import held
    from seqgap.bench.results.printable import printable_values
    from seqgap.bench.results.rows import ResultError

    with held(path):
        stored = read_environment(path)
        for key, here in (("machine", machine()), ("versions", versions())):
            if stored.get(key) != printable_values(here):
                raise ResultError(f"{path}: measured with other {key}; start a new run")
        outside.use(outside.restored(stored.get("own_cases", {})))
        yield RunFolder.resume(path)
