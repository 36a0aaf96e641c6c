"""Several simulations beside each other: knees, trade-offs, sensitivities, and the page of them."""

import math
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from orchspec.simulator.charts import charts_of
from orchspec.simulator.curves import Dot
from orchspec.simulator.document import Subject, build
from orchspec.simulator.drawing import LIGHT, PHONE
from orchspec.simulator.estimate import Estimate
from orchspec.simulator.findings import alarms, bottleneck_of, bottleneck_words, certainty
from orchspec.simulator.kpis import Measures
from orchspec.simulator.pareto import Choice, pareto_chart
from orchspec.simulator.report import Origin, render
from orchspec.simulator.sensitivity import End, Swing, Watched, difference, document_of, tornado_chart
from orchspec.simulator.sweep_charts import Point, knee_of
from orchspec.simulator.sweep_report import render_sweep
from tests.simulator.test_report import HOSTILE, outline

P95 = Watched("latency", "p95")


def sweep(queue_sample, servers, name="clerk.slots"):
    points = []
    for count in servers:
        sample = queue_sample(5, 10, servers=count, window_s=(200.0, 1_200.0))
        document = build(Subject("a day", "desk", 5, "sha256:abc"), Measures(sample), parameters={name: str(count)})
        points.append(Point({name: str(count)}, document))
    return points


# Trade-offs --------------------------------------------------------------------------------------------------------


def choice(name, cost, latency):
    return Choice(name, Dot(0.0, cost, cost, cost), Dot(0.0, latency, latency, latency))


def test_a_trade_off_names_each_choice_and_says_which_are_left_out():
    chart = pareto_chart("pareto", [choice(HOSTILE, 1, 9), choice("b", 2, 4), choice("never", 1, math.inf)])
    assert "1 without a finite latency left out" in chart.note
    for theme in (LIGHT, PHONE):
        svg = chart.svg(theme)
        assert not [each for each in ET.fromstring(svg).iter() if each.tag.endswith("script")]
        assert "2  b" in svg
    many = pareto_chart("pareto", [choice(f"c{n}", n, 100 - n % 7) for n in range(60)])
    assert "others not shown" in many.note


def test_dots_on_each_other_have_their_numbers_beside_them_and_axes_show_what_differs():
    near = [choice("a", 0.117, 80), choice("b", 0.118, 60), choice("c", 0.118, 60), choice("d", 0.11801, 60.1)]
    axes = pareto_chart("pareto", near).draw(LIGHT).axes[0]
    assert [round(each.xyann[0]) for each in axes.texts] == [0, 0, 15, 26]
    assert axes.get_xlim()[0] > 0.1
    assert axes.get_ylim()[0] > 30
    far = [choice("a", 0.1, 10), choice("b", 1.0, 100)]
    assert pareto_chart("pareto", far).draw(LIGHT).axes[0].get_xlim()[0] == 0.0


# Sensitivities -----------------------------------------------------------------------------------------------------


def test_a_setting_that_changes_nothing_is_no_difference_and_certain_of_it(queue_sample):
    measures = Measures(queue_sample(3, 10, window_s=(200.0, 1_200.0)))
    found = difference(measures, measures, P95)
    assert (found.value, found.lo, found.hi) == (0.0, 0.0, 0.0)
    assert not End("3", P95.of(measures), found).certain


def test_pairs_tell_a_difference_that_two_intervals_leave_open(queue_sample):
    sample = queue_sample(3, 10, window_s=(200.0, 1_200.0))
    later = queue_sample(3, 10, window_s=(200.0, 1_200.0))
    for replication in later:
        replication.runs = [replace(run, ended_s=run.ended_s + 0.5) for run in replication.runs]
    base, other = Measures(sample), Measures(later)
    before, after, found = P95.of(base), P95.of(other), difference(base, other, P95)
    assert before.hi > after.lo
    assert found.value == pytest.approx(0.5)
    assert End("x", after, found).certain


def test_runs_that_never_end_leave_a_difference_without_an_interval(queue_sample):
    base = Measures(queue_sample(3, 4, window_s=(200.0, 900.0)))
    later = queue_sample(3, 4, window_s=(200.0, 900.0))
    later[0].runs = [replace(run, ended_s=math.inf) for run in later[0].runs]
    assert math.isnan(difference(base, Measures(later), P95).lo)


def test_what_matters_most_stands_on_top(queue_sample):
    def end(value, change):
        return End(
            value, Estimate(60.0 + change, 50.0, 90.0, 10, "t"), Estimate(change, change - 1, change + 1, 10, "t")
        )

    swings = [Swing("little", (end("1", -2.0), end("9", 1.0))), Swing(HOSTILE, (end(HOSTILE, 30.0), end("9", -3.0)))]
    found = document_of(P95, Estimate(60.0, 50.0, 70.0, 10, "t"), swings)
    assert [each["name"] for each in found["settings"]] == [HOSTILE, "little"]
    assert [each["certain"] for each in found["settings"][1]["ends"]] == [True, False]
    chart = tornado_chart(found)
    svg = chart.svg(PHONE)
    assert not [each for each in ET.fromstring(svg).iter() if each.tag.endswith("script")]
    assert "p95(latency)" in chart.title
    found["settings"][0]["ends"][0]["value"] = None
    assert "not finite" in tornado_chart(found).svg()


# Sentences and pages -----------------------------------------------------------------------------------------------


