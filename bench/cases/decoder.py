"""Decoders: a perceptron of two hidden layers from D latents to D features; a linear one of three latents."""

from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from seqgap.bench.model import arrays
from seqgap.bench.model.case import (
    COUNT,
    EXP_FLOPS,
    NORMAL_FLOPS,
    Call,
    Case,
    Cost,
    Dtype,
    Noise,
    Operation,
    Setup,
    Thunk,
    rounding,
)
from seqgap.kernels import decoder
from seqgap.kernels.normal import standard_normal

_LATENTS, _DEPTH, _WIDTH = 3, 2, 64  # latents of the linear decoder, layers of the perceptron
_TOLERANCE = rounding(lambda dim: 8 * dim + 128)


def _normals(dim: int, count: int, dtype: Dtype, seed: int, stream: int = 8) -> Any:
    return standard_normal(count, dim, seed, stream=stream, dtype=dtype)


class Network(NamedTuple):
    """What users of other libraries hold of the perceptron, inputs first."""

    weight_in: Any  # (D, H)
    weight_hidden: Any  # (H, H)
    weight_out: Any  # (H, D)
    bias_in: Any  # (H,)
    bias_hidden: Any  # (H,)
    bias_out: Any  # (D,)


def _network(call: Call, dim: int, dtype: Dtype) -> tuple[Any, Network]:
    """(latents, network) of a call of `decode`."""
    z, (net, _) = call.args
    weights = net.weight_in.T, net.weight_hidden[0].T, net.weight_out.T
    return z, Network(*map(np.ascontiguousarray, (*weights, *net.bias_hidden, net.bias_out)))


def numpy_decode(numpy: Any, z: Any, net: Network) -> Any:
    """Three products for the whole batch."""
    units = z @ net.weight_in + net.bias_in
    units /= 1 + numpy.exp(-units)
    units = units @ net.weight_hidden + net.bias_hidden
    units /= 1 + numpy.exp(-units)
    return units @ net.weight_out + net.bias_out


def torch_decode(torch: Any, z: Any, net: Network) -> Any:
    """Three products with their bias."""
    silu = torch.nn.functional.silu
    units = silu(torch.addmm(net.bias_in, z, net.weight_in))
    return torch.addmm(
        net.bias_out, silu(torch.addmm(net.bias_hidden, units, net.weight_hidden)), net.weight_out
    )


def jax_decode(jax: Any, z: Any, net: Network) -> Any:
    """As in NumPy; XLA fuses."""
    silu = jax.nn.silu
    units = silu(silu(z @ net.weight_in + net.bias_in) @ net.weight_hidden + net.bias_hidden)
    return units @ net.weight_out + net.bias_out


class Gaussian(NamedTuple):
    """The linear decoder, and its density by singular values, y = (x - b) @ project."""

    weight: Any  # (K, D)
    bias: Any  # (D,)
    sigma: Any  # ()
    project: Any  # (D, M)
    back: Any  # (M, D)
    constant: Any  # ()


def _gaussian(params: decoder.Params, dtype: Dtype) -> Gaussian:
    weight, bias = (np.asarray(field, float) for field in params.model)
    assert params.sigma is not None
    directions, sizes, _ = np.linalg.svd(weight, full_matrices=False)
    roots, (dim, _) = np.hypot(sizes, params.sigma), weight.shape
    log_det = np.log(roots).sum() + (dim - roots.size) * np.log(params.sigma)
    constant = -log_det - 0.5 * dim * np.log(2 * np.pi)
    fields = weight.T, bias, params.sigma, directions / roots, (directions * roots).T, constant
    return Gaussian(*(np.array(field, dtype, order="C") for field in fields))


def _scored(call: Call, dim: int, dtype: Dtype) -> tuple[Any, Gaussian]:
    x, params = call.args
    return x, _gaussian(params, dtype)


def _drawn(call: Call, dim: int, dtype: Dtype) -> tuple[Gaussian]:
    return (_gaussian(call.args[1], dtype),)


def log_prob(library: Any, x: Any, model: Gaussian) -> Any:
    """Two products with narrow matrices, in NumPy, PyTorch and JAX alike."""
    offset = x - model.bias
    whitened = offset @ model.project
    rest = (offset - whitened @ model.back) / model.sigma
    return model.constant - 0.5 * ((whitened * whitened).sum(1) + (rest * rest).sum(1))


def sample(library: Any, normals: Any, model: Gaussian) -> Any:
    """Latents and noise in one draw, in NumPy, PyTorch and JAX alike."""
    z, eps = normals[:, :_LATENTS], normals[:, _LATENTS:]
    return z @ model.weight + model.bias + model.sigma * eps


