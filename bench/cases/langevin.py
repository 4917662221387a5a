"""Langevin chains: unadjusted on a Gaussian, where the law of T steps is known, and adjusted on a mixture.

Adjusted chains keep the law of their target: from rows of it their states have it after any number of steps,
which is how samplers that draw for themselves are verified.
"""

import functools
from typing import Any

import numpy as np

from seqgap.bench.cases import mixture as densities
from seqgap.bench.model import arrays
from seqgap.bench.model.case import (
    NORMAL_FLOPS,
    Call,
    Case,
    Cost,
    Dtype,
    Noise,
    Thunk,
)
from seqgap.bench.peers import affine_steps, chains, mixtures
from seqgap.bench.peers.chains import DEPTH, DIM, WIDTH
from seqgap.bench.peers.mixtures import Tables
from seqgap.kernels import langevin, mixture
from seqgap.kernels._nets.perceptron import random_perceptron
from seqgap.kernels.normal import standard_normal

_SIZE = 0.1  # of a step


def _gaussian(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    mean = 0.5 * standard_normal(1, DIM, seed, stream=1)[0]
    target = langevin.Gaussian(mean.astype(dtype), np.linspace(0.5, 1.5, DIM).astype(dtype))
    return Call((count, langevin.Params(target, np.full(steps, _SIZE)), seed), {"first_row": 0})


def _adjusted(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    params = langevin.random_params(DIM, seed, steps=steps, step_size=_SIZE, dtype=dtype)
    x = mixture.sample(count, params.target, seed)
    return Call((x, params, seed), {"adjust": True, "first_row": 0})


def _network(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    score = random_perceptron(DIM, seed, depth=DEPTH, width=WIDTH, dtype=dtype)
    sizes, times = np.full(steps, _SIZE), np.linspace(1, 0.01, steps)
    x = standard_normal(count, DIM, seed, stream=2**31 - 1, dtype=dtype)
    return Call((x, langevin.Params(score, sizes, times), seed), {"first_row": 0})


def _states(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    call = _adjusted(steps, count, dtype, seed)
    return Call((langevin.trajectory(*call.args, **call.kwargs),))


def _density(call: Call, steps: int, dtype: Dtype) -> tuple[Any, Tables, Any]:
    """(states, tables of the mixture, step sizes)."""
    x, params = call.args[:2]
    return *mixtures.tables(Call((x, params.target)), DIM, dtype), params.step_sizes.astype(dtype)


def _adjusted_normals(call: Call, steps: int) -> tuple[int, ...]:
    """Two more for each row, of which -log u is half the sum of the squares."""
    count, dim = call.args[0].shape
    return steps, count, dim + 2


def _known(logsumexp: Any, exp: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """log p and its gradient."""
    logits = mixtures.logits(x, tables)
    density = logsumexp(logits, 1)
    shares = exp(logits - density[:, None])
    return density, shares @ tables.linear.T + 2 * x * (shares @ tables.square.T)


def _step(where: Any, known: Any, state: Any, normals: Any, size: Any) -> Any:
    """One proposal, taken or not. state: (x, log p, score)."""
    x, density, score = state
    noise, level, root = normals[:, :-2], -0.5 * (normals[:, -2:] ** 2).sum(1), (2 * size) ** 0.5
    proposal = x + size * score + root * noise
    following, slope = known(proposal)
    pull = root / 2 * (score + slope)
    taken = level < following - density - (pull * (noise + pull / 2)).sum(1)
    pairs = (proposal, x), (slope, score)
    moved, kept = (where(taken[:, None], *pair) for pair in pairs)
    return moved, where(taken, following, density), kept


def _walk(step: Any, x: Any, known: Any, moves: Any) -> Any:
    """Steps one after another, each with the density and the score of the point before."""
    state = x, *known(x)
    for normals, size in moves:
        state = step(known, state, normals, size)
    return state[0]


def _logsumexp(numpy: Any, logits: Any, axis: int) -> Any:
    largest = logits.max(axis)
    return largest + numpy.log(numpy.exp(logits - largest[:, None]).sum(axis))


def numpy_adjusted(numpy: Any, normals: Any, x: Any, tables: Tables, sizes: Any) -> Any:
    """T steps, of some twenty array expressions each."""
    known = functools.partial(_known, functools.partial(_logsumexp, numpy), numpy.exp, tables=tables)
    return _walk(functools.partial(_step, numpy.where), x, known, zip(normals, sizes, strict=True))


def torch_adjusted(torch: Any, normals: Any, x: Any, tables: Tables, sizes: Any) -> Any:
    """As in NumPy."""
    known = functools.partial(_known, torch.logsumexp, torch.exp, tables=tables)
    moves = zip(normals.unbind(0), sizes.tolist(), strict=True)
    return _walk(functools.partial(_step, torch.where), x, known, moves)


def jax_adjusted(jax: Any, normals: Any, x: Any, tables: Tables, sizes: Any) -> Any:
    """A scan over the steps."""
    known = functools.partial(_known, jax.scipy.special.logsumexp, jax.numpy.exp, tables=tables)

    def step(state: Any, at: Any) -> tuple[Any, None]:
        return _step(jax.numpy.where, known, state, *at), None

    return jax.lax.scan(step, (x, *known(x)), (normals, sizes))[0][0]


def _blackjax(call: Call, steps: int, dtype: Dtype) -> Thunk:
    """Its own kernel, vectorised over the chains, in a scan over the steps."""
    import blackjax
    import jax

    x, tables, sizes = arrays.converted(_density(call, steps, dtype), jax.numpy.array)
    double = dtype == np.float64  # where it may be had, blackjax draws its noise in float64
    kernel = blackjax.mala.build_kernel()

    def density(row: Any) -> Any:
        return jax.scipy.special.logsumexp(mixtures.logits(row, tables))

    def step(state: Any, at: Any) -> tuple[Any, None]:
        keys = jax.random.split(at[0], len(x))
        return jax.vmap(lambda key, row: kernel(key, row, density, at[1])[0])(keys, state), None

    @jax.jit  # type: ignore[untyped-decorator]  # jax is not followed for types
    def run(key: Any, x: Any, sizes: Any) -> Any:
        following, own = jax.random.split(key)
        start = jax.vmap(lambda row: blackjax.mala.init(row, density))(x)
        return following, jax.lax.scan(step, start, (jax.random.split(own, steps), sizes))[0].position

    key = jax.random.key(np.uint64(call.args[-1]))

    def thunk() -> Any:
        nonlocal key
        with jax.enable_x64(double):
            key, output = jax.block_until_ready(run(key, x, sizes))
        return output

    return thunk


def _uniforms(output: Any, call: Call) -> Any:
    return densities._uniforms(output, Call((None, call.args[1].target)))


def _run_cost(steps: int) -> Cost:
    """An evaluation for each step and one for the first state."""
    once, normals = densities._score_cost(DIM), steps * DIM
    return once._replace(
        depth=steps, flops=(steps + 1) * once.flops + normals * (NORMAL_FLOPS + 10),
        exps=(steps + 1) * once.exps, normals=normals,
    )  # fmt: skip


CASE = Case(
    "langevin",
    (
        *affine_steps.samples(_gaussian, ("blocks",), (10_000, 100_000)),
        chains.operation(
            "run", _adjusted, _run_cost, rows=(0, None, None), compiled=chains.held("run"),
            noise=Noise(_uniforms, "uniform"), largest_dim=20,
            implementations=arrays.implementations(
                numpy=numpy_adjusted, torch=torch_adjusted, jax=jax_adjusted,
                prepare=_density, draw=_adjusted_normals, unrolled=True,
            )
            | {"blackjax": _blackjax},
        ),
        chains.trajectory(_network),
        chains.operation("accepted", _states, lambda steps: Cost(), timed=False, largest_dim=20),
        chains.operation(
            "annealed", lambda steps, count, dtype, seed: Call((np.geomspace(1, 0.01, 1 + count),)),
            lambda steps: Cost(), timed=False, dtypes=("float64",),
        ),
        chains.random_params(),
    ),
    sampler="sample",
    matched=(("sample", "scan"),),
    title="Langevin, Gaussian",
)  # fmt: skip
