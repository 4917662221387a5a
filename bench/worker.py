"""One of the fresh processes of a run: `python -m seqgap.bench.worker FOLDER PROCESS`.

It measures the cells of the run in an order of its own and hands each finished row, and the probes of the
host between the cells, to the parent as lines of JSON on standard output. After each line it waits for one
on standard input: the parent stores the row while nothing is timed, and a worker without parent ends.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from seqgap.bench.blocks import Block, blocks
from seqgap.bench.plan import Cell, Options
from seqgap.bench.results import Probe, Row, RunFolder
from seqgap.bench.runs import DISTURBED
from seqgap.bench.session import Session, SessionError, run

_PROBE_BYTES, _PROBE_REPEATS = 2**19, 3
_SPARE = 0.15  # of the number of cells: so many may be measured again


def host_probe() -> float:
    """Seconds of a fixed piece of work, median of 3: SHA-256 of 512 KiB, about a quarter millisecond each.

    One dependent chain of integer instructions in one core, independent of everything that is measured.
    """
    data = bytes(_PROBE_BYTES)
    seconds = []
    for _ in range(_PROBE_REPEATS):
        start = time.perf_counter()
        hashlib.sha256(data).digest()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


class Worker:
    """Measures blocks, and hands over what it finds."""

    def __init__(self, options: Options, process: int, hand_over: Callable[[Row | Probe], None]) -> None:
        self._options = options
        self._process = process
        self._hand_over = hand_over
        self._seconds: list[float] = []  # of all probes

    def measure(self, todo: Sequence[Block]) -> None:
        """Every block, and again the cells that a disturbance of the host fell on, while some are allowed."""
        allowed = int(_SPARE * sum(map(len, todo)))
        disturbed = self._pass([cell for block in todo for cell in block])
        while disturbed and allowed:
            again, allowed = disturbed[:allowed], allowed - min(allowed, len(disturbed))
            disturbed = self._pass(again)

    def _pass(self, cells: Sequence[Cell]) -> list[Cell]:
        """Measure the cells; those with a slow probe before or after them."""
        probes = [self._probe()]

        def finished(row: Row) -> None:
            self._hand_over(replace(row, process=self._process))
            probes.append(self._probe())

        if not run(Session(self._options, list(cells), finished)):
            raise KeyboardInterrupt
        self._seconds += probes
        slow = np.array(probes) > DISTURBED * np.median(self._seconds)
        return [cell for cell, before, after in zip(cells, slow, slow[1:], strict=False) if before or after]

    def _probe(self) -> float:
        seconds = host_probe()
        self._hand_over(Probe(self._process, time.time(), seconds))
        return seconds


def main(folder: Path, process: int) -> None:
    """Measure what `process` has left to do in the run of `folder`."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what others print is no row

    def hand_over(item: Row | Probe) -> None:
        channel.write(json.dumps(asdict(item), allow_nan=False) + "\n")
        channel.flush()
        if not sys.stdin.readline():  # the parent is gone
            os._exit(1)

    options, done = RunFolder.state(folder)
    todo = [[cell for cell in block if (cell, process) not in done] for block in blocks(options, process)]
    try:
        Worker(options, process, hand_over).measure([block for block in todo if block])
    except SessionError as error:
        sys.exit(f"{error.output}\n{error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
