"""Mixtures of Gaussians with diagonal covariances, as users of other libraries write them.

Densities, scores and responsibilities take tables that are computed once for a model; a step of expectation
and maximisation has another model each time.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import Call, Dtype, Thunk, direct
from seqgap.kernels import mixture


class Tables(NamedTuple):
    """What users of the other libraries compute once for a model: constant + x @ linear + x^2 @ square."""

    constant: Any  # (K,)
    linear: Any  # (D, K): mean / scale^2
    square: Any  # (D, K): -1 / (2 scale^2)


def tables(call: Call, dim: int, dtype: Dtype) -> tuple[Any, Tables]:
    """(x, tables) of `log_prob` and `score`."""
    x, params = call.args
    weight, mean, scale = (np.asarray(field, float) for field in params)
    y = mean / scale
    constant = np.log(weight) - 0.5 * (y * y + np.log(2 * np.pi)).sum(1) - np.log(scale).sum(1)
    fields = constant, (mean / scale**2).T, (-0.5 / scale**2).T
    return x, Tables(*(np.ascontiguousarray(field, dtype) for field in fields))


def logits(x: Any, tables: Tables) -> Any:
    """log w_k N(x; mean_k, ...), (N, K), of arrays of any library."""
    return tables.constant + x @ tables.linear + (x * x) @ tables.square


def _torch_logits(torch: Any, x: Any, tables: Tables) -> Any:
    return torch.addmm(torch.addmm(tables.constant, x, tables.linear), x * x, tables.square)


def numpy_log_prob(numpy: Any, x: Any, tables: Tables) -> Any:
    """Two products with matrices, then a log-sum-exp."""
    terms = logits(x, tables)
    largest = terms.max(1)
    return largest + numpy.log(numpy.exp(terms - largest[:, None]).sum(1))


def torch_log_prob(torch: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    return torch.logsumexp(_torch_logits(torch, x, tables), 1)


def jax_log_prob(jax: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    return jax.scipy.special.logsumexp(logits(x, tables), axis=1)


def numpy_score(numpy: Any, x: Any, tables: Tables) -> Any:
    """A softmax, and two more products."""
    shares = numpy_responsibilities(numpy, x, tables)
    return shares @ tables.linear.T + 2 * x * (shares @ tables.square.T)


def torch_score(torch: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    shares = torch_responsibilities(torch, x, tables)
    return torch.addcmul(shares @ tables.linear.mT, x, shares @ tables.square.mT, value=2)


def jax_score(jax: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    shares = jax_responsibilities(jax, x, tables)
    return shares @ tables.linear.T + 2 * x * (shares @ tables.square.T)


def numpy_responsibilities(numpy: Any, x: Any, tables: Tables) -> Any:
    """A softmax."""
    terms = logits(x, tables)
    shares = numpy.exp(terms - terms.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares


def torch_responsibilities(torch: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    return torch.softmax(_torch_logits(torch, x, tables), 1)


def jax_responsibilities(jax: Any, x: Any, tables: Tables) -> Any:
    """As in NumPy."""
    return jax.nn.softmax(logits(x, tables), axis=1)


def numpy_em_step(x: Any, params: mixture.Params, *, floor: float) -> Any:
    """Four products with matrices, about the mean of the rows: else their squares would cancel."""
    center = x.mean(0)
    x, precision = x - center, 1 / params.scale**2
    mean = params.mean - center
    constant = np.log(params.weight) - np.log(params.scale).sum(1)
    constant -= 0.5 * (mean * mean * precision + x.dtype.type(np.log(2 * np.pi))).sum(1)
    squares = x * x
    terms = x @ (mean * precision).T
    terms += squares @ (-0.5 * precision).T
    terms += constant
    largest = terms.max(1, keepdims=True)
    terms -= largest
    shares = np.exp(terms, out=terms)
    total = shares.sum(1, keepdims=True)
    shares /= total
    size = shares.sum(0)
    mean = (shares.T @ x) / size[:, None]
    variance = (shares.T @ squares) / size[:, None] - mean * mean + x.dtype.type(floor)
    density = (largest + np.log(total)).mean()
    return (size / len(x), mean + center, np.sqrt(variance)), density


def sklearn_em_step(call: Call, dim: int, dtype: Dtype) -> Thunk:
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


LOG_PROB = arrays.implementations(
    numpy=numpy_log_prob, torch=torch_log_prob, jax=jax_log_prob, prepare=tables
)
SCORE = arrays.implementations(numpy=numpy_score, torch=torch_score, jax=jax_score, prepare=tables)
RESPONSIBILITIES = arrays.implementations(
    numpy=numpy_responsibilities, torch=torch_responsibilities, jax=jax_responsibilities, prepare=tables
)
EM_STEP = {"numpy": direct(numpy_em_step), "sklearn": sklearn_em_step}
