"""Well-conditioned parameters of flows over images, from normals of a seed; in float64 whatever the dtype."""

import math
from typing import Any

from seqgap.reference._plain import Matrix, Vector
from seqgap.reference.normal import standard_normal


def random_factors(channels: int, count: int, seed: int, stream: int) -> tuple[Any, ...]:
    """(permutation, lower, upper, sign, log_diagonal) of `count` 1 x 1 convolutions; three streams."""
    size, steps = 0.5 / math.sqrt(channels), range(count)
    below, above = (standard_normal(count * channels, channels, seed, stream=stream + i) for i in (0, 1))
    rows = standard_normal(3 * count, channels, seed, stream=stream + 2)
    keys, signs, logs = (rows[start : start + count] for start in (0, count, 2 * count))
    return (
        [sorted(range(channels), key=row.__getitem__) for row in keys],
        [_triangle(size, below[k * channels : (k + 1) * channels], above=False) for k in steps],
        [_triangle(size, above[k * channels : (k + 1) * channels], above=True) for k in steps],
        [[-1.0 if value < 0 else 1.0 for value in row] for row in signs],
        scaled(0.3, logs),
    )


def random_network(count: int, sizes: tuple[int, int, int], seed: int, stream: int) -> tuple[Any, ...]:
    """Weights and biases in turn of `count` conditioners, sizes: inputs, hidden, outputs; three streams."""
    inputs, hidden, outputs = sizes
    layers = ((inputs, hidden, 3, 1.0), (hidden, hidden, 1, 1.4), (hidden, outputs, 3, 0.1))
    fields: list[Any] = []
    for index, (fan, width, side, gain) in enumerate(layers):
        rows = standard_normal(count * width, fan * side * side + 1, seed, stream=stream + index)
        filters = [_filters(gain / math.sqrt(fan * side * side), row[1:], side) for row in rows]
        biases = [0.1 * row[0] for row in rows]
        fields += [[whole[k * width : (k + 1) * width] for k in range(count)] for whole in (filters, biases)]
    return tuple(fields)


def random_prior(channels: int, seed: int, stream: int) -> tuple[Any, ...]:
    """Weight and bias of the split of so many channels."""
    fan = 9 * (channels // 2)
    rows = standard_normal(channels, fan + 1, seed, stream=stream)
    return [_filters(0.1 / math.sqrt(fan), row[1:], 3) for row in rows], [0.3 * row[0] for row in rows]


def _filters(scale: float, values: Vector, side: int) -> list[Matrix]:
    """The values times a scale as filters of side x side numbers."""
    lines = [
        [scale * value for value in values[start : start + side]] for start in range(0, len(values), side)
    ]
    return [lines[start : start + side] for start in range(0, len(lines), side)]


def scaled(factor: float, rows: Matrix) -> Matrix:
    """A matrix times a number."""
    return [[factor * value for value in row] for row in rows]


def _triangle(size: float, rows: Matrix, above: bool) -> Matrix:
    """`size` times what is above the diagonal, or below it; 0 for the rest."""
    return [
        [size * value if (k > i if above else k < i) else 0.0 for k, value in enumerate(row)]
        for i, row in enumerate(rows)
    ]
