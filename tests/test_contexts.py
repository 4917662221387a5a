"""Flows with contexts: their law, by folding a context into the weights, and what a row depends on."""

import itertools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bits import assert_same_bits, bits
from contextflows import (
    COLUMNS,
    FAMILIES,
    WIDTH,
    contexts,
    example,
    folded,
    with_context,
)
from seqgap import Flow
from seqgap.bench.model.case import Dtype, plain_value
from seqgap.kernels import affine_coupling, maf
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels._nets.contexts import WAYS
from seqgap.kernels.normal import standard_normal
from seqgap.reference._contexts import conditioned

CASES = [*zip(FAMILIES, itertools.cycle(WAYS), strict=False), ("maf", "gated"), ("realnvp", "activated")]


@pytest.mark.parametrize(("family", "way"), CASES)
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_a_context_is_biases_and_gates(family: str, way: str, dim: int, dtype: Dtype) -> None:
    """Against the family's flow of Params in which the context is folded."""
    if dim == 1 and family in ("realnvp", "spline coupling"):
        pytest.skip("a coupling keeps a feature")
    flow, params = example(family, way, dim, dtype)
    assert flow.context_dim == COLUMNS
    some, z = contexts(4, dtype), standard_normal(7, dim, 11, dtype=dtype)
    near = {"rtol": 1e-10, "atol": 1e-11} if dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-4}
    for context in some:
        plain = Flow(folded(params, context))
        x, log_det = flow.forward(z, context=context)
        np.testing.assert_allclose(x, plain.forward(z)[0], **near)
        np.testing.assert_allclose(log_det, plain.forward(z)[1], **near)
        np.testing.assert_allclose(flow.inverse(x, context=context)[0], z, **near)
        np.testing.assert_allclose(flow.log_prob(x, context=context), plain.log_prob(x), **near)


@pytest.mark.parametrize(("family", "way"), [case for case in CASES if case[0] != "iaf"])
def test_against_the_reference(family: str, way: str) -> None:
    """Plain Python, of units one by one."""
    flow, params = example(family, way, 3, np.float64)
    context, z = contexts(1, np.float64)[0], standard_normal(3, 3, 1)
    plain = conditioned(plain_value(params), context.tolist())
    x, log_det = FAMILIES[family].reference.forward(z.tolist(), plain)
    np.testing.assert_allclose(flow.forward(z, context=context)[0], x, rtol=1e-11)
    np.testing.assert_allclose(flow.forward(z, context=context)[1], log_det, rtol=1e-10)


@pytest.mark.parametrize(("family", "way"), CASES)
def test_a_row_depends_on_nothing_else_in_the_call(family: str, way: str, dtype: Dtype) -> None:
    """Not on neighbours, their contexts, the order, the batch, threads, or how contexts are given."""
    flow, _ = example(family, way, 5, dtype)
    some, count = contexts(20, dtype), 7
    x = flow.sample(count, 11, context=some)
    assert x.shape == (20, count, 5)
    for b in (0, 17):
        own = some[b]
        assert_same_bits(flow.sample(count, 11, context=own, first_context=b), x[b])
        assert_same_bits(flow.sample(count, 11, context=some[b : b + 1], first_context=b)[0], x[b])
        z = standard_normal(count, 5, 11, stream=b, dtype=dtype)
        assert_same_bits(flow.condition(own).forward(z), flow.forward(z, context=own))
        assert_same_bits(flow.condition(own).forward(z)[0], x[b])
    assert_same_bits(flow.condition(some[0]).sample(count, 11), x[0])
    assert_same_bits(flow.sample(3, 11, context=some, first_row=4), np.ascontiguousarray(x[:, 4:]))
    rows, index = x.reshape(-1, 5), np.repeat(np.arange(20), count)
    expected = np.concatenate([flow.log_prob(x[b], context=some[b]) for b in range(20)])
    order = np.random.default_rng(0).permutation(len(rows))
    for threads in {1, min(2, threads_available())}:
        assert_same_bits(flow.log_prob(rows, context=some, index=index, threads=threads), expected)
    assert_same_bits(flow.log_prob(rows[order], context=some, index=index[order]), expected[order])
    assert_same_bits(flow.log_prob(rows[order], context=some[index[order]]), expected[order])
    for few in (1, 2, 3, 6, 17):
        assert_same_bits(flow.log_prob(rows[:few], context=some[index[:few]]), expected[:few])
        part = flow.inverse(rows[:few], context=some, index=index[:few])
        assert_same_bits(part, flow.inverse(rows[:few], context=some[0]) if few <= count else part)


