"""Monotonic rational-quadratic splines of one feature, on the tiles of `layers`.

Durkan, Bekasov, Murray and Papamakarios, "Neural spline flows" (2019): equations 4 (the map), 5 (its
slope) and 6 to 8 (its inverse); the identity beyond the bounds, with slope 1 at them. How the 3 B - 1 outputs
of the network become widths, heights and slopes, by name:

- softclip: softmax of u / (1 + |2 u / ln 1e-3|), slopes exp(u / (1 + |u / ln 1e-3|)) (zuko);
- softplus: 1e-3 + (1 - 1e-3 B) softmax(u), slopes softplus(u) + 1e-3 (nflows).
"""

import math
from typing import Any

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, fma, lanes, magnitude, number, select, square_root
from seqgap.kernels._core.vecmath import exp, exp_normal, log, softplus
from seqgap.kernels._nets.dense import moved, read, write
from seqgap.kernels._nets.stacks import stack_rows

SPLINES = ("softclip", "softplus")
_SOFTCLIP = 0
_CLIP = -1 / math.log(1e-3)
_FLOOR = 1e-3
MOST_SOFTPLUS_BINS = round(1 / _FLOOR)
_END = math.log(math.exp(1 - _FLOOR) - 1)  # softplus of it, and the floor, are 1


@jit_inline
def _clipped(u: Any, rate: Any, start: Any) -> Any:
    return u / (number(start, 1) + magnitude(u) * number(start, rate))


@jit_exact
def _exponentials(variant: Any, parameters: Any, count: Any, pitch: Any, at: Any) -> Any:
    """The exponentials of a softmax in start of its arguments, and their sum."""
    largest, total = read(parameters, at), filled(parameters, number(parameters, 0))
    for k in range(count):
        u = read(parameters, k * pitch + at)
        if variant == _SOFTCLIP:
            u = _clipped(u, 2 * _CLIP, parameters)
            write(parameters, k * pitch + at, u)
        largest = u if k == 0 else select(largest < u, u, largest)
    for k in range(count):
        e = exp(read(parameters, k * pitch + at) - largest)
        write(parameters, k * pitch + at, e)
        total = total + e
    return total


@jit_inline
def _slope(variant: Any, u: Any, start: Any) -> Any:
    if variant == _SOFTCLIP:
        return exp_normal(_clipped(u, _CLIP, start))
    return softplus(u) + number(start, _FLOOR)


@jit_inline
def _bin(form: Any, parameters: Any, bins: Any, pitch: Any, at: Any, value: Any, by_height: Any) -> Any:
    """(x_k, width, y_k, height, slope at k, slope at k + 1) of the bin that holds `value`."""
    variant, bound = form
    bottom, tall = number(parameters, -bound), number(parameters, 2 * bound)
    heights = bins * pitch
    floor = 0.0 if variant == _SOFTCLIP else _FLOOR
    part = number(parameters, 1 - floor * bins) * tall
    rate_x = part / _exponentials(variant, parameters, bins, pitch, at)
    rate_y = part / _exponentials(variant, moved(parameters, heights), bins, pitch, at)
    zero = filled(parameters, number(parameters, 0))
    sum_x = sum_y = zero
    low_x = low_y = bin_x = bin_y = zero + bottom
    width = height = zero
    end = zero + number(parameters, 0.0 if variant == _SOFTCLIP else _END)
    slope_low = slope_high = low = end
    for k in range(bins):
        sum_x = sum_x + read(parameters, k * pitch + at)
        sum_y = sum_y + read(parameters, heights + k * pitch + at)
        start = bottom + tall * number(parameters, floor * (k + 1))
        last = k == bins - 1
        high_x = zero - bottom if last else fma(rate_x, sum_x, start)
        high_y = zero - bottom if last else fma(rate_y, sum_y, start)
        high = end if last else read(parameters, 2 * heights + k * pitch + at)
        before = value < (low_y if by_height else low_x)
        bin_x, width = select(before, bin_x, low_x), select(before, width, high_x - low_x)
        bin_y, height = select(before, bin_y, low_y), select(before, height, high_y - low_y)
        slope_low, slope_high = select(before, slope_low, low), select(before, slope_high, high)
        low_x, low_y, low = high_x, high_y, high
    slopes = _slope(variant, slope_low, parameters), _slope(variant, slope_high, parameters)
    return bin_x, width, bin_y, height, slopes[0], slopes[1]


@jit_inline
def _log_slope(part: Any, steep: Any, low: Any, high: Any, one: Any) -> Any:
    """log dy/dx at the fraction `part` of a bin: equation 5."""
    rest = one - part
    product = part * rest
    twice = steep + steep
    below = fma(low + high - twice, product, steep)
    above = fma(high, part * part, fma(twice, product, low * rest * rest))
    ratio = steep / below
    return log(ratio * (ratio * above))  # in this order: the square of a small ratio is 0


def _spline(forward: bool) -> Any:
    @jit_exact
    def spline(
        form: Any, parameters: Any, outputs: Any, pitch: Any, feature: Any, result: Any, log_det: Any
    ) -> None:
        isolate()
        bins = (outputs + 1) // 3
        zero, one, two = number(feature, 0), number(feature, 1), number(feature, 2)
        bottom, top, none = number(feature, -form[1]), number(feature, form[1]), filled(feature, zero)
        for at in range(0, pitch, lanes(feature)):
            value = read(feature, at)
            x, width, y, height, low, high = _bin(form, parameters, bins, pitch, at, value, forward)
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
            write(log_det, at, read(log_det, at) + inside)

    return spline


ROWS = stack_rows(_spline(True), _spline(False))
