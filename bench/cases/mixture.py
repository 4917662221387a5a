"""Gaussian mixture of 3 components and diagonal covariances: densities, scores, samples."""

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
    direct,
    rounding,
)
from seqgap.bench.model.flow import Verb, distribution
from seqgap.kernels import mixture
from seqgap.kernels.normal import standard_normal

_COMPONENTS = 3  # of random_params
_TOLERANCE = rounding(lambda dim: 4 * dim + 32)
_SUMS = rounding(lambda dim: 8 * dim + 256)  # over rows, and differences of them
_FLOOR = 0.25  # of variances: one row alone has none


class Tables(NamedTuple):
    """What users of the other libraries compute once for a model: constant + x @ linear + x^2 @ square."""

    constant: Any  # (K,)
    linear: Any  # (D, K): mean / scale^2
    square: Any  # (D, K): -1 / (2 scale^2)


def _tables(call: Call, dim: int, dtype: Dtype) -> tuple[Any, Tables]:
    """(x, tables) of `log_prob` and `score`."""
    x, params = call.args
    weight, mean, scale = (np.asarray(field, float) for field in params)
    y = mean / scale
    constant = np.log(weight) - 0.5 * (y * y + np.log(2 * np.pi)).sum(1) - np.log(scale).sum(1)
    fields = constant, (mean / scale**2).T, (-0.5 / scale**2).T
    return x, Tables(*(np.ascontiguousarray(field, dtype) for field in fields))


def _logits(x: Any, tables: Tables) -> Any:
    return tables.constant + x @ tables.linear + (x * x) @ tables.square


def numpy_log_prob(numpy: Any, x: Any, tables: Tables) -> Any:
    """Two products with matrices, then a log-sum-exp."""
    logits = _logits(x, tables)
    largest = logits.max(1)
    return largest + numpy.log(numpy.exp(logits - largest[:, None]).sum(1))


def torch_log_prob(torch: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    logits = torch.addmm(torch.addmm(tables.constant, x, tables.linear), x * x, tables.square)
    return torch.logsumexp(logits, 1)


def jax_log_prob(jax: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    return jax.scipy.special.logsumexp(_logits(x, tables), axis=1)


def numpy_score(numpy: Any, x: Any, tables: Tables) -> Any:
    """A softmax, and two more products."""
    logits = _logits(x, tables)
    shares = numpy.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares @ tables.linear.T + 2 * x * (shares @ tables.square.T)


def torch_score(torch: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    logits = torch.addmm(torch.addmm(tables.constant, x, tables.linear), x * x, tables.square)
    shares = torch.softmax(logits, 1)
    return torch.addcmul(shares @ tables.linear.mT, x, shares @ tables.square.mT, value=2)


def jax_score(jax: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    shares = jax.nn.softmax(_logits(x, tables), axis=1)
    return shares @ tables.linear.T + 2 * x * (shares @ tables.square.T)


def numpy_responsibilities(numpy: Any, x: Any, tables: Tables) -> Any:
    """A softmax."""
    logits = _logits(x, tables)
    shares = numpy.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares


def torch_responsibilities(torch: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    logits = torch.addmm(torch.addmm(tables.constant, x, tables.linear), x * x, tables.square)
    return torch.softmax(logits, 1)


def jax_responsibilities(jax: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    return jax.nn.softmax(_logits(x, tables), axis=1)


def numpy_em_step(x: Any, params: mixture.Params, *, floor: float) -> Any:
    """Four products with matrices, about the mean of the rows: else their squares would cancel."""
    center = x.mean(0)
    x, precision = x - center, 1 / params.scale**2
    mean = params.mean - center
    constant = np.log(params.weight) + np.log(params.scale).sum(1) * -1
    constant -= 0.5 * (mean * mean * precision + x.dtype.type(np.log(2 * np.pi))).sum(1)
    squares = x * x
    logits = x @ (mean * precision).T
    logits += squares @ (-0.5 * precision).T
    logits += constant
    largest = logits.max(1, keepdims=True)
    logits -= largest
    shares = np.exp(logits, out=logits)
    total = shares.sum(1, keepdims=True)
    shares /= total
    size = shares.sum(0)
    mean = (shares.T @ x) / size[:, None]
    variance = (shares.T @ squares) / size[:, None] - mean * mean + x.dtype.type(floor)
    density = (largest + np.log(total)).mean()
    return (size / len(x), mean + center, np.sqrt(variance)), density


def _sklearn_em_step(call: Call, dim: int, dtype: Dtype) -> Any:
    """The two halves of a step of `GaussianMixture.fit`, which does more before and after its steps."""
    from sklearn.mixture import GaussianMixture

    x, (weight, mean, scale) = call.args
    model = GaussianMixture(len(weight), covariance_type="diag", reg_covar=call.kwargs["floor"])
    start = weight, mean, scale**2, 1 / scale

    def step() -> Any:
        model._set_parameters(start)
        density, shares = model._e_step(x)
        model._m_step(x, shares)
        return (model.weights_, model.means_, np.sqrt(model.covariances_)), density

    return step


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
    """An operation whose result belongs to all rows; the reference is slow, and a timing checks it in full."""
    sizes = (1, 2, 3, 4, 8, 10, 16, 17, 32)
    return Operation(name, inputs, _em_cost, _SUMS, sizes=sizes, smallest_batch=1, **options)


CASE = distribution(
    "mixture",
    mixture.random_params,
    _data,
    Verb(
        _density_cost,
        arrays.implementations(
            numpy=numpy_log_prob, torch=torch_log_prob, jax=jax_log_prob, prepare=_tables
        ),
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
            implementations=arrays.implementations(
                numpy=numpy_score, torch=torch_score, jax=jax_score, prepare=_tables
            ),
        ),
        Operation(
            "responsibilities", _scored, _share_cost, _TOLERANCE, rows=(0, None),
            implementations=arrays.implementations(
                numpy=numpy_responsibilities, torch=torch_responsibilities, jax=jax_responsibilities,
                prepare=_tables,
            ),
        ),
        _fitting(
            "em_step", _stepped,
            implementations={"numpy": direct(numpy_em_step), "sklearn": _sklearn_em_step},
        ),
        _fitting("fit", _fitted, timed=False),
        _fitting("start_params", _started, timed=False),
        _fitting("fit_labelled", _known, timed=False),
    ),
)  # fmt: skip
