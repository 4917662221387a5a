"""Writes docs/performance.md: `python docs/performance.py docs/performance.md`, on an idle machine.

Needs `pip install ".[peers]"`. About 12 minutes. The contenders of a row are timed in turns in this one
process, each round long enough for the timer; a figure is a ratio of medians.
"""

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import performance_flows
import performance_kernels
import performance_small
from rich.console import Console
from timing import Report, on_one_thread

from seqgap.bench.machine.ceilings import Ceilings
from seqgap.bench.machine.variables import restart_without
from seqgap.bench.model.implementation import PEERS
from seqgap.bench.report.machine import print_ceilings
from seqgap.kernels._core.jit import threads_available

COMMAND = ("run", "--dim", "64", "--batch", "1,1024", "--impl", ",".join(("numba", *PEERS)))


def peers_run(out: Path) -> tuple[str, dict[str, Any]]:
    """The table of peers as `seqgap run` prints it, and the environment of that run."""
    command = [sys.executable, "-m", "seqgap", *COMMAND, "--out", str(out)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    start = printed.index("Median time of one call; ratio")
    table = printed[start : printed.index("\n\n", printed.index("A peer wins", start))]
    return table, json.loads((out / "environment.json").read_text(encoding="utf-8"))


def block(text: str) -> str:
    lines = (line.rstrip() for line in text.splitlines())
    return "```\n" + "\n".join(lines).strip("\n") + "\n```"


def machine_text(environment: dict[str, Any]) -> str:
    machine, removed = environment["machine"], environment["removed_variables"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    facts = ("library", "internal_api", "version", "architecture")
    blas = "; ".join(" ".join(str(library[fact]) for fact in facts) for library in environment["blas"])
    return (
        f"Machine: {machine['cpu']}, {machine['cores']} cores. {versions}.\n\n"
        f"BLAS of each library, its version and its kernel: {blas}. Variables that were removed because they"
        f" slow libraries down: {', '.join(removed) or 'none'}."
    )


def sections() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as name:
        table, environment = peers_run(Path(name) / "run")
    yield machine_text(environment)
    ceilings = io.StringIO()
    print_ceilings(Console(file=ceilings, width=110), Ceilings.from_json(environment["ceilings"]))
    yield f"## Ceilings\n\n`seqgap machine`, measured before the run below.\n\n{block(ceilings.getvalue())}"
    report, small = Report(), Report()
    dtypes = (np.dtype(np.float64), np.dtype(np.float32))
    with on_one_thread():
        for dtype in dtypes:
            for part in performance_kernels.PARTS:
                report.compare(dtype, part(dtype))
        performance_flows.rows(report)
        performance_small.rows(small)
    for dtype in dtypes if threads_available() > 1 else ():  # last: threads spin on after a parallel region
        report.compare(dtype, performance_kernels.threads(dtype))
    yield "## Targets\n\n" + "\n".join(report.lines)
    yield "## Small batches\n\nFloat32, one thread, through `Flow`.\n\n" + "\n".join(small.lines)
    yield f"## Peers\n\n`seqgap {' '.join(COMMAND)}`\n\n{block(table)}"


if __name__ == "__main__":
    restart_without()
    notes = Path(__file__).with_name("performance_notes.md").read_text(encoding="utf-8")
    Path(sys.argv[1]).write_text(notes + "\n" + "\n\n".join(sections()) + "\n", encoding="utf-8")
