"""Cost against latency: what each setting buys, and those of them that no other one beats in both (Pareto)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from orchspec.simulator.axes import quantity_axis
from orchspec.simulator.drawing import Chart, Theme, label, new_figure
from orchspec.simulator.units import format_quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Choice", "front_of", "tradeoff_chart"]

#: Choices with a number of their own; more would cover each other.
_MOST = 24


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that can be chosen: what it costs (USD a run) and how long it takes (s), each with its interval."""

    name: str
    cost: tuple[float, float, float]
    latency: tuple[float, float, float]

    @classmethod
    def of(cls, name: str, document: Mapping[str, Any], statistic: str = "p95") -> Self:
        """The mean cost and a statistic of the latency of a document."""
        kpis = document["kpis"]
        return cls(name, _triple(kpis["cost"]["mean"]), _triple(kpis["latency"][statistic]))

    @property
    def known(self) -> bool:
        """Whether both are finite."""
        return math.isfinite(self.cost[0]) and math.isfinite(self.latency[0])


def _triple(estimate: Mapping[str, Any]) -> tuple[float, float, float]:
    value, (lo, hi) = estimate["value"], estimate["ci95"]
    if value is None:
        return math.nan, math.nan, math.nan
    return value, value if lo is None else lo, value if hi is None else hi


def front_of(choices: Sequence[Choice]) -> list[Choice]:
    """The choices that no other one beats: none is as good in both and better in one; the cheapest first."""
    known = sorted((each for each in choices if each.known), key=lambda each: (each.cost[0], each.latency[0]))
    front: list[Choice] = []
    for each in known:
        if not front or each.latency[0] < front[-1].latency[0]:
            front.append(each)
    return front


def tradeoff_chart(choices: Sequence[Choice], statistic: str = "p95") -> Chart:
    """Return what each choice costs and how long it takes; those that no other one beats are joined."""
    known = [each for each in choices if each.known]
    front = front_of(known)
    shown = known if len(known) <= _MOST else front[:_MOST]
    notes = ["filled: no other is cheaper and faster; bars: 95 % intervals"]
    if len(shown) < len(known):
        notes.append(f"{len(known) - len(shown)} others not shown")
    if len(known) < len(choices):
        notes.append(f"{len(choices) - len(known)} without a finite latency left out")
    alt = "; ".join(
        f"{label(each.name, 60)}: {format_quantity(each.cost[0], 'USD')}, {format_quantity(each.latency[0], 's')}"
        for each in front
    )
    return Chart(
        "tradeoff", f"Cost against latency ({statistic})", "; ".join(notes),
        lambda theme: _draw(theme, shown, front, statistic), f"Best: {alt}",
    )  # fmt: skip


def _draw(theme: Theme, choices: Sequence[Choice], front: Sequence[Choice], statistic: str) -> Figure:
    columns = 1 if theme.narrow else 2
    lines = math.ceil(len(choices) / columns)
    figure = new_figure(theme, 8.4, 4.0 + 0.2 * lines)
    axes = figure.add_subplot()
    width = max((each.cost[0] for each in choices), default=0.0)
    # One interval that is far too wide must not flatten all the rest.
    height = max((min(each.latency[2], 1.5 * each.latency[0]) for each in choices), default=0.0)
    if len(front) > 1:
        axes.step(
            [each.cost[0] for each in front], [each.latency[0] for each in front], where="post",
            color=theme.accent, linewidth=1.6, linestyle=(0, (5, 1.5)), zorder=2,
        )  # fmt: skip
    best = set(front)
    for number, each in enumerate(choices, 1):
        _draw_choice(axes, theme, each, number, on_front=each in best)
    axes.set_xlim(0.0, width * 1.14 or 1.0)
    axes.set_ylim(0.0, height * 1.06 or 1.0)
    quantity_axis(axes, "x", "USD", width, "mean cost of a run ($)")
    quantity_axis(axes, "y", "s", height, f"{statistic} of latency")
    axes.grid(visible=True)
    _draw_names(figure, theme, choices, best, columns)
    return figure


def _draw_choice(axes: Axes, theme: Theme, choice: Choice, number: int, *, on_front: bool) -> None:
    (x, x_lo, x_hi), (y, y_lo, y_hi) = choice.cost, choice.latency
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
        str(number), (x, y), ha="center", va="center_baseline", fontsize=7.5, fontweight="bold", zorder=5,
        color=theme.on_accent if on_front else theme.ink,
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
