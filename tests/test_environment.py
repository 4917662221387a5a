"""What a run stores about the machine and the source, on systems that tell much, little or nothing."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import threadpoolctl

from seqgap.bench.machine import blas, limits, processor
from seqgap.bench.machine.blas import libraries
from seqgap.bench.machine.environment import environment


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system of files that tells nothing yet."""
    monkeypatch.setattr(limits, "_CPUS", tmp_path / "cpu")
    monkeypatch.setattr(limits, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(limits, "_OWN_CGROUPS", tmp_path / "own")
    return tmp_path


def test_environment_survives_json() -> None:
    found = environment(libraries())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["machine"]["cpu"]
    assert found["machine"]["threads"] == psutil.cpu_count()
    assert found["machine"]["caches"]["L1"] > 0
    assert found["machine"]["vector_bytes"] in (16, 32, 64)
    assert found["timer"]["name"] == "time.perf_counter"
    assert 0 < found["timer"]["step"] < 1e-3
    assert len(found["source"]["digest"]) == 16
    assert {"python", "numpy", "numba", "llvmlite", "seqgap", "scipy"} <= set(found["versions"])


def test_variables_of_threading_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KMP_AFFINITY", "BLIS_NUM_THREADS", "SECRET", "OPENBLAS_CORETYPE"):
        monkeypatch.setenv(name, "3")
    found = environment([])
    assert {"KMP_AFFINITY", "BLIS_NUM_THREADS"} <= set(found["variables"])
    assert not {"OPENBLAS_CORETYPE", "SECRET"} & set(found["variables"])
    assert found["removed_variables"]["OPENBLAS_CORETYPE"] == "3"


def test_a_measuring_process_has_no_slowing_variable(fresh_python: Callable[..., str]) -> None:
    """Neither after a restart nor where it was started so; both know which there were."""
    program = """
import json, os, subprocess, sys
from seqgap.bench.machine import variables
if sys.argv[1:] != ["started"]:
    variables.restart_without()
    command = [sys.executable, "-c", sys.orig_argv[2], "started"]
    print(subprocess.run(command, env=variables.measuring(), capture_output=True, text=True).stdout)
from seqgap.bench.machine.blas import libraries
kernels = [library["architecture"] for library in libraries()]
print(json.dumps([variables.removed(), sorted(variables.SLOWING & set(os.environ)), kernels]))
"""
    text = fresh_python(program, OPENBLAS_CORETYPE="Prescott", XLA_FLAGS="--xla_cpu_max_isa=AVX2")
    first, second = (json.loads(line) for line in text.splitlines() if line)
    assert first == second
    removed, left, kernels = first
    assert {"OPENBLAS_CORETYPE": "Prescott", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}.items() <= removed.items()
    assert left == []
    assert not {"Prescott", "Katmai"} & set(kernels)  # the kernel of that name, and where there is none


def test_the_blas_of_this_process_is_right_and_named() -> None:
    found = libraries()
    assert [library["library"] for library in found] == ["numpy", "scipy"]
    for library in found:
        assert 0 <= library["error"] < 0.5
        assert library["architecture"] or library["internal_api"] != "openblas"


SPOILED: list[tuple[int, Callable[[Any], Any]]] = [
    (3, lambda product: product + 1e-2),
    (3, lambda product: np.where(np.arange(product.shape[1]) == 77, 0, product)),
    (4, lambda solution: solution * np.nan),
    (4, lambda solution: (solution.view(np.uint32) & 0xFFFF0000).view(np.float32)),  # in bfloat16
]


@pytest.mark.parametrize(("place", "spoil"), SPOILED)
def test_a_wrong_blas_is_seen(place: int, spoil: Callable[[Any], Any]) -> None:
    x = np.random.default_rng(1).uniform(-1, 1, (1027, 131)).astype(np.float32)
    lower = np.tril(x[:131], -1) / 8 + 2 * np.eye(131, dtype=np.float32)
    results = [x, x[:131], lower, x @ x[:131], np.linalg.solve(lower, x.T).T.copy()]
    assert blas.error(*results) < 1
    results[place] = spoil(results[place])
    assert not blas.error(*results) <= 1


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("/a/numpy.libs", "/a/scipy.libs"), ["/a/numpy.libs", "/a/scipy.libs"]),
        (("/a/scipy/.dylibs", "/a/numpy/.dylibs"), ["/a/numpy/.dylibs", "/a/scipy/.dylibs"]),
        (("/conda/lib",), ["/conda/lib", "/conda/lib"]),
        ((), [None, None]),
    ],
)
def test_each_library_has_the_blas_of_its_own_folder_or_the_shared_one(
    monkeypatch: pytest.MonkeyPatch, folders: tuple[str, ...], expected: list[str | None]
) -> None:
    pools = [{"user_api": "blas", "filepath": f"{path}/libblas.so", "version": path} for path in folders]
    openmp = {"user_api": "openmp", "filepath": "/a/numpy.libs/libgomp.so"}
    monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: [openmp, *pools])
    assert [library["version"] for library in libraries()] == expected


