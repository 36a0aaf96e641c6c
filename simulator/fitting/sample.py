"""What was measured of one quantity: values, and values that are only known to be greater than something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["Sample", "Unit"]

Unit = Literal["s", "tokens", "USD", "calls"]
"""Of a quantity: seconds, tokens, US dollars, calls of a tool. Tokens and calls are whole numbers."""

#: So many values are fitted; of more, every k-th in order of size, which keeps the distribution.
_MOST = 100_000
#: Ties in so large a part of the values say that they were rounded.
_TIED = 0.05


class Sample:
    """Values of a quantity, ascending, none below 0.

    Args:
        values: What was measured.
        unit: Of the values.
        censored: Lower bounds of values that nobody saw the end of (timeouts, lost races).
        may_never: Whether a part of the censored may be infinite: people who never answer.
    """

    def __init__(
        self, values: Sequence[float], unit: Unit, censored: Sequence[float] = (), *, may_never: bool = False
    ) -> None:
        import numpy as np

        self.unit = unit
        self.n = len(values)
        self.values: Values = _thinned(np.sort(np.asarray(values, dtype=np.float64)), _MOST)
        self.censored: Values = _thinned(np.sort(np.asarray(censored, dtype=np.float64)), _MOST)
        self.n_censored = len(censored)
        self.may_never = may_never

    @property
    def whole(self) -> bool:
        """Whether values are whole numbers."""
        return self.unit in ("tokens", "calls")

    def positive(self) -> Sample:
        """Those of its values that are above 0; the censored ones all are."""
        return Sample(list(self.values[self.values > 0.0]), self.unit, list(self.censored), may_never=self.may_never)

    def spread(self) -> Values:
        """The values with what rounding took off put back at random, the same every time, so that none are equal.

        A test of fit supposes values of a continuous distribution. Values that were rounded to a step stand for all
        within half a step of them.
        """
        import numpy as np

        values = self.values
        distinct = np.unique(values)
        if len(distinct) < 2 or len(distinct) > (1.0 - _TIED) * len(values):
            return values
        step = 1.0 if self.whole else float(np.min(np.diff(distinct)))
        shifted = values + step * (np.random.default_rng(1).random(len(values)) - 0.5)
        return np.sort(np.where(shifted > 0.0, shifted, values))


def _thinned(values: Values, most: int) -> Values:
    """At most so many of ascending values, evenly spread over their ranks, both ends kept."""
    import numpy as np

    if len(values) <= most:
        return values
    kept: Values = values[np.round(np.linspace(0, len(values) - 1, most)).astype(int)]
    return kept
