"""A run: fresh processes one after another, their rows stored as they come."""

import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console

from seqgap.bench.machine.environment import environment
from seqgap.bench.machine.probe import MEASURING, MachineError, measure_machine
from seqgap.bench.machine.variables import measuring, removed
from seqgap.bench.measure.progress import progress
from seqgap.bench.measure.stop import nothing_measured
from seqgap.bench.model import outside
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.cells import expected_seconds, planned, too_slow
from seqgap.bench.plan.estimate import expectation
from seqgap.bench.plan.options import Options
from seqgap.bench.results.folder import RunFolder, make_empty
from seqgap.bench.results.lock import held
from seqgap.bench.results.rows import Probe, Row, parse_item

_LOG = "worker.log"


class WorkerError(click.ClickException):
    """A measuring process ended early; the message is one line and names its log."""


@contextmanager
def started(options: Options, path: Path, notes: Console) -> Iterator[RunFolder]:
    """A new result folder with all that is known before the first timing; none is left by a stop."""
    with ExitStack() as stack:
        with nothing_measured(path):
            make_empty(path)
            stack.enter_context(held(path))
            notes.print(MEASURING)
            ceilings, blas = measure_machine(parallel=any(cell.threads > 1 for cell in planned(options)))
            _refuse_if_wrong(blas)
            if gone := removed():
                notes.print(f"Measured without what slows libraries down: {', '.join(gone)}")
            known = environment(blas) | {"ceilings": ceilings.to_json()}
            folder = RunFolder.create(path, known, options)
        yield folder


def _refuse_if_wrong(blas: list[dict[str, Any]]) -> None:
    """MachineError where a product or a solve is wrong: the time of NumPy's or SciPy's would mean nothing."""
    for b in blas:
        if not b["error"] <= 1:
            name = f"{b['internal_api']} {b['version']}, kernel {b['architecture']}"
            raise MachineError(f"the BLAS of {b['library']} computes wrong results ({name}): install another")


def measure_run(notes: Console, folder: RunFolder) -> None:
    """Measure what is left to do in a folder; KeyboardInterrupt leaves it ready to go on with.

    notes: where to say how far it is.
    """
    options, done = folder.state(folder.path)
    reasons = {cell: too_slow(cell, options) for cell in planned(options)}
    for cell, reason in reasons.items():
        if reason and (cell, 0) not in done:
            folder.append(Row(cell, "skipped", reason=reason, expected=expected_seconds(cell)))
    cells = [cell for cell, reason in reasons.items() if not reason]
    todo = {p: [cell for cell in cells if (cell, p) not in done] for p in range(options.processes)}
    todo = {process: left for process, left in todo.items() if left}
    if not todo:
        return
    notes.print(f"{expectation(todo, options)}; results in {folder.path}")
    counted: set[tuple[Cell, int]] = set()
    with progress(notes, sum(map(len, todo.values()))) as advance:
        for process, left in todo.items():
            with closing(_worker(folder, process, len(left))) as items:
                for item in items:
                    folder.append(item)
                    if isinstance(item, Row):
                        text = f"process {process + 1} of {options.processes}: {item.cell}"
                        advance(text, item.compile, (item.cell, process) in counted)
                        counted.add((item.cell, process))


def _worker(folder: RunFolder, process: int, count: int) -> Generator[Row | Probe]:
    """What one process hands over, rows of `count` cells; it goes on when the next item is asked for."""
    finished = set()
    command = [sys.executable, "-P", "-m", "seqgap.bench.measure.worker", str(folder.path), str(process)]
    with tempfile.TemporaryFile() as errors:
        # A session of its own: Ctrl-C reaches this process alone, which then ends the other.
        pipe = subprocess.PIPE
        worker = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=errors, env=measuring(), start_new_session=True
        )
        try:
            for item in _items(worker):
                finished |= {item.cell} if isinstance(item, Row) else set()
                yield item
            code = worker.wait()
        finally:
            worker.kill()
            worker.communicate()
        if code or len(finished) < count:
            raise _error(folder, code, errors)


def _items(worker: "subprocess.Popen[bytes]") -> Iterator[Row | Probe]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    for line in worker.stdout:
        try:
            item = parse_item(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise WorkerError(f"a measuring process handed over no row: {line[:80]!r}") from None
        yield item
        try:
            worker.stdin.write(b"\n")
            worker.stdin.flush()
        except BrokenPipeError:
            return  # it has ended: its code says why


def _error(folder: RunFolder, code: int, errors: IO[bytes]) -> WorkerError:
    """Keep what the worker said in a file, and say its last line; of one that was killed, what killed it."""
    errors.seek(0)
    text = errors.read().decode(errors="replace")
    log = folder.path / _LOG
    lines = text.strip().splitlines() if code > 0 else []
    said = lines[-1] if lines else f"{_killed(code, text)}exit code {code}"
    try:
        log.write_text(text, encoding="utf-8")
    except OSError as error:
        return WorkerError(f"the measurement ended early: {said}; no {log} ({error.strerror})")
    return WorkerError(f"the measurement ended early: {said}; see {log}")


def _killed(code: int, text: str) -> str:
    """The name of a signal, and the line of a user's file that Python was in."""
    if code >= 0:
        return ""
    files = [source.origin.get("file") for source in outside.used()]
    frames = re.findall(r'File "(.+)", line (\d+)', text)
    lines = [f" at {Path(file).name}:{line}" for file, line in frames if file in files]
    return f"{signal.strsignal(-code)}{lines[0] if lines else ''}, "
