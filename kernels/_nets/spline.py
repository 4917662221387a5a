"""Monotonic rational-quadratic splines of one feature, for the tiles of _stack.

Durkan, Bekasov, Murray and Papamakarios, "Neural spline flows" (2019): equations 4 (the map), 5 (its
slope) and 6 to 8 (its inverse); the identity beyond the bounds, with slope 1 at them. How the 3 B - 1 numbers
of the network become widths, heights and slopes, by name:

- softclip: softmax of u / (1 + |2 u / ln 1e-3|), slopes exp(u / (1 + |u / ln 1e-3|)) (zuko);
- softplus: 1e-3 + (1 - 1e-3 B) softmax(u), slopes softplus(u) + 1e-3 (nflows).
"""

import math
from typing import Any

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, fma, lanes, magnitude, select, square_root
from seqgap.kernels._core.vecmath import exp, exp_normal, log, softplus
from seqgap.kernels._nets.dense import moved, number, read, write
from seqgap.kernels._nets.layers import stack_rows

SPLINES = ("softclip", "softplus")
_SOFTCLIP = 0
_CLIP = -1 / math.log(1e-3)
_FLOOR = 1e-3
_END = math.log(math.exp(1 - _FLOOR) - 1)  # softplus of it, and the floor, are 1


@jit_inline
def _clipped(u: Any, rate: Any, place: Any) -> Any:
    return u / (number(place, 1) + magnitude(u) * number(place, rate))


@jit_exact
def _exponentials(kind: Any, numbers: Any, count: Any, pitch: Any, at: Any) -> Any:
    """The exponentials of a softmax in place of its arguments, and their sum."""
    step, largest, total = 0, read(numbers, at), filled(numbers, number(numbers, 0))
    for k in range(count):
        u = read(numbers, step + at)
        if kind == _SOFTCLIP:
            u = _clipped(u, 2 * _CLIP, numbers)
            write(numbers, step + at, u)
        largest = u if k == 0 else select(largest < u, u, largest)
        step += pitch
    step = 0
    for _ in range(count):
        e = exp(read(numbers, step + at) - largest)
        write(numbers, step + at, e)
        total = total + e
        step += pitch
    return total


@jit_inline
def _slope(kind: Any, u: Any, place: Any) -> Any:
    if kind == _SOFTCLIP:
        return exp_normal(_clipped(u, _CLIP, place))
    return softplus(u) + number(place, _FLOOR)


@jit_inline
def _bin(
    kind: Any, bound: Any, numbers: Any, bins: Any, pitch: Any, at: Any, value: Any, by_height: Any
) -> Any:
    """(x_k, width, y_k, height, slope at k, slope at k + 1) of the bin that holds `value`."""
    bottom, tall = number(numbers, -bound), number(numbers, 2 * bound)
    heights = bins * pitch
    floor = 0.0 if kind == _SOFTCLIP else _FLOOR
    part = number(numbers, 1 - floor * bins) * tall
    rate_x = part / _exponentials(kind, numbers, bins, pitch, at)
    rate_y = part / _exponentials(kind, moved(numbers, heights), bins, pitch, at)
    zero = filled(numbers, number(numbers, 0))
    sum_x = sum_y = zero
    low_x = low_y = found_x = found_y = zero + bottom
    width = height = zero
    end = zero + number(numbers, 0.0 if kind == _SOFTCLIP else _END)
    slope_low = slope_high = low = end
    for k in range(bins):
        sum_x, sum_y = sum_x + read(numbers, k * pitch + at), sum_y + read(numbers, heights + k * pitch + at)
        start = bottom + tall * number(numbers, floor * (k + 1))
        last = k == bins - 1
        high_x = zero - bottom if last else fma(rate_x, sum_x, start)
        high_y = zero - bottom if last else fma(rate_y, sum_y, start)
        high = end if last else read(numbers, 2 * heights + k * pitch + at)
        before = value < (low_y if by_height else low_x)
        found_x, width = select(before, found_x, low_x), select(before, width, high_x - low_x)
        found_y, height = select(before, found_y, low_y), select(before, height, high_y - low_y)
        slope_low, slope_high = select(before, slope_low, low), select(before, slope_high, high)
        low_x, low_y, low = high_x, high_y, high
    return (
        found_x,
        width,
        found_y,
        height,
        _slope(kind, slope_low, numbers),
        _slope(kind, slope_high, numbers),
    )


@jit_inline
def _log_slope(part: Any, steep: Any, low: Any, high: Any, one: Any) -> Any:
    """log dy/dx at the fraction `part` of a bin: equation 5."""
    rest = one - part
    product = part * rest
    twice = steep + steep
    below = fma(low + high - twice, product, steep)
    above = fma(high, part * part, fma(twice, product, low * rest * rest))
    ratio = steep / below
    return log(ratio * ratio * above)


def _spline(forward: bool) -> Any:
    @jit_exact
    def spline(
        kind: Any, bound: Any, numbers: Any, each: Any, pitch: Any, given: Any, result: Any, total: Any,
        vectors: Any,
    ) -> None:  # fmt: skip
        isolate()
        step, bins = lanes(given), (each + 1) // 3
        zero, one, two = number(given, 0), number(given, 1), number(given, 2)
        bottom, top, none = number(given, -bound), number(given, bound), filled(given, zero)
        for at in range(0, vectors * step, step):
            value = read(given, at)
            x, width, y, height, low, high = _bin(kind, bound, numbers, bins, pitch, at, value, forward)
            steep = height / width
            bend = low + high - two * steep
            if forward:
                up = value - y
                a = fma(up, bend, height * (steep - low))
                b = height * low - up * bend
                c = -steep * up
                square = fma(b, b, -(two + two) * a * c)
                root = square_root(select(square < zero, zero, square))
                # Of the two forms of the root that where nothing cancels.
                part = select(b < zero, (root - b) / (two * a), -two * c / (b + root))
                part = select(part < zero, zero, select(part > one, one, part))
                moved_to, slope = fma(part, width, x), -_log_slope(part, steep, low, high, one)
            else:
                part = (value - x) / width
                product = part * (one - part)
                rise = height * fma(steep, part * part, low * product)
                moved_to = y + rise / fma(bend, product, steep)
                slope = _log_slope(part, steep, low, high, one)
            write(result, at, select(value > bottom, select(value < top, moved_to, value), value))
            inside = select(value > bottom, select(value < top, slope, none), none)
            write(total, at, read(total, at) + inside)

    return spline


ROWS = stack_rows(_spline(True), _spline(False))
