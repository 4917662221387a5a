"""exp, log, sincos and a clamp that inline into jitted loops and vectorise; for use in jitted code only.

Numba's wheels carry no vector math library: `math.exp` in a loop is one call of libm for each
element. These are range reductions and polynomials of explicit fused multiply-adds, compiled
without fast-math, so they give the same bits in scalar and in vector code. Coefficients:
interpolation at Chebyshev nodes in 60 digits, rounded to the type.

No error measured against mpmath (tests/test_vecmath.py) is above, in units in the last place:

| function | domain | float64 | float32 |
| --- | --- | --- | --- |
| exp | all | 1.1 | 1.0 |
| exp_normal | [-87, 87], NaN | as exp | as exp |
| log_normal | positive normal numbers | 0.9 | 0.9 |
| sincos_turns | [-1, 1] | 1.5 | 1.7 |
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from seqgap.kernels._jit import jit_exact
from seqgap.kernels._simd import Vector, bits_of, call_fma, fma, from_bits, select, splat


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def _polynomial(typing_context: Any, x: Any, coefficients: Any) -> Any:
    """Horner's rule by fused multiply-adds, unrolled; coefficients from the constant upwards."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        point, table = arguments
        terms = [builder.extract_value(table, i) for i in range(len(coefficients))]
        if isinstance(x, Vector):
            terms = [splat(builder, term, x.lanes) for term in terms]
        value = terms.pop()
        while terms:
            value = call_fma(builder, value, point, terms.pop())
        return value

    return x(x, coefficients), codegen


def _table(real: type, *values: float) -> tuple[Any, ...]:
    return tuple(real(value) for value in values)


def _exp_parts(real: Any, integer: Any, mantissa: int, p: Any) -> Any:
    log2_e = real(1.4426950408889634)
    ln2_high = real(0.6931471805599453)
    ln2_low = real(_LN2_LOW[real])
    magic = real(1.5 * 2.0**mantissa)  # adding it rounds to an integer, kept in the low bits
    one = real(1)

    @jit_exact
    def exp_parts(x: Any) -> Any:
        """(value, k) with e**x = value * 2**k and value near 1."""
        rounded = fma(x, log2_e, magic)
        n = rounded - magic
        r = fma(-n, ln2_low, fma(-n, ln2_high, x))
        value = fma(r * r, _polynomial(r, p), r) + one
        return value, bits_of(rounded) - bits_of(magic)

    return exp_parts


def _exp(real: Any, integer: Any, mantissa: int, smallest: float, largest: float, p: Any) -> Any:
    low, high = real(smallest), real(largest)
    shift, bias = integer(mantissa), integer(2 ** (8 * real().itemsize - mantissa - 2) - 1)
    parts = _exp_parts(real, integer, mantissa, p)

    @jit_exact
    def exp(x: Any) -> Any:
        # Comparisons, not min and max: a NaN fails both and stays.
        value, k = parts(select(x < low, low, select(x > high, high, x)))
        half = k >> integer(1)  # two factors, so that subnormal results and overflow come out right
        return value * from_bits((half + bias) << shift, x) * from_bits((k - half + bias) << shift, x)

    @jit_exact
    def exp_normal(x: Any) -> Any:
        value, k = parts(x)
        return value * from_bits((k + bias) << shift, x)

    return exp, exp_normal


def _log_normal(real: Any, integer: Any, mantissa: int, p: Any) -> Any:
    one, two = real(1), real(2)
    ln2_high, ln2_low = real(_LN2_SPLIT[real][0]), real(_LN2_SPLIT[real][1])
    shift = integer(mantissa)
    root_half = real(np.sqrt(0.5)).view(integer)

    @jit_exact
    def log_normal(x: Any) -> Any:
        bits = real(x).view(integer)
        exponent = (bits - root_half) >> shift
        f = integer(bits - (exponent << shift)).view(real) - one  # in [sqrt(1/2), sqrt(2)) - 1
        s = f / (two + f)
        z = s * s
        tail = f - z * _polynomial(z, p)  # log(1 + f) = f - s * (f - z * P(z))
        e = real(exponent)
        return fma(e, ln2_high, f - fma(s, tail, -(e * ln2_low)))

    return log_normal


def _sincos_turns(real: Any, integer: Any, mantissa: int, p_sin: Any, p_cos: Any) -> Any:
    four = real(4)
    magic = real(1.5 * 2.0**mantissa)
    one, two = integer(1), integer(2)

    @jit_exact
    def sincos_turns(turns: Any) -> Any:
        rounded = fma(turns, four, magic)
        r = fma(turns, four, magic - rounded)  # quarter turns left over, in [-1/2, 1/2]
        quadrant = real(rounded).view(integer)
        square = r * r
        sine, cosine = r * _polynomial(square, p_sin), _polynomial(square, p_cos)
        odd = (quadrant & one) != 0
        first = cosine if odd else sine
        second = sine if odd else cosine
        return (
            -first if (quadrant & two) != 0 else first,
            -second if ((quadrant + one) & two) != 0 else second,
        )

    return sincos_turns


