"""What a measurement depends on besides the code that is measured."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import psutil
import threadpoolctl


def environment() -> dict[str, Any]:
    """Machine, versions, BLAS and threading of this process, as plain values.

    Call it once NumPy and SciPy are loaded: it lists the BLAS libraries that are.
    """
    packages = ("seqgap", "numpy", "numba", "llvmlite", "scipy", "pytest-benchmark", *_installed(_PEERS))
    pools = [
        {key: pool.get(key) for key in ("internal_api", "version", "num_threads")}
        for pool in threadpoolctl.threadpool_info()
    ]
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": cpu_name(),
            "cores": psutil.cpu_count(logical=False),
            "threads": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        },
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
        "thread_pools": pools,
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith(_PREFIXES)},
        "load": list(psutil.getloadavg()),
    }


_PEERS = ("torch", "jax", "jaxlib")


def _installed(packages: tuple[str, ...]) -> list[str]:
    return [package for package in packages if any(distributions(name=package))]


_PREFIXES = ("NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "GOMP_")


def cpu_name() -> str:
    """The model name of the processor, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
