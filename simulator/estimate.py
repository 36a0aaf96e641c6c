"""Estimates with honest intervals, from samples that a simulation makes.

Every function takes a `level` (0.95 unless several looks share the error, see `look_level`) and returns an `Estimate`.
Data comes in *sections*: independent replications, or long batches of one; within a section runs may depend on each
other as they like (they queue together), so no formula here treats queued runs as independent.

Sources: A. M. Law, *Simulation Modeling and Analysis*, 5th ed., ch. 9 (replications, batch means, ratio estimators);
C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) (exact binomial limits); R. S. Woodruff, JASA 47 (1952), and
E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) (quantiles and rates of clustered samples by effective
sample size); R. G. Miller, Biometrika 61 (1974) (jackknife); R. Willink, Communications in Statistics 34 (2005), and
A. Tafazzoli and J. R. Wilson, IIE Transactions 43 (2011) (Student's t for skewed observations).
How often the intervals hold the truth is measured in `bench/coverage.py` and told in ADR 31.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

__all__ = [
    "NO_VARIANCE",
    "TOO_FEW",
    "Estimate",
    "batch_means",
    "binomial_limits",
    "binomial_rate",
    "clustered_rate",
    "isolated_quantile",
    "look_level",
    "mean",
    "quantile_of",
    "ratio",
    "sectioned_quantile",
    "spread_of_ratio",
    "t_quantile",
    "undefined",
]

#: A quantile is bounded where about so many runs that depend on nobody would lie beyond it.
_RUNS_BEYOND = 5.0
TOO_FEW = "too few runs to bound it from above"
NO_VARIANCE = "no number of runs bounds the mean from above, since it has no variance"
#: Below it the correction for skewness is nothing.
_SYMMETRIC = 1e-9
#: An upper end is beyond a hundred times its value from so many values of half a width on.
_BOUNDED = math.log(100.0)

_Cut = Callable[[Sequence[float], float], int]


@dataclass(slots=True, frozen=True)
class Estimate:
    """A value with its interval. `nan` means undefined, `inf` that no bound is known from that side.

    `n` counts the observations (runs, sections or trials) behind it, `method` names the formula, `note` says what a
    reader must know. For rates `events` out of `trials` were seen.
    """

    value: float
    lo: float
    hi: float
    n: int
    method: str
    note: str = ""
    events: int | None = None
    trials: int | None = None

    @property
    def half_width(self) -> float:
        """Half the width of the interval; `inf` or `nan` where it has no ends."""
        return (self.hi - self.lo) / 2.0

    def clamped(self, low: float = -math.inf, high: float = math.inf) -> Estimate:
        """Return it with the interval cut to what is possible (`nan` stays)."""
        lo = self.lo if math.isnan(self.lo) else min(max(self.lo, low), high)
        hi = self.hi if math.isnan(self.hi) else min(max(self.hi, low), high)
        return replace(self, lo=lo, hi=hi)

    def noted(self, note: str) -> Estimate:
        """Return it with one more note."""
        if not note:
            return self
        return replace(self, note=f"{self.note}; {note}" if self.note else note)


def undefined(note: str, method: str = "none", n: int = 0) -> Estimate:
    """Return the estimate of what has no value: 0/0, or no observation; `note` says why."""
    return Estimate(math.nan, math.nan, math.nan, n, method, note)


def look_level(looks: int, error: float = 0.05) -> float:
    """Return the level at which each of `looks` (>= 1) looks at growing data keeps the error of all within `error`.

    Bonferroni's inequality: 1 - error/looks.
    """
    if looks < 1:
        raise ValueError(f"the number of looks must be at least 1, found {looks}")
    return 1.0 - error / looks


def t_quantile(level: float, freedom: int) -> float:
    """Return the two-sided Student t quantile: |t| stays below it with probability `level`."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + level / 2.0))


def mean(values: Sequence[float], level: float = 0.95) -> Estimate:
    """Estimate the mean of independent observations by Student's t (Law, 4.5).

    One observation gives a value without an interval; an infinite one gives an infinite mean.
    """
    n = len(values)
    if n == 0:
        return undefined("no observation", "t")
    if any(math.isinf(value) for value in values):
        finite = [value for value in values if not math.isinf(value)]
        return Estimate(math.inf, math.fsum(finite) / n, math.inf, n, "t", "an observation is infinite")
    centre = math.fsum(values) / n
    if n == 1:
        return Estimate(centre, math.nan, math.nan, 1, "t", "one observation has no interval")
    half = t_quantile(level, n - 1) * math.sqrt(_variance(values, centre) / n)
    return Estimate(centre, centre - half, centre + half, n, "t")