# What float(ln 2) leaves over, and ln 2 split so that exponent * high is exact.
_LN2_LOW = {np.float64: 2.3190468138462996e-17, np.float32: -1.904654299957768e-09}
_LN2_SPLIT = {
    np.float64: (0.6931471803691238, 1.9082149292705877e-10),
    np.float32: (0.693145751953125, 1.4286068203094173e-06),
}
_EXP_BOTH = {
    types.float64: _exp(
        np.float64, np.int64, 52, -746.0, 710.0,
        _table(
            np.float64, 0.5, 0.16666666666666669, 0.041666666666623824, 0.008333333333330039,
            0.0013888888917367081, 0.00019841269863171557, 2.4801521057868204e-05,
            2.7557268276905696e-06, 2.7620201591031547e-07, 2.5100472505694996e-08,
        ),
    ),
    types.float32: _exp(
        np.float32, np.int32, 23, -104.0, 89.0,
        _table(
            np.float32, 0.5, 0.1666666716337204, 0.041666463017463684, 0.00833331048488617,
            0.0013933731243014336, 0.000198910798644647,
        ),
    ),
}  # fmt: skip
_EXP = {kind: both[0] for kind, both in _EXP_BOTH.items()}
_EXP_NORMAL = {kind: both[1] for kind, both in _EXP_BOTH.items()}
_LOG_NORMAL = {
    types.float64: _log_normal(
        np.float64, np.int64, 52,
        _table(
            np.float64, 0.666666666666667, 0.3999999999989889, 0.28571428626253836,
            0.22222211089379493, 0.18182892432537032, 0.15331611722050653, 0.14617807153462828,
        ),
    ),
    types.float32: _log_normal(
        np.float32, np.int32, 23,
        _table(np.float32, 0.6666668653488159, 0.3998875916004181, 0.29580986499786377),
    ),
}  # fmt: skip
_SINCOS_TURNS = {
    types.float64: _sincos_turns(
        np.float64, np.int64, 52,
        _table(
            np.float64, 1.5707963267948966, -0.6459640975062443, 0.07969262624604276,
            -0.004681754132336218, 0.00016044115070141775, -3.59864319355575e-06,
            5.6339105980534633e-08,
        ),
        _table(
            np.float64, 1.0, -1.2337005501361697, 0.2536695079010467, -0.020863480763311126,
            0.000919260274182107, -2.520203676375042e-05, 4.710609515348118e-07,
            -6.321230856185146e-09,
        ),
    ),
    types.float32: _sincos_turns(
        np.float32, np.int32, 23,
        _table(
            np.float32, 1.5707963705062866, -0.6459640860557556, 0.07969257980585098,
            -0.004681265912950039, 0.00015820541011635214,
        ),
        _table(
            np.float32, 1.0, -1.2337005138397217, 0.25366920232772827, -0.020860066637396812,
            0.0009036218398250639,
        ),
    ),
}  # fmt: skip


@jit_exact
def clamp(x: Any, limit: Any) -> Any:
    """x held to [-limit, limit]; NaN stays NaN, which min and max would not promise."""
    return select(x < -limit, -limit, select(x > limit, limit, x))


def exp(x: Any) -> Any:
    """e to the power x; all inputs, subnormal results, overflow to inf, inf and NaN included."""
    raise TypeError("exp is for jitted code only")


def exp_normal(x: Any) -> Any:
    """e to the power x, the bits of `exp`, where that is a normal number (|x| at most 87) or NaN."""
    raise TypeError("exp_normal is for jitted code only")


def log_normal(x: Any) -> Any:
    """Natural logarithm of a positive normal number; any other input gives garbage."""
    raise TypeError("log_normal is for jitted code only")


def sincos_turns(x: Any) -> Any:
    """(sin, cos) of x turns, that is of 2 pi x, for |x| at most 1."""
    raise TypeError("sincos_turns is for jitted code only")


def _register(stub: Callable[..., Any], table: dict[Any, Callable[..., Any]]) -> None:
    def choose(x: Any) -> Any:
        function = table.get(getattr(x, "element", x))
        if function is None:
            return None

        def call(x: Any) -> Any:
            return function(x)

        return call

    overload(stub)(choose)


_register(exp, _EXP)
_register(exp_normal, _EXP_NORMAL)
_register(log_normal, _LOG_NORMAL)
_register(sincos_turns, _SINCOS_TURNS)
