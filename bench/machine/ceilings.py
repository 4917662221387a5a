"""The least time that a machine could need for a cell, and what sets it.

Ceilings hold what `seqgap machine` measured. A bound counts what an operation declares (chain, elements,
arithmetic), so a method that needs fewer steps or operations than declared can be faster.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, NORMAL_FLOPS, Cost
from seqgap.bench.model.cell import DTYPES, Cell

DRAM = "DRAM"
PRIVATE = ("L1", "L2")  # caches that each core has for itself; further levels are shared


@dataclass(frozen=True)
class Bandwidth:
    """Bytes for each second at one level of the memory, counted as STREAM does.

    Each array counts once: read 1, write 1, copy 2, triad (a = b + s c) 3. What a write reads from
    memory beforehand is not counted.
    """

    level: str  # L1, L2, L3, DRAM
    capacity: int  # bytes of the level; 0 for DRAM
    working_set: int  # bytes of all the arrays of one pass
    read: float
    write: float
    copy: float
    triad: float

    def rate(self, written: float) -> float:
        """The rate of the pattern that is nearest to work of which the share `written` are writes."""
        if written < 1 / 6:
            return self.read
        return max(self.copy, self.triad) if written < 3 / 4 else self.write


@dataclass(frozen=True)
class Ceilings:
    """The limits of one machine, each the best of many repetitions."""

    bandwidth: tuple[Bandwidth, ...]  # of one core, smallest level first, DRAM last
    fma_latency: Mapping[str, float]  # dtype to seconds for each step of a dependent chain
    fma_flops: Mapping[str, float]  # dtype to flop/s of one core; a fused multiply-add is 2
    exp: Mapping[str, float]  # dtype to seconds for each element, on one core, in L1
    normal: Mapping[str, float]  # dtype to seconds for each normal, on one core, into L1
    timer: float  # seconds: the smallest step of time.perf_counter
    call_empty: float  # seconds of a compiled function without arguments
    call_arrays: float  # seconds of one with a range and seven arrays, as the kernels' row functions
    threads: int = 1  # of the two below
    parallel_region: float | None = None  # seconds of a parallel region that does nothing
    shared: tuple[Bandwidth, ...] = ()  # of all threads together, for the levels that cores share

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Any) -> "Ceilings":
        """The ceilings of `to_json`; TypeError, KeyError or ValueError where they cannot be."""
        values = dict(stored)
        for name in ("bandwidth", "shared"):
            values[name] = tuple(_level(level) for level in values[name])
        for name in ("fma_latency", "fma_flops", "exp", "normal"):
            values[name] = {dtype: _positive(values[name][dtype]) for dtype in DTYPES}
        for name in ("timer", "call_empty", "call_arrays"):
            _positive(values[name])
        if values["parallel_region"] is not None:
            _positive(values["parallel_region"])
        if type(values["threads"]) is not int or values["threads"] < 1:
            raise ValueError("threads: not a positive integer")
        if not values["bandwidth"]:
            raise ValueError("bandwidth: no level")
        return cls(**values)


def _level(stored: Any) -> Bandwidth:
    level = Bandwidth(**stored)
    sizes = (level.capacity, level.working_set)
    named = re.fullmatch(r"\w{1,20}", level.level)  # TypeError where it is no text
    if not named or not all(type(size) is int and size >= 0 for size in sizes):
        raise TypeError("bandwidth: not a level")
    for rate in fields(Bandwidth)[3:]:
        _positive(getattr(level, rate.name))
    return level


def _positive(value: Any) -> float:
    if not isinstance(value, float) or not 0 < value < math.inf:
        raise ValueError(f"{value!r}: not a positive number")
    return value


def bound(cell: Cell, cost: Cost, ceilings: Ceilings) -> tuple[float, str]:
    """(seconds, name): the largest of the times that one call of the cell cannot beat.

    call: of a compiled function with its arrays. chain: the dependent steps, once for the batch, because
    samples are independent. bandwidth: elements and shared parameters at the level that holds them.
    Arithmetic shares the same units, so exp, normals and the rest add up, under the name of the largest
    part. Opening a parallel region is no limit: a small batch may do without, and where another process
    holds a core, regions of milliseconds are all that a measurement sees.
    """
    limits = {"call": ceilings.call_arrays, "chain": cost.depth * ceilings.fma_latency[cell.dtype]}
    parts = _arithmetic(cell, cost, ceilings)
    limits[max(parts, key=lambda name: parts[name])] = sum(parts.values())
    seconds, level = memory_seconds(cell, cost, ceilings)
    limits[f"bandwidth {level}"] = seconds
    name = max(limits, key=lambda name: limits[name])
    return limits[name], name


def _arithmetic(cell: Cell, cost: Cost, ceilings: Ceilings) -> dict[str, float]:
    """Seconds of each kind of arithmetic, spread over the threads."""
    flops = max(0.0, cost.flops - EXP_FLOPS * cost.exps - NORMAL_FLOPS * cost.normals)
    share = cell.batch / cell.threads
    return {
        "arithmetic": share * flops / ceilings.fma_flops[cell.dtype],
        "exp": share * cost.exps * ceilings.exp[cell.dtype],
        "normals": share * cost.normals * ceilings.normal[cell.dtype],
    }


def working_bytes(cell: Cell, cost: Cost) -> float:
    """Bytes that one call has to touch: elements of the batch, and parameters that it must read."""
    return np.dtype(cell.dtype).itemsize * (cell.batch * cost.elements + cost.weights)


def memory_seconds(cell: Cell, cost: Cost, ceilings: Ceilings) -> tuple[float, str]:
    """(seconds, level) of moving what the call has to, at the level that holds all of it."""
    itemsize = np.dtype(cell.dtype).itemsize
    held = _holding(working_bytes(cell, cost), cell.threads, ceilings)
    written = cost.written / cost.elements if cost.elements else 0.0
    seconds = itemsize * cell.batch * cost.elements / _rate(held, written, cell.threads, ceilings)
    return seconds + itemsize * cost.weights / _rate(held, 0.0, cell.threads, ceilings), held.level


def _holding(size: float, threads: int, ceilings: Ceilings) -> Bandwidth:
    """The smallest level that holds `size` bytes."""
    for level in ceilings.bandwidth:
        cores = threads if level.level in PRIVATE else 1
        if size <= cores * level.capacity:
            return level
    return ceilings.bandwidth[-1]


def _rate(level: Bandwidth, written: float, threads: int, ceilings: Ceilings) -> float:
    """Bytes for each second on `threads` threads; at a shared level at most what all threads reached."""
    alone = level.rate(written)
    if threads == 1 or level.level in PRIVATE:
        return threads * alone
    together = next((s.rate(written) for s in ceilings.shared if s.level == level.level), alone)
    return max(alone, min(threads * alone, together))
