"""Parts of a flow, known by the very classes of their library: never by a name, and nothing overridden."""

import functools
import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._nets.mlp import LEAK, SOFTPLUS_LIMIT

_ACTIVATIONS = {
    "ReLU": "relu",
    "Tanh": "tanh",
    "ELU": "elu",
    "SiLU": "silu",
    "LeakyReLU": "leaky_relu",
    "GELU": "gelu",
    "SELU": "selu",
    "Softplus": "softplus",
    "Sigmoid": "sigmoid",
}
_OPTIONS = {
    "alpha": 1.0,
    "negative_slope": LEAK,
    "approximate": "none",
    "beta": 1,
    "threshold": SOFTPLUS_LIMIT,
}  # of activations
TORCH = (  # what the networks of all libraries are made of
    "torch.nn.modules.linear.Linear",
    "torch.nn.modules.container.Sequential",
    "torch.nn.modules.container.ModuleList",
    *(f"torch.nn.modules.activation.{name}" for name in _ACTIVATIONS),
)
# What a subclass may have of its own: how it is made and shown, and what Python gives to each class.
_HARMLESS = {"__init__", "__init_subclass__", "__repr__", "extra_repr", "_abc_impl", "__annotate_func__"}


class UnsupportedError(ValueError):
    """A part of a flow that seqgap has no kernel for."""


def refuse(path: str, expected: Any, got: Any) -> Any:
    """Raise UnsupportedError."""
    raise UnsupportedError(f"{path}: expected {expected}, got {got}")


