"""x_t = bias + sum_i c_i x_{t-i} + scale z_t with zeros before x_0, one value at a time."""

import math
from typing import NamedTuple

from seqgap.reference._plain import Matrix, Vector, deliver, log_prob_rows
from seqgap.reference.normal import standard_normal

_CHUNK = 8  # entries of the scan


class Params(NamedTuple):
    """Coefficients shared by all steps."""

    coefficients: Vector  # (p,), c_1 (of the step before) first
    bias: float
    scale: float  # above 0


def random_params(dim: int, seed: int, *, dtype: str = "float64") -> Params:
    """A stationary process of order 2; in float64 whatever the dtype."""
    first, second, bias, log_scale = standard_normal(1, 4, seed, stream=1)[0]
    first, second = math.tanh(first / 2), math.tanh(second / 2)
    return Params([first * (1 - second), second], 0.1 * bias, math.exp(0.3 * log_scale))


def _mean(x: Vector, t: int, params: Params) -> float:
    mean = params.bias
    for i, c in enumerate(params.coefficients[:t]):
        mean += c * x[t - 1 - i]
    return mean


def _recurrence(z: Vector, params: Params) -> Vector:
    x: Vector = []
    for t in range(len(z)):
        x.append(_mean(x, t, params) + params.scale * z[t])
    return x


def _scan(z: Vector, params: Params) -> Vector:
    """Chunks from zero start values, then what the values before each chunk add to it."""
    order = len(params.coefficients)
    silent = Params(params.coefficients, 0.0, 1.0)
    responses = []  # of _CHUNK steps without input, to each of the `order` values before
    for lag in range(order):
        steps = [1.0 if order - 1 - i == lag else 0.0 for i in range(order)]
        for _ in range(_CHUNK):
            steps.append(_mean(steps, len(steps), silent))
        responses.append(steps[order:])
    x: Vector = []
    for start in range(0, len(z), _CHUNK):
        chunk = _recurrence(z[start : start + _CHUNK], params)
        before = x[::-1][:order]
        for value, response in zip(before, responses, strict=False):
            chunk = [entry + value * r for entry, r in zip(chunk, response, strict=False)]
        x += chunk
    return x


def forward(
    z: Matrix, params: Params, *, strategy: str = "auto", out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Latent to data: (x, log_det); strategy "scan" in two passes, any other by the recurrence."""
    one = _scan if strategy == "scan" else _recurrence
    return deliver([one(row, params) for row in z], out), [len(row) * math.log(params.scale) for row in z]


def inverse(
    x: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Data to latent: (z, log_det)."""
    rows = [[(row[t] - _mean(row, t, params)) / params.scale for t in range(len(row))] for row in x]
    return deliver(rows, out), [-len(row) * math.log(params.scale) for row in x]


def log_prob(x: Matrix, params: Params, *, threads: int = 1) -> Vector:
    """log N(z; 0, I) + log_det of the inverse."""
    return log_prob_rows(*inverse(x, params))


def sample(
    n: int,
    params: Params,
    seed: int,
    *,
    dim: int,
    first_row: int = 0,
    out: Matrix | None = None,
    threads: int = 1,
    dtype: str = "float64",
) -> Matrix:
    """Forward of the normals of `seed`."""
    z = standard_normal(n, dim, seed, first_row=first_row, dtype=dtype)
    return deliver(forward(z, params)[0], out)
