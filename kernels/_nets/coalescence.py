"""A long chain in blocks, side by side, with the bits of one step after another.

x_t = f(x_{t-1}, z_t) is cut into K blocks of steps, all run at once in the lanes of vectors, each from zeros.
Then each is done again from its true entry, the end of the block before, until its state is one that is there
already, bit for bit: from there on all is equal. There is no tolerance, and no guess that could be wrong.

How long that takes: chains with the same noise and other starts approach each other as exp(lambda t), lambda
the Lyapunov exponent, and share all bits after (mantissa ln 2 + ln distance) / |lambda| steps. With many
features the last bits may never agree. So two starts are tried first; where they do not meet soon the series
is made step by step. Two chains that share their noise and become equal coalesce: Propp and Wilson, "Exact
sampling with coupled Markov chains" (1996).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._core.rows import WORTH_HEAVY, SharedRows, in_parts
from seqgap.kernels._core.simd import bits_of

_LONG = 4096  # numbers of a series from which on blocks are worth their calls
_WORTH = 6  # times what a block redoes: shorter ones took longer than step by step
_WARM = 64  # steps from zeros until a chain is where it usually is; a multiple of each period
_FIRST = 256  # steps of the first try; each further one takes twice as many


class Memory(NamedTuple):
    """What a chain carries from step to step."""

    dim: int  # D, the numbers of a step
    steps: int = 1  # that are a state
    period: int = 1  # of the steps: what is done at step t hangs on t modulo it; a power of two
    noise: int = 0  # numbers of z that a step takes; 0: D


class Chain(NamedTuple):
    """The row kernels of a family; series are (T D,), `tables` what `arrays` makes of its Params.

    advance(z, x, lo, hi, meets, tables): steps lo to hi - 1 from what x holds before lo; stops, if `meets`,
    after the first step at which the state was there already. Returns how many it made.
    """

    advance: Callable[..., int]
    together: Callable[..., None]  # (lo, hi, z, x, tables): rows of a batch from zeros, each in a lane
    vectors: int  # that `together` takes at once
    tables: Callable[..., Any]  # what the row kernels here take, of the arrays of the family's own
    memory: Callable[[Any], Memory]  # of tables
    finish: Callable[..., None]  # (threads, z, x, log_det, tables): writes log_det of a batch


class Meeting(NamedTuple):
    """What two starts with the same noise do."""

    steps: int  # tried, or until they met
    met: bool
    lyapunov: float  # per step, negative where they approach each other; NaN where it could not be seen
    distance: float  # largest, at the first step


class Blocks(NamedTuple):
    """How a series was made."""

    meeting: Meeting
    patched: Array  # (K,) steps of each block that were made again; (0,) where it was made step by step


class Forgetting(NamedTuple):
    """How one series was made in blocks, beside the law of how long two copies of a chain take to meet.

    redone: (K,) steps of each block that were made again, of which the first has none; (0,) where the series
    went step by step, since it is short or does not forget soon enough. lyapunov: the growth of log distance
    in a step, NaN where it could not be seen. expected: (53 ln 2 + ln distance) / |lyapunov| steps (24 for
    float32): 0 where the starts agree from the first step on, `trial` where they met too soon for a growth to
    be seen, infinite where they did not meet and lyapunov is NaN or at least 0. trial: steps that two starts
    took to meet, or that were tried.
    """

    redone: Array
    lyapunov: float
    expected: float
    trial: int


def steps_to_meet(lyapunov: float, distance: float, dtype: Any) -> float:
    """Expected steps until two starts so far apart share all bits; infinite where they do not approach."""
    if not lyapunov < 0:
        return math.inf
    bits = (np.finfo(dtype).nmant + 1) * math.log(2)
    return max(0.0, (bits + math.log(distance)) / -lyapunov) if distance > 0 else 0.0


def in_blocks(rows: int, numbers: int, dtype: np.dtype[Any]) -> bool:
    """Whether rows of so many numbers go in blocks: they are long, and too few to fill the lanes."""
    return numbers >= _LONG and rows < VECTOR_BYTES // dtype.itemsize


def forgetting_of(blocks: Blocks, dtype: Any) -> Forgetting:
    """What happened, beside the law."""
    meeting, patched = blocks
    expected = steps_to_meet(meeting.lyapunov, meeting.distance, dtype)
    if meeting.met and expected == math.inf:  # they met too soon for a growth to be seen
        expected = float(meeting.steps) if meeting.distance else 0.0
    return Forgetting(patched, meeting.lyapunov, expected, meeting.steps)


def patcher(advance: Callable[..., int]) -> Callable[..., None]:
    """Compiled: all blocks but the first done again until they meet, then what is left of the series."""

    @jit_exact
    def patch(z: Any, x: Any, length: Any, steps: Any, patched: Any, tables: Any) -> None:
        for k in range(1, patched.shape[0]):
            patched[k] = advance(z, x, k * length, (k + 1) * length, True, tables)
        advance(z, x, patched.shape[0] * length, steps, False, tables)

    return patch


class Series(SharedRows):
    """The row kernel that makes series in blocks, where they are long and too few to fill the lanes.

    rows: the one that makes them step by step, with the same bits.
    """

    def __init__(self, chain: Chain, rows: Callable[..., None]) -> None:
        self._chain, self._patch, self._rows = chain, patcher(chain.advance), rows

    def __call__(self, lo: int, hi: int, z: Array, x: Array, log_det: Array, *arrays: Any) -> None:
        self.on_threads(1, z[lo:hi], x[lo:hi], log_det[lo:hi], *arrays)

    def on_threads(self, threads: int, z: Array, x: Array, log_det: Array, *arrays: Any) -> None:
        """Write x and log_det of a batch."""
        if not in_blocks(len(z), z.shape[1], z.dtype):
            in_parts(lambda lo, hi: self._rows(lo, hi, z, x, log_det, *arrays), threads, z.shape, WORTH_HEAVY)
            return
        tables = self._chain.tables(*arrays)
        for series, states in zip(z, x, strict=True):
            self.run(series, states, tables, threads)
        self._chain.finish(threads, z, x, log_det, tables)

    def forgetting(self, threads: int, z: Array, *arrays: Any) -> Forgetting:
        """Of one series (T D,), made and thrown away."""
        return forgetting_of(self.run(z, np.empty_like(z), self._chain.tables(*arrays), threads), z.dtype)

    def run(self, z: Array, x: Array, tables: Any, threads: int = 1) -> Blocks:
        """Write x, one series (T D,)."""
        memory, lanes = self._chain.memory(tables), VECTOR_BYTES // x.itemsize
        steps = x.size // memory.dim
        limit = steps // (_WORTH * lanes)
        if limit < 2 * lanes:
            meeting, done = Meeting(0, False, math.nan, 0.0), 0
        else:
            meeting, done = self._try(z, x, tables, limit)
        unit = max(lanes, memory.period)  # of the steps of a block
        shortest = max(_WORTH * meeting.steps, unit)
        vectors = min(self._chain.vectors * threads, steps // (lanes * shortest))
        if not (meeting.met and vectors):
            self._chain.advance(z, x, done, steps, False, tables)
            return Blocks(meeting, np.zeros(0, np.int64))
        blocks = vectors * lanes
        sizes = blocks, _length(steps // blocks, unit), memory
        return Blocks(meeting, self._side_by_side(z, x, tables, sizes, threads))

    def _side_by_side(
        self, z: Array, x: Array, tables: Any, sizes: tuple[int, int, Memory], threads: int
    ) -> Array:
        blocks, length, memory = sizes
        noise, states = (
            series[: blocks * length * width].reshape(blocks, length * width)
            for series, width in ((z, memory.noise or memory.dim), (x, memory.dim))
        )

        def part(lo: int, hi: int) -> None:
            self._chain.together(lo, hi, noise, states, tables)

        in_parts(part, threads, states.shape, WORTH_HEAVY, blocks // threads)
        patched = np.zeros(blocks, np.int64)
        self._patch(z, x, length, x.size // memory.dim, patched, tables)
        return patched

    def _try(self, z: Array, x: Array, tables: Any, limit: int) -> tuple[Meeting, int]:
        """Whether a start from zeros meets the series within `limit` steps; how many steps of x are made."""
        memory, advance = self._chain.memory(tables), self._chain.advance
        dim = memory.dim
        noise, true = z[_WARM * (memory.noise or dim) :], x[_WARM * dim :]
        other, steps, size = np.empty(limit * dim, x.dtype), 0, _FIRST
        while True:
            lo, steps = steps, min(steps + size, limit)
            advance(z, x, _WARM + lo if lo else 0, _WARM + steps, False, tables)
            advance(noise, other, lo, steps, False, tables)
            meeting = _compare(true[: steps * dim], other[: steps * dim], dim, memory.steps)
            size = steps
            expected = steps_to_meet(meeting.lyapunov, meeting.distance, x.dtype)
            if meeting.met or steps == limit or not expected < 1.5 * limit:
                return meeting, _WARM + steps


def _length(steps: int, unit: int) -> int:
    """The largest odd multiple of `unit` up to it: blocks that lie a power of two apart share cache sets."""
    units = steps // unit
    return unit * (units - (units % 2 == 0))


def _compare(true: Array, other: Array, dim: int, memory: int) -> Meeting:
    steps, met, slope, distance = _compared(true, other, dim, memory, float(np.finfo(true.dtype).eps))
    return Meeting(steps, met, slope, distance)


@jit_exact
def _compared(true: Any, other: Any, dim: Any, memory: Any, eps: Any) -> Any:
    """(steps tried or until they met, whether they did, Lyapunov exponent, distance at first)."""
    steps, last, largest = true.size // dim, -1, 0.0
    for t in range(steps):
        apart = False
        for i in range(t * dim, t * dim + dim):
            largest = max(largest, abs(true[i]))
            apart |= bits_of(true[i]) != bits_of(other[i])
        last = t if apart else last
    met = last + memory < steps
    slope = _slope(true, other, dim, 1024 * eps * largest)
    return last + 1 + memory if met else steps, met, slope, _distance(true, other, 0, dim)


@jit_exact
def _slope(true: Any, other: Any, dim: Any, noise: Any) -> Any:
    """Of log distance over the steps, between the first and the last distance that no rounding makes."""
    first, last, high, low = -1, -1, 0.0, 0.0
    for t in range(true.size // dim):
        distance = _distance(true, other, t, dim)
        if distance > noise:
            last, low = t, distance
            if first < 0:
                first, high = t, distance
    return math.log(low / high) / (last - first) if last > first else np.nan


@jit_exact
def _distance(true: Any, other: Any, t: Any, dim: Any) -> Any:
    """The largest over the features of a step."""
    largest = 0.0
    for i in range(t * dim, t * dim + dim):
        largest = max(largest, abs(np.float64(true[i]) - np.float64(other[i])))
    return largest
