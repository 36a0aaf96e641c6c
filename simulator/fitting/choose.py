"""The distribution for a sample: of all families the one with the least AIC, or, where none fits, what does.

H. Akaike's criterion (IEEE Transactions on Automatic Control 19, 1974) is the likelihood less what each parameter buys
by chance. It finds the best of those that are tried, not a good one, so the best is held against the data
(`goodness.distance`). Where it is too far away, two lognormal distributions are tried together, and last the shape
of the data itself, as a mixture of uniform parts, which needs no file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchspec.simulator.estimate import binomial_limits
from orchspec.simulator.fitting.families import FAMILIES
from orchspec.simulator.fitting.goodness import chance_of, distance
from orchspec.simulator.fitting.likelihood import Family, Parameters, cured, likelihood, limits
from orchspec.simulator.fitting.mixtures import as_choice, as_parts, two_lognormals
from orchspec.simulator.fitting.sample import Sample

if TYPE_CHECKING:
    from orchspec.simulator.fitting.sample import Values

__all__ = ["LEAST", "Fitted", "fit"]

LEAST: Final = 20
"""Fewer values say too little of a distribution, unless told otherwise."""
#: A fit whose shares are wrong by more than this is not used, however many values there are.
_FAR: Final = 0.08
#: The distance beyond which one fit in a hundred lies by chance, times the root of the number of values.
_CHANCE: Final = 1.63
#: So many different whole numbers are told one by one.
_FEW: Final = 12
#: Each of them comes so often on the average; else they are few because there are few values.
_OFTEN: Final = 4
#: An AIC so much less is a reason for more parameters.
_WORTH: Final = 10.0


@dataclass(slots=True, frozen=True)
class Fitted:
    """A distribution that was fitted.

    Attributes:
        dist: In the form of a plan, but in seconds, US dollars, tokens and calls.
        sample: What it was fitted to.
        parameters: Of a family: each with its 95 % interval; empty for others.
        aic: Of each family that was tried.
        distance: The greatest error of a share (see `goodness`); 0 where values are all equal.
        chance: How often chance alone makes it as great, or None where that is not told.
        never, never_limits: The share that never comes, of people and signals, and its 95 % interval.
        notes: What a reader should know.
    """

    dist: list[Any]
    sample: Sample
    parameters: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    aic: dict[str, float] = field(default_factory=dict)
    distance: float = 0.0
    chance: float | None = None
    never: float = 0.0
    never_limits: tuple[float, float] = (0.0, 0.0)
    notes: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """Its name in the language."""
        return str(self.dist[0])


def fit(sample: Sample) -> Fitted:
    """The distribution for a sample of at least one value."""
    low, high = float(sample.values[0]), float(sample.values[-1])
    if high - low <= 1e-9 * high:
        value = float(round(low)) if sample.whole else low
        never, total = _share_never(sample)
        notes = () if not sample.n_censored or never else (f"{sample.n_censored} that were cut off are left out",)
        known = binomial_limits(never * total, total) if never else (0.0, 0.0)
        return Fitted(["fixed", value], sample, never=never, never_limits=known, notes=notes)
    different = len(set(sample.values.tolist())) if sample.whole else 0
    if sample.whole and different <= _FEW and different * _OFTEN <= len(sample.values):
        dist = as_choice(sample)
        return Fitted(dist, sample, notes=("each value with its share",) if dist[0] == "choice" else ())
    zeros = int((sample.values <= 0.0).sum())
    if zeros:
        return _with_zeros(sample, zeros)
    return _fit(sample)


def _share_never(sample: Sample) -> tuple[float, int]:
    """Of values that are all equal: what was waited for longer never comes. The share of it, and of how many."""
    gone = int((sample.censored > sample.values[-1]).sum()) if sample.may_never else 0
    total = gone + len(sample.values)
    return gone / total, total


def _with_zeros(sample: Sample, zeros: int) -> Fitted:
    inner = fit(sample.positive())
    share = zeros / (len(sample.values) + len(sample.censored))
    parts = [[share, ["fixed", 0.0]], [1.0 - share, inner.dist]]
    return Fitted(
        ["mixture", parts],
        sample,
        dict(inner.parameters),
        dict(inner.aic),
        inner.distance * (1.0 - share),
        inner.chance,
        inner.never,
        inner.never_limits,
        (f"{100.0 * share:.3g} % are 0", *inner.notes),
    )


def _fit(sample: Sample) -> Fitted:
    tried: list[tuple[float, Family, Parameters, float]] = []
    for family in FAMILIES.values():
        if not family.fits(sample):
            continue
        parameters, never = _maximum(family, sample)
        found = likelihood(family, sample, parameters, never)
        if math.isfinite(found):
            count = len(parameters) + (never > 0.0)
            tried.append((2.0 * count - 2.0 * found, family, parameters, never))
    tried.sort(key=lambda each: each[0])
    aic, family, parameters, never = tried[0]
    table = {each.name: value for value, each, _, _ in tried}
    settled = _without(sample, family, parameters, never)
    far = distance(settled, _cdf(family, parameters))
    chance = chance_of(family, settled, parameters, far)
    if _is_far(far, settled, chance) and not never:
        other = _otherwise(sample, aic, far, table)
        if other is not None:
            return other
    intervals, never_limits = limits(family, sample, parameters, never)
    if family.ends and never:
        total = len(sample.values) + len(sample.censored)
        never_limits = binomial_limits(never * total, total)
    told = {
        name: (value, *interval)
        for (name, _), value, interval in zip(family.parameters, parameters, intervals, strict=True)
    }
    notes = tuple(_notes(sample, family, parameters))
    return Fitted([family.name, *parameters], sample, told, table, far, chance, never, never_limits, notes)


def _notes(sample: Sample, family: Family, parameters: Parameters) -> list[str]:
    notes = []
    if family.name == "pareto" and parameters[1] <= 1.0:
        notes.append("its mean is infinite: no capacity is enough for it")
    if family.ends and parameters[-1] > sample.values[-1] * (1.0 + 1e-9):
        notes.append("nobody saw where it ends: how far it reaches is a guess from how many were cut off")
    share = sample.n_censored / (sample.n_censored + sample.n)
    if share > 0.5:
        notes.append(f"{100.0 * share:.0f} % were cut off: beyond that it is a guess")
    return notes


def _cdf(family: Family, parameters: Parameters) -> Callable[[Values], Values]:
    import numpy as np

    return lambda x: -np.expm1(family.logsf(x, parameters))


def _is_far(far: float, sample: Sample, chance: float | None) -> bool:
    if chance is not None:
        return chance <= 0.01
    return far > max(_FAR / 2.0, _CHANCE / math.sqrt(len(sample.values)))


def _otherwise(sample: Sample, aic: float, far: float, table: dict[str, float]) -> Fitted | None:
    """What is taken where no family fits; None if the best of them is near enough after all."""
    if not len(sample.censored):
        pair = two_lognormals(sample)
        if pair is not None and pair.aic < aic - _WORTH:
            apart = distance(sample, pair.cdf)
            if apart <= max(_FAR / 2.0, _CHANCE / math.sqrt(len(sample.values))):
                table = {**table, "two lognormals": pair.aic}
                return Fitted(pair.dist, sample, aic=table, distance=apart, notes=("no single family fits",))
    if far <= _FAR:
        return None
    if len(sample.censored):
        return None
    dist, cdf = as_parts(sample)
    note = "no family fits: this is the shape of the data"
    return Fitted(dist, sample, aic=table, distance=distance(sample, cdf), notes=(note,))


# ------------------------------------------------------------------ what never comes


def _maximum(family: Family, sample: Sample) -> tuple[Parameters, float]:
    """The parameters, and the share that never comes, where that is possible and makes the likelihood worth it.

    The cure model of J. Boag (J. Royal Statistical Society B 11, 1949): a share of those who are asked never answer.
    """
    plain = family.fit(sample)
    if not sample.may_never or not len(sample.censored) or (family.sharp and not family.ends):
        return plain, 0.0
    if family.ends:
        return _gone_beyond(family, sample, plain)
    # It starts where half of those that were cut off are gone.
    half = Sample(list(sample.values), sample.unit, list(sample.censored[::2]))
    start = 0.5 * len(sample.censored) / (len(sample.values) + len(sample.censored))
    parameters, never = cured(family, sample, family.fit(half), start)
    gain = likelihood(family, sample, parameters, never) - likelihood(family, sample, plain)
    return (parameters, never) if gain > 1.0 else (plain, 0.0)


def _gone_beyond(family: Family, sample: Sample, plain: Parameters) -> tuple[Parameters, float]:
    """As `_maximum`, of a family that ends: whoever was waited for beyond the last that came is gone."""
    kept = [cut for cut in sample.censored if cut < sample.values[-1]]
    gone = len(sample.censored) - len(kept)
    never = gone / (gone + len(kept) + len(sample.values))
    if not gone:
        return plain, 0.0
    parameters = family.fit(Sample(list(sample.values), sample.unit, kept))
    gain = likelihood(family, sample, parameters, never) - likelihood(family, sample, plain)
    return (parameters, never) if gain > 1.0 else (plain, 0.0)


def _weighed(sample: Sample, gone: Values) -> Sample:
    """The sample without those of its censored values that never come, as many as are expected, evenly spread."""
    import numpy as np

    left = np.cumsum(1.0 - gone)
    kept = np.searchsorted(left, np.arange(0.5, float(left[-1]), 1.0))
    return Sample(list(sample.values), sample.unit, list(sample.censored[np.minimum(kept, len(left) - 1)]))


def _without(sample: Sample, family: Family, parameters: Parameters, never: float) -> Sample:
    if never <= 0.0:
        return sample
    import numpy as np

    with np.errstate(all="ignore"):
        later = np.exp(family.logsf(sample.censored, parameters))
    return _weighed(sample, never / (never + (1.0 - never) * later))
