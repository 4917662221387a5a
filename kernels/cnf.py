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
from seqgap.kernels._nets.adaptive_rows import Solver, adaptive_rows
from seqgap.kernels._nets.chain_plan import EULER, Tableau
from seqgap.kernels._nets.divergence import form_of
from seqgap.kernels._nets.ode_rows import Grid, fixed_rows
from seqgap.kernels._nets.perceptron import Perceptron, embedded, evaluations, random_perceptron

# Dormand and Prince, "A family of embedded Runge-Kutta formulae" (1980); the last stage is the next first.
DORMAND_PRINCE = Tableau(
    np.array([0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1]),
    np.array(
        [
            [0, 0, 0, 0, 0, 0, 0],
            [1 / 5, 0, 0, 0, 0, 0, 0],
            [3 / 40, 9 / 40, 0, 0, 0, 0, 0],
            [44 / 45, -56 / 15, 32 / 9, 0, 0, 0, 0],
            [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0, 0],
            [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0, 0],
            [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
        ]
    ),
    np.array([35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0]),
)
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
    "dormand_prince": Tableau(
        DORMAND_PRINCE.nodes[:6], DORMAND_PRINCE.stages[:6, :6], DORMAND_PRINCE.weights[:6]
    ),
}

# The fifth order less the fourth.
ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


class Params(NamedTuple):
    """A network, whose fields are those of a `Perceptron`, and how its equation is solved.

    base_at: the time, 0 or 1, of the standard normal; data are at the other. method: in `steps` equal steps
    euler, midpoint, heun, rk4 (the classical one), rk4_38 (the 3/8 rule, which torchdiffeq calls rk4) or
    dormand_prince (the fifth order of dopri5); or dopri5, each row in steps of its own, at most `max_steps`,
    of which each may be off by absolute_tolerance + relative_tolerance |z| in every feature; the error of
    log_det counts nothing, so that a sample has the same z without its density. weight_context: of a network
    that sees a context c of C numbers too, which Flow(params) takes; W_1 (z, e(t), c).
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
    method: str = "dopri5"
    steps: int = 50
    relative_tolerance: float = 1e-6
    absolute_tolerance: float = 1e-6
    max_steps: int = 10_000
    weight_context: Array | None = None  # (H, C)

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
    """What the row kernel of the method takes in either direction."""
    start = check.integer("params.base_at", params.base_at, 0, 1)
    check.choice("params.method", params.method, (*METHODS, "dopri5"))
    arrays = _adaptive if params.method == "dopri5" else _fixed
    return tuple(arrays(params, begin, dtype, dim) for begin in (start, 1 - start))


def _fixed(params: Params, start: int, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    steps, tableau = check.integer("params.steps", params.steps, 1, 10**6), METHODS[params.method]
    width = (1 - 2 * start) / steps
    times = (start + width * np.arange(steps)[:, None] + width * tableau.nodes).ravel()
    net = evaluations(params.model, dim, times, None, dtype)
    stages, weights = (np.ascontiguousarray(a, dtype) for a in tableau[1:])
    return Grid(steps, dtype.type(width), stages, weights), net, form_of(params.model, dtype)


def _adaptive(params: Params, start: int, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    """Time features are inputs of the first layer, since every row has a time of its own."""
    model = params.model
    of_time = embedded(model, np.zeros(1)).shape[1]
    inputs = model._replace(embedding="none", frequencies=np.empty(0))
    net = evaluations(inputs, dim + of_time, np.zeros(1), None, dtype, dim)
    relative, absolute = (
        check.positive(f"params.{name}", getattr(params, name))
        for name in ("relative_tolerance", "absolute_tolerance")
    )
    most = check.integer("params.max_steps", params.max_steps, 1, 10**9)
    tables = (np.ascontiguousarray(table, dtype) for table in (*DORMAND_PRINCE, ERROR))
    turns = np.asarray(model.frequencies, float) / (2 * np.pi)
    numbers = of_time, float(start), float(1 - start), relative, absolute, most
    solver = Solver(*tables, turns.astype(dtype), *numbers)
    return solver, net, form_of(model, dtype)


def _rows(direction: int) -> Any:
    """The row kernel of the first or the second of the arrays, by their method."""

    def rows(lo: int, hi: int, source: Array, target: Array, log_det: Array, *arrays: Any) -> None:
        own = arrays[direction]
        kernel = adaptive_rows if type(own[0]) is Solver else fixed_rows
        kernel(lo, hi, source, target, log_det, *own)

    return rows


_family = Family(Params, _arrays, _rows(0), _rows(1), WORTH_HEAVY)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
