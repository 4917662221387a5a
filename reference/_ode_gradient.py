"""Gradients by central differences of fourth order, and the adjoint of an equation by those of its field."""

from collections.abc import Callable
from typing import Any, NamedTuple

from seqgap.reference._plain import Matrix, Vector

_STEP = 1e-3


def derivatives(of: Callable[[Any], float], value: Any) -> Any:
    """The derivative of a number for each number in nested lists, laid out as they are."""
    if isinstance(value, list):

        def part(i: int) -> Any:
            return derivatives(lambda item: of([*value[:i], item, *value[i + 1 :]]), value[i])

        return [part(i) for i in range(len(value))]
    near, far = (of(value + k * _STEP) - of(value - k * _STEP) for k in (1, 2))
    return (8 * near - far) / (12 * _STEP)


class Point(NamedTuple):
    """A stage of a solution back in time; its part in a gradient is weight (adjoint f + of_trace tr)."""

    z: Vector
    adjoint: Vector
    of_trace: float
    t: float
    weight: float


def total(field: Callable[[Vector, float], tuple[Vector, float]], points: list[Point]) -> float:
    """The sum of weight (adjoint f(z, t) + of_trace tr(z, t)); field: (f, tr) of z and t."""
    result = 0.0
    for point in points:
        value, trace = field(point.z, point.t)
        along = sum(a * f for a, f in zip(point.adjoint, value, strict=True))
        result += point.weight * (along + point.of_trace * trace)
    return result


def adjoint_step(
    field: Callable[[Vector, float], tuple[Vector, float]], tableau: tuple[Vector, Matrix, Vector],
    start: Point, h: float,
) -> tuple[Point, list[Point]]:  # fmt: skip
    """(z and the adjoint after a step of h, the stages): dz/dt = f, da/dt = -d(a f + of_trace tr)/dz."""
    points: list[Point] = []
    values: Matrix = []
    slopes: Matrix = []

    def push(point: Point) -> Vector:
        pushed: Vector = derivatives(lambda z: total(field, [point._replace(z=z)]), point.z)
        return pushed

    for node, stage, weight in zip(*tableau, strict=True):
        z, adjoint = _moved(start.z, h, stage, values), _moved(start.adjoint, -h, stage, slopes)
        point = Point(z, adjoint, start.of_trace, start.t + node * h, 1.0)
        values.append(field(z, point.t)[0])
        slopes.append(push(point))
        points.append(point._replace(weight=-h * weight))
    z, adjoint = _moved(start.z, h, tableau[2], values), _moved(start.adjoint, -h, tableau[2], slopes)
    return start._replace(z=z, adjoint=adjoint, t=start.t + h), points


def _moved(z: Vector, h: float, weights: Vector, slopes: Matrix) -> Vector:
    return [
        value + h * sum(w * slope[d] for w, slope in zip(weights, slopes, strict=False))
        for d, value in enumerate(z)
    ]
