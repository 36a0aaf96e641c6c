"""The families of distributions that are fitted: each with its maximum of the likelihood, its tail and its quantiles.

Where nothing is censored the maxima are known in closed form but for the gamma distribution, whose shape takes Newton's
steps (N. L. Johnson, S. Kotz, N. Balakrishnan, *Continuous Univariate Distributions* 1, 1994, ch. 17).

To add one: a `Family` in `FAMILIES`. Its parameters are those of the language, in the order of a plan.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from orchspec.simulator.fitting.likelihood import Family, Parameters, searched

if TYPE_CHECKING:
    from orchspec.simulator.fitting.sample import Sample, Values

__all__ = ["FAMILIES"]

_Z95: Final = 1.6448536269514722
#: Shapes that the language takes.
_SHAPES: Final = (1e-6, 1e5)


def _any_spread(sample: Sample) -> bool:
    return len(sample.values) > 1 and bool(sample.values[0] < sample.values[-1])


def _all_positive(sample: Sample) -> bool:
    return _any_spread(sample) and bool(sample.values[0] > 0.0)


def _logs(sample: Sample) -> Values:
    import numpy as np

    logs: Values = np.log(sample.values)
    return logs


def _exponential_fit(sample: Sample) -> Parameters:
    return (float(sample.values.sum() + sample.censored.sum()) / len(sample.values),)


def _lognormal_start(sample: Sample) -> Parameters:
    logs = _logs(sample)
    centre = float(logs.mean())
    return math.exp(centre), math.exp(centre + _Z95 * float(logs.std()))


def _lognormal_z(x: Values, parameters: Parameters) -> tuple[Values, float]:
    import numpy as np

    p50, p95 = parameters
    sigma = max((math.log(p95) - math.log(p50)) / _Z95, 1e-300)
    z: Values = (np.log(x) - math.log(p50)) / sigma
    return z, sigma


def _lognormal_logpdf(x: Values, parameters: Parameters) -> Values:
    import numpy as np

    if parameters[1] <= parameters[0]:
        return np.full(len(x), -np.inf)
    z, sigma = _lognormal_z(x, parameters)
    density: Values = -0.5 * z * z - np.log(x) - math.log(sigma) - 0.5 * math.log(2.0 * math.pi)
    return density


def _lognormal_logsf(x: Values, parameters: Parameters) -> Values:
    from scipy.special import log_ndtr

    tail: Values = log_ndtr(-_lognormal_z(x, parameters)[0])
    return tail


def _lognormal_quantile(u: Values, parameters: Parameters) -> Values:
    import numpy as np
    from scipy.special import ndtri

    p50, p95 = parameters
    values: Values = p50 * np.exp(ndtri(u) * (math.log(p95) - math.log(p50)) / _Z95)
    return values


def _gamma_start(sample: Sample) -> Parameters:
    from scipy.special import digamma, polygamma

    mean = float(sample.values.mean())
    gap = max(math.log(mean) - float(_logs(sample).mean()), 1e-12)
    shape = (3.0 - gap + math.sqrt((gap - 3.0) ** 2 + 24.0 * gap)) / (12.0 * gap)
    for _ in range(50):
        step = (math.log(shape) - float(digamma(shape)) - gap) / (1.0 / shape - float(polygamma(1, shape)))
        following = shape - step
        shape = following if following > 0.0 else 0.5 * shape
        if abs(step) < 1e-12 * shape:
            break
    shape = min(max(shape, _SHAPES[0]), _SHAPES[1])
    return shape, mean / shape


def _gamma_logpdf(x: Values, parameters: Parameters) -> Values:
    import numpy as np
    from scipy.special import gammaln

    shape, scale = parameters
    density: Values = (shape - 1.0) * np.log(x) - x / scale - float(gammaln(shape)) - shape * math.log(scale)
    return density


def _gamma_logsf(x: Values, parameters: Parameters) -> Values:
    import numpy as np
    from scipy.special import gammaincc

    with np.errstate(divide="ignore"):
        tail: Values = np.log(gammaincc(parameters[0], x / parameters[1]))
    return tail


def _gamma_quantile(u: Values, parameters: Parameters) -> Values:
    from scipy.special import gammaincinv

    values: Values = parameters[1] * gammaincinv(parameters[0], u)
    return values


def _normal_fits(sample: Sample) -> bool:
    """A normal distribution that reaches below 0 is another one once it is cut off there."""
    return _any_spread(sample) and float(sample.values.mean()) > 3.0 * float(sample.values.std())


def _normal_start(sample: Sample) -> Parameters:
    return float(sample.values.mean()), float(sample.values.std())


def _normal_logpdf(x: Values, parameters: Parameters) -> Values:
    mean, sd = parameters
    density: Values = -0.5 * ((x - mean) / sd) ** 2 - math.log(sd) - 0.5 * math.log(2.0 * math.pi)
    return density


def _normal_logsf(x: Values, parameters: Parameters) -> Values:
    from scipy.special import log_ndtr

    tail: Values = log_ndtr(-(x - parameters[0]) / parameters[1])
    return tail


def _normal_quantile(u: Values, parameters: Parameters) -> Values:
    from scipy.special import ndtri

    values: Values = parameters[0] + parameters[1] * ndtri(u)
    return values


def _pareto_fit(sample: Sample) -> Parameters:
    import numpy as np

    least = float(sample.values[0])
    over = float(_logs(sample).sum()) - len(sample.values) * math.log(least)
    over += float(np.log(np.maximum(sample.censored, least) / least).sum())
    return least, len(sample.values) / over


def _pareto_logpdf(x: Values, parameters: Parameters) -> Values:
    import numpy as np

    least, alpha = parameters
    density: Values = np.where(
        x >= least, math.log(alpha) + alpha * math.log(least) - (alpha + 1.0) * np.log(x), -np.inf
    )
    return density


def _pareto_logsf(x: Values, parameters: Parameters) -> Values:
    import numpy as np

    tail: Values = -parameters[1] * np.log(np.maximum(x / parameters[0], 1.0))
    return tail


def _pareto_quantile(u: Values, parameters: Parameters) -> Values:
    values: Values = parameters[0] * (1.0 - u) ** (-1.0 / parameters[1])
    return values


def _uniform_fit(sample: Sample) -> Parameters:
    """The ends: the least value, and the greatest, or what lies beyond it as the values that were cut off say.

    Beyond the greatest value the likelihood grows as long as the sum of (high - low) / (high - cut) over what was cut
    off exceeds the number of all, and that sum falls: so there is one maximum.
    """
    import numpy as np

    low, high = float(sample.values[0]), float(sample.values[-1])
    cuts = sample.censored[sample.censored > low]
    if not len(cuts):
        return low, high
    total = len(sample.values) + len(cuts)

    def slope(at: float) -> float:
        return float(np.sum((at - low) / (at - cuts))) - total

    least = max(high, float(cuts[-1]) * (1.0 + 1e-12))
    if slope(least) <= 0.0:
        return low, least
    from scipy.optimize import brentq

    # All cut off at the last would put it there; cuts before that say less.
    most = low + (least - low) * total / len(sample.values)
    return low, float(brentq(slope, least, most * (1.0 + 1e-9)))


def _uniform_logpdf(x: Values, parameters: Parameters) -> Values:
    import numpy as np

    low, high = parameters
    density: Values = np.where((x >= low) & (x <= high), -math.log(high - low), -np.inf)
    return density


def _uniform_logsf(x: Values, parameters: Parameters) -> Values:
    import numpy as np

    low, high = parameters
    with np.errstate(divide="ignore"):
        tail: Values = np.log(np.clip((high - x) / (high - low), 0.0, 1.0))
    return tail


def _uniform_quantile(u: Values, parameters: Parameters) -> Values:
    values: Values = parameters[0] + u * (parameters[1] - parameters[0])
    return values


def _exponential_logpdf(x: Values, parameters: Parameters) -> Values:
    density: Values = -x / parameters[0] - math.log(parameters[0])
    return density


def _exponential_logsf(x: Values, parameters: Parameters) -> Values:
    tail: Values = -x / parameters[0]
    return tail


def _exponential_quantile(u: Values, parameters: Parameters) -> Values:
    import numpy as np

    values: Values = -parameters[0] * np.log1p(-u)
    return values


FAMILIES: Final[dict[str, Family]] = {
    family.name: family
    for family in (
        Family(
            "exponential",
            (("mean", True),),
            _any_spread,
            _exponential_fit,
            _exponential_logpdf,
            _exponential_logsf,
            _exponential_quantile,
            (True,),
        ),
        searched(
            Family(
                "lognormal",
                (("p50", True), ("p95", True)),
                _all_positive,
                _lognormal_start,
                _lognormal_logpdf,
                _lognormal_logsf,
                _lognormal_quantile,
            )
        ),
        searched(
            Family(
                "gamma",
                (("shape", False), ("scale", True)),
                _all_positive,
                _gamma_start,
                _gamma_logpdf,
                _gamma_logsf,
                _gamma_quantile,
            )
        ),
        searched(
            Family(
                "normal",
                (("mean", True), ("sd", True)),
                _normal_fits,
                _normal_start,
                _normal_logpdf,
                _normal_logsf,
                _normal_quantile,
                (False, True),
            )
        ),
        Family(
            "pareto",
            (("min", True), ("alpha", False)),
            _all_positive,
            _pareto_fit,
            _pareto_logpdf,
            _pareto_logsf,
            _pareto_quantile,
            sharp=True,
        ),
        Family(
            "uniform",
            (("low", True), ("high", True)),
            _any_spread,
            _uniform_fit,
            _uniform_logpdf,
            _uniform_logsf,
            _uniform_quantile,
            sharp=True,
            ends=True,
        ),
    )
}
"""By name. A constant is no family: values that are all equal need no fit."""
