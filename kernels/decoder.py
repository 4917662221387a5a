"""Decoders: x = f(z) + sigma eps with latents z = N(0, I), f linear or a small perceptron.

One pass makes a sample: no step waits for another. With a linear f the density of x is exactly that of
N(b, W W^T + sigma^2 I), `log_prob`; else it is an integral over z, which `log_prob_estimate` estimates by
importance sampling, with its standard error. For bits, f is the logits: `probabilities`, `cross_entropy`.
Latents are interpolated by `lerp`, whose norm shrinks between normals, to .707 of theirs half-way, or by
`slerp`, whose does not. Kingma and Welling, "Auto-encoding variational Bayes" (2014); White, "Sampling
generative networks" (2016), for slerp.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.summary import summary
from seqgap.kernels._nets import decoders, factors, importance, logits, perceptron
from seqgap.kernels._nets.interpolation import lerp as lerp
from seqgap.kernels._nets.interpolation import slerp as slerp
from seqgap.kernels._nets.perceptron import Perceptron as Perceptron

_DRAWS = 2  # stream of the normals of `log_prob_estimate`


class Linear(NamedTuple):
    """f(z) = W z + b, float64 or float32."""

    weight: Array  # (D, K)
    bias: Array  # (D,)


class Params(NamedTuple):
    """A map from K latents to D features, and the deviation of the noise on these.

    model: a Linear, or a Perceptron without time or context, whose weight_in is (H, K) and weight_out (D, H).
    sigma: 8.7e-124 to 1.1e123 in float64, 6.8e-16 to 1.4e15 in float32, so that its square can be divided by.
    """

    model: Any
    sigma: float | None = None  # None: no noise, and no density

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.model", _matrices(self)[1], 2)[0]

    @property
    def latents(self) -> int:
        """K."""
        return check.shape("params.model", _matrices(self)[0], 2)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.model", _matrices(self)[0])

    @property
    def layout(self) -> dict[str, int]:
        """The number of latents."""
        return {"latents": self.latents}


def _matrices(params: Params) -> tuple[Array, Array]:
    """The weights that latents enter by, and those that features come from."""
    model = params.model
    if type(model) is Linear:
        return model.weight, model.weight
    if type(model) is Perceptron:
        return model.weight_in, model.weight_out
    raise TypeError(f"params.model: expected a Linear or a Perceptron, got {check.described(model)}")


Params.__repr__ = summary  # type: ignore[method-assign]  # mypy takes it for one that is bound


class Estimate(NamedTuple):
    """What `log_prob_estimate` returns, each (N,) in the dtype of x."""

    value: Array
    standard_error: Array


class Errors(NamedTuple):
    """Mean, least and largest error of rows."""

    mean: float
    best: float
    worst: float


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, latents: int = 3, depth: int = 0, width: int = 32,
    dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """A Linear, or with depth hidden layers of `width` units a Perceptron, of normals of `seed`; sigma 0.5.

    Raises TypeError or ValueError for a wrong dim, seed, rng, latents, depth, width, dtype.
    """
    dim, real, key = check.count("dim", dim, 1), check.dtype(dtype), int(key_of(seed, rng))
    latents, depth = check.count("latents", latents, 1), check.count("depth", depth)
    if depth:
        size = max(dim, latents)
        net = perceptron.random_perceptron(size, key, depth=depth, width=width, embedding="none", dtype=real)
        weight = np.sqrt(size / latents) * net.weight_in[:, :latents]
        weight_out, bias_out = net.weight_out[:dim], net.bias_out[:dim]
        net = net._replace(weight_in=weight.astype(real), weight_out=weight_out, bias_out=bias_out)
        return Params(net, 0.5)
    weight = standard_normal(dim, latents, key, stream=1) / np.sqrt(latents)
    bias = 0.3 * standard_normal(1, dim, key, stream=2)[0]
    return Params(Linear(weight.astype(real), bias.astype(real)), 0.5)


class Decoder:
    """Params that are laid out once, for many calls: the functions here take it in place of Params.

    Its `params` have read-only copies of the arrays: what is done to these later changes nothing. Raises
    TypeError or ValueError for wrong ones.
    """

    def __init__(self, params: Params) -> None:
        check.instance("params", params, Params)
        self.dim, self.latents, self.dtype = params.dim, params.latents, params.dtype
        self.params = _read_only("params", params)
        self._maps: dict[np.dtype[Any], tuple[decoders.Maps, Any]] = {}
        self._densities: dict[np.dtype[Any], factors.Density] = {}

    def __repr__(self) -> str:
        return f"Decoder(D={self.dim}, latents={self.latents}, {self.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Decoder, (self.params,)

    def bound(self, dtype: np.dtype[Any]) -> tuple[decoders.Maps, Any]:
        """The row kernels of f and what they read, in a dtype."""
        if dtype not in self._maps:
            self._maps[dtype] = _bound(self.params, dtype)
        return self._maps[dtype]

    def density(self, dtype: np.dtype[Any]) -> factors.Density:
        """What the row kernel of the density of a Linear reads, in a dtype."""
        if dtype not in self._densities:
            self._densities[dtype] = _density(self.params, dtype)
        return self._densities[dtype]


def _read_only(name: str, value: Any) -> Any:
    """Params with read-only copies of their arrays, those of the model in them too."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields = zip(value._fields, value, strict=True)
        return type(value)(*(_read_only(f"{name}.{field}", item) for field, item in fields))
    if value is None or isinstance(value, int | float | str):
        return value
    array = np.array(check.asarray(name, value))
    array.flags.writeable = False
    return array


