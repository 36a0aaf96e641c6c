"""How well a distribution fits: the distance of Kolmogorov and Smirnov, and how often chance alone makes it as great.

The parameters were fitted to the same values, so the tables of the test do not hold; the distance is held against those
of samples drawn from the fit and fitted again (H. W. Lilliefors, JASA 62, 1967; as parametric bootstrap W. Stute and
others, Metrika 40, 1993). Of many values the test finds any distribution wrong, if only by a hair, so that from
`TESTED_MOST` on the distance alone is told: it is the greatest error of any share that is read off the fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchspec.simulator.fitting.likelihood import Family, Parameters
from orchspec.simulator.fitting.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchspec.simulator.fitting.sample import Values

__all__ = ["BOOTSTRAPS", "TESTED_MOST", "chance_of", "distance", "steps"]

BOOTSTRAPS: Final = 199
"""Samples of the bootstrap: p is then known to a hundredth or three."""
TESTED_MOST: Final = 1_000


def distance(sample: Sample, cdf: Callable[[Values], Values], values: Values | None = None) -> float:
    """The greatest difference between the distribution of a sample and `cdf`.

    Of censored samples, between the estimate of E. L. Kaplan and P. Meier (JASA 53, 1958) and `cdf`. `values` are those
    of the sample, spread (`Sample.spread`); they are spread here unless given.
    """
    import numpy as np

    spread = sample.spread() if values is None else values
    fitted = cdf(spread)
    above, below = steps(spread, sample.censored)
    return float(max(np.max(np.abs(above - fitted)), np.max(np.abs(fitted - below))))


def steps(values: Values, censored: Values) -> tuple[Values, Values]:
    """The empirical distribution at each of ascending values, and just below it."""
    import numpy as np

    n = len(values)
    if not len(censored):
        return np.arange(1, n + 1) / n, np.arange(n) / n
    at_risk = np.arange(n, 0, -1) + len(censored) - np.searchsorted(censored, values, side="left")
    survival = np.cumprod(1.0 - 1.0 / at_risk).astype(np.float64)
    before = np.concatenate(([1.0], survival[:-1]))
    return 1.0 - survival, 1.0 - before


def chance_of(family: Family, sample: Sample, parameters: Parameters, found: float) -> float | None:
    """How likely a sample of the fit lies as far from its own fit; None where that is not told."""
    import numpy as np

    n = len(sample.values)
    if n > TESTED_MOST or len(sample.censored):
        return None
    draws = np.random.default_rng(1)
    further = 0
    for _ in range(BOOTSTRAPS):
        drawn = np.sort(family.quantile(draws.random(n), parameters))
        again = Sample(list(np.maximum(drawn, 0.0)), sample.unit)
        refitted = family.fit(again) if family.fits(again) else parameters
        d = distance(again, lambda x, p=refitted: -np.expm1(family.logsf(x, p)), drawn)  # type: ignore[misc]
        further += d >= found
    return (further + 1) / (BOOTSTRAPS + 1)
