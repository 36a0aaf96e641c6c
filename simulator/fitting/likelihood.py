"""The likelihood of a family of distributions: its maximum, and how far from it the truth may lie.

A censored value c says that the value is greater than c, so its part of the likelihood is the chance of that (J. F.
Lawless, *Statistical Models and Methods for Lifetime Data*, 2nd ed., 2003, ch. 2). Where something is censored the
maximum is searched from where it would be if nothing were, by the simplex of Nelder and Mead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchspec.simulator.fitting.sample import Sample, Values

__all__ = ["Family", "Parameters", "cured", "likelihood", "limits", "searched"]

Parameters = tuple[float, ...]

_Z975: Final = 1.959963984540054
#: A step of the second derivative, in logarithms of parameters: the best trade of rounding against curvature.
_STEP: Final = 1e-4
#: Where a search ends: in logarithms of parameters, and in that of the likelihood.
_SEARCH: Final = {"xatol": 1e-5, "fatol": 1e-5}


@dataclass(frozen=True, slots=True)
class Family:
    """A family.

    `parameters` pairs each name with whether it has the unit of the sample (else it is a plain number). `fits` says of
    a sample whether the family could have made it. `fit` gives the parameters. `logpdf` and `logsf` are the logarithms
    of density and of the chance to be greater, `quantile` the inverse of the distribution. `logs` says of each
    parameter whether it is above 0, so that its logarithm is what is searched; `sharp` that ends of the support are
    parameters, for which the likelihood has no curvature; `ends` that nothing comes beyond the last of them.
    """

    name: str
    parameters: tuple[tuple[str, bool], ...]
    fits: Callable[[Sample], bool]
    fit: Callable[[Sample], Parameters]
    logpdf: Callable[[Values, Parameters], Values]
    logsf: Callable[[Values, Parameters], Values]
    quantile: Callable[[Values, Parameters], Values]
    logs: tuple[bool, ...] = (True, True)
    sharp: bool = False
    ends: bool = False


def likelihood(family: Family, sample: Sample, parameters: Parameters, never: float = 0.0) -> float:
    """The logarithm of the likelihood; `never` is the share of what never comes, all of which is censored."""
    import numpy as np

    with np.errstate(all="ignore"):
        total = float(np.sum(family.logpdf(sample.values, parameters)))
        if len(sample.censored):
            later = family.logsf(sample.censored, parameters)
            if never > 0.0:
                later = np.log(never + (1.0 - never) * np.exp(later))
            total += float(np.sum(later))
        if never > 0.0:
            total += len(sample.values) * math.log1p(-never)
    return total if math.isfinite(total) else -math.inf


def searched(family: Family) -> Family:
    """The family with a fit that searches on from where its own leaves off, if something is censored."""

    def fit(sample: Sample) -> Parameters:
        found = family.fit(sample)
        if not len(sample.censored):
            return found
        from scipy.optimize import minimize

        def cost(at: Values) -> float:
            return -likelihood(family, sample, _back(family, at))

        best = minimize(cost, _forth(family, found), method="Nelder-Mead", options=_SEARCH)
        return _back(family, best.x)

    return replace(family, fit=fit)


def cured(family: Family, sample: Sample, start: Parameters, never: float) -> tuple[Parameters, float]:
    """The parameters and the share that never comes, searched together from where to start (`never` above 0)."""
    from scipy.optimize import minimize

    def cost(at: Values) -> float:
        return -likelihood(family, sample, _back(family, at[:-1]), _share(at[-1]))

    first = [*_forth(family, start), math.log(never / (1.0 - never))]
    best = minimize(cost, first, method="Nelder-Mead", options=_SEARCH)
    return _back(family, best.x[:-1]), _share(best.x[-1])


def _share(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(odds, -700.0), 700.0)))


def _forth(family: Family, parameters: Parameters) -> list[float]:
    return [math.log(value) if log else value for value, log in zip(parameters, family.logs, strict=True)]


def _back(family: Family, at: Values | list[float]) -> Parameters:
    found = (math.exp(min(value, 700.0)) if log else float(value) for value, log in zip(at, family.logs, strict=True))
    return tuple(found)


# ------------------------------------------------------------------ intervals


def limits(
    family: Family, sample: Sample, parameters: Parameters, never: float = 0.0
) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """The 95 % interval of each parameter, and of `never`: by the curvature of the likelihood (Lawless, 2.2).

    It is taken in logarithms, of `never` in that of its odds, so that no interval leaves what is possible. For ends of
    a support it is exact: the end that was seen is within the true one by an exponential amount. One that nobody saw,
    since it was cut off, lies where the likelihood is not much less (by chi-square).
    """
    if family.ends:
        return _limits_of_ends(family, sample, parameters, never), (math.nan, math.nan)
    if family.sharp:
        return _sharp_limits(sample, parameters), (math.nan, math.nan)
    import numpy as np

    count = len(parameters)
    centre = np.array([*_forth(family, parameters), *([math.log(never / (1.0 - never))] if never > 0.0 else [])])
    # Steps of a parameter that has no logarithm are relative to its own spread.
    steps = [_STEP if log else _STEP * (abs(parameters[-1]) or 1.0) for log in family.logs]
    steps += [_STEP] * (len(centre) - count)

    def at(*moves: tuple[int, float]) -> float:
        where = centre.copy()
        for index, move in moves:
            where[index] += move
        gone = _share(where[count]) if never > 0.0 else 0.0
        return likelihood(family, sample, _back(family, where[:count]), gone)

    curvature = np.empty((len(centre), len(centre)))
    for i, a in enumerate(steps):
        for j, b in enumerate(steps):
            corners = at((i, a), (j, b)) - at((i, a), (j, -b)) - at((i, -a), (j, b)) + at((i, -a), (j, -b))
            curvature[i, j] = -corners / (4.0 * a * b)
    try:
        variances = np.diag(np.linalg.inv(curvature)).tolist()
    except np.linalg.LinAlgError:
        variances = [math.nan] * len(centre)
    ends = [
        (where - half, where + half)
        for where, variance in zip(centre.tolist(), variances, strict=True)
        for half in (_Z975 * math.sqrt(variance) if variance > 0.0 else math.nan,)
    ]
    found = [
        (math.exp(min(lo, 700.0)), math.exp(min(hi, 700.0))) if log else (lo, hi)
        for (lo, hi), log in zip(ends, family.logs, strict=False)
    ]
    if never <= 0.0:
        return found, (0.0, 0.0)
    lo, hi = (_share(end) for end in ends[count])
    return found, (lo, hi)


def _limits_of_ends(family: Family, sample: Sample, parameters: Parameters, never: float) -> list[tuple[float, float]]:
    low, high = parameters
    n = len(sample.values)
    room = (high - low) * (0.05 ** (-1.0 / n) - 1.0)
    greatest = float(sample.values[-1])
    if never > 0.0 or not len(sample.censored):
        return [(low - room, low), (high, high + room)]
    from scipy.optimize import brentq

    best = likelihood(family, sample, parameters)
    was_seen = high <= greatest * (1.0 + 1e-9)
    lack = -math.log(0.05) if was_seen else 0.5 * _Z975**2

    def over(at: float) -> float:
        return likelihood(family, sample, (low, at)) - best + lack

    most = high + room
    while over(most) > 0.0:
        most = low + 2.0 * (most - low)
    least = max(greatest, float(sample.censored[-1])) * (1.0 + 1e-12)
    below = high if was_seen or over(least) >= 0.0 else float(brentq(over, least, high))
    return [(low - room, low), (min(below, high), float(brentq(over, high, most)))]


def _sharp_limits(sample: Sample, parameters: Parameters) -> list[tuple[float, float]]:
    least, alpha = parameters
    n = len(sample.values)
    half = _Z975 * alpha / math.sqrt(n)
    return [(least * 0.05 ** (1.0 / n / alpha), least), (alpha - half, alpha + half)]