def _held(params: Params | Decoder) -> Decoder:
    return params if isinstance(params, Decoder) else Decoder(params)


def _bound(params: Params, dtype: np.dtype[Any]) -> tuple[decoders.Maps, Any]:
    """(row kernels, what they read) of a model in a dtype, checked."""
    model, dim, latents = params.model, params.dim, params.latents
    if type(model) is Linear:
        return decoders.LINEAR, decoders.affine(*_linear(model, dtype))
    check.choice("params.model.embedding", model.embedding, ("none",))
    return decoders.NETWORK, perceptron.evaluations(model, latents, np.zeros(1), None, dtype, dim)


def _linear(model: Linear, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    shape = check.shape("params.model.weight", model.weight, 2)
    weight = check.shaped("params.model.weight", model.weight, dtype, shape)
    return weight, check.shaped("params.model.bias", model.bias, dtype, shape[:1])


def _density(params: Params, dtype: np.dtype[Any]) -> factors.Density:
    check.instance("params.model", params.model, Linear)
    weight, bias = _linear(params.model, FLOAT64)
    for name, array, most in (
        ("params.model.weight", weight, check.squarable(dtype)[1]),
        ("params.model.bias", bias, float(np.finfo(dtype).max)),
    ):
        check.finite(name, array)
        check.between(f"{name}, for {dtype}", array, -most, most)
    return factors.density(weight, bias, _sigma(params, dtype), dtype)


def _sigma(params: Params, dtype: np.dtype[Any]) -> float:
    sigma = check.positive("params.sigma", params.sigma)
    check.between(f"params.sigma, for {dtype}", np.asarray(sigma), *check.squarable(dtype))
    return sigma


def decode(z: ArrayLike, params: Params | Decoder, *, out: Array | None = None, threads: int = 1) -> Array:
    """f(z), (N, D), for latents z (N, K), float64 or float32, in the dtype of z.

    out: the array to write; it may be z itself. Raises TypeError or ValueError for wrong arguments, naming
    them.
    """
    source, held = check.batch("z", z), _held(params)
    maps, net = held.bound(source.dtype)
    _columns("z", source, "K", held.latents)
    apart = {"params": params} if out is z else {"z": z, "params": params}
    x = check.output(out, source.dtype, (len(source), held.dim), **apart)
    source = source.copy() if out is z else source
    maps.decode(check.threads(threads), len(x), source.shape[1] + x.shape[1], source, x, net)
    return x


def _columns(name: str, batch: Array, letter: str, count: int) -> None:
    if batch.shape[1] != count:
        raise ValueError(f"{name} has {batch.shape[1]} columns, params are for {letter} = {count}")


def sample(
    n: int, params: Params | Decoder, seed: Seed = None, *, rng: RNG = None, first_row: int = 0,
    out: Array | None = None, threads: int = 1,
) -> Array:  # fmt: skip
    """f(z) + sigma eps, (n, D), the dtype of params: z and eps are the normals of streams 0 and 1 of `seed`.

    Rows first_row to first_row + n - 1, so that a sample can be drawn in parts; without sigma there is no
    noise. seed, rng: as in the `sample` of a family. Raises TypeError or ValueError for wrong arguments.
    """
    n, key, held = check.count("n", n), key_of(seed, rng), _held(params)
    dtype, row, threads = held.dtype, check.first_row(first_row, n), check.threads(threads)
    maps, net = held.bound(dtype)
    sigma = dtype.type(0 if held.params.sigma is None else _sigma(held.params, dtype))
    x = check.output(out, dtype, (n, held.dim), params=params)
    maps.sample(threads, n, held.latents + held.dim, x, held.latents, (row, key), sigma, net)
    return x


def log_prob(x: ArrayLike, params: Params | Decoder, *, threads: int = 1) -> Array:
    """log N(x; b, W W^T + sigma^2 I), the density of a Linear: (N,), the dtype of x (N, D).

    By the singular values of W in float64: right where D is below K, where W has dependent columns, and for a
    small sigma. Raises TypeError or ValueError for wrong arguments; a Perceptron takes `log_prob_estimate`.
    """
    source, held = check.batch("x", x), _held(params)
    arrays = held.density(source.dtype)
    _columns("x", source, "D", held.dim)
    result, nothing = np.empty(len(source), source.dtype), np.empty((len(source), 0), source.dtype)
    factors.log_prob(check.threads(threads), *source.shape, source, nothing, result, *arrays)
    return result


def log_prob_estimate(
    x: ArrayLike, params: Params | Decoder, draws: int, seed: Seed = None, *, rng: RNG = None,
    proposal: tuple[ArrayLike, ArrayLike] | None = None,
) -> Estimate:  # fmt: skip
    """log of the mean of w_s = p(x | z_s) p(z_s) / q(z_s) over so many draws, 2 or more, for x (N, D).

    q is the prior N(0, I), or with proposal = (mean, deviation), each (N, K), such as an encoder gives, a
    Gaussian for each row. The normals are the first `draws` rows of stream 2 of `seed`, for every row: so
    estimates of different rows are not independent. standard_error: deviation(w) / (mean(w) sqrt(draws)), of
    the log by the delta method. Both are too small where few draws have all the weight, as with the prior for
    many latents or a small sigma. Where log w_s overflows for all draws, the value is -inf, its error inf:
    the draws tell nothing. Raises TypeError or ValueError for wrong arguments, NaN in x among them.
    """
    source, key, held = check.batch("x", x), int(key_of(seed, rng)), _held(params)
    check.finite("x", source)
    _columns("x", source, "D", held.dim)
    sigma, draws = _sigma(held.params, source.dtype), check.integer("draws", draws, 2, 2**31)
    eps = standard_normal(draws, held.latents, key, stream=_DRAWS, dtype=source.dtype)
    shape = len(source), held.latents
    given = None if proposal is None else importance.checked(proposal, source.dtype, shape)
    found = importance.estimates(source, eps, lambda z: decode(z, held), sigma, given)
    with np.errstate(over="ignore"):  # -inf of what only float64 holds
        value, error = found.astype(source.dtype)
    error[np.isneginf(value)] = np.inf
    return Estimate(value, error)


def probabilities(
    z: ArrayLike, params: Params | Decoder, *, out: Array | None = None, threads: int = 1
) -> Array:
    """1 / (1 + exp(-f(z))), (N, D): of bits that are 1. Else as `decode`."""
    p = decode(z, params, out=out, threads=threads)
    logits.to_probabilities(threads, *p.shape, p)
    return p


def cross_entropy(x: ArrayLike, z: ArrayLike, params: Params | Decoder, *, threads: int = 1) -> Array:
    """-log p(x | z) of bits x (N, D), or probabilities, with the logits f(z): (N,), the dtype of z (N, K).

    The sum over D of softplus(f) - x f, right where a probability is 1 to rounding. x: bools too. Raises
    TypeError or ValueError for wrong arguments.
    """
    terms = decode(z, params, threads=threads)
    given = check.asarray("x", x)
    given = given.astype(np.uint8) if given.dtype == check.BOOL else given
    bits = check.shaped("x", check.batch("x", given), terms.dtype, terms.shape)
    check.between("x", bits, 0, 1)
    logits.to_entropies(threads, *terms.shape, bits, terms)
    return np.asarray(terms.sum(1))


def reconstruction_errors(x: ArrayLike, y: ArrayLike) -> Errors:
    """Mean, least and largest of the mean square errors of rows of y against x, both (N, D), N at least 1.

    In float64, inf where squares overflow. Raises TypeError or ValueError for wrong arguments, NaN among
    them.
    """
    left, right = (check.batch(name, value).astype(float) for name, value in (("x", x), ("y", y)))
    if not len(left) or left.shape != right.shape:
        raise ValueError(f"y: expected the shape of x, and a row at least, got {right.shape}, {left.shape}")
    check.finite("x", left)
    check.finite("y", right)
    with np.errstate(over="ignore"):
        errors = np.square(left - right).mean(1)
    return Errors(float(errors.mean()), float(errors.min()), float(errors.max()))
