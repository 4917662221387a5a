"""Fields dz/dt = f(z, t) of two hidden layers and their traces, in NumPy, PyTorch, JAX and ONNX.

NumPy and ONNX differentiate nothing: they have the trace by the slopes of both layers and one matrix, which
is the fastest way to write it. PyTorch and JAX have it from the Jacobian of each row, as users of those do.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Field: TypeAlias = Callable[[Any, float], tuple[Any, Any]]  # (z, t) -> (f, trace)
STEPS = 2  # of the classical Runge-Kutta method, from one end of the time to the other


class Tables(NamedTuple):
    """What users compute once for a network; matrices have inputs first."""

    weight_in: Any  # (D, H)
    weight_time: Any  # (H,)
    bias_in: Any  # (H,)
    weight_hidden: Any  # (H, H)
    bias_hidden: Any  # (H,)
    weight_out: Any  # (H, D)
    bias_out: Any  # (D,)
    trace: Any  # (H, H): the trace is s_1 trace s_2, of the slopes of the two layers


def tables(params: Any, dim: int) -> Tables:
    """Those of Params of two hidden layers that see the time as one more input."""
    (hidden,), weight_in = params.weight_hidden, params.weight_in[:, :dim]
    trace = hidden * (weight_in @ params.weight_out).T
    own = (
        weight_in.T, params.weight_in[:, dim], params.bias_hidden[0], hidden.T, params.bias_hidden[1],
        params.weight_out.T, params.bias_out, trace.T,
    )  # fmt: skip
    return Tables(*map(np.ascontiguousarray, own))


def solved(field: Field, z: Any, start: float, steps: int = STEPS) -> tuple[Any, Any]:
    """(z, log_det) at the other end of the time, by the classical Runge-Kutta method."""
    width, grown = (1 - 2 * start) / steps, []
    for k in range(steps):
        t = start + k * width
        f_1, trace_1 = field(z, t)
        f_2, trace_2 = field(z + width / 2 * f_1, t + width / 2)
        f_3, trace_3 = field(z + width / 2 * f_2, t + width / 2)
        f_4, trace_4 = field(z + width * f_3, t + width)
        z = z + width / 6 * (f_1 + 2 * (f_2 + f_3) + f_4)
        grown.append(width / 6 * (trace_1 + 2 * (trace_2 + trace_3) + trace_4))
    return z, sum(grown[1:], grown[0])


def without_trace(velocity: Callable[[Any, float], Any]) -> Field:
    """The field of samples whose density nobody asks for."""
    return lambda z, t: (velocity(z, t), 0.0)


def _numpy_layers(net: Tables, z: Any, t: float) -> tuple[Any, Any, Any]:
    """(f, s_1, s_2)."""
    units, first = _numpy_silu(z @ net.weight_in + (net.bias_in + t * net.weight_time))
    units, second = _numpy_silu(units @ net.weight_hidden + net.bias_hidden)
    return units @ net.weight_out + net.bias_out, first, second


def _numpy_silu(sums: Any) -> tuple[Any, Any]:
    """silu and its slope."""
    sigmoid = 1 / (1 + np.exp(-sums))
    units = sums * sigmoid
    return units, sigmoid + units * (1 - sigmoid)


def numpy_field(net: Tables, *, traced: bool = True) -> Field:
    """The trace costs one more layer."""

    def field(z: Any, t: float) -> tuple[Any, Any]:
        f, first, second = _numpy_layers(net, z, t)
        return f, np.einsum("nh,nh->n", first @ net.trace, second)

    return field if traced else without_trace(lambda z, t: _numpy_layers(net, z, t)[0])


def numpy_jacobian(net: Tables) -> Field:
    """The whole df/dz, (N, D, D), in place of the trace."""

    def field(z: Any, t: float) -> tuple[Any, Any]:
        f, first, second = _numpy_layers(net, z, t)
        tangents = (net.weight_in * first[:, None]) @ net.weight_hidden * second[:, None]
        return f, (tangents @ net.weight_out).swapaxes(1, 2)

    return field


def numpy_tangents(net: Tables) -> Field:
    """The trace as libraries have it: D passes through the network."""

    def field(z: Any, t: float) -> tuple[Any, Any]:
        f, first, second = _numpy_layers(net, z, t)
        columns = (
            ((weight_in * first) @ net.weight_hidden * second) @ weight_out
            for weight_in, weight_out in zip(net.weight_in, net.weight_out.T, strict=True)
        )
        return f, sum(columns)

    return field


def torch_velocity(torch: Any, net: Tables) -> Callable[[Any, Any], Any]:
    """f(z, t) by products with their bias; t may be a number or a tensor."""
    silu = torch.nn.functional.silu

    def velocity(z: Any, t: Any) -> Any:
        units = silu(torch.addmm(net.bias_in + t * net.weight_time, z, net.weight_in))
        units = silu(torch.addmm(net.bias_hidden, units, net.weight_hidden))
        return torch.addmm(net.bias_out, units, net.weight_out)

    return velocity


def torch_field(torch: Any, net: Tables, *, traced: bool = True) -> Field:
    """The trace from the Jacobian of each row, by D backward passes at once."""
    velocity, vmap = torch_velocity(torch, net), torch.func.vmap
    directions = torch.eye(len(net.bias_out), dtype=net.bias_out.dtype)

    def field(z: Any, t: Any) -> tuple[Any, Any]:
        def row(z: Any) -> tuple[Any, Any]:
            f, back = torch.func.vjp(lambda z: velocity(z[None], t)[0], z)
            return f, (vmap(back)(directions)[0] * directions).sum()

        result: tuple[Any, Any] = vmap(row)(z)
        return result

    return field if traced else without_trace(velocity)


def jax_velocity(jax: Any, net: Tables, z: Any, t: Any) -> Any:
    """f(z, t) of a row or a batch."""
    units = jax.nn.silu(z @ net.weight_in + (net.bias_in + t * net.weight_time))
    units = jax.nn.silu(units @ net.weight_hidden + net.bias_hidden)
    return units @ net.weight_out + net.bias_out


def jax_row(jax: Any, net: Tables, z: Any, t: Any) -> tuple[Any, Any]:
    """(f, trace) of a row, by D tangents at once."""
    f, tangent = jax.linearize(lambda z: jax_velocity(jax, net, z, t), z)
    return f, jax.numpy.trace(jax.vmap(tangent)(jax.numpy.eye(len(z), dtype=z.dtype)))


def jax_field(jax: Any, net: Tables, *, traced: bool = True) -> Field:
    """The trace from the Jacobian of each row."""
    if not traced:
        return without_trace(functools.partial(jax_velocity, jax, net))
    row = functools.partial(jax_row, jax, net)
    return jax.vmap(row, (0, None))  # type: ignore[no-any-return]  # not followed


def onnx_field(graph: Any, net: Tables) -> Field:
    """As in NumPy."""

    def silu(sums: Any) -> tuple[Any, Any]:
        sigmoid = graph.add("Sigmoid", sums)
        units = sums * sigmoid
        return units, sigmoid + units * (1.0 - sigmoid)

    def field(z: Any, t: float) -> tuple[Any, Any]:
        units, first = silu(graph.add("Gemm", z, net.weight_in, net.bias_in + t * net.weight_time))
        units, second = silu(graph.add("Gemm", units, net.weight_hidden, net.bias_hidden))
        f = graph.add("Gemm", units, net.weight_out, net.bias_out)
        return f, graph.sum_rows(graph.add("MatMul", first, net.trace) * second)

    return field
