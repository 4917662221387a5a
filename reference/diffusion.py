"""Diffusion noising and its oracle and naive reversals, one value at a time."""

import math

from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._schedule import Schedule as Schedule
from seqgap.reference._schedule import cosine_betas as cosine_betas
from seqgap.reference._schedule import linear_betas as linear_betas
from seqgap.reference._schedule import scaled_linear_betas as scaled_linear_betas
from seqgap.reference.normal import standard_normal


def _mixed(x: Vector, eps: Vector, signal: float, sigma: float) -> Vector:
    return [signal * v + sigma * e for v, e in zip(x, eps, strict=True)]


def noise(x0: Matrix, eps: Matrix, t: int | list[int], schedule: Schedule) -> Matrix:
    """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps."""
    times = [t] * len(x0) if isinstance(t, int) else t
    return [
        _mixed(row, e_row, schedule.signal[step], math.sqrt(schedule.variance[step]))
        for row, e_row, step in zip(x0, eps, times, strict=True)
    ]


def sample_noisy(
    x0: Matrix,
    t: int | list[int],
    schedule: Schedule,
    seed: int,
    *,
    first_row: int = 0,
    dtype: str = "float64",
) -> Matrix:
    """`noise` with the normals of `seed`."""
    dim = len(x0[0]) if x0 else 1
    return noise(x0, standard_normal(len(x0), dim, seed, first_row=first_row, dtype=dtype), t, schedule)


def trajectory(x0: Matrix, eps: list[Matrix], schedule: Schedule) -> list[Matrix]:
    """All states x_0 to x_T."""
    states = [[list(row) for row in x0]]
    for beta, e_state in zip(schedule.betas, eps, strict=True):
        signal, sigma = math.sqrt(1 - beta), math.sqrt(beta)
        pairs = zip(states[-1], e_state, strict=True)
        states.append([_mixed(row, e_row, signal, sigma) for row, e_row in pairs])
    return states


def reverse(
    x_T: Matrix,  # noqa: N803  # the paper's symbol
    eps: list[Matrix],
    schedule: Schedule,
) -> Matrix:
    """Undo `trajectory` with its true noise: x_0."""
    rows = [list(row) for row in x_T]
    for beta, e_state in zip(reversed(schedule.betas), reversed(eps), strict=True):
        signal, sigma = math.sqrt(1 - beta), math.sqrt(beta)
        rows = [
            [(x - sigma * e) / signal for x, e in zip(row, e_row, strict=True)]
            for row, e_row in zip(rows, e_state, strict=True)
        ]
    return rows


def reverse_naive(x_T: Matrix, schedule: Schedule) -> Matrix:  # noqa: N803  # the paper's symbol
    """x_T / sqrt(alpha_bar_T) step by step, the noise ignored."""
    rows = [list(row) for row in x_T]
    for beta in reversed(schedule.betas):
        rows = [[x / math.sqrt(1 - beta) for x in row] for row in rows]
    return rows
