"""The page of several simulations of one scenario: what changes with what was set, and each of them, folded away."""

from __future__ import annotations

from collections.abc import Sequence

from orchspec.simulator import page as pages
from orchspec.simulator.document import outcome_of
from orchspec.simulator.findings import alarms, bottleneck_of
from orchspec.simulator.kpis import KPIS
from orchspec.simulator.pareto import Choice, front_of
from orchspec.simulator.report import Origin, asked, footer, simulation_section, written, written_interval
from orchspec.simulator.sweep_charts import Point, choice_of, knee_of, longest_axis, sweep_charts
from orchspec.simulator.units import format_quantity

__all__ = ["render_sweep"]

_COLUMNS = (("latency", "p50"), ("latency", "p95"), ("cost", "mean"), ("completion", None), ("throughput", None))


def render_sweep(
    points: Sequence[Point], *, origin: Origin | None = None, extra: Sequence[tuple[str, str]] = ()
) -> str:
    """Return the page; `points` must not be empty, `extra` as of `report.render`."""
    origin = origin or Origin()
    first = points[0].document
    title = str(first["scenario"] or f"Simulations of {first['flow']}")
    lead = f"Flow {first['flow']}, simulated with {len(points)} settings on the same draws"
    sections = [
        ("What was asked", asked(first, origin, swept=[point.label for point in points])),
        ("All settings", _table(points)),
    ]
    charts = sweep_charts(points)
    if charts:
        sections.append(("What changes", "".join(map(pages.figure, charts))))
    if origin.graph:
        sections.append(("The flow", pages.drawing(origin.graph, f"The flow {first['flow']}")))
    sections += extra
    each = "".join(pages.details(point.label, simulation_section(point.document)) for point in points)
    sections.append(("Each of them", each))
    return pages.page(title, sections, lead=lead, head=_head(points), footer=footer(origin))


def _head(points: Sequence[Point]) -> str:
    told = [f"{point.label}: {alarm}" for point in points for alarm in alarms(point.document)]
    sentences = [sentence for sentence in (_knee(points), _best(points)) if sentence]
    return pages.alarm(*told) + pages.found(*sentences)


def _knee(points: Sequence[Point]) -> str:
    """Where a load that was swept is best served, in a sentence; empty where there is no such place."""
    if len(points) < 2 or len(points[0].settings) != 1:
        return ""
    knee = knee_of(points, longest_axis(points))
    if knee is None:
        return ""
    p95 = knee.document["kpis"]["latency"]["p95"]
    busy = bottleneck_of(knee.document)
    told = f"The knee is at {knee.label}: there the throughput for the latency is greatest, p95 {written(p95, 's')}"
    return f"{told}, {busy.name} {format_quantity(busy.share, 'share')} busy." if busy is not None else f"{told}."


def _best(points: Sequence[Point]) -> str:
    """What meets every expectation, and the cheapest and fastest of it."""
    if points[0].document["expectations"]:
        well = [point for point in points if outcome_of(point.document) == "passed"]
        told = f"{len(well)} of {len(points)} settings meet what the scenario expects"
        told += f": {'; '.join(point.label for point in well[:6])}" if 0 < len(well) < len(points) else ""
        told += "; …. " if 6 < len(well) < len(points) else ". "
    else:
        well, told = list(points), ""
    choices = [choice_of(point) for point in well]
    costs = [choice.cost.value for choice in choices if choice.known]
    if not costs or max(costs) <= 1.01 * min(costs):
        return told.strip()
    front = front_of(choices)
    if len(front) == 1 and len(well) > 1:
        return f"{told}Cheapest and fastest is {front[0].name}."
    if len(front) > 1:
        cheap, fast = front[0], front[-1]
        told += f"Cheapest is {cheap.name} ({_pair(cheap)}), fastest {fast.name} ({_pair(fast)})."
    return told.strip()


def _pair(choice: Choice) -> str:
    return f"{format_quantity(choice.cost.value, 'USD')} a run, p95 {format_quantity(choice.latency.value, 's')}"


def _table(points: Sequence[Point]) -> str:
    rows = []
    for point in points:
        cells: list[object] = [point.label]
        for name, statistic in _COLUMNS:
            known = point.document["kpis"][name]
            known = known if statistic is None else known[statistic]
            cells.append((written(known, KPIS[name].unit), written_interval(known, KPIS[name].unit)))
        busy = bottleneck_of(point.document)
        cells.append((busy.name, format_quantity(busy.share, "share")) if busy is not None else "–")
        if point.document["expectations"]:
            cells.append({"html": pages.badge(outcome_of(point.document))})
        rows.append(cells)
    headings = ["set", "p50", "p95", "cost", "completion", "throughput", "busiest"]
    headings += ["expected"] if points[0].document["expectations"] else []
    return pages.table(headings, rows, numbers=range(1, 6), about="all settings")
