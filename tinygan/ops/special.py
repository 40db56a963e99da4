"""The error function."""

from __future__ import annotations

import math
from typing import Any

from tinygan.autograd import primitive
from tinygan.backend.dtypes import float32, float64
from tinygan.ops.unary import exp

__all__ = ["erf"]

# Chebyshev interpolants, written as polynomials in u in [-1, 1], the highest power first.
# In the centre, |x| < 1: erf(x) / x with u = 2 x^2 - 1.
_CENTRE_64 = (
    1.4543887079465116e-14, -3.8078824063194953e-13, 9.167619596865806e-12,
    -2.035228405815769e-10, 4.115800583208149e-09, -7.511569286591727e-08,
    1.223382738359897e-06, -1.7537169441124866e-05, 0.00021751715604159932,
    -0.0022854855611441132, 0.019852496688983708, -0.1405360890227171, 0.9654687386698673,
)  # fmt: skip
_CENTRE_32 = (
    -7.552378571474216e-08, 1.2316395977478375e-06, -1.7536914180800595e-05,
    0.0002175119906208899, -0.002285485612212242, 0.019852497722455814, -0.14053608902112114,
    0.9654687386375691,
)  # fmt: skip
# In the tail, 1 <= |x| <= 6: exp(x^2) (1 - erf(x)) with u linear in 1 / (1 + 0.4 x).
_TAIL_64 = (
    -1.8267122398153066e-13, -8.406019207648901e-12, 2.6710063729389412e-11,
    2.338483019581727e-10, -1.2856241379437173e-09, -6.149031093818516e-09,
    5.1398324299945966e-08, 2.3120154251095946e-07, -1.9887464312028658e-06,
    -1.4819868128682129e-05, 5.053711009808022e-05, 0.0012493997403918932, 0.009374321292819414,
    0.04499721517041289, 0.15798058438192047, 0.21394805165754285,
)  # fmt: skip
_TAIL_32 = (
    2.1811960364329313e-07, -1.8773261469628761e-06, -1.4810230610384267e-05,
    5.0454530293612545e-05, 0.0012493970838155645, 0.009374344114849716, 0.04499721536908938,
    0.1579805826735012, 0.21394805165754288,
)  # fmt: skip
_LOW, _HIGH = 1 / (1 + 0.4 * 6), 1 / (1 + 0.4)


def _polynomial(coefficients: tuple[float, ...], u: Any) -> Any:
    value = coefficients[0]
    for c in coefficients[1:]:
        value = value * u + c
    return value


@primitive(elementwise=True, real=True)
def erf(xp: Any, x: Any) -> Any:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    double = x.dtype == float64
    z = x if double else x.astype(float32)
    size = xp.minimum(xp.abs(z), 6)  # 1 - erf(6) is 2e-17
    square = size * size
    centre = z * _polynomial(_CENTRE_64 if double else _CENTRE_32, 2 * square - 1)
    u = (2 / (1 + 0.4 * size) - (_LOW + _HIGH)) / (_HIGH - _LOW)
    tail = xp.exp(-square) * _polynomial(_TAIL_64 if double else _TAIL_32, u)
    return xp.where(size < 1, centre, xp.sign(z) * (1 - tail)).astype(x.dtype)


erf.vjp(x=lambda g, x: g * exp(-(x * x)) * (2 / math.sqrt(math.pi)))
erf.kernel("cpu", "tinygan.backend.cpu.elementwise:erf")