def test_many_rows_on_threads() -> None:
    """So many that each thread has pieces, and a table for each."""
    flow, _ = example("maf", "added", 5, np.float32)
    some = contexts(700, np.float32)
    x = flow.sample(90, 2, context=some)
    assert_same_bits(flow.sample(90, 2, context=some, threads=min(2, threads_available())), x)
    assert_same_bits(flow.sample(90, 2, context=some[600:], first_context=600), x[600:])
    out = np.full_like(x, np.nan)
    assert flow.sample(90, 2, context=some, out=out) is out
    assert_same_bits(out, x)


def test_strategies_have_the_same_bits() -> None:
    flow, _ = example("maf", "blocks", 5, np.float64)
    some, z = contexts(9, np.float64), standard_normal(9, 5, 3)
    expected = flow.forward(z, context=some)
    for strategy in ("naive", "jacobi"):
        assert_same_bits(flow.forward(z, context=some, strategy=strategy), expected)


def test_float64_batches_of_float32_flows() -> None:
    flow, params = example("maf", "activated", 4, np.float32)
    wide = Flow(params._replace(**{
        name: value.astype(np.float64) for name, value in params._asdict().items()
        if isinstance(value, np.ndarray) and value.dtype == np.float32
    }))  # fmt: skip
    z, some = standard_normal(30, 4, 1), contexts(30, np.float64)
    assert_same_bits(flow.forward(z, context=some), wide.forward(z, context=some))
    assert_same_bits(flow.condition(some[3]).forward(z), wide.forward(z, context=some[3]))


def test_units_that_see_the_context_alone() -> None:
    """Degree 0: then the first feature depends on the context; without such units it does not."""
    params = with_context(maf.random_params(3, 1, layers=1, depth=2, width=WIDTH), "added")
    params = params._replace(weight_out=np.full_like(params.weight_out, 0.1))  # weights that are not read
    z, some = np.zeros((2, 3)), contexts(2, np.float64)
    x = Flow(params).forward(z, context=some)[0]
    assert x[0, 0] == x[1, 0]
    degrees = np.where(params.degrees == 1, 0, params.degrees)
    x = Flow(params._replace(degrees=degrees)).forward(z, context=some)[0]
    assert x[0, 0] != x[1, 0]


def test_layers_without_a_context_between() -> None:
    flow, params = example("maf", "gated", 4, np.float64)
    plain = affine_coupling.random_params(4, 8)
    whole = Flow(plain, params, permutation=[2, 0, 3, 1])
    some, z = contexts(11, np.float64), standard_normal(11, 4, 5)
    expected = flow.forward(Flow(plain, permutation=[2, 0, 3, 1]).forward(z)[0], context=some)[0]
    assert_same_bits(whole.forward(z, context=some)[0], expected)
    assert repr(whole) == "Flow(affine_coupling, maf, D=4, C=3, float64, permuted)"


def test_files_and_copies(tmp_path: Path) -> None:
    flow, _ = example("realnvp", "gated", 5, np.float32)
    context = contexts(1, np.float32)[0]
    one = flow.condition(context)
    for name, held in {"whole": flow, "one": one}.items():
        held.save(tmp_path / name)
        for copy in (Flow.load(tmp_path / name), pickle.loads(pickle.dumps(held))):
            more = {"context": context} if held is flow else {}
            assert copy.context_dim == (COLUMNS if held is flow else 0)
            assert_same_bits(copy.sample(5, 3, **more), one.sample(5, 3))


