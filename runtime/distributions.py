"""Distributions of a plan, sampled by inversion: one uniform in (0, 1) makes one value.

No rejection and no state: a value is a function of its uniform alone and grows with it wherever values have an order (a
mixture within each of its parts), so the same uniform stays the same quantile when an agent or a parameter is another
(common random numbers).

| distribution | value at u |
|---|---|
| `["fixed", v]` | v |
| `["uniform", a, b]` | a + u (b - a); each of a..b equally often where both and what is wanted are whole |
| `["normal", mean, sd]` | mean + sd z(u), z the normal quantile (Wichura's AS 241, by `statistics.NormalDist`) |
| `["lognormal", p50, p95]` | p50 exp(s z(u)), s = ln(p95 / p50) / 1.6448536... |
| `["exponential", mean]` | -mean ln(1 - u) |
| `["gamma", shape, scale]` | as `orchspec.runtime.gamma` says |
| `["pareto", min, alpha]` | min (1 - u)^(-1/alpha) |
| `["choice", [[v, share], ...]]` | the v in whose part of (0, 1) u falls, parts in the order given |
| `["mixture", [[share, d], ...]]` | the d in whose part u falls, at u rescaled to that part |
| `["chance", share]` | u < share |
| `["size", d]` | a whole number of at least 0, from d |
| `["empirical", file, column]` | the sorted column, interpolated at place u (n - 1) (Hyndman & Fan's type 7) |
| `["record", {field: d, ...}]` | each field at a uniform of its own, made from u; fields in sorted order |

A column of a file is in the units of the edge (seconds, US dollars): where a time or a cost is wanted it is scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orchspec.compiler.plan import Dist
from orchspec.runtime.families import FAMILIES, VALUE_MAX, Data, Sampler, Use, build, build_whole, mean

__all__ = [
    "KINDS",
    "PICO_PER_USD",
    "SECOND_US",
    "VALUE_MAX",
    "Data",
    "Sampler",
    "columns_of",
    "compile_cost",
    "compile_count",
    "compile_dist",
    "compile_time",
    "compile_whole",
    "mean_of",
    "quantile_us",
]

KINDS: Final = frozenset(FAMILIES)
"""The names of all distributions."""
_MONOTONE: Final = frozenset({"fixed", "uniform", "normal", "lognormal", "exponential", "gamma", "pareto"})
"""Those whose sampler of one uniform is their quantile function."""
SECOND_US: Final = 1_000_000
PICO_PER_USD: Final = 10**12


def compile_dist(dist: Dist, data: Data | None = None, *, scale: float = 1.0) -> Sampler:
    """The sampler of a distribution, in the units of the plan.

    Args:
        dist: As `orchspec.compiler.plan.Dist` says.
        data: The columns that it reads; `columns_of` names them.
        scale: What values from files are multiplied with.

    Returns:
        A function of one uniform in the open interval (0, 1).

    Raises:
        PlanError: The distribution is none, its parameters are impossible, its shares do not sum to 1 (within 1e-9), or
            its column was not given or is empty.
    """
    return build(dist, Use(data or {}, scale))


def compile_time(dist: Dist, data: Data | None = None) -> Callable[[float], int]:
    """A sampler of durations in whole microseconds, 0 where the distribution is below; columns hold seconds."""
    return build_whole(dist, Use(data or {}, float(SECOND_US)), 0)


def quantile_us(dist: Dist, share: float) -> int | None:
    """The time in microseconds that `share` of draws lie below, or None for a law that has no closed form for it."""
    return compile_time(dist)(share) if dist[0] in _MONOTONE else None


def compile_cost(dist: Dist, data: Data | None = None) -> Callable[[float], int]:
    """A sampler of costs in whole pico-dollars, 0 where the distribution is below; columns hold US dollars."""
    return build_whole(dist, Use(data or {}, float(PICO_PER_USD)), 0)


def compile_count(dist: Dist, data: Data | None = None) -> Callable[[float], int]:
    """A sampler of tokens, calls and sizes: `compile_whole` from 0 on."""
    return compile_whole(dist, data)


def compile_whole(dist: Dist, data: Data | None = None, least: int | None = 0) -> Callable[[float], int]:
    """A sampler of whole numbers: rounded, halves up; a uniform of whole ends gives each of them equally often.

    Args:
        dist: A distribution of numbers; PlanError as of `compile_dist`, and for one of other values.
        data: As of `compile_dist`.
        least: What lower values are raised to; None leaves them.
    """
    return build_whole(dist, Use(data or {}, whole=True), least)


def mean_of(dist: Dist, data: Data | None = None, *, scale: float = 1.0) -> float:
    """The mean of a distribution of numbers (of `chance`, its share), infinite where it has none.

    It is that of the distribution itself: what raising to 0 and rounding add is left out. Arguments and errors as of
    `compile_dist`; PlanError also for a distribution of other values.
    """
    is_chance = isinstance(dist, list) and dist[:1] == ["chance"]
    use = Use(data or {}, scale, numbers=not is_chance)
    build(dist, use)  # proves the parameters
    return mean(dist, use)


def columns_of(dist: Dist) -> set[tuple[str, str]]:
    """The (file, column) pairs that a distribution reads, wherever in it."""
    parts: list[Dist] = [dist]
    found: set[tuple[str, str]] = set()
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            parts.extend(part.values())
        elif isinstance(part, list):
            if len(part) == 3 and part[0] == "empirical" and isinstance(part[1], str) and isinstance(part[2], str):
                found.add((part[1], part[2]))
            else:
                parts.extend(part)
    return found
