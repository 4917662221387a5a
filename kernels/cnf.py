"""Continuous normalizing flows: dz/dt = f(z, t) between a standard normal and data, f a perceptron.

Chen et al., "Neural ordinary differential equations" (2018), equation 8; Grathwohl et al., "FFJORD" (2019).
d log p / dt = -tr df/dz along a path; the trace is exact, and for one and two hidden layers costs one more
layer (`_nets.divergence`). log_det of `forward` = the integral of tr df/dz from the base to the data.

Strategies of `forward`: steps; picard, for the method euler alone, sweeps that evaluate f and its trace at
all steps of a window at once (`_nets.picard`), the same to some roundings.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.family import StrategicFamily
from seqgap.kernels._core.rows import WORTH_HEAVY, in_parts
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets import ode
from seqgap.kernels._nets.hutchinson import NOISES as NOISES
from seqgap.kernels._nets.hutchinson import Draw, estimate
from seqgap.kernels._nets.ode_gradient import WAYS, Solve
from seqgap.kernels._nets.ode_rows import Arrays
from seqgap.kernels._nets.perceptron import Perceptron, random_perceptron
from seqgap.kernels._nets.reverse import arrays_of, in_float64
from seqgap.kernels._nets.runge_kutta import METHODS as METHODS
from seqgap.kernels._nets.trace_forms import probes as probes_of


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
        return Perceptron._make(self[: len(Perceptron._fields)])

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


class _Family(StrategicFamily):
    """Its strategies: steps; picard, sweeps over windows of Euler's steps."""

    strategies = ("steps", "picard")

    def _kernel(self, direction: int, *options: Any) -> Any:
        return ode.picard if (direction, options) == (0, ("picard",)) else super()._kernel(direction)


def _arrays(params: Params, dtype: np.dtype[Any], dim: int, strategy: str = "steps") -> ode.Bound:
    if strategy == "picard" and params.method != "euler":
        raise ValueError(f"params.method: expected 'euler' with the strategy picard, got {params.method!r}")
    return ode.bound(params, dtype, dim)


_family = _Family(
    Params, _arrays, ode.rows(ode.FORWARD), ode.rows(ode.INVERSE), WORTH_HEAVY,
    tables=ode.context_table, unscored=ode.rows(ode.DRAWING),
)  # fmt: skip
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample


class Solution(NamedTuple):
    """What `solve` returns."""

    states: Array  # (N, D) at the other end of the time, dtype of the batch
    log_det: Array  # (N,), as `forward` or `inverse`
    evaluations: Array  # (N,) int64: of f for each row


def solve(batch: ArrayLike, params: Params, *, inverse: bool = False, threads: int = 1) -> Solution:
    """`forward` of latents (N, D), or `inverse` of data, with how many evaluations of f each row took.

    In fixed steps that is steps times stages. In adaptive steps it is 2 where a row begins, then 6 for each
    step that is tried; rows that are not finite take none. Raises as `forward`.
    """
    source, arrays = _bound("batch", batch, params, check.flag("inverse", inverse))
    states, log_det = np.empty_like(source), np.empty(len(source), source.dtype)
    record = np.zeros(len(source), np.int64)
    if params.method != "dopri5":
        record[:] = params.steps * len(METHODS[params.method].weights)
    arrays = arrays._replace(evaluations=record)

    def part(lo: int, hi: int) -> None:
        ode.solve(lo, hi, (source, states, log_det), arrays)

    in_parts(part, check.threads(threads), source.shape, WORTH_HEAVY)
    return Solution(states, log_det, record)


def _bound(name: str, batch: Any, params: Params, direction: int) -> tuple[Array, Arrays]:
    """A checked batch, and what the kernels take in a direction."""
    source = check.batch(name, batch)
    check.instance("params", params, Params)
    if params.weight_context is not None:
        raise ValueError("params.weight_context: expected None, got an array")
    came = f"{name} has {{}} columns"
    step = _family._step(direction, params, source.dtype, source.shape[1], came=came)
    return source, step.arrays[direction]


