"""dz/dt = f(z, t) from one end of the time to the other, with the integral of a trace beside z."""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._runge_kutta import ERROR, METHODS

Field: TypeAlias = Callable[[Vector, float], tuple[Vector, float]]  # (z, t) -> (f, the trace)
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0


class Solver(NamedTuple):
    """How an equation is solved; the fields of Params of the same names."""

    start: float
    method: str
    steps: int
    relative_tolerance: float
    absolute_tolerance: float
    max_steps: int


class Solved(NamedTuple):
    """Where a row ends."""

    z: Vector
    log_det: float
    evaluations: int


class Stages(NamedTuple):
    """What a method evaluates in a step."""

    slopes: Matrix  # f at each stage
    traces: Vector


def solved(field: Field, z: Vector, solver: Solver) -> Solved:
    """A row in steps of one size, or with dopri5 in its own."""
    return (_adaptive if solver.method == "dopri5" else _fixed)(field, z, solver)


def _stages(
    field: Field, method: str, z: Vector, t: float, h: float, first: tuple[Vector, float] | None
) -> Stages:
    """first: f and the trace at z and t where they are known."""
    nodes, stages, _ = METHODS[method]
    known = Stages([], [])
    for node, stage in zip(nodes, stages, strict=True):
        at = _moved(z, h, stage, known.slopes)
        slope, trace = first if first and not stage else field(at, t + node * h)
        known.slopes.append(slope)
        known.traces.append(trace)
    return known


def _moved(z: Vector, h: float, weights: Vector, slopes: Matrix) -> Vector:
    return [
        value + h * sum(w * slope[d] for w, slope in zip(weights, slopes, strict=False))
        for d, value in enumerate(z)
    ]


def _fixed(field: Field, z: Vector, solver: Solver) -> Solved:
    """Steps of one size."""
    weights = METHODS[solver.method][2]
    h, log_det = (1 - 2 * solver.start) / solver.steps, 0.0
    for k in range(solver.steps):
        slopes, traces = _stages(field, solver.method, z, solver.start + k * h, h, None)
        z = _moved(z, h, weights, slopes)
        log_det += h * sum(w * trace for w, trace in zip(weights, traces, strict=True))
    return Solved(z, log_det, solver.steps * len(weights))


def _adaptive(field: Field, z: Vector, solver: Solver) -> Solved:
    """Steps whose error in z is within the tolerances; the last ends at the end of the time.

    A state that is not finite becomes NaN, without a step.
    """
    if not all(map(math.isfinite, z)):
        return Solved([math.nan] * len(z), math.nan, 0)
    sense, t, log_det, weights = 1 - 2 * solver.start, solver.start, 0.0, METHODS["dopri5"][2]
    first = field(z, t)
    h = _first_step(field, solver, z, first[0])
    for tried in range(solver.max_steps):
        left = abs(1 - solver.start - t)
        last = h >= left
        width = sense * (left if last else h)
        slopes, traces = _stages(field, "dopri5", z, t, width, first)
        moved = _moved(z, width, weights, slopes)
        ratio = _ratio(solver, [width * e for e in _moved([0.0] * len(z), 1.0, ERROR, slopes)], z, moved)
        if ratio <= 1:
            z, t, first = moved, t + width, (slopes[-1], traces[-1])
            log_det += width * sum(w * trace for w, trace in zip(weights, traces, strict=True))
            if last:
                return Solved(z, log_det, 2 + 6 * (tried + 1))
        h = abs(width) * (
            _MOST if ratio == 0 else min(_MOST, max(_SAFETY * ratio**-0.2, 1 if ratio < 1 else _LEAST))
        )
    raise ValueError(f"max_steps: expected at most {solver.max_steps} steps, got more")


def _ratio(solver: Solver, error: Vector, z: Vector, moved: Vector) -> float:
    """The largest error over what is allowed."""
    allowed = [_allowed(solver, max(abs(a), abs(b))) for a, b in zip(z, moved, strict=True)]
    return max(abs(e) / a for e, a in zip(error, allowed, strict=True))


def _allowed(solver: Solver, size: float) -> float:
    return solver.absolute_tolerance + solver.relative_tolerance * size


def _first_step(field: Field, solver: Solver, z: Vector, slope: Vector) -> float:
    """Hairer, Norsett and Wanner, "Solving ordinary differential equations I" (1993), section II.4."""
    sense, allowed = 1 - 2 * solver.start, [_allowed(solver, abs(v)) for v in z]

    def size(values: Vector) -> float:
        return max(abs(v) / a for v, a in zip(values, allowed, strict=True))

    of_state, of_slope = size(z), size(slope)
    guess = 1e-6 if min(of_state, of_slope) < 1e-5 else 0.01 * of_state / of_slope
    after = field(_moved(z, sense * guess, [1.0], [slope]), solver.start + sense * guess)[0]
    bend = size([a - b for a, b in zip(after, slope, strict=True)]) / guess
    largest = max(of_slope, bend)
    return min(100 * guess, max(1e-6, 1e-3 * guess) if largest <= 1e-15 else (0.01 / largest) ** 0.2)