BOX = -np.ones(2), np.array([0.8, np.inf])


def first_within(flow: Flow, context: Any, stream: int, count: int, low: Any, high: Any) -> tuple[Any, Any]:
    """Row by row, one try after another."""
    rows, tries = [], []
    for row in range(count):
        for trial in range(10_000):
            z = standard_normal(1, 2, 7, first_row=row + 2**40 * trial, stream=stream, dtype=flow.dtype)
            x = flow.forward(z, context=context)[0][0]
            if ((low <= x) & (x <= high)).all():
                rows.append(x)
                tries.append(trial + 1)
                break
    return np.array(rows), count / np.sum(tries)


def test_samples_within_bounds(dtype: Dtype) -> None:
    flow, _ = example("maf", "added", 2, dtype)
    some = contexts(5, dtype)
    x, acceptance = flow.sample_within(*BOX, 30, 7, context=some)
    assert x.shape == (5, 30, 2)
    for b in range(5):
        rows, rate = first_within(flow, some[b], b, 30, *BOX)
        assert_same_bits(x[b], rows)
        assert acceptance[b] == pytest.approx(rate, rel=1e-14)
        alone = flow.sample_within(*BOX, 30, 7, context=some[b], first_context=b)
        assert_same_bits(alone[0], x[b])
        assert alone[1].shape == ()
        assert alone[1] == acceptance[b]
    everywhere = flow.sample_within(-np.inf, np.inf, 30, 7, context=some)
    assert_same_bits(everywhere[0], flow.sample(30, 7, context=some))
    assert everywhere[1].tolist() == [1] * 5
    threads = min(2, threads_available())
    assert_same_bits(flow.sample_within(*BOX, 30, 7, context=some, threads=threads)[0], x)


def test_samples_within_bounds_have_the_law() -> None:
    """A truncated normal, of a flow that moves normals by their context."""
    params = maf.random_params(1, 1, layers=1, depth=1, width=1, activation="relu", scale="additive")
    zero = {name: np.zeros_like(getattr(params, name)) for name in ("weight_out", "bias_out", "bias_hidden")}
    moved = with_context(params._replace(**zero), "added")
    weight_out = np.full_like(moved.weight_out, -1.0)
    moved = moved._replace(
        weight_out=weight_out, degrees=np.zeros_like(moved.degrees),
        weight_context=np.ones_like(moved.weight_context), bias_context=np.zeros_like(moved.bias_context),
    )  # fmt: skip
    shift = np.array([[0.5, 0.5, 0.5], [0, 0, 2.0]])  # of their sums, 1.5 and 2
    x, acceptance = Flow(moved).sample_within(0.0, 2.0, 20_000, 3, context=shift)
    for rows, rate, mean in zip(x, acceptance, (1.5, 2.0), strict=True):
        law = stats.truncnorm(-mean, 2 - mean, loc=mean)
        assert stats.kstest(rows[:, 0], law.cdf).pvalue > 1e-3
        expected = stats.norm.cdf(2 - mean) - stats.norm.cdf(-mean)
        assert rate == pytest.approx(expected, abs=5 * np.sqrt(expected / 20_000))


def test_bounds_that_nothing_is_within() -> None:
    flow, _ = example("maf", "added", 2, np.float64)
    some = contexts(3, np.float64)
    far = flow.sample(50, 1, context=some).max() + 50
    with pytest.raises(
        ValueError, match=r"^max_tries: expected 4 rows within .* after 9 tries .*, got 0 of context 0"
    ):
        flow.sample_within(far, np.inf, 4, 1, context=some, max_tries=9)
    x, acceptance = flow.sample_within(far, np.inf, 4, 1, context=some, max_tries=9, partial=True)
    assert np.isnan(x).all()
    assert acceptance.tolist() == [0, 0, 0]


