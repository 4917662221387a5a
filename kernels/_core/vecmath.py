"""exp, log, tanh and their kin, sines, a clamp: they inline into jitted loops and vectorise; for jitted code.

Numba's wheels carry no vector math library: `math.exp` in a loop is one call of libm for each
element. These are range reductions and polynomials of explicit fused multiply-adds, compiled
without fast-math, so they give the same bits in scalar and in vector code; special values are
selects, not branches. All but sines and cosines also take the vectors of _simd. Coefficients:
interpolation at Chebyshev nodes in 60 digits, rounded to the type.

No error measured against mpmath (tests/test_vecmath.py) is above, in units in the last place:

| function | domain | float64 | float32 |
| --- | --- | --- | --- |
| exp | all | 1.1 | 1.0 |
| exp_normal | [-87, 87] | 1.1 | 1.0 |
| log | all | 0.9 | 0.9 |
| log_normal | positive normal numbers | 0.9 | 0.9 |
| tanh | all | 2.0 | 1.8 |
| expm1_negative | at most 0 | 1.3 | 0.9 |
| sigmoid | all | 1.8 | 2.0 |
| softplus | all | 1.7 | 1.8 |
| sincos_turns | all | 1.5 | 1.7 |
| sincos_one_turn | [-1, 1] | 1.5 | 1.7 |

Sine and cosine take turns, not radians: x less its nearest whole number is exact for every x, where
radians would need 2 pi to as many digits as x has bits before its point. log_normal and
sincos_one_turn are what the generator of normals needs of log and sincos_turns; their bits never change.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.simd import (
    Vector,
    bits_of,
    call_fma,
    fma,
    from_bits,
    magnitude,
    select,
    splat,
    to_float,
    with_sign,
)


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


# What float(ln 2) leaves over, and ln 2 split so that exponent * high is exact.
_LN2_LOW = {np.float64: 2.3190468138462996e-17, np.float32: -1.904654299957768e-09}
_LN2_SPLIT = {
    np.float64: (0.6931471803691238, 1.9082149292705877e-10),
    np.float32: (0.693145751953125, 1.4286068203094173e-06),
}
# exp(r) = 1 + r + r * r * P(r), |r| <= log(2) / 2
_EXP_P = {
    np.float64: _table(
        np.float64, 0.5, 0.16666666666666669, 0.041666666666623824, 0.008333333333330039,
        0.0013888888917367081, 0.00019841269863171557, 2.4801521057868204e-05,
        2.7557268276905696e-06, 2.7620201591031547e-07, 2.5100472505694996e-08,
    ),
    np.float32: _table(
        np.float32, 0.5, 0.1666666716337204, 0.041666463017463684, 0.00833331048488617,
        0.0013933731243014336, 0.000198910798644647,
    ),
}  # fmt: skip
# log(1 + f) = f - s * (f - s * s * P(s * s)), s = f / (2 + f)
_LOG_P = {
    np.float64: _table(
        np.float64, 0.666666666666667, 0.3999999999989889, 0.28571428626253836,
        0.22222211089379493, 0.18182892432537032, 0.15331611722050653, 0.14617807153462828,
    ),
    np.float32: _table(np.float32, 0.6666668653488159, 0.3998875916004181, 0.29580986499786377),
}  # fmt: skip
# sin(pi / 2 * r) = r * P(r * r), |r| <= 1 / 2
_SIN_P = {
    np.float64: _table(
        np.float64, 1.5707963267948966, -0.6459640975062443, 0.07969262624604276,
        -0.004681754132336218, 0.00016044115070141775, -3.59864319355575e-06,
        5.6339105980534633e-08,
    ),
    np.float32: _table(
        np.float32, 1.5707963705062866, -0.6459640860557556, 0.07969257980585098,
        -0.004681265912950039, 0.00015820541011635214,
    ),
}  # fmt: skip
# cos(pi / 2 * r) = P(r * r), |r| <= 1 / 2
_COS_P = {
    np.float64: _table(
        np.float64, 1.0, -1.2337005501361697, 0.2536695079010467, -0.020863480763311126,
        0.000919260274182107, -2.520203676375042e-05, 4.710609515348118e-07,
        -6.321230856185146e-09,
    ),
    np.float32: _table(
        np.float32, 1.0, -1.2337005138397217, 0.25366920232772827, -0.020860066637396812,
        0.0009036218398250639,
    ),
}  # fmt: skip


class _Format(NamedTuple):
    """A floating-point type and the limits beyond which a function is constant."""

    real: Any
    integer: Any  # as wide
    mantissa: int  # bits stored
    exp_low: float  # exp is 0 below
    exp_high: float  # exp is infinite above
    tanh_high: float  # tanh is 1 above

    @property
    def magic(self) -> Any:
        """Adding it rounds to an integer, which is then in the low bits."""
        return self.real(1.5 * 2.0**self.mantissa)

    @property
    def bias(self) -> Any:
        """What is added to an exponent to store it."""
        return self.integer(2 ** (8 * self.real().itemsize - self.mantissa - 2) - 1)


_FORMATS = {
    types.float64: _Format(np.float64, np.int64, 52, -746.0, 710.0, 19.07),
    types.float32: _Format(np.float32, np.int32, 23, -104.0, 89.0, 9.02),
}


def _exp_parts(f: _Format) -> Any:
    real, magic, p = f.real, f.magic, _EXP_P[f.real]
    log2_e, ln2_high, ln2_low = real(1.4426950408889634), real(0.6931471805599453), real(_LN2_LOW[real])

    @jit_exact
    def exp_parts(y: Any) -> Any:
        """r, P(r) and k: y = k log(2) + r with |r| <= log(2) / 2, and exp(r) = 1 + r + r * r * P(r)."""
        rounded = fma(y, log2_e, magic)
        n = rounded - magic
        r = fma(-n, ln2_low, fma(-n, ln2_high, y))
        return r, _polynomial(r, p), bits_of(rounded) - bits_of(magic)

    return exp_parts


def _exp(f: _Format) -> Any:
    real, integer, bias, shift = f.real, f.integer, f.bias, f.integer(f.mantissa)
    low, high, one, half = real(f.exp_low), real(f.exp_high), real(1), integer(1)
    exp_parts = _exp_parts(f)

    @jit_exact
    def exp(x: Any) -> Any:
        # Comparisons, not min and max: a NaN fails both and stays.
        r, p, k = exp_parts(select(x < low, low, select(x > high, high, x)))
        first = k >> half  # two factors, so that subnormal results and overflow come out right
        scaled = (fma(r * r, p, r) + one) * from_bits((first + bias) << shift, x)
        return scaled * from_bits((k - first + bias) << shift, x)

    return exp


def _exp_normal(f: _Format) -> Any:
    one, bias, shift = f.real(1), f.bias, f.integer(f.mantissa)
    exp_parts = _exp_parts(f)

    @jit_exact
    def exp_normal(x: Any) -> Any:
        r, p, k = exp_parts(x)
        return (fma(r * r, p, r) + one) * from_bits((k + bias) << shift, x)

    return exp_normal


def _expm1_parts(f: _Format) -> Any:
    one, bias, shift = f.real(1), f.bias, f.integer(f.mantissa)
    exp_parts = _exp_parts(f)

    @jit_exact
    def expm1_parts(y: Any) -> Any:
        """exp(y) - 1 with all its digits near 0 too, and what is beyond y where k = 0."""
        r, p, k = exp_parts(y)
        power = from_bits((k + bias) << shift, y)
        return fma(power, fma(r * r, p, r), power - one), r * r * p

    return expm1_parts


def _tanh(f: _Format) -> Any:
    real, high, near_limit = f.real, f.real(f.tanh_high), f.real(0.17)
    one, two, half, quarter, three_quarters = (real(x) for x in (1, 2, 0.5, 0.25, 0.75))
    expm1_parts = _expm1_parts(f)

    @jit_exact
    def tanh(x: Any) -> Any:
        size = magnitude(x)
        e, beyond = expm1_parts(two * size)
        # e / (e + 2), as what it differs by from a value known exactly, for the sake of the roundings.
        near = size < near_limit  # where k = 0 and r = 2 |x|
        known = select(near, size, quarter)
        rest = select(near, fma(-size, e, beyond), fma(three_quarters, e, -half))
        return with_sign(select(size > high, one, known + rest / (e + two)), x)

    return tanh


def _expm1_negative(f: _Format) -> Any:
    low, expm1_parts = f.real(-50), _expm1_parts(f)

    @jit_exact
    def expm1_negative(x: Any) -> Any:
        value, _ = expm1_parts(select(x < low, low, x))
        return value

    return expm1_negative


def _sigmoid(f: _Format) -> Any:
    one, zero, exp = f.real(1), f.real(0), _exp(f)

    @jit_exact
    def sigmoid(x: Any) -> Any:
        e = exp(-magnitude(x))
        return select(x < zero, e, one) / (one + e)

    return sigmoid


def _softplus(f: _Format) -> Any:
    one, zero, exp, log_normal = f.real(1), f.real(0), _exp(f), _log_normal(f)

    @jit_exact
    def softplus(x: Any) -> Any:
        e = exp(-magnitude(x))
        y = one + e
        log1p = log_normal(y) + (e - (y - one)) / y  # with what the sum lost
        return select(x < zero, zero, x) + log1p

    return softplus


def _lowered_log(f: _Format) -> Any:
    real, integer, shift, p = f.real, f.integer, f.integer(f.mantissa), _LOG_P[f.real]
    one, two, root_half = real(1), real(2), real(np.sqrt(0.5)).view(integer)
    ln2_high, ln2_low = real(_LN2_SPLIT[real][0]), real(_LN2_SPLIT[real][1])

    @jit_exact
    def lowered_log(x: Any, lift: Any) -> Any:
        """log(x / 2**lift) of a positive normal number."""
        bits = bits_of(x)
        exponent = (bits - root_half) >> shift
        f = from_bits(bits - (exponent << shift), x) - one  # in [sqrt(1/2), sqrt(2)) - 1
        s = f / (two + f)
        z = s * s
        tail = f - z * _polynomial(z, p)  # log(1 + f) = f - s * (f - z * P(z))
        e = to_float(exponent - lift, x)
        return fma(e, ln2_high, f - fma(s, tail, -(e * ln2_low)))

    return lowered_log


def _log_normal(f: _Format) -> Any:
    lowered_log, none = _lowered_log(f), f.integer(0)

    @jit_exact
    def log_normal(x: Any) -> Any:
        return lowered_log(x, none)

    return log_normal


def _log(f: _Format) -> Any:
    zero, infinity, nan = f.real(0), f.real(np.inf), f.real(np.nan)
    smallest_normal, lifting = np.finfo(f.real).tiny, f.real(2.0 ** (f.mantissa + 2))
    none, lift = f.integer(0), f.integer(f.mantissa + 2)
    lowered_log = _lowered_log(f)

    @jit_exact
    def log(x: Any) -> Any:
        low = x < smallest_normal
        value = lowered_log(select(low, x * lifting, x), select(low, lift, none))
        finite = select(x < infinity, value, x)  # infinity and NaN stay
        return select(x > zero, finite, select(x < zero, nan, x - infinity))

    return log


def _sincos_one_turn(f: _Format) -> Any:
    real, integer, magic = f.real, f.integer, f.magic
    p_sin, p_cos = _SIN_P[real], _COS_P[real]
    four, one, two = real(4), integer(1), integer(2)

    @jit_exact
    def sincos_one_turn(turns: Any) -> Any:
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

    return sincos_one_turn


def _sincos_turns(f: _Format) -> Any:
    sincos_one_turn = _sincos_one_turn(f)

    @jit_exact
    def sincos_turns(turns: Any) -> Any:
        return sincos_one_turn(turns - np.rint(turns))

    return sincos_turns


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


def log(x: Any) -> Any:
    """Natural logarithm; all inputs: -inf of either 0, NaN below 0, inf of inf, NaN of NaN."""
    raise TypeError("log is for jitted code only")


def log_normal(x: Any) -> Any:
    """Natural logarithm of a positive normal number; any other input gives garbage."""
    raise TypeError("log_normal is for jitted code only")


def tanh(x: Any) -> Any:
    """Hyperbolic tangent; all inputs: odd, x itself where that is the nearest value, 0 keeps its sign."""
    raise TypeError("tanh is for jitted code only")


def expm1_negative(x: Any) -> Any:
    """exp(x) - 1 for x at most 0, NaN of NaN; beyond it right as far as exp(x) is a normal number."""
    raise TypeError("expm1_negative is for jitted code only")


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)); all inputs."""
    raise TypeError("sigmoid is for jitted code only")


