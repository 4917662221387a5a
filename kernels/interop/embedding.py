"""Embedding nets of PyTorch, which make contexts of observations, and arrays or tensors at the border."""

import math
import sys
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array, asarray, described
from seqgap.kernels._core.tensors import is_tensor
from seqgap.kernels.interop.evaluation import copied
from seqgap.kernels.interop.parts import array, refuse


class Embedding:
    """A net, copied, in evaluation on the CPU; standardisation alone is done without PyTorch.

    shape: of an observation; None: whatever the net takes, a batch of them.
    """

    def __init__(self, net: Any, shape: tuple[int, ...] | None, dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype
        self._net = copied(net, "embedding net").to(getattr(sys.modules["torch"], dtype.name))
        self._standard = _standardisation(self._net)

    def __call__(self, name: str, observations: Any) -> Array:
        """Contexts (B, C) of observations (B, ...) or of one; errors name the argument."""
        x = self.batch(name, observations)
        if self._standard is not None:
            mean, deviation = self._standard
            return np.ascontiguousarray(((x - mean) / deviation).reshape(len(x), math.prod(x.shape[1:])))
        torch = sys.modules["torch"]
        try:
            with torch.no_grad():
                contexts = self._net(torch.from_numpy(x))
        except Exception as error:  # it may be any of the net's
            got = f"shape {x.shape}: {type(error).__name__}: {error}"
            raise ValueError(f"{name}: expected what the embedding net takes, got {got}") from None
        if getattr(contexts, "ndim", 0) != 2 or len(contexts) != len(x):
            got = f"shape {tuple(contexts.shape)}" if hasattr(contexts, "shape") else described(contexts)
            refuse("embedding net", f"contexts of shape ({len(x)}, C)", got)
        return array(contexts)

    def batch(self, name: str, observations: Any) -> Array:
        """Observations as (B, ...), checked."""
        x = numbers(name, observations, self.dtype)
        if not np.isfinite(x).all():
            raise ValueError(f"{name}: expected finite values, got NaN or inf")
        if self.shape is None:
            return np.atleast_2d(x)
        if x.shape[x.ndim - len(self.shape) :] != self.shape or x.ndim > len(self.shape) + 1:
            raise ValueError(f"{name}: expected shape {self.shape} or (B, *{self.shape}), got {x.shape}")
        return x.reshape(-1, *self.shape)


def _standardisation(net: Any) -> tuple[Array, Array] | None:
    """(mean, deviation) of a net that does nothing else; None for others."""
    torch = sys.modules["torch"]
    if any(m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m) for m in net.modules()):
        return None
    parts = list(net) if type(net) is torch.nn.Sequential else [net]
    parts = [part for part in parts if type(part) is not torch.nn.Identity]
    standardize = getattr(sys.modules.get("sbi.utils.sbiutils"), "Standardize", None)
    if not parts:
        return np.zeros(1, np.float32), np.ones(1, np.float32)
    if len(parts) == 1 and type(parts[0]) is standardize:
        return array(parts[0]._mean), array(parts[0]._std)
    return None


def numbers(name: str, value: Any, dtype: np.dtype[Any]) -> Array:
    """An array, or a tensor that needs no gradient, as a new array of a dtype."""
    if getattr(value, "requires_grad", False):
        raise TypeError(
            f"{name}: expected numbers without gradients, got a tensor that requires_grad: detach it"
        )
    if is_tensor(value) and not value.is_meta:
        value = value.cpu()
    own = asarray(name, value)
    if own.size and own.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected numbers, got {described(value)}")
    with np.errstate(over="ignore"):  # a number too large for the dtype is infinite
        return np.array(own, dtype, order="C")
