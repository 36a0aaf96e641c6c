"""The ends of distributions: below which value nothing is drawn, and above which.

Profiles only estimate what is real, so the lower ends serve best cases, and the upper ends only where nothing is
declared; a bound that rests on one says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchspec.compiler.bounds.ranges import INF, Number
from orchspec.compiler.plan import Dist

__all__ = ["highest", "lowest"]

_Ends = tuple[Number, Number]
_UNKNOWN: Final[_Ends] = (0, INF)


def lowest(dist: Dist | None) -> Number:
    """No value below it is drawn (whole units, at least 0); 0 for no distribution."""
    if dist is None:
        return 0
    low = _ends(dist)[0]
    return max(0, math.floor(low)) if low < INF else 0


def highest(dist: Dist | None) -> Number:
    """No value above it is drawn (whole units); infinity for no distribution, or one without an upper end."""
    if dist is None:
        return INF
    high = _ends(dist)[1]
    return high if high == INF else max(0, math.ceil(high))


def _ends(dist: Dist) -> _Ends:
    if not isinstance(dist, list | tuple) or not dist:
        return _UNKNOWN
    law = _LAWS.get(dist[0])
    return _UNKNOWN if law is None else law(*dist[1:])


def _pareto(least: Number, _alpha: Number) -> _Ends:
    return least, INF


def _choice(choices: list[Any]) -> _Ends:
    values = [value for value, share in choices if share]
    if not values or not all(isinstance(value, int | float) for value in values):
        return _UNKNOWN
    return min(values), max(values)


def _mixture(parts: list[Any]) -> _Ends:
    ends = [_ends(part) for share, part in parts if share]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else _UNKNOWN


_LAWS: Final[Mapping[str, Callable[..., _Ends]]] = {
    "fixed": lambda value: (value, value),
    "uniform": lambda low, high: (low, high),
    "pareto": _pareto,
    "choice": _choice,
    "mixture": _mixture,
}
"""Of every law that has an end but 0; those of the others are 0 and infinity."""
