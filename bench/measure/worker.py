"""One of the fresh processes of a run: `python -m seqgap.bench.measure.worker FOLDER PROCESS`.

It measures the cells of the run in an order of its own and hands each finished row, and the probes of the
host between the cells, to the parent as lines of JSON on standard output. After each line it waits for one
on standard input: the parent stores the row while nothing is timed, and a worker without parent ends.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from seqgap.bench.measure.session import Session, SessionError, run
from seqgap.bench.model import outside
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.script import CaseError
from seqgap.bench.plan.options import Options
from seqgap.bench.plan.order import Block, blocks
from seqgap.bench.results.folder import RunFolder, read_environment
from seqgap.bench.results.rows import Probe, Row, read_probes
from seqgap.bench.results.run import DISTURBED

_PROBE_TERMS, _PROBE_REPEATS = 20_000, 3
_FIRST_PROBES = 9  # for a median to begin with
_VISITS = 3  # of a cell at most
_SPARE = 0.2  # of the number of cells: so many visits may be further ones


def host_probe() -> float:
    """Seconds of a fixed piece of work, median of 3: a sum in plain Python, about 0.2 milliseconds each.

    The interpreter keeps all units of a core busy, as the kernels do, so it feels another machine on the same
    core: where kernels took 1.4 times as long, this took 1.8 times, a hash of the same length 1.0 times.
    """
    seconds = []
    for _ in range(_PROBE_REPEATS):
        start = time.perf_counter()
        sum(range(_PROBE_TERMS))
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


@dataclass(eq=False)
class Worker:
    """Measures blocks, and hands over what it finds. probes: their seconds, those of earlier processes first.

    At the end of each block the cells that have a slow probe before or after them come again, while some are
    allowed: still beside those that they are compared with.
    """

    options: Options
    process: int
    hand_over: Callable[[Row | Probe], None]
    probes: list[float] = field(default_factory=list)
    _settled: set[Cell] = field(default_factory=set, init=False)  # measured while the host was quiet
    _measured: set[Cell] = field(default_factory=set, init=False)
    _allowed: int = field(default=0, init=False)  # cells that may still be measured again

    def measure(self, todo: Sequence[Block]) -> None:
        """Every block; KeyboardInterrupt passes through."""
        self._allowed = int(_SPARE * sum(map(len, todo)))
        for _ in range(_FIRST_PROBES):
            self._probe()
        visits = [cell for block in todo for cell in block * _VISITS]
        if not run(Session(self.options, visits, self._finished, self._due)):
            raise KeyboardInterrupt

    def _due(self, cell: Cell) -> bool:
        """Whether to measure a cell now: on the first visit always, then if it was disturbed."""
        if cell not in self._measured:
            return True
        if cell in self._settled or not self._allowed:
            return False
        self._allowed -= 1
        return True

    def _finished(self, row: Row) -> None:
        self.hand_over(replace(row, process=self.process))
        self._measured.add(row.cell)
        self._probe()
        if max(self.probes[-2:]) <= DISTURBED * np.median(self.probes):
            self._settled.add(row.cell)

    def _probe(self) -> None:
        seconds = host_probe()
        self.probes.append(seconds)
        self.hand_over(Probe(self.process, time.time(), seconds))


def main(folder: Path, process: int) -> str:
    """Measure what `process` has left to do in the run of `folder`; what went wrong, if anything did."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    answers = os.fdopen(os.dup(sys.stdin.fileno()))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what others print is no row
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())  # nor are the answers for them to read

    def hand_over(item: Row | Probe) -> None:
        channel.write(json.dumps(asdict(item), allow_nan=False) + "\n")
        channel.flush()
        if not answers.readline():  # the parent is gone
            os._exit(1)

    try:
        outside.use(outside.restored(read_environment(folder).get("own_cases", {})))
    except CaseError as error:
        return error.message
    options, done = RunFolder.state(folder)
    todo = [[cell for cell in block if (cell, process) not in done] for block in blocks(options, process)]
    try:
        known = [probe.seconds for probe in read_probes(folder)[0]]
        Worker(options, process, hand_over, known).measure([block for block in todo if block])
    except SessionError as error:
        return f"{error.output}\n{error}"
    return ""


if __name__ == "__main__":
    if wrong := main(Path(sys.argv[1]), int(sys.argv[2])):
        os.write(2, wrong.encode(errors="replace"))
    os._exit(1 if wrong else 0)  # waits for no thread of a user's function, which may never end
