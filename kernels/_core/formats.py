"""What the elementary functions know of float64 and float32: limits, and coefficients of polynomials.

Coefficients: interpolation at Chebyshev nodes in 60 digits, rounded to the type.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types


class Format(NamedTuple):
    """A floating-point type, the limits beyond which a function is constant, and polynomials.

    exp(r) = 1 + r + r * r * P(r), |r| <= log(2) / 2. log(1 + f) = f - s * (f - s * s * P(s * s)),
    s = f / (2 + f). sin(pi / 2 * r) = r * P(r * r) and cos(pi / 2 * r) = P(r * r), |r| <= 1 / 2. Coefficients
    from the constant upwards. Numbers are of the type, or, where marked, integers as wide.
    """

    mantissa: Any  # integer: bits stored
    bias: Any  # integer: what is added to an exponent to store it
    lift: Any  # integer: 2**lift makes a subnormal number normal
    root_half: Any  # integer: the bits of sqrt(1/2)
    magic: Any  # adding it rounds to an integer, which is then in the low bits
    lifting: Any  # 2**lift
    smallest_normal: Any
    exp_low: Any  # exp is 0 below
    exp_high: Any  # exp is infinite above
    tanh_high: Any  # tanh is 1 above
    ln2_low: Any  # what float(ln 2) leaves over
    ln2_high: Any  # the first part of ln 2, so short that exponent * ln2_high is exact
    ln2_rest: Any  # the second
    exp: tuple[Any, ...]
    log: tuple[Any, ...]
    sin: tuple[Any, ...]
    cos: tuple[Any, ...]


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
        np.float64, np.int64, 52, exp_low=-746.0, exp_high=710.0, tanh_high=19.07,
        ln2_low=2.3190468138462996e-17,
        ln2_high=0.6931471803691238, ln2_rest=1.9082149292705877e-10,
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
    ),
    types.float32: _format(
        np.float32, np.int32, 23, exp_low=-104.0, exp_high=89.0, tanh_high=9.02,
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
    ),
}  # fmt: skip
