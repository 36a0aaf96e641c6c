"""Where a curve of latency against load turns up: beyond it a little more load costs a lot of time."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["knee_of"]

#: A curve that rises by less than this factor has no knee that anybody would feel.
_RISE = 2.0
#: How far a knee stands out of the chord at least, as a share of the height: below that the curve is nearly straight.
_DEPTH = 0.15


def knee_of(points: Sequence[tuple[float, float]]) -> int | None:
    """Return which of the points (load, latency), by ascending load, is the knee; `None` where there is none.

    The point that lies farthest below the chord from the first to the last point, both axes scaled to 0..1 (V.
    Satopää, J. Albrecht, D. Irwin and B. Raghavan, "Finding a 'Kneedle' in a Haystack", ICDCSW 2011, for a convex and
    rising curve, without smoothing: what a simulation gives has an interval instead). Points whose latency is not
    finite end the curve. The knee depends on how far the load was taken: it is a place to look at, no limit.
    """
    known = list(points)
    stop = next((at for at, (_, value) in enumerate(known) if not math.isfinite(value)), len(known))
    known = known[:stop]
    if len(known) < 4:
        return None
    (x0, y0), (x1, y1) = known[0], known[-1]
    if x1 <= x0 or y0 <= 0.0 or y1 < _RISE * y0:
        return None
    depths = [(x - x0) / (x1 - x0) - (y - y0) / (y1 - y0) for x, y in known]
    best = max(range(len(depths)), key=lambda at: depths[at])
    return best if depths[best] >= _DEPTH else None
