"""What it costs to sample one dimension at a time: compiled samplers, references, benchmark curves.

`seqgap.kernels` holds the samplers, `seqgap.Flow` composes, saves and loads them, `seqgap.Chain` runs those
with steps in time, `seqgap.load(DIR)` opens the folder of a run. Each is imported when it is first used:
`import seqgap` loads neither Numba nor NumPy.
"""

import importlib
import importlib.metadata
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqgap import kernels as kernels
    from seqgap.bench.report.loaded import load as load
    from seqgap.kernels._core.flow import Flow as Flow
    from seqgap.kernels._nets.chain import Chain as Chain

# In a checkout Python sees this folder before the installed package: kernels, bench and reference are there.
__path__ = pkgutil.extend_path(__path__, __name__)
__all__ = ["Chain", "Flow", "kernels", "load"]
__version__ = importlib.metadata.version("seqgap")
_SOURCES = {
    "Chain": ("seqgap.kernels._nets.chain", "Chain"),
    "Flow": ("seqgap.kernels._core.flow", "Flow"),
    "load": ("seqgap.bench.report.loaded", "load"),
}


def __getattr__(name: str) -> object:
    if name == "kernels":
        return importlib.import_module("seqgap.kernels")
    if name not in _SOURCES:
        raise AttributeError(f"module 'seqgap' has no attribute {name!r}")
    module, attribute = _SOURCES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
