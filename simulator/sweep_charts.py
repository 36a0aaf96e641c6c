"""The charts of a sweep: KPIs against what was set, families of curves and heat maps of two settings, cost and latency.

They are made of documents alone (see `document.build`), so whoever kept those can draw them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchspec.simulator.curves import Curve, Dot, Mark, Panel, curve_chart, heat_chart
from orchspec.simulator.kpis import KPIS
from orchspec.simulator.pareto import Choice, pareto_chart
from orchspec.simulator.units import sentence

if TYPE_CHECKING:
    from orchspec.simulator.drawing import Chart

__all__ = ["Point", "choice_of", "knee_of", "longest_axis", "number_of", "sweep_charts"]

_FAMILY_MAX: Final = 6
_LOADED: Final = 1.3
"""What is swept is a load if throughput grows by at least this factor."""
_RESOURCES_MAX: Final = 5
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_NUMBER: Final = r"(-?[0-9][0-9_]*(?:\.[0-9]+)?)"
_FORM: Final = re.compile(rf"(\$?){_NUMBER}(k|M|%|ms|s|min|h|d)?")
_RATE: Final = re.compile(rf"(?:poisson\(\s*)?{_NUMBER}\s*/\s*([0-9]*)\s*(ms|s|min|h|d)\s*\)?")


@dataclass(frozen=True, slots=True)
class Point:
    """A simulation of a sweep: what was set for it, as a spec writes it, and its document."""

    settings: Mapping[str, str]
    document: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What was set, in words."""
        return ", ".join(f"{name}={value}" for name, value in self.settings.items())


def sweep_charts(points: Sequence[Point]) -> list[Chart]:
    """Return what the points have data for: curves along the longest axis, and for two axes a heat map."""
    names = list(points[0].settings) if points else []
    if not names or len(points) < 2:
        return []
    axis = longest_axis(points)
    others = [name for name in names if name != axis]
    families = _families(points, others)
    charts = []
    if not others:
        charts += [_latency(points, axis), *_resources(points, axis)]
    elif len(families) <= _FAMILY_MAX:
        charts.append(_family(families, axis, "latency", "p95"))
    if len(others) == 1:
        charts.append(_heat(points, axis, others[0]))
    for name, statistic in (("cost", "mean"), ("tokens", "mean"), ("throughput", None), ("completion", None)):
        if _varies(points, name, statistic) and len(families) <= _FAMILY_MAX:
            charts.append(_family(families, axis, name, statistic))
    if _varies(points, "cost", "mean"):
        charts.append(_pareto(points))
    return charts


def longest_axis(points: Sequence[Point]) -> str:
    """The setting of the most values, the last of several; numbers have an order, which names have not."""
    return max(
        reversed(list(points[0].settings)),
        key=lambda name: (_unit(points, name) is not None, len({point.settings[name] for point in points})),
    )


def number_of(text: str) -> tuple[float, str] | None:
    """A value as a spec writes it, as a number with its unit (see `units`): `90s`, `$0.10`, `5%`, `30 / 1min`, `8`."""
    rate = _RATE.fullmatch(text.strip())
    if rate is not None:
        return float(rate[1]) / (float(rate[2] or 1) * _SECONDS[rate[3]]), "1/s"
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return None
    number, scale = float(found[2]), found[3]
    if found[1]:
        return number, "USD"
    if scale in _SECONDS:
        return number * _SECONDS[scale], "s"
    return (number / 100.0, "share") if scale == "%" else (number * {"k": 1e3, "M": 1e6}.get(scale, 1.0), "")


def knee_of(points: Sequence[Point], axis: str) -> Point | None:
    """Where a load is best served: the most throughput for the latency; None where the sweep has no such place inside.

    That is the greatest power, throughput / mean latency (L. Kleinrock, *Power and deterministic rules of thumb for
    probabilistic problems in computer communications*, ICC 1979), where what is swept is a load: the throughput grows
    with it.
    """
    if _unit(points, axis) is None:
        return None
    power = []
    for point in sorted(points, key=lambda point: _place(points, axis, point)):
        rate = point.document["kpis"]["throughput"]["value"]
        mean = point.document["kpis"]["latency"]["mean"]["value"]
        power.append((rate / mean if rate and mean else 0.0, point))
    rates = [point.document["kpis"]["throughput"]["value"] for _, point in power]
    if not rates[0] or not rates[-1] or rates[-1] < _LOADED * rates[0]:
        return None
    best = max(range(len(power)), key=lambda at: power[at][0])
    return power[best][1] if 0 < best < len(power) - 1 and power[best][0] > 0.0 else None


# ------------------------------------------------------------------ where a point stands


def _unit(points: Sequence[Point], axis: str) -> str | None:
    """The unit of the values of an axis; None where they are no numbers of one unit."""
    read = [number_of(point.settings[axis]) for point in points]
    units = {each[1] for each in read if each is not None}
    return units.pop() if None not in read and len(units) == 1 else None


def _values(points: Sequence[Point], axis: str) -> list[str]:
    return list(dict.fromkeys(point.settings[axis] for point in points))


