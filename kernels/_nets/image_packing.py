"""Levels as the row kernels of `image_rows` take them: numbers, tables, and operations either way."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import has_wide_vectors
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._nets.conditioners import Layer
from seqgap.kernels._nets.image_levels import Coupling, Level, passes
from seqgap.kernels._nets.image_rows import CONVOLVE, COPY, COUPLE, FIELDS, READ, WRITE
from seqgap.kernels._nets.mixing import Mixing
from seqgap.kernels._nets.packed import aligned


class Packed(NamedTuple):
    """Operations are rows of `FIELDS` integers, as `image_rows` has them."""

    numbers: Any  # weights and biases
    tables: Any  # int64: numbers of pixels, distances of taps, entries of rows
    to_data: Any  # (M, FIELDS) int64
    to_latent: Any  # (M, FIELDS) int64
    room: int  # entries of scratch
    wide: int  # whether blocks are those of 32 registers of 64 bytes
    log_det: float  # of data to latent, without that of couplings


class _Packer:
    """Numbers, tables and scratch, each one array that operations have indices of."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.lanes = VECTOR_BYTES // dtype.itemsize
        self._numbers: list[Array] = []
        self._tables: list[Array] = []
        self._count = self._entries = self._room = 0  # of numbers, of tables, of scratch
        self._wide = has_wide_vectors()

    def vectors(self, count: int) -> int:
        """So many numbers in whole vectors."""
        return -(-count // self.lanes) * self.lanes

    def buffer(self, size: int) -> int:
        """Where so many entries of scratch lie."""
        self._room += size
        return self._room - size

    def table(self, values: Any) -> int:
        """Where integers lie."""
        self._tables.append(np.asarray(values, np.int64).ravel())
        self._entries += self._tables[-1].size
        return self._entries - self._tables[-1].size

    def convolution(self, weight: Array, bias: Array) -> tuple[int, int]:
        """Where a weight (outputs, inputs, K, K), in blocks as kernels take them, and a bias lie."""
        outputs = self.vectors(len(bias))
        spare = [(0, outputs - len(bias))]
        columns = np.pad(weight, [*spare, (0, 0), (0, 0), (0, 0)]).transpose(2, 3, 1, 0).reshape(-1, outputs)
        blocks, at = [], 0
        while at < outputs:
            left = (outputs - at) // self.lanes
            width = self.lanes * (1 if not self._wide or left == 1 else 2 if left < 4 else 4)
            blocks.append(columns[:, at : at + width].ravel())
            at += width
        return self._number(np.concatenate(blocks)), self._number(np.pad(bias, spare))

    def _number(self, values: Array) -> int:
        self._numbers.append(np.asarray(values, self.dtype))
        self._count += values.size
        return self._count - values.size

    def packed(self, to_data: list[Any], to_latent: list[Any], log_det: float) -> Packed:
        """All of it; scratch has a vector more, since kernels read whole ones."""
        numbers = np.concatenate(self._numbers) if self._numbers else np.empty(0, self.dtype)
        programs = [
            np.array([(*r, *[0] * (FIELDS - len(r))) for r in records], np.int64).reshape(-1, FIELDS)
            for records in (to_data, to_latent)
        ]
        tables = np.concatenate(self._tables) if self._tables else np.empty(0, np.int64)
        room = self._room + self.lanes
        known = room, int(self._wide), log_det
        return Packed(aligned(numbers), tables, programs[0], programs[1], *known)


class _PackedLevel:
    """The operations of a level, either way; its weights lie in the packer once."""

    def __init__(self, level: Level, packer: _Packer) -> None:
        self._level, self._packer = level, packer
        image, hidden, out = (packer.vectors(width) for width in level.widths())

        def buffers(count: int, line: int) -> list[tuple[int, int]]:
            return [(packer.buffer(level.room * line), line) for _ in range(count)]

        self._states, self._masked = buffers(2, image), buffers(2 * level.checkered, image)
        self._hidden, self._out = buffers(2, hidden), buffers(1, out)[0]
        pixels = {parity: level.pixels(parity) for parity in (None, 0, 1)}
        self._pixels = {parity: (packer.table(own), len(own)) for parity, own in pixels.items()}
        channels, entries = packer.table(level.places.channel), packer.table(level.places.pixel)
        self._row = channels, level.shape.channels, entries
        self._weights = [self._packed(step) for step in level.steps]

    def _packed(self, step: Mixing | Coupling) -> list[tuple[int, int]]:
        """Where weight and bias lie: of a mixing either way, of a coupling those of each layer."""
        if isinstance(step, Coupling):
            return [self._packer.convolution(layer.weight, layer.bias) for layer in step.conditioner.layers]
        both = (step.weight, step.shift), (step.inverse, step.inverse_shift)
        return [self._packer.convolution(weight[:, :, None, None], shift) for weight, shift in both]

    def records(self, back: bool) -> list[tuple[int, ...]]:
        """The operations, data to latent or back."""
        steps = list(zip(self._level.steps, self._weights, strict=True))
        state, spare = self._states
        records: list[tuple[int, ...]] = [(READ, *self._row, *self._pixels[None], *state)]
        for step, weights in reversed(steps) if back else steps:
            if isinstance(step, Coupling):
                records += self._coupled(step, weights, state, back)
            else:
                own = Layer(step.weight[:, :, None, None], step.shift, rectified=False)
                records += self._convolved(own, weights[back], (state, spare), None)
                state, spare = spare, state
        return [*records, (WRITE, *self._row, *self._pixels[None], *state)]

    def _coupled(
        self, step: Coupling, weights: list[tuple[int, int]], state: tuple[int, int], back: bool
    ) -> list[tuple[int, ...]]:
        """The conditioner's convolutions, of which the last is needed at transformed pixels alone."""
        records: list[tuple[int, ...]] = []
        origin, (start, line), odd = state, state, step.mask.endswith("reversed")
        half, parity = self._level.shape.channels // 2, None
        first, channels = (0, half) if odd else (half, half)
        if step.mask.startswith("checkerboard"):
            first, channels, parity = 0, self._level.shape.channels, int(not odd)
            origin = self._masked[odd]
            records.append((COPY, start, origin[0], line, *self._pixels[odd]))
        else:
            origin = start + half * odd, line
        *hidden, last = zip(step.conditioner.layers, weights, strict=True)
        for index, (layer, own) in enumerate(hidden):
            result = self._hidden[index % 2]
            records += self._convolved(layer, own, (origin, result), None)
            origin = result
        records += self._convolved(*last, (origin, self._out), parity)
        places = self._pixels[parity]
        return [*records, (COUPLE, *self._out, start + first, line, channels, *places, step.form, back)]

    def _convolved(
        self, layer: Layer, weights: tuple[int, int], buffers: tuple[Any, Any], parity: int | None
    ) -> list[tuple[int, ...]]:
        """A convolution from one buffer, (start, entries of a pixel), to another, at pixels of a parity."""
        ((origin, line), result), level = buffers, self._level
        size, channels = layer.weight.shape[-1], layer.weight.shape[1]
        steps = np.arange(size) - size // 2
        taps = self._packer.table(line * ((level.shape.width + 2 * level.border) * steps[:, None] + steps))
        vectors = self._packer.vectors(len(layer.bias)) // self._packer.lanes
        records: list[tuple[int, ...]] = []
        for rows, first, lines, added in passes(level.shape.height, size, layer.rectified):
            low, high = (level.before(row, parity) for row in rows)
            own = taps + first * size, lines * size, channels, layer.rectified, added, first * size, size**2
            places = self._pixels[parity][0] + low, high - low
            records.append((CONVOLVE, *weights, *own, origin, line, *places, *result, vectors))
        return records


def pack(levels: list[Level], dtype: np.dtype[Any], log_det: float) -> Packed:
    """Levels from data to latent; log_det: of data to latent, without that of couplings."""
    packer = _Packer(dtype)
    packed = [_PackedLevel(level, packer) for level in levels]
    to_latent = [record for level in packed for record in level.records(False)]
    to_data = [record for level in reversed(packed) for record in level.records(True)]
    return packer.packed(to_data, to_latent, log_det)
