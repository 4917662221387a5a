"""Langevin chains in blocks: the bits of steps, and the law of how long they remember."""

import math
from typing import Any

import numpy as np
import pytest

from bits import assert_same_bits
from seqgap.bench.model.case import Dtype
from seqgap.kernels import ddpm, langevin, mixture
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels._nets.chain import Chain
from seqgap.kernels._nets.perceptron import random_perceptron
from seqgap.kernels.normal import standard_normal

THREADS = range(1, min(2, threads_available()) + 1)
GAUSSIAN = langevin.Gaussian(np.array([0.3, -0.2]), np.array([1.0, 0.7]))
ADJUST = pytest.mark.parametrize("adjust", [False, True], ids=["unadjusted", "adjusted"])


def chain(target: Any, steps: int, size: float = 0.3, **options: Any) -> Chain:
    return Chain(langevin.Params(target, np.full(steps, size)), **options)


def target_of(name: str) -> Any:
    if name == "gaussian":
        return GAUSSIAN
    dim, full = (1, False) if name == "line" else (3, name == "full")
    return mixture.random_params(dim, 2, components=2, full=full)


@pytest.mark.parametrize("target", ["line", "diagonal", "full", "gaussian"])
@ADJUST
def test_blocks_have_the_bits_of_steps(target: str, adjust: bool, dtype: Dtype) -> None:
    for steps in (1, 63, 64, 65, 2047, 4097, 12_001):
        long = chain(target_of(target), steps, adjust=adjust)
        start = standard_normal(2, long.dim, steps, stream=9, dtype=dtype)
        expected = long.trajectory(start, 5, first_row=3)
        for threads in THREADS:
            path = long.trajectory(start, 5, first_row=3, strategy="blocks", threads=threads)
            assert_same_bits(path, expected)
            last = long.run(start, 5, first_row=3, strategy="blocks", threads=threads)
            assert_same_bits(last, expected[-1])


@ADJUST
def test_long_chains_do_go_in_blocks(adjust: bool, dtype: Dtype) -> None:
    """In more of them with more threads, and the bits of steps."""
    long, start = chain(target_of("line"), 60_000, 0.5, adjust=adjust), np.zeros((1, 1), dtype)
    expected = long.trajectory(start, 1)
    counts = [len(long.forgetting(start, 1, threads=threads).redone) for threads in THREADS]
    assert counts[0] > 0
    assert len(set(counts)) == len(counts)
    for threads in THREADS:
        assert_same_bits(long.trajectory(start, 1, strategy="blocks", threads=threads), expected)


@pytest.mark.parametrize("dim", [31, 32, 33, 65])
def test_many_features(dim: int, dtype: Dtype) -> None:
    """More than vectors are filled by at once, where noise is drawn another way."""
    long = chain(langevin.Gaussian(np.zeros(dim), np.ones(dim)), 9000, 1.0, adjust=dim % 2 == 0)
    start = standard_normal(1, dim, 3, stream=9, dtype=dtype)
    assert_same_bits(long.trajectory(start, 1, strategy="blocks"), long.trajectory(start, 1))


def test_a_sample_is_drawn_in_blocks_too() -> None:
    long = chain(target_of("diagonal"), 5000, adjust=True)
    assert_same_bits(long.sample(3, 8, strategy="blocks"), long.sample(3, 8))
    params = langevin.Params(GAUSSIAN, np.full(5000, 0.1))
    assert_same_bits(langevin.sample(3, params, 8, strategy="blocks"), langevin.sample(3, params, 8))


@pytest.mark.parametrize("size", [2.0, 2.1])
def test_chains_that_never_meet_go_step_by_step(size: float) -> None:
    """N(0, 1) from h = 2 on: copies keep their distance, or leave each other until both are infinite."""
    long = chain(langevin.Gaussian(np.zeros(1), np.ones(1)), 30_000, size)
    start = np.full((1, 1), 0.5)
    assert long.forgetting(start, 1).redone.size == 0
    assert_same_bits(long.trajectory(start, 1, strategy="blocks"), long.trajectory(start, 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@ADJUST
def test_starts_that_are_not_finite(bad: float, adjust: bool) -> None:
    long = chain(target_of("diagonal"), 20_000, adjust=adjust)
    start = np.array([[0.1, bad, 0.2], [0.1, 0.3, 0.2]])
    assert_same_bits(long.trajectory(start, 1, strategy="blocks"), long.trajectory(start, 1))


def test_how_long_a_chain_remembers_is_the_law() -> None:
    """Unadjusted on N(0, 1), distances shrink by 1 - h in each step."""
    long = chain(langevin.Gaussian(np.zeros(1), np.ones(1)), 200_000, 0.1)
    forgetting = long.forgetting(np.zeros((1, 1)), 1)
    assert forgetting.lyapunov == pytest.approx(math.log(0.9), rel=0.02)
    assert np.mean(forgetting.redone[1:]) == pytest.approx(forgetting.expected, rel=0.15)


def test_chains_whose_steps_differ_are_refused() -> None:
    score = random_perceptron(2, 1, depth=2, width=4)
    network = langevin.Params(score, np.full(9, 0.1), np.linspace(1, 0, 9))
    annealed = langevin.Params(GAUSSIAN, np.linspace(0.1, 0.2, 9))
    diffusion = ddpm.random_params(2, 1)._replace(model=GAUSSIAN)
    for params in (network, annealed, diffusion):
        for verb in ("run", "trajectory"):
            with pytest.raises(ValueError, match=r"^strategy: blocks needs a density as target and steps of"):
                getattr(Chain(params), verb)(np.zeros((1, 2)), 1, strategy="blocks")
        with pytest.raises(ValueError, match="blocks needs a density"):
            Chain(params).forgetting(np.zeros((1, 2)), 1)


def test_wrong_arguments_are_named() -> None:
    long = chain(GAUSSIAN, 10)
    with pytest.raises(ValueError, match=r"^x: expected one state, shape \(1, 2\), got \(3, 2\)$"):
        long.forgetting(np.zeros((3, 2)), 1)
    with pytest.raises(ValueError, match=r"^strategy: expected one of steps, blocks, got 'scan'$"):
        long.trajectory(np.zeros((1, 2)), 1, strategy="scan")
