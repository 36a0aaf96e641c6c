"""One run as a Gantt chart: what ran when, by whom, what waited, what was retried, and the path that set its length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from orchspec.simulator.axes import time_axis
from orchspec.simulator.drawing import Chart, Theme, label, new_figure
from orchspec.simulator.marks import draw_strip, faults_within, mark_faults, strip_height
from orchspec.simulator.observe import Bar, FaultMark
from orchspec.simulator.units import format_quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["gantt_chart"]

_MOST_ROWS = 36
_MOST_BARS = 1_500
_MOST_LANES = 3
_KINDS = ("model", "tool", "human", "effect", "queue", "retry", "orchestration")
#: Bars narrower than this share of the whole get no words; about what "12.3 s" needs.
_WORDS_SHARE = 0.065
#: No bar is drawn narrower than this share of the whole: an instant is still an event.
_LEAST_SHARE = 0.003


@dataclass(slots=True)
class _Row:
    """A line of the chart: one place, or several of the same name."""

    place: str
    agents: list[str] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)


def gantt_chart(
    bars: Sequence[Bar], faults: Sequence[FaultMark] = (), *, title: str = "One run", arrived_s: float = 0.0
) -> Chart:
    """Return the Gantt of one run.

    `bars` are in seconds since the run arrived; `faults` in seconds of the replication, in which the run arrived at
    `arrived_s`. Beyond 36 places those of one step are drawn on a line, and the chart says so.
    """
    end_s = max((bar.end_s for bar in bars), default=0.0)
    kept = sorted(bars, key=_order)
    notes = [f"{format_quantity(end_s, 's')} from arrival to end"]
    critical = [bar for bar in kept if bar.critical]
    if critical:
        busy_s = sum(bar.end_s - bar.start_s for bar in critical if bar.kind == "queue")
        notes.append(
            "outlined: the critical path" + (f", {format_quantity(busy_s, 's')} of it queueing" if busy_s else "")
        )
    if len(kept) > _MOST_BARS:
        notes.append(f"the longest {_MOST_BARS} of {len(kept)} stretches")
        longest = sorted(kept, key=lambda bar: (not bar.critical, bar.start_s - bar.end_s))[:_MOST_BARS]
        kept = sorted(longest, key=_order)
    rows, grouped = _rows(kept)
    if grouped:
        notes.append(grouped)
    marks = [FaultMark(fault.name, fault.target, fault.at_s - arrived_s, fault.until_s - arrived_s) for fault in faults]
    inside = faults_within(marks, end_s)
    path = list(dict.fromkeys(bar.place for bar in critical))
    alt = f"{len(rows)} lines. Critical path: {label(', '.join(path), 300)}." if path else f"{len(rows)} lines."
    return Chart("gantt", title, "; ".join(notes), lambda theme: _draw(theme, rows, inside, end_s), alt)


def _order(bar: Bar) -> tuple[object, ...]:
    """Order by start, and at one instant by place, `found[10]` after `found[9]`."""
    return bar.start_s, *_natural(bar.place), bar.end_s, bar.agent, bar.kind


def _natural(place: str) -> tuple[str, tuple[int, ...]]:
    return re.sub(r"\d+", "0", place), tuple(int(digits[:9]) for digits in re.findall(r"\d+", place))


def _rows(bars: Sequence[Bar]) -> tuple[list[_Row], str]:
    """Give each place a row; if they are too many, each step; if even these are, the first ones."""
    rows = _gather((bar.place, bar) for bar in bars)
    if len(rows) <= _MOST_ROWS:
        return rows, ""
    places = len(rows)
    rows = _gather((re.sub(r"\[[^\]]*\]", "[…]", bar.place), bar) for bar in bars)
    if len(rows) > _MOST_ROWS:
        rows = _gather((re.sub(r"#\d+", "#…", re.sub(r"\[[^\]]*\]", "[…]", bar.place)), bar) for bar in bars)
    note = f"{places} places grouped by step"
    if len(rows) > _MOST_ROWS:
        note += f", {len(rows) - _MOST_ROWS} later ones not shown"
    return rows[:_MOST_ROWS], note


def _gather(named: Iterable[tuple[str, Bar]]) -> list[_Row]:
    rows: dict[str, _Row] = {}
    for name, bar in named:
        row = rows.setdefault(name, _Row(name))
        row.bars.append(bar)
        if bar.agent and bar.kind != "tool" and bar.agent not in row.agents:
            row.agents.append(bar.agent)
    return list(rows.values())


def _draw(theme: Theme, rows: Sequence[_Row], faults: Sequence[FaultMark], end_s: float) -> Figure:
    body = 0.5 + 0.34 * max(3, len(rows))
    heights = [strip_height(faults), body] if faults else [body]
    figure = new_figure(theme, 9.2, sum(heights) + (0.9 if theme.narrow else 0.5))
    every = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0])
    axes = every[-1]
    span_s = end_s or 1.0
    path: list[tuple[Bar, float]] = []
    for number, row in enumerate(rows):
        if number % 2 == 0:
            axes.axhspan(number - 0.5, number + 0.5, color=theme.grid, alpha=0.45, linewidth=0, zorder=0)
        lanes = _lanes(row.bars)
        height = 0.72 / (max(lanes) + 1) if lanes else 0.72
        for bar, lane in zip(row.bars, lanes, strict=True):
            middle = number - 0.36 + height * (lane + 0.5)
            _draw_bar(axes, theme, bar, span_s, (middle, height))
            if bar.critical:
                path.append((bar, middle))
    _draw_path(axes, theme, path)
    mark_faults(axes, theme, faults, span_s)
    if faults:
        draw_strip(every[0], theme, faults)
    axes.set_ylim(max(1, len(rows)) - 0.5, -0.5)
    axes.set_xlim(0.0, span_s * 1.01)
    axes.set_yticks(range(len(rows)), [_row_label(row, narrow=theme.narrow) for row in rows])
    axes.tick_params(axis="y", length=0, labelcolor=theme.ink, labelsize=9)
    axes.spines[["left"]].set_visible(False)
    axes.grid(visible=True, axis="x")
    time_axis(axes, span_s, "x", "time since the run arrived")
    _draw_legend(figure, theme, [bar for row in rows for bar in row.bars])
    return figure


def _draw_bar(axes: Axes, theme: Theme, bar: Bar, span_s: float, where: tuple[float, float]) -> None:
    middle, height = where
    length_s = bar.end_s - bar.start_s
    thin = bar.kind in {"queue", "tool"}
    drawn = height * (0.34 if thin else 1.0)
    if bar.kind == "tool":
        # A tool is called within somebody's work: a strip along the foot of that bar.
        middle += height * 0.33
    axes.barh(
        middle, max(length_s, span_s * _LEAST_SHARE), left=bar.start_s, height=drawn, color=theme.kinds[bar.kind],
        # A used attempt is solid; one that was not is pale and hatched, and so still legible without colours.
        alpha=1.0 if bar.ok else 0.55, hatch=None if bar.ok else "////",
        # A hairline keeps bars apart that touch on a line of several places.
        edgecolor=theme.ink if bar.critical or not bar.ok else theme.grid,
        linewidth=1.3 if bar.critical else 0.5,
        zorder=5 if bar.kind == "tool" else 4 if bar.critical else 3,
    )  # fmt: skip
    if length_s >= span_s * _WORDS_SHARE * (2.4 if theme.narrow else 1.0) and not thin and height > 0.5 and bar.ok:
        axes.annotate(
            format_quantity(length_s, "s"), (bar.start_s + length_s / 2, middle), ha="center", va="center",
            fontsize=8, color=theme.on_accent if bar.kind == "model" else "#10151a", zorder=6,
        )  # fmt: skip


def _draw_path(axes: Axes, theme: Theme, path: Sequence[tuple[Bar, float]]) -> None:
    """Join the bars of the critical path where it passes from one line to another."""
    ordered = sorted(path, key=lambda item: (item[0].start_s, item[0].end_s))
    for (before, from_y), (after, to_y) in pairwise(ordered):
        if from_y != to_y:
            x = [before.end_s, before.end_s, after.start_s]
            axes.plot(x, [from_y, to_y, to_y], color=theme.ink, linewidth=1.0, alpha=0.75, zorder=3.5)


def _draw_legend(figure: Figure, theme: Theme, bars: Sequence[Bar]) -> None:
    from matplotlib.patches import Patch

    present = {bar.kind for bar in bars}
    handles = [Patch(facecolor=theme.kinds[kind], label=kind) for kind in _KINDS if kind in present]
    if any(not bar.ok for bar in bars):
        handles.append(Patch(facecolor="none", edgecolor=theme.ink, hatch="////", linewidth=0.5, label="not used"))
    if any(bar.critical for bar in bars):
        handles.append(Patch(facecolor="none", edgecolor=theme.ink, linewidth=1.3, label="critical path"))
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower left",
            ncols=4 if theme.narrow else len(handles),
            handlelength=1.2,
            columnspacing=1.3,
        )


def _lanes(bars: Sequence[Bar]) -> list[int]:
    """Stack bars that overlap, at most three high; beyond that they cover each other."""
    free_s: list[float] = []
    lanes = []
    for bar in bars:
        if bar.kind == "tool":
            lanes.append(0)
            continue
        lane = next((n for n, at_s in enumerate(free_s) if at_s <= bar.start_s + 1e-9), len(free_s))
        if lane >= _MOST_LANES:
            lane = min(range(_MOST_LANES), key=lambda n: free_s[n])
        if lane == len(free_s):
            free_s.append(bar.end_s)
        else:
            free_s[lane] = max(free_s[lane], bar.end_s)
        lanes.append(lane)
    return lanes


def _row_label(row: _Row, *, narrow: bool) -> str:
    agents = row.agents[0] if len(row.agents) == 1 else f"{row.agents[0]} +{len(row.agents) - 1}" if row.agents else ""
    name = label(row.place, 22 if narrow else 26)
    # On a phone the place must do: the steps of a spec say who does them.
    return name if narrow or not agents or agents == row.place else f"{name} · {label(agents, 16)}"
