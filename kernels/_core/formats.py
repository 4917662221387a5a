"""What the elementary functions know of float64 and float32: limits, and coefficients of polynomials.

Coefficients: interpolation at Chebyshev nodes in 60 digits, rounded to the type.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types


class Format(NamedTuple):
    """A floating-point type, the limits beyond which a function is constant, and polynomials.

    exp(r) = 1 + r + r * r * P(r), |r| <= log(2) / 2. log(1 + f) = f - s * (f - s * s * P(s * s)),
    s = f / (2 + f). sin(pi / 2 * r) = r * P(r * r) and cos(pi / 2 * r) = P(r * r), |r| <= 1 / 2.
    s / 2 * erfc(s / sqrt(2)) = exp(-s * s / 2) * w * P(2 * w - 1), w = s / (s + 4), 0 <= s <= gelu_high: P is
    off by at most 2.1e-16 of its value in float64 and 2.1e-8 in float32. Coefficients from the constant
    upwards. Numbers are of the type, or, where marked, integers as wide.
    """

    mantissa: Any  # integer: bits stored
    bias: Any  # integer: what is added to an exponent to store it
    lift: Any  # integer: 2**lift makes a subnormal number normal
    root_half: Any  # integer: the bits of sqrt(1/2)
    magic: Any  # adding it rounds to an integer, which is then in the low bits
    lifting: Any  # 2**lift
    smallest_normal: Any
    exp_low: Any  # exp is 0 below
    exp_smallest: Any  # exp is a normal number from here to 0
    exp_high: Any  # exp is infinite above
    tanh_high: Any  # tanh is 1 above
    gelu_high: Any  # gelu(x) is x above, and gelu(-x) is -0
    ln2_low: Any  # what float(ln 2) leaves over
    ln2_high: Any  # the first part of ln 2, so short that exponent * ln2_high is exact
    ln2_rest: Any  # the second
    exp: tuple[Any, ...]
    log: tuple[Any, ...]
    sin: tuple[Any, ...]
    cos: tuple[Any, ...]
    gelu: tuple[Any, ...]


def _format(real: Any, integer: Any, mantissa: int, **values: Any) -> Format:
    values |= {"magic": 1.5 * 2.0**mantissa, "lifting": 2.0 ** (mantissa + 2)}
    return Format(
        mantissa=integer(mantissa),
        bias=integer(np.finfo(real).maxexp - 1),
        lift=integer(mantissa + 2),
        root_half=real(np.sqrt(0.5)).view(integer),
        smallest_normal=np.finfo(real).tiny,
        **{k: tuple(map(real, v)) if isinstance(v, tuple) else real(v) for k, v in values.items()},
    )


FORMATS = {
    types.float64: _format(
        np.float64, np.int64, 52, exp_low=-746.0, exp_smallest=-708.0, exp_high=710.0,
        tanh_high=19.07, gelu_high=39.0,
        ln2_low=2.3190468138462996e-17, ln2_high=0.6931471803691238, ln2_rest=1.9082149292705877e-10,
        exp=(
            0.5, 0.16666666666666669, 0.041666666666623824, 0.008333333333330039,
            0.0013888888917367081, 0.00019841269863171557, 2.4801521057868204e-05,
            2.7557268276905696e-06, 2.7620201591031547e-07, 2.5100472505694996e-08,
        ),
        log=(
            0.666666666666667, 0.3999999999989889, 0.28571428626253836,
            0.22222211089379493, 0.18182892432537032, 0.15331611722050653, 0.14617807153462828,
        ),
        sin=(
            1.5707963267948966, -0.6459640975062443, 0.07969262624604276,
            -0.004681754132336218, 0.00016044115070141775, -3.59864319355575e-06,
            5.6339105980534633e-08,
        ),
        cos=(
            1.0, -1.2337005501361697, 0.2536695079010467, -0.020863480763311126,
            0.000919260274182107, -2.520203676375042e-05, 4.710609515348118e-07,
            -6.321230856185146e-09,
        ),
        gelu=(
            0.7552851304157515, -0.607896641971891, 0.3871374007422045, -0.1865218579597736,
            0.06039657489137532, -0.00754018896310587, -0.003479692374410255, 0.0016308184055919227,
            0.00013334436347723014, -0.00023109452349699203, -1.9084176255120743e-06,
            3.514272874233549e-05, 7.166154819147747e-07, -5.914380081034766e-06,
            -6.277422341697653e-07, 1.0109156422074605e-06, 2.654359145965975e-07,
            -1.4350074067758307e-07, -7.548408794530701e-08, 7.275819365679484e-09,
            1.1778492581634052e-08, 2.1976330925973466e-09,
        ),
    ),
    types.float32: _format(
        np.float32, np.int32, 23, exp_low=-104.0, exp_smallest=-87.0, exp_high=89.0,
        tanh_high=9.02, gelu_high=15.0,
        ln2_low=-1.904654299957768e-09,
        ln2_high=0.693145751953125, ln2_rest=1.4286068203094173e-06,
        exp=(
            0.5, 0.1666666716337204, 0.041666463017463684, 0.00833331048488617,
            0.0013933731243014336, 0.000198910798644647,
        ),
        log=(0.6666668653488159, 0.3998875916004181, 0.29580986499786377),
        sin=(
            1.5707963705062866, -0.6459640860557556, 0.07969257980585098,
            -0.004681265912950039, 0.00015820541011635214,
        ),
        cos=(1.0, -1.2337005138397217, 0.25366920232772827, -0.020860066637396812, 0.0009036218398250639),
        gelu=(
            0.7552851438522339, -0.6078966856002808, 0.38713735342025757, -0.1865212768316269,
            0.06039753183722496, -0.007545268163084984, -0.003489317372441292, 0.0016452192794531584,
            0.0001710546057438478, -0.00023179868003353477, -5.155659164302051e-05,
        ),
    ),
}  # fmt: skip
