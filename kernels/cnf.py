"""Continuous normalizing flows: dz/dt = f(z, t) between a standard normal and data, f a perceptron.

Chen et al., "Neural ordinary differential equations" (2018), equation 8; Grathwohl et al., "FFJORD" (2019).
d log p / dt = -tr df/dz along a path; the trace is exact, and for one and two hidden layers costs one more
layer (`_nets.divergence`). log_det of `forward` = the integral of tr df/dz from the base to the data.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.rows import WORTH_HEAVY
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.chain_plan import EULER, Tableau
from seqgap.kernels._nets.divergence import form_of
from seqgap.kernels._nets.ode_rows import FIXED, Grid
from seqgap.kernels._nets.perceptron import Perceptron, evaluations, random_perceptron

METHODS = {
    "euler": EULER,
    "midpoint": Tableau(np.array([0, 0.5]), np.array([[0, 0], [0.5, 0]]), np.array([0.0, 1])),
    "heun": Tableau(np.array([0.0, 1]), np.array([[0.0, 0], [1, 0]]), np.array([0.5, 0.5])),
    "rk4": Tableau(
        np.array([0, 0.5, 0.5, 1]),
        np.array([[0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 1, 0]]),
        np.array([1, 2, 2, 1]) / 6,
    ),
    "rk4_38": Tableau(
        np.array([0, 1 / 3, 2 / 3, 1]),
        np.array([[0, 0, 0, 0], [1 / 3, 0, 0, 0], [-1 / 3, 1, 0, 0], [1, -1, 1, 0]]),
        np.array([1, 3, 3, 1]) / 8,
    ),
}


class Params(NamedTuple):
    """A network, whose fields are those of a `Perceptron`, and how its equation is solved.

    base_at: the time, 0 or 1, of the standard normal; data are at the other. method, in `steps` equal steps:
    euler, midpoint, heun, rk4 (the classical one) or rk4_38 (the 3/8 rule, which torchdiffeq calls rk4).
    """

    weight_in: Array  # (H, D + E)
    weight_hidden: Array  # (K - 1, H, H)
    weight_out: Array  # (D, H)
    bias_hidden: Array  # (K, H)
    bias_out: Array  # (D,)
    frequencies: Array  # (E / 2,)
    activation: str
    embedding: str
    base_at: int = 0
    method: str = "rk4"
    steps: int = 20

    @property
    def model(self) -> Perceptron:
        """The network."""
        return Perceptron(*self[: len(Perceptron._fields)])

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.bias_out", self.bias_out, 1)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.bias_out", self.bias_out)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, depth: int = 2, width: int = 64,
    dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """A network of random weights that sees t as one more input."""
    real, key = check.dtype(dtype), int(key_of(seed, rng))
    dim = check.count("dim", dim, 1)
    return Params(*random_perceptron(dim, key, depth=depth, width=width, embedding="time", dtype=real))


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    start = check.integer("params.base_at", params.base_at, 0, 1)
    steps = check.integer("params.steps", params.steps, 1, 10**6)
    check.choice("params.method", params.method, tuple(METHODS))
    tableau = METHODS[params.method]
    stages, weights = (np.ascontiguousarray(a, dtype) for a in tableau[1:])
    form, directions = form_of(params.model, dtype), []
    for begin in (start, 1 - start):
        width = (1 - 2 * begin) / steps
        times = (begin + width * np.arange(steps)[:, None] + width * tableau.nodes).ravel()
        net = evaluations(params.model, dim, times, None, dtype)
        directions.append((Grid(steps, dtype.type(width), stages, weights), net, form))
    return tuple(directions)


_family = Family(Params, _arrays, *FIXED, WORTH_HEAVY)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
