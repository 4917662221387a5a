"""Gaussian mixture of 3 components and diagonal covariances: densities, scores, samples, fits."""

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from seqgap.bench.model import arrays
from seqgap.bench.model.case import (
    EXP_FLOPS,
    NORMAL_FLOPS,
    Call,
    Cost,
    Dtype,
    Noise,
    Operation,
    rounding,
)
from seqgap.bench.model.flow import Verb, distribution
from seqgap.bench.peers import mixtures
from seqgap.kernels import mixture
from seqgap.kernels.normal import standard_normal

_COMPONENTS = 3  # of random_params
_TOLERANCE = rounding(lambda dim: 4 * dim + 32)
_SUMS = rounding(lambda dim: 8 * dim + 1024)  # over rows, and differences of them
_FLOOR = 0.25  # of variances: one row alone has none


class Drawn(NamedTuple):
    """What a sampler needs of a model."""

    cumulative: Any  # (K - 1,): sums of the weights; for JAX the quantiles of a normal there
    mean: Any  # (K, D)
    scale: Any  # (K, D)


def _cumulative(params: mixture.Params) -> Any:
    return np.cumsum(np.asarray(params.weight, float))[:-1]


def _drawn(call: Call, dim: int, dtype: Dtype) -> tuple[Drawn]:
    params = call.args[1]
    return (Drawn(_cumulative(params).astype(dtype), params.mean, params.scale),)


def _drawn_by_quantiles(call: Call, dim: int, dtype: Dtype) -> tuple[Drawn]:
    params = call.args[1]
    return (Drawn(special.ndtri(_cumulative(params)).astype(dtype), params.mean, params.scale),)


def _numpy_sample(call: Call, dim: int, dtype: Dtype) -> Any:
    """A search for each uniform, and one array expression."""
    n, (drawn,), generator = call.args[0], _drawn(call, dim, dtype), np.random.default_rng(call.args[2])

    def sample() -> Any:
        k = np.searchsorted(drawn.cumulative, generator.random(n), side="right")
        x = drawn.scale[k] * generator.standard_normal((n, dim), dtype=dtype)
        x += drawn.mean[k]
        return x

    return sample


def torch_sample(torch: Any, z: Any, drawn: Drawn) -> Any:
    """As in NumPy."""
    uniform = torch.rand(z.shape[0], dtype=z.dtype)
    k = torch.bucketize(uniform, drawn.cumulative, right=True)
    return torch.addcmul(drawn.mean[k], drawn.scale[k], z)


def jax_sample(jax: Any, z: Any, drawn: Drawn) -> Any:
    """The component comes of one more normal, for which there is no key of its own; XLA fuses."""
    k = (z[:, :1] > drawn.cumulative).sum(1)
    return drawn.mean[k] + drawn.scale[k] * z[:, 1:]


def _uniforms(output: Any, call: Call) -> Any:
    """F(x_d | x before d), which is uniform whatever component a row has. Rosenblatt (1952)."""
    params = call.args[1]
    weight, mean, scale = (np.asarray(field, float) for field in params)
    x = np.asarray(output, float)[: 1 + 100_000 // output.shape[1], None]
    y = (x - mean) / scale
    terms = np.cumsum(-0.5 * y * y - np.log(scale), axis=2)
    before = np.log(weight)[:, None] + np.pad(terms, ((0, 0), (0, 0), (1, 0)))[:, :, :-1]
    return (special.softmax(before, axis=1) * special.ndtr(y)).sum(1)


def _density_cost(dim: int) -> Cost:
    flops, numbers = _COMPONENTS * (4 * dim + EXP_FLOPS + 3) + 40, _COMPONENTS * (2 * dim + 1)
    return Cost(
        flops=flops, elements=dim + 1, written=1, exps=_COMPONENTS, parameters=numbers, weights=numbers
    )


def _share_cost(dim: int) -> Cost:
    return _density_cost(dim)._replace(elements=dim + _COMPONENTS, written=_COMPONENTS)


def _score_cost(dim: int) -> Cost:
    cost = _density_cost(dim)
    return cost._replace(flops=cost.flops + 4 * _COMPONENTS * dim, elements=2 * dim, written=dim)


def _sample_cost(dim: int) -> Cost:
    flops, numbers = (2 + NORMAL_FLOPS) * dim, _COMPONENTS * (2 * dim + 1)
    return Cost(flops=flops, elements=dim, written=dim, normals=dim, parameters=numbers, weights=numbers)


def _em_cost(dim: int) -> Cost:
    cost = _density_cost(dim)
    flops = cost.flops + _COMPONENTS * (5 * dim + 2)
    return cost._replace(flops=flops, elements=dim, written=0)


def _data(dim: int, count: int, dtype: Dtype, seed: int) -> Any:
    return standard_normal(count, dim, seed, stream=8, dtype=dtype)


def _scored(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((_data(dim, count, dtype, seed), mixture.random_params(dim, seed, dtype=dtype)))


def _labelled(dim: int, count: int, dtype: Dtype, seed: int) -> tuple[Any, Any, mixture.Params]:
    """(rows, their components, the mixture): each component has one in turn."""
    params = mixture.random_params(dim, seed, components=min(_COMPONENTS, count), dtype=dtype)
    labels = np.arange(count) % len(params.weight)
    x = params.mean[labels] + params.scale[labels] * _data(dim, count, dtype, seed)
    return x, labels, params


def _stepped(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    x, _, params = _labelled(dim, count, dtype, seed)
    return Call((x, params), {"floor": _FLOOR})


def _fitted(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call(_stepped(dim, count, dtype, seed).args, {"floor": _FLOOR, "steps": 3, "tolerance": 0.0})


def _started(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((_data(dim, count, dtype, seed), min(_COMPONENTS, count), seed), {"floor": _FLOOR})


def _known(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call(_labelled(dim, count, dtype, seed)[:2], {"floor": _FLOOR})


def _fitting(name: str, inputs: Any, **options: Any) -> Operation:
    """An operation whose result belongs to all rows: a timing checks it in full, by a slow reference."""
    sizes = (1, 2, 3, 4, 8, 10, 16, 17, 32)
    return Operation(name, inputs, _em_cost, _SUMS, sizes=sizes, smallest_batch=1, **options)


CASE = distribution(
    "mixture",
    mixture.random_params,
    _data,
    Verb(
        _density_cost,
        mixtures.LOG_PROB,
    ),
    Verb(
        _sample_cost,
        {"numpy": _numpy_sample}
        | arrays.implementations(
            torch=torch_sample, prepare=_drawn, draw=lambda call, dim: (call.args[0], dim)
        )
        | arrays.implementations(
            jax=jax_sample, prepare=_drawn_by_quantiles, draw=lambda call, dim: (call.args[0], dim + 1)
        ),
        Noise(_uniforms, "uniform"),
    ),
    tolerance=_TOLERANCE,
    more=(
        Operation(
            "score", _scored, _score_cost, _TOLERANCE, rows=(0, None),
            implementations=mixtures.SCORE,
        ),
        Operation(
            "responsibilities", _scored, _share_cost, _TOLERANCE, rows=(0, None),
            implementations=mixtures.RESPONSIBILITIES,
        ),
        _fitting("em_step", _stepped, implementations=mixtures.EM_STEP),
        _fitting("fit", _fitted, timed=False),
        _fitting("start_params", _started, timed=False),
        _fitting("fit_labelled", _known, timed=False),
    ),
)  # fmt: skip
