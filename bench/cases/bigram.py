"""Bigram chains of 27 tokens: T dependent draws against one pass that scores given ones; T is on the axis."""

import functools
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import COUNT, Call, Case, Cost, Dtype, Noise, Operation, Setup, Thunk, rounding
from seqgap.bench.peers import bits
from seqgap.kernels import bigram

_STATES = 27  # letters and a space
_LENGTHS = (1, 2, 3, 5, 10, 64, 256, 1000, 4096, 16384, 65536)  # tokens


def _params(seed: int) -> bigram.Params:
    return bigram.random_params(_STATES, seed, spread=1.5)


def _drawn(length: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((count, _params(seed), seed), {"length": length, "first_row": 0})


def _given(length: int, count: int, dtype: Dtype, seed: int) -> Call:
    params = _params(seed)
    return Call((bigram.sample(count, params, seed, length=length).astype(np.int64), params))


def _ended(length: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((count, _params(seed)._replace(end=0), seed), {"longest": length, "first_row": 0})


def _fitted(length: int, count: int, dtype: Dtype, seed: int) -> Call:
    tokens, _ = _given(length, count, dtype, seed).args
    return Call((tokens, _STATES), {"smoothing": 0.5})


def _held(**options: Any) -> Setup:
    """The sampler with its tables, made in the set-up as those of the peers are."""

    def setup(call: Call, length: int, dtype: Dtype) -> Thunk:
        n, params, seed = call.args
        return functools.partial(bigram.Sampler(params).sample, n, seed, **call.kwargs, **options)

    return setup


class Tables(NamedTuple):
    """What users of the other libraries compute once for a model."""

    cumulative: Any  # (S + 1, S), the last row for the first token
    flat: Any  # (S (S + 1),): the same, s more in row s: one search finds a token of any state


def _tables(params: bigram.Params) -> Tables:
    cumulative = np.cumsum(np.vstack([params.probability, params.initial]), axis=1)
    cumulative[:, -1] = 1
    return Tables(cumulative, (cumulative + np.arange(_STATES + 1)[:, None]).ravel())


def numpy_sample(numpy: Any, uniforms: Any, tables: Tables) -> Any:
    """A binary search for all chains at each step."""
    tokens = numpy.empty(uniforms.shape, numpy.int64)
    state = numpy.full(len(uniforms), _STATES)
    for t, uniform in enumerate(uniforms.T):
        state = numpy.searchsorted(tables.flat, state + uniform, side="right") - _STATES * state
        tokens[:, t] = state
    return tokens


def torch_sample(torch: Any, uniforms: Any, tables: Tables) -> Any:
    """As in NumPy; torch.multinomial took longer."""
    state, tokens = torch.full((uniforms.shape[0],), _STATES), []
    for uniform in uniforms.unbind(1):
        state = torch.searchsorted(tables.flat, state + uniform, right=True) - _STATES * state
        tokens.append(state)
    return torch.stack(tokens, 1)


def jax_sample(jax: Any, uniforms: Any, tables: Tables) -> Any:
    """A scan; how many of the cumulative probabilities a uniform has passed."""

    def step(state: Any, uniform: Any) -> tuple[Any, Any]:
        following = (uniform[:, None] >= tables.cumulative[state]).sum(1)
        return following, following

    start = jax.numpy.full(uniforms.shape[0], _STATES)
    return jax.lax.scan(step, start, uniforms.T)[1].T


def _scored(call: Call, length: int, dtype: Dtype) -> tuple[Any, Any, Any]:
    """(tokens, log initial, log probability)."""
    x, params = call.args
    return x, np.log(params.initial), np.log(params.probability)


def numpy_log_prob(numpy: Any, x: Any, first: Any, table: Any) -> Any:
    """Two look-ups."""
    return first[x[:, 0]] + table[x[:, :-1], x[:, 1:]].sum(1)


def torch_log_prob(torch: Any, x: Any, first: Any, table: Any) -> Any:
    """As in NumPy."""
    return numpy_log_prob(torch, x, first, table)


def jax_log_prob(jax: Any, x: Any, first: Any, table: Any) -> Any:
    """As in NumPy."""
    return numpy_log_prob(jax, x, first, table)


def _uniforms(output: Any, call: Call) -> Any:
    """Of each token of at most 1000 a place between the probabilities before it and up to it."""
    x = np.asarray(output)[:, :1000]
    cumulative = np.pad(_tables(call.args[1]).cumulative, ((0, 0), (1, 0)))
    before = np.pad(x[:, :-1], ((0, 0), (1, 0)), constant_values=_STATES)
    low, high = cumulative[before, x], cumulative[before, x + 1]
    return low + np.random.default_rng(0).random(x.shape) * (high - low)


def _cost(length: int) -> Cost:
    return Cost(flops=length, elements=length + 1, written=1, parameters=_STATES * (_STATES + 1))


def _step_cost(length: int) -> Cost:
    return _cost(length)._replace(depth=length, elements=length, written=length)


_operation = functools.partial(
    Operation, tolerance=rounding(lambda length: 2 * length), axis="tokens", sizes=_LENGTHS,
    dtypes=("float64",), largest_dim=256,
)  # fmt: skip

CASE = Case(
    "bigram",
    (
        _operation(
            "sample", _drawn, _step_cost, rows=(COUNT, None, None), noise=Noise(_uniforms, "uniform"),
            implementations=bits.samplers(
                numpy=numpy_sample, torch=torch_sample, jax=jax_sample, tables=_tables
            ),
            strategies=("steps", "blocks"), compiled=_held,
        ),
        _operation(
            "log_prob", _given, _cost, rows=(0, None),
            implementations=arrays.implementations(
                numpy=numpy_log_prob, torch=torch_log_prob, jax=jax_log_prob, prepare=_scored
            ),
        ),
        _operation("sample_sequences", _ended, _step_cost, timed=False),
        _operation("fit", _fitted, _cost, timed=False, smallest_batch=1),
        _operation(
            "random_params", lambda length, count, dtype, seed: Call((_STATES, seed), {"dtype": dtype}),
            lambda length: Cost(), timed=False,
        ),
    ),
    matched=(("sample", "log_prob"),),
    title="bigram of 27 tokens",
)  # fmt: skip
