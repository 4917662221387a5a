"""What a measurement depends on besides the code that is measured."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import numba
import psutil
import threadpoolctl

from seqgap.bench.machine import host
from seqgap.bench.machine.kernels import vector_bytes
from seqgap.bench.machine.probe import cache_sizes, timer_step
from seqgap.bench.machine.source import source
from seqgap.bench.measure.cell import GARBAGE_COLLECTOR

_PACKAGES = ("seqgap", "numpy", "numba", "llvmlite", "scipy", "pytest-benchmark")
_PEERS = ("torch", "jax", "jaxlib", "zuko", "nflows", "flowjax")
_PREFIXES = ("NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "GOMP_", "KMP_", "BLIS_", "VECLIB_")
_LAYERS = ("tbb", "omp", "workqueue")


def environment() -> dict[str, Any]:
    """Machine, versions, BLAS, threading and source of this process, as plain values; docs/schema.md.

    Call it once NumPy and SciPy are loaded: it lists the BLAS libraries that are. None stands for what the
    system does not tell.
    """
    packages = (*_PACKAGES, *_installed(_PEERS))
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
        "blas": blas_pools(),
        "threading_layer": threading_layer(),
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith(_PREFIXES)},
        "load": list(psutil.getloadavg()),
        "source": source(),
        "garbage_collector": GARBAGE_COLLECTOR,
        "timer": {"name": "time.perf_counter", "step": timer_step()},
    }


def machine() -> dict[str, Any]:
    """The processors, their memory and what limits their use."""
    return {
        "cpu": cpu_name(),
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "caches": cache_sizes(),
        "governor": host.governor(),
        "turbo": host.turbo(),
        "affinity": host.affinity(),
        "cgroup": host.cgroup(),
        "vector_bytes": vector_bytes(),
    }


def blas_pools() -> list[dict[str, Any]]:
    """The BLAS libraries that are loaded, with their threads."""
    keys = ("prefix", "internal_api", "version", "num_threads", "architecture")
    pools = threadpoolctl.threadpool_info()
    return [{key: pool.get(key) for key in keys} for pool in pools if pool.get("user_api") == "blas"]


def threading_layer() -> str | None:
    """What runs Numba's parallel regions in this process: known once one has run, or if only one may."""
    try:
        layer = numba.threading_layer()
    except ValueError:
        layer = numba.config.THREADING_LAYER
    return layer if layer in _LAYERS else None


def _installed(packages: tuple[str, ...]) -> list[str]:
    return [package for package in packages if any(distributions(name=package))]


def cpu_name() -> str:
    """The model name of the processor, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
