"""Row kernels of flows over images: each row is an image that a list of operations takes through scratch.

An operation is a row of integers: its code, and numbers of entries in scratch, weights and tables. In scratch
an image lies pixel by pixel, its channels side by side in whole vectors, with a border of zeros that nothing
writes. So the work of a row is done in a first- or second-level cache, and its bits depend on that row alone.
"""

from typing import Any

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, fma, lanes, number, scratch, sum_lanes
from seqgap.kernels._core.vecmath import exp, sigmoid, softplus
from seqgap.kernels._nets.convolutions import convolve, keep_first, write_first
from seqgap.kernels._nets.dense import address, entry, moved, put, read, write

FIELDS = 17
READ, WRITE, COPY, CONVOLVE, COUPLE = range(5)
_SIGMOID, _EXP, _EXP_SHIFT, _PRIOR = range(4)


@jit_exact
def _transfer(record: Any, tables: Any, row: Any, room: Any, into: Any) -> None:
    """The image from entries of a row to scratch, or back."""
    isolate()
    channels, entries = moved(tables, entry(record, 1)), moved(tables, entry(record, 3))
    places, pixels = moved(tables, entry(record, 4)), entry(record, 5)
    image, line = moved(room, entry(record, 6)), entry(record, 7)
    for p in range(pixels):
        start, there = entry(entries, p), entry(places, p) * line
        for c in range(entry(record, 2)):
            at = start + entry(channels, c)
            if into:
                put(image, there + c, entry(row, at))
            else:
                put(row, at, entry(image, there + c))


@jit_exact
def _copy(record: Any, tables: Any, room: Any) -> None:
    """Some pixels of an image, to where the others are 0."""
    isolate()
    source, target, line = moved(room, entry(record, 1)), moved(room, entry(record, 2)), entry(record, 3)
    places = moved(tables, entry(record, 4))
    for p in range(entry(record, 5)):
        start = entry(places, p) * line
        for at in range(start, start + line, lanes(room)):
            write(target, at, read(source, at))


@jit_inline
def _convolved(record: Any, tables: Any, numbers: Any, room: Any, wide: Any) -> None:
    weight, bias = moved(numbers, entry(record, 1)), moved(numbers, entry(record, 2))
    distances, taps, channels = moved(tables, entry(record, 3)), entry(record, 4), entry(record, 5)
    rectified, added, first, all_taps = entry(record, 6), entry(record, 7), entry(record, 8), entry(record, 9)
    filters = distances, taps, channels, rectified, added, first, all_taps
    origin = moved(room, entry(record, 10)), entry(record, 11)
    places = moved(tables, entry(record, 12)), entry(record, 13)
    result = moved(room, entry(record, 14)), entry(record, 15)
    convolve(weight, bias, filters, origin, places, result, entry(record, 16), wide)


@jit_inline
def _to_latent(form: Any, x: Any, t: Any, u: Any) -> Any:
    """(z, log dz/dx)."""
    if form == _SIGMOID:
        v = u + number(u, 2)
        return (x + t) * sigmoid(v), -softplus(-v)
    if form == _EXP:
        return (x + t) * exp(u), u
    if form == _EXP_SHIFT:
        return fma(x, exp(u), t), u
    return (x - t) * exp(-u), -u


@jit_inline
def _to_data(form: Any, z: Any, t: Any, u: Any) -> Any:
    """(x, log dx/dz)."""
    if form == _SIGMOID:
        v = u + number(u, 2)
        return z / sigmoid(v) - t, softplus(-v)
    if form == _EXP:
        return z * exp(-u) - t, -u
    if form == _EXP_SHIFT:
        return (z - t) * exp(-u), -u
    return fma(z, exp(u), t), u


@jit_exact
def _couple(record: Any, tables: Any, room: Any) -> Any:
    """The transformed channels of an image, in place; the logarithms of their scales, summed."""
    isolate()
    numbers, pitch = moved(room, entry(record, 1)), entry(record, 2)
    image, line, channels = moved(room, entry(record, 3)), entry(record, 4), entry(record, 5)
    places, pixels = moved(tables, entry(record, 6)), entry(record, 7)
    form, back = entry(record, 8), entry(record, 9)
    total = filled(room, number(room, 0))
    for p in range(pixels):
        place = entry(places, p)
        shifts, there = moved(numbers, place * pitch), moved(image, place * line)
        for at in range(0, channels, lanes(room)):
            t, u, value = read(shifts, at), read(shifts, channels + at), read(there, at)
            if back:
                value, added = _to_data(form, value, t, u)
            else:
                value, added = _to_latent(form, value, t, u)
            write_first(there, at, value, channels - at)
            total = total + keep_first(added, channels - at)
    return sum_lanes(total)


@jit_inline
def _run(program: Any, operations: Any, numbers: Any, row: Any, room: Any) -> Any:
    """All operations on one row; log_det but for its constant part."""
    (start, count), (tables, wide) = operations, program
    log_det = number(row, 0)
    for index in range(count):
        record = moved(start, index * FIELDS)
        code = entry(record, 0)
        if code == CONVOLVE:
            _convolved(record, tables, numbers, room, wide)
        elif code == COUPLE:
            log_det += _couple(record, tables, room)
        elif code == COPY:
            _copy(record, tables, room)
        else:
            _transfer(record, tables, row, room, code == READ)
    return log_det


def _rows(back: bool) -> Any:
    """The row kernel, data to latent or back."""

    @jit_exact
    def rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, program: Any) -> None:
        isolate()
        numbers, tables, to_data, to_latent, size, wide, constant = program
        operations = to_data if back else to_latent
        room, known = scratch(1, size, source), number(source, -constant if back else constant)
        room[:] = 0
        start, count, dim = address(operations, 0), operations.shape[0], source.shape[1]
        weights, indices, buffers = address(numbers, 0), address(tables, 0), address(room, 0)
        for n in range(lo, hi):
            for j in range(dim):
                target[n, j] = source[n, j]
            added = _run((indices, wide), (start, count), weights, address(target, n * dim), buffers)
            log_det[n] = known + added

    return rows


to_data, to_latent = _rows(True), _rows(False)