class Parts:
    """The classes of dotted names that are imported: an optional library is looked up, never loaded."""

    def __init__(self, *names: str) -> None:
        modules = [(sys.modules.get(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in names]
        classes = [(getattr(module, name, None), name) for module, name in modules]
        self.known: dict[type, str] = {cls: name for cls, name in classes if isinstance(cls, type)}
        self._overridden: dict[type, list[str]] = {}  # by subclass, each looked at once

    def has(self, part: Any, *names: str) -> bool:
        """Whether a part is of one of the classes, or of a subclass."""
        return any(self.known.get(cls) in names for cls in type(part).__mro__)

    def name(self, path: str, part: Any, *names: str) -> str:
        """Which of the classes a part is of.

        A subclass counts as its class where it overrides nothing but how it is made and shown. Raises
        UnsupportedError naming the part and what it overrides.
        """
        cls = sys.modules["torch.nn.utils.parametrize"].type_before_parametrizations(part)
        own = next((base for base in cls.__mro__ if base in self.known), None)
        if own is None or self.known[own] not in names:
            return str(refuse(path, " or ".join(names), cls.__name__))
        if cls not in self._overridden:
            self._overridden[cls] = _differences(cls, own)
        overridden = [*self._overridden[cls], *(n for n in vars(part) if callable(getattr(own, n, None)))]
        if overridden:
            got = f"{cls.__name__} that overrides {', '.join(overridden)}"
            refuse(path, f"{self.known[own]} as the library has it", got)
        return self.known[own]

    def leaves(self, path: str, part: Any, composite: str, field: str) -> Iterator[tuple[str, Any]]:
        """(path, part) of all parts within parts of the class `composite`, which has a list of them."""
        if not self.has(part, composite):
            yield path, part
            return
        self.name(path, part, composite)
        inner = getattr(part, field)
        self.name(f"{path}.{field}", inner, "ModuleList")
        for i, item in enumerate(inner):
            yield from self.leaves(f"{path}.{field}[{i}]", item, composite, field)

    def activation(self, path: str, module: Any) -> str:
        """The seqgap name of an activation."""
        name = self.name(path, module, *_ACTIVATIONS)
        for option, value in _OPTIONS.items():
            if getattr(module, option, value) != value:
                refuse(path, f"{name} of {option} {value}", repr(module))
        return _ACTIVATIONS[name]


def _differences(cls: type, base: type) -> list[str]:
    """What a subclass has of its own that may change what it computes."""
    if cls is base:
        return []
    return [n for n in dir(base) if _matters(cls, n) and _lookup(cls, n) is not _lookup(base, n)]


def _lookup(cls: type, name: str) -> Any:
    """What a class has under a name, itself or of its bases, as it is stored."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def _matters(cls: type, name: str) -> bool:
    """Whether an attribute of a class may change what it computes: __module__ and its like may not."""
    return name not in _HARMLESS and (not name.startswith("__") or callable(_lookup(cls, name)))


def check_modules(flow: Any, root: str = "flow") -> None:
    """Refuse hooks, copies of a kind of its own, training, and parameters not all of one real dtype.

    root: what the errors call the flow.
    """
    place = functools.partial(_place, root)
    everywhere = sys.modules["torch.nn.modules.module"]
    if everywhere._global_forward_pre_hooks or everywhere._global_forward_hooks:
        refuse("torch.nn.modules.module", "no global forward hooks", "some")
    for name, module in flow.named_modules():
        _check_module(place(name), module)
    known: dict[str, str] = {}
    for name, tensor in [*flow.named_parameters(), *flow.named_buffers()]:
        if tensor.is_meta:
            refuse(place(name), "numbers", "a tensor of the device meta")
    for name, tensor in flow.named_parameters():
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype not in ("float32", "float64"):
            refuse(place(name), "float32 or float64", dtype)
        if known.setdefault("dtype", dtype) != dtype:
            refuse(place(name), f"{known['dtype']} as the parameters before", dtype)


def _check_module(path: str, module: Any) -> None:
    cls = sys.modules["torch.nn.utils.parametrize"].type_before_parametrizations(module)
    if hasattr(cls, "__deepcopy__"):
        refuse(path, "a module that is copied as all are", f"{cls.__name__}.__deepcopy__")
    hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
    if hooks:
        got = getattr(hooks[0], "__name__", type(hooks[0]).__name__)
        refuse(path, "no forward hooks (weight_norm, spectral_norm and prune make some)", got)
    if module.training and _has_modes(module):
        refuse(path, "evaluation, which flow.eval() sets", f"{cls.__name__} in training")


def _has_modes(module: Any) -> bool:
    """Whether a module computes something else in training: dropout, and normalisation by the batch."""
    dropout = sys.modules["torch.nn.modules.dropout"]._DropoutNd
    return bool(module.p) if isinstance(module, dropout) else hasattr(module, "running_var")


def _place(root: str, name: str) -> str:
    """The dotted name of a module or parameter as Python has it."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", f"{root}.{name}".removesuffix("."))


def array(tensor: Any) -> Array:
    """The numbers of a tensor of PyTorch, copied."""
    return np.array(tensor.detach().cpu().numpy(), order="C")


def positive(path: str, value: Any) -> float:
    """A number of Python that is finite and above 0."""
    if not isinstance(value, int | float) or not 0 < value < float("inf"):
        refuse(path, "a positive finite number", repr(value))
    return float(value)


def dense(path: str, linear: Any, columns: int | None, masked: bool) -> tuple[Array, Array, Array | None]:
    """Weight, bias and mask of a linear layer of so many inputs; None: of any number."""
    weight = array(linear.weight)
    if weight.ndim != 2:
        refuse(f"{path}.weight", "2 dimensions, without stack", f"shape {weight.shape}")
    if columns is not None and weight.shape[1] != columns:
        refuse(path, f"{columns} inputs", f"{weight.shape[1]}")
    bias = np.zeros(len(weight), weight.dtype) if linear.bias is None else array(linear.bias)
    mask = array(linear.mask) if masked else None
    if bias.shape != weight.shape[:1]:
        refuse(f"{path}.bias", f"shape {weight.shape[:1]}", f"{bias.shape}")
    if mask is not None and mask.shape != weight.shape:
        refuse(f"{path}.mask", f"shape {weight.shape}", f"{mask.shape}")
    return weight, bias, mask
