"""The processor and its clock, as the system tells them."""

import contextlib
import itertools
import os
import platform
import time
from pathlib import Path

import llvmlite.binding

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_NAMES = {"1": "SC_LEVEL1_DCACHE_SIZE", "2": "SC_LEVEL2_CACHE_SIZE", "3": "SC_LEVEL3_CACHE_SIZE"}
_DEFAULT = {"L1": 32 << 10, "L2": 512 << 10, "L3": 8 << 20}  # where the system does not tell
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_VECTOR_BYTES = {"avx512f": 64, "avx": 32}


def name() -> str:
    """The model name of the processor, as far as the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cache_sizes() -> dict[str, int]:
    """Bytes of the data caches by level, from the system where it tells."""
    sizes: dict[str, int] = {}
    for index in sorted(_CACHES.glob("index*")):
        with contextlib.suppress(OSError, ValueError, IndexError):
            content, level, size = (
                (index / name).read_text(encoding="ascii").strip() for name in ("type", "level", "size")
            )
            if content != "Instruction":
                sizes[f"L{level}"] = int(size.rstrip("KMG")) * _UNITS.get(size[-1], 1)
    if not sizes:
        known = getattr(os, "sysconf_names", {})
        sizes = {f"L{level}": os.sysconf(name) for level, name in _NAMES.items() if name in known}
    return {level: size for level, size in sorted(sizes.items()) if size > 0} or _DEFAULT


def timer_step() -> float:
    """The smallest difference that time.perf_counter shows, in seconds."""
    seen = [time.perf_counter() for _ in range(20_000)]
    return min(after - before for before, after in itertools.pairwise(seen) if after > before)


def vector_bytes() -> int:
    """The width of this machine's vectors."""
    features = llvmlite.binding.get_host_cpu_features()
    return next((width for name, width in _VECTOR_BYTES.items() if features.get(name)), 16)
