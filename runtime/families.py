"""The families of distributions: what builds the sampler of each from its parameters, and its mean.

Adding one: a function that builds it, a function that gives its mean, a line in `FAMILIES`, a row in the table at the
head of `orchspec.runtime.distributions`, which is what others import.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final, TypeAlias

from orchspec.compiler.plan import Dist, PlanError
from orchspec.runtime.draws import split
from orchspec.runtime.gamma import SHAPE_MAX, SHAPE_MIN, GammaQuantile

__all__ = ["FAMILIES", "VALUE_MAX", "Data", "Family", "Sampler", "Use", "build", "build_whole", "mean"]

Sampler: TypeAlias = Callable[[float], Any]
Real: TypeAlias = Callable[[float], float]
Data: TypeAlias = Mapping[tuple[str, str], Sequence[float]]
"""The columns that `empirical` reads, by (file, column), as `orchspec.runtime.tables` gives them."""

VALUE_MAX: Final = 2**62
"""Whole values (times, costs, counts) are capped here: 146,000 years in microseconds, 4.6 million dollars in picos."""

_Z95: Final = 1.6448536269514722
_BIGGEST: Final = 1e300
_LOWEST_U: Final = 2.0**-53
_HIGHEST_U: Final = 1.0 - 2.0**-53
_SHARE_TOLERANCE: Final = 1e-9
_DEPTH_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Use:
    """What a distribution is built for.

    `scale` multiplies what was read from files, `numbers` refuses distributions of other values, `whole` makes a
    uniform of whole ends whole, `depth` counts the distributions around it.
    """

    data: Data
    scale: float = 1.0
    numbers: bool = False
    whole: bool = False
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """A family: the names of its parameters, what builds a sampler from them, and the mean."""

    parameters: tuple[str, ...]
    build: Callable[[list[Any], Use], Sampler]
    mean: Callable[[list[Any], Use], float]


def build(dist: Dist, use: Use) -> Sampler:
    """The sampler of a distribution; PlanError as `orchspec.runtime.distributions.compile_dist` says."""
    family = FAMILIES.get(dist[0]) if isinstance(dist, list) and dist and isinstance(dist[0], str) else None
    if family is None:
        raise PlanError(
            f"{_brief(dist)} is no distribution; expected a list that starts with one of {', '.join(FAMILIES)}"
        )
    if len(dist) - 1 != len(family.parameters):
        expected = ", ".join(family.parameters)
        raise PlanError(f"{_brief(dist)} has {len(dist) - 1} parameters; {dist[0]} takes {expected}")
    if use.depth > _DEPTH_MAX:
        raise PlanError(f"{dist[0]} stands within more than {_DEPTH_MAX} other distributions; flatten them")
    try:
        sample = family.build(dist[1:], replace(use, depth=use.depth + 1))
    except PlanError as error:
        raise PlanError(f"{dist[0]}: {error}") from None
    for u in (_LOWEST_U, _HIGHEST_U):  # both ends are tried, so that no draw can overflow later
        try:
            value = sample(u)
        except OverflowError:
            value = math.inf
        if isinstance(value, float) and not math.isfinite(value):
            raise PlanError(f"{_brief(dist)} reaches values beyond what a number can hold; use milder parameters")
    return sample


def build_whole(dist: Dist, use: Use, least: int | None) -> Callable[[float], int]:
    """The sampler of a distribution of numbers, rounded (halves up), at least `least` and at most VALUE_MAX."""
    sample = build(dist, replace(use, numbers=True))  # not of floats alone: they hold whole numbers below 2**53 only
    floor = -VALUE_MAX if least is None else least

    def careful(u: float) -> int:
        x = sample(u)
        whole: int = math.floor(x + 0.5) if isinstance(x, float) else x
        return min(max(whole, floor), VALUE_MAX)

    def quick(u: float) -> int:
        x = sample(u)
        return int(x + 0.5) if x > 0 else 0

    if dist[0] == "fixed":
        value = careful(0.5)
        return lambda _u: value
    # below 2**52 adding a half loses no digit
    return quick if floor == 0 and dist[0] in _INCREASING and sample(_HIGHEST_U) < 2**52 else careful


def mean(dist: Dist, use: Use) -> float:
    """The mean of a distribution that `build` has accepted."""
    return FAMILIES[dist[0]].mean(dist[1:], use)


# ------------------------------------------------------------------ parameters


def _brief(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of over 4,300 digits, or lists within lists without end
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."


def _number(value: Any, name: str, *, above: float | None = None, least: float | None = None) -> Any:
    """The parameter itself, proved to be a number in its range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_BIGGEST <= value <= _BIGGEST:
        raise PlanError(f"{name} is {_brief(value)}; expected a number")
    if above is not None and value <= above:
        raise PlanError(f"{name} is {value}; expected more than {above:g}")
    if least is not None and value < least:
        raise PlanError(f"{name} is {value}; expected at least {least:g}")
    return value


