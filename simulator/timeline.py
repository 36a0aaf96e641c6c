"""KPIs along the time of a scenario, with the faults that struck: latency, runs in the system, queues."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from orchspec.simulator.axes import time_axis, time_axis_for
from orchspec.simulator.drawing import DASHES, Chart, Theme, label, legend_above, new_figure
from orchspec.simulator.estimate import quantile_of
from orchspec.simulator.kpis import Measures
from orchspec.simulator.marks import draw_strip, faults_within, mark_faults, shown_faults, strip_height
from orchspec.simulator.observe import FaultMark, PoolObservation, Series
from orchspec.simulator.sections import was_let_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BINS", "level_of", "timeline_chart"]

BINS = 48
"""How many stretches the time of a scenario is cut into."""
_MOST_QUEUES = 4
#: Runs that a stretch of the latency curves holds at least: a percentile of fewer would be drawn by chance.
_RUNS_EACH = 40


def timeline_chart(measures: Measures) -> Chart:
    """Return latency, runs in the system and queues along the time of the scenario, with the faults marked."""
    faults, whose = shown_faults(measures.replications)
    end_s = max(replication.window_s[1] for replication in measures.replications)
    inside = faults_within(faults, end_s)
    count = len(measures.replications)
    notes = [f"over {count} replications" if count > 1 else "one replication"]
    if inside:
        notes.append("marked: the faults that struck")
    if whose:
        notes.append(whose)
    if _cut_s(measures) > 0.0:
        notes.append("grey: warm-up, not measured")
    alt = f"Latency, runs in the system and tasks waiting over time. {len(inside)} faults are marked."
    return Chart("timeline", "Along time", "; ".join(notes), lambda theme: _draw(theme, measures, inside, end_s), alt)


def _cut_s(measures: Measures) -> float:
    return max([measures.cut_s, *(replication.window_s[0] for replication in measures.replications)])


def _draw(theme: Theme, measures: Measures, faults: Sequence[FaultMark], end_s: float) -> Figure:
    edges = [end_s * i / BINS for i in range(BINS + 1)]
    queues = _longest_queues(measures, edges)
    heights = ([strip_height(faults)] if faults else []) + ([1.9, 1.4, 1.4] if queues else [1.9, 1.4])
    figure = new_figure(theme, 8.4, sum(heights) + 0.9)
    every = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    rows = every[1:] if faults else every
    if faults:
        draw_strip(every[0], theme, faults)
    _draw_latency(rows[0], theme, measures, end_s)
    _draw_levels(rows[1], theme, [("runs", _runs_in_system(measures, edges))], edges, "runs in flight")
    if queues:
        _draw_levels(rows[2], theme, queues, edges, "tasks waiting")
    cut_s = _cut_s(measures)
    for axes in rows:
        mark_faults(axes, theme, faults, end_s)
        if cut_s > 0.0:
            axes.axvspan(0.0, cut_s, color=theme.muted, alpha=0.13, linewidth=0, zorder=0)
        axes.set_xlim(0.0, end_s)
        axes.grid(visible=True, axis="y")
    time_axis(rows[-1], end_s, "x", "time since the start")
    figure.align_ylabels(rows)
    return figure


def _draw_latency(axes: Axes, theme: Theme, measures: Measures, end_s: float) -> None:
    """Draw the median and the 95th percentile of the runs by arrival, over all replications."""
    runs = [
        run
        for replication in measures.replications
        for run in replication.runs
        if run.arrived_s < end_s and was_let_in(run)
    ]
    count = max(4, min(BINS, len(runs) // _RUNS_EACH))
    bins: list[list[float]] = [[] for _ in range(count)]
    for run in runs:
        bins[int(run.arrived_s / end_s * count)].append(run.latency_s)
    middles = [end_s * (at + 0.5) / count for at in range(count)]
    known: list[float] = []
    lines = (("p95", 0.95, theme.second, "s", 20), ("median", 0.5, theme.accent, "o", 1))
    for number, (name, share, colour, marker, least) in enumerate(lines):
        line = [quantile_of(sorted(found), share) if len(found) >= least else math.nan for found in bins]
        line = [value if math.isfinite(value) else math.nan for value in line]
        if not all(map(math.isnan, line)):
            known += [value for value in line if not math.isnan(value)]
            axes.plot(
                middles, line, color=colour, linewidth=1.8, label=name, marker=marker, markersize=2.6,
                linestyle=DASHES[1 - number],
            )  # fmt: skip
    time_axis_for(axes, known, "latency")
    if known:
        legend_above(axes, 2)


def _draw_levels(
    axes: Axes, theme: Theme, lines: Sequence[tuple[str, Sequence[float]]], edges: Sequence[float], title: str
) -> None:
    for (name, values), colour, style in zip(lines, theme.curves, DASHES, strict=False):
        axes.stairs(values, edges, baseline=None, color=colour, linewidth=1.7, linestyle=style, label=label(name, 24))
        if len(lines) == 1:
            axes.stairs(values, edges, color=colour, alpha=0.12, fill=True, linewidth=0)
    top = max((max(values) for _, values in lines), default=0.0)
    axes.set_ylim(0.0, top * 1.1 or 1.0)
    axes.set_ylabel(title)
    if title == "tasks waiting":
        legend_above(axes, 2 if theme.narrow else len(lines))


def _runs_in_system(measures: Measures, edges: Sequence[float]) -> list[float]:
    width = edges[1]
    total = [0.0] * (len(edges) - 1)
    for replication in measures.replications:
        series = Series(width)
        for run in replication.runs:
            if was_let_in(run) and run.arrived_s < edges[-1]:
                series.spread(run.arrived_s, min(run.ended_s, edges[-1]), 1.0)
        for at in range(len(total)):
            total[at] += series.total(edges[at], edges[at + 1])
    return [value / width / len(measures.replications) for value in total]


def _longest_queues(measures: Measures, edges: Sequence[float]) -> list[tuple[str, list[float]]]:
    found = []
    for known in measures.pools:
        values = level_of(measures, known, "queue", edges)
        if max(values) > 0.0:
            found.append((known.name, values))
    found.sort(key=lambda item: (-sum(item[1]), item[0]))
    return found[:_MOST_QUEUES]


def level_of(measures: Measures, known: PoolObservation, which: str, edges: Sequence[float]) -> list[float]:
    """Return the mean level (busy slots, or tasks waiting) of a pool in each bin, over all replications."""
    pools = [pool for replication in measures.replications for pool in replication.pools if pool.name == known.name]
    width = edges[1]
    count = len(measures.replications)
    return [
        math.fsum(getattr(pool, which).total(low, high) for pool in pools) / width / count
        for low, high in pairwise(edges)
    ]
