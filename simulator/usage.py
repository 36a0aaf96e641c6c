"""Who is busy when: the utilization of each resource, as a heat map along time and over the window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from orchspec.simulator.axes import time_axis
from orchspec.simulator.drawing import Chart, Theme, label, new_figure
from orchspec.simulator.kpis import Measures
from orchspec.simulator.marks import faults_within, mark_faults, shown_faults
from orchspec.simulator.observe import PoolObservation
from orchspec.simulator.timeline import BINS, level_of
from orchspec.simulator.units import format_quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["usage_chart"]

_MOST_RESOURCES = 14
#: Shades of the heat map: more than an eye tells apart, and few enough that neighbours are often one cell.
_SHADES = 20


def usage_chart(measures: Measures) -> Chart:
    """Return the busy share of each resource with limited slots, of which there is one, the bottleneck first."""
    limited = [pool for pool in measures.resources() if pool.slots is not None]
    ranked = sorted(limited, key=lambda pool: (-_share(measures, pool), pool.name))
    unlimited = len(measures.resources()) - len(limited)
    notes = [f"darker: more of its slots busy; bars: over the window, with {100 * measures.level:.4g} % intervals"]
    if len(ranked) > _MOST_RESOURCES:
        notes.append(f"{len(ranked) - _MOST_RESOURCES} less busy ones are not shown")
    if unlimited:
        notes.append(f"{unlimited} with unlimited slots left out")
    shown = ranked[:_MOST_RESOURCES]
    title = f"Who is busy: {label(shown[0].name)} most"
    alt = ", ".join(f"{label(pool.name)} {format_quantity(_share(measures, pool), 'share')}" for pool in shown)
    return Chart("utilization", title, "; ".join(notes), lambda theme: _draw(theme, measures, shown), alt)


def _share(measures: Measures, pool: PoolObservation) -> float:
    value = measures.estimate("utilization", None, pool.name).value
    return -1.0 if math.isnan(value) else value


def _draw(theme: Theme, measures: Measures, pools: Sequence[PoolObservation]) -> Figure:
    height = 0.9 + 0.36 * max(2, len(pools))
    figure = new_figure(theme, 8.4, height)
    names = [label(pool.name, 14 if theme.narrow else 22) + _size(pool) for pool in pools]
    if theme.narrow:
        heat, bars = figure.subplots(1, 2, sharey=True, width_ratios=[1.5, 1])
    else:
        heat, bars = figure.subplots(1, 2, sharey=True, width_ratios=[2.2, 1])
    end_s = max(replication.window_s[1] for replication in measures.replications)
    _draw_heat(heat, theme, measures, pools, end_s)
    for row, pool in enumerate(pools):
        _draw_share(bars, theme, measures, pool, row)
    heat.set_ylim(max(1, len(pools)) - 0.4, -0.6)
    heat.set_xlim(0.0, end_s)
    heat.set_yticks(range(len(pools)), names)
    heat.tick_params(axis="y", length=0, labelcolor=theme.ink)
    heat.spines[["left"]].set_visible(False)
    faults, _ = shown_faults(measures.replications)
    mark_faults(heat, theme, faults_within(faults, end_s), end_s)
    time_axis(heat, end_s, "x", "time" if theme.narrow else "time since the start")
    # Room at the right end for the figures.
    bars.set_xlim(0.0, 175.0 if theme.narrow else 128.0)
    bars.set_xticks([0, 50, 100] if theme.narrow else [0, 25, 50, 75, 100])
    bars.set_xlabel("busy slots (%)")
    bars.tick_params(axis="y", length=0)
    bars.spines[["left"]].set_visible(False)
    bars.grid(visible=True, axis="x")
    return figure


def _size(pool: PoolObservation) -> str:
    """How many slots there are; of a limit of a model it is its name that says what it is."""
    return "" if pool.limit else f" ×{pool.slots}"


def _draw_heat(axes: Axes, theme: Theme, measures: Measures, pools: Sequence[PoolObservation], end_s: float) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    edges = [end_s * i / BINS for i in range(BINS + 1)]
    for row, pool in enumerate(pools):
        cells, colours = [], []
        for low, high, shade in _stretches(measures, pool, edges):
            cells.append([(low, row - 0.4), (high, row - 0.4), (high, row + 0.4), (low, row + 0.4)])
            colours.append(to_rgba(theme.accent, 0.06 + 0.94 * shade))
        axes.add_collection(PolyCollection(cells, facecolors=colours, linewidths=0, antialiaseds=False))


def _stretches(
    measures: Measures, pool: PoolObservation, edges: Sequence[float]
) -> Iterator[tuple[float, float, float]]:
    """Yield stretches of one shade: from, to, and the busy share in 0..1."""
    shades = [round(_SHADES * min(1.0, level / (pool.slots or 1))) for level in level_of(measures, pool, "busy", edges)]
    first = 0
    for at in range(1, len(shades) + 1):
        if at == len(shades) or shades[at] != shades[first]:
            yield edges[first], edges[at], shades[first] / _SHADES
            first = at


def _draw_share(axes: Axes, theme: Theme, measures: Measures, pool: PoolObservation, row: int) -> None:
    known = measures.estimate("utilization", None, pool.name)
    if math.isnan(known.value):
        return
    share = 100.0 * known.value
    hatch = "////" if share >= 90.0 else None
    axes.barh(row, share, height=0.62, color=theme.alarm if hatch else theme.accent, hatch=hatch, linewidth=0)
    end = share
    if math.isfinite(known.lo) and math.isfinite(known.hi):
        end = 100.0 * known.hi
        axes.errorbar(
            [share], [row], xerr=[[share - 100.0 * known.lo], [end - share]],
            fmt="none", color=theme.ink, capsize=3, linewidth=1.2,
        )  # fmt: skip
    axes.annotate(
        format_quantity(known.value, "share"), (end, row), (5, 0), textcoords="offset points",
        va="center", fontsize=9, color=theme.ink,
    )  # fmt: skip
