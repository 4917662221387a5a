"""Flow matching and rectified flows: dx/dt = v(x, t) from noise to data in S steps of a Runge-Kutta method.

Lipman et al., "Flow matching for generative modeling" (2023); Liu, Gong and Liu, "Flow straight and fast"
(2023). With x_t = (1 - t) x_0 + t x_1 between noise x_0 = N(0, I) at t = 0 and data x_1 at t = 1, v is the
mean of x_1 - x_0 given x_t. Where noise is at t = 1, as in Stable Diffusion 3, time runs from 1 to 0 and v is
the mean of the noise less the data.

Options of its chains: steps (50, equal ones) or times (S + 1, from the noise to the data, each once), method
(euler, midpoint, heun, rk4, rk4_38, dormand_prince: as of `_nets.runge_kutta`), context (of the model).
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels import mixture
from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets import blend, linear, perceptron
from seqgap.kernels._nets.chain_family import ChainFamily
from seqgap.kernels._nets.chain_plan import Plan, Steps
from seqgap.kernels._nets.linear import Gaussian as Gaussian
from seqgap.kernels._nets.mixture_tables import checked
from seqgap.kernels._nets.perceptron import Perceptron as Perceptron
from seqgap.kernels._nets.runge_kutta import METHODS as METHODS


class Params(NamedTuple):
    """A velocity, and the time at which there is noise.

    model: a Perceptron v(x, t), or data whose exact velocity is known: a Gaussian, or a mixture.Params with
    diagonal covariances.
    """

    model: Any
    noise_at: int  # 0 or 1; data are at the other end

    @property
    def dim(self) -> int:
        """D."""
        return int(self.model.dim)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        dtype: np.dtype[Any] = self.model.dtype
        return dtype


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, depth: int = 3, width: int = 64,
    dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """A network of random weights that sees t as one more input; noise at t = 0."""
    real, key = check.dtype(dtype), int(key_of(seed, rng))
    dim = check.count("dim", dim, 1)
    model = perceptron.random_perceptron(dim, key, depth=depth, width=width, embedding="time", dtype=real)
    return Params(model, 0)


def _grid(params: Params, steps: int | None, times: ArrayLike | None) -> Array:
    """The times between steps, checked."""
    start = check.integer("params.noise_at", params.noise_at, 0, 1)
    if times is None:
        count = check.integer("steps", 50 if steps is None else steps, 1, 10**6)
        return np.linspace(start, 1 - start, count + 1)
    if steps is not None:
        raise ValueError("steps, times: expected one of them, got both")
    grid = check.floats("times", times, 1).astype(float)
    sense = 1 - 2 * start
    if grid.size < 2 or not np.all((grid >= 0) & (grid <= 1)) or not np.all(sense * np.diff(grid) > 0):
        way = "ascending" if sense > 0 else "descending"
        raise ValueError(f"times: expected 2 or more from 0 to 1, strictly {way}, got others")
    return grid


def _plan(
    params: Params, *, steps: int | None = None, times: ArrayLike | None = None, method: str = "euler",
    context: ArrayLike | None = None,
) -> Plan:  # fmt: skip
    check.choice("method", method, tuple(METHODS))
    grid, tableau = _grid(params, steps, times), METHODS[method]
    widths = np.diff(grid)
    table = np.zeros((widths.size, 6))
    table[:, 2], table[:, 4] = 1, widths
    chain = Steps(table, np.zeros(widths.size), tableau)
    at = (grid[:-1, None] + widths[:, None] * tableau.nodes).ravel()
    model = params.model
    if type(model) is Perceptron:
        field = functools.partial(perceptron.evaluations, model, params.dim, at, context)
        return Plan(perceptron.ROWS, field, chain)
    if context is not None:
        raise ValueError(f"context: expected none for {type(model).__name__}, got one")
    if type(model) is Gaussian:
        mean, variance = linear.moments(model)
        gain, offset = _exact(mean, variance, params.noise_at, at[:, None])
        return Plan(linear.ROWS, functools.partial(linear.linear, gain, offset), chain)
    if type(model) is mixture.Params:
        return Plan(blend.ROWS, functools.partial(blend.blend, _components(params, at)), chain)
    expected = "a Perceptron, a Gaussian or a mixture.Params"
    raise TypeError(f"params.model: expected {expected}, got {check.described(model)}")


def _exact(mean: Array, variance: Array, noise_at: int, at: Array) -> tuple[Array, Array]:
    """(gain, offset) of the velocity of Gaussian data: m + (t s^2 - (1 - t)) / s_t^2 (x - t m)."""
    t = np.abs(at - noise_at)
    slope = (t * variance - (1 - t)) / ((1 - t) ** 2 + t**2 * variance)
    sense = 1 - 2 * noise_at
    return sense * slope, sense * (mean - slope * t * mean)


def _components(params: Params, at: Array) -> blend.Components:
    """The mixture at each time, and the velocity of each component."""
    weight, mean, scale = checked(params.model, FLOAT64)
    if scale.ndim != 2:
        raise ValueError("params.model: expected a mixture of diagonal covariances, got full ones")
    at = at[:, None, None]
    t = np.abs(at - params.noise_at)
    gain, offset = _exact(mean, scale**2, params.noise_at, at)
    return blend.Components(weight, t * mean, np.sqrt((1 - t) ** 2 + (t * scale) ** 2), gain, offset)


_family = ChainFamily(Params, _plan)
sample, run, trajectory = _family.sample, _family.run, _family.trajectory
