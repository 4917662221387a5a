"""Recurrent network with noise, a chain that forgets: matched pairs of one feature and of 8."""

import functools
from dataclasses import replace
from typing import Any, NamedTuple

import numba
import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Call, Cost, Dtype, Operation, Setup, direct, rounding
from seqgap.bench.model.flow import Direction, flow, held
from seqgap.bench.peers import deployed
from seqgap.kernels import rnn_ar
from seqgap.kernels.normal import standard_normal

_FEATURES = 8  # of the operations that are called wide; sizes of these count steps


def _log_slopes(a: Any) -> Any:
    """log(1 - tanh(a)^2) of pre-activations (N, T), summed over the steps."""
    size = np.abs(a)
    return 2 * (np.log(2) - size - np.log1p(np.exp(-2 * size))).sum(1)


def _log_scales(steps: int, params: rnn_ar.Params) -> float:
    return steps * float(np.log(params.scale[0]))


def _finished(x: Any, a: Any, params: rnn_ar.Params) -> tuple[Any, Any]:
    """(x, log_det); a: pre-activations (N, T)."""
    return x, (_log_slopes(a) + _log_scales(a.shape[1], params)).astype(x.dtype)


def numpy_forward(z: Any, params: rnn_ar.Params) -> tuple[Any, Any]:
    """T steps over the batch, time-major so that each step is contiguous."""
    a = params.scale[0] * np.ascontiguousarray(z.T) + params.bias[0]
    x = np.empty_like(a)
    for t in range(len(a)):
        if t:
            a[t] += params.weight[0, 0] * x[t - 1]
        np.tanh(a[t], out=x[t])
    return _finished(x.T, a.T, params)


def numpy_passes(z: Any, params: rnn_ar.Params) -> tuple[Any, Any]:
    """T full passes over shifted views, as samplers of masked autoregressive flows do it."""
    return _finished(*sweeps(z, params, z.shape[1]), params)


def sweeps(z: Any, params: rnn_ar.Params, count: int) -> tuple[Any, Any]:
    """(x, pre-activations) after `count` passes from x = 0: `count` values are right."""
    driven = params.scale[0] * z + params.bias[0]
    x, a = np.zeros_like(z), driven
    for _ in range(count):
        a = driven.copy()
        a[:, 1:] += params.weight[0, 0] * x[:, :-1]
        x = np.tanh(a)
    return x, a


def plain_forward(z: Any, params: rnn_ar.Params) -> tuple[Any, Any]:
    """Compiled loops over rows and steps."""
    result: tuple[Any, Any] = _plain_loops(z, params.weight[0, 0], params.bias[0], params.scale[0])
    return result


@numba.njit  # type: ignore[untyped-decorator]  # Numba's defaults
def _plain_loops(z: Any, weight: Any, bias: Any, scale: Any) -> tuple[Any, Any]:
    x, log_det = np.empty_like(z), np.empty(z.shape[0], z.dtype)
    for n in range(z.shape[0]):
        state, total = z.dtype.type(0), z.shape[1] * np.log(scale)
        for t in range(z.shape[1]):
            a = weight * state + bias + scale * z[n, t]
            state = np.tanh(a)
            x[n, t] = state
            total += 2 * (np.log(2) - abs(a) - np.log1p(np.exp(-2 * abs(a))))
        log_det[n] = total
    return x, log_det


def numpy_inverse(x: Any, params: rnn_ar.Params) -> tuple[Any, Any]:
    """One pass over shifted views."""
    z = np.arctanh(x) - params.bias[0]
    z[:, 1:] -= params.weight[0, 0] * x[:, :-1]
    z /= params.scale[0]
    log_det = -np.log((1 - x) * (1 + x)).sum(1) - _log_scales(x.shape[1], params)
    return z, log_det.astype(x.dtype)


class Tables(NamedTuple):
    """The parameters of one feature, and the part of log_det that no sample changes."""

    weight: Any  # ()
    bias: Any  # ()
    scale: Any  # ()
    log_scales: Any  # (), of all steps


def tables(params: rnn_ar.Params, dim: int) -> Tables:
    """What users of the other libraries compute once for a network and a number of steps."""
    dtype = params.weight.dtype
    values = params.weight[0, 0], params.bias[0], params.scale[0], _log_scales(dim, params)
    return Tables(*(np.asarray(value, dtype) for value in values))


