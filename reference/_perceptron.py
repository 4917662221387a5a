"""Perceptrons f(x, t, c), one unit at a time."""

import math
from typing import NamedTuple

from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._stack import ACTIVATIONS
from seqgap.reference.normal import standard_normal


class Perceptron(NamedTuple):
    """The fields of the kernels' network."""

    weight_in: Matrix  # (H, D + E + C)
    weight_hidden: list[Matrix]  # (K - 1, H, H)
    weight_out: Matrix  # (D, H)
    bias_hidden: Matrix  # (K, H)
    bias_out: Vector  # (D,)
    frequencies: Vector  # (E / 2,)
    activation: str
    embedding: str

    @property
    def dim(self) -> int:
        """D."""
        return len(self.bias_out)

    def at(self, x: Vector, t: float, context: Vector) -> Vector:
        """f(x, t, c)."""
        units = [*x, *self.embedded(t), *context]
        for weight, bias in zip([self.weight_in, *self.weight_hidden], self.bias_hidden, strict=True):
            units = [ACTIVATIONS[self.activation](sum_) for sum_ in affine(weight, units, bias)]
        return affine(self.weight_out, units, self.bias_out)

    def embedded(self, t: float) -> Vector:
        """e(t)."""
        waves = [math.sin(w * t) for w in self.frequencies] + [math.cos(w * t) for w in self.frequencies]
        return {"none": [], "time": [t], "waves": waves}[self.embedding]


def affine(weight: Matrix, units: Vector, bias: Vector) -> Vector:
    """W u + b."""
    return [
        b + sum(w * u for w, u in zip(row, units, strict=True)) for row, b in zip(weight, bias, strict=True)
    ]


def random_perceptron(dim: int, seed: int, depth: int, width: int, embedding: str = "waves") -> Perceptron:
    """Weights from normals of `seed`, with 16 frequencies of the time; in float64 whatever the dtype."""
    waves = 16 if embedding == "waves" else 0
    columns = dim + 2 * waves + (embedding == "time")

    def draw(stream: int, rows: int, inputs: int, size: float) -> Matrix:
        normals = standard_normal(rows, inputs, seed, stream=stream)
        return [[size * value for value in row] for row in normals]

    inner = 1 / math.sqrt(width)
    hidden = draw(2, (depth - 1) * width, width, inner)
    return Perceptron(
        draw(1, width, columns, 1 / math.sqrt(columns)),
        [hidden[k * width : (k + 1) * width] for k in range(depth - 1)],
        draw(3, dim, width, inner),
        draw(4, depth, width, 0.3),
        draw(5, 1, dim, 0.3)[0],
        [10000.0 ** (-j / waves) for j in range(waves)],
        "silu",
        embedding,
    )
