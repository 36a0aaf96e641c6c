"""Charts: the same data gives the same bytes, names stay text, and too much is grouped and said so."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from orchspec.simulator.charts import charts_of, latency_chart
from orchspec.simulator.drawing import DARK, LIGHT, PAGE, Chart, Theme, label
from orchspec.simulator.gantt import gantt_chart
from orchspec.simulator.kpis import Measures
from orchspec.simulator.observe import Bar, FaultMark, PoolObservation, Replication, RunObservation
from orchspec.simulator.timeline import timeline_chart
from orchspec.simulator.usage import usage_chart

QueueSample = Callable[..., list[Replication]]

HOSTILE = "<script>alert('$x^2$')</script>&\"\x00\x1b[31m"
BARS = [
    Bar("outline", "planner", "model", 0.0, 4.0, critical=True),
    Bar("found[0]", "scout", "queue", 4.0, 5.0),
    Bar("found[0]", "scout", "model", 5.0, 9.0, ok=False),
    Bar("found[0]", "scout", "retry", 9.0, 9.5),
    Bar("found[0]", "scout", "model", 9.5, 20.0, critical=True),
    Bar("found[0]", "web_search", "tool", 10.0, 12.0),
    Bar("review", "editor", "human", 20.0, 60.0, critical=True),
    Bar("url", "publish", "effect", 60.0, 60.001, critical=True),
]


@pytest.fixture
def measures(queue_sample: QueueSample) -> Measures:
    sample = queue_sample(3, 4, window_s=(200.0, 1_500.0))
    for each in sample:
        each.faults = [FaultMark("crash", "orchestrator", at, at + 30.0) for at in (400.0, 800.0, 1_200.0)]
    return Measures(sample)


def ids(svg: str) -> set[str]:
    return {found for element in ET.fromstring(svg).iter() if (found := element.get("id")) is not None}


@pytest.mark.parametrize("theme", [LIGHT, DARK, PAGE], ids=lambda theme: theme.name)
def test_the_same_measures_give_the_same_bytes(measures: Measures, theme: Theme) -> None:
    again = Measures(measures.replications)
    for one, two in zip(charts_of(measures), charts_of(again), strict=True):
        assert one.svg(theme) == two.svg(theme)
    assert latency_chart(measures).png(theme) == latency_chart(again).png(theme)


def test_a_png_is_one_and_names_neither_time_nor_program(measures: Measures) -> None:
    data = latency_chart(measures).png()
    assert data.startswith(b"\x89PNG")
    assert b"tEXt" not in data


def test_charts_on_a_page_follow_its_colours_and_share_no_id(measures: Measures) -> None:
    drawn = [chart.svg() for chart in [*charts_of(measures), gantt_chart(BARS)]]
    found = [ids(svg) for svg in drawn]
    assert len(set().union(*found)) == sum(map(len, found))
    for svg in drawn:
        assert "var(--chart-ink" in svg
        assert "#0a0" not in svg
        assert "<metadata" not in svg


def test_percentiles_and_faults_are_named(measures: Measures) -> None:
    chart = latency_chart(measures)
    latency = chart.svg()
    for name in ("p50", "p90", "p95", "p99"):
        assert f">{name}<" in latency
        assert f"{name} " in chart.alt
    assert "the mean, " in chart.note
    assert "crash(orchestrator) ×3" in timeline_chart(measures).svg()


def test_runs_that_have_not_ended_are_shown_as_such() -> None:
    runs = [RunObservation(n, float(n), n + 5.0 + n % 7, "completed") for n in range(90)]
    runs += [RunObservation(90 + n, 50.0) for n in range(10)]
    chart = latency_chart(Measures([Replication(0, 1, (0.0, 100.0), runs)]))
    assert "10 of them had not ended" in chart.note
    assert ">not ended<" in chart.svg()


def test_nothing_arrived_gives_no_chart_and_one_run_gives_some() -> None:
    assert charts_of(Measures([Replication(0, 1, (0.0, 100.0))])) == []
    lone = Replication(0, 1, (0.0, 100.0), [RunObservation(0, 1.0, 3.0, "completed")])
    assert [ET.fromstring(chart.svg()).tag for chart in charts_of(Measures([lone]))]
    never = Replication(0, 1, (0.0, 100.0), [RunObservation(0, 1.0)])
    assert all(math.isfinite(len(chart.png())) for chart in charts_of(Measures([never])))


def test_where_nobody_has_limited_slots_nobody_is_drawn_as_busy() -> None:
    pools = [PoolObservation("free", "agent", None, 1.0), PoolObservation("clerk", "agent", 2, 1.0)]
    for known, drawn in ((pools[:1], False), (pools, True)):
        sample = Replication(0, 1, (0.0, 100.0), [RunObservation(0, 1.0, 3.0, "completed")], known)
        assert ("utilization" in [chart.name for chart in charts_of(Measures([sample]))]) == drawn


def test_the_busiest_comes_first_and_the_least_busy_are_left_out_and_counted() -> None:
    pools = []
    for number in range(20):
        pool = PoolObservation(f"agent{number}", "agent", 1, 1.0)
        pool.take(0.0)
        pool.release(1.0 + number, 0.0)
        pools.append(pool)
    sample = Replication(0, 1, (0.0, 100.0), [RunObservation(0, 1.0, 3.0, "completed")], pools)
    chart = usage_chart(Measures([sample]))
    assert "6 less busy ones are not shown" in chart.note
    assert "Who is busy: agent19 most" in chart.svg()


def hostile_charts() -> list[Chart]:
    pool = PoolObservation(HOSTILE, "agent", 1, 1.0)
    pool.enqueue(0.0)
    pool.grant(4.0, 0.0)
    pool.take(4.0)
    pool.release(9.0, 4.0)
    fault = FaultMark(HOSTILE, HOSTILE, 1.0, 2.0)
    runs = [RunObservation(0, 1.0, 3.0, "completed")]
    bars = [Bar(HOSTILE, HOSTILE, "model", 0.0, 5.0)]
    sample = Replication(0, 1, (0.0, 10.0), runs, [pool], [], [fault])
    return [*charts_of(Measures([sample])), gantt_chart(bars, [fault], title=HOSTILE)]


def test_hostile_names_stay_text() -> None:
    for chart in hostile_charts():
        svg = chart.svg()
        root = ET.fromstring(svg)
        assert not [element for element in root.iter() if element.tag.endswith("script")]
        assert "<script" not in svg
        assert chart.png().startswith(b"\x89PNG")


def test_a_label_is_one_short_line() -> None:
    assert label("a\nb\x00c") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert len(label("x" * 500)) == 32


# Gantt -------------------------------------------------------------------------------------------------------------


def test_a_gantt_names_places_agents_and_the_critical_path() -> None:
    chart = gantt_chart(BARS, [FaultMark("throttle", "web_search", 105.0, 110.0)], title="Run 4", arrived_s=100.0)
    svg = chart.svg()
    for text in ("found[0] · scout", "review · editor", "critical path", "not used", "throttle(web_search)", "Run 4"):
        assert text in svg
    assert (
        chart.png()
        == gantt_chart(
            BARS[::-1], [FaultMark("throttle", "web_search", 105.0, 110.0)], title="Run 4", arrived_s=100.0
        ).png()
    )


def test_a_fault_outside_the_run_is_not_marked() -> None:
    assert "crash" not in gantt_chart(BARS, [FaultMark("crash", "orchestrator", 5.0, 6.0)], arrived_s=100.0).svg()


def test_many_places_are_grouped_by_step_and_the_chart_says_so() -> None:
    bars = [Bar(f"found[{n}]", "scout", "model", float(n), n + 10.0) for n in range(200)]
    chart = gantt_chart(bars)
    assert "200 places grouped by step" in chart.note
    assert "found[…] · scout" in chart.svg()
    apart = gantt_chart([Bar(f"step_{'x' * n}", "", "model", 0.0, 1.0) for n in range(80)])
    assert "44 later ones not shown" in apart.note


def test_too_many_stretches_are_cut_to_the_longest() -> None:
    chart = gantt_chart([Bar("a", "scout", "model", float(n), n + 0.5) for n in range(4_000)])
    assert "the longest 1500 of 4000 stretches" in chart.note


def test_a_run_without_stretches_still_has_a_gantt() -> None:
    assert gantt_chart([]).png().startswith(b"\x89PNG")