def _whitened(output: Any, call: Call) -> Any:
    """L^-1 (x - b) with the Cholesky factor L of the covariance: N(0, I)."""
    model = _gaussian(call.args[1], np.dtype(np.float64))
    covariance = model.weight.T @ model.weight + model.sigma**2 * np.eye(output.shape[1])
    offset = np.asarray(output, float) - model.bias
    return linalg.solve_triangular(np.linalg.cholesky(covariance), offset.T, lower=True).T


def _decode_cost(dim: int) -> Cost:
    weights = (2 * dim + (_DEPTH - 1) * _WIDTH) * _WIDTH
    units = _DEPTH * _WIDTH
    return Cost(
        flops=2 * weights + units * (EXP_FLOPS + 3), elements=2 * dim, written=dim, exps=units,
        parameters=weights + units + dim, weights=weights + units + dim,
    )  # fmt: skip


def _log_prob_cost(dim: int) -> Cost:
    numbers = (2 * _LATENTS + 1) * dim
    return Cost(
        flops=(4 * _LATENTS + 4) * dim + 4, elements=dim + 1, written=1, parameters=numbers, weights=numbers
    )


def _sample_cost(dim: int) -> Cost:
    normals, numbers = dim + _LATENTS, (_LATENTS + 1) * dim
    return Cost(
        flops=(2 * _LATENTS + 2) * dim + NORMAL_FLOPS * normals, elements=dim, written=dim, normals=normals,
        parameters=numbers, weights=numbers,
    )  # fmt: skip


def _decode(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    params = decoder.random_params(dim, seed, latents=dim, depth=_DEPTH, width=_WIDTH, dtype=dtype)
    return Call((_normals(dim, count, dtype, seed), params))


def _log_prob(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((_normals(dim, count, dtype, seed), decoder.random_params(dim, seed, dtype=dtype)))


def _sample(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((count, decoder.random_params(dim, seed, dtype=dtype), seed), {"first_row": 0})


def _estimate(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    params = decoder.random_params(dim, seed, latents=2, depth=1, width=8, dtype=dtype)
    mean, size = (_normals(2, count, dtype, seed, stream) for stream in (9, 10))
    proposal = mean / 2, np.exp(size / 4)
    return Call((_normals(dim, count, dtype, seed), params, 10, seed), {"proposal": proposal})


def _bits(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    latents, params = _normals(_LATENTS, count, dtype, seed), decoder.random_params(dim, seed, dtype=dtype)
    return Call(((_normals(dim, count, dtype, seed, 9) > 0).astype(dtype), latents, params))


def _probabilities(*size: Any) -> Call:
    return Call(_bits(*size).args[1:])


def _path(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    ends = (_normals(dim, count, dtype, seed, stream) for stream in (8, 9))
    return Call((*ends, 5))


def _pairs(*size: Any) -> Call:
    return Call(_path(*size).args[:2])


def _held(verb: str) -> Any:
    """A verb with a Decoder, which is made in the set-up as the models of the peers are."""

    def compiled(**options: Any) -> Setup:
        def setup(call: Call, dim: int, dtype: Dtype) -> Thunk:
            first, params, *rest = call.args
            return Call((first, decoder.Decoder(params), *rest), {**call.kwargs, **options}).of(
                getattr(decoder, verb)
            )

        return setup

    return compiled


def _verified(name: str, inputs: Any, **more: Any) -> Operation:
    """An operation that is verified, not timed."""
    return Operation(name, inputs, lambda dim: Cost(flops=dim, elements=dim), _TOLERANCE, timed=False, **more)


CASE = Case(
    "decoder",
    (
        Operation(
            "decode", _decode, _decode_cost, _TOLERANCE, rows=(0, None), compiled=_held("decode"),
            implementations=arrays.implementations(
                numpy=numpy_decode, torch=torch_decode, jax=jax_decode, prepare=_network
            ),
        ),
        Operation(
            "log_prob", _log_prob, _log_prob_cost, _TOLERANCE, rows=(0, None), compiled=_held("log_prob"),
            implementations=arrays.implementations(
                numpy=log_prob, torch=log_prob, jax=log_prob, prepare=_scored
            ),
        ),
        Operation(
            "sample", _sample, _sample_cost, _TOLERANCE, rows=(COUNT, None, None), noise=Noise(_whitened),
            compiled=_held("sample"),
            implementations=arrays.implementations(
                numpy=sample, torch=sample, jax=sample, prepare=_drawn,
                draw=lambda call, dim: (call.args[0], _LATENTS + dim),
            ),
        ),
        _verified("random_params", lambda dim, count, dtype, seed: Call((dim, seed), {"dtype": dtype})),
        _verified("log_prob_estimate", _estimate),
        _verified("probabilities", _probabilities),
        _verified("cross_entropy", _bits),
        _verified("lerp", _path),
        _verified("slerp", lambda dim, *rest: _path(dim + 1, *rest)),
        _verified("reconstruction_errors", _pairs, smallest_batch=1),
    ),
    sampler="decode",
)  # fmt: skip
