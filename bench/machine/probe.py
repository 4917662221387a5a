"""The ceilings of this machine and its BLAS, looked at in a process of its own.

So neither the threads of the parallel probe, which spin on after a region, nor what is compiled for the
probes touches the timings and the compile times of a run.
"""

import json
import subprocess
import sys
import timeit
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import click
import numpy as np
import psutil

from seqgap.bench.machine import kernels as probes
from seqgap.bench.machine.blas import libraries
from seqgap.bench.machine.ceilings import DRAM, PRIVATE, Bandwidth, Ceilings
from seqgap.bench.machine.processor import cache_sizes, timer_step, vector_bytes
from seqgap.bench.machine.turns import Key, in_turns
from seqgap.bench.machine.variables import measuring
from seqgap.bench.model.case import Thunk
from seqgap.bench.model.cell import DTYPES
from seqgap.kernels._core.jit import threads_available

_SMALLEST_DRAM, _LARGEST_DRAM = 64 << 20, 512 << 20
_KINDS = {"read": probes.READ, "write": probes.WRITE, "copy": probes.COPY, "triad": probes.TRIAD}
_BYTES = 2**26  # of one repetition: at least 0.1 ms, so that the call does not show
_PAGE = 4096
_WIDTH, _PART = 4096, 64  # elements of a row in a parallel pass, and rows that a thread takes a multiple of
_ROUNDS, _FEWEST_ROUNDS, _LONGEST = 15, 3, 0.5  # repetitions; fewer of them after so many seconds

MEASURING = "Measuring the ceilings of this machine, about 10 s ..."


class MachineError(click.ClickException):
    """The probes did not run; the message is one line."""


class Job(NamedTuple):
    """What one repetition runs, and how many units (bytes, steps, elements) of work that is."""

    run: Thunk
    units: float


class Machine(NamedTuple):
    """What is known of a machine before the first timing."""

    ceilings: Ceilings
    blas: list[dict[str, Any]]  # as `blas.libraries` gives it


def measure_machine(*, parallel: bool) -> Machine:
    """Look at this machine, in about 10 seconds; with `parallel` the ceilings of all threads together too."""
    command = [sys.executable, "-P", "-m", "seqgap.bench.machine.probe", *(["parallel"] if parallel else [])]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False, env=measuring()
    )
    try:
        stored = json.loads(done.stdout)
        return Machine(Ceilings.from_json(stored["ceilings"]), list(stored["blas"]))
    except (ValueError, TypeError, KeyError):
        reason = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
        raise MachineError(f"the ceilings of this machine could not be measured: {reason}") from None


def probe(*, parallel: bool) -> Ceilings:
    """The ceilings, measured in this process: compiles, and with `parallel` starts the thread pool."""
    sizes, threads = cache_sizes(), threads_available()
    best = least_seconds({(name, dtype): job for dtype in DTYPES for name, job in arithmetic(dtype).items()})
    fma_latency, flop, exp, normal = (
        {dtype: best[name, dtype] for dtype in DTYPES} for name in ("latency", "flop", "exp", "normal")
    )
    alone = Ceilings(
        bandwidth=_bandwidths(sizes, 1),
        fma_latency=fma_latency,
        fma_flops={dtype: 1 / seconds for dtype, seconds in flop.items()},
        exp=exp,
        normal=normal,
        timer=timer_step(),
        call_empty=_call_seconds(probes.empty),
        call_arrays=_call_seconds(probes.empty_arrays, 0, 0, *[np.empty((1, 1))] * 7),
    )
    if not parallel or threads == 1:
        return alone
    region = Job(lambda: probes.empty_region(threads, 64 * threads, 1, np.empty(1)), 1)
    seconds = least_seconds({"region": region}, rounds=1000)["region"]
    return replace(
        alone, threads=threads, parallel_region=seconds, shared=_bandwidths(sizes, threads, without=PRIVATE)
    )


def least_seconds(jobs: Mapping[Key, Job], rounds: int = _ROUNDS) -> dict[Key, float]:
    """The least seconds for one unit of each job: a ceiling is what was reached, not what is usual."""
    turns = in_turns({key: job.run for key, job in jobs.items()}, _FEWEST_ROUNDS, _LONGEST, rounds)
    return {key: min(turns[key]) / job.units for key, job in jobs.items()}


