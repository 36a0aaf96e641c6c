"""The charts of one simulation, and the first of them: latency by percentile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchspec.simulator.axes import time_axis
from orchspec.simulator.drawing import Chart, Theme, new_figure
from orchspec.simulator.estimate import quantile_of
from orchspec.simulator.gantt import gantt_chart
from orchspec.simulator.kpis import Measures
from orchspec.simulator.sections import was_let_in
from orchspec.simulator.timeline import timeline_chart
from orchspec.simulator.units import format_interval, format_quantity
from orchspec.simulator.usage import usage_chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["charts_of", "latency_chart", "sample_chart"]

#: Points of the latency curve: more would only make the file larger.
_CURVE_POINTS = 300
_SHARES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))


def charts_of(measures: Measures) -> list[Chart]:
    """Return the charts that these measures have data for, latency first."""
    if not any(was_let_in(run) for section in measures.sections for run in section.runs):
        return []
    charts = [latency_chart(measures)]
    if not measures.isolated:
        charts.append(timeline_chart(measures))
        if any(pool.slots is not None for pool in measures.resources()):
            charts.append(usage_chart(measures))
    return charts


def sample_chart(measures: Measures, title: str = "Where the time of one run went") -> Chart | None:
    """Return the Gantt of the run that was watched, or nothing where none was."""
    for replication in measures.replications:
        if replication.sample_gantt:
            faults, arrived_s = replication.faults, replication.sample_arrived_s
            return gantt_chart(replication.sample_gantt, faults, title=title, arrived_s=arrived_s)
    return None


def latency_chart(measures: Measures) -> Chart:
    """Return latency against percentile, the axis stretched towards 100 % where promises are made and broken."""
    values = sorted(run.latency_s for section in measures.sections for run in section.runs if was_let_in(run))
    ended = sum(1 for value in values if math.isfinite(value))
    notes = [
        f"{len(values):,} runs" + (f", {len(values) - ended:,} of them had not ended" if ended < len(values) else "")
    ]
    average = measures.estimate("latency", "mean")
    if math.isfinite(average.value):
        notes.append(f"dashed: the mean, {format_quantity(average.value, 's')}")
    notes.append(f"bars: {100 * measures.level:.4g} % intervals")
    told = [(name, measures.estimate("latency", name)) for name, _ in _SHARES]
    alt = ", ".join(
        f"{name} {format_quantity(each.value, 's')} ({format_interval(each.lo, each.hi, 's', each.value)})"
        for name, each in told
        if not math.isnan(each.value)
    )
    return Chart(
        "latency", "Latency by percentile", "; ".join(notes), lambda theme: _draw(theme, measures, values, ended), alt
    )


def _nines(share: float) -> float:
    """Stretch the axis: 50, 90, 99, 99.9 % stand at 0.3, 1, 2, 3."""
    return -math.log10(1.0 - share)


def _draw(theme: Theme, measures: Measures, values: Sequence[float], ended: int) -> Figure:
    figure = new_figure(theme, 8.4, 4.1)
    axes = figure.add_subplot()
    n = len(values)
    right = _nines(1.0 - 0.5 / n)
    grid = [right * i / _CURVE_POINTS for i in range(_CURVE_POINTS + 1)]
    curve = [(at, quantile_of(values, 1.0 - 10.0**-at)) for at in grid]
    curve = [(at, value) for at, value in curve if math.isfinite(value)]
    xs, ys = [at for at, _ in curve], [value for _, value in curve]
    axes.plot(xs, ys, color=theme.accent, linewidth=2.2, zorder=3)
    axes.fill_between(xs, ys, color=theme.accent, alpha=0.10, linewidth=0)
    shown = [(name, share) for name, share in _SHARES if share <= 1.0 - 0.5 / n]
    reached = [_mark_quantile(axes, theme, measures, name, share) for name, share in shown]
    top = max([ys[-1] if ys else 1.0, *reached])
    average = measures.estimate("latency", "mean")
    if math.isfinite(average.value):
        axes.axhline(average.value, color=theme.muted, linewidth=1.0, linestyle=(0, (4, 3)), zorder=2)
    if ended < n:
        axes.axvspan(_nines(min(n - 1, ended) / n), right, color=theme.alarm, alpha=0.12, linewidth=0)
        axes.annotate(
            "not ended", (right, 0.5), (-5, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
            rotation=90, ha="right", va="center", fontsize=9, color=theme.alarm_ink,
        )  # fmt: skip
    marks = [s for s in (0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999) if _nines(s) <= right]
    if theme.narrow:
        marks = [s for s in marks if s not in {0.75, 0.95}]
    axes.set_xticks([_nines(share) for share in marks], [f"{100 * share:g}" for share in marks])
    axes.set_xlim(0.0, right)
    axes.set_ylim(0.0, top * 1.06 or 1.0)
    time_axis(axes, top, "y", "latency")
    axes.set_xlabel("share of runs that ended within this time (%)")
    axes.grid(visible=True, axis="y")
    return figure


def _mark_quantile(axes: Axes, theme: Theme, measures: Measures, name: str, share: float) -> float:
    """Mark one quantile with its interval, name it above the axes, and return how high it reaches."""
    known = measures.estimate("latency", name)
    if not math.isfinite(known.value):
        return 0.0
    at = _nines(share)
    lo = known.lo if math.isfinite(known.lo) else known.value
    hi = known.hi if math.isfinite(known.hi) else known.value
    axes.errorbar(
        [at], [known.value], [[max(0.0, known.value - lo)], [max(0.0, hi - known.value)]],
        fmt="o", color=theme.ink, markersize=5, capsize=4, linewidth=1.4, zorder=5,
    )  # fmt: skip
    # Neighbours stand on different lines: p90 and p95 are close where there are many runs.
    high = name in {"p50", "p95"}
    axes.annotate(
        f"{name}\n{format_quantity(known.value, 's')}", (at, 1.0), (0, 34 if high else 4),
        xycoords=("data", "axes fraction"), textcoords="offset points", linespacing=1.25,
        ha="center", va="bottom", fontsize=9, fontweight="bold", color=theme.ink, zorder=6,
    )  # fmt: skip
    axes.annotate(
        "", (at, hi), (at, 1.0), xycoords="data", textcoords=("data", "axes fraction"),
        arrowprops={"arrowstyle": "-", "color": theme.muted, "linewidth": 0.6, "linestyle": (0, (1, 2))}, zorder=1,
    )  # fmt: skip
    return hi
