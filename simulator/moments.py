"""Second moments of distributions: what a wait depends on beside the mean (Pollaczek and Khinchine)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from orchspec.compiler.plan import Dist
from orchspec.runtime.distributions import Data, compile_dist, compile_time

__all__ = ["cut_moments", "second_moment"]

_Z95: Final = 1.6448536269514722
#: Points of a distribution without a formula, evenly spread over its quantiles.
_POINTS: Final = 20_000
_CUT_POINTS: Final = 4_000


def second_moment(dist: Dist, data: Data | None = None, *, scale: float = 1.0) -> float:
    """The mean of the square of what a distribution of numbers samples, infinite where it has none.

    Arguments as of `orchspec.runtime.distributions.mean_of`, which has proved the parameters. Exact but for columns of
    files and what has no formula here, which are summed up over their quantiles.
    """
    formula = _FORMULAS.get(dist[0])
    if formula is not None:
        return float(formula(*dist[1:]))
    if dist[0] == "mixture":
        return math.fsum(share * second_moment(part, data, scale=scale) for share, part in dist[1])
    if dist[0] == "choice":
        return math.fsum(share * float(value) ** 2 for value, share in dist[1])
    sample = compile_dist(dist, data, scale=scale)
    return math.fsum(float(sample((at + 0.5) / _POINTS)) ** 2 for at in range(_POINTS)) / _POINTS


def cut_moments(dist: Dist, most: float, data: Data | None = None, *, never: float = 0.0) -> tuple[float, float]:
    """The mean, and that of the square, of what is waited for no longer than `most`; a share `never` comes.

    Times in microseconds, as a plan has them; summed up over quantiles, which is exact enough since there is no tail.
    """
    sample = compile_time(dist, data)
    times = [min(float(sample((at + 0.5) / _CUT_POINTS)), most) for at in range(_CUT_POINTS)]
    mean = math.fsum(times) / _CUT_POINTS
    square = math.fsum(time * time for time in times) / _CUT_POINTS
    return (1.0 - never) * mean + never * most, (1.0 - never) * square + never * most * most


def _lognormal(p50: float, p95: float) -> float:
    spread = (math.log(p95) - math.log(p50)) / _Z95
    try:
        return math.exp(2.0 * math.log(p50) + 2.0 * spread**2)
    except OverflowError:
        return math.inf


def _pareto(least: float, alpha: float) -> float:
    return alpha * least**2 / (alpha - 2.0) if alpha > 2.0 else math.inf


_FORMULAS: Final[dict[str, Callable[..., Any]]] = {
    "fixed": lambda value: float(value) ** 2,
    "uniform": lambda low, high: (low * low + low * high + high * high) / 3.0,
    "normal": lambda mean, sd: mean * mean + sd * sd,
    "lognormal": _lognormal,
    "exponential": lambda mean: 2.0 * mean * mean,
    "gamma": lambda shape, scale: shape * (shape + 1.0) * scale * scale,
    "pareto": _pareto,
}
