"""The charts of a comparison: each contender with its intervals, and cost against latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchspec.simulator.curves import Curve, Dot, Panel, curve_chart
from orchspec.simulator.kpis import KPIS
from orchspec.simulator.pareto import Choice, front_of, pareto_chart
from orchspec.simulator.units import sentence

if TYPE_CHECKING:
    from orchspec.simulator.comparing import Contender, Line
    from orchspec.simulator.drawing import Chart

__all__ = ["compare_charts", "front"]

_TOGETHER = ("p50", "p95", "p99")


def compare_charts(contenders: Sequence[Contender], lines: Sequence[Line]) -> list[Chart]:
    """Return a chart of latency, one of each mean that differs, and cost against latency."""
    known = {(line.kpi, line.statistic): line for line in lines}
    latency = [known[at] for at in (("latency", each) for each in _TOGETHER) if at in known]
    charts = [_chart("latency", latency)] if latency else []
    charts += [_chart(name, [known[name, "mean"]]) for name in ("cost", "tokens") if (name, "mean") in known]
    if ("cost", "mean") in known:
        scenario = contenders[0].study.document["scenario"]
        charts.append(pareto_chart("compare-pareto", _choices(contenders), str(scenario)))
    return charts


def front(contenders: Sequence[Contender]) -> list[str]:
    """Return the names of those that no other beats in both mean cost and p95 of latency, the cheapest first."""
    return [choice.name for choice in front_of(_choices(contenders))]


def _choices(contenders: Sequence[Contender]) -> list[Choice]:
    choices = []
    for each in contenders:
        measures = each.study.measures
        cost, latency = measures.estimate("cost", "mean"), measures.estimate("latency", "p95")
        dots = [Dot(0.0, known.value, known.lo, known.hi) for known in (cost, latency)]
        choices.append(Choice(each.name, *dots))
    return choices


def _chart(kpi: str, lines: Sequence[Line]) -> Chart:
    names = tuple(lines[0].estimates)
    curves = []
    for line in lines:
        dots = [Dot(float(at), known.value, known.lo, known.hi) for at, known in enumerate(line.estimates.values())]
        curves.append(Curve(line.title, tuple(dots)))
    title = f"{sentence(kpi)} beside each other"
    note = "with 95 % intervals of each; differences are judged in pairs and are surer than these tell"
    up = kpi if len(lines) > 1 else lines[0].title
    panel = Panel(title, note, "", up, KPIS[kpi].unit, names=names, joined=False)
    return curve_chart(f"compare-{kpi}", panel, curves)
