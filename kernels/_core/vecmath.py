"""exp, log, tanh, atanh and their kin, gelu, sines, a clamp: they inline into jitted loops and vectorise.

Numba's wheels carry no vector math library: `math.exp` in a loop is one call of libm for each
element. These are range reductions and polynomials of explicit fused multiply-adds, compiled
without fast-math, so they give the same bits in scalar and in vector code, but for the sign of a NaN;
special values are selects, not branches. All but sines and cosines also take the vectors of simd.

No error measured against mpmath (tests/test_vecmath.py) is above, in units in the last place:

| function | domain | float64 | float32 |
| --- | --- | --- | --- |
| exp | all | 1.1 | 1.0 |
| exp_normal | [-87, 87] | 1.1 | 1.0 |
| exp_negative | at most 0 | 1.1 | 1.0 |
| log | all | 0.9 | 0.9 |
| log_normal | positive normal numbers | 0.9 | 0.9 |
| tanh | all | 2.0 | 1.8 |
| atanh | all | 1.8 | 2.0 |
| expm1_negative | at most 0 | 1.3 | 0.9 |
| sigmoid | all | 1.8 | 2.0 |
| softplus | all | 1.7 | 1.8 |
| gelu | all | 4.0 | 3.7 |
| sincos_turns | all | 1.5 | 1.7 |
| sincos_one_turn | [-1, 1] | 1.5 | 1.7 |

Sine and cosine take turns, not radians: x less its nearest whole number is exact for every x, where
radians would need 2 pi to as many digits as x has bits before its point. log_normal and
sincos_one_turn are what the generator of normals needs of log and sincos_turns; their bits never change.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.kernels._core import llvm
from seqgap.kernels._core.compiler import generated, intrinsic
from seqgap.kernels._core.formats import FORMATS
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.llvm import Vector
from seqgap.kernels._core.simd import (
    bits_of,
    fma,
    from_bits,
    magnitude,
    nearest,
    number,
    select,
    to_float,
    with_sign,
)


def _elementary(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """`function` of a float, or of a vector of them, for jitted code alone."""
    compiled = jit_exact(function)

    @functools.wraps(function)
    def choose(x: Any) -> Any:
        def call(x: Any) -> Any:
            return compiled(x)

        return call if getattr(x, "element", x) in FORMATS else None

    return generated(choose)


@generated
def _format(x: Any) -> Any:
    """The `Format` of a float, or of those in a vector."""
    form = FORMATS[getattr(x, "element", x)]

    def call(x: Any) -> Any:
        return form

    return call


@intrinsic
def _polynomial(typing_context: Any, x: Any, coefficients: Any) -> Any:
    """Horner's rule by fused multiply-adds, unrolled; coefficients from the constant upwards."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        point, table = arguments
        terms = [builder.extract_value(table, i) for i in range(len(coefficients))]
        if isinstance(x, Vector):
            terms = [llvm.splat(builder, term, x.lanes) for term in terms]
        value = terms.pop()
        while terms:
            value = llvm.call_fma(builder, value, point, terms.pop())
        return value

    return x(x, coefficients), codegen


@jit_exact
def _exp_parts(y: Any) -> Any:
    """r, P(r) and k: y = k log(2) + r with |r| <= log(2) / 2, and exp(r) = 1 + r + r * r * P(r)."""
    f = _format(y)
    rounded = fma(y, number(y, math.log2(math.e)), f.magic)
    n = rounded - f.magic
    r = fma(-n, f.ln2_low, fma(-n, number(y, math.log(2)), y))
    return r, _polynomial(r, f.exp), bits_of(rounded) - bits_of(f.magic)


@jit_exact
def _power_of_two(k: Any, like: Any) -> Any:
    f = _format(like)
    return from_bits((k + f.bias) << f.mantissa, like)


