"""Continuous normalizing flows dz/dt = f(z, t), one value at a time; the trace from the whole Jacobian."""

import math
from collections.abc import Callable
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._perceptron import Perceptron, affine, random_perceptron
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._stack import ACTIVATIONS, sigmoid

# (node, stages) of each stage, and the weights
METHODS: dict[str, tuple[Vector, Matrix, Vector]] = {
    "euler": ([0], [[]], [1]),
    "midpoint": ([0, 0.5], [[], [0.5]], [0, 1]),
    "heun": ([0, 1], [[], [1]], [0.5, 0.5]),
    "rk4": ([0, 0.5, 0.5, 1], [[], [0.5], [0, 0.5], [0, 0, 1]], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
    "rk4_38": ([0, 1 / 3, 2 / 3, 1], [[], [1 / 3], [-1 / 3, 1], [1, -1, 1]], [1 / 8, 3 / 8, 3 / 8, 1 / 8]),
    "dopri5": (
        [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1],
        [
            [],
            [1 / 5],
            [3 / 40, 9 / 40],
            [44 / 45, -56 / 15, 32 / 9],
            [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
            [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
            [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
        ],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
    ),
}
# Dormand and Prince's fifth order less their fourth, which tells the error of a step.
_ERROR = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40]
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0


class Params(NamedTuple):
    """The fields of the kernels' Params: a network, and how its equation is solved."""

    weight_in: Matrix
    weight_hidden: list[Matrix]
    weight_out: Matrix
    bias_hidden: Matrix
    bias_out: Vector
    frequencies: Vector
    activation: str
    embedding: str
    base_at: int = 0
    method: str = "dopri5"
    steps: int = 50
    relative_tolerance: float = 1e-6
    absolute_tolerance: float = 1e-6
    max_steps: int = 10_000
    weight_context: Matrix | None = None

    @property
    def model(self) -> Perceptron:
        """The network."""
        return Perceptron(*self[: len(Perceptron._fields)])


def random_params(dim: int, seed: int, *, depth: int = 2, width: int = 64, dtype: str = "float64") -> Params:
    """A network of random weights that sees t as one more input; in float64 whatever the dtype."""
    return Params(*random_perceptron(dim, seed, depth, width, embedding="time"))


def _slope(activation: str, u: float) -> float:
    """The derivative of an activation."""
    slopes: dict[str, Callable[[float], float]] = {
        "relu": lambda u: float(u > 0),
        "tanh": lambda u: 1 - math.tanh(u) ** 2,
        "elu": lambda u: 1.0 if u > 0 else math.exp(u),
        "silu": lambda u: sigmoid(u) * (1 + u * (1 - sigmoid(u))),
        "leaky_relu": lambda u: 1.0 if u > 0 else 0.01,
        "gelu": lambda u: (
            0.5 * math.erfc(-u / math.sqrt(2)) + u * math.exp(-u * u / 2) / math.sqrt(2 * math.pi)
        ),
        "selu": lambda u: 1.0507009873554805 * (1 if u > 0 else 1.6732632423543772 * math.exp(u)),
        "softplus": lambda u: 1.0 if u > 20 else sigmoid(u),
        "sigmoid": lambda u: sigmoid(u) * (1 - sigmoid(u)),
    }
    return slopes[activation](u)


def _field(params: Params, z: Vector, t: float) -> tuple[Vector, float]:
    """(f, tr df/dz), by the tangents of all features; of each the last layer gives one number."""
    model = params.model
    units, tangents = [*z, *model.embedded(t)], [[row[d] for row in model.weight_in] for d in range(len(z))]
    for k, (weight, bias) in enumerate(
        zip([model.weight_in, *model.weight_hidden], model.bias_hidden, strict=True)
    ):
        sums = affine(weight, units, bias)
        slopes = [_slope(model.activation, u) for u in sums]
        moved = [_product(weight, tangent) for tangent in tangents] if k else tangents
        tangents = [[slope * u for slope, u in zip(slopes, tangent, strict=True)] for tangent in moved]
        units = [ACTIVATIONS[model.activation](u) for u in sums]
    trace = sum(_product([row], tangent)[0] for row, tangent in zip(model.weight_out, tangents, strict=True))
    return affine(model.weight_out, units, model.bias_out), trace


def _product(weight: Matrix, units: Vector) -> Vector:
    """W u."""
    return [sum(w * u for w, u in zip(row, units, strict=True)) for row in weight]


class _Stages(NamedTuple):
    """What a method evaluates in a step."""

    slopes: Matrix  # f at each stage
    traces: Vector


def _stages(params: Params, z: Vector, t: float, h: float, first: tuple[Vector, float] | None) -> _Stages:
    """first: f and the trace at z and t where they are known."""
    nodes, stages, _ = METHODS[params.method]
    known = _Stages([], [])
    for node, stage in zip(nodes, stages, strict=True):
        at = _moved(z, h, stage, known.slopes)
        slope, trace = first if first and not stage else _field(params, at, t + node * h)
        known.slopes.append(slope)
        known.traces.append(trace)
    return known


def _moved(z: Vector, h: float, weights: Vector, slopes: Matrix) -> Vector:
    return [
        value + h * sum(w * slope[d] for w, slope in zip(weights, slopes, strict=False))
        for d, value in enumerate(z)
    ]


def _fixed(z: Vector, params: Params, start: float) -> tuple[Vector, float]:
    """Steps of one size."""
    h, log_det, weights = (1 - 2 * start) / params.steps, 0.0, METHODS[params.method][2]
    for k in range(params.steps):
        slopes, traces = _stages(params, z, start + k * h, h, None)
        z = _moved(z, h, weights, slopes)
        log_det += h * sum(w * trace for w, trace in zip(weights, traces, strict=True))
    return z, log_det


def _adaptive(z: Vector, params: Params, start: float) -> tuple[Vector, float]:
    """Steps whose error in z is within the tolerances; the last ends at the end of the time.

    A state that is not finite becomes NaN, without a step.
    """
    if not all(map(math.isfinite, z)):
        return [math.nan] * len(z), math.nan
    sense, t, log_det, weights = 1 - 2 * start, start, 0.0, METHODS[params.method][2]
    first = _field(params, z, t)
    h = _first_step(params, z, t, first[0])
    for _ in range(params.max_steps):
        left = abs(1 - start - t)
        last = h >= left
        width = sense * (left if last else h)
        slopes, traces = _stages(params, z, t, width, first)
        moved = _moved(z, width, weights, slopes)
        ratio = _ratio(params, [width * e for e in _moved([0.0] * len(z), 1.0, _ERROR, slopes)], z, moved)
        if ratio <= 1:
            z, t, first = moved, t + width, (slopes[-1], traces[-1])
            log_det += width * sum(w * trace for w, trace in zip(weights, traces, strict=True))
            if last:
                return z, log_det
        h = abs(width) * (
            _MOST if ratio == 0 else min(_MOST, max(_SAFETY * ratio**-0.2, 1 if ratio < 1 else _LEAST))
        )
    raise ValueError(f"max_steps: expected at most {params.max_steps} steps, got more")


def _ratio(params: Params, error: Vector, z: Vector, moved: Vector) -> float:
    """The largest error over what is allowed."""
    allowed = [_allowed(params, max(abs(a), abs(b))) for a, b in zip(z, moved, strict=True)]
    return max(abs(e) / a for e, a in zip(error, allowed, strict=True))


def _allowed(params: Params, size: float) -> float:
    return params.absolute_tolerance + params.relative_tolerance * size


def _first_step(params: Params, z: Vector, t: float, slope: Vector) -> float:
    """Hairer, Norsett and Wanner, "Solving ordinary differential equations I" (1993), section II.4."""
    sense, allowed = 1 - 2 * params.base_at if t == params.base_at else 2 * params.base_at - 1, []
    allowed = [_allowed(params, abs(v)) for v in z]

    def size(values: Vector) -> float:
        return max(abs(v) / a for v, a in zip(values, allowed, strict=True))

    of_state, of_slope = size(z), size(slope)
    guess = 1e-6 if min(of_state, of_slope) < 1e-5 else 0.01 * of_state / of_slope
    after = _field(params, _moved(z, sense * guess, [1.0], [slope]), t + sense * guess)[0]
    bend = size([a - b for a, b in zip(after, slope, strict=True)]) / guess
    largest = max(of_slope, bend)
    return min(100 * guess, max(1e-6, 1e-3 * guess) if largest <= 1e-15 else (0.01 / largest) ** 0.2)


def _solved(z: Vector, params: Params, start: float) -> tuple[Vector, float]:
    return (_adaptive if params.method == "dopri5" else _fixed)(z, params, start)


family: Family[Params] = Family(
    lambda z, params: _solved(z, params, params.base_at),
    lambda x, params: _solved(x, params, 1 - params.base_at),
    lambda params: len(params.bias_out),
)
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
