"""The charts of a simulation: latency by percentile, KPIs along time, and who is busy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from orchspec.simulator.drawing import Chart, Theme, caption_axes, label, new_figure, time_axis
from orchspec.simulator.estimate import quantile_of
from orchspec.simulator.kpis import Measures
from orchspec.simulator.observe import FaultMark, PoolObservation, Replication, Series
from orchspec.simulator.sections import was_let_in
from orchspec.simulator.units import format_quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["charts_of", "latency_chart", "mark_faults", "timeline_chart", "utilization_chart"]

_BINS = 48
_MOST_RESOURCES = 14
_MOST_QUEUES = 4
#: Fault labels that fit above a chart; more are drawn without words.
_MOST_LABELS = 8
#: Points of the latency curve: more would only make the file larger.
_CURVE_POINTS = 400
_SHARES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))


def charts_of(measures: Measures) -> list[Chart]:
    """Return the charts that these measures have data for, latency first."""
    if not any(was_let_in(run) for section in measures.sections for run in section.runs):
        return []
    charts = [latency_chart(measures)]
    if not measures.isolated:
        charts.append(timeline_chart(measures))
        if measures.resources():
            charts.append(utilization_chart(measures))
    return charts


# Latency -----------------------------------------------------------------------------------------------------------


def latency_chart(measures: Measures) -> Chart:
    """Return latency against percentile, the axis stretched towards 100 % where promises are made and broken."""
    values = sorted(run.latency_s for section in measures.sections for run in section.runs if was_let_in(run))
    ended = sum(1 for value in values if math.isfinite(value))
    note = f"{len(values):,} runs" + (f", {len(values) - ended:,} of them had not ended" if ended < len(values) else "")
    return Chart(
        "latency", "Latency by percentile", note, lambda theme: _draw_latency(theme, measures, values, ended, note)
    )


def _nines(share: float) -> float:
    """Stretch the axis: 50, 90, 99, 99.9 % stand at 0.3, 1, 2, 3."""
    return -math.log10(1.0 - share)


def _draw_latency(theme: Theme, measures: Measures, values: Sequence[float], ended: int, note: str) -> Figure:
    figure = new_figure(8.4, 4.4)
    axes = figure.add_subplot()
    n = len(values)
    last = min(n - 1, ended)
    right = _nines(1.0 - 0.5 / n)
    grid = [right * i / _CURVE_POINTS for i in range(_CURVE_POINTS + 1)]
    shares = [1.0 - 10.0**-at for at in grid]
    curve = [(at, quantile_of(values, share)) for at, share in zip(grid, shares, strict=True)]
    curve = [(at, value) for at, value in curve if math.isfinite(value)]
    xs, ys = [at for at, _ in curve], [value for _, value in curve]
    axes.plot(xs, ys, color=theme.accent, linewidth=2.2, zorder=3)
    axes.fill_between(xs, ys, color=theme.accent, alpha=0.10, linewidth=0)
    top = ys[-1] if ys else 1.0
    for name, share in _SHARES:
        if share <= 1.0 - 0.5 / n:
            top = max(top, _mark_quantile(axes, theme, measures, name, share))
    average = measures.estimate("latency", "mean")
    if math.isfinite(average.value):
        # Only on the right, under the curve: on the left it would run through the label of the median.
        at = [right * 0.72, right]
        axes.plot(at, [average.value] * 2, color=theme.muted, linewidth=1.0, linestyle=(0, (4, 3)), zorder=4)
        axes.annotate(
            f"mean {format_quantity(average.value, 's')}", (right, average.value), (-4, 3),
            textcoords="offset points", ha="right", va="bottom", fontsize=9, color=theme.ink, zorder=6,
        )  # fmt: skip
    if ended < n:
        axes.axvspan(_nines(last / n), right, color=theme.alarm, alpha=0.12, linewidth=0)
        axes.annotate(
            "not ended", (right, 0.5), (-5, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
            rotation=90, ha="right", va="center", fontsize=9, color=theme.alarm,
        )  # fmt: skip
    marks = [s for s in (0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999) if _nines(s) <= right]
    axes.set_xticks([_nines(share) for share in marks], [f"{100 * share:g}" for share in marks])
    axes.set_xlim(0.0, right)
    axes.set_ylim(0.0, top * 1.12 or 1.0)
    time_axis(axes, top, "y", "latency")
    axes.set_xlabel("share of runs that ended within this time (%)")
    axes.grid(visible=True, axis="y")
    caption_axes(axes, theme, "Latency by percentile", f"{note}; bars are {100 * measures.level:.4g} % intervals")
    return figure


def _mark_quantile(axes: Axes, theme: Theme, measures: Measures, name: str, share: float) -> float:
    """Mark one quantile with its interval and return how high it reaches."""
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
    # Left of the curve and above the bar there is always room, as the curve rises to the right; not left of the median.
    left = name == "p50"
    axes.annotate(
        f"{name}  {format_quantity(known.value, 's')}", (at, hi), (0 if left else -4, 6), textcoords="offset points",
        ha="center" if left else "right", va="bottom", fontsize=9.5, fontweight="bold", color=theme.ink, zorder=6,
    )  # fmt: skip
    return hi


# Along time --------------------------------------------------------------------------------------------------------


def timeline_chart(measures: Measures) -> Chart:
    """Return latency, runs in the system and queues along the time of the scenario, with the faults marked."""
    faults, whose = shown_faults(measures.replications)
    note = f"mean of {len(measures.replications)} replications" if len(measures.replications) > 1 else "one replication"
    if whose:
        note += f"; {whose}"
    return Chart("timeline", "Along time", note, lambda theme: _draw_timeline(theme, measures, faults, note))


def shown_faults(replications: Sequence[Replication]) -> tuple[list[FaultMark], str]:
    """Return the faults to mark, and a remark where replications differ in them: then those of one are shown."""
    first = next((replication for replication in replications if replication.faults), None)
    if first is None:
        return [], ""
    same = all(replication.faults == first.faults for replication in replications)
    return first.faults, "" if same else f"faults marked are those of replication {first.index}"


def _draw_timeline(theme: Theme, measures: Measures, faults: Sequence[FaultMark], note: str) -> Figure:
    end_s = max(replication.window_s[1] for replication in measures.replications)
    edges = [end_s * i / _BINS for i in range(_BINS + 1)]
    queues = _longest_queues(measures, edges)
    figure = new_figure(8.4, 6.2 if queues else 4.4)
    rows = figure.subplots(3 if queues else 2, 1, sharex=True, height_ratios=[1.25, 1, 1] if queues else [1.25, 1])
    _draw_latency_along(rows[0], theme, measures, end_s)
    _draw_level(rows[1], theme, [("runs", _runs_in_system(measures, edges))], edges, "runs in the system")
    if queues:
        _draw_level(rows[2], theme, queues, edges, "tasks waiting")
    cut_s = max([measures.cut_s, *(replication.window_s[0] for replication in measures.replications)])
    for number, axes in enumerate(rows):
        mark_faults(axes, theme, faults, end_s, words=number == 0)
        if cut_s > 0.0:
            axes.axvspan(0.0, cut_s, color=theme.muted, alpha=0.13, linewidth=0, zorder=0)
        axes.set_xlim(0.0, end_s)
        axes.grid(visible=True, axis="y")
    if cut_s > 0.0:
        rows[-1].annotate(
            "warm-up", (0.0, 1.0), (4, -4), xycoords="axes fraction", textcoords="offset points",
            va="top", fontsize=8.5, color=theme.muted,
        )  # fmt: skip
    caption_axes(rows[0], theme, "Along time", note, room=26 if faults else 0)
    time_axis(rows[-1], end_s, "x", "time since the start")
    return figure


def _draw_latency_along(axes: Axes, theme: Theme, measures: Measures, end_s: float) -> None:
    """Draw the median and the 95th percentile of the runs by arrival, over all replications.

    There are as many bins as hold some 40 runs each: a percentile of fewer would be drawn by chance.
    """
    runs = [
        run
        for replication in measures.replications
        for run in replication.runs
        if run.arrived_s < end_s and was_let_in(run)
    ]
    count = max(4, min(_BINS, len(runs) // 40))
    bins: list[list[float]] = [[] for _ in range(count)]
    for run in runs:
        bins[int(run.arrived_s / end_s * count)].append(run.latency_s)
    middles = [end_s * (at + 0.5) / count for at in range(count)]
    longest = 0.0
    for name, share, colour, least in (("p95", 0.95, theme.second, 20), ("median", 0.5, theme.accent, 1)):
        line = [quantile_of(sorted(found), share) if len(found) >= least else math.nan for found in bins]
        line = [value if math.isfinite(value) else math.nan for value in line]
        known = [value for value in line if not math.isnan(value)]
        if known:
            longest = max(longest, *known)
            axes.plot(middles, line, color=colour, linewidth=1.8, label=name, marker="o", markersize=2.2)
    axes.set_ylim(0.0, longest * 1.15 or 1.0)
    time_axis(axes, longest, "y", "latency")
    if longest:
        axes.legend(loc="upper right", ncols=2, handlelength=1.4, borderaxespad=0.1)


def _draw_level(
    axes: Axes, theme: Theme, lines: Sequence[tuple[str, Sequence[float]]], edges: Sequence[float], title: str
) -> None:
    colours = (theme.accent, theme.second, theme.kinds["effect"], theme.kinds["orchestration"])
    styles = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
    for (name, values), colour, style in zip(lines, colours, styles, strict=False):
        axes.stairs(values, edges, baseline=None, color=colour, linewidth=1.7, linestyle=style, label=label(name))
        if len(lines) == 1:
            axes.stairs(values, edges, color=colour, alpha=0.12, fill=True, linewidth=0)
    top = max((max(values) for _, values in lines), default=0.0)
    axes.set_ylim(0.0, top * 1.25 or 1.0)
    axes.set_ylabel(title)
    if len(lines) > 1 or title == "tasks waiting":
        axes.legend(loc="upper right", ncols=len(lines), handlelength=2.2, borderaxespad=0.1)


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
        values = _level(measures, known, "queue", edges)
        if max(values) > 0.0:
            found.append((known.name, values))
    found.sort(key=lambda item: (-sum(item[1]), item[0]))
    return found[:_MOST_QUEUES]


def _level(measures: Measures, known: PoolObservation, which: str, edges: Sequence[float]) -> list[float]:
    """Return the mean level (busy slots, or tasks waiting) of a pool in each bin, over all replications."""
    pools = [pool for replication in measures.replications for pool in replication.pools if pool.name == known.name]
    width = edges[1]
    count = len(measures.replications)
    return [
        math.fsum(getattr(pool, which).total(low, high) for pool in pools) / width / count
        for low, high in pairwise(edges)
    ]


def mark_faults(axes: Axes, theme: Theme, faults: Sequence[FaultMark], end_s: float, *, words: bool) -> None:
    """Mark each fault as a line or a band; with `words` each kind is named once above the axes, in up to two lines."""
    inside = sorted(
        (f for f in faults if f.until_s >= 0.0 and f.at_s < end_s), key=lambda f: (f.at_s, f.name, f.target)
    )
    kinds = Counter((fault.name, fault.target) for fault in inside)
    named: set[tuple[str, str]] = set()
    free_s = [-math.inf, -math.inf]
    for fault in inside:
        at_s = max(0.0, fault.at_s)
        axes.axvline(at_s, color=theme.alarm, linewidth=1.1, alpha=0.9, zorder=1.5)
        if fault.until_s > fault.at_s:
            axes.axvspan(at_s, min(fault.until_s, end_s), color=theme.alarm, alpha=0.14, linewidth=0, zorder=1)
        kind = (fault.name, fault.target)
        if not words or kind in named or len(named) >= _MOST_LABELS:
            continue
        named.add(kind)
        text = label(f"{fault.name}({fault.target})", 28) + (f" ×{kinds[kind]}" if kinds[kind] > 1 else "")
        # About 5.4 points a letter on axes of some 540 points.
        length_s = end_s * len(text) * 5.4 / 540
        late = at_s + length_s > end_s
        start_s = end_s - length_s if late else at_s
        line = next((number for number, until_s in enumerate(free_s) if until_s <= start_s), None)
        if line is None:
            continue
        free_s[line] = start_s + length_s
        axes.annotate(
            text, (end_s if late else at_s, 1.0), (0, 3 + 12 * line), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=8.5, color=theme.alarm, va="bottom",
            ha="right" if late else "left", annotation_clip=False,
        ).set_in_layout(False)  # fmt: skip


# Who is busy -------------------------------------------------------------------------------------------------------


def utilization_chart(measures: Measures) -> Chart:
    """Return the busy share of each resource along time and over the window, the bottleneck first."""
    limited = [pool for pool in measures.resources() if pool.slots is not None]
    ranked = sorted(limited, key=lambda pool: (-_share(measures, pool), pool.name))
    unlimited = len(measures.resources()) - len(limited)
    notes = [f"bars: window, with {100 * measures.level:.4g} % intervals; cells: along time"]
    if len(ranked) > _MOST_RESOURCES:
        notes.append(f"{len(ranked) - _MOST_RESOURCES} less busy ones are not shown")
    if unlimited:
        notes.append(f"{unlimited} with unlimited slots left out")
    return Chart(
        "utilization",
        "Who is busy",
        "; ".join(notes),
        lambda theme: _draw_utilization(theme, measures, ranked[:_MOST_RESOURCES], "; ".join(notes)),
    )


def _share(measures: Measures, pool: PoolObservation) -> float:
    value = measures.estimate("utilization", None, pool.name).value
    return -1.0 if math.isnan(value) else value


def _draw_utilization(theme: Theme, measures: Measures, pools: Sequence[PoolObservation], note: str) -> Figure:
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    figure = new_figure(8.4, 1.5 + 0.36 * max(2, len(pools)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2.2, 1])
    end_s = max(replication.window_s[1] for replication in measures.replications)
    edges = [end_s * i / _BINS for i in range(_BINS + 1)]
    for row, pool in enumerate(pools):
        levels = [min(1.0, level / (pool.slots or 1)) for level in _level(measures, pool, "busy", edges)]
        cells = [
            [(low, row - 0.42), (high, row - 0.42), (high, row + 0.42), (low, row + 0.42)]
            for low, high in pairwise(edges)
        ]
        left.add_collection(
            PolyCollection(cells, facecolors=[to_rgba(theme.accent, 0.05 + 0.95 * x) for x in levels], linewidths=0)
        )
        _draw_share(right, theme, measures, pool, row)
    left.set_ylim(max(1, len(pools)) - 0.4, -0.6)
    left.set_xlim(0.0, end_s)
    left.set_yticks(range(len(pools)), [f"{label(pool.name, 22)} ×{pool.slots}" for pool in pools])
    left.tick_params(axis="y", length=0, labelcolor=theme.ink)
    left.spines[["left"]].set_visible(False)
    faults, _ = shown_faults(measures.replications)
    mark_faults(left, theme, faults, end_s, words=False)
    time_axis(left, end_s, "x", "time since the start")
    right.set_xlim(0.0, 118.0)
    right.set_xticks([0, 25, 50, 75, 100])
    right.set_xlabel("busy slots (%)")
    right.tick_params(axis="y", length=0)
    right.spines[["left"]].set_visible(False)
    right.grid(visible=True, axis="x")
    top = f"Who is busy: {label(pools[0].name)} most" if pools else "Who is busy: nobody has limited slots"
    caption_axes(left, theme, top, note)
    return figure


def _draw_share(axes: Axes, theme: Theme, measures: Measures, pool: PoolObservation, row: int) -> None:
    known = measures.estimate("utilization", None, pool.name)
    if math.isnan(known.value):
        return
    share = 100.0 * known.value
    axes.barh(row, share, height=0.62, color=theme.alarm if share >= 90.0 else theme.accent)
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
