"""What a measurement depends on besides the code that is measured."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import psutil

from seqgap.bench.machine import limits, processor
from seqgap.bench.machine.source import source
from seqgap.bench.machine.variables import SLOWING, removed

_PACKAGES = ("seqgap", "numpy", "numba", "llvmlite", "scipy", "pytest-benchmark")
_PEERS = (
    "blackjax", "diffusers", "flowjax", "jax", "jaxlib", "nflows", "onnx", "onnxruntime",
    "openvino", "prdc", "scikit-learn", "torch", "torchdiffeq", "zuko",
)  # fmt: skip
_PREFIXES = ("NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "GOMP_", "KMP_", "BLIS_", "VECLIB_")


def environment(blas: list[dict[str, Any]]) -> dict[str, Any]:
    """Machine, versions, variables and source of a run, as plain values; docs/schema.md.

    blas: of the processes that measure, which this one may not be. None stands for what the system does not
    tell.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(),
        "machine": machine(),
        "versions": versions(),
        "blas": blas,
        "variables": _variables(),
        "removed_variables": removed(),
        "load": list(psutil.getloadavg()),
        "source": source(),
        "garbage_collector": "collected before the timing of each cell, off during it",
        "timer": {"name": "time.perf_counter", "step": processor.timer_step()},
    }


def command() -> str:
    """What was typed to start this process, with the name of the program for its path."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def machine() -> dict[str, Any]:
    """The processors, their memory and what limits their use."""
    return {
        "cpu": processor.name(),
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "caches": processor.cache_sizes(),
        "governor": limits.governor(),
        "turbo": limits.turbo(),
        "affinity": limits.affinity(),
        "cgroup": limits.cgroup(),
        "vector_bytes": processor.vector_bytes(),
    }


def versions() -> dict[str, str]:
    """Python's, those of the packages that every run needs, and those of the peers that are installed."""
    peers = [package for package in _PEERS if any(distributions(name=package))]
    return {"python": platform.python_version(), **{name: version(name) for name in (*_PACKAGES, *peers)}}


def _variables() -> dict[str, str]:
    """Those of threading and of numerical libraries that the processes that measure have."""
    kept = {name: value for name, value in os.environ.items() if name not in SLOWING}
    return {name: value for name, value in sorted(kept.items()) if name.startswith(_PREFIXES)}
