"""What the gate before a timing lets pass."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from synthetic import once

from seqgap.bench.measure.cell import measure
from seqgap.bench.measure.gate import WrongResultError, check, difference
from seqgap.bench.model.case import Case, Noise, Operation
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import cases
from seqgap.bench.plan.cells import plan
from seqgap.bench.plan.options import Options

FLOAT64 = np.dtype(np.float64)
SEED = Options(seed=3, longest=1e9)  # nothing is too slow


@pytest.mark.dims(6)
def test_samplers_with_a_generator_of_their_own_are_gated_by_their_noise(
    case: Case, numpy_drawing: Operation, dim: int
) -> None:
    """The NumPy sampler passes; the same with noise of another spread, or shifted, does not."""
    cell = Cell(case.stem, numpy_drawing.name, "numpy", "float64", dim, 500, 1)
    assert measure(cell, SEED, once).status == "ok"
    call = numpy_drawing.inputs(dim, 500, FLOAT64, 3)
    output = numpy_drawing.implementations["numpy"](call, dim, FLOAT64)()
    right = numpy_drawing.noise
    assert right is not None
    check(case, numpy_drawing, output, call, dim, FLOAT64, own_noise=True)
    for factor, shift in ((1.3, 0), (1, 0.3)):
        noise = right._replace(of=lambda o, c, f=factor, s=shift: f * right.of(o, c) + s)
        with pytest.raises(WrongResultError, match="has not the distribution"):
            check(case, replace(numpy_drawing, noise=noise), output, call, dim, FLOAT64, own_noise=True)


@pytest.mark.parametrize(
    ("noise", "wrong"),
    [
        (Noise(lambda output, call: output, "uniform"), lambda x: x**1.2),
        (Noise(lambda output, call: output, "gumbel_r", (1.0, 2.0)), lambda x: 1.1 * x),
        (Noise(lambda output, call: output, "randint", (0, 3)), lambda x: np.where(x > 1, x // 2, x)),
        (Noise(lambda output, call: output, "randint", (-2, 3)), lambda x: x + 1),
        (Noise(lambda output, call: output, "bernoulli", (0.3,)), lambda x: 1 - x),
        (Noise(lambda output, call: output, "poisson", (40.0,)), lambda x: 2 * (x // 2)),
    ],
)
def test_noise_may_have_any_distribution(noise: Noise, wrong: Callable[[Any], Any]) -> None:
    case, drawing = cases()["normal"], replace(cases()["normal"].operation("standard_normal"), noise=noise)
    call = drawing.inputs(6, 5000, FLOAT64, 3)
    law = getattr(stats, noise.law)(*noise.parameters)
    right = law.rvs((5000, 6), np.random.default_rng(4))
    check(case, drawing, right, call, 6, FLOAT64, own_noise=True)
    with pytest.raises(WrongResultError, match=f"has not the distribution {noise.law}"):
        check(case, drawing, wrong(right), call, 6, FLOAT64, own_noise=True)


def test_every_numpy_implementation_equals_the_reference() -> None:
    options = Options(impl=("numpy",), dim=(1, 2, 5), batch=(1, 12), dtype=("float64", "float32"))
    for cell in plan(options):
        assert measure(cell, SEED, once).status == "ok", cell


def test_difference_counts_shape_nan_and_inf() -> None:
    same = np.array([1.0, np.nan, np.inf])
    assert difference(same, [1.0, np.nan, np.inf], 0.0, FLOAT64).used == 0
    assert difference(same, [1.0, np.nan, -np.inf], 1.0, FLOAT64).used == np.inf
    assert difference(same, [1.0, 2.0, np.inf], 1.0, FLOAT64).used == np.inf
    assert difference(np.zeros((2, 1)), [0.0, 0.0], 1.0, FLOAT64).used == np.inf
    close = difference(np.array([1 + 2**-50]), [1.0], 1e-14, FLOAT64)
    assert close.ulp == 4
    assert close.used == pytest.approx(2**-50 / 1e-14)
    assert difference(np.array([1], np.uint32), [2], 5.0, FLOAT64).used == np.inf


def test_plain_calls_hold_no_arrays() -> None:
    for case in cases().values():
        for operation in case.operations:
            made = operation.inputs(*operation.near((3,)), 5, FLOAT64, 1)
            plain = case.plain(operation.name, made, FLOAT64)
            for value in (*plain.args, *plain.kwargs.values()):
                items = value if isinstance(value, tuple) else (value,)
                assert not any(isinstance(item, np.ndarray | np.generic) for item in items)
