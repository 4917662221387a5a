"""Small batches: a row has the same bits alone and in any batch, whichever kernel takes it."""

from typing import Any

import numpy as np
import pytest
from test_networks import NETWORKS

from bits import assert_same_bits
from seqgap import Flow
from seqgap.bench.model.case import Case, Dtype, Operation
from seqgap.bench.model.registry import cases
from seqgap.kernels import maf, rq_spline
from seqgap.kernels.normal import standard_normal

ROWS = 1000
SIZES = (*range(1, 41), ROWS)


def first(result: Any, count: int, axis: int = 0) -> Any:
    """The same rows of each array of a result."""
    if isinstance(result, tuple):
        return tuple(first(array, count, axis) for array in result)
    return np.take(result, range(count), axis)


@pytest.mark.dims(1, 21)
def test_functions_have_the_same_bits_for_any_batch(
    case: Case, row_operation: Operation, dtype: Dtype, dim: int
) -> None:
    made = row_operation.inputs(dim, ROWS, dtype, 8)
    kernel = case.kernel(row_operation.name)
    whole = kernel(*made.args, **made.kwargs)
    for count in SIZES:
        part = row_operation.part(made, 0, count)
        expected = first(whole, count, row_operation.output_axis)
        assert_same_bits(kernel(*part.args, **part.kwargs), expected)


@pytest.mark.dims(1, 21)
def test_flows_have_the_same_bits_for_any_batch(flow: Case, dtype: Dtype, dim: int) -> None:
    z, params = flow.operation("forward").inputs(dim, ROWS, dtype, 8).args
    held = Flow(params, dim=dim)
    for verb in ("forward", "inverse", "log_prob"):
        whole = flow.kernel(verb)(z, params)
        for count in SIZES:
            assert_same_bits(getattr(held, verb)(z[:count]), first(whole, count))
    whole = held.sample(ROWS, 4)
    for count in SIZES:
        assert_same_bits(held.sample(count, 4), whole[:count])


def hostile(dim: int, dtype: Dtype) -> Any:
    """Ordinary rows, and others with zeros of both signs, infinities, NaN, tiny and large numbers."""
    rows = 1.5 * standard_normal(24, dim, 5, dtype=dtype)
    limits = np.finfo(dtype)
    numbers = (-0.0, np.inf, np.nan, -np.inf, limits.smallest_subnormal, 1e30, -0.0, limits.max)
    for n, number in enumerate(numbers):
        rows[n + 4, n % dim] = number
    rows[12] = -0.0
    return rows


def small_kernels(params: Any) -> list[tuple[Any, Any]]:
    """(kernel for few rows, kernel for many) of both directions, as functions of a batch."""

    def of(step: Any, most: int) -> Any:
        def run(batch: Any) -> tuple[Any, Any]:
            result, log_det = np.full_like(batch, 7), np.full(len(batch), 7, batch.dtype)
            step._replace(most=most)(batch, result, log_det)
            return result, log_det

        return run

    steps = [step for direction in Flow(params)._own for step in direction]
    assert all(step.few for step in steps)
    return [(of(step, ROWS), of(step, 0)) for step in steps]


@pytest.mark.parametrize(("stem", "network"), NETWORKS, ids=str)
def test_units_on_the_lanes_give_the_bits_of_rows_on_the_lanes(
    stem: str, network: dict[str, Any], dtype: Dtype
) -> None:
    """Also those of a row next to one that has a NaN."""
    for dim in (1, 2, 5, 33):
        options = {"layers": 2, "width": 16, "dtype": dtype} | network
        params = cases()[stem].kernel("random_params")(dim, 3, **options)
        for few, many in small_kernels(params):
            assert_same_bits(few(hostile(dim, dtype)), many(hostile(dim, dtype)))


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("family", [maf, rq_spline])
def test_units_of_any_degrees(family: Any, depth: int, dtype: Dtype) -> None:
    """Gaps, so that groups of features see the same units; none, so that some see nothing; unsorted ones."""
    rng = np.random.default_rng(3)
    options = {"coupling": False} if family is rq_spline else {}
    for width in (1, 16, 40):
        params = family.random_params(19, 2, layers=2, depth=depth, width=width, dtype=dtype, **options)
        for largest in (0, 3, 19):
            degrees = rng.integers(largest // 2, largest + 1, params.degrees.shape)
            order = np.array([rng.permutation(19) for _ in range(2)])
            for few, many in small_kernels(params._replace(degrees=degrees, order=order)):
                assert_same_bits(few(hostile(19, dtype)), many(hostile(19, dtype)))


def test_a_flow_with_a_permutation_takes_few_rows() -> None:
    rng = np.random.default_rng(1)
    flow = Flow(maf.random_params(6, 1), rq_spline.random_params(6, 2), permutation=rng.permutation(6))
    z = standard_normal(30, 6, 1)
    for verb in (flow.forward, flow.inverse):
        whole = verb(z)
        for count in (1, 2, 3, 5):
            assert_same_bits(verb(z[:count]), first(whole, count))
    assert_same_bits(flow.log_prob(z[:1]), flow.log_prob(z)[:1])
