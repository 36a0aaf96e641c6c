"""What is fitted where no family is enough: two lognormals, the shape of the data, counts one by one."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from orchspec.simulator.fitting.sample import Sample

if TYPE_CHECKING:
    from orchspec.simulator.fitting.sample import Values

__all__ = ["Pair", "as_choice", "as_parts", "two_lognormals"]

_Z95: Final = 1.6448536269514722
#: Parts of which the distribution of the data is drawn, at most, and how near to it is near enough.
_PARTS_MOST: Final = 16
_NEAR: Final = 0.01
#: A part of a mixture holds at least so much.
_LEAST_PART: Final = 0.02
#: Least spread of the logarithms of a part, so that none shrinks to a point, where the likelihood has no bound.
_LEAST_SPREAD: Final = 1e-3


@dataclass(slots=True, frozen=True)
class Pair:
    """Two lognormal distributions: as one of the language, with their AIC and their distribution function."""

    dist: list[Any]
    aic: float
    cdf: Callable[[Values], Values]


def two_lognormals(sample: Sample) -> Pair | None:
    """Two lognormal distributions by expectation and maximization (A. P. Dempster et al., J. R. Stat. Soc. B 39, 1977).

    Started from the lower and the upper half, and from the lower 90 % and the rest; the better one is taken. None where
    a part shrinks to nothing.
    """
    import numpy as np

    logs = np.log(sample.values)
    found = [each for cut in (0.5, 0.9) if (each := _maximized(logs, cut)) is not None]
    if not found:
        return None
    score, share, (a, b), (sa, sb) = max(found, key=lambda each: each[0])

    def cdf(x: Values) -> Values:
        from scipy.special import ndtr

        at = np.log(np.maximum(x, 1e-300))
        both: Values = share * ndtr((at - a) / sa) + (1.0 - share) * ndtr((at - b) / sb)
        return both

    parts: list[tuple[float, list[Any]]] = [
        (part, ["lognormal", math.exp(centre), math.exp(centre + _Z95 * spread)])
        for part, centre, spread in ((share, a, sa), (1.0 - share, b, sb))
    ]
    parts.sort(key=lambda part: part[1][1])
    return Pair(["mixture", [list(part) for part in parts]], 2.0 * 5 - 2.0 * (score - float(logs.sum())), cdf)


def _maximized(logs: Values, cut: float) -> tuple[float, float, tuple[float, float], tuple[float, float]] | None:
    import numpy as np

    middle = max(1, int(len(logs) * cut))
    low, high = logs[:middle], logs[middle:]
    share = cut
    centres = [float(low.mean()), float(high.mean())]
    spreads = [max(float(low.std()), _LEAST_SPREAD), max(float(high.std()), _LEAST_SPREAD)]
    score = -math.inf
    for _ in range(500):
        parts = [
            math.log(part) - 0.5 * ((logs - centre) / spread) ** 2 - math.log(spread) - 0.5 * math.log(2 * math.pi)
            for part, centre, spread in zip((share, 1.0 - share), centres, spreads, strict=True)
        ]
        total = np.logaddexp(*parts)
        weight = np.exp(parts[0] - total)
        before, score = score, float(total.sum())
        share = float(weight.mean())
        if not _LEAST_PART <= share <= 1.0 - _LEAST_PART:
            return None
        if score - before < 1e-8 * abs(score):
            break
        for index, each in enumerate((weight, 1.0 - weight)):
            centres[index] = float(np.average(logs, weights=each))
            variance = float(np.average((logs - centres[index]) ** 2, weights=each))
            spreads[index] = max(math.sqrt(variance), _LEAST_SPREAD)
    return score, share, (centres[0], centres[1]), (spreads[0], spreads[1])


def as_parts(sample: Sample) -> tuple[list[Any], Callable[[Values], Values]]:
    """The distribution of the data drawn with a few straight lines: a mixture of uniform parts; and its function.

    It begins as one line and is broken where it is farthest from the data, until no share is wrong by more than one in
    a hundred, or there are `_PARTS_MOST` parts (the polygon of D. H. Douglas and T. K. Peucker, Cartographica 10, 1973,
    with the distance that matters here).
    """
    import numpy as np

    values = sample.spread()
    shares = np.arange(len(values)) / (len(values) - 1)

    def worst(first: int, last: int) -> tuple[float, int, int, int]:
        width = values[last] - values[first]
        along = (values[first : last + 1] - values[first]) / width if width > 0.0 else np.zeros(last + 1 - first)
        away = np.abs(shares[first] + along * (shares[last] - shares[first]) - shares[first : last + 1])
        at = int(np.argmax(away))
        return -float(away[at]), first, last, first + at

    parts = [worst(0, len(values) - 1)]
    while len(parts) < _PARTS_MOST and -parts[0][0] > _NEAR:
        _, first, last, at = heapq.heappop(parts)
        heapq.heappush(parts, worst(first, at))
        heapq.heappush(parts, worst(at, last))
    cuts = sorted({first for _, first, _, _ in parts} | {len(values) - 1})
    ends, marks = values[cuts], shares[cuts]
    made = [
        [float(b - a), ["uniform", float(low), float(high)] if low < high else ["fixed", float(low)]]
        for (a, low), (b, high) in pairwise(zip(marks.tolist(), ends.tolist(), strict=True))
    ]
    return ["mixture", made], lambda x: np.interp(x, ends, marks)


def as_choice(sample: Sample) -> list[Any]:
    """Whole numbers one by one; a uniform distribution where chance may have made the rest (chi-squared, 1 in 100)."""
    import numpy as np
    from scipy.special import chdtrc

    values, counts = np.unique(sample.values, return_counts=True)
    low, high = int(values[0]), int(values[-1])
    if high - low + 1 == len(values) and counts.min() >= 5:
        expected = len(sample.values) / len(values)
        statistic = float(((counts - expected) ** 2 / expected).sum())
        if float(chdtrc(len(values) - 1, statistic)) > 0.01:
            return ["uniform", low, high]
    total = int(counts.sum())
    return ["choice", [[int(value), int(count) / total] for value, count in zip(values, counts, strict=True)]]
