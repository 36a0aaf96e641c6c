"""The charts of several simulations of one scenario: latency and use against what was set, cost against latency."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchspec.simulator.curves import Curve, Dot, Mark, Panel, curve_chart
from orchspec.simulator.findings import bottleneck_of
from orchspec.simulator.knee import knee_of
from orchspec.simulator.tradeoff import Choice, tradeoff_chart
from orchspec.simulator.units import format_quantity

if TYPE_CHECKING:
    from orchspec.simulator.drawing import Chart

__all__ = ["Point", "dots_of", "knee_words", "sweep_charts", "varied"]

_PERCENTILES = ("p50", "p95", "p99")
_MOST_CURVES = 6
_NUMBER = re.compile(r"(-?\d[\d_]*(?:\.\d+)?)\s*(%|ms|s|min|h|d|k|M)?")
_SCALES = {"%": 0.01, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "k": 1e3, "M": 1e6}


@dataclass(frozen=True, slots=True)
class Point:
    """One simulation of a sweep: what was set for it, how that is called, and its document."""

    settings: Mapping[str, str]
    label: str
    document: Mapping[str, Any]


def varied(points: Sequence[Point]) -> list[str]:
    """The settings that differ among the points, in the order in which they were given."""
    names = dict.fromkeys(name for point in points for name in point.settings)
    return [name for name in names if len({point.settings.get(name) for point in points}) > 1]


def sweep_charts(points: Sequence[Point]) -> list[Chart]:
    """Return the charts of a sweep, as far as its values allow: curves need numbers."""
    names = varied(points)
    charts: list[Chart] = []
    across = _across(points, names)
    if len(names) == 1 and across is not None:
        charts += [*_of_latency(points, across), *_of_use(points, across)]
    elif across is not None:
        charts += _of_families(points, across, [name for name in names if name != across])
    choices = [Choice.of(point.label, point.document) for point in points]
    costs = [each.cost[0] for each in choices if each.known]
    if costs and max(costs) > 1.01 * min(costs):
        charts.append(tradeoff_chart(choices))
    return charts


def dots_of(points: Iterable[Point], across: str, kpi: str, statistic: str | None) -> tuple[Dot, ...]:
    """A KPI of each point over the value of a setting, by that value."""
    dots = []
    for point in points:
        estimate = point.document["kpis"][kpi]
        estimate = estimate if statistic is None else estimate[statistic]
        dots.append(_dot(_number(point.settings[across]) or 0.0, estimate))
    return tuple(sorted(dots, key=lambda dot: dot.x))


def knee_words(points: Sequence[Point]) -> str:
    """Where the p95 of latency turns up, in a sentence; empty where it does not, or nothing was varied alone."""
    names = varied(points)
    across = _across(points, names)
    if len(names) != 1 or across is None:
        return ""
    dots = dots_of(points, across, "latency", "p95")
    at = knee_of([(dot.x, dot.value) for dot in dots])
    if at is None:
        return ""
    ordered = sorted(points, key=lambda point: _number(point.settings[across]) or 0.0)
    busy = bottleneck_of(ordered[at].document)
    here, last = (format_quantity(dots[each].value, "s") for each in (at, -1))
    told = f"The p95 of latency turns up at {across}={ordered[at].settings[across]}: {here} there, {last} at "
    told += f"{ordered[-1].settings[across]}."
    if busy is not None:
        told += f" There {busy.name} is {format_quantity(busy.share, 'share')} busy."
    return told


# ------------------------------------------------------------------ one setting


def _of_latency(points: Sequence[Point], across: str) -> list[Chart]:
    curves = [Curve(name, dots_of(points, across, "latency", name)) for name in reversed(_PERCENTILES)]
    curves = [curve for curve in curves if any(math.isfinite(dot.value) for dot in curve.dots)]
    if not curves:
        return []
    p95 = dots_of(points, across, "latency", "p95")
    at = knee_of([(dot.x, dot.value) for dot in p95])
    mark = Mark(p95[at].x, f"knee of p95: {_written(points, across, p95[at].x)}") if at is not None else None
    notes = ["with 95 % intervals"]
    unsettled = sum(1 for point in points if _unsettled(point))
    if unsettled:
        notes.append(f"{unsettled} of the settings never settle: their values grow as long as one looks")
    panel = Panel(
        f"Latency against {across}", "; ".join(notes), across, "latency", "s", mark=mark, written=_ticks(points, across)
    )
    return [curve_chart("latency-by-setting", panel, curves)]


def _of_use(points: Sequence[Point], across: str) -> list[Chart]:
    """Busy shares against the setting, of those who are busiest anywhere."""
    names: dict[str, float] = {}
    for point in points:
        for name, found in point.document["resources"].items():
            share = found["utilization"]["value"]
            if share:
                names[name] = max(names.get(name, 0.0), share)
    chosen = sorted(names, key=lambda name: (-names[name], name))[:_MOST_CURVES]
    if not chosen:
        return []
    curves = []
    for name in chosen:
        dots = [
            _dot(_number(point.settings[across]) or 0.0, point.document["resources"][name]["utilization"])
            for point in points
            if name in point.document["resources"]
        ]
        curves.append(Curve(name, tuple(sorted(dots, key=lambda dot: dot.x))))
    who = f"Who is busy against {across}" if len(chosen) > 1 else f"How busy {chosen[0]} is against {across}"
    panel = Panel(
        who, "busy share of slots, with 95 % intervals", across, "busy slots", "share",
        written=_ticks(points, across),
    )  # fmt: skip
    return [curve_chart("use-by-setting", panel, curves)]


# ------------------------------------------------------------------ several settings


def _of_families(points: Sequence[Point], across: str, others: Sequence[str]) -> list[Chart]:
    families: dict[str, list[Point]] = {}
    for point in points:
        key = ", ".join(f"{name}={point.settings.get(name, '–')}" for name in others)
        families.setdefault(key, []).append(point)
    if len(families) > _MOST_CURVES:
        return []
    curves = [Curve(key, dots_of(each, across, "latency", "p95")) for key, each in families.items()]
    panel = Panel(
        f"p95 of latency against {across}", "with 95 % intervals", across, "p95 of latency", "s",
        written=_ticks(points, across),
    )  # fmt: skip
    return [curve_chart("latency-by-settings", panel, curves)]


def _across(points: Sequence[Point], names: Sequence[str]) -> str | None:
    """The setting that makes the horizontal axis: numbers only, and as many different ones as there are."""
    numeric = [name for name in names if all(_number(point.settings.get(name, "")) is not None for point in points)]
    if not numeric:
        return None
    return max(numeric, key=lambda name: len({point.settings[name] for point in points}))


def _number(written: str) -> float | None:
    """A value as written in a spec, as a number: 3, 2.5, 5%, 30s; `None` for anything else."""
    found = _NUMBER.fullmatch(written.strip())
    if found is None:
        return None
    return float(found[1].replace("_", "")) * _SCALES.get(found[2] or "", 1.0)


def _written(points: Sequence[Point], across: str, x: float) -> str:
    return next(point.settings[across] for point in points if _number(point.settings[across]) == x)


def _ticks(points: Sequence[Point], across: str) -> tuple[tuple[float, str], ...]:
    return tuple({_number(point.settings[across]) or 0.0: point.settings[across] for point in points}.items())


def _unsettled(point: Point) -> bool:
    warmup = point.document["warmup"]
    return warmup is not None and warmup["steady"] is False


def _dot(x: float, estimate: Mapping[str, Any]) -> Dot:
    value, (lo, hi) = estimate["value"], estimate["ci95"]
    known, low, high = (math.nan if each is None else float(each) for each in (value, lo, hi))
    return Dot(x, known, low, high)
