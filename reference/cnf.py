"""Continuous normalizing flows dz/dt = f(z, t), one value at a time; the trace from the whole Jacobian."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._ode import Solver, solved
from seqgap.reference._ode_gradient import Point, adjoint_step, derivatives, total
from seqgap.reference._perceptron import Perceptron, affine, random_perceptron
from seqgap.reference._plain import HALF_LOG_2_PI, Matrix, Vector
from seqgap.reference._runge_kutta import METHODS
from seqgap.reference._stack import ACTIVATIONS, sigmoid
from seqgap.reference.normal import standard_normal


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
        return Perceptron._make(self[: len(Perceptron._fields)])


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


def _tangents(params: Params, z: Vector, t: float) -> tuple[Vector, Matrix]:
    """(f, the derivatives of the last hidden units for each feature), through all layers."""
    model = params.model
    units, tangents = [*z, *model.embedded(t)], [[row[d] for row in model.weight_in] for d in range(len(z))]
    layers = zip([model.weight_in, *model.weight_hidden], model.bias_hidden, strict=True)
    for k, (weight, bias) in enumerate(layers):
        sums = affine(weight, units, bias)
        slopes = [_slope(model.activation, u) for u in sums]
        moved = [_product(weight, tangent) for tangent in tangents] if k else tangents
        tangents = [[slope * u for slope, u in zip(slopes, tangent, strict=True)] for tangent in moved]
        units = [ACTIVATIONS[model.activation](u) for u in sums]
    return affine(model.weight_out, units, model.bias_out), tangents


def _product(weight: Matrix, units: Vector) -> Vector:
    """W u."""
    return [sum(w * u for w, u in zip(row, units, strict=True)) for row in weight]


def _field(params: Params, z: Vector, t: float) -> tuple[Vector, float]:
    """(f, tr df/dz): of each tangent the last layer gives one number."""
    slope, tangents = _tangents(params, z, t)
    rows = zip(params.weight_out, tangents, strict=True)
    return slope, sum(_product([row], tangent)[0] for row, tangent in rows)


def _solver(params: Params, start: float) -> Solver:
    tolerances = params.relative_tolerance, params.absolute_tolerance
    return Solver(start, params.method, params.steps, *tolerances, params.max_steps)


def _solved(z: Vector, params: Params, start: float) -> tuple[Vector, float]:
    return solved(lambda z, t: _field(params, z, t), z, _solver(params, start))[:2]


family: Family[Params] = Family(
    lambda z, params: _solved(z, params, params.base_at),
    lambda x, params: _solved(x, params, 1 - params.base_at),
    lambda params: len(params.bias_out),
)
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample


def _dot(left: Vector, right: Vector) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


class Solution(NamedTuple):
    """What `solve` returns."""

    states: Matrix
    log_det: Vector
    evaluations: list[int]


def solve(batch: Matrix, params: Params, *, inverse: bool = False) -> Solution:
    """Each row with how many evaluations it took."""
    solver = _solver(params, 1 - params.base_at if inverse else params.base_at)
    rows = [solved(lambda z, t: _field(params, z, t), row, solver) for row in batch]
    return Solution(*(list(column) for column in zip(*rows, strict=True))) if rows else Solution([], [], [])


def estimated_log_prob(
    x: Matrix, params: Params, seed: int, *, noise: str = "rademacher", probes: int = 1, first_row: int = 0,
    dtype: str = "float64",
) -> Vector:  # fmt: skip
    """log_prob with the mean of e^T (df/dz) e for the trace; dtype: of the layout of the normals."""
    dim = len(params.bias_out)
    drawn = standard_normal(len(x), probes * dim, seed, first_row=first_row, stream=2**32 - 1, dtype=dtype)
    return [
        _estimated(row, params, _probes(normals, dim, noise)) for row, normals in zip(x, drawn, strict=True)
    ]


def _probes(normals: Vector, dim: int, noise: str) -> Matrix:
    values = normals if noise == "gaussian" else [math.copysign(1, value) for value in normals]
    return [values[at : at + dim] for at in range(0, len(values), dim)]


def _estimated(x: Vector, params: Params, probes: Matrix) -> float:
    """log N(z; 0, I) + log_det of the inverse of a row."""

    def field(z: Vector, t: float) -> tuple[Vector, float]:
        slope, tangents = _tangents(params, z, t)
        columns = [_product(params.weight_out, tangent) for tangent in tangents]
        along = [_dot(probe, [_dot(probe, column) for column in columns]) for probe in probes]
        return slope, sum(along) / len(probes)

    z, log_det, _ = solved(field, x, _solver(params, 1 - params.base_at))
    return log_det - sum(0.5 * v * v + HALF_LOG_2_PI for v in z)


class Gradient(NamedTuple):
    """dL/dz of each row, and Params that hold dL/d(array)."""

    z: Matrix
    params: Params


_ARRAYS = ("weight_in", "weight_hidden", "weight_out", "bias_hidden", "bias_out", "frequencies")


class _Row(NamedTuple):
    z: Vector
    of_x: Vector
    of_log_det: float


def gradient(
    z: Matrix, params: Params, of_x: Matrix, of_log_det: Vector | None = None, *,
    by: str = "steps", inverse: bool = False,
) -> Gradient:  # fmt: skip
    """By differences of the solution for each number, or of the field in the adjoint equation."""
    of_log_det = [0.0] * len(z) if of_log_det is None else of_log_det
    rows = [_Row(*row) for row in zip(z, of_x, of_log_det, strict=True)]
    start = float(1 - params.base_at if inverse else params.base_at)
    return (_by_adjoint if by == "adjoint" else _by_steps)(rows, params, start)


def _by_steps(rows: list[_Row], params: Params, start: float) -> Gradient:
    def loss(row: _Row, params: Params) -> float:
        x, log_det = _solved(row.z, params, start)
        return row.of_log_det * log_det + sum(a * b for a, b in zip(row.of_x, x, strict=True))

    def of_z(row: _Row) -> Vector:
        slopes: Vector = derivatives(lambda z: loss(row._replace(z=z), params), row.z)
        return slopes

    of_arrays = _of_arrays(lambda changed: sum(loss(row, changed) for row in rows), params)
    return Gradient([of_z(row) for row in rows], of_arrays)


def _by_adjoint(rows: list[_Row], params: Params, start: float) -> Gradient:
    """Chen et al. (2018), algorithm 1."""
    h, of_z, points = (2 * start - 1) / params.steps, [], []
    for row in rows:
        at = Point(_solved(row.z, params, start)[0], row.of_x, row.of_log_det, 1 - start, 1.0)
        for _ in range(params.steps):
            at, stages = adjoint_step(lambda z, t: _field(params, z, t), METHODS[params.method], at, h)
            points += stages
        of_z.append(at.adjoint)

    def loss(changed: Params) -> float:
        return total(lambda z, t: _field(changed, z, t), points)

    return Gradient(of_z, _of_arrays(loss, params))


def _of_arrays(of: Callable[[Params], float], params: Params) -> Params:
    """The derivatives of a number for all of the network's."""

    def derivative(name: str) -> Any:
        return derivatives(lambda array: of(params._replace(**{name: array})), getattr(params, name))

    return params._replace(**{name: derivative(name) for name in _ARRAYS})
