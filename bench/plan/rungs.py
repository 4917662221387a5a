"""The rungs of a ladder: what has to be measured to split the gap of a matched pair into its causes."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from seqgap.bench.model.case import DTYPES, Operation
from seqgap.bench.model.cell import Cell, matches
from seqgap.bench.model.implementation import OWN
from seqgap.bench.model.registry import Comparison, cases, matched_pairs, operation_of
from seqgap.bench.plan.options import Options
from seqgap.bench.plan.sizes import sizes

LARGEST_DIM = 64  # above it plain Python and full passes of a batch take too long to be on the ladder


class Step(NamedTuple):
    """One rung before it is measured; cause: what it removes of the rung before. {threads} is filled in."""

    name: str
    cause: str
    impl: str
    all_threads: bool = False
    parallel: bool = False  # of the parallel direction


_BEST = "compiled, best"
LADDER = (
    Step("plain Python", "", "python"),
    Step("NumPy, D full passes", "interpreter", "numpy-passes"),
    Step("NumPy, step by step", "redundant work", "numpy"),
    Step("compiled, plain loops", "call overhead", "numba-plain"),
    Step(_BEST, "vector width, checks", "numba"),
    Step("compiled, blocks", "forgetting", "numba-blocks"),
    Step("compiled, {threads} threads", "threads", "numba", all_threads=True),
    Step("parallel direction", "true data dependence", "numba", all_threads=True, parallel=True),
)
# Of masked networks, where D full passes are what libraries do, and a strategy of the compiled sampler too.
MASKED = (
    Step("plain Python", "", "python"),
    Step("NumPy, D full passes", "interpreter", "numpy-passes"),
    Step("compiled, D full passes", "call overhead", "numba-naive"),
    Step("compiled, incremental", "redundant work", "numba"),
    *LADDER[-2:],
)
# Ways of chains that forget where they started: the others have no rung of blocks.
BLOCKS, STEPS = "numba-blocks", "numba-steps"
FEWEST_STEPS = 4096  # of a chain in blocks
BEST = ("numba", OWN)  # a ladder cannot do without: of shipped samplers, and of those from outside


def ladder_dim(dims: Iterable[int]) -> int:
    """The dimension of a run's ladder: the largest not above LARGEST_DIM, else the smallest."""
    known = sorted(dims)
    if not known:
        raise ValueError("dims: expected at least one")
    return max((dim for dim in known if dim <= LARGEST_DIM), default=known[0])


def steps_of(implementations: Collection[str]) -> tuple[Step, ...]:
    """The ladder of a sampler with these implementations: MASKED where it has the strategy of full passes."""
    if OWN in implementations:
        return _own_steps(implementations)
    if "numba-naive" in implementations:
        return MASKED
    if BLOCKS not in implementations:
        return tuple(step for step in LADDER if step.impl != BLOCKS)
    single = STEPS if STEPS in implementations else "numba"
    return tuple(step._replace(impl=single) if step.name == _BEST else step for step in LADDER)


def implementations(pairs: Iterable[Comparison]) -> tuple[str, ...]:
    """Those that the ladders of the pairs need."""
    operations = (operation_of(pair.sequential) for pair in pairs)
    steps = (step for operation in operations for step in steps_of(operation.implementation_names))
    return tuple(dict.fromkeys(step.impl for step in steps))


def _own_steps(implementations: Collection[str]) -> tuple[Step, ...]:
    """The rungs that a sampler from outside has; its two callables need not be directions of one model."""
    steps = (
        Step("plain Python", "", "python"),
        Step("NumPy, D full passes", "interpreter", "numpy-passes"),
        Step(
            "NumPy, step by step",
            "redundant work" if "numpy-passes" in implementations else "interpreter",
            "numpy",
        ),
        Step("own, one at a time", "how it is written", OWN),
        Step("own, all at once", "one at a time", OWN, parallel=True),
    )
    return tuple(step for step in steps if step.impl in implementations)


def rungs_of(
    pair: Comparison, steps: Iterable[Step], dtype: str, dim: int, batch: int, threads: int
) -> list[tuple[Step, Cell]]:
    """The rungs of a matched pair on a machine, or in a run, with so many threads.

    With one thread, without the rung of threads; of short chains without that of blocks.
    """
    rungs = []
    for step in steps:
        if not needless(step, threads, dim):
            case, operation = (pair.parallel if step.parallel else pair.sequential).split(".")
            used = threads if step.all_threads else 1
            rungs.append((step, Cell(case, operation, step.impl, dtype, dim, batch, used)))
    return rungs


def needless(step: Step, threads: int, dim: int) -> bool:
    """Whether a rung is the one before, since there is one thread, or the chain is too short for blocks."""
    if step.impl == BLOCKS:
        return dim < FEWEST_STEPS
    return threads == 1 and step.all_threads and not step.parallel


def cells(pair: Comparison, dtype: str, dim: int, batch: int, threads: int) -> list[Cell]:
    """What has to be measured for a ladder: the rungs that the operations have implementations for."""
    stem, operation = pair.sequential.split(".")
    steps = steps_of(cases()[stem].operation(operation).implementation_names)
    rungs = (cell for _, cell in rungs_of(pair, steps, dtype, dim, batch, threads))
    return [cell for cell in rungs if cell.impl in cell.lookup()[1].implementation_names]


def planned(options: Options) -> list[Cell]:
    """The cells of every ladder of the options, those that share D and N next to each other.

    A pair takes part where both of its operations fit the options' patterns; the options' largest number of
    threads is that of the ladder.
    """
    ladders = [
        cell
        for pair in matched_pairs()
        if matches(pair.sequential, options.case) and matches(pair.parallel, options.case)
        for dtype, dim, batch in _sizes(operation_of(pair.sequential), options)
        for cell in cells(pair, dtype, dim, batch, max(options.threads))
    ]
    return sorted(ladders, key=lambda cell: (DTYPES.index(cell.dtype), cell.batch, cell.dim))


def _sizes(operation: Operation, options: Options) -> Iterable[tuple[str, int, int]]:
    dtypes, _, batches = sizes(operation, options)
    return product(dtypes, operation.near(options.dim), batches)


def of_run(options: Options) -> list[Cell]:
    """The ladders that a run has besides its own cells: at `ladder_dim`, smallest and largest N.

    None where one of the implementations that everybody knows was not asked for.
    """
    if not {"python", "numpy", BEST[0]} <= set(options.impl):
        return []
    batch = tuple(sorted({min(options.batch), max(options.batch)}))
    dim, threads = (ladder_dim(options.dim),), (options.ladder_threads,)
    return planned(replace(options, dim=dim, batch=batch, threads=threads))
