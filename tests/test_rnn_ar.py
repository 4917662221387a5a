"""Recurrent network with noise: its law, its log-determinant, and blocks with the bits of steps."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bits import assert_same_bits
from seqgap import Flow
from seqgap.kernels import ar_process, maf, rnn_ar
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels._nets.coalescence import steps_to_meet
from seqgap.kernels.normal import standard_normal
from seqgap.reference import rnn_ar as reference

THREADS = range(1, min(2, threads_available()) + 1)


def network(features: int, gain: float, dtype: Any, seed: int = 3) -> rnn_ar.Params:
    """Weights of this size, exact in float32 too."""
    weight = gain / math.sqrt(features) * standard_normal(features, features, seed)
    scale = np.full(features, 0.5) + 0.01 * np.arange(features)
    arrays = (weight if features > 1 else np.array([[gain]])), 0.1 * np.cos(np.arange(features)), scale
    return rnn_ar.Params(*(array.astype(np.float32).astype(dtype) for array in arrays))


def process(*coefficients: float, dtype: Any) -> ar_process.Params:
    return ar_process.Params(np.array(coefficients, dtype), 0.1, 0.5)


def blocks_of(module: Any, z: Any, params: Any, threads: int = 1) -> Any:
    """How the first series is made in blocks."""
    tables = module._BLOCKS._chain.tables(*module._arrays(params, z.dtype, z.shape[1], "blocks"))
    return module._BLOCKS.run(z[0], np.empty_like(z[0]), tables, threads)


def assert_blocks_are_steps(module: Any, z: Any, params: Any) -> None:
    """Blocks have the bits of the first strategy that goes step by step."""
    strategy = "steps" if module is rnn_ar else "recurrence"
    expected = module.forward(z, params, strategy=strategy)
    for threads in THREADS:
        assert_same_bits(module.forward(z, params, strategy="blocks", threads=threads), expected)


@pytest.mark.parametrize("features", [1, 2, 7, 8, 17, 64])
def test_any_number_of_features_is_the_reference(features: int, dtype: Any) -> None:
    params = network(features, 0.8, dtype)
    plain = reference.Params(*(array.astype(float).tolist() for array in params[:3]), params.grid)
    z = standard_normal(3, 40 * features, 1, dtype=dtype)
    eps = np.finfo(dtype).eps
    x, log_det = rnn_ar.forward(z, params)
    expected = reference.forward(z.astype(float).tolist(), plain)
    np.testing.assert_allclose(x, expected[0], rtol=0, atol=60 * eps)
    np.testing.assert_allclose(log_det, expected[1], rtol=60 * eps)
    back, log_det = rnn_ar.inverse(x, params)
    expected = reference.inverse(x.astype(float).tolist(), plain)
    np.testing.assert_allclose(back, expected[0], rtol=0, atol=300 * eps)
    np.testing.assert_allclose(log_det, expected[1], rtol=60 * eps)


@pytest.mark.parametrize("features", [1, 3])
def test_log_det_is_that_of_the_numerical_jacobian(features: int) -> None:
    params, dim, step = network(features, 0.8, np.float64), 4 * features, 1e-6
    z = standard_normal(1, dim, 5)
    ends = [rnn_ar.forward(z + sign * step * np.eye(dim), params)[0] for sign in (1, -1)]
    expected = np.linalg.slogdet((ends[0] - ends[1]) / (2 * step))[1]
    assert rnn_ar.forward(z, params)[1][0] == pytest.approx(expected, rel=1e-8)


def test_log_det_keeps_its_digits_where_x_rounds_to_one(dtype: Any) -> None:
    """log(1 - tanh(a)^2) is log(4) - 2 |a| there."""
    params = rnn_ar.Params(*(np.array(value, dtype) for value in ([[0.0]], [0.0], [1.0])))
    z = np.array([[50.0, -70.0, 30.0]], dtype)
    x, log_det = rnn_ar.forward(z, params)
    assert np.abs(x).tolist() == [[1.0, 1.0, 1.0]]
    assert log_det[0] == pytest.approx(3 * math.log(4) - 300, rel=1e-6)


LENGTHS = (1, 31, 32, 33, 67, 255, 256, 257, 515, 10_000)


@pytest.mark.parametrize("gain", [0.3, 0.9, 1.2])
@pytest.mark.parametrize("features", [1, 2, 8, 9])
def test_blocks_have_the_bits_of_steps(features: int, gain: float, dtype: Any) -> None:
    params = network(features, gain, dtype)
    for length in LENGTHS:
        for seed in range(3):
            z = standard_normal(1 + seed, length * features, seed, dtype=dtype)
            assert_blocks_are_steps(rnn_ar, z, params)


@pytest.mark.parametrize(
    "coefficients", [[0.9], [-0.9], [0.99], [0.999], [1.0], [1.02], [0.6, -0.3], [1.2, -0.5]]
)
def test_blocks_have_the_bits_of_the_recurrence(coefficients: list[float], dtype: Any) -> None:
    params = process(*coefficients, dtype=dtype)
    for length in (*LENGTHS, 50_001):
        for seed in range(3):
            assert_blocks_are_steps(ar_process, standard_normal(1 + seed, length, seed, dtype=dtype), params)


def test_a_process_with_a_start_at_either_zero() -> None:
    """0 and -0 are equal but not the same: the bits decide."""
    z = np.zeros((1, 5000))
    z[0, ::3] = -0.0
    params = ar_process.Params(np.array([-0.5]), -0.0, 1.0)
    assert_blocks_are_steps(ar_process, z, params)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 70, 1300, 7000, 9999])
def test_what_is_not_finite(bad: float, at: int, dtype: Any) -> None:
    """A NaN stays to the end of a series; it neither ends the mending early nor leaves the series."""
    z = standard_normal(2, 10_000, 4, dtype=dtype)
    z[0, at] = bad
    assert_blocks_are_steps(rnn_ar, z, network(1, 0.9, dtype))
    assert_blocks_are_steps(rnn_ar, z, network(4, 0.6, dtype))
    assert_blocks_are_steps(ar_process, z, process(0.9, dtype=dtype))
    assert_blocks_are_steps(ar_process, z, process(0.6, -0.3, dtype=dtype))


@pytest.mark.parametrize(("gain", "features"), [(0.9, 1), (0.5, 8)])
def test_chains_that_forget_are_made_in_blocks(gain: float, features: int, dtype: Any) -> None:
    z = standard_normal(1, 20_000 * features, 2, dtype=dtype)
    made = blocks_of(rnn_ar, z, network(features, gain, dtype))
    assert made.meeting.met
    assert made.patched.size >= 8
    assert made.patched[0] == 0
    assert 0 < made.patched[1:].min() <= made.patched.max() < 400


@pytest.mark.parametrize(
    ("module", "params", "features"),
    [
        (ar_process, process(1.0, dtype=np.float64), 1),
        (ar_process, process(1.01, dtype=np.float64), 1),
        (rnn_ar, network(8, 4.0, np.float64), 8),  # chaos
        (rnn_ar, network(32, 0.9, np.float64), 32),  # the last bits never agree
    ],
)
def test_chains_that_do_not_meet_are_made_step_by_step(module: Any, params: Any, features: int) -> None:
    """After at most a sixteenth of the steps were tried, which is what it costs."""
    z = standard_normal(1, 6400 * features, 2)
    made = blocks_of(module, z, params)
    assert made.patched.size == 0
    assert not made.meeting.met
    assert made.meeting.steps <= 400
    assert_blocks_are_steps(module, z, params)


def test_the_lyapunov_exponent_of_a_process_is_the_logarithm_of_its_coefficient() -> None:
    for coefficient in (0.9, -0.7, 1.01):
        made = blocks_of(ar_process, standard_normal(1, 20_000, 1), process(coefficient, dtype=np.float64))
        assert made.meeting.lyapunov == pytest.approx(math.log(abs(coefficient)), abs=1e-4)


def test_the_steps_to_meet() -> None:
    """Of x_t = 0.9 x_{t-1} + z_t from starts 4 apart: 361.8 expected; bits of the mantissa in float32."""
    assert steps_to_meet(math.log(0.9), 4.0, np.float64) == pytest.approx(361.8, abs=0.05)
    assert steps_to_meet(math.log(0.9), 4.0, np.float32) == pytest.approx(171.0, abs=0.1)
    assert steps_to_meet(0.0, 4.0, np.float64) == math.inf
    assert steps_to_meet(math.nan, 4.0, np.float64) == math.inf
    made = blocks_of(ar_process, standard_normal(1, 100_000, 1), process(0.9, dtype=np.float64))
    expected = steps_to_meet(made.meeting.lyapunov, made.meeting.distance, np.float64)
    assert np.median(made.patched[1:]) == pytest.approx(expected, rel=0.1)


def test_more_threads_make_more_blocks() -> None:
    z = standard_normal(1, 50_000, 2)
    sizes = [blocks_of(rnn_ar, z, network(1, 0.9, np.float64), threads).patched.size for threads in (1, 2)]
    assert sizes == [32, 64]


def test_wrong_arguments_are_named() -> None:
    params = network(3, 0.5, np.float64)
    z, whole = np.zeros((1, 4)), "expected a multiple of 3, the features of a step$"
    calls: list[tuple[str, Callable[[], Any]]] = [
        ("z has 4 columns", lambda: rnn_ar.forward(z, params)),
        ("x has 4 columns", lambda: rnn_ar.inverse(z, params)),
        ("x has 4 columns", lambda: rnn_ar.log_prob(z, params)),
        ("dim is 4", lambda: rnn_ar.sample(1, params, 1, dim=4)),
        (r"params\[0\]: dim is 4", lambda: Flow(params, dim=4)),
    ]
    for came, call in calls:
        with pytest.raises(ValueError, match=f"^{came}, {whole}"):
            call()
    for scale in (0.0, 1e-320, np.inf, np.nan):
        message = rf"^params\.scale, for float64: expected 2.23e-308 to 4.49e\+307, got {scale}$"
        with pytest.raises(ValueError, match=message):
            rnn_ar.forward(np.zeros((1, 3)), params._replace(scale=np.array([1.0, scale, 1.0])))
    with pytest.raises(ValueError, match=r"^features: expected 1 to 64"):
        rnn_ar.random_params(65, 1, features=65)
    with pytest.raises(ValueError, match=r"^dim: expected a multiple of 2"):
        rnn_ar.random_params(3, 1, features=2)
    with pytest.raises(ValueError, match=r"^strategy: expected recurrence for 3 coefficients, got 'blocks'"):
        ar_process.forward(np.zeros((1, 4)), process(0.1, 0.1, 0.1, dtype=np.float64), strategy="blocks")


def test_a_flow_has_the_strategies_on_threads_too() -> None:

    z, params = standard_normal(1, 20_000, 2), network(1, 0.9, np.float64)
    expected = rnn_ar.forward(z, params)
    for threads in THREADS:
        held = Flow(params, dim=20_000).forward(z, strategy="blocks", threads=threads)
        assert_same_bits(held, expected)


def test_a_flow_tells_what_blocks_took_beside_the_law(dtype: Any) -> None:
    """For AR(1) lambda is log phi; a chain that never forgets goes step by step."""
    z, bits = standard_normal(1, 2**16, 1, dtype=dtype), np.finfo(dtype).nmant + 1
    report = Flow(process(0.9, dtype=dtype), dim=2**16).forgetting(z)
    assert report.lyapunov == pytest.approx(math.log(0.9), rel=0.02)
    assert report.expected == pytest.approx(bits * math.log(2) / -math.log(0.9), rel=0.15)
    assert report.redone[0] == 0
    assert np.median(report.redone[1:]) == pytest.approx(report.expected, rel=0.15)
    assert report.redone.max() < 1.5 * report.expected
    never = Flow(process(1.001, dtype=dtype), dim=2**16).forgetting(z)
    assert (never.redone.size, never.expected) == (0, math.inf)


@pytest.mark.parametrize(
    ("module", "params", "trial", "expected"),
    [
        (ar_process, process(0.0, dtype=np.float64), 1, 0),
        (ar_process, process(0.0, 0.0, dtype=np.float64), 2, 0),
        (ar_process, process(1e-20, dtype=np.float64), None, None),
        (rnn_ar, network(1, 0.0, np.float64), 1, 0),
        (rnn_ar, network(1, 0.5, np.float64)._replace(bias=np.array([60.0])), 1, 0),  # always 1
    ],
)
def test_starts_that_meet_at_once_have_finite_steps(
    module: Any, params: Any, trial: int | None, expected: int | None
) -> None:
    """The growth of their distance is not seen; None: some number."""
    report = Flow(params, dim=2**16).forgetting(standard_normal(1, 2**16, 1))
    assert math.isnan(report.lyapunov)
    assert 0 <= report.expected <= report.trial
    assert trial in (None, report.trial)
    assert expected in (None, report.expected)


@pytest.mark.parametrize("length", [9, 2**16])
def test_starts_that_do_not_meet_have_no_expected_steps(length: int) -> None:
    """The series is too short to try, or has a NaN that the other start does not see."""
    z = np.ones((1, length))
    z[0, 0] = np.nan
    report = Flow(process(0.5, dtype=np.float64), dim=length).forgetting(z)
    assert (report.expected, report.redone.size) == (math.inf, 0)


def test_forgetting_is_of_one_row_of_one_family() -> None:
    params = network(1, 0.5, np.float64)
    with pytest.raises(ValueError, match=r"^z: expected one row, got 2$"):
        Flow(params, dim=9).forgetting(np.zeros((2, 9)))
    for flow in (Flow(params, params, dim=9), Flow(maf.random_params(9, 1))):
        with pytest.raises(ValueError, match=r"^forgetting: expected a flow of one family"):
            flow.forgetting(np.zeros((1, 9)))


GRIDS = {
    np.dtype(np.float64): 2.0**-20,
    np.dtype(np.float32): 2.0**-12,
}  # above the roundings


def gridded(features: int, gain: float, dtype: Any) -> rnn_ar.Params:
    return network(features, gain, dtype)._replace(grid=GRIDS[np.dtype(dtype)])


@pytest.mark.parametrize("features", [1, 2, 3, 5, 8, 13, 32, 64])
def test_the_state_is_rounded_as_in_the_reference(features: int, dtype: Any) -> None:
    """With a grid so coarse that the neighbouring multiple would show, and a state that is never rounded."""
    params = network(features, 0.8, dtype)._replace(grid=0.25)
    plain = reference.Params(*(array.astype(float).tolist() for array in params[:3]), 0.25)
    z = standard_normal(17, 150 * features, 1, dtype=dtype)  # one row alone, and others side by side
    x, log_det = rnn_ar.forward(z, params)
    back, inverse_log_det = rnn_ar.inverse(x, params)
    np.testing.assert_allclose(back, z, rtol=0, atol=5000 * np.finfo(dtype).eps)
    np.testing.assert_allclose(inverse_log_det, -log_det, rtol=2e-4 if dtype == np.float32 else 1e-12)
    rows = z[::16].astype(float).tolist()
    expected = reference.forward(rows, plain)
    np.testing.assert_allclose(x[::16], expected[0], rtol=0, atol=60 * np.finfo(dtype).eps)
    np.testing.assert_allclose(log_det[::16], expected[1], rtol=60 * np.finfo(dtype).eps)
    again = reference.inverse(expected[0], plain)[0]
    np.testing.assert_allclose(again, rows, rtol=0, atol=1e-11)
    without = rnn_ar.forward(z, params._replace(grid=0.0))[0]
    same = (x == without).reshape(17, 150, features).all((0, 2))
    assert (same[:64].all(), same[64]) == (True, False)


@pytest.mark.parametrize("features", [1, 2, 3, 8, 17, 32, 64])
def test_blocks_of_a_grid_have_the_bits_of_steps(features: int, dtype: Any) -> None:
    params = gridded(features, 0.7, dtype)
    for length in (1, 63, 64, 65, 129, 4096, 10_001):
        z = standard_normal(1 + length % 3, length * features, length, dtype=dtype)
        assert_blocks_are_steps(rnn_ar, z, params)


def test_a_row_of_a_grid_has_the_same_bits_in_any_batch(dtype: Any) -> None:
    for features in (1, 3, 32):
        z, params = standard_normal(35, 200 * features, 1, dtype=dtype), gridded(features, 0.9, dtype)
        x, log_det = rnn_ar.forward(z, params)
        for row in (0, 16, 34):
            alone = rnn_ar.forward(z[row : row + 1], params)
            assert_same_bits(alone, (x[row : row + 1], log_det[row : row + 1]))


def test_a_grid_lets_many_features_go_in_blocks(dtype: Any) -> None:
    """Without one the last bits of 32 features never agree."""
    z, params = standard_normal(1, 32 * 20_000, 2, dtype=dtype), gridded(32, 0.9, dtype)
    report = Flow(params, dim=z.size).forgetting(z)
    assert report.redone.size >= 8
    assert 0 < report.redone[1:].max() <= 5 * 64 + 1
    assert Flow(params._replace(grid=0.0), dim=z.size).forgetting(z).redone.size == 0
    assert_blocks_are_steps(rnn_ar, z, params)


def test_blocks_are_whole_vectors_however_many_there_are() -> None:
    """A network without memory, whose blocks are as short as they may be."""
    params = network(8, 0.0, np.float64)
    z = standard_normal(1, 768 * 8, 2)
    expected = rnn_ar.forward(z, params, strategy="steps")[0][0]
    for grid in (0.0, 0.5):
        for threads in (1, 4, 16):
            tables = rnn_ar._arrays(params._replace(grid=grid), z.dtype, z.shape[1])[0]
            x = np.empty_like(z[0])
            assert rnn_ar._BLOCKS.run(z[0], x, tables, threads).patched.size >= 8
            assert_same_bits(x, expected)


@pytest.mark.parametrize("bad", [-0.25, math.nan, math.inf, 2.0, 0.3, 1e-310])
def test_a_grid_that_is_none_is_refused(bad: float) -> None:
    params = network(2, 0.5, np.float64)._replace(grid=bad)
    for verb in (rnn_ar.forward, rnn_ar.inverse):
        with pytest.raises(ValueError, match=r"^params\.grid: expected 0 or a power of two, 2\.23e-308 to 1"):
            verb(np.zeros((1, 4)), params)
    with pytest.raises(ValueError, match=r"^params\[0\]: params\.grid: expected 0 or a power of two"):
        Flow(params, dim=4)


def test_a_grid_that_is_no_number_is_refused() -> None:
    for bad in (np.zeros(2), "0.5", None):
        with pytest.raises(TypeError, match=r"^params\.grid: expected a number"):
            rnn_ar.forward(np.zeros((1, 4)), network(2, 0.5, np.float64)._replace(grid=bad))


def test_a_grid_is_saved_and_files_without_one_are_loaded(tmp_path: Path) -> None:
    z, path = standard_normal(2, 400, 1), tmp_path / "flow.npz"
    for grid in (0.25, 0.0):
        flow = Flow(network(2, 0.5, np.float64)._replace(grid=grid), dim=400)
        flow.save(path)
        assert Flow.load(path).params[0].grid == grid
        assert_same_bits(Flow.load(path).forward(z), flow.forward(z))
    with np.load(path) as stored:
        np.savez(path, **{name: array for name, array in stored.items() if name != "0.grid"})
    assert_same_bits(Flow.load(path).forward(z), flow.forward(z))