def torch_forward(torch: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """A loop over the steps: torch.nn.RNN has no noise of its own at each step that is faster on a CPU."""
    driven = torch.add(tables.bias, z.mT.contiguous() * tables.scale)
    state, states, activations = torch.zeros_like(driven[0]), [], []
    for noise in driven.unbind(0):
        a = torch.addcmul(noise, state, tables.weight)
        state = torch.tanh(a)
        activations.append(a)
        states.append(state)
    size = torch.stack(activations).abs()
    slopes = 2 * (np.log(2) - size - torch.log1p(torch.exp(-2 * size))).sum(0)
    return torch.stack(states).mT, slopes + tables.log_scales


def torch_inverse(torch: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """One pass over shifted views."""
    z = torch.atanh(x).sub_(tables.bias)
    z[:, 1:].addcmul_(x[:, :-1], tables.weight, value=-1)
    return z.div_(tables.scale), -torch.log((1 - x) * (1 + x)).sum(1) - tables.log_scales


def jax_forward(jax: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """A scan over the steps."""

    def step(state: Any, noise: Any) -> tuple[Any, tuple[Any, Any]]:
        a = tables.weight * state + noise
        following = jax.numpy.tanh(a)
        return following, (following, a)

    driven = (tables.scale * z + tables.bias).T
    x, a = jax.lax.scan(step, jax.numpy.zeros_like(driven[0]), driven)[1]
    size = jax.numpy.abs(a)
    slopes = 2 * (np.log(2) - size - jax.numpy.log1p(jax.numpy.exp(-2 * size))).sum(0)
    return x.T, slopes + tables.log_scales


def jax_inverse(jax: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """One expression over a shifted copy, fused by the compiler."""
    before = jax.numpy.pad(x, ((0, 0), (1, 0)))[:, : x.shape[1]]
    z = (jax.numpy.arctanh(x) - tables.weight * before - tables.bias) / tables.scale
    return z, -jax.numpy.log((1 - x) * (1 + x)).sum(1) - tables.log_scales


def onnx_inverse(graph: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """One expression over a shifted copy."""
    padded, one = graph.add("Pad", x, np.array([0, 1, 0, 0])), np.array([1])
    before = graph.add("Slice", padded, np.array([0]), np.array([graph.dim]), one)
    z = (graph.add("Atanh", x) - (tables.weight * before + tables.bias)) * (1 / tables.scale)
    return z, -graph.sum_rows(graph.log((1.0 - x) * (1.0 + x))) - tables.log_scales


def _by_step(batch: Any) -> Any:
    """(T, N, D) of a batch (N, T D), contiguous."""
    return np.ascontiguousarray(batch.reshape(len(batch), -1, _FEATURES).swapaxes(0, 1))


def _by_row(steps: Any) -> Any:
    """Undo `_by_step`."""
    return steps.swapaxes(0, 1).reshape(steps.shape[1], -1)


def numpy_wide_forward(z: Any, params: rnn_ar.Params) -> tuple[Any, Any]:
    """T steps over the batch, time-major, a product of matrices each."""
    a = _by_step(z) * params.scale + params.bias
    x, weight = np.empty_like(a), np.ascontiguousarray(params.weight.T)
    for t in range(len(a)):
        if t:
            a[t] += x[t - 1] @ weight
        np.tanh(a[t], out=x[t])
    log_det = _log_slopes(_by_row(a)) + len(a) * np.log(params.scale).sum()
    return _by_row(x), log_det.astype(z.dtype)


def numpy_wide_inverse(x: Any, params: rnn_ar.Params) -> tuple[Any, Any]:
    """One product of matrices for all steps."""
    states = x.reshape(len(x), -1, _FEATURES)
    z = np.arctanh(states) - params.bias
    z[:, 1:] -= states[:, :-1] @ params.weight.T
    z /= params.scale
    log_det = -np.log((1 - x) * (1 + x)).sum(1) - states.shape[1] * np.log(params.scale).sum()
    return z.reshape(x.shape), log_det.astype(x.dtype)


def _data(normals: Any) -> Any:
    return np.tanh(normals / 2)


def _wide(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    z = standard_normal(count, steps * _FEATURES, seed, dtype=dtype)
    return Call((z, rnn_ar.random_params(z.shape[1], seed, features=_FEATURES, dtype=dtype)))


def _wide_data(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    z, params = _wide(steps, count, dtype, seed).args
    return Call((_data(z), params))


def _wide_held(verb: str) -> Any:
    """`held` of all columns."""

    def compiled(**options: Any) -> Setup:
        setup = held(verb)(**options)
        return lambda call, steps, dtype: setup(call, steps * _FEATURES, dtype)

    return compiled


def _cost(dim: int) -> Cost:
    """A tanh, or its inverse, takes about one exp, and so does the slope."""
    return Cost(flops=(2 * EXP_FLOPS + 6) * dim, exps=2 * dim, parameters=3)


def _wide_cost(steps: int) -> Cost:
    """Of each feature as `_cost`, and a product of matrices."""
    numbers, parameters = steps * _FEATURES, _FEATURES * (_FEATURES + 2)
    flops = (2 * EXP_FLOPS + 2 * _FEATURES + 4) * numbers
    return Cost(
        flops=flops, elements=2 * numbers + 1, written=numbers, exps=2 * numbers, parameters=parameters,
        weights=parameters,
    )  # fmt: skip


_WIDE = functools.partial(
    Operation, tolerance=rounding(lambda steps: _FEATURES * steps + 16), rows=(0, None), axis="steps",
    largest_dim=256,
)  # fmt: skip

CASE = flow(
    "rnn_ar",
    rnn_ar.random_params,
    Direction(
        lambda dim: _cost(dim)._replace(depth=dim), numpy_forward, torch_forward, jax_forward, tables=tables,
        explaining={"numpy-passes": numpy_passes, "numba-plain": plain_forward}, unrolled=True,
    ),
    Direction(
        _cost, numpy_inverse, torch_inverse, jax_inverse, tables=tables, argument=_data,
        deployed=deployed.exported(onnx_inverse, tables),
    ),
    matched=("forward", "inverse"),
    strategies=("steps", "blocks"),
    more=(
        _WIDE(
            "forward_wide", _wide, lambda steps: _wide_cost(steps)._replace(depth=steps),
            implementations={"numpy": direct(numpy_wide_forward)}, strategies=("steps", "blocks"),
            compiled=_wide_held("forward"), function="forward",
        ),
        _WIDE(
            "inverse_wide", _wide_data, _wide_cost, implementations={"numpy": direct(numpy_wide_inverse)},
            compiled=_wide_held("inverse"), function="inverse",
        ),
    ),
)  # fmt: skip
CASE = replace(
    CASE, title="recurrent network with noise", matched=(*CASE.matched, ("forward_wide", "inverse_wide"))
)
