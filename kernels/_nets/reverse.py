"""Reverse mode of f(z, t) and of tr df/dz of a perceptron, for a whole batch; NumPy, float64.

With the sums u_k = W_k h_{k-1} + b_k of hidden layer k, its slopes d_k = a'(u_k) and the tangent of
feature d, T_k = d_k * W_k T_{k-1} from T_0 = e_d, the trace is the sum over d of W_d T_K. A change of u_k
moves the trace through the slopes of its layer alone, by a''(u_k). The tangents are N D H numbers a layer.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._nets.curves import CURVES
from seqgap.kernels._nets.perceptron import Perceptron, embedded


class Record(NamedTuple):
    """What an evaluation of f leaves for its reversal."""

    t: float
    value: Array  # (N, D)
    units: list[Array]  # K + 1: what each layer sees, (N, D + E) and then (N, H)
    slopes: list[Array]  # K: (N, H)
    bends: list[Array]  # K: (N, H)


class Pull(NamedTuple):
    """What L does with an evaluation: dL/df, dL/d trace if the trace counts, and its share in `gradient`."""

    of_value: Array  # (N, D)
    of_trace: Array | None  # (N,)
    share: float = 1.0


def arrays_of(model: Perceptron) -> dict[str, Any]:
    """The fields that are arrays."""
    return {name: value for name, value in model._asdict().items() if not isinstance(value, str)}


def in_float64(model: Perceptron) -> Perceptron:
    """The network, of arrays of float64."""
    arrays: dict[str, Any] = {name: np.asarray(value, float) for name, value in arrays_of(model).items()}
    return model._replace(**arrays)


def zeros_like(model: Perceptron) -> Perceptron:
    """A gradient to add to."""
    zeros: dict[str, Any] = {name: np.zeros_like(value) for name, value in arrays_of(model).items()}
    return model._replace(**zeros)


def _layers(model: Perceptron) -> list[tuple[Array, Array]]:
    """Weight and bias of each, views of the network's arrays; the last makes f."""
    weights = [model.weight_in, *model.weight_hidden, model.weight_out]
    return list(zip(weights, [*model.bias_hidden, model.bias_out], strict=True))


def evaluate(model: Perceptron, z: Array, t: float) -> Record:
    """f at z, (N, D), and t."""
    seen = embedded(model, np.array([t]))
    units, slopes, bends = [np.hstack([z, np.repeat(seen, len(z), axis=0)])], [], []
    *hidden, (weight_out, bias_out) = _layers(model)
    for weight, bias in hidden:
        value, slope, bend = CURVES[model.activation](units[-1] @ weight.T + bias)
        units.append(value)
        slopes.append(slope)
        bends.append(bend)
    return Record(t, units[-1] @ weight_out.T + bias_out, units, slopes, bends)


def pull_back(model: Perceptron, record: Record, pull: Pull, gradient: Perceptron) -> Array:
    """dL/dz, (N, D); adds dL/d(array), summed over the rows, to the arrays of `gradient`."""
    of_slopes = _through_tangents(model, record, pull, gradient)
    of_sums, layers, totals = pull.of_value, _layers(model), _layers(gradient)
    for k in reversed(range(len(layers))):
        of_weight, of_bias = totals[k]
        of_weight += pull.share * of_sums.T @ record.units[k]
        of_bias += pull.share * of_sums.sum(0)
        of_units = of_sums @ layers[k][0]
        if k:
            of_sums = of_units * record.slopes[k - 1] + of_slopes[k - 1] * record.bends[k - 1]
    dim = pull.of_value.shape[1]
    _through_waves(model, record.t, pull.share * of_units[:, dim:].sum(0), gradient)
    return of_units[:, :dim]


def _through_waves(model: Perceptron, t: float, of_embedding: Array, gradient: Perceptron) -> None:
    """Of the frequencies w, by sin(w t) and then cos(w t)."""
    if model.embedding == "waves":
        angles = t * model.frequencies
        of_sine, of_cosine = np.split(of_embedding, 2)
        gradient.frequencies[:] += t * (np.cos(angles) * of_sine - np.sin(angles) * of_cosine)


def _tangents(model: Perceptron, record: Record, dim: int) -> tuple[list[Array], list[Array]]:
    """W_k T_{k-1} and T_k of each hidden layer, (N, D, H)."""
    sums, tangents = [model.weight_in[:, :dim].T[None]], list[Array]()
    for k, slope in enumerate(record.slopes):
        if k:
            sums.append(tangents[-1] @ model.weight_hidden[k - 1].T)
        tangents.append(slope[:, None] * sums[-1])
    return sums, tangents


def _through_tangents(model: Perceptron, record: Record, pull: Pull, gradient: Perceptron) -> list[Any]:
    """dL/d(slopes) of each hidden layer by the trace, (N, H); 0 where it does not count."""
    of_slopes: list[Any] = [0.0] * len(record.slopes)
    if pull.of_trace is None:
        return of_slopes
    dim, both = pull.of_value.shape[1], ([0, 1], [0, 1])
    sums, tangents = _tangents(model, record, dim)
    gradient.weight_out[:] += pull.share * np.einsum("n,ndh->dh", pull.of_trace, tangents[-1])
    of_tangent = pull.of_trace[:, None, None] * model.weight_out
    for k in reversed(range(len(sums))):
        of_slopes[k] = (of_tangent * sums[k]).sum(1)
        of_sums = of_tangent * record.slopes[k][:, None]
        if k:
            gradient.weight_hidden[k - 1] += pull.share * np.tensordot(of_sums, tangents[k - 1], both)
            of_tangent = of_sums @ model.weight_hidden[k - 1]
    gradient.weight_in[:, :dim] += pull.share * of_sums.sum(0).T
    return of_slopes