def batch_means(values: Sequence[float], batches: int = 20, level: float = 0.95) -> Estimate:
    """Estimate the mean of one long, dependent sequence from the means of equal batches (Law, 9.5.3).

    What is left over after the last whole batch is left out. Fewer than two values a batch give no interval.
    """
    size = len(values) // batches
    if size < 2:
        return undefined(f"{len(values)} values are too few for {batches} batches", "batch means", len(values))
    means = [math.fsum(values[i * size : (i + 1) * size]) / size for i in range(batches)]
    return replace(mean(means, level), method="batch means", n=size * batches)


def ratio(numerators: Sequence[float], denominators: Sequence[float], level: float = 0.95) -> Estimate:
    """Estimate E[numerator]/E[denominator] over independent sections.

    The value is the ratio of the sums, so a KPI is what its definition says; the variance is the jackknife's (Law,
    9.5.3; Miller 1974), which also holds when sections differ in size. Where sections are skewed, the interval reaches
    further on that side. A sum of 0 below gives an undefined value.
    """
    above, below = math.fsum(numerators), math.fsum(denominators)
    n = len(denominators)
    if below == 0.0:
        return undefined("0/0" if above == 0.0 else "division by zero", "ratio, jackknife", n)
    value = above / below
    if n < 2:
        return Estimate(value, math.nan, math.nan, n, "ratio, jackknife", "one section has no interval")
    pseudo = []
    for y, x in zip(numerators, denominators, strict=True):
        if below - x <= 0.0:
            return Estimate(value, math.nan, math.nan, n, "ratio, jackknife", "all observations are in one section")
        pseudo.append(n * value - (n - 1) * (above - y) / (below - x))
    half = t_quantile(level, n - 1) * math.sqrt(_variance(pseudo, math.fsum(pseudo) / n) / n)
    below_by, above_by = _halves(pseudo, level)
    # The two corrections for what is skewed are factors of the half width; one in the exponent of the other is neither.
    factor = (_upper(value, half) - value) / half if half > 0.0 else 1.0
    return Estimate(value, value - below_by, value + above_by * factor, n, "ratio, jackknife")


def _halves(values: Sequence[float], level: float) -> tuple[float, float]:
    """Return how far the interval of the mean of independent values reaches to both sides.

    Student's t, corrected for skewness by the inverse of Hall's transformation (Willink 2005; so do Tafazzoli and
    Wilson with batch means), where that reaches further: skewness that so few values show is never used to claim more.
    """
    n = len(values)
    centre = math.fsum(values) / n
    variance = _variance(values, centre)
    if variance <= 0.0:
        return 0.0, 0.0
    error, student = math.sqrt(variance / n), t_quantile(level, n - 1)
    third = math.fsum((value - centre) ** 3 for value in values)
    skewness = n / ((n - 1) * (n - 2)) * third / variance**1.5 if n > 2 else 0.0
    by = skewness / (6.0 * math.sqrt(n))
    if abs(by) < _SYMMETRIC:
        return error * student, error * student
    low, high = ((math.cbrt(1.0 + 6.0 * by * (end - by)) - 1.0) / (2.0 * by) for end in (student, -student))
    return error * max(student, low), error * max(student, -high)


def _upper(value: float, half: float) -> float:
    """Return the upper end of an interval of half the width `half` around what is never negative.

    Waits and latencies of queues are skewed: most sections lie below the mean, few far above it, and with few of them
    the symmetric interval ends too low (of ten sections of a queue at two thirds of its capacity it held the mean 90
    times in 100, and nearly all misses were above). That of the logarithm (delta method) ends higher, by what matters
    where the interval is wide and by nothing where it is narrow; its lower end would be the higher one, so it is left.
    """
    if value <= 0.0 or not math.isfinite(half):
        return value + half
    # Beyond a hundred times the value it is no end: the sections say nothing from that side.
    return value * math.exp(half / value) if half < _BOUNDED * value else math.inf


# Rates -------------------------------------------------------------------------------------------------------------