def _proper_share(value: Any) -> float:
    share = float(_number(value, "a share", least=0.0))
    if share > 1.0:
        raise PlanError(f"a share is {value}; expected 0 to 1")
    return share


def _parts(pairs: Any, share_at: int) -> list[tuple[float, Any]]:
    """The (share, what) of a choice or a mixture, parts of share 0 left out, shares proved to sum to 1."""
    if not isinstance(pairs, list) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise PlanError(f"found {_brief(pairs)}; expected a list of pairs")
    parts = [(_proper_share(pair[share_at]), pair[1 - share_at]) for pair in pairs]
    total = math.fsum(share for share, _ in parts)
    if abs(total - 1.0) > _SHARE_TOLERANCE:
        raise PlanError(f"the shares sum to {total:.12g}; expected 1 (100%)")
    return [part for part in parts if part[0] > 0.0]


def _cuts(parts: list[tuple[float, Any]]) -> list[float]:
    """Where one part of (0, 1) ends and the next begins."""
    return list(accumulate(share for share, _ in parts))[:-1]


# ------------------------------------------------------------------ families with numbers as parameters


def _uniform(args: list[Any], use: Use) -> Sampler:
    a, b = _number(args[0], "the lower end"), _number(args[1], "the upper end")
    if a > b:
        raise PlanError(f"the lower end {a} is above the upper end {b}; swap them")
    if use.whole and isinstance(a, int) and isinstance(b, int):
        count = b - a + 1
        return lambda u: min(a + int(u * count), b)
    width = b - a
    return lambda u: a + u * width


def _normal(mean: Any, sd: Any) -> Real:
    mu, sigma = float(_number(mean, "the mean")), float(_number(sd, "the standard deviation", least=0.0))
    if sigma == 0.0:
        return lambda _u: mu
    import statistics  # not at the head: it costs 8 ms, and a plan may need none of it

    return statistics.NormalDist(mu, sigma).inv_cdf