@_elementary
def exp(x: Any) -> Any:
    """e to the power x; all inputs, subnormal results, overflow to inf, inf and NaN included."""
    f = _format(x)
    # Comparisons, not min and max: a NaN fails both and stays.
    r, p, k = _exp_parts(select(x < f.exp_low, f.exp_low, select(x > f.exp_high, f.exp_high, x)))
    first = k >> number(k, 1)  # two factors, so that subnormal results and overflow come out right
    return (fma(r * r, p, r) + number(x, 1)) * _power_of_two(first, x) * _power_of_two(k - first, x)


@_elementary
def exp_normal(x: Any) -> Any:
    """e to the power x, the bits of `exp`, where that is a normal number (|x| at most 87) or NaN."""
    r, p, k = _exp_parts(x)
    return (fma(r * r, p, r) + number(x, 1)) * _power_of_two(k, x)


@_elementary
def exp_negative(x: Any) -> Any:
    """e to the power x for x at most 0, NaN of NaN: the bits of `exp`, but 0 for x below -708 or -87."""
    return select(x < _format(x).exp_smallest, number(x, 0), exp_normal(x))


@jit_exact
def _expm1_parts(y: Any) -> Any:
    """exp(y) - 1 with all its digits near 0 too, and what is beyond y where k = 0."""
    r, p, k = _exp_parts(y)
    power = _power_of_two(k, y)
    return fma(power, fma(r * r, p, r), power - number(y, 1)), r * r * p


@_elementary
def tanh(x: Any) -> Any:
    """Hyperbolic tangent; all inputs: odd, x itself where that is the nearest value, 0 keeps its sign."""
    size, one, two = magnitude(x), number(x, 1), number(x, 2)
    e, beyond = _expm1_parts(two * size)
    # e / (e + 2), as what it differs by from a value known exactly, for the sake of the roundings.
    near = size < number(x, 0.17)  # where k = 0 and r = 2 |x|
    known = select(near, size, number(x, 0.25))
    rest = select(near, fma(-size, e, beyond), fma(number(x, 0.75), e, number(x, -0.5)))
    return with_sign(select(size > _format(x).tanh_high, one, known + rest / (e + two)), x)


@_elementary
def expm1_negative(x: Any) -> Any:
    """exp(x) - 1 for x at most 0, NaN of NaN; beyond it right as far as exp(x) is a normal number."""
    low = number(x, -50)
    return _expm1_parts(select(x < low, low, x))[0]


