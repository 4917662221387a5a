"""Perceptrons of PyTorch: an `nn.Sequential` of linear layers and one activation, and torchcfm's MLP."""

import functools
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels import ddpm
from seqgap.kernels._core import check as checks
from seqgap.kernels._core.check import FLOAT32, Array
from seqgap.kernels._nets.chain import Chain
from seqgap.kernels._nets.perceptron import EMBEDDINGS, Perceptron, embedded
from seqgap.kernels.interop import evaluation
from seqgap.kernels.interop.parts import TORCH, Parts, check_modules, dense, refuse
from seqgap.kernels.interop.perceptrons import DEEPEST, filled_up
from seqgap.kernels.normal import standard_normal

_ROOT = "module"
_ROWS = 64
_RADII, _TIMES = (1.0, 3.0, 30.0), (0.0, 0.25, 3.0)


class _Inputs(NamedTuple):
    """What the first layer sees after x."""

    embedding: str
    frequencies: Array  # (E / 2,); (0,) but for waves
    context: int

    @property
    def of_time(self) -> int:
        """E."""
        return {"none": 0, "time": 1, "waves": 2 * self.frequencies.size}[self.embedding]


class _Points(NamedTuple):
    """Where both networks are evaluated."""

    x: Array  # (N, D)
    time: float
    context: Array  # (C,)


def from_torch_mlp(
    module: Any, *, embedding: str | None = None, frequencies: ArrayLike | None = None, context: int = 0,
    check: bool = True,
) -> Perceptron:  # fmt: skip
    """The `Perceptron` f(x, t, c) of a network of PyTorch, in the dtype of its parameters.

    torch.nn.Sequential of Linear layers, with or without bias, in turns with one activation, a Linear layer
    first and last, and torchcfm's MLP. 1 to 4 hidden layers of any widths: narrower ones are filled up with
    units that nothing reads. ReLU, Tanh, ELU, SiLU, LeakyReLU (slope 0.01), GELU (exact), SELU, Softplus or
    Sigmoid with PyTorch's defaults. Parts are known by their classes; subclasses count where they override
    nothing but how they are made and shown; parametrizations are evaluated.

    The network has D outputs; its inputs are, in this order, x (D), the embedding of the time, and `context`
    more that stay the same in all steps. embedding: none; time, t itself; waves, sin(w_j t) for all j, then
    cos(w_j t), w the `frequencies` (kept in their own dtype). Left out, it is waves where there are
    frequencies, time for a torchcfm MLP that is time_varying, and else none.

    check: compare f with what PyTorch has, of a copy in float64, at 192 points: the network is refused where
    they differ by more than 1e-8, relative to the largest f, and in float32 where its errors are more than
    twice PyTorch's, in the geometric mean. Raises UnsupportedError, a ValueError, naming the part that is
    not supported, TypeError for what is no module of PyTorch, and either for other arguments that are wrong;
    nothing is approximated. `module` is left as it is.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(module, torch.nn.Module):
        raise TypeError(f"module: expected a module of PyTorch, got {checks.described(module)}")
    parts = Parts("torchcfm.models.models.MLP", *TORCH)
    kind = parts.name(_ROOT, module, "Sequential", "MLP")
    timed = kind == "MLP" and bool(getattr(module, "time_varying", False))
    inputs = _inputs(embedding, frequencies, context, timed)
    library = evaluation.Library("PyTorch", functools.partial(_read, parts, inputs), lambda net, x: net(x))
    with torch.no_grad():
        check_modules(module, _ROOT)
        own = evaluation.copied(module, _ROOT)
        loaded: Perceptron = evaluation.read(own, library, _ROOT)
        if check:
            _check(loaded, own, library, inputs.context)
    return loaded


def _inputs(embedding: str | None, frequencies: ArrayLike | None, context: int, timed: bool) -> _Inputs:
    """The arguments, checked. timed: whether a torchcfm MLP says that it sees the time."""
    waves = np.empty(0) if frequencies is None else checks.floats("frequencies", frequencies, 1).copy()
    kind = embedding
    if kind is None:
        kind = "waves" if frequencies is not None else "time" if timed else "none"
    checks.choice("embedding", kind, EMBEDDINGS)
    if (kind == "waves") != bool(waves.size):
        expected = "at least 1" if kind == "waves" else "none"
        raise ValueError(f"frequencies: expected {expected} with embedding {kind!r}, got {waves.size}")
    checks.finite("frequencies", waves)
    columns = checks.count("context", context)
    if timed and (kind != "time" or columns):
        got = f"embedding {kind!r} and {columns} of the context"
        refuse(_ROOT, "t after x and nothing else, as the MLP is time_varying", got)
    return _Inputs(kind, waves, columns)


def _read(parts: Parts, inputs: _Inputs, module: Any) -> Perceptron:
    net, path = module, _ROOT
    if parts.has(module, "MLP"):
        net, path = module.net, f"{_ROOT}.net"
    linears, activation = _layers(parts, path, net)
    arrays = list(_arrays(linears))
    weights, biases = ([layer[at] for layer in arrays] for at in (0, 1))
    dim, columns = len(weights[-1]), weights[0].shape[1]
    if columns != dim + inputs.of_time + inputs.context:
        known = (
            f"{dim} of x, as there are outputs, {inputs.of_time} of the time, {inputs.context} of the context"
        )
        expected = (
            f"{dim + inputs.of_time + inputs.context} inputs ({known}: see embedding, frequencies, context)"
        )
        refuse(f"{path}[0]", expected, columns)
    return Perceptron(
        **filled_up(weights, biases), frequencies=inputs.frequencies, activation=activation,
        embedding=inputs.embedding,
    )  # fmt: skip


def _layers(parts: Parts, path: str, net: Any) -> tuple[dict[str, Any], str]:
    """Linear layers by their places, and the activation between them.

    That may be `inplace`: it writes to what the layer before made, which nothing else reads.
    """
    parts.name(path, net, "Sequential")
    linears, activation = dict[str, Any](), ""
    for i, module in enumerate(net):
        at = f"{path}[{i}]"
        if i % 2 == 0:
            parts.name(at, module, "Linear")
            linears[at] = module
        elif (name := parts.activation(at, module)) != (activation := activation or name):
            refuse(at, f"{activation} as the activation before", name)
    if len(net) % 2 == 0:
        refuse(path, "a Linear layer last", f"{len(net)} modules")
    if not 1 < len(linears) <= DEEPEST + 1:
        refuse(path, f"1 to {DEEPEST} hidden layers", len(linears) - 1)
    return linears, activation


def _arrays(linears: dict[str, Any]) -> Iterator[tuple[Array, Array]]:
    """Weight and bias of each layer, whose inputs are the outputs of the one before."""
    columns = next(iter(linears.values())).weight.shape[-1]
    for path, linear in linears.items():
        weight, bias, _ = dense(path, linear, columns, masked=False)
        if not weight.size:
            refuse(path, "inputs and outputs", f"weights of shape {weight.shape}")
        yield weight, bias
        columns = len(weight)


def _check(loaded: Perceptron, module: Any, library: evaluation.Library, context: int) -> None:
    """Refuse a network that differs from PyTorch's, which is made double here."""
    points = [*_points(loaded.dim, context)]
    single = [_theirs(loaded, at, module, library) for at in points] if loaded.dtype == FLOAT32 else []
    module.double()
    double = evaluation.read(module, library, _ROOT)
    truths = [_theirs(double, at, module, library) for at in points]
    for at, truth in zip(points, truths, strict=True):
        errors = _errors(_ours(double, at), truth)
        row = int(np.argmax(errors))
        if errors[row] > evaluation.ALLOWED:
            got = f"a difference of {errors[row]:.2g} (t = {at.time}, x = {at.x[row]!s:.200})"
            refuse(_ROOT, f"f of PyTorch to {evaluation.ALLOWED} in float64", got)
    if single:
        ours = [_errors(_ours(loaded, at), truth) for at, truth in zip(points, truths, strict=True)]
        theirs = [_errors(value, truth) for value, truth in zip(single, truths, strict=True)]
        evaluation.check_float32(np.concatenate(ours), np.concatenate(theirs), library, _ROOT)


