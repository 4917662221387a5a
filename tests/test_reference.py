"""Compiled against plain Python, over the whole registry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgap.bench.measure.gate import difference
from seqgap.bench.measure.verify import differences
from seqgap.bench.model.case import Case, Dtype, Operation


def test_every_operation_equals_its_reference(case: Case, operation: Operation, dtype: Dtype) -> None:
    found = list(differences(case, operation, dtype))
    assert found
    assert {size: d.used for size, d in found if d.used > 1} == {}


def test_any_shape_and_seed(case: Case, row_operation: Operation, dtype: Dtype) -> None:
    @settings(max_examples=15)
    @given(st.integers(1, 40), st.integers(0, 12), st.integers(0, 2**64 - 1))
    def holds(wanted: int, batch: int, seed: int) -> None:
        (dim,) = row_operation.near([wanted])
        made = row_operation.inputs(dim, batch, dtype, seed)
        actual = case.kernel(row_operation.name)(*made.args, **made.kwargs)
        plain = case.plain(row_operation.name, made, dtype)
        expected = case.reference(row_operation.name)(*plain.args, **plain.kwargs)
        # A seed may draw parameters that amplify rounding more than those that `verify` uses.
        relative = 30 * row_operation.tolerance.of(dim, dtype)
        assert difference(actual, expected, relative, dtype).used <= 1

    holds()


@pytest.mark.dims(5)
def test_any_values(flow: Case, dtype: Dtype, dim: int) -> None:
    """Batches of arbitrary values, the clamps and large arguments among them."""
    values = st.floats(-flow.largest, flow.largest, width=32)

    @given(
        st.sampled_from(["forward", "inverse", "log_prob"]),
        st.lists(st.lists(values, min_size=dim, max_size=dim), min_size=1, max_size=4),
    )
    def holds(name: str, rows: list[list[float]]) -> None:
        operation = flow.operation(name)
        made = operation.inputs(dim, 1, dtype, 3)
        made = type(made)((np.array(rows, dtype), *made.args[1:]))
        actual = flow.kernel(operation.name)(*made.args)
        plain = flow.plain(operation.name, made, dtype)
        expected = flow.reference(operation.name)(*plain.args)
        relative = 30 * operation.tolerance.of(dim, dtype)
        parts = [actual, expected] if isinstance(actual, tuple) else [(actual,), (expected,)]
        for row in range(len(rows)):  # each row on its own scale
            one, other = (tuple(np.asarray(p)[row : row + 1] for p in side) for side in parts)
            assert difference(one, other, relative, dtype).used <= 1

    holds()