def _place(points: Sequence[Point], axis: str, point: Point) -> float:
    text = point.settings[axis]
    if _unit(points, axis) is None:
        return float(_values(points, axis).index(text))
    read = number_of(text)
    assert read is not None
    return read[0]


def _estimate(point: Point, name: str, statistic: str | None) -> Mapping[str, Any]:
    found = point.document["kpis"][name]
    known: Mapping[str, Any] = found if statistic is None else found[statistic]
    return known


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _dot(x: float, estimate: Mapping[str, Any], verdict: str = "") -> Dot:
    lo, hi = estimate["ci95"]
    return Dot(x, _float(estimate["value"]), _float(lo), _float(hi), verdict)


def _varies(points: Sequence[Point], name: str, statistic: str | None) -> bool:
    known = [_float(_estimate(point, name, statistic)["value"]) for point in points]
    finite = [value for value in known if math.isfinite(value)]
    return len(finite) > 1 and max(finite) - min(finite) > 1e-6 * max(abs(value) for value in finite)


def _families(points: Sequence[Point], others: Sequence[str]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points:
        name = ", ".join(
            point.settings[other] if other == "flow" else f"{other}={point.settings[other]}" for other in others
        )
        found.setdefault(name, []).append(point)
    return found


def _curve(points: Sequence[Point], whole: Sequence[Point], axis: str, name: str, of: tuple[str, str | None]) -> Curve:
    placed = sorted(((_place(whole, axis, point), point) for point in points), key=lambda pair: pair[0])
    return Curve(name, tuple(_dot(x, _estimate(point, *of)) for x, point in placed))


def _panel(points: Sequence[Point], axis: str, title: str, up: str, unit: str, said: str = "", **more: Any) -> Panel:
    known = _unit(points, axis)
    names = tuple(_values(points, axis)) if known is None else ()
    scenario = points[0].document["scenario"] or points[0].document["flow"]
    note = f"{scenario}; bands are 95 % intervals" + (f"; {said}" if said else "")
    return Panel(title=title, note=note, across=axis, up=up, unit=unit, names=names, along=known or "", **more)


# ------------------------------------------------------------------ the charts


def _latency(points: Sequence[Point], axis: str) -> Chart:
    curves = [_curve(points, points, axis, each, ("latency", each)) for each in ("p50", "p95", "p99")]
    mark, said = None, ""
    knee = knee_of(points, axis)
    if knee is not None:
        mark = Mark(_place(points, axis, knee), f"knee: {knee.settings[axis]}")
        said = "the knee has the most throughput for its latency"
    panel = _panel(points, axis, f"Latency against {axis}", "latency", "s", mark=mark, said=said)
    return curve_chart("sweep-latency", panel, curves)


def _family(families: Mapping[str, Sequence[Point]], axis: str, name: str, statistic: str | None) -> Chart:
    points = [point for family in families.values() for point in family]
    up = f"{statistic} {name}" if statistic else name
    curves = [_curve(each, points, axis, label or up, (name, statistic)) for label, each in families.items()]
    panel = _panel(points, axis, f"{sentence(up)} against {axis}", up, KPIS[name].unit)
    return curve_chart(f"sweep-{name}", panel, curves)


def _resources(points: Sequence[Point], axis: str) -> list[Chart]:
    """Who is busy: a chart of the busy shares of those that have limited slots."""
    known: dict[str, float] = {}
    for point in points:
        for name, found in point.document["resources"].items():
            share = found["utilization"]["value"]
            if share is not None:
                known[name] = max(known.get(name, 0.0), share)
    busiest = sorted(known, key=lambda name: (-known[name], name))[:_RESOURCES_MAX]
    if not busiest:
        return []
    curves = []
    for name in busiest:
        placed = sorted((_place(points, axis, point), at) for at, point in enumerate(points))
        dots = []
        for x, at in placed:
            found = points[at].document["resources"].get(name)
            if found is not None:
                dots.append(_dot(x, found["utilization"]))
        curves.append(Curve(name, tuple(dots)))
    panel = _panel(points, axis, f"Busy slots against {axis}", "busy share of the slots", "share")
    return [curve_chart("sweep-utilization", panel, curves)]


def _heat(points: Sequence[Point], axis: str, other: str) -> Chart:
    columns, rows = _values(points, axis), _values(points, other)
    known = {
        (point.settings[other], point.settings[axis]): _float(_estimate(point, "latency", "p95")["value"])
        for point in points
    }
    values = [[known.get((row, column), math.nan) for column in columns] for row in rows]
    panel = Panel(f"p95 latency by {axis} and {other}", "the darker, the longer", axis, other, "s")
    return heat_chart("sweep-heat", panel, rows, columns, values)


def _pareto(points: Sequence[Point]) -> Chart:
    return pareto_chart("sweep-pareto", [choice_of(point) for point in points])


def choice_of(point: Point) -> Choice:
    """What a point costs, and how long it takes."""
    cost, latency = _estimate(point, "cost", "mean"), _estimate(point, "latency", "p95")
    return Choice(point.label, _dot(0.0, cost), _dot(0.0, latency))