def estimated_log_prob(
    x: ArrayLike, params: Params, seed: Seed = None, *, rng: RNG = None, noise: str = "rademacher",
    probes: int = 1, first_row: int = 0, threads: int = 1,
) -> Array:  # fmt: skip
    """`log_prob` with Hutchinson's estimate of the trace, e^T (df/dz) e: (N,), dtype of x.

    Its mean is the exact one, which costs less where there are one or two hidden layers. The estimate is the
    mean over `probes` vectors e of each row, drawn once for its whole way from the normals of (seed, row,
    column), rademacher: their signs, gaussian: they themselves. With S the symmetric part of df/dz, one
    probe has the variance 2 sum_{i != j} S_ij^2 or 2 sum_ij S_ij^2 (Hutchinson, 1990; Grathwohl et al.,
    "FFJORD", 2019, equation 7). Rows first_row, first_row + 1, ... Raises as `log_prob`.
    """
    source, arrays = _bound("x", x, params, 1)
    check.choice("noise", noise, NOISES)
    draw = Draw(
        noise,
        check.integer("probes", probes, 1, 10**6),
        int(key_of(seed, rng)),
        int(check.first_row(first_row, len(source))),
    )
    arrays = arrays._replace(form=probes_of(params.model, source.dtype, draw.probes))
    density = np.empty(len(source), source.dtype)

    def part(lo: int, hi: int) -> None:
        estimate(lo, hi, source, density, draw, arrays)

    in_parts(part, check.threads(threads), source.shape, WORTH_HEAVY)
    return density


class Gradient(NamedTuple):
    """What `gradient` returns."""

    z: Array  # (N, D), dtype of z
    params: Params  # of the dtype of params; the arrays hold dL/d(array), the rest is as it was


def gradient(
    z: ArrayLike, params: Params, of_x: ArrayLike, of_log_det: ArrayLike | None = None, *,
    by: str = "steps", inverse: bool = False,
) -> Gradient:  # fmt: skip
    """dL/dz, and dL/d(params) summed over the rows, of a number L that depends on (x, log_det) = forward(z).

    of_x: dL/dx, (N, D). of_log_det: dL/dlog_det, (N,); by default L depends on x alone, which costs no trace.
    inverse: (x, log_det) is that of `inverse` at z: for the mean of log_prob(data, params) pass data for z,
    -inverse(data)[0] / N for of_x and full(N, 1 / N) for of_log_det. by: steps, the gradient of the steps
    themselves, exact, which keeps N D numbers a step; adjoint, that of the equation, solved back from x by
    the same method in as many steps, which keeps one state and is off by an error of the method's order.
    Chen et al. (2018), algorithm 1 and appendix B; Onken and Ruthotto, "Discretize-optimize vs.
    optimize-discretize for time-series regression and continuous normalizing flows" (2020).

    params.method: one of fixed steps. params.weight_context: None, since a context has no gradient here. All
    is calculated in float64, the solution too; bits may depend on the BLAS and on the batch. With log_det it
    takes N D H numbers a hidden layer. A row that is not finite makes the sums over rows so, too. Raises
    TypeError or ValueError for wrong arguments, naming them.
    """
    source = check.batch("z", z)
    solve = _solve(params, int(check.flag("inverse", inverse)), source.shape[1])
    way = tuple(WAYS)[check.choice("by", by, tuple(WAYS))]
    of_x = check.shaped("of_x", of_x, FLOAT64, source.shape)
    if of_log_det is not None:
        of_log_det = check.shaped("of_log_det", of_log_det, FLOAT64, source.shape[:1])
    with np.errstate(invalid="ignore", over="ignore"):  # of rows that are not finite
        of_z, of_model = WAYS[way](solve, source.astype(float), of_x, of_log_det)
        arrays: dict[str, Any] = {name: a.astype(params.dtype) for name, a in arrays_of(of_model).items()}
        return Gradient(of_z.astype(source.dtype), params._replace(**arrays))


def _solve(params: Params, direction: int, dim: int) -> Solve:
    """What `gradient` solves for z of so many columns, checked."""
    check.instance("params", params, Params)
    check.choice("params.method", params.method, tuple(METHODS))
    if params.weight_context is not None:
        raise ValueError("params.weight_context: expected None, got a context's, which has no gradient here")
    _family._step(direction, params, FLOAT64, dim, came="z has {} columns")
    start, tableau = params.base_at ^ direction, METHODS[params.method]
    return Solve(in_float64(params.model), tableau, start, (1 - 2 * start) / params.steps, params.steps)
