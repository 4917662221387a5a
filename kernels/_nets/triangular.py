"""Products with a strictly lower triangular matrix, in either direction.

Rows of the matrix go in blocks of 8. The sum over k < d in a block that starts at entry b is, in this
order: 4 chains of fused multiply-adds over k < b, chain c taking k = c, c + 4, c + 8, ...; the chains
added by halves (c and c + 2, then both); then k = b to d - 1 in turn. It is so both where the rows of
a batch lie side by side in the lanes (`lanes_block`) and where the chains of one row do (`row_block`),
so that a row has the same bits in any batch.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from seqgap.kernels._core.compiler import literal_intrinsic
from seqgap.kernels._core.llvm import (
    INDEX,
    Vector,
    call_fma,
    load_vector,
    shuffled,
    splat,
    store_vector,
    vector_of,
)
from seqgap.kernels._core.tiles import transposed

BLOCK = 8
_CHAINS = 4
_GROUPS = ((0, 1, 2), (3, 4, 5), (6, 7))  # rows of a block at once: 3 x 4 chains x 2 vectors in registers


class _Values:
    """Entries of a 1-D or 2-D array by flat index, as scalars or spread over a vector."""

    def __init__(self, context: Any, builder: Any, array_type: Any, value: Any, lanes: int = 0) -> None:
        array = context.make_array(array_type)(context, builder, value)
        self._builder, self._data = builder, array.data
        self.columns = builder.extract_value(array.shape, array_type.ndim - 1)
        vector = Vector(array_type.dtype, lanes) if lanes else vector_of(array_type.dtype)
        self.vector = context.get_value_type(vector)
        self.align = array_type.dtype.bitwidth // 8

    def spread(self, index: Any) -> Any:
        scalar = self._builder.load(self._builder.gep(self._data, [index]))
        return splat(self._builder, scalar, self.vector.count)

    def _address(self, index: Any) -> Any:
        return self._builder.bitcast(self._builder.gep(self._data, [index]), self.vector.as_pointer())

    def load(self, index: Any, count: Any = None, vector: Any = None) -> Any:
        return load_vector(self._builder, self._address(index), vector or self.vector, self.align, count)

    def store(self, value: Any, index: Any, count: Any = None) -> None:
        store_vector(self._builder, value, self._address(index), self.align, count)


def _least(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_signed("<", a, b), a, b)


def _finished(builder: Any, inverted: bool, value: Any, total: Any, bias: Any, rate: Any) -> Any:
    """(rate * value + bias) + total, or from there back: (value - bias - total) * rate."""
    if inverted:
        return builder.fmul(builder.fsub(builder.fsub(value, bias), total), rate)
    return builder.fadd(call_fma(builder, rate, value, bias), total)


def _halved(builder: Any, chains: list[Any]) -> Any:
    """The chains added by halves."""
    while len(chains) > 1:
        half = len(chains) // 2
        chains = [builder.fadd(a, b) for a, b in zip(chains[:half], chains[half:], strict=True)]
    return chains[0]


def _chains(builder: Any, vector: Any, number: int) -> list[Any]:
    """Slots for sums, 0 at first."""
    zeros = ir.Constant(vector, [0.0] * vector.count)
    return [cgutils.alloca_once_value(builder, zeros) for _ in range(number)]


def _add(builder: Any, slot: Any, factor: Any, value: Any) -> None:
    builder.store(call_fma(builder, factor, value, builder.load(slot)), slot)


def _products(
    builder: Any,
    weights: _Values,
    rows: _Values,
    lines: list[Any],
    end: Any,
    vectors: Callable[[Any], list[Any]],
) -> list[list[Any]]:
    """For each line of the matrix its sums over k < end, one for each vector of rows.

    vectors(k): the indices of the vectors that hold entry k of the rows.
    """
    number = len(vectors(end))
    slots = [[_chains(builder, weights.vector, _CHAINS) for _ in range(number)] for _ in lines]
    with cgutils.for_range(builder, builder.udiv(end, INDEX(_CHAINS))) as loop:
        for chain in range(_CHAINS):
            k = builder.add(builder.mul(loop.index, INDEX(_CHAINS)), INDEX(chain))
            known = [rows.load(index) for index in vectors(k)]
            for line, row in zip(lines, slots, strict=True):
                factor = weights.spread(builder.add(line, k))
                for value, chains in zip(known, row, strict=True):
                    _add(builder, chains[chain], factor, value)
    return [[_halved(builder, [builder.load(slot) for slot in chains]) for chains in row] for row in slots]


@literal_intrinsic
def lanes_block(
    typing_context: Any, weight: Any, bias: Any, rate: Any, tile: Any, start: Any, vectors: Any, inverted: Any
) -> Any:
    """Entries start to start + 7 of the rows in the lanes of a tile, in place.

    tile: (at least D rounded up to 8, L * vectors), a row of the batch in each column. Forward, from
    the first block up; inverted (a literal 1, else 0), from the last block down, since entries before
    `start` must hold x. vectors: a literal, 1 or 2. rate: exp(log_scale), inverted exp(-log_scale).
    Past D it computes what nobody reads.
    """
    if not all(isinstance(literal, types.IntegerLiteral) for literal in (inverted, vectors)):
        return None
    back, number = bool(inverted.literal_value), vectors.literal_value

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        weights, shifts, rates, rows = (
            _Values(context, builder, array_type, value)
            for array_type, value in zip(signature.args[:4], arguments[:4], strict=True)
        )
        first, lanes = arguments[4], weights.vector.count
        last = builder.sub(weights.columns, INDEX(1))
        entries = [_least(builder, builder.add(first, INDEX(i)), last) for i in range(BLOCK)]
        lines = [builder.mul(entry, weights.columns) for entry in entries]

        def indices(entry: Any) -> list[Any]:
            at = builder.mul(entry, INDEX(number * lanes))
            return [builder.add(at, INDEX(v * lanes)) for v in range(number)]

        sums = [
            total
            for group in _GROUPS
            for total in _products(builder, weights, rows, [lines[i] for i in group], first, indices)
        ]
        block = [indices(builder.add(first, INDEX(i))) for i in range(BLOCK)]
        values = [[rows.load(index) for index in row] for row in block]
        for i, entry in enumerate(entries):
            shift, factor = shifts.spread(entry), rates.spread(entry)
            pairs = zip(values[i], sums[i], strict=True)
            done = [_finished(builder, back, value, total, shift, factor) for value, total in pairs]
            for value, index in zip(done, block[i], strict=True):
                rows.store(value, index)
            for j in range(i + 1, BLOCK):
                factor = weights.spread(builder.add(lines[j], entry))
                pairs = zip(values[i] if back else done, sums[j], strict=True)
                sums[j] = [call_fma(builder, factor, value, total) for value, total in pairs]
        return context.get_dummy_value()

    return types.void(weight, bias, rate, tile, types.intp, vectors, inverted), codegen


@literal_intrinsic
def row_block(
    typing_context: Any, weight: Any, bias: Any, rate: Any, source: Any, target: Any,
    start: Any, count: Any, inverted: Any,
) -> Any:  # fmt: skip
    """Entries start, start + 1, ... of `target` from those of `source`, both 1-D: 8, or `count` if not None.

    rate, inverted: as in `lanes_block`; inverted, `source` holds x, else `target` holds those so far.
    """
    if not isinstance(inverted, types.IntegerLiteral):
        return None
    back = bool(inverted.literal_value)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        weights, shifts, rates, inputs, outputs = (
            _Values(context, builder, array_type, value, BLOCK)
            for array_type, value in zip(signature.args[:5], arguments[:5], strict=True)
        )
        first = arguments[5]
        number = None if isinstance(count, types.NoneType) else arguments[6]
        last = builder.sub(weights.columns, INDEX(1))
        lines = [
            builder.mul(_least(builder, builder.add(first, INDEX(i)), last), weights.columns)
            for i in range(BLOCK)
        ]
        narrow = ir.VectorType(weights.vector.element, _CHAINS)
        slots = _chains(builder, narrow, BLOCK)
        with cgutils.for_range(builder, builder.udiv(first, INDEX(_CHAINS))) as loop:
            k = builder.mul(loop.index, INDEX(_CHAINS))
            known = (inputs if back else outputs).load(k, vector=narrow)
            for line, slot in zip(lines, slots, strict=True):
                _add(builder, slot, weights.load(builder.add(line, k), vector=narrow), known)
        chains = transposed(builder, [_widened(builder, builder.load(slot)) for slot in slots])
        sums = _halved(builder, chains[:_CHAINS])
        square = transposed(builder, [weights.load(builder.add(line, first), number) for line in lines])
        value, shift, factor = (part.load(first, number) for part in (inputs, shifts, rates))
        for k, factors in enumerate(square):
            done = value if back else _finished(builder, back, value, sums, shift, factor)
            later = ir.Constant(ir.VectorType(ir.IntType(1), BLOCK), [lane > k for lane in range(BLOCK)])
            # What lies on or above the diagonal is 0, and would make a NaN of an inf.
            added = call_fma(builder, factors, _lane(builder, done, k), sums)
            sums = builder.select(later, added, sums)
        outputs.store(_finished(builder, back, value, sums, shift, factor), first, number)
        return context.get_dummy_value()

    return types.void(weight, bias, rate, source, target, types.intp, count, inverted), codegen


def _lane(builder: Any, vector: Any, lane: int) -> Any:
    """One lane in all."""
    return shuffled(builder, vector, vector, [lane] * vector.type.count)


def _widened(builder: Any, vector: Any) -> Any:
    """As many lanes as a block has rows; what the further ones hold is not read."""
    return shuffled(builder, vector, vector, [i % _CHAINS for i in range(BLOCK)])
