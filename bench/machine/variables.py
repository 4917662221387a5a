"""Variables that make a library slower than it is. No process that measures has them: see `measuring`."""

import json
import os
import sys

# Those that choose the kernels of a library, or switch off its compiler. At most they choose what it would
# have chosen itself.
SLOWING = frozenset({
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_BLOCK_FACTOR",
    "BLIS_ARCH_TYPE", "BLIS_MODEL_TYPE",
    "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "MKL_DISABLE_FAST_MM",
    "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES",
    "ATEN_CPU_CAPABILITY", "TORCH_COMPILE_DISABLE", "TORCHDYNAMO_DISABLE",
    "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_CPU_ISA_HINTS", "DNNL_CPU_ISA_HINTS",
    "XLA_FLAGS", "JAX_DISABLE_JIT",
})  # fmt: skip
_REMOVED = "SEQGAP_REMOVED_VARIABLES"  # of a process that does without them: what they were, as JSON


def removed() -> dict[str, str]:
    """Name to value of what processes that measure do without, those started from here and this one."""
    before: dict[str, str] = json.loads(os.environ.get(_REMOVED, "{}"))
    return before | {name: os.environ[name] for name in sorted(SLOWING & set(os.environ))}


def measuring() -> dict[str, str]:
    """The environment of a process that measures."""
    kept = {name: value for name, value in os.environ.items() if name not in SLOWING}
    return kept | ({_REMOVED: json.dumps(gone)} if (gone := removed()) else {})


def restart_without() -> None:
    """Start this program anew without the variables where it has some: libraries read them when they load."""
    if SLOWING & set(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], measuring())
