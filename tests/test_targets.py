"""The kernels as compiled for other processors, as far as this machine executes them: `.ci/run targets`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding as llvm
import pytest
from llvmlite.binding import FeatureMap

from assembly import machine_features

HOST = llvm.get_host_cpu_features()
HASWELL = ["avx2", "bmi", "bmi2", "cmov", "cx16", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sse4.2"]


class Target(NamedTuple):
    """What to compile for."""

    needed: set[str]  # features of the machine that is to run it
    checks: tuple[str, ...]  # "results", and the "width" of the vectors
    name: str | None  # of the processor; None: this one
    features: str | None = None  # None: those of this machine, whatever the name


# A name alone sets the tuning. Where there is none, each feature is said, or the name of this one implies it.
AVX512 = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
WITHOUT_AVX512 = {feature: there and not feature.startswith("avx512") for feature, there in HOST.items()}
TARGETS = {
    "haswell": Target(
        {*HASWELL}, ("results", "width"), "haswell", ",".join(f"+{feature}" for feature in HASWELL)
    ),
    "icelake-server": Target(AVX512, ("width",), "icelake-server"),
    "znver4": Target(AVX512, ("width",), "znver4"),
    "this-without-avx512": Target({"avx2", "fma"}, ("results",), None, FeatureMap(WITHOUT_AVX512).flatten()),
}


@pytest.mark.targets
@pytest.mark.parametrize("name", TARGETS)
def test_kernels_compiled_for(name: str) -> None:
    target = TARGETS[name]
    if missing := target.needed - machine_features():
        pytest.skip(f"this machine cannot execute code for {name}: it has no {', '.join(sorted(missing))}")
    environment = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")}
    said = {"NUMBA_CPU_NAME": target.name, "NUMBA_CPU_FEATURES": target.features}
    environment |= {key: value for key, value in said.items() if value is not None}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("target.py")), *target.checks],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(sys.prefix),  # nowhere near the sources
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
