"""`seqgap run`."""

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqgap.bench.cli.console import make_console
from seqgap.bench.cli.options import dated, installed, numbers, validated, words
from seqgap.bench.cli.own import with_own_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seqgap.bench.plan.options import Options
    from seqgap.bench.results.folder import RunFolder


@click.command()
@click.option(
    "--profile",
    type=click.Choice(["smoke", "quick", "full"]),
    help="Which sizes; full has all operations. [default: quick]",
)
@click.option(
    "--case",
    multiple=True,
    metavar="GLOB|FILE.py",
    help="Only matching stems or stem.operations; the case of a file, docs/own_sampler.md; repeatable.",
)
@click.option("--impl", callback=words, metavar="NAMES", help="Implementations, such as python,numpy,numba.")
@click.option("--dim", callback=numbers, metavar="D,...", help="Dimensions.")
@click.option("--batch", callback=numbers, metavar="N,...", help="Batch sizes.")
@click.option("--threads", callback=numbers, metavar="T,...", help="Thread counts.")
@click.option("--processes", type=int, metavar="P", help="Fresh processes that each measure every cell.")
@click.option("--dtype", callback=words, metavar="NAMES", help="float64,float32 or one of them.")
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), help="Seed of inputs and parameters. [default: 25]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Result folder. [default: seqgap-results/DATE]")
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR", help="Finish the run in DIR.")
def run(out: Path | None, resume: Path | None, **choices: Any) -> None:
    """Time the cases, print the gap table, draw the curves.

    Every finished cell is on disk at once; --resume DIR goes on where a run was stopped.
    """
    from seqgap.bench.measure.parent import measure_run, started, stoppable
    from seqgap.bench.report.summary import report

    chosen = {key: value for key, value in choices.items() if value not in (None, ())}
    console = make_console()
    if resume is not None:
        named = [f"--{key}" for key in [*chosen, *(["out"] if out else [])]]
        if named:
            raise click.UsageError(f"--resume takes its options from DIR; drop {', '.join(named)}")
        begun = _resumed(resume)
    else:
        begun = started(_options(chosen), out or dated())
    with begun as folder, stoppable(folder):
        measure_run(console, folder)
        complete = report(folder.path)
    if not complete:
        sys.exit(1)


def _options(chosen: dict[str, Any]) -> "Options":
    """The options of a new run; UsageError where nothing can be measured, or a pattern fits nothing."""
    from seqgap.bench.model.registry import implementation_names
    from seqgap.bench.plan.cells import plan
    from seqgap.bench.plan.options import profile
    from seqgap.kernels._core.jit import threads_available

    chosen = with_own_cases(chosen)
    if "batch" in chosen:
        chosen["map"] = ()
    if "threads" in chosen:
        chosen["ladder_threads"] = max(chosen["threads"])
    options = validated(replace(profile(chosen.pop("profile", "quick"), threads_available()), **chosen))
    options = replace(options, impl=installed(options.impl))
    named = chosen.get("case", ())
    idle = [name for name in named if not plan(replace(options, case=(name,), impl=implementation_names()))]
    if idle:
        raise click.UsageError(f"--case: nothing matches {' '.join(idle)}; see seqgap list")
    if not plan(options):
        raise click.UsageError("--impl: python runs on one thread; choose another or --threads 1")
    return options


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
