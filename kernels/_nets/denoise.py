"""What reverse diffusion samplers share: parameters, predictions, spacings of their steps, models.

Steps count from 1 to T as in `diffusion`; diffusers' timesteps are less by 1. With a = alpha_bar_t,
x_t = sqrt(a) x_0 + sqrt(1 - a) eps.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._nets import linear, perceptron
from seqgap.kernels._nets.chain_plan import Plan, Steps
from seqgap.kernels._nets.linear import Gaussian
from seqgap.kernels._nets.perceptron import Perceptron
from seqgap.kernels._nets.schedule import Schedule

PREDICTIONS = ("epsilon", "x0", "v")
SPACINGS = ("leading", "trailing", "linspace")


class Params(NamedTuple):
    """A model that predicts of x_t and t what the noise was, and the schedule that it was trained on.

    prediction: what the model returns. epsilon: eps (Ho et al., 2020); x0; v: sqrt(a) eps - sqrt(1 - a) x_0
    (Salimans and Ho, "Progressive distillation", 2022, section 4). A `Gaussian` model is data whose exact
    prediction is known.
    """

    model: Any  # Perceptron or Gaussian
    betas: Array  # (T,), above 0 and below 1
    times: Array  # (T,): the time that the model is given at each step; 0 to T - 1 for those of diffusers
    prediction: str

    @property
    def dim(self) -> int:
        """D."""
        return int(self.model.dim)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        dtype: np.dtype[Any] = self.model.dtype
        return dtype


class Levels(NamedTuple):
    """Roots of alpha_bar and of 1 - alpha_bar at steps, in float64."""

    signal: Array
    sigma: Array


def steps_of(spacing: str, count: int | None, length: int) -> Array:
    """`count` of the steps 1 to T in descending order, all of them for None: Lin et al. (2023), table 2.

    leading: 1, 1 + r, ... with r = T // count; trailing: T and then T / count less each time, rounded;
    linspace: from T to 1. Raises ValueError for a count above T.
    """
    check.choice("spacing", spacing, SPACINGS)
    chosen = length if count is None else check.integer("steps", count, 1, length)
    return {
        "leading": 1 + np.arange(chosen)[::-1] * (length // chosen),
        "trailing": np.round(np.arange(length, 0, -length / chosen)[:chosen]).astype(int),
        "linspace": 1 + np.round(np.linspace(0, length - 1, chosen))[::-1].astype(int),
    }[spacing]


def levels(schedule: Schedule, steps: Array) -> Levels:
    """Those of a schedule at steps, 0 among them."""
    return Levels(*schedule._closed[FLOAT64][steps].T)


def share(schedule: Schedule, steps: Array, previous: Array) -> Array:
    """beta = 1 - alpha_bar_t / alpha_bar_s of a step from t to s, without cancellation."""
    logs = np.concatenate([[0.0], np.cumsum(np.log1p(-schedule.betas))])
    return np.asarray(-np.expm1(logs[steps] - logs[previous]))


def predictions(kind: str, at: Levels) -> tuple[Array, Array]:
    """x_0 and eps by (x, f): (S, 2) each, for what the model returns."""
    one, none = np.ones_like(at.signal), np.zeros_like(at.signal)
    clean, noise = {
        "epsilon": ((1 / at.signal, -at.sigma / at.signal), (none, one)),
        "x0": ((none, one), (1 / at.sigma, -at.signal / at.sigma)),
        "v": ((at.signal, -at.sigma), (at.sigma, at.signal)),
    }[kind]
    return np.stack(clean, 1), np.stack(noise, 1)


def checked(params: Any, limit: float | None) -> tuple[Schedule, float]:
    """(schedule, limit as a float), or an error that names what is wrong."""
    schedule = Schedule(params.betas)
    check.choice("params.prediction", params.prediction, PREDICTIONS)
    return schedule, np.inf if limit is None else check.positive("limit", limit)


def plan(params: Any, steps: Array, table: Array, limit: float, context: ArrayLike | None) -> Plan:
    """The plan of a sampler with one evaluation at each of these steps of the schedule."""
    schedule = Schedule(params.betas)
    times = check.shaped("params.times", params.times, FLOAT64, schedule.betas.shape)[steps - 1]
    model, streams = params.model, steps.astype(np.uint32)
    if type(model) is Gaussian:
        if context is not None:
            raise ValueError("context: expected none for a Gaussian model, got one")
        gain, offset = _exact(model, params.prediction, levels(schedule, steps))
        exact = functools.partial(linear.linear, gain, offset)
        return Plan(linear.ROWS, exact, Steps(table, streams, limit=limit))
    if type(model) is Perceptron:
        network = functools.partial(perceptron.evaluations, model, params.dim, times, context)
        return Plan(perceptron.ROWS, network, Steps(table, streams, limit=limit))
    raise TypeError(f"params.model: expected a Perceptron or Gaussian, got {check.described(model)}")


def _exact(model: Gaussian, kind: str, at: Levels) -> tuple[Array, Array]:
    """(gain, offset), (S, D) each, of what a perfect network returns for Gaussian data."""
    mean, variance = linear.moments(model)
    signal, sigma = at.signal[:, None], at.sigma[:, None]
    marginal = signal**2 * variance + sigma**2
    # E[x_0 | x] = mean + signal variance / marginal (x - signal mean), eps = (x - signal x_0) / sigma
    clean = signal * variance / marginal, mean * sigma**2 / marginal
    noise = sigma / marginal, -sigma * signal * mean / marginal
    if kind == "v":
        return signal * noise[0] - sigma * clean[0], signal * noise[1] - sigma * clean[1]
    return clean if kind == "x0" else noise
