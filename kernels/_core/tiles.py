"""Rows of a batch laid side by side in the lanes of vectors, and back; for jitted code only."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._core.simd import lanes, load_llvm, store_llvm, vector_of


class Rows:
    """As many rows of a 2-D batch as a vector has lanes, from the flat index `start` on.

    Rows after number `last` repeat it, so that a block of fewer rows runs the same code. count: LLVM
    integer or None, how many entries of each row are read or written; None for as many as lanes.
    """

    def __init__(self, context: Any, builder: Any, batch: Any, value: Any, place: tuple[Any, ...]) -> None:
        self._builder = builder
        self._array = context.make_array(batch)(context, builder, value)
        self._start, self._last, self._count = place
        self.vector = context.get_value_type(vector_of(batch.dtype))
        self.align = batch.dtype.bitwidth // 8

    def _place(self, index: int) -> Any:
        builder, number = self._builder, ir.IntType(64)(index)
        row = builder.select(builder.icmp_signed("<", number, self._last), number, self._last)
        dim = builder.extract_value(self._array.shape, 1)
        place = builder.add(self._start, builder.mul(row, dim))
        return builder.bitcast(builder.gep(self._array.data, [place]), self.vector.as_pointer())

    def columns(self) -> list[Any]:
        """Vector j holds entry j of every row; past `count` they are 0."""
        places = [self._place(index) for index in range(self.vector.count)]
        rows = [load_llvm(self._builder, place, self.vector, self.align, self._count) for place in places]
        return transposed(self._builder, rows)

    def write(self, columns: list[Any]) -> None:
        """Undo `columns`; a repeated row is written again, being equal."""
        for index, value in enumerate(transposed(self._builder, columns)):
            store_llvm(self._builder, value, self._place(index), self.align, self._count)


def rows_of(context: Any, builder: Any, batch: Any, value: Any, place: Any, count: Any) -> Rows:
    """`Rows` from the LLVM values (start, last, count) and the Numba type of count."""
    start, last, number = place
    return Rows(
        context, builder, batch, value, (start, last, None if isinstance(count, types.NoneType) else number)
    )


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """The columns of a square of vectors: pairs swap neighbours, then pairs of them, and so on."""
    rows, count = list(rows), len(rows)
    kind = ir.VectorType(ir.IntType(32), count)
    step = 1
    while step < count:
        low = [lane if not lane & step else count + lane - step for lane in range(count)]
        high = [lane + step if not lane & step else count + lane for lane in range(count)]
        for i in (i for i in range(count) if not i & step):
            pair = rows[i], rows[i + step]
            rows[i] = builder.shuffle_vector(*pair, ir.Constant(kind, low))
            rows[i + step] = builder.shuffle_vector(*pair, ir.Constant(kind, high))
        step *= 2
    return rows


class _Tile:
    """Vectors of a scratch array, `stride` entries apart from the flat index `to` on."""

    def __init__(self, context: Any, builder: Any, tile: Any, value: Any, to: Any, stride: Any) -> None:
        self._builder, self._to, self._stride = builder, to, stride
        self._data = context.make_array(tile)(context, builder, value).data

    def place(self, index: int, vector: Any) -> Any:
        builder = self._builder
        place = builder.add(self._to, builder.mul(self._stride, ir.IntType(64)(index)))
        return builder.bitcast(builder.gep(self._data, [place]), vector.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def gather_rows(
    typing_context: Any, batch: Any, start: Any, last: Any, count: Any, tile: Any, to: Any, stride: Any
) -> Any:
    """tile[to + j * stride + r] = batch[start + r * D + j] in flat indices, r and j over the lanes.

    Rows after `last` repeat it. count: None, or how many entries of each row there are; 0 beyond.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, start_value, last_value, number, tile_value, to_value, stride_value = arguments
        rows = rows_of(context, builder, batch, value, (start_value, last_value, number), count)
        target = _Tile(context, builder, tile, tile_value, to_value, stride_value)
        for index, column in enumerate(rows.columns()):
            builder.store(column, target.place(index, rows.vector), align=rows.align)
        return context.get_dummy_value()

    kinds = (batch, types.intp, types.intp, count, tile, types.intp, types.intp)
    return types.void(*kinds), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def scatter_rows(
    typing_context: Any, batch: Any, start: Any, last: Any, count: Any, tile: Any, to: Any, stride: Any
) -> Any:
    """Undo `gather_rows`: batch[start + r * D + j] = tile[to + j * stride + r]."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, start_value, last_value, number, tile_value, to_value, stride_value = arguments
        rows = rows_of(context, builder, batch, value, (start_value, last_value, number), count)
        source = _Tile(context, builder, tile, tile_value, to_value, stride_value)
        places = [source.place(index, rows.vector) for index in range(rows.vector.count)]
        rows.write([builder.load(place, align=rows.align, typ=rows.vector) for place in places])
        return context.get_dummy_value()

    kinds = (batch, types.intp, types.intp, count, tile, types.intp, types.intp)
    return types.void(*kinds), codegen


@jit_inline
def to_tile(lo: Any, hi: Any, source: Any, tile: Any, column: Any) -> None:
    """Rows from lo on, as many as a vector has lanes, but below hi, to columns of the tile."""
    dim, width, stride = source.shape[1], lanes(source), tile.shape[1]
    start, last, rest = lo * dim, hi - 1 - lo, dim % width
    for d in range(0, dim - rest, width):
        gather_rows(source, start + d, last, None, tile, d * stride + column, stride)
    if rest:
        d = dim - rest
        gather_rows(source, start + d, last, rest, tile, d * stride + column, stride)


@jit_inline
def from_tile(lo: Any, hi: Any, target: Any, tile: Any, column: Any) -> None:
    """Undo `to_tile`."""
    dim, width, stride = target.shape[1], lanes(target), tile.shape[1]
    start, last, rest = lo * dim, hi - 1 - lo, dim % width
    for d in range(0, dim - rest, width):
        scatter_rows(target, start + d, last, None, tile, d * stride + column, stride)
    if rest:
        d = dim - rest
        scatter_rows(target, start + d, last, rest, tile, d * stride + column, stride)
