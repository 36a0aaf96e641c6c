"""Charts of many simulations: a KPI against what was set, with the band of its intervals.

What is drawn is data (`Curve`, `Dot`), made elsewhere; how it looks is decided here alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from orchspec.simulator.axes import quantity_axis, time_axis_for
from orchspec.simulator.drawing import DASHES, MARKERS, Chart, Theme, label, legend_above, new_figure
from orchspec.simulator.units import format_bound, format_quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Curve", "Dot", "Mark", "Panel", "curve_chart", "heat_chart"]

_SIGNS = {"passed": "o", "failed": "X", "undecided": "D"}


@dataclass(frozen=True, slots=True)
class Dot:
    """A value and its interval at `x`; ends may be infinite or undefined. `verdict` is that of the target, if any."""

    x: float
    value: float
    lo: float
    hi: float
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """Dots in the order of their `x`, and what they are of."""

    name: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the horizontal axis that is worth a word."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """What curves are drawn against: titles, the unit of the values (see `units`), a bound, and a mark.

    `names` are the labels of the positions 0, 1, 2 … where the values on the horizontal axis are no numbers. Dots are
    `joined` by a line and a band unless they stand for things that have no order. `along` is the unit of the horizontal
    axis.
    """

    title: str
    note: str
    across: str
    up: str
    unit: str
    bound: float | None = None
    mark: Mark | None = None
    names: tuple[str, ...] = ()
    joined: bool = True
    along: str = ""


def curve_chart(name: str, panel: Panel, curves: Sequence[Curve]) -> Chart:
    """Return curves with their bands over one pair of axes."""
    alt = "; ".join(
        f"{curve.name}: " + ", ".join(f"{format_quantity(dot.value, panel.unit)} at {dot.x:g}" for dot in curve.dots)
        for curve in curves
    )
    return Chart(name, panel.title, panel.note, lambda theme: _draw(theme, panel, curves), alt)


def _draw(theme: Theme, panel: Panel, curves: Sequence[Curve]) -> Figure:
    figure = new_figure(theme, 8.4, 4.1)
    axes = figure.add_subplot()
    top = panel.bound or 0.0
    for number, curve in enumerate(curves):
        top = max(top, _draw_curve(axes, theme, panel, curve, theme.curves[number % len(theme.curves)], number))
    if panel.bound is not None and math.isfinite(panel.bound):
        axes.axhline(panel.bound, color=theme.alarm, linewidth=1.4, linestyle=(0, (5, 2)), zorder=3)
        axes.annotate(
            format_bound(panel.bound, panel.unit), (1.0, panel.bound), (4, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="left", va="center", fontsize=9, color=theme.alarm_ink, zorder=6,
        )  # fmt: skip
    if panel.mark is not None:
        axes.axvline(panel.mark.x, color=theme.muted, linewidth=1.2, linestyle=(0, (2, 2)), zorder=2)
        # Above the axes, where no curve runs through it, and not beyond their ends.
        places = [dot.x for curve in curves for dot in curve.dots]
        share = (panel.mark.x - min(places)) / ((max(places) - min(places)) or 1.0)
        axes.annotate(
            label(panel.mark.text, 60), (panel.mark.x, 1.0), (0, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", va="bottom", fontsize=9, color=theme.ink, zorder=6,
            ha="left" if share < 0.3 else "right" if share > 0.7 else "center",
        )  # fmt: skip
    _scale(axes, panel, curves, top)
    axes.grid(visible=True, axis="y")
    if len(curves) > 1:
        letters = max(len(label(curve.name)) for curve in curves) + 7
        fitting = max(1, (50 if theme.narrow else 96) // letters)
        legend_above(axes, min(fitting, len(curves)), line=panel.mark is not None)
    return figure


def _draw_curve(axes: Axes, theme: Theme, panel: Panel, curve: Curve, colour: str, number: int) -> float:
    """Draw one curve; return how high it reaches."""
    known = [dot for dot in curve.dots if math.isfinite(dot.value)]
    if not known:
        return 0.0
    xs = [dot.x for dot in known]
    lows = [dot.lo if math.isfinite(dot.lo) else dot.value for dot in known]
    highs = [dot.hi if math.isfinite(dot.hi) else dot.value for dot in known]
    if panel.joined:
        axes.fill_between(xs, lows, highs, color=colour, alpha=0.18, linewidth=0, zorder=2)
    axes.errorbar(
        xs, [dot.value for dot in known],
        [[max(0.0, dot.value - low) for dot, low in zip(known, lows, strict=True)],
         [max(0.0, high - dot.value) for dot, high in zip(known, highs, strict=True)]],
        fmt="none", color=colour, capsize=2.5, linewidth=1.0, zorder=3,
    )  # fmt: skip
    style = DASHES[number % len(DASHES)] if panel.joined else ""
    judged = any(dot.verdict for dot in known)
    axes.plot(
        xs, [dot.value for dot in known], color=colour, linewidth=1.9, linestyle=style, zorder=4,
        label=label(curve.name), marker="" if judged else MARKERS[number % len(MARKERS)], markersize=4.5,
    )  # fmt: skip
    if judged:
        for dot in known:
            ink = {"passed": theme.kinds["effect"], "failed": theme.alarm}.get(dot.verdict, theme.muted)
            axes.plot([dot.x], [dot.value], marker=_SIGNS.get(dot.verdict, "o"), color=ink, markersize=7, zorder=5)
    # One interval that is far too wide would flatten everything else.
    values = max(dot.value for dot in known)
    return min(max(highs), 2.0 * values) if values > 0.0 else max(highs)


def _scale(axes: Axes, panel: Panel, curves: Sequence[Curve], top: float) -> None:
    values = sorted(dot.value for curve in curves for dot in curve.dots if math.isfinite(dot.value) and dot.value > 0.0)
    # Below the knee and beyond it lie orders of magnitude: on an even scale the one would be a line at the bottom.
    if values and panel.unit == "s" and values[-1] > 30.0 * values[len(values) // 2]:
        time_axis_for(axes, values, panel.up)
    else:
        low = min((dot.lo for curve in curves for dot in curve.dots if math.isfinite(dot.lo)), default=0.0)
        axes.set_ylim(min(0.0, low), top * 1.12 or 1.0)
        quantity_axis(axes, "y", panel.unit, top, panel.up)
    if panel.names:
        axes.set_xticks(range(len(panel.names)), [label(name, 18) for name in panel.names])
    places = sorted({dot.x for curve in curves for dot in curve.dots})
    if panel.along:
        quantity_axis(axes, "x", panel.along, places[-1], label(panel.across, 60))
    else:
        axes.set_xlabel(label(panel.across, 60))
    if not panel.names:
        _tick(axes, places)


def _tick(axes: Axes, places: Sequence[float]) -> None:
    """Put a tick at each value, where they are few and apart."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    least = (places[-1] - places[0]) / 18.0
    if len(places) <= 10 and all(b - a >= least for a, b in pairwise(places)):
        axes.xaxis.set_major_locator(FixedLocator(list(places)))
    elif all(place == int(place) for place in places):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def heat_chart(
    name: str, panel: Panel, rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]]
) -> Chart:
    """Return a table of shades: `values[row][column]`, undefined where nothing is known; `panel.up` names the rows."""
    alt = "; ".join(
        f"{row}: " + ", ".join(format_quantity(value, panel.unit) for value in line)
        for row, line in zip(rows, values, strict=True)
    )
    return Chart(name, panel.title, panel.note, lambda theme: _draw_heat(theme, panel, rows, columns, values), alt)


