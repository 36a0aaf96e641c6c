"""The charts of a search for a capacity: each KPI of the target against the setting, with the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.simulator.curves import Curve, Dot, Mark, Panel, curve_chart
from orchspec.simulator.kpis import KPIS

if TYPE_CHECKING:
    from orchspec.simulator.drawing import Chart
    from orchspec.simulator.least import Point
    from orchspec.simulator.sizing import Sizing, Term

__all__ = ["size_charts"]


def size_charts(sizing: Sizing) -> list[Chart]:
    """Return a chart for each KPI of the target; where several things are varied, against what they weigh together."""
    return [_chart(sizing, term, number) for number, term in enumerate(sizing.terms, 1)]


def _chart(sizing: Sizing, term: Term, number: int) -> Chart:
    points = sorted(sizing.tried, key=lambda point: (_place(sizing, point), point))
    dots = []
    for point in points:
        known, verdict = sizing.tried[point].estimates[term.text], sizing.tried[point].verdict
        dots.append(Dot(_place(sizing, point), known.value, known.lo, known.hi, verdict))
    single = len(sizing.axes) == 1
    axis = sizing.axes[0]
    mark = None
    if sizing.answer is not None:
        settings = ", ".join(f"{name}={value}" for name, value in sizing.settings(sizing.answer).items())
        mark = Mark(_place(sizing, sizing.answer), f"{settings}{'' if sizing.proved else ' (not proved)'}")
    names = axis.values if single and _positions(sizing) else ()
    panel = Panel(
        title=f"{term.text} against {axis.name if single else 'the weight of the setting'}",
        note="● meets the target, ✕ does not, ◆ undecided; with 95 % intervals",
        across=axis.name if single else " + ".join(each.name for each in sizing.axes),
        up=term.text,
        unit=KPIS[term.kpi].unit,
        bound=term.bound,
        mark=mark,
        names=names,
        joined=single,
    )
    return curve_chart(f"size-{number}", panel, [Curve(term.text, tuple(dots))])


def _positions(sizing: Sizing) -> bool:
    """Whether the values of the only axis are no numbers, and stand by their position."""
    try:
        return not [float(value) for value in sizing.axes[0].values]
    except ValueError:
        return True


def _place(sizing: Sizing, point: Point) -> float:
    if len(sizing.axes) > 1:
        return sizing.weight(point)
    return float(point[0]) if _positions(sizing) else float(sizing.axes[0].values[point[0]])
