"""Commands, in this process and in one of their own."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from click.testing import CliRunner, Result

from seqgap.bench.cli import cli

SEQGAP = str(Path(sysconfig.get_path("scripts")) / "seqgap")
CASES = ["--case", "ar_process.forward", "--case", "ar_process.inverse", "--case", "diffusion.noise"]

HANGS = 3000  # seconds after which a process is taken to hang: no measure of how fast a machine is

# Before the command and its arguments: shells have what they run in the background ignore Ctrl-C.
HEED_CTRL_C = [
    sys.executable,
    "-c",
    "import os, sys\nfrom signal import *\nsignal(SIGINT, SIG_DFL)\nos.execv(sys.argv[1], sys.argv[1:])",
]


def invoke(*arguments: str | Path) -> Result:
    """The command line in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def completed(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Any program, run to its end."""
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=HANGS, env=environment)


def seqgap(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command line, run to its end."""
    return completed(SEQGAP, *arguments, cwd=cwd, **variables)