def test_a_system_that_tells_nothing(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(psutil.Process, "cpu_affinity", raising=False)  # as on macOS
    assert limits.governor() is None
    assert limits.turbo() is None
    assert limits.affinity() is None
    assert limits.cgroup() == {"cpu_max": None, "memory_max": None}


def test_governors_of_all_processors(system: Path) -> None:
    for cpu, name in enumerate(["powersave", "performance", "powersave"]):
        write(system / f"cpu/cpu{cpu}/cpufreq/scaling_governor", name)
    write(system / "cpu/cpufreq/scaling_governor", "not of a processor")
    assert limits.governor() == "performance, powersave"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("intel_pstate/no_turbo", "0", True),
        ("intel_pstate/no_turbo", "1", False),
        ("cpufreq/boost", "1", True),
        ("cpufreq/boost", "0", False),
        ("cpufreq/boost", "?", None),
    ],
)
def test_turbo(system: Path, name: str, text: str, expected: bool | None) -> None:
    write(system / "cpu" / name, text)
    assert limits.turbo() is expected


def test_affinity_is_what_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: [3, 1], raising=False)
    assert limits.affinity() == [1, 3]


Limits = dict[str, str]
NONE = {"cpu_max": "max", "memory_max": "max"}
V1 = "9:memory:/a\n8:cpu,cpuacct:/a/b\n1:name=systemd:/x\n0::/\n"
CGROUPS: list[tuple[str, Limits, Limits]] = [
    ("0::/a/b\n", {"a/cpu.max": "max 100000", "a/memory.max": "max"}, NONE),
    # The tightest of all levels counts.
    (
        "0::/a/b\n",
        {"a/cpu.max": "150000 100000", "a/b/cpu.max": "400000 100000", "a/b/memory.max": "1000",
         "memory.max": "900"},
        {"cpu_max": "150000 100000", "memory_max": "900"},
    ),
    # A container sees its own group at the root, whatever its path outside.
    ("0::/out/side\n", {"cpu.max": "50000 100000", "memory.max": "77"},
     {"cpu_max": "50000 100000", "memory_max": "77"}),
    ("0::/../up\n", {"up/cpu.max": "1 1", "up/memory.max": "5"}, {"cpu_max": "1 1", "memory_max": "5"}),
    (
        V1,
        {"cpu/a/b/cpu.cfs_quota_us": "-1", "cpu/a/b/cpu.cfs_period_us": "100000",
         "memory/a/memory.limit_in_bytes": "9223372036854771712"},
        NONE,
    ),
    (
        V1,
        {"cpu/a/cpu.cfs_quota_us": "20000", "cpu/a/cpu.cfs_period_us": "10000",
         "memory/memory.limit_in_bytes": "4096"},
        {"cpu_max": "20000 10000", "memory_max": "4096"},
    ),
    ("nonsense\n0::/a\n", {"a/cpu.max": "x", "cpu.max": "3 0", "memory.max": "y"},
     {"cpu_max": None, "memory_max": None}),
]  # fmt: skip


@pytest.mark.parametrize(("own", "files", "expected"), CGROUPS)
def test_cgroup_limits(system: Path, own: str, files: Limits, expected: Limits) -> None:
    (system / "own").write_text(own)
    for name, text in files.items():
        write(system / "cgroup" / name, text)
    assert limits.cgroup() == expected


@pytest.mark.parametrize("found", [{}, {"index0": ("Data", "1", "48K"), "index3": ("Unified", "3", "32M")}])
def test_cache_sizes_come_from_the_system_or_a_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: dict[str, tuple[str, str, str]]
) -> None:
    for index, texts in found.items():
        (tmp_path / index).mkdir()
        for name, text in zip(("type", "level", "size"), texts, strict=True):
            (tmp_path / index / name).write_text(text + "\n")
    (tmp_path / "index1").mkdir()  # unreadable
    monkeypatch.setattr(processor, "_CACHES", tmp_path)
    monkeypatch.delattr(os, "sysconf_names")
    expected = {"L1": 48 << 10, "L3": 32 << 20} if found else {"L1": 32 << 10, "L2": 512 << 10, "L3": 8 << 20}
    assert processor.cache_sizes() == expected
