"""A batch in an ONNX graph whose features stay apart in pieces, as halves of couplings do between layers."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.peers.onnx_graph import Value


class _Piece(NamedTuple):
    """Some columns of the batch."""

    value: Value  # (N, len(features))
    features: Any


class Batch:
    """The batch in pieces that nothing puts together before it has to."""

    def __init__(self, value: Value) -> None:
        self.pieces = [_Piece(value, np.arange(value.graph.dim))]

    def joined(self) -> Value:
        """All features, in any order."""
        if len(self.pieces) > 1:
            values, features = zip(*self.pieces, strict=True)
            whole = values[0].graph.add("Concat", *values, axis=1)
            self.pieces = [_Piece(whole, np.concatenate(features))]
        return self.pieces[0].value

    def select(self, features: Any) -> Value:
        """These features: a piece where there is such."""
        for piece in self.pieces:
            if np.array_equal(piece.features, features):
                return piece.value
        if len(self.pieces) > 1:
            self.joined()
            return self.select(features)
        (whole,) = self.pieces
        return whole.value.graph.columns(whole.value, np.argsort(whole.features)[features])

    def natural(self) -> Value:
        """All features in their own order."""
        return self.select(np.sort(np.concatenate([piece.features for piece in self.pieces])))

    def transform(self, identity: Any, transformed: Any, values: Value) -> None:
        """Let the transformed features have these values; the identity features are all others."""
        passing = [_Piece(self.select(identity), identity)] if len(identity) else []
        self.pieces = [*passing, _Piece(values, transformed)]
