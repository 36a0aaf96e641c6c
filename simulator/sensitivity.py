"""What a KPI depends on: each setting low and high, everything else as it is, on the same draws (a tornado).

The same seed gives the same arrivals and draws to all of them (common random numbers; Law, *Simulation Modeling and
Analysis*, 5th ed., 11.2), so differences are taken replication by replication, and chance that all share drops out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchspec.simulator import page as pages
from orchspec.simulator.axes import quantity_axis
from orchspec.simulator.document import number
from orchspec.simulator.drawing import Chart, Theme, label, new_figure
from orchspec.simulator.estimate import Estimate, mean, undefined
from orchspec.simulator.kpis import KPIS, Measures
from orchspec.simulator.report import written, written_interval
from orchspec.simulator.units import format_quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["End", "Swing", "Watched", "difference", "document_of", "ranked", "table_of", "tornado_chart"]

_MOST = 16


@dataclass(frozen=True, slots=True)
class Watched:
    """The KPI that is watched: `statistic` for those of runs, `target` for those of pools."""

    kpi: str
    statistic: str | None = None
    target: str | None = None

    def __str__(self) -> str:
        inside = f"{self.kpi}({self.target})" if self.target else self.kpi
        return f"{self.statistic}({inside})" if self.statistic else inside

    @property
    def unit(self) -> str:
        """Its unit (see `units`)."""
        return KPIS[self.kpi].unit

    def of(self, measures: Measures) -> Estimate:
        """Its estimate."""
        return measures.estimate(self.kpi, self.statistic, self.target)


@dataclass(frozen=True, slots=True)
class End:
    """One end of a setting: its value as written, what the KPI is there, and how much more than as the spec has it."""

    value: str
    estimate: Estimate
    change: Estimate

    @property
    def certain(self) -> bool:
        """Whether the interval of the change leaves out 0."""
        return self.change.lo > 0.0 or self.change.hi < 0.0


@dataclass(frozen=True, slots=True)
class Swing:
    """A setting and its ends, in the order in which they were given."""

    name: str
    ends: tuple[End, ...]

    @property
    def size(self) -> float:
        """How far the KPI moves, at most."""
        moved = [abs(end.change.value) for end in self.ends]
        return max((each for each in moved if not math.isnan(each)), default=0.0)


def difference(base: Measures, other: Measures, watched: Watched) -> Estimate:
    """Return how much more a KPI is in `other`, of the same seed: from the pairs of replications, by Student's t.

    The value is that of the whole estimates; the pairs give the interval. Where they have none in common, or one of a
    pair is infinite or undefined, there is a value without an interval.
    """
    before, after = watched.of(base), watched.of(other)
    value = after.value - before.value
    if math.isnan(value):
        return undefined("one of the two is not finite", "paired t")
    pairs = []
    mates = {replication.index: replication for replication in other.replications}
    for replication in base.replications:
        mate = mates.get(replication.index)
        if mate is None:
            continue  # who was looked at longer has more of them
        one, two = (
            watched.of(Measures([each], cut_s=whole.cut_s, isolated=whole.isolated)).value
            for each, whole in ((replication, base), (mate, other))
        )
        pairs.append(two - one)
    if len(pairs) < 2 or not all(map(math.isfinite, pairs)):
        return Estimate(value, math.nan, math.nan, len(pairs), "paired t", "too few pairs for an interval")
    half = mean(pairs).half_width
    return Estimate(value, value - half, value + half, len(pairs), "paired t")


def ranked(swings: Sequence[Swing]) -> list[Swing]:
    """Return the settings by how far they move the KPI, the one that matters most first."""
    return sorted(swings, key=lambda swing: (-swing.size, swing.name))


def document_of(watched: Watched, base: Estimate, swings: Sequence[Swing]) -> dict[str, Any]:
    """Return it as JSON values, the setting that matters most first."""
    return {
        "of": str(watched),
        "unit": watched.unit,
        "base": _plain(base),
        "settings": [
            {
                "name": swing.name,
                "ends": [
                    {
                        "setting": end.value,
                        **_plain(end.estimate),
                        "change": _plain(end.change),
                        "certain": end.certain,
                    }
                    for end in swing.ends
                ],
            }
            for swing in ranked(swings)
        ],
    }


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"value": number(estimate.value), "ci95": [number(estimate.lo), number(estimate.hi)]}


def tornado_chart(found: Mapping[str, Any]) -> Chart:
    """Return the tornado of a document of `document_of`: what matters most on top."""
    shown = found["settings"][:_MOST]
    notes = ["each setting alone, all else as it is, on the same draws; bars: 95 % intervals of the change"]
    if len(shown) < len(found["settings"]):
        notes.append(f"{len(found['settings']) - len(shown)} that matter less not shown")
    told = [f"{label(each['name'])}: {', '.join(_told(end, found['unit']) for end in each['ends'])}" for each in shown]
    return Chart(
        "sensitivity", f"What {found['of']} depends on", "; ".join(notes), lambda theme: _draw(theme, found, shown),
        "; ".join(told),
    )  # fmt: skip


def table_of(found: Mapping[str, Any]) -> str:
    """Return the same as a table of HTML."""
    rows = []
    for setting in found["settings"]:
        for end in setting["ends"]:
            value, change = (
                (written(each, found["unit"]), written_interval(each, found["unit"])) for each in (end, end["change"])
            )
            rows.append(((setting["name"], end["setting"]), value, change, "yes" if end["certain"] else "not certain"))
    headings = ("setting", str(found["of"]), "change", "differs")
    return pages.table(headings, rows, numbers=(1, 2), about="sensitivity")


def _told(end: Mapping[str, Any], unit: str) -> str:
    return f"{label(end['setting'], 24)}: {format_quantity(_float(end['value']), unit)}"


def _draw(theme: Theme, found: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]) -> Figure:
    rows = sum(len(each["ends"]) for each in settings)
    figure = new_figure(theme, 8.4, 1.0 + 0.27 * max(3, rows) + 0.16 * len(settings))
    axes = figure.add_subplot()
    base = _float(found["base"]["value"])
    at, ticks, tips = 0.0, [], []
    for each in settings:
        first = at
        for place, end in enumerate(each["ends"]):
            tips.append(_draw_end(axes, theme, found, end, (base, at, theme.curves[place % 2])))
            at += 1.0
        ticks.append((first + at - 1.0) / 2.0)
        at += 0.6
    axes.axvline(base, color=theme.ink, linewidth=1.2, zorder=5)
    low, high = _limits(base, tips, 245.0 if theme.narrow else 430.0)
    axes.set_xlim(low, high)
    axes.set_ylim(at - 0.9, -0.8)
    axes.set_yticks(ticks, [label(each["name"], 16 if theme.narrow else 28) for each in settings])
    axes.tick_params(axis="y", length=0, labelcolor=theme.ink)
    axes.spines[["left"]].set_visible(False)
    axes.grid(visible=True, axis="x")
    quantity_axis(axes, "x", found["unit"], max(base, *(at for at, _, _ in tips)), found["of"])
    return figure


def _limits(base: float, tips: Sequence[tuple[float, bool, int]], points: float) -> tuple[float, float]:
    """Return limits between which each tip has room for its words, on axes of so many points.

    A tip is where it is, whether its words stand on the right of it, and how many letters they have.
    """
    places = [base, *(at for at, _, _ in tips)]
    low, high = min(places), max(places)
    if low == high:
        low, high = low - (abs(low) or 1.0), high + (abs(high) or 1.0)
    for _ in range(12):  # the room depends on the scale, and the scale on the room: it converges
        scale = (high - low) / points
        needs = [(at, (4.9 * letters + 12.0) * scale, right) for at, right, letters in tips]
        low = min([*places, *(at - room for at, room, right in needs if not right)])
        high = max([*places, *(at + room for at, room, right in needs if right)])
    return low, high


def _draw_end(
    axes: Axes, theme: Theme, found: Mapping[str, Any], end: Mapping[str, Any], where: tuple[float, float, str]
) -> tuple[float, bool, int]:
    """Draw one end; return its tip for `_limits`."""
    base, at, colour = where
    setting = label(end["setting"], 9 if theme.narrow else 18)
    value = _float(end["value"])
    if not math.isfinite(value):
        text = f"{setting}: not finite"
        axes.annotate(
            text, (base, at), (6, 0), textcoords="offset points", va="center", fontsize=8.5, color=theme.alarm_ink,
            zorder=6,
        )  # fmt: skip
        return base, True, len(text)
    axes.barh(at, value - base, left=base, height=0.8, color=colour, linewidth=0, zorder=3)
    lo, hi = (_float(bound) for bound in end["change"]["ci95"])
    left, right = min(base, value), max(base, value)
    if math.isfinite(lo) and math.isfinite(hi):
        axes.errorbar(
            [value], [at], xerr=[[max(0.0, value - base - lo)], [max(0.0, hi - value + base)]], fmt="none",
            color=theme.ink, linewidth=1.0, capsize=2.5, zorder=4,
        )  # fmt: skip
        left, right = min(left, base + lo), max(right, base + hi)
    grows = value >= base
    text = f"{setting} → {format_quantity(value, found['unit'], base)}"
    tip = right if grows else left
    axes.annotate(
        text, (tip, at), (5 if grows else -5, 0), textcoords="offset points", va="center",
        ha="left" if grows else "right", fontsize=8.5, color=theme.ink, zorder=6,
    )  # fmt: skip
    return tip, grows, len(text)


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)