def _draw_heat(
    theme: Theme, panel: Panel, rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]]
) -> Figure:
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    figure = new_figure(theme, min(12.0, 2.4 + 0.95 * max(4, len(columns))), 1.7 + 0.42 * max(3, len(rows)))
    axes = figure.add_subplot()
    known = [value for row in values for value in row if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    cells, shades = [], []
    for at, row in enumerate(values):
        for column, value in enumerate(row):
            finite = math.isfinite(value)
            share = (value - low) / (high - low) if finite and high > low else 0.0
            cells.append(
                [(column + a, at + b) for a, b in ((-0.47, -0.45), (0.47, -0.45), (0.47, 0.45), (-0.47, 0.45))]
            )
            shades.append(to_rgba(theme.accent, 0.06 + 0.62 * share) if finite else to_rgba(theme.muted, 0.12))
            axes.annotate(
                format_quantity(value, panel.unit), (column, at), ha="center", va="center", fontsize=8.5,
                color=theme.ink,
            )  # fmt: skip
    axes.add_collection(PolyCollection(cells, facecolors=shades, linewidths=0))
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), [label(each, 14) for each in columns])
    axes.set_yticks(range(len(rows)), [label(each, 18) for each in rows])
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_xlabel(label(panel.across, 60))
    axes.set_ylabel(label(panel.up, 40))
    return figure
