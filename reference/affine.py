"""x = A z + b, z = C x + c: products by their definition."""

import math
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """Both directions."""

    matrix: Matrix  # (D, D), A
    shift: Vector  # (D,), b
    inverse: Matrix  # (D, D), C = A^-1
    inverse_shift: Vector  # (D,), c = -A^-1 b
    log_det: float  # log |det A|


def random_params(dim: int, seed: int, *, dtype: str = "float64") -> Params:
    """A reflection whose rows are scaled; in float64 whatever the dtype."""
    normal, log_scale, shift = standard_normal(3, dim, seed, stream=1)
    square, scale = math.fsum(v * v for v in normal), [math.exp(0.3 * v) for v in log_scale]
    reflection = [[(i == k) - 2 / square * v * w for k, w in enumerate(normal)] for i, v in enumerate(normal)]
    matrix = [[s * v for v in row] for s, row in zip(scale, reflection, strict=True)]
    inverse = [[v / s for v, s in zip(row, scale, strict=True)] for row in reflection]
    inverse_shift = [-sum(v * b for v, b in zip(row, shift, strict=True)) for row in inverse]
    return Params(matrix, shift, inverse, inverse_shift, math.fsum(map(math.log, scale)))


def _product(matrix: Matrix, vector: Vector, shift: Vector) -> Vector:
    return [
        sum(a * v for a, v in zip(row, vector, strict=True)) + b for row, b in zip(matrix, shift, strict=True)
    ]


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    return _product(params.matrix, z, params.shift), params.log_det


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    return _product(params.inverse, x, params.inverse_shift), -params.log_det


family = Family(_to_data, _to_latent, lambda params: len(params.shift))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
