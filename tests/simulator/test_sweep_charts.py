import pytest

from orchspec.simulator.curves import Dot
from orchspec.simulator.drawing import LIGHT
from orchspec.simulator.pareto import Choice, front_of
from orchspec.simulator.sweep_charts import Point, knee_of, number_of, sweep_charts


def known(value):
    return {"value": value, "ci95": [value, None] if value is None else [0.9 * value, 1.1 * value], "n": 10}


def point(latency, throughput=1.0, cost=0.02, **settings):
    quantiles = {name: known(latency) for name in ("mean", "p50", "p95", "p99")}
    return Point(
        {name.replace("_", "."): value for name, value in settings.items()},
        {
            "scenario": "a day",
            "flow": "desk",
            "kpis": {
                "latency": quantiles,
                "cost": {"mean": known(cost)},
                "tokens": {"mean": known(0.0)},
                "throughput": known(throughput),
                "completion": known(1.0),
            },
            "resources": {"clerk": {"utilization": known(0.5)}, "tool": {"utilization": known(None)}},
        },
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8", (8.0, "")),
        ("400k", (400_000.0, "")),
        ("1.5M", (1_500_000.0, "")),
        ("5%", (0.05, "share")),
        ("$0.10", (0.1, "USD")),
        ("2min", (120.0, "s")),
        ("30 / 1min", (0.5, "1/s")),
        ("poisson(4 / 10s)", (0.4, "1/s")),
        ("[small]", None),
        ("10 / 0s x", None),
    ],
)
def test_values_are_read_as_a_spec_writes_them(text, number):
    assert number_of(text) == (pytest.approx(number) if number is None else (pytest.approx(number[0]), number[1]))


def test_the_knee_is_where_throughput_for_latency_is_greatest():
    loads = {"1 / 1s": (1.0, 1.0), "2 / 1s": (1.2, 2.0), "3 / 1s": (2.4, 3.0), "4 / 1s": (9.0, 3.9)}
    points = [point(latency, rate, load=load) for load, (latency, rate) in loads.items()]
    assert knee_of(points, "load").settings == {"load": "2 / 1s"}
    assert knee_of(points[:2], "load") is None


def names(points):
    charts = sweep_charts(points)
    for chart in charts:
        assert chart.svg(LIGHT).startswith("<svg")
    return [chart.name for chart in charts]


def test_one_axis_gives_curves_and_only_of_what_varies():
    points = [point(10.0 / slots, clerk_slots=str(slots)) for slots in (1, 2, 3)]
    assert names(points) == ["sweep-latency", "sweep-utilization"]
    dearer = [point(10.0 / n, cost=0.01 * n, n=str(n)) for n in (1, 2, 3)]
    assert names(dearer) == ["sweep-latency", "sweep-utilization", "sweep-cost", "sweep-pareto"]


def test_two_axes_give_a_family_and_a_heat_map_and_one_value_nothing():
    points = [point(a * b, a=str(a), b=f"[m{b}]") for a in (1, 2) for b in (1, 2, 3)]
    assert names(points) == ["sweep-latency", "sweep-heat"]
    assert names(points[:1]) == []


def test_what_has_no_value_is_left_out_and_the_rest_is_drawn():
    assert "sweep-latency" in names([point(None, clerk_slots="1"), point(3.0, clerk_slots="2")])


def test_the_front_has_what_no_other_beats_in_both():
    def choice(name, cost, latency):
        return Choice(name, Dot(0.0, cost, cost, cost), Dot(0.0, latency, latency, latency))

    choices = [choice("dear", 3, 1), choice("bad", 3, 5), choice("cheap", 1, 4), choice("same", 1, 5)]
    assert [each.name for each in front_of(choices)] == ["cheap", "dear"]
