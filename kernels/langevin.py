"""Langevin dynamics: T dependent steps along the gradient of log p, with noise, whose law approaches p.

Unadjusted (ULA), step j = 1 to T of size h_j:

    x <- x + h_j s(x, t_j) + sqrt(2 h_j) xi_j

s is the gradient of log p, and xi_j are the normals of stream j of the seed; the first state of `sample` is
those of stream 0. The law is p but for a bias of order h: for N(0, 1) the variance is 1 / (1 - h / 2), and
from h = 2 on it grows for ever. Roberts and Tweedie, "Exponential convergence of Langevin distributions"
(1996). Song and Ermon (2019) write the same step with eps = 2 h, as x + eps / 2 s + sqrt(eps) xi.

Adjusted (MALA, adjust=True): that is a proposal, taken if log u < log alpha, which makes p the exact law of
the stationary chain. u is k / 2**53, k the top 53 bits of the first two Philox words of the row in stream
2**31 + j, for float32 rounded to it. Each step evaluates log p and s once. A proposal whose log p is -inf or
NaN is rejected, so a chain that starts at such a point never leaves it.

Options of its chains: adjust (False), context (of a network).
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels import mixture
from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.seeds import RNG, Seed
from seqgap.kernels._nets import langevin_rows, linear, perceptron
from seqgap.kernels._nets.chain_family import ChainFamily
from seqgap.kernels._nets.chain_plan import Plan, Rows, Steps
from seqgap.kernels._nets.linear import Gaussian as Gaussian
from seqgap.kernels._nets.mixture_tables import Diagonal, Full, checked, tables
from seqgap.kernels._nets.perceptron import Perceptron as Perceptron


class Params(NamedTuple):
    """What is sampled, and the step sizes.

    target: a density, a `Gaussian` or a mixture.Params, whose score and log p are known; or a `Perceptron`
    that is a score s(x, t) itself, and has no log p.
    """

    target: Any  # Gaussian, mixture.Params or Perceptron
    step_sizes: Array  # (T,): h of each step, above 0
    times: Array = np.empty(0)  # (T,): t that a network is given at each step; (0,) for a density

    @property
    def dim(self) -> int:
        """D."""
        return int(self.target.dim)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        dtype: np.dtype[Any] = self.target.dtype
        return dtype


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, steps: int = 100, step_size: float = 0.1,
    components: int = 3, full: bool = False, dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """The target is mixture.random_params(dim, seed, ...), all steps are of one size."""
    target = mixture.random_params(dim, seed, rng=rng, components=components, full=full, dtype=dtype)
    count, size = check.count("steps", steps, 1), check.positive("step_size", step_size)
    return Params(target, np.full(count, size))


def annealed(sigmas: ArrayLike, *, steps: int = 100, smallest: float = 2e-5) -> Array:
    """Step sizes of annealed Langevin dynamics: `steps` for each of L noise levels, (L steps,), float64.

    Song and Ermon, "Generative modeling by estimating gradients of the data distribution" (2019),
    algorithm 1, have alpha_i = smallest sigma_i^2 / sigma_L^2 and x + alpha_i / 2 s + sqrt(alpha_i) xi. The
    sizes here are h = alpha_i / 2, which makes the same steps. Their network is given sigma_i:
    times = np.repeat(sigmas, steps). sigmas: (L,), above 0, in the order of the steps. Raises TypeError or
    ValueError for others.
    """
    levels = _positive("sigmas", sigmas)
    count, least = check.count("steps", steps, 1), check.positive("smallest", smallest)
    return np.repeat(least / 2 * (levels / levels[-1]) ** 2, count)


def accepted(states: ArrayLike) -> Array:
    """How many of its T steps each row moved in, of a `trajectory` (T + 1, N, D): (N,), int64.

    With adjust=True these are the accepted proposals, but for one that rounding makes equal to its state. A
    row with NaN never moved. Raises TypeError or ValueError for other states.
    """
    path = check.floats("states", states, 3)
    if not len(path):
        raise ValueError(f"states: expected shape (T + 1, N, D), got {path.shape}")
    moves = (path[1:] < path[:-1]) | (path[1:] > path[:-1])
    counts: Array = moves.any(2).sum(0)
    return counts


def _positive(name: str, values: Any) -> Array:
    """Positive finite numbers as a float64 array of one dimension, none of length 0."""
    numbers = check.floats(name, values, 1).astype(FLOAT64)
    wrong = numbers[~((numbers > 0) & (numbers < np.inf))]
    if wrong.size or not numbers.size:
        came = f"{wrong[0]:.6g}" if wrong.size else "none"
        raise ValueError(f"{name}: expected positive finite numbers, got {came}")
    return numbers


def _plan(params: Params, *, adjust: bool = False, context: ArrayLike | None = None) -> Plan:
    if not isinstance(adjust, bool | np.bool_):
        raise TypeError(f"adjust: expected True or False, got {check.described(adjust)}")
    sizes = _positive("params.step_sizes", params.step_sizes)
    table = np.stack([0 * sizes, 0 * sizes, 0 * sizes + 1, 0 * sizes, sizes, np.sqrt(2 * sizes)], 1)
    rows, field = _score(params, bool(adjust), context)
    steps = Steps(table, np.arange(1, 1 + sizes.size, dtype=np.uint32))
    alike = type(params.target) is not Perceptron and bool(np.all(sizes == sizes[0]))
    return Plan(rows, _naming_target(field), steps, alike)


def _score(params: Params, adjust: bool, context: ArrayLike | None) -> tuple[Rows, Callable[..., Any]]:
    """The row kernels for a target, and what they read of it in a dtype."""
    target, steps = params.target, np.shape(params.step_sizes)
    if type(target) is Perceptron:
        if adjust:
            raise ValueError("adjust: expected False for a Perceptron, got True: a score alone has no log p")
        times = check.shaped("params.times", params.times, FLOAT64, steps)
        check.finite("params.times", times)
        return perceptron.ROWS, lambda dtype: perceptron.evaluations(
            target, params.dim, times, context, dtype
        )
    if type(target) not in (Gaussian, mixture.Params):
        expected = "expected a Gaussian, a mixture.Params or a Perceptron"
        raise TypeError(f"params.target: {expected}, got {check.described(target)}")
    if np.size(params.times):
        raise ValueError(f"params.times: expected none for a density, got shape {np.shape(params.times)}")
    if context is not None:
        raise ValueError("context: expected none for a density, got one")
    if type(target) is Gaussian and not adjust:
        return linear.ROWS, lambda dtype: _line(target, steps, dtype)
    return langevin_rows.ADJUSTED if adjust else langevin_rows.UNADJUSTED, lambda dtype: _terms(target, dtype)


def _line(target: Gaussian, steps: tuple[int, ...], dtype: np.dtype[Any]) -> linear.Linear:
    """s(x) = (mean - x) / variance, at every step."""
    mean, variance = linear.moments(target)
    gain, offset = (np.broadcast_to(row, steps + row.shape) for row in (-1 / variance, mean / variance))
    return linear.linear(gain, offset, dtype)


def _terms(target: Any, dtype: np.dtype[Any]) -> Any:
    """A mixture as its kernels read it; a Gaussian is one of one component."""
    if type(target) is Gaussian:
        linear.moments(target)
        target = mixture.Params(np.ones(1), *(np.asarray(row)[None] for row in target))
    arrays = tables(checked(target, dtype), dtype)
    return (Diagonal if len(arrays) == len(Diagonal._fields) else Full)(*arrays)


def _naming_target(field: Callable[..., Any]) -> Callable[..., Any]:
    """Errors of a model's own checks, with the names that its fields have here."""

    def named(dtype: np.dtype[Any]) -> Any:
        try:
            return field(dtype)
        except (TypeError, ValueError) as error:
            text = re.sub(r"^(model|params)\.", "params.target.", str(error))
            raise type(error)(text) from None

    return named


_family = ChainFamily(Params, _plan)
sample, run, trajectory = _family.sample, _family.run, _family.trajectory
