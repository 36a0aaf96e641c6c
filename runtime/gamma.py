"""Quantiles of the gamma distribution in pure Python, to 1e-9 relative, at the price of an interpolation.

Theory. With y = ln x, both ln P(a, e^y) and ln Q(a, e^y) (the regularised incomplete gamma functions) are concave in
y, since the distribution of the logarithm of a gamma variable is log-concave. So Newton's method on ln P for the lower
half and on ln Q for the upper half converges from one side without a bracket, in relative terms, in both tails. P comes
from its power series below a + 1 and Q from its continued fraction above (Press et al., "Numerical Recipes", 3rd ed.,
6.2; modified Lentz).

A solution costs some 50 us, so `GammaQuantile` solves at nodes only: as a function of the normal quantile z the
logarithm of the gamma quantile is smooth, and its first two derivatives are known in closed form,

    y' = phi(z) / (x p(x)),    y'' = -y' (z + (a - x) y')

so a quintic Hermite polynomial on cells of 1/16 in z is exact to some 1e-12. A cell is made when it is first needed,
and checked against a solution at its middle, where the error is largest: where it does not hold (shapes near 0, whose
quantile bends sharply) every value of the cell is solved for.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["SHAPE_MAX", "SHAPE_MIN", "GammaQuantile", "gamma_quantile"]

SHAPE_MIN: Final = 1e-6
SHAPE_MAX: Final = 1e5
"""Beyond, the series take too long, and a normal distribution is within 0.01 standard deviations (p0.1 to p99.9)."""

_CELLS: Final = 16
"""Cells for each unit of z."""
_OFFSET: Final = 9 * _CELLS
"""Index of the cell that starts at z = 0; uniforms of 53 bits stay within |z| < 8.3."""
_TOLERANCE: Final = 5e-11
_EPSILON: Final = 2.0**-52
_TINY: Final = 1e-300

_Cell = tuple[float, float, float, float, float, float]


def _log_density(shape: float, y: float) -> float:
    """ln(x p(x)), the density of ln x, at y = ln x."""
    return shape * y - math.exp(y) - math.lgamma(shape)


def _lower(shape: float, y: float) -> tuple[float, float]:
    """P(a, e^y) by its series, as (its logarithm, itself)."""
    x = math.exp(y)
    term = total = 1.0
    a = shape
    while term > total * _EPSILON * 0.25:
        a += 1.0
        term *= x / a
        total += term
    log_p = _log_density(shape, y) - math.log(shape) + math.log(total)
    return log_p, math.exp(min(log_p, 0.0))


def _upper(shape: float, y: float) -> tuple[float, float]:
    """Q(a, e^y) by its continued fraction, as (its logarithm, itself); x is at least a + 1."""
    x = math.exp(y)
    b = x + 1.0 - shape
    c = 1.0 / _TINY
    d = 1.0 / b
    fraction = d
    n = 0
    while True:
        n += 1
        numerator = n * (shape - n)
        b += 2.0
        d = 1.0 / (numerator * d + b or _TINY)
        c = b + numerator / c or _TINY
        fraction *= d * c
        if abs(d * c - 1.0) <= _EPSILON:
            break
    log_q = _log_density(shape, y) + math.log(fraction)
    return log_q, math.exp(min(log_q, 0.0))


def _log_cdf(shape: float, y: float, *, lower: bool) -> float:
    """The logarithm of P or Q at y = ln x; the smaller of the two is computed, the other is its complement."""
    if math.exp(y) < shape + 1.0:
        log_p, p = _lower(shape, y)
        return log_p if lower else math.log(max(1.0 - p, _TINY))
    log_q, q = _upper(shape, y)
    return math.log1p(-q) if lower else log_q


def _start(shape: float, log_tail: float, z: float, *, lower: bool) -> float:
    """A first ln x: Wilson and Hilferty's for shapes above 1, else a bound on the side from which Newton converges."""
    if shape >= 1.0:
        cube_root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape))
        if cube_root > 0.05:
            return math.log(shape) + 3.0 * math.log(cube_root)
    if lower or shape >= 1.0:
        return (log_tail + math.lgamma(shape + 1.0)) / shape  # P(a, x) <= x^a / Gamma(a + 1)
    return math.log(-log_tail)  # Q(a, x) <= exp(-x)


