"""Tensors of PyTorch at the border: taken as arrays are, and returned where they are passed."""

import sys
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array


def is_tensor(value: Any) -> bool:
    """Whether a value is one of PyTorch, which is never imported for that."""
    if type(value) is np.ndarray:
        return False
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_passed(argument: Any, result: Array) -> Any:
    """`result` as a tensor, of the same memory, where the argument is one."""
    return sys.modules["torch"].from_numpy(result) if is_tensor(argument) else result