def binomial_limits(events: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Return the exact limits of Clopper and Pearson (1934) for `events` out of `trials` independent trials.

    At 0 and at `trials` one side is known, so the other gets the whole error: for level 0.95 that is about 3/n.
    Fractional counts are allowed (effective sample sizes).
    """
    from scipy.special import betaincinv

    error = 1.0 - level
    if trials <= 0.0:
        return 0.0, 1.0
    if events <= 0.0:
        return 0.0, 1.0 - error ** (1.0 / trials)
    if events >= trials:
        return float(error ** (1.0 / trials)), 1.0
    lo = float(betaincinv(events, trials - events + 1.0, error / 2.0))
    hi = float(betaincinv(events + 1.0, trials - events, 1.0 - error / 2.0))
    return lo, hi


def binomial_rate(events: int, trials: int, level: float = 0.95) -> Estimate:
    """Estimate the rate of an event in independent trials; none in n reads "none in n, at most 3/n"."""
    return _rate(events, trials, float(trials), level, "exact binomial")


def clustered_rate(events: Sequence[int], trials: Sequence[int], level: float = 0.95) -> Estimate:
    """Estimate the rate of an event from sections within which trials may depend on each other.

    Exact binomial limits at the effective sample size (Korn and Graubard 1998): trials are divided by the design
    effect, the variance over sections against that of independent trials, where it is above 1.
    """
    total, seen, sections = sum(trials), sum(events), len(trials)
    effective = float(total)
    if 0 < seen < total and sections > 1:
        spread = spread_of_ratio([float(e) for e in events], [float(t) for t in trials])
        effective = _effective_size(total, seen / total, spread, sections, level)
    return _rate(seen, total, effective, level, "exact binomial")


def _rate(events: int, trials: int, effective: float, level: float, method: str) -> Estimate:
    if trials == 0:
        return Estimate(math.nan, math.nan, math.nan, 0, method, "0/0", 0, 0)
    rate = events / trials
    lo, hi = binomial_limits(min(rate, 1.0) * effective, effective, level)
    if effective < trials:
        method = f"{method} at effective size {effective:.0f}"
    note = ""
    if events == 0:
        note = f"none in {trials}, at most 3/{trials}" if trials > 3 else f"none in {trials}"
    elif events == trials:
        note = f"all of {trials}, all but 3/{trials} at least" if trials > 3 else f"all of {trials}"
    # More events than trials (an effect applied three times) leave the interval of a share, not the value.
    return Estimate(rate, min(lo, rate), max(hi, rate), trials, method, note, events, trials)


# Quantiles ---------------------------------------------------------------------------------------------------------


def quantile_of(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value of an ascending, non-empty sequence with at least `share` of it at or below."""
    # The tiny allowance keeps 0.95 * 20 = 19.000000000000004 from asking for one more.
    return ordered[max(0, math.ceil(len(ordered) * share - 1e-9) - 1)]


def isolated_quantile(values: Sequence[float], share: float, level: float = 0.95) -> Estimate:
    """Estimate a quantile of independent runs by order statistics (binomial, distribution-free; Law, 9.4).

    Infinite values (runs that have not ended) count as infinite. A side that so few runs cannot bound is infinite.
    """
    ordered = sorted(values)
    if not ordered:
        return undefined("no run", "order statistics")
    lo, hi = _order_limits(ordered, share, float(len(ordered)), level)
    return Estimate(quantile_of(ordered, share), lo, hi, len(ordered), "order statistics")


def sectioned_quantile(sections: Sequence[Sequence[float]], share: float, level: float = 0.95) -> Estimate:
    """Estimate a quantile of runs that depend on each other within a section, but not across.

    Between the ends are the values x of which the share of runs beyond x, estimated at the effective sample size that
    the sections show *there*, does not contradict the quantile (Woodruff 1952; Korn and Graubard 1998). Far out runs
    depend more on each other, since long waits come together: what sections say about the middle is no measure of it.

    Runs above a high quantile that are few, or that belong to few bad spells, bound it from below alone: the upper end
    is left open unless about 5 runs that depend on nobody would lie beyond it.
    """
    ordered = sorted(value for section in sections for value in section)
    n = len(ordered)
    if n == 0:
        return undefined("no run", "sectioning")
    value = quantile_of(ordered, share)
    full = [sorted(section) for section in sections if section]
    # Few are beyond a high quantile, so how they depend on each other is also looked at where four times as many are.
    wider = 1.0 - 4.0 * (1.0 - share)
    limits, usual = _limits_beyond(full, n, [value, quantile_of(ordered, wider)] if wider > 0.5 else [value], level)
    at = max(0, math.ceil(n * share - 1e-9) - 1)
    upper = _first(at, n, lambda k: limits(ordered[k], bisect_right)[1] <= 1.0 - share)
    # The quantile is x or more where more than 1 - share are x or more, so that equal values bound it by themselves.
    lower = _first(0, at + 1, lambda k: limits(ordered[k], bisect_left)[0] < 1.0 - share) - 1
    lo = ordered[lower] if lower >= 0 else -math.inf
    hi = ordered[upper] if upper < n else math.inf
    found = Estimate(value, lo, hi, n, "sectioning")
    if math.isinf(value):
        return found
    # As many as depend on each other in the mean, or so far out, where more of a latency is a wait.
    together = max(_together(full), n / usual)
    needed = _RUNS_BEYOND / (1.0 - share) * together
    if n < needed or math.isinf(hi):
        enough = math.ceil(float(f"{max(needed, 2.0 * n):.2g}"))
        return replace(found, hi=math.inf, note=f"{TOO_FEW}, about {enough:,} would")
    return found


def _first(least: int, most: int, holds: Callable[[int], bool]) -> int:
    """Return the first of `least` to `most` from which on it holds, `most` where it never does."""
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if holds(middle) else (middle + 1, most)
    return least


def _limits_beyond(
    sections: Sequence[Sequence[float]], n: int, around: Sequence[float], level: float
) -> tuple[Callable[[float, _Cut], tuple[float, float]], float]:
    """Return the function to the limits of the share of runs beyond x, or at it, and the effective size `around`."""
    sizes = [float(len(section)) for section in sections]

    def size_at(above: Sequence[int]) -> float:
        beyond = sum(above)
        if len(sizes) < 2 or not 0 < beyond < n:
            return float(n)
        spread = spread_of_ratio([float(count) for count in above], sizes)
        return _effective_size(n, beyond / n, spread, len(sizes), level)

    def count(x: float, cut: _Cut) -> list[int]:
        return [len(section) - cut(section, x) for section in sections]

    usual = min(size_at(count(x, bisect_right)) for x in around)

    def limits(x: float, cut: _Cut) -> tuple[float, float]:
        above = count(x, cut)
        beyond = sum(above)
        effective = size_at(above) if 0 < beyond < n else usual
        # An end where sections happen to be alike would come too early.
        lo, hi = binomial_limits(beyond / n * effective, effective, level)
        return lo, hi if effective <= usual else binomial_limits(beyond / n * usual, usual, level)[1]

    return limits, usual


def _together(sections: Sequence[Sequence[float]]) -> float:
    """Return how many runs say as much about the mean as one that depends on nobody, at least 1 (design effect)."""
    known = [[value for value in section if math.isfinite(value)] for section in sections]
    known = [section for section in known if section]
    if len(known) < 2:
        return 1.0
    everything = [value for section in known for value in section]
    n = len(everything)
    variance = _variance(everything, math.fsum(everything) / n) if n > 1 else 0.0
    if variance <= 0.0:
        return 1.0
    sums, sizes = [math.fsum(section) for section in known], [float(len(section)) for section in known]
    return max(1.0, spread_of_ratio(sums, sizes) * n / variance)


def _order_limits(ordered: Sequence[float], share: float, effective: float, level: float) -> tuple[float, float]:
    """Return the order statistics between which the quantile lies, -inf or inf where none bounds it."""
    from scipy.special import bdtr

    n = len(ordered)
    size = max(1, math.floor(effective))
    tail = (1.0 - level) / 2.0
    # P(X_(k) > quantile) = P(Binomial(size, share) <= k - 1): the count of runs at or below the quantile.
    low, high = 0, size + 1
    left, right = 0, size
    while left < right:  # the largest k in 0..size with P(B <= k - 1) <= tail
        middle = (left + right + 1) // 2
        left, right = (middle, right) if float(bdtr(middle - 1, size, share)) <= tail else (left, middle - 1)
    low = left
    left, right = 1, size + 1
    while left < right:  # the smallest k in 1..size+1 with P(B <= k - 1) >= 1 - tail; size + 1 bounds nothing
        middle = (left + right) // 2
        inside = middle <= size and float(bdtr(middle - 1, size, share)) >= 1.0 - tail
        left, right = (left, middle) if inside else (middle + 1, right)
    high = left
    lo = ordered[max(1, math.floor(low * n / size)) - 1] if low >= 1 else -math.inf
    hi = ordered[min(n, math.ceil(high * n / size)) - 1] if high <= size else math.inf
    return lo, hi


# Variances ---------------------------------------------------------------------------------------------------------


def _variance(values: Sequence[float], centre: float) -> float:
    """Return the sample variance around `centre` (n - 1 in the denominator)."""
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)


def spread_of_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the linearized variance of the ratio of sums over at least 2 sections (Cochran, Sampling, 6.4)."""
    n = len(denominators)
    below = math.fsum(denominators)
    value = math.fsum(numerators) / below
    errors = math.fsum((y - value * x) ** 2 for y, x in zip(numerators, denominators, strict=True))
    return errors * n / ((n - 1) * below * below)


def _effective_size(trials: int, rate: float, spread: float, sections: int, level: float) -> float:
    """Return how many independent trials say as much as `trials` clustered ones (Korn and Graubard 1998)."""
    simple = rate * (1.0 - rate) / trials
    effect = spread / simple if simple > 0.0 else 1.0
    if effect <= 1.0:
        return float(trials)
    freedom = (t_quantile(level, trials - 1) / t_quantile(level, sections - 1)) ** 2
    return max(1.0, min(float(trials), trials / effect * freedom))
