"""What the operating system holds the processors to: clock policy, affinity, cgroup limits.

Linux tells all of it; elsewhere, or where a file cannot be read, the answer is None.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

import psutil

_CPUS = Path("/sys/devices/system/cpu")
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_NO_LIMIT = "max"
_LARGEST_LIMIT = 2**62  # of memory: version 1 says "none" with a number near 2**63


def governor() -> str | None:
    """The clock governor of the processors, all that there are."""
    governors = {_read(path) for path in _CPUS.glob("cpu[0-9]*/cpufreq/scaling_governor")}
    return ", ".join(sorted(name for name in governors if name)) or None


def turbo() -> bool | None:
    """Whether clocks above the nominal one are allowed."""
    for name, allowed in (("intel_pstate/no_turbo", "0"), ("cpufreq/boost", "1")):
        text = _read(_CPUS / name)
        if text in ("0", "1"):
            return text == allowed
    return None


def affinity() -> list[int] | None:
    """The processors that this process may run on."""
    try:
        return sorted(psutil.Process().cpu_affinity() or []) or None
    except (AttributeError, psutil.Error, OSError):  # macOS has none
        return None


def cgroup() -> dict[str, str | None]:
    """The tightest limits of this process's cgroup and those above it.

    cpu_max: "quota period" in microseconds. memory_max: bytes. "max" where there is no limit.
    """
    return {
        "cpu_max": _tightest(map(_cpu_limit, _folders("cpu")), _cores),
        "memory_max": _tightest(map(_memory_limit, _folders("memory")), _bytes),
    }


def free_memory() -> float:
    """Bytes that this process can get: what the machine has free, and its cgroup allows at all."""
    allowed = cgroup()["memory_max"]
    return min(psutil.virtual_memory().available, math.inf if allowed is None else _bytes(allowed))


def _folders(controller: str) -> Iterator[Path]:
    """The folders of this process's cgroup, innermost first, of both versions."""
    for line in (_read(_OWN_CGROUPS) or "").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers == "":
            base = _CGROUPS
        elif controller in controllers.split(","):
            base = _CGROUPS / controller
        else:
            continue
        parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
        yield from (base.joinpath(*parts[:count]) for count in range(len(parts), -1, -1))


def _cpu_limit(folder: Path) -> str | None:
    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    return _read(folder / "cpu.max") or (f"{quota} {period}" if quota and period else None)


def _memory_limit(folder: Path) -> str | None:
    return _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")


def _cores(limit: str) -> float:
    quota, period = limit.split()
    return math.inf if quota in (_NO_LIMIT, "-1") else int(quota) / int(period)


def _bytes(limit: str) -> float:
    return math.inf if limit == _NO_LIMIT or int(limit) > _LARGEST_LIMIT else int(limit)


def _tightest(limits: Iterable[str | None], size: Callable[[str], float]) -> str | None:
    """The least limit; "max" where none limits, None where none can be read."""
    known = []
    for limit in limits:
        try:
            known += [(size(limit), limit)] if limit else []
        except (ValueError, ZeroDivisionError):
            continue
    least, limit = min(known, default=(0.0, None))
    return _NO_LIMIT if least == math.inf else limit


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