def _solve(shape: float, log_tail: float, z: float, *, lower: bool) -> float:
    """The ln x at which ln P (lower) or ln Q is `log_tail`; `z` is the normal quantile of the same probability."""
    y = _start(shape, log_tail, z, lower=lower)
    for _ in range(500):
        value = _log_cdf(shape, y, lower=lower)
        slope = math.exp(_log_density(shape, y) - value)
        step = (value - log_tail) / (slope if lower else -slope)
        y -= step
        if abs(step) <= 1e-11 * (1.0 + abs(y)):  # the next one would be its square
            break
    return y


def gamma_quantile(shape: float, u: float) -> float:
    """The value below which a gamma variable of scale 1 stays with probability `u`, by Newton's method.

    Args:
        shape: In SHAPE_MIN..SHAPE_MAX.
        u: In the open interval (0, 1).
    """
    import statistics

    lower = u <= 0.5
    z = statistics.NormalDist().inv_cdf(u)
    return math.exp(_solve(shape, math.log(u) if lower else math.log1p(-u), z, lower=lower))


class GammaQuantile:
    """The same function for one shape, by interpolation between solutions; a callable of `u`."""

    __slots__ = ("_cells", "_direct", "_normal", "_shape")

    def __init__(self, shape: float) -> None:
        import statistics

        assert SHAPE_MIN <= shape <= SHAPE_MAX, shape
        self._shape = shape
        self._normal = statistics.NormalDist().inv_cdf
        self._cells: list[_Cell | None] = [None] * (2 * _OFFSET)
        self._direct = bytearray(2 * _OFFSET)

    def __call__(self, u: float) -> float:
        """The quantile of `u` in (0, 1)."""
        place = self._normal(u) * _CELLS + _OFFSET
        index = int(place)
        cell = self._cells[index]
        if cell is None:
            if not self._direct[index]:
                self._make(index)
                return self(u)
            return gamma_quantile(self._shape, u)
        c0, c1, c2, c3, c4, c5 = cell
        s = place - index
        return math.exp(c0 + s * (c1 + s * (c2 + s * (c3 + s * (c4 + s * c5)))))

    def _node(self, z: float) -> tuple[float, float, float]:
        """The ln x and its first two derivatives by the place in the cell, at `z`."""
        tail = math.log(0.5 * math.erfc(abs(z) / math.sqrt(2.0)))
        y = _solve(self._shape, tail, z, lower=z <= 0.0)
        slope = math.exp(-0.5 * z * z - 0.5 * math.log(2.0 * math.pi) - _log_density(self._shape, y))
        bend = -slope * (z + (self._shape - math.exp(y)) * slope)
        return y, slope / _CELLS, bend / _CELLS**2

    def _make(self, index: int) -> None:
        """Fills a cell, or marks it as one whose values are solved for."""
        z = (index - _OFFSET) / _CELLS
        y0, d0, e0 = self._node(z)
        y1, d1, e1 = self._node(z + 1.0 / _CELLS)
        rise, slope, bend = y1 - y0 - d0 - 0.5 * e0, d1 - d0 - e0, e1 - e0
        cell = (
            y0,
            d0,
            0.5 * e0,
            10.0 * rise - 4.0 * slope + 0.5 * bend,
            -15.0 * rise + 7.0 * slope - bend,
            6.0 * rise - 3.0 * slope + 0.5 * bend,
        )
        middle = cell[0] + (cell[1] + (cell[2] + (cell[3] + (cell[4] + cell[5] / 2) / 2) / 2) / 2) / 2
        if abs(middle - self._node(z + 0.5 / _CELLS)[0]) <= _TOLERANCE:
            self._cells[index] = cell
        else:
            self._direct[index] = 1