def test_the_bottleneck_is_named_with_what_it_could_take(queue_sample):
    (tight, roomy) = sweep(queue_sample, [3, 8])
    found = bottleneck_of(tight.document)
    assert (found.name, found.slots) == ("clerk", 3)
    assert found.limit == pytest.approx(tight.document["kpis"]["throughput"]["value"] / found.share)
    assert "its 3 slots are busy" in bottleneck_words(tight.document)
    assert "There is room" in bottleneck_words(roomy.document)
    assert any("known to about ±" in sentence for sentence in certainty(tight.document))


def test_a_tool_whose_rate_is_used_up_is_named_though_its_slots_are_free(queue_sample):
    (point,) = sweep(queue_sample, [8])
    found = point.document["resources"]["clerk"]
    assert found["utilization"]["value"] < 0.4
    assert "What holds it up" not in bottleneck_words(point.document)
    found["wait_s"]["value"] = 30.0
    assert "What holds it up is clerk: one waits 30 s" in bottleneck_words(point.document)


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ("arrivals come in bursts (index of dispersion 68)", "work comes in bursts."),
        ("arrivals are those of a trace (squared variation 9)", "work comes in bursts."),
        ("faults strike in the simulation alone", "a fault shut it or brought more work."),
        ("20 users: a finite population", "now and then more work comes than it can do, or some takes very long."),
    ],
)
def test_what_is_waited_for_though_slots_are_free_is_put_down_to_what_there_is(queue_sample, told, cause):
    (point,) = sweep(queue_sample, [8])
    point.document["resources"]["clerk"]["wait_s"]["value"] = 30.0
    station = {"members": ["clerk"], "breaks": []}
    point.document["twin"] = {"pools": {"clerk": station, "other": {"members": ["other"], "breaks": ["a rate: x"]}}}
    point.document["twin"]["breaks"] = [told]
    assert bottleneck_words(point.document).endswith(f"slots are busy: {cause}")
    station["breaks"] = ["a rate: a token bucket"]
    assert "its rate is used up" in bottleneck_words(point.document)


def test_slots_that_may_grow_and_work_that_others_take_say_no_load_at_which_they_are_full(queue_sample):
    (point,) = sweep(queue_sample, [3])
    found = point.document["resources"]["clerk"]
    point.document["pools"]["clerk"] |= {"slots": 6, "elastic": True}
    share = found["busy"]["value"] / 6
    assert bottleneck_of(point.document).share == pytest.approx(share)
    assert "of the 6 slots that it may have are busy" in bottleneck_words(point.document)
    point.document["pools"]["temp"] = {"kind": "agent", "slots": 2, "members": ["temp"]}
    point.document["pools"]["clerk or temp"] = {"kind": "pool", "slots": None, "members": ["clerk", "temp"]}
    point.document["resources"]["temp"] = {**found, "utilization": {"value": 0.0}, "busy": {"value": 0.0}}
    told = bottleneck_words(point.document)
    assert "It shares its work with temp: " in told
    assert "of their 8 slots together are busy" in told
    assert "full at" not in told


def test_a_broken_law_is_said_before_anything_else(queue_sample):
    sample = queue_sample(5, 10, window_s=(200.0, 1_200.0))
    document = build(Subject("a day", "desk", 5, "sha256:abc"), Measures(sample), notes=["interrupted: too few"])
    document["checks"]["little"]["pools"]["clerk"]["ok"] = False
    told = alarms(document)
    assert "Little's law does not hold for clerk" in told[0]
    assert "Interrupted" in told[1]
    page = render(document)
    assert page.index("does not hold") < page.index('class="cards"')


def test_the_knee_of_a_load_is_said_and_what_is_no_load_has_none(queue_sample):
    points = sweep(queue_sample, [3, 4, 5, 6])
    assert "The knee is at" not in render_sweep(points)
    turned = [replace(each, settings={"load": str(at)}) for at, each in enumerate(points)]
    for each, (rate, latency) in zip(turned, ((1.0, 10.0), (2.0, 11.0), (3.0, 14.0), (3.2, 90.0)), strict=True):
        each.document["kpis"]["throughput"]["value"] = rate
        each.document["kpis"]["latency"]["mean"]["value"] = latency
    page = render_sweep(turned)
    assert "The knee is at load=2: " in page
    assert "clerk " in page[page.index("The knee is at") :][:200]


def test_a_load_of_which_more_is_worse_from_the_beginning_has_no_knee(queue_sample):
    points = sweep(queue_sample, [3, 4, 5])
    assert knee_of(points, "clerk.slots") is None
    assert knee_of([replace(each, settings={"model": "abc"[at]}) for at, each in enumerate(points)], "model") is None


def test_the_page_of_a_sweep_keeps_hostile_text_and_gives_the_same_bytes(queue_sample):
    points = sweep(queue_sample, [3, 4], name=HOSTILE)
    pages = [render_sweep(points, origin=Origin(HOSTILE, HOSTILE, HOSTILE)) for _ in range(2)]
    assert pages[0] == pages[1]
    found = outline(pages[0])
    assert not {"script", "img"} & set(found.tags)
    assert found.tags.count("details") >= 2


def test_charts_for_a_phone_are_narrow(queue_sample):
    chart = charts_of(Measures(queue_sample(5, 4, window_s=(200.0, 900.0))))[0]
    widths = [float(ET.fromstring(chart.svg(theme)).get("viewBox").split()[2]) for theme in (LIGHT, PHONE)]
    assert widths[1] < 0.6 * widths[0]
