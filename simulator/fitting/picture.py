"""The picture of a fit: the data beside what was fitted to it, as a histogram, as shares, and quantile by quantile."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Dist
from orchspec.runtime.distributions import compile_dist
from orchspec.simulator.drawing import Chart, Theme, label, new_figure
from orchspec.simulator.fitting.choose import Fitted
from orchspec.simulator.units import time_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from orchspec.simulator.fitting.sample import Values

__all__ = ["fit_chart", "quantiles_of"]

#: Points of a curve: more would only make the file larger.
_POINTS: Final = 400
_BINS: Final = 40
#: What lies beyond this share is told by the other two panels; in a histogram it would squeeze the rest.
_SHOWN: Final = 0.99
#: Quantiles of a mixture, whose sampler is none, come from so many evenly spread draws.
_DRAWS: Final = 20_000


def fit_chart(target: str, attribute: str, fitted: Fitted, text: str) -> Chart:
    """The chart of one fit; `text` is the distribution as the language writes it."""
    title = f"{label(target)}: {attribute}"
    note = f"{label(text, 100)}, {fitted.sample.n:,} values"
    if fitted.sample.n_censored:
        note += f", {fitted.sample.n_censored:,} cut off"
    name = re.sub(r"[^A-Za-z0-9_-]", "-", f"{target}-{attribute}")[:80]
    alt = f"{note}; no share is wrong by more than {100.0 * fitted.distance:.2g} %"
    return Chart(name, title, note, lambda theme: _draw(theme, fitted), alt)


def quantiles_of(fitted: Fitted) -> Callable[[Values], Values]:
    """The inverse of the fitted distribution, in the unit of its sample."""
    import numpy as np

    dist: Dist = fitted.dist
    sample = compile_dist(dist)
    grid = (np.arange(_DRAWS) + 0.5) / _DRAWS
    drawn = np.sort(np.array([float(sample(u)) for u in grid.tolist()]))
    return lambda u: np.interp(u, grid, drawn)


def _draw(theme: Theme, fitted: Fitted) -> Figure:
    import numpy as np

    figure = new_figure(theme, 10.8, 4.0, narrow_height=9.6)
    left, middle, right = figure.subplots(3, 1) if theme.narrow else figure.subplots(1, 3)
    quantile = quantiles_of(fitted)
    values = fitted.sample.values
    scale, unit = time_scale(float(np.quantile(values, _SHOWN))) if fitted.sample.unit == "s" else (1.0, "")
    unit = unit or fitted.sample.unit
    shown = values / scale
    shares = (np.arange(_POINTS) + 0.5) / _POINTS
    curve = quantile(shares) / scale
    _histogram(left, theme, shown, curve, unit)
    _shares(middle, theme, fitted, shown, curve, shares, unit, scale)
    _against(right, theme, fitted, shown, quantile, scale, unit)
    return figure


def _histogram(axes: Axes, theme: Theme, values: Values, curve: Values, unit: str) -> None:
    import numpy as np

    high = float(np.quantile(values, _SHOWN))
    low = float(values[0])
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    axes.hist(values, edges.tolist(), weights=np.full(len(values), 100.0 / len(values)), color=theme.grid,
              edgecolor=theme.muted, linewidth=0.4, label="data")  # fmt: skip
    counts, _ = np.histogram(curve, edges)
    # The share of the fit in each bin, as a step on the same bins: what the bars should be.
    axes.stairs(100.0 * counts / len(curve), edges, color=theme.accent, linewidth=1.8, label="fit")
    axes.set_xlabel(f"value ({unit})")
    axes.set_ylabel("share of values (%)")
    axes.legend(loc="upper right")


def _shares(
    axes: Axes, theme: Theme, fitted: Fitted, values: Values, curve: Values, shares: Values, unit: str, scale: float
) -> None:
    import numpy as np

    from orchspec.simulator.fitting.goodness import steps

    above, _ = steps(values, fitted.sample.censored / scale)
    kept = np.unique(np.round(np.linspace(0, len(values) - 1, _POINTS)).astype(int))
    axes.step(values[kept], 100.0 * above[kept], where="post", color=theme.ink, linewidth=1.2, label="data")
    axes.plot(curve, 100.0 * shares, color=theme.accent, linewidth=1.8, linestyle=(0, (5, 2)), label="fit")
    low = float(min(values[0], curve[0]))
    if low > 0.0 and float(values[-1]) > 20.0 * low:
        _stretch(axes, "x")
    axes.set_ylim(0.0, 100.0)
    axes.set_xlabel(f"value ({unit})")
    axes.set_ylabel("share at or below (%)")
    axes.grid(visible=True)
    axes.legend(loc="lower right")


def _against(
    axes: Axes,
    theme: Theme,
    fitted: Fitted,
    values: Values,
    quantile: Callable[[Values], Values],
    scale: float,
    unit: str,
) -> None:
    """Quantiles of the data against those of the fit: on the diagonal they agree."""
    import numpy as np

    from orchspec.simulator.fitting.goodness import steps

    above, below = steps(values, fitted.sample.censored / scale)
    kept = np.unique(np.round(np.linspace(0, len(values) - 1, _POINTS)).astype(int))
    expected = quantile(0.5 * (above + below)[kept]) / scale
    found = values[kept]
    axes.plot(expected, found, "o", color=theme.accent, markersize=3, alpha=0.7)
    ends: list[Any] = [float(min(expected[0], found[0])), float(max(expected[-1], found[-1]))]
    axes.plot(ends, ends, color=theme.muted, linewidth=1.0)
    if ends[0] > 0.0 and ends[1] > 20.0 * ends[0]:
        _stretch(axes, "x")
        _stretch(axes, "y")
    axes.set_xlabel(f"quantile of the fit ({unit})")
    axes.set_ylabel(f"quantile of the data ({unit})")
    axes.grid(visible=True)


def _stretch(axes: Axes, which: str) -> None:
    """Let an axis be logarithmic, with plain numbers on it."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(10.0, numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
