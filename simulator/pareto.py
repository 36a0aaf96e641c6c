"""Cost against latency: of which choices one can be had only for more of the other."""

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
    from matplotlib.figure import Figure

__all__ = ["Choice", "front_of", "pareto_chart"]

#: Beyond so many choices only those of the front are named.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting or a flow, with its mean cost (USD) and its latency (s); the `x` of the dots means nothing."""

    name: str
    cost: Dot
    latency: Dot


def front_of(choices: Sequence[Choice]) -> list[Choice]:
    """Return the choices that no other beats in both, the cheapest first."""
    known = [each for each in choices if math.isfinite(each.cost.value) and math.isfinite(each.latency.value)]
    front: list[Choice] = []
    for choice in sorted(known, key=lambda each: (each.cost.value, each.latency.value)):
        if not front or choice.latency.value < front[-1].latency.value:
            front.append(choice)
    return front


def pareto_chart(name: str, choices: Sequence[Choice], note: str, of: str = "p95 latency") -> Chart:
    """Return the choices as dots, with the front of those that are worth considering as a line."""
    alt = "; ".join(
        f"{each.name}: {format_quantity(each.cost.value, 'USD')}, {format_quantity(each.latency.value, 's')}"
        for each in choices
    )
    told = f"{note}; the line joins those that no other beats in both"
    return Chart(name, f"Cost against {of}", told, lambda theme: _draw(theme, choices, of), alt)


def _draw(theme: Theme, choices: Sequence[Choice], of: str) -> Figure:
    figure = new_figure(theme, 8.4, 4.3)
    axes = figure.add_subplot()
    known = [each for each in choices if math.isfinite(each.cost.value) and math.isfinite(each.latency.value)]
    front = front_of(known)
    axes.step(
        [each.cost.value for each in front], [each.latency.value for each in front],
        where="post", color=theme.muted, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2,
    )  # fmt: skip
    for choice in known:
        kept = choice in front
        colour = theme.accent if kept else theme.muted
        axes.errorbar(
            [choice.cost.value], [choice.latency.value], xerr=_bars(choice.cost), yerr=_bars(choice.latency),
            fmt="o" if kept else "x", color=colour, markersize=7, capsize=2.5, linewidth=1.0, zorder=4,
        )  # fmt: skip
        if kept or len(known) <= _NAMED:
            axes.annotate(
                label(choice.name, 34), (choice.cost.value, choice.latency.value), (7, 6),
                textcoords="offset points", fontsize=9, color=theme.ink, zorder=5,
            )  # fmt: skip
    right = max((each.cost.value for each in known), default=1.0)
    top = max((each.latency.value for each in known), default=1.0)
    axes.set_xlim(0.0, right * 1.25 or 1.0)
    axes.set_ylim(0.0, top * 1.2 or 1.0)
    quantity_axis(axes, "x", "USD", right, "mean cost of a run")
    quantity_axis(axes, "y", "s", top, of)
    axes.grid(visible=True)
    return figure


def _bars(dot: Dot) -> list[list[float]]:
    lo = dot.lo if math.isfinite(dot.lo) else dot.value
    hi = dot.hi if math.isfinite(dot.hi) else dot.value
    return [[max(0.0, dot.value - lo)], [max(0.0, hi - dot.value)]]