def softplus(x: Any) -> Any:
    """log(1 + exp(x)); all inputs."""
    raise TypeError("softplus is for jitted code only")


def sincos_turns(x: Any) -> Any:
    """(sin, cos) of x turns, that is of 2 pi x; all inputs, NaN of inf and NaN."""
    raise TypeError("sincos_turns is for jitted code only")


def sincos_one_turn(x: Any) -> Any:
    """(sin, cos) of x turns for |x| at most 1; beyond it garbage."""
    raise TypeError("sincos_one_turn is for jitted code only")


def _register(stub: Callable[..., Any], make: Callable[[_Format], Any]) -> None:
    table = {type_: make(form) for type_, form in _FORMATS.items()}

    def choose(x: Any) -> Any:
        function = table.get(getattr(x, "element", x))
        if function is None:
            return None

        def call(x: Any) -> Any:
            return function(x)

        return call

    overload(stub)(choose)


_register(exp, _exp)
_register(exp_normal, _exp_normal)
_register(log, _log)
_register(log_normal, _log_normal)
_register(tanh, _tanh)
_register(expm1_negative, _expm1_negative)
_register(sigmoid, _sigmoid)
_register(softplus, _softplus)
_register(sincos_turns, _sincos_turns)
_register(sincos_one_turn, _sincos_one_turn)
