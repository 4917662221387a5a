"""Continuous flows of zuko: a perceptron as the velocity, and a step of both libraries that is the same sum.

Two solvers that choose their own steps agree to their tolerances at best, and where units have bends not to
those: the trace jumps. So that flows are compared to rounding, both are solved in one step of Dormand and
Prince, the first that zuko tries, which is taken whatever its error is. The velocity is a sixteenth of what
it is, an exact factor, since one step of a stiff flow would magnify roundings by the sixth power of the
slopes of f.
"""

import itertools
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels import cnf
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop.layers import to_shape
from seqgap.kernels.interop.parts import Parts, array, positive, refuse
from seqgap.kernels.interop.perceptrons import DEEPEST, filled_up
from seqgap.kernels.interop.zuko_nets import network_of

_SLOWNESS = 1 / 16
_ANY_ERROR = 1e38  # a tolerance that float32 has, too
_STAGES = 7  # evaluations of f in a step that is taken


class Continuous(NamedTuple):
    """dz/dt = f(z, t, c), data at t = 0 to latent at t = 1."""

    params: cnf.Params  # features by their numbers in the vector that it is given

    def step(self, labels: Array, dtype: np.dtype[Any]) -> cnf.Params:
        """Its Params in a flow whose features have these labels."""
        own, places = self.params, np.argsort(labels)
        features, of_time = np.split(own.weight_in, [len(places)], axis=1)
        return own._replace(
            weight_in=np.concatenate([features[:, places], of_time], axis=1),
            weight_out=own.weight_out[places],
            bias_out=own.bias_out[places],
            frequencies=own.frequencies.astype(dtype),
        )


def continuous(parts: Parts, path: str, transform: Any, dim: int) -> Continuous:
    """An FFJTransform. Its network sees cos(w t) of all frequencies w, sin(w t), x and the context."""
    times, frequencies = array(transform.times), _frequencies(path, transform)
    if times.shape != (2,) or times.tolist() != [0, 1]:
        refuse(f"{path}.times", "0 and 1", times.tolist())
    network = network_of(
        parts, f"{path}.ode", transform.ode, (2 * len(frequencies) + dim, dim, 1), masked=False
    )
    depth = 0 if network.residual else len(network.biases)  # how a network without hidden layers is held
    if not 1 <= depth <= DEEPEST:
        refuse(f"{path}.ode", f"1 to {DEEPEST} hidden layers", depth)
    cosines, sines, features = np.split(network.weights[0], len(frequencies) * np.array([1, 2]), axis=1)
    weights = [np.concatenate([features, sines, cosines], axis=1), *network.weights[1:], network.weight_out]
    fields = filled_up(weights, [*network.biases, network.bias_out.ravel()])
    if network.context is not None:
        of_context = network.context.weights[0]
        fields["weight_context"] = to_shape(of_context, (len(fields["weight_in"]), of_context.shape[1]))
    if not all(np.isfinite(field).all() for field in fields.values()):
        refuse(f"{path}.ode", "finite weights and biases, else no step is small enough", "NaN or inf")
    return Continuous(
        cnf.Params(
            **fields, frequencies=frequencies, activation=network.activation,
            embedding="waves" if len(frequencies) else "none", base_at=1, method="dopri5",
            relative_tolerance=positive(f"{path}.rtol", transform.rtol),
            absolute_tolerance=positive(f"{path}.atol", transform.atol),
        )
    )  # fmt: skip


def _frequencies(path: str, transform: Any) -> Array:
    frequencies = array(transform.freqs)
    if frequencies.ndim != 1 or not np.isfinite(frequencies).all():
        refuse(f"{path}.freqs", "finite numbers in one dimension", f"{frequencies.tolist()!s:.60}")
    return frequencies


def solve_in_one_step(transform: Any) -> None:
    """Make what FFJTransforms of zuko return take one step of a slower equation, with the exact trace."""
    known = sys.modules["zuko.transforms"]
    if isinstance(transform, known.ComposedTransform):
        for part in transform.transforms:
            solve_in_one_step(part)
    elif isinstance(transform, known.FreeFormJacobianTransform):
        transform.f = _slower(transform.f)
        transform.atol, transform.rtol, transform.exact = _ANY_ERROR, 0.0, True


def _slower(velocity: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """For z, and then for z and log_prob; zuko itself tries smaller steps for ever where numbers overflow."""
    evaluations = itertools.count(1)

    def slower(t: Any, x: Any) -> Any:
        if next(evaluations) > 2 * _STAGES:
            raise OverflowError("a step of the equation overflows")
        return _SLOWNESS * velocity(t, x)

    return slower


def in_one_step(flow: Flow) -> Flow:
    """What `solve_in_one_step` makes of the flow in zuko; one without continuous steps as it is."""
    if not any(isinstance(params, cnf.Params) for params in flow.params):
        return flow
    return Flow(*map(_one_step, flow.params), dim=flow.dim, permutation=flow.permutation)


def _one_step(params: Any) -> Any:
    if not isinstance(params, cnf.Params):
        return params
    weight, bias = (_SLOWNESS * value for value in (params.weight_out, params.bias_out))
    return params._replace(method="dormand_prince", steps=1, weight_out=weight, bias_out=bias)
