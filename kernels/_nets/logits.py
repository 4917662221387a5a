"""Independent bits from their logits, entry by entry."""

from typing import Any

from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.rows import WORTH_LIGHT, RowKernel
from seqgap.kernels._core.simd import lanes, load, store
from seqgap.kernels._core.vecmath import sigmoid, softplus


@jit_exact
def _sigmoid_rows(lo: Any, hi: Any, values: Any) -> None:
    """Logits become probabilities, in place."""
    isolate()
    end = hi * values.shape[1]
    for at in range(lo * values.shape[1], end, lanes(values)):
        count = min(lanes(values), end - at)
        store(values, at, sigmoid(load(values, at, count)), count)


@jit_exact
def _entropy_rows(lo: Any, hi: Any, bits: Any, values: Any) -> None:
    """Logits l become -log p(bit), softplus(l) - bit l, in place."""
    isolate()
    end = hi * values.shape[1]
    for at in range(lo * values.shape[1], end, lanes(values)):
        count = min(lanes(values), end - at)
        logit = load(values, at, count)
        store(values, at, softplus(logit) - load(bits, at, count) * logit, count)


to_probabilities, to_entropies = RowKernel(_sigmoid_rows, WORTH_LIGHT), RowKernel(_entropy_rows, WORTH_LIGHT)