def test_one_bad_context_costs_its_own_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are drawn: no more than twice the tries of each context, and one round of each."""
    from seqgap.kernels._core import within

    drawn = []
    draw = within._draw
    monkeypatch.setattr(within, "_draw", lambda s, o, x, *more: (drawn.append(len(x)), draw(s, o, x, *more)))
    params = with_context(maf.random_params(1, 1, layers=1, width=3), "added")
    flow, some = Flow(params), np.zeros((40, 3))
    edges = np.sort(flow.sample(10_000, 1, context=some[0])[:, 0])
    _, acceptance = flow.sample_within(edges[20], edges[-200], 50, 5, context=some)
    needed = (50 / acceptance).sum()
    assert sum(drawn) < 2 * needed + 40


PARAMS = example("maf", "added", 3, np.float64)[1]
FLOW, PLAIN = Flow(PARAMS), Flow(maf.random_params(3, 1, width=4))
X, C, WRITTEN = np.zeros((4, 3)), np.zeros((4, 3)), np.zeros((4, 3))
SINGLE = example("maf", "added", 3, np.float32)[0]
LARGE = [1e300, 0, 0]  # it does not fit float32
MIXED = PARAMS._replace(
    degrees=np.ascontiguousarray(PARAMS.degrees[..., ::-1])
)  # units that are sorted first


def doubled(field: str, axis: int) -> Any:
    """MIXED with twice as many of a field."""
    value = getattr(MIXED, field)
    return MIXED._replace(**{field: np.concatenate([value, value], axis)})


WRONG: list[tuple[type[Exception], str, Callable[[], Any]]] = [
    (ValueError, r"context: expected shape \(3,\) or \(B, 3\), got None", lambda: FLOW.log_prob(X)),
    (ValueError, r"context: expected shape \(3,\) or \(B, 3\), got None", lambda: FLOW.sample(3, 1)),
    (ValueError, r"context: expected shape \(3,\) or", lambda: FLOW.sample_within(-1, 1, 3, 1)),
    (ValueError, "context: expected 3 columns", lambda: FLOW.forward(X, context=np.zeros(4))),
    (ValueError, "context: expected 3 columns", lambda: FLOW.condition(np.zeros(4))),
    (ValueError, r"context: expected shape \(3,\), got \(4, 3\)", lambda: FLOW.condition(C)),
    (ValueError, "context: expected 4 rows", lambda: FLOW.forward(X, context=C[:3])),
    (ValueError, "context: expected 2 dimensions", lambda: FLOW.forward(X, context=np.zeros((1, 4, 3)))),
    (ValueError, "context: expected finite values", lambda: FLOW.sample(3, 1, context=[np.nan] * 3)),
    (TypeError, "context: expected float32, float64", lambda: FLOW.forward(X, context=["a"] * 3)),
    (ValueError, r"index: expected shape \(4,\)", lambda: FLOW.forward(X, context=C, index=[0])),
    (ValueError, "index: expected 0 to 3", lambda: FLOW.forward(X, context=C, index=[0, 1, 2, 4])),
    (ValueError, "index: expected 0 to 3", lambda: FLOW.forward(X, context=C, index=[0, -1, 2, 3])),
    (TypeError, "index: expected integers", lambda: FLOW.forward(X, context=C, index=[0.0] * 4)),
    (ValueError, "context: expected a table", lambda: FLOW.forward(X, context=C[0], index=[0] * 4)),
    (ValueError, "context: expected None, since the flow", lambda: PLAIN.forward(X, context=C)),
    (ValueError, "context: expected None, since the flow", lambda: PLAIN.condition(C[0])),
    (ValueError, "context: expected None, since the flow", lambda: PLAIN.sample(4, 1, context=C[0])),
    (ValueError, "context: expected None", lambda: FLOW.condition(C[0]).log_prob(X, context=C[0])),
    (ValueError, "first_context: expected", lambda: FLOW.sample(4, 1, context=C, first_context=-1)),
    (ValueError, "first_context: expected", lambda: FLOW.sample(4, 1, context=C, first_context=2**32)),
    (ValueError, "max_tries: expected", lambda: FLOW.sample_within(-1, 1, 3, 1, context=C, max_tries=0)),
    (ValueError, "low: expected", lambda: FLOW.sample_within([0, 1], 1, 3, 1, context=C)),
    (ValueError, "high: expected", lambda: FLOW.sample_within(1, 0, 3, 1, context=C)),
    (ValueError, "low: expected numbers, got NaN", lambda: FLOW.sample_within(np.nan, 0, 3, 1, context=C)),
    (ValueError, "params.context: expected None, got 'added'; Flow", lambda: maf.forward(X, PARAMS)),
    (ValueError, "params.context: expected None, got 'added'; Flow", lambda: maf.sample(3, PARAMS, 1)),
    (ValueError, "params.context: expected None, got 'added'; Flow", lambda: maf.log_prob(X, PARAMS)),
    (ValueError, r"params\[0\]: params.context: expected one of", lambda: Flow(PARAMS._replace(context="x"))),
    (ValueError, r"params\[0\]: params.context: expected added or",
     lambda: Flow(PARAMS._replace(context="gated"))),
    (ValueError, r"params\[0\]: params.bias_context: expected shape",
     lambda: Flow(PARAMS._replace(bias_context=PARAMS.bias_context[:1]))),
    (ValueError, r"params\[0\]: params.weight_context: expected None",
     lambda: Flow(PARAMS._replace(context=None))),
    (ValueError, "context: expected a regular array", lambda: FLOW.forward(X, context=[[1, 2, 3], [1]])),
    (ValueError, "context: expected a regular array", lambda: FLOW.condition([[1, 2, 3], [1]])),
    (ValueError, "context: expected finite values", lambda: SINGLE.sample(3, 1, context=LARGE)),
    (ValueError, "context: expected finite values", lambda: SINGLE.condition(LARGE)),
    (ValueError, "context: expected finite values",
     lambda: FLOW.condition(LARGE).log_prob(X.astype(np.float32))),
    (ValueError, "out: expected no overlap with context", lambda: FLOW.forward(X, context=C, out=C)),
    (ValueError, "out: expected no overlap with index",
     lambda: FLOW.forward(X, context=C, index=WRITTEN.view(np.int64)[:, 0], out=WRITTEN)),
    (ValueError, "out: expected no overlap with context",
     lambda: FLOW.sample(1, 1, context=C, out=C.reshape(4, 1, 3))),
    (ValueError, r"params\[0\]: params.weight_in: expected shape", lambda: Flow(doubled("weight_in", 1))),
    (ValueError, r"params\[0\]: params.weight_out: expected shape", lambda: Flow(doubled("weight_out", 3))),
    (ValueError, r"params\[0\]: params.weight_context: expected shape",
     lambda: Flow(doubled("weight_context", 2))),
    (ValueError, r"params\[0\]: params.bias_context: expected shape",
     lambda: Flow(MIXED._replace(bias_context=MIXED.bias_context[..., :1]))),
    (TypeError, r"params\[0\]: params.context: expected one of", lambda: Flow(MIXED._replace(context=["x"]))),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message", "call"), WRONG)
def test_what_is_refused(error: type[Exception], message: str, call: Callable[[], Any]) -> None:
    with pytest.raises(error, match=rf"^{message}"):
        call()


def test_no_rows() -> None:
    assert FLOW.sample(0, 1, context=C).shape == (4, 0, 3)
    assert FLOW.sample(3, 1, context=C[:0]).shape == (0, 3, 3)
    assert FLOW.log_prob(X[:0], context=C[:0]).shape == (0,)
    assert bits(FLOW.log_prob(X[:1], context=C[0])) == bits(FLOW.log_prob(X, context=C)[:1])
