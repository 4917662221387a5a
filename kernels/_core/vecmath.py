"""exp, log, tanh and their kin, sines, a clamp: they inline into jitted loops and vectorise.

Numba's wheels carry no vector math library: `math.exp` in a loop is one call of libm for each
element. These are range reductions and polynomials of explicit fused multiply-adds, compiled
without fast-math, so they give the same bits in scalar and in vector code, but for the sign of a NaN;
special values are selects, not branches. All but sines and cosines also take the vectors of simd.

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

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.kernels._core import llvm
from seqgap.kernels._core.compiler import generated, intrinsic
from seqgap.kernels._core.formats import FORMATS, Format
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.llvm import Vector
from seqgap.kernels._core.simd import bits_of, fma, from_bits, magnitude, select, to_float, with_sign


def _of_formats(make: Callable[[Format], Any]) -> Callable[..., Any]:
    """The function of jitted code that `make` compiles for each format, and for vectors of it."""
    compiled = {type_: make(form) for type_, form in FORMATS.items()}

    def choose(x: Any) -> Any:
        function: Any = compiled.get(getattr(x, "element", x))

        def call(x: Any) -> Any:
            return function(x)

        return call if function else None

    for name in ("__name__", "__qualname__", "__doc__"):
        setattr(choose, name, getattr(make, name))
    return generated(choose)


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


@functools.cache
def _exp_parts(f: Format) -> Any:
    real, magic, p = f.real, f.magic, f.table(f.exp)
    log2_e, ln2_high, ln2_low = real(1.4426950408889634), real(0.6931471805599453), real(f.ln2_low)

    @jit_exact
    def exp_parts(y: Any) -> Any:
        """r, P(r) and k: y = k log(2) + r with |r| <= log(2) / 2, and exp(r) = 1 + r + r * r * P(r)."""
        rounded = fma(y, log2_e, magic)
        n = rounded - magic
        r = fma(-n, ln2_low, fma(-n, ln2_high, y))
        return r, _polynomial(r, p), bits_of(rounded) - bits_of(magic)

    return exp_parts


@_of_formats
def exp(f: Format) -> Any:
    """e to the power x; all inputs, subnormal results, overflow to inf, inf and NaN included."""
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


@_of_formats
def exp_normal(f: Format) -> Any:
    """e to the power x, the bits of `exp`, where that is a normal number (|x| at most 87) or NaN."""
    one, bias, shift = f.real(1), f.bias, f.integer(f.mantissa)
    exp_parts = _exp_parts(f)

    @jit_exact
    def exp_normal(x: Any) -> Any:
        r, p, k = exp_parts(x)
        return (fma(r * r, p, r) + one) * from_bits((k + bias) << shift, x)

    return exp_normal


@functools.cache
def _expm1_parts(f: Format) -> Any:
    one, bias, shift = f.real(1), f.bias, f.integer(f.mantissa)
    exp_parts = _exp_parts(f)

    @jit_exact
    def expm1_parts(y: Any) -> Any:
        """exp(y) - 1 with all its digits near 0 too, and what is beyond y where k = 0."""
        r, p, k = exp_parts(y)
        power = from_bits((k + bias) << shift, y)
        return fma(power, fma(r * r, p, r), power - one), r * r * p

    return expm1_parts


@_of_formats
def tanh(f: Format) -> Any:
    """Hyperbolic tangent; all inputs: odd, x itself where that is the nearest value, 0 keeps its sign."""
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


@_of_formats
def expm1_negative(f: Format) -> Any:
    """exp(x) - 1 for x at most 0, NaN of NaN; beyond it right as far as exp(x) is a normal number."""
    low, expm1_parts = f.real(-50), _expm1_parts(f)

    @jit_exact
    def expm1_negative(x: Any) -> Any:
        value, _ = expm1_parts(select(x < low, low, x))
        return value

    return expm1_negative


@_of_formats
def sigmoid(f: Format) -> Any:
    """1 / (1 + exp(-x)); all inputs."""
    one, zero = f.real(1), f.real(0)

    @jit_exact
    def sigmoid(x: Any) -> Any:
        e = exp(-magnitude(x))
        return select(x < zero, e, one) / (one + e)

    return sigmoid


@_of_formats
def softplus(f: Format) -> Any:
    """log(1 + exp(x)); all inputs."""
    one, zero = f.real(1), f.real(0)

    @jit_exact
    def softplus(x: Any) -> Any:
        e = exp(-magnitude(x))
        y = one + e
        log1p = log_normal(y) + (e - (y - one)) / y  # with what the sum lost
        return select(x < zero, zero, x) + log1p

    return softplus


@functools.cache
def _lowered_log(f: Format) -> Any:
    real, integer, shift, p = f.real, f.integer, f.integer(f.mantissa), f.table(f.log)
    one, two, root_half = real(1), real(2), real(np.sqrt(0.5)).view(integer)
    ln2_high, ln2_low = f.table(f.ln2_split)

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


@_of_formats
def log_normal(f: Format) -> Any:
    """Natural logarithm of a positive normal number; any other input gives garbage."""
    lowered_log, none = _lowered_log(f), f.integer(0)

    @jit_exact
    def log_normal(x: Any) -> Any:
        return lowered_log(x, none)

    return log_normal


@_of_formats
def log(f: Format) -> Any:
    """Natural logarithm; all inputs: -inf of either 0, NaN below 0, inf of inf, NaN of NaN."""
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


@_of_formats
def sincos_one_turn(f: Format) -> Any:
    """(sin, cos) of x turns for |x| at most 1; beyond it garbage."""
    real, integer, magic = f.real, f.integer, f.magic
    p_sin, p_cos = f.table(f.sin), f.table(f.cos)
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


@_of_formats
def sincos_turns(f: Format) -> Any:
    """(sin, cos) of x turns, that is of 2 pi x; all inputs, NaN of inf and NaN."""

    @jit_exact
    def sincos_turns(turns: Any) -> Any:
        return sincos_one_turn(turns - np.rint(turns))

    return sincos_turns


@jit_exact
def clamp(x: Any, limit: Any) -> Any:
    """x held to [-limit, limit]; NaN stays NaN, which min and max would not promise."""
    return select(x < -limit, -limit, select(x > limit, limit, x))
