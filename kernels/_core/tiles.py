"""Rows of a batch laid side by side in the lanes of vectors, and back."""

from typing import Any

from numba import types

from seqgap.kernels._core.compiler import intrinsic
from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._core.llvm import INDEX, element_pointer, load_vector, shuffled, store_vector, vector_of
from seqgap.kernels._core.simd import lanes


class Rows:
    """As many rows of a 2-D batch as a vector has lanes, from the flat index `start` on.

    Rows after number `last` repeat it, so that a block of fewer rows runs the same code. count: LLVM
    integer, how many entries of each row are read or written, of the Numba type `count_type`: of
    None there are as many as lanes.
    """

    def __init__(
        self, context: Any, builder: Any, batch: Any, value: Any, block: Any, count_type: Any
    ) -> None:
        self._builder = builder
        self._array = context.make_array(batch)(context, builder, value)
        self._start, self._last, count = block
        self._count = None if isinstance(count_type, types.NoneType) else count
        self.vector = context.get_value_type(vector_of(batch.dtype))
        self.align = batch.dtype.bitwidth // 8

    def _address(self, index: int) -> Any:
        builder, number = self._builder, INDEX(index)
        row = builder.select(builder.icmp_signed("<", number, self._last), number, self._last)
        dim = builder.extract_value(self._array.shape, 1)
        entry = builder.add(self._start, builder.mul(row, dim))
        return builder.bitcast(builder.gep(self._array.data, [entry]), self.vector.as_pointer())

    def columns(self) -> list[Any]:
        """Vector j holds entry j of every row; past `count` they are 0."""
        addresses = [self._address(index) for index in range(self.vector.count)]
        rows = [load_vector(self._builder, a, self.vector, self.align, self._count) for a in addresses]
        return transposed(self._builder, rows)

    def write(self, columns: list[Any]) -> None:
        """Undo `columns`; a repeated row is written again, being equal."""
        for index, value in enumerate(transposed(self._builder, columns)):
            store_vector(self._builder, value, self._address(index), self.align, self._count)


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """The columns of a square of vectors: pairs swap neighbours, then pairs of them, and so on."""
    rows, count = list(rows), len(rows)
    step = 1
    while step < count:
        low = [lane if not lane & step else count + lane - step for lane in range(count)]
        high = [lane + step if not lane & step else count + lane for lane in range(count)]
        for i in (i for i in range(count) if not i & step):
            pair = rows[i], rows[i + step]
            rows[i], rows[i + step] = (shuffled(builder, *pair, order) for order in (low, high))
        step *= 2
    return rows


@intrinsic
def gather_rows(
    typing_context: Any, batch: Any, start: Any, last: Any, count: Any, tile: Any, to: Any, stride: Any
) -> Any:
    """tile[to + j * stride + r] = batch[start + r * D + j] in flat indices, r and j over the lanes.

    Rows after `last` repeat it. count: None, or how many entries of each row there are; 0 beyond.
    """
    return _transfer(batch, count, tile, gather=True)


@intrinsic
def scatter_rows(
    typing_context: Any, batch: Any, start: Any, last: Any, count: Any, tile: Any, to: Any, stride: Any
) -> Any:
    """Undo `gather_rows`: batch[start + r * D + j] = tile[to + j * stride + r]."""
    return _transfer(batch, count, tile, gather=False)


def _transfer(batch: Any, count: Any, tile: Any, *, gather: bool) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = Rows(context, builder, batch, arguments[0], arguments[1:4], count)
        value, start, stride = arguments[4:]
        entries = (builder.add(start, builder.mul(stride, INDEX(j))) for j in range(rows.vector.count))
        addresses = [element_pointer(context, builder, tile, value, j, rows.vector) for j in entries]
        if gather:
            for column, address in zip(rows.columns(), addresses, strict=True):
                builder.store(column, address, align=rows.align)
        else:
            rows.write([builder.load(a, align=rows.align, typ=rows.vector) for a in addresses])
        return context.get_dummy_value()

    return types.void(batch, types.intp, types.intp, count, tile, types.intp, types.intp), codegen


def _block(transfer: Any) -> Any:
    """Rows of a batch from lo on, as many as a vector has lanes, but below hi, and columns of the tile."""

    @jit_inline
    def block(lo: Any, hi: Any, batch: Any, tile: Any, column: Any) -> None:
        dim, width, stride = batch.shape[1], lanes(batch), tile.shape[1]
        start, last, rest = lo * dim, hi - 1 - lo, dim % width
        for d in range(0, dim - rest, width):
            transfer(batch, start + d, last, None, tile, d * stride + column, stride)
        if rest:
            d = dim - rest
            transfer(batch, start + d, last, rest, tile, d * stride + column, stride)

    return block


to_tile, from_tile = _block(gather_rows), _block(scatter_rows)


def _mover(transfer: Any) -> Any:
    @jit_inline
    def move(batch: Any, n: Any, rows: Any, at: Any, count: Any, tile: Any, first: Any) -> None:
        """Columns at to at + count - 1 of some rows, and rows first, first + 1, ... of a tile."""
        width, stride = lanes(batch), tile.shape[1]
        rest = count % width
        for r in range(0, rows, width):
            start, last = (n + r) * batch.shape[1] + at, rows - 1 - r
            for c in range(0, count - rest, width):
                transfer(batch, start + c, last, None, tile, (first + c) * stride + r, stride)
            if rest:
                c = count - rest
                transfer(batch, start + c, last, rest, tile, (first + c) * stride + r, stride)

    return move


gather_columns, scatter_columns = _mover(gather_rows), _mover(scatter_rows)