def _of_logarithm(p50: Any, p95: Any) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of a lognormal variable."""
    median, high = float(_number(p50, "p50", above=0.0)), float(_number(p95, "p95", above=0.0))
    if high < median:
        raise PlanError(f"p95 {p95} is below p50 {p50}; expected at least p50")
    return math.log(median), (math.log(high) - math.log(median)) / _Z95


def _lognormal(p50: Any, p95: Any) -> Real:
    mu, sigma = _of_logarithm(p50, p95)
    if sigma == 0.0:
        median = float(p50)
        return lambda _u: median
    quantile, exp = _normal(mu, sigma), math.exp
    return lambda u: exp(quantile(u))


def _lognormal_mean(p50: Any, p95: Any) -> float:
    mu, sigma = _of_logarithm(p50, p95)
    try:
        return math.exp(mu + 0.5 * sigma * sigma)
    except OverflowError:
        return math.inf


def _exponential(mean: Any) -> Real:
    minus_mean, log1p = -float(_number(mean, "the mean", least=0.0)), math.log1p
    return lambda u: minus_mean * log1p(-u)


def _gamma(shape: Any, scale: Any) -> Real:
    a, unit = float(_number(shape, "the shape")), float(_number(scale, "the scale", above=0.0))
    if not SHAPE_MIN <= a <= SHAPE_MAX:
        instead = "; normal(mean, sd) is as good there" if a > SHAPE_MAX else ""
        raise PlanError(f"the shape is {shape}; expected {SHAPE_MIN:g} to {SHAPE_MAX:g}{instead}")
    quantile = GammaQuantile(a)
    return lambda u: unit * quantile(u)


def _pareto(least: Any, alpha: Any) -> Real:
    low, power = float(_number(least, "min", above=0.0)), -1.0 / _number(alpha, "alpha", above=0.0)
    return lambda u: low * float((1.0 - u) ** power)


def _pareto_mean(least: Any, alpha: Any) -> float:
    return float(least * alpha / (alpha - 1.0)) if alpha > 1.0 else math.inf


def _plain(parameters: tuple[str, ...], sampler: Callable[..., Real], average: Callable[..., float]) -> Family:
    """A family that is decided by its numbers alone, whatever it is built for."""
    return Family(parameters, lambda args, _use: sampler(*args), lambda args, _use: average(*args))


# ------------------------------------------------------------------ families of values, distributions and files


def _fixed(args: list[Any], use: Use) -> Sampler:
    value = _number(args[0], "the value") if use.numbers else args[0]
    return lambda _u: value


def _choice(args: list[Any], use: Use) -> Sampler:
    parts = _parts(args[0], share_at=1)
    values = [_number(value, "a value") if use.numbers else value for _, value in parts]
    cuts = _cuts(parts)
    return lambda u: values[bisect_right(cuts, u)]


def _mixture(args: list[Any], use: Use) -> Sampler:
    parts = _parts(args[0], share_at=0)
    samplers = [build(part, use) for _, part in parts]
    cuts, widths = _cuts(parts), [share for share, _ in parts]
    starts = [0.0, *cuts]

    def sample(u: float) -> Any:
        index = bisect_right(cuts, u)
        within = (u - starts[index]) / widths[index]
        return samplers[index](min(max(within, _LOWEST_U), _HIGHEST_U))

    return sample


def _mixture_mean(args: list[Any], use: Use) -> float:
    return math.fsum(share * mean(part, use) for share, part in _parts(args[0], share_at=0))


def _chance(args: list[Any], use: Use) -> Sampler:
    if use.numbers:
        raise PlanError("gives true or false; expected a distribution of numbers")
    share = _proper_share(args[0])
    return lambda u: u < share


def _size(args: list[Any], use: Use) -> Sampler:
    return build_whole(args[0], replace(use, whole=True), 0)


def _sorted_column(args: list[Any], use: Use) -> list[float]:
    file, column = args
    values = use.data.get((file, column)) if isinstance(file, str) and isinstance(column, str) else None
    if values is None:
        raise PlanError(f"column {_brief(column)} of {_brief(file)} was not read")
    if not len(values):
        raise PlanError(f"column {_brief(column)} of {_brief(file)} has no values")
    return sorted(value * use.scale for value in values)


def _empirical(args: list[Any], use: Use) -> Sampler:
    values = _sorted_column(args, use)
    last = len(values) - 1
    values.append(values[-1])  # so that a column of one value needs no case of its own

    def sample(u: float) -> float:
        place = u * last
        index = int(place)
        low = values[index]
        return low + (place - index) * (values[index + 1] - low)

    return sample


def _empirical_mean(args: list[Any], use: Use) -> float:
    values = _sorted_column(args, use)
    if len(values) == 1:
        return values[0]
    # of the interpolated quantile function, hence the trapezoid rule: the mean of what is sampled, not of the rows
    return (math.fsum(values) - 0.5 * (values[0] + values[-1])) / (len(values) - 1)


def _record(args: list[Any], use: Use) -> Sampler:
    if use.numbers:
        raise PlanError("gives records; expected a distribution of numbers")
    if not isinstance(args[0], dict):
        raise PlanError(f"found {_brief(args[0])}; expected distributions by field")
    fields = [(name, index, build(args[0][name], use)) for index, name in enumerate(sorted(args[0]))]
    return lambda u: {name: sample(split(u, index)) for name, index, sample in fields}


FAMILIES: Final[dict[str, Family]] = {
    "fixed": Family(("a value",), _fixed, lambda args, _use: float(args[0])),
    "uniform": Family(("a", "b"), _uniform, lambda args, _use: 0.5 * args[0] + 0.5 * args[1]),
    "normal": _plain(("mean", "sd"), _normal, lambda mean, _sd: float(mean)),
    "lognormal": _plain(("p50", "p95"), _lognormal, _lognormal_mean),
    "exponential": _plain(("mean",), _exponential, float),
    "gamma": _plain(("shape", "scale"), _gamma, lambda shape, scale: float(shape * scale)),
    "pareto": _plain(("min", "alpha"), _pareto, _pareto_mean),
    "choice": Family(
        ("[[value, share], ...]",), _choice, lambda args, _use: math.fsum(value * share for value, share in args[0])
    ),
    "mixture": Family(("[[share, distribution], ...]",), _mixture, _mixture_mean),
    "chance": Family(("share",), _chance, lambda args, _use: float(args[0])),
    "size": Family(("distribution",), _size, lambda args, use: mean(args[0], use)),
    "empirical": Family(("file", "column"), _empirical, _empirical_mean),
    "record": Family(("{field: distribution, ...}",), _record, lambda _args, _use: math.nan),
}
"""By name, in the order of the language's page."""

_INCREASING: Final = frozenset(FAMILIES) - {"fixed", "choice", "mixture", "chance", "record"}
"""Families whose value grows with the uniform, so that the highest uniform gives the highest value."""
