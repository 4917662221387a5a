"""Gradients of what depends on a solution of dz/dt = f(z, t) in fixed steps; NumPy, float64, whole batches.

`by_steps` reverses the code of the solver, and so has the gradient of what the solver computes; `by_adjoint`
solves the adjoint equation, whose gradient is off by an error of the order of the method. Chen et al.,
"Neural ordinary differential equations" (2018), algorithm 1 and appendix B; Onken and Ruthotto,
"Discretize-optimize vs. optimize-discretize for time-series regression and continuous normalizing flows"
(2020).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._nets.chain_plan import Tableau
from seqgap.kernels._nets.perceptron import Perceptron
from seqgap.kernels._nets.reverse import Pull, Record, evaluate, pull_back, zeros_like


class Solve(NamedTuple):
    """An equation, and the equal steps in which it is solved."""

    model: Perceptron  # of float64
    tableau: Tableau
    start: float  # time
    width: float  # of a step, below 0 where time runs backwards
    steps: int

    @property
    def times(self) -> Array:
        """Where steps begin, and the last ends."""
        return self.start + self.width * np.arange(self.steps + 1)


def _moved(state: Array, width: float, weights: Array, slopes: list[Array]) -> Array:
    """state + width (weights @ slopes), of as many slopes as there are."""
    for weight, slope in zip(weights, slopes, strict=False):
        if weight:
            state = state + width * weight * slope
    return state


def _stages(solve: Solve, z: Array, t: float) -> list[Record]:
    """The evaluations of a step from z at t."""
    records: list[Record] = []
    for node, stage in zip(solve.tableau.nodes, solve.tableau.stages, strict=True):
        at = _moved(z, solve.width, stage, [record.value for record in records])
        records.append(evaluate(solve.model, at, t + solve.width * node))
    return records


def _stepped(solve: Solve, z: Array, t: float) -> Array:
    """The state after a step from t."""
    return _moved(z, solve.width, solve.tableau.weights, [record.value for record in _stages(solve, z, t)])


def by_steps(solve: Solve, z: Array, of_x: Array, of_log_det: Array | None) -> tuple[Array, Perceptron]:
    """(dL/dz, gradient of the network), exact for the steps; keeps the state of each, N D numbers a step."""
    states = [z]
    for t in solve.times[:-2]:
        states.append(_stepped(solve, states[-1], t))
    gradient = zeros_like(solve.model)
    for state, t in zip(reversed(states), solve.times[-2::-1], strict=True):
        of_x = _step_back(solve, _stages(solve, state, t), of_x, of_log_det, gradient)
    return of_x, gradient


def _step_back(
    solve: Solve, records: list[Record], of_x: Array, of_log_det: Array | None, gradient: Perceptron
) -> Array:
    """From dL/d(state) after a step to that before it; adds to the gradient."""
    _, stages, weights = solve.tableau
    of_stages: list[Array] = []  # dL/d(input) of those that are done, the last stage first
    for i in reversed(range(len(records))):
        later = stages[i + 1 :, i][::-1]
        of_value = _moved(solve.width * weights[i] * of_x, solve.width, later, of_stages)
        of_trace = None if of_log_det is None else solve.width * weights[i] * of_log_det
        of_stages.append(pull_back(solve.model, records[i], Pull(of_value, of_trace), gradient))
    return _moved(of_x, 1.0, np.ones(len(of_stages)), of_stages)


def by_adjoint(solve: Solve, z: Array, of_x: Array, of_log_det: Array | None) -> tuple[Array, Perceptron]:
    """(dL/dz, gradient of the network) by a' = -a df/dz - dL/dlog_det d tr/dz, solved beside z from x back.

    Keeps no states; z is what the equation comes back to, and not the one that was given.
    """
    for t in solve.times[:-1]:
        z = _stepped(solve, z, t)
    back = solve._replace(start=float(solve.times[-1]), width=-solve.width)
    gradient = zeros_like(solve.model)
    for t in back.times[:-1]:
        z, of_x = _adjoint_step(back, _stages(back, z, t), (z, of_x), of_log_det, gradient)
    return of_x, gradient


def _adjoint_step(
    back: Solve,
    records: list[Record],
    state: tuple[Array, Array],
    of_log_det: Array | None,
    gradient: Perceptron,
) -> tuple[Array, Array]:
    """z and the adjoint a = dL/dz after a step back in time; adds the step's part to the gradient."""
    (z, a), (_, stages, weights) = state, back.tableau
    slopes: list[Array] = []  # -da/dt
    for record, stage, weight in zip(records, stages, weights, strict=True):
        at = _moved(a, -back.width, stage, slopes)
        pull = Pull(at, of_log_det, -back.width * weight)
        slopes.append(pull_back(back.model, record, pull, gradient))
    values = [record.value for record in records]
    return _moved(z, back.width, weights, values), _moved(a, -back.width, weights, slopes)


WAYS: dict[str, Callable[[Solve, Array, Array, Array | None], tuple[Array, Perceptron]]] = {
    "steps": by_steps,
    "adjoint": by_adjoint,
}