@_elementary
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)); all inputs."""
    e, one = exp(-magnitude(x)), number(x, 1)
    return select(x < number(x, 0), e, one) / (one + e)


@_elementary
def softplus(x: Any) -> Any:
    """log(1 + exp(x)); all inputs."""
    e, zero, one = exp(-magnitude(x)), number(x, 0), number(x, 1)
    y = one + e
    log1p = log_normal(y) + (e - (y - one)) / y  # with what the sum lost
    return select(x < zero, zero, x) + log1p


@_elementary
def gelu(x: Any) -> Any:
    """x / 2 * (1 + erf(x / sqrt(2))), which is max(x, 0) - s / 2 * erfc(s / sqrt(2)), s = |x|; all inputs."""
    high, size, half = _format(x).gelu_high, magnitude(x), number(x, -0.5)
    s = select(size > high, high, size)
    square, w = s * s, s / (s + number(x, 4))
    lost = fma(s, s, -square)  # exp would make many units of it
    tail = w * _polynomial(fma(number(x, 2), w, number(x, -1)), _format(x).gelu)
    tail = exp(half * square) * fma(half * lost, tail, tail)
    return select(x < number(x, 0), number(x, -0.0), x) - tail


@jit_exact
def _lowered_log(x: Any, lift: Any) -> Any:
    """log(x / 2**lift) of a positive normal number."""
    form, bits = _format(x), bits_of(x)
    exponent = (bits - form.root_half) >> form.mantissa
    f = from_bits(bits - (exponent << form.mantissa), x) - number(x, 1)  # in [sqrt(1/2), sqrt(2)) - 1
    s = f / (number(x, 2) + f)
    z = s * s
    tail = f - z * _polynomial(z, form.log)  # log(1 + f) = f - s * (f - z * P(z))
    e = to_float(exponent - lift, x)
    return fma(e, form.ln2_high, f - fma(s, tail, -(e * form.ln2_rest)))


@_elementary
def log_normal(x: Any) -> Any:
    """Natural logarithm of a positive normal number; any other input gives garbage."""
    return _lowered_log(x, number(bits_of(x), 0))


@_elementary
def log(x: Any) -> Any:
    """Natural logarithm; all inputs: -inf of either 0, NaN below 0, inf of inf, NaN of NaN."""
    f, zero, infinity = _format(x), number(x, 0), number(x, np.inf)
    low = x < f.smallest_normal
    value = _lowered_log(select(low, x * f.lifting, x), select(low, f.lift, number(f.lift, 0)))
    finite = select(x < infinity, value, x)  # infinity and NaN stay
    return select(x > zero, finite, select(x < zero, number(x, np.nan), x - infinity))


@_elementary
def atanh(x: Any) -> Any:
    """Inverse hyperbolic tangent; all inputs: infinite of 1 and -1, NaN beyond, 0 keeps its sign."""
    size, one = magnitude(x), number(x, 1)
    u = (size + size) / (one - size)
    y = one + u
    value = number(x, 0.5) * (log(y) + (u - (y - one)) / y)  # log(1 + u), with what the sum lost
    edge = select(size > one, number(x, np.nan), size + number(x, np.inf))
    return with_sign(select(size < one, value, edge), x)


@_elementary
def sincos_one_turn(x: Any) -> Any:
    """(sin, cos) of x turns for |x| at most 1; beyond it garbage."""
    f, four = _format(x), number(x, 4)
    rounded = fma(x, four, f.magic)
    r = fma(x, four, f.magic - rounded)  # quarter turns left over, in [-1/2, 1/2]
    quadrant, square = bits_of(rounded), r * r
    one, two = number(quadrant, 1), number(quadrant, 2)
    sine, cosine = r * _polynomial(square, f.sin), _polynomial(square, f.cos)
    odd = (quadrant & one) != 0
    first = cosine if odd else sine
    second = sine if odd else cosine
    negative = (quadrant & two) != 0, ((quadrant + one) & two) != 0
    return -first if negative[0] else first, -second if negative[1] else second


@_elementary
def sincos_turns(x: Any) -> Any:
    """(sin, cos) of x turns, that is of 2 pi x; all inputs, NaN of inf and NaN."""
    return sincos_one_turn(x - np.rint(x))


@jit_exact
def sincos_lanes(x: Any) -> Any:
    """`sincos_turns` of each lane of a vector, with its bits: vectors have no integers to mask."""
    x = x - nearest(x)
    f, four, quarter = _format(x), number(x, 4), number(x, 0.25)
    rounded = fma(x, four, f.magic)
    r, quadrant = fma(x, four, f.magic - rounded), rounded - f.magic
    square, half = r * r, number(x, 0.5) * quadrant
    sine, cosine = r * _polynomial(square, f.sin), _polynomial(square, f.cos)
    odd = magnitude(half - nearest(half)) > quarter
    first, second = select(odd, cosine, sine), select(odd, sine, cosine)
    turn = quarter * quadrant
    turn = turn - nearest(turn)  # 0, 1/4, 1/2 or -1/2, -1/4 of a turn
    low, high = number(x, -0.3), number(x, 0.3)
    eighth = number(x, 0.125)
    first = select(turn > high, -first, select(turn < -eighth, -first, first))
    second = select(turn > eighth, -second, select(turn < low, -second, second))
    return first, second


@jit_exact
def clamp(x: Any, limit: Any) -> Any:
    """x held to [-limit, limit]; NaN stays NaN, which min and max would not promise."""
    return select(x < -limit, -limit, select(x > limit, limit, x))
