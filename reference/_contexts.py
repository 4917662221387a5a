"""Networks that see a context: what it does to biases and blocks, as Params without one."""

from typing import Any

from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._stack import ACTIVATIONS, sigmoid


def conditioned(params: Any, context: Vector) -> Any:
    """`params` at one context (C,), with the context in biases, and gates in the weights of blocks.

    added: W c + b joins the biases of the first hidden layer; activated: a(W c + b) does; blocks: so too, and
    W c + b joins those of the first layer of each block; gated: as added, and what a block adds is multiplied
    by sigmoid(W c + b).
    """
    biases = [[list(row) for row in layer] for layer in params.bias_hidden]
    weights = [[[list(row) for row in matrix] for matrix in layer] for layer in params.weight_hidden]
    for layer, entries in enumerate(zip(params.weight_context, params.bias_context, strict=True)):
        for place, (weight, bias) in enumerate(zip(*entries, strict=True)):
            values = _linear(weight, bias, context)
            if place == 0:
                first = ACTIVATIONS[params.activation] if params.context in ("activated", "blocks") else _same
                _add(biases[layer][0], [first(value) for value in values])
            elif params.context == "blocks":
                _add(biases[layer][2 * place - 1], values)
            else:
                _multiply(weights[layer][2 * place - 1], biases[layer][2 * place], values)
    plain = {"context": None, "weight_context": None, "bias_context": None}
    return params._replace(bias_hidden=biases, weight_hidden=weights, **plain)


def _same(value: float) -> float:
    return value


def _linear(weight: Matrix, bias: Vector, context: Vector) -> Vector:
    """W c + b."""
    rows = zip(weight, bias, strict=True)
    return [b + sum(w * c for w, c in zip(row, context, strict=True)) for row, b in rows]


def _add(bias: Vector, values: Vector) -> None:
    for j, value in enumerate(values):
        bias[j] += value


def _multiply(weight: Matrix, bias: Vector, values: Vector) -> None:
    """The rows of the second layer of a block, by their gates."""
    for j, value in enumerate(values):
        gate = sigmoid(value)
        weight[j] = [w * gate for w in weight[j]]
        bias[j] *= gate
