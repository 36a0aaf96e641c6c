"""Cost against latency: of which choices one can be had only for more of the other (Pareto)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchspec.simulator.axes import quantity_axis
from orchspec.simulator.curves import Dot
from orchspec.simulator.drawing import Chart, Theme, label, new_figure
from orchspec.simulator.units import format_quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Choice", "front_of", "pareto_chart"]

#: Choices with a number of their own; more would cover each other.
_MOST = 24
#: Dots nearer to each other than this part of the axes lie on each other's numbers.
_NEAR = 0.035


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting or a flow, with its mean cost (USD) and its latency (s); the `x` of the dots means nothing."""

    name: str
    cost: Dot
    latency: Dot

    @property
    def known(self) -> bool:
        """Whether both are finite."""
        return math.isfinite(self.cost.value) and math.isfinite(self.latency.value)


def front_of(choices: Sequence[Choice]) -> list[Choice]:
    """Return the choices that no other beats in both, the cheapest first."""
    front: list[Choice] = []
    for choice in sorted(
        (each for each in choices if each.known), key=lambda each: (each.cost.value, each.latency.value)
    ):
        if not front or choice.latency.value < front[-1].latency.value:
            front.append(choice)
    return front


def pareto_chart(name: str, choices: Sequence[Choice], note: str = "", of: str = "p95 latency") -> Chart:
    """Return the choices as numbered dots, with the front of those that are worth considering as a line."""
    known = [each for each in choices if each.known]
    front = front_of(known)
    shown = known if len(known) <= _MOST else front[:_MOST]
    notes = [note] if note else []
    notes.append("filled: no other is cheaper and faster; bars: 95 % intervals")
    if len(shown) < len(known):
        notes.append(f"{len(known) - len(shown)} others not shown")
    if len(known) < len(choices):
        notes.append(f"{len(choices) - len(known)} without a finite latency left out")
    best = "; ".join(
        f"{label(each.name, 60)}: {format_quantity(each.cost.value, 'USD')}, {format_quantity(each.latency.value, 's')}"
        for each in front
    )
    return Chart(
        name, f"Cost against {of}", "; ".join(notes), lambda theme: _draw(theme, shown, front, of), f"Best: {best}."
    )  # fmt: skip


def _draw(theme: Theme, choices: Sequence[Choice], front: Sequence[Choice], of: str) -> Figure:
    columns = 1 if theme.narrow else 2
    lines = math.ceil(len(choices) / columns)
    figure = new_figure(theme, 8.4, 4.0 + 0.2 * lines)
    axes = figure.add_subplot()
    left, width = _span([each.cost.value for each in choices])
    # One interval that is far too wide must not flatten all the rest.
    height = max((min(_ends(each.latency)[1], 1.5 * each.latency.value) for each in choices), default=0.0)
    if len(front) > 1:
        axes.step(
            [each.cost.value for each in front], [each.latency.value for each in front], where="post",
            color=theme.accent, linewidth=1.6, linestyle=(0, (5, 1.5)), zorder=2,
        )  # fmt: skip
    best = set(front)
    low = _span([each.latency.value for each in choices])[0]
    placed: list[tuple[float, float]] = []
    for number, each in enumerate(choices, 1):
        at = ((each.cost.value - left) / (width - left or 1.0), (each.latency.value - low) / (height - low or 1.0))
        hides = [other for other in placed if math.dist(at, other) < _NEAR]
        placed.append(at)
        aside = len(hides) if not hides or at[0] >= hides[0][0] else -len(hides)
        _draw_choice(axes, theme, each, number, on_front=each in best, aside=aside)
    axes.set_xlim(left, width + 0.14 * (width - left) or 1.0)
    axes.set_ylim(low, height + 0.06 * (height - low) or 1.0)
    quantity_axis(axes, "x", "USD", width, "mean cost of a run ($)")
    quantity_axis(axes, "y", "s", height, of)
    axes.grid(visible=True)
    _draw_names(figure, theme, choices, best, columns)
    return figure


def _span(values: Sequence[float]) -> tuple[float, float]:
    """From where to where an axis shows these: from 0, unless all of them are far from it and near each other."""
    least, most = min(values, default=0.0), max(values, default=0.0)
    return (max(0.0, least - (most - least)) if 0.5 * most < least < most else 0.0), most


def _draw_choice(axes: Axes, theme: Theme, choice: Choice, number: int, *, on_front: bool, aside: int = 0) -> None:
    """Draw a choice with its number: in its dot, or `aside` of it (to the left below 0), where others lie there."""
    x, y = choice.cost.value, choice.latency.value
    (x_lo, x_hi), (y_lo, y_hi) = _ends(choice.cost), _ends(choice.latency)
    axes.errorbar(
        [x], [y], xerr=[[max(0.0, x - x_lo)], [max(0.0, x_hi - x)]], yerr=[[max(0.0, y - y_lo)], [max(0.0, y_hi - y)]],
        fmt="none", color=theme.muted, linewidth=1.0, capsize=2.5, zorder=3,
    )  # fmt: skip
    axes.plot(
        [x], [y], marker="o", markersize=12, linestyle="none", zorder=4,
        markerfacecolor=theme.accent if on_front else theme.grid,
        markeredgecolor=theme.accent if on_front else theme.muted, markeredgewidth=1.0,
    )  # fmt: skip
    axes.annotate(
        str(number), (x, y), xytext=(math.copysign(4.0 + 11.0 * abs(aside), aside) if aside else 0.0, 0.0),
        textcoords="offset points", ha="center", va="center_baseline", fontsize=7.5, fontweight="bold", zorder=5,
        color=theme.on_accent if on_front and not aside else theme.ink,
    )  # fmt: skip


def _draw_names(figure: Figure, theme: Theme, choices: Sequence[Choice], best: set[Choice], columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], linestyle="none", marker="o", markersize=6,
            markeredgecolor=theme.accent if each in best else theme.muted,
            markerfacecolor=theme.accent if each in best else theme.grid, label=f"{number}  {label(each.name, 44)}",
        )
        for number, each in enumerate(choices, 1)
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=columns, handlelength=0.8, columnspacing=2.0)


def _ends(dot: Dot) -> tuple[float, float]:
    """The ends of an interval, or the value where an end is not known."""
    return (
        dot.lo if math.isfinite(dot.lo) else dot.value,
        dot.hi if math.isfinite(dot.hi) else dot.value,
    )