def arithmetic(dtype: str) -> dict[str, Job]:
    """The probes of one core's arithmetic: fma steps, flops, exps, normals."""
    real = np.dtype(dtype).type
    factors = real(1), real(0.999), real(0.001)
    points, tile = np.linspace(-5, 5, 1024, dtype=dtype), np.empty((4, 512), dtype)
    out = np.empty_like(points)
    lanes = vector_bytes() // real().itemsize
    steps, passes, key = 100_000, 100, (np.uint64(1), np.uint32(0))
    return {
        "latency": Job(lambda: probes.fma_chain(steps, *factors), steps),
        "flop": Job(lambda: probes.fma_vectors(steps, *factors), 2 * steps * lanes * probes.CHAINS),
        "exp": Job(lambda: probes.exp_passes(passes, points, out), passes * out.size),
        "normal": Job(lambda: probes.normal_passes(passes, tile, *key), passes * tile.size),
    }


def _bandwidths(
    sizes: Mapping[str, int], threads: int, without: Collection[str] = ()
) -> tuple[Bandwidth, ...]:
    """Every pattern at every level, but those left out, on `threads` threads together."""
    sets = {level: working_set(level, sizes, threads) for level in (*sizes, DRAM) if level not in without}
    buffer = _aligned(max(sets.values()) // 8)
    levels = []
    for level, size in sets.items():  # one after another: the next would drive this one out of its cache
        best = least_seconds({pattern: _stream(pattern, buffer[: size // 8], threads) for pattern in _KINDS})
        rates = {pattern: 1 / seconds for pattern, seconds in best.items()}
        levels.append(Bandwidth(level, sizes.get(level, 0), size, **rates))
    return tuple(levels)


def _stream(pattern: str, buffer: Any, threads: int) -> Job:
    """Passes of one pattern over arrays that fill the buffer."""
    number = _KINDS[pattern]
    count = probes.ARRAYS[number]
    width = buffer.size // count if threads == 1 else _WIDTH
    rows = buffer.size // (count * width)
    rows -= rows % (threads * _PART) if rows > threads * _PART else 0
    used = buffer[: count * rows * width].reshape(count, rows, width)
    a, b, c = (used[i % count] for i in range(3))
    sink = np.empty(rows, np.int64)
    # All threads go over all rows, each from a place of its own: their number divides the further passes.
    passes = 1 + (max(1, _BYTES // used.nbytes) - 1) // threads * threads
    arguments = (number, a.view(np.int64), a, b, c, sink)
    return Job(lambda: probes.stream(threads, passes * rows, width, *arguments), passes * used.nbytes)


def _aligned(size: int) -> Any:
    """So many float64 at the start of a page: a load across two cache lines counts as two."""
    buffer = np.ones(size + _PAGE // 8)
    start = -buffer.ctypes.data % _PAGE // 8
    return buffer[start : start + size]


def working_set(level: str, sizes: Mapping[str, int], threads: int = 1) -> int:
    """Bytes that are best served by a level: too many for the one before, and well within this one.

    Half of a cache, at most 16 times the one before for each thread: a large cache is shared with others.
    """
    available = psutil.virtual_memory().available // 4
    if level == DRAM:
        return min(max(4 * max(sizes.values()), _SMALLEST_DRAM), _LARGEST_DRAM, available)
    smaller = [size for size in sizes.values() if size < sizes[level]]
    return min([sizes[level] // 2, *(16 * threads * size for size in smaller[-1:])])


def _call_seconds(function: Any, *arguments: Any) -> float:
    """Seconds of one call from Python."""
    names = ", ".join(f"a{i}" for i in range(len(arguments)))
    scope = {"f": function, **{f"a{i}": value for i, value in enumerate(arguments)}}
    calls = 1000
    return min(timeit.repeat(f"f({names})", repeat=50, number=calls, globals=scope)) / calls


if __name__ == "__main__":
    measured = probe(parallel="parallel" in sys.argv[1:]).to_json()
    sys.stdout.write(json.dumps({"ceilings": measured, "blas": libraries()}))