def _points(dim: int, context: int) -> Iterator[_Points]:
    """Numbers that float32 has, too."""
    normals = standard_normal(_ROWS, dim + context, 0, dtype=FLOAT32)
    for radius, time in zip(_RADII, _TIMES, strict=True):
        yield _Points(np.float32(radius) * normals[:, :dim], time, normals[0, dim:])


def _ours(model: Perceptron, at: _Points) -> Array:
    """f by the compiled kernels: the one step of a diffusion of one step, of a model that predicts x_0."""
    params = ddpm.Params(model, np.array([0.5]), np.array([at.time]), "x0")
    return Chain(params, context=at.context).run(at.x.astype(model.dtype))


def _theirs(model: Perceptron, at: _Points, module: Any, library: evaluation.Library) -> Array:
    constants = np.concatenate([embedded(model, np.array([at.time]))[0], at.context])
    columns = np.broadcast_to(constants, (len(at.x), constants.size))
    seen = np.column_stack([at.x, columns]).astype(model.dtype)
    return np.asarray(evaluation.evaluated(module, (seen,), library, _ROOT).numpy())


def _errors(value: Array, truth: Array) -> Array:
    """The error of each row, relative to the largest of all."""
    apart = evaluation.apart(value, truth)
    largest = np.abs(truth[np.isfinite(truth)]).max(initial=0)
    with np.errstate(all="ignore"):
        errors: Array = np.where(apart == 0, 0, apart / largest).max(1)
    return np.where(np.isnan(errors), np.inf, errors)
