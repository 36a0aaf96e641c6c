"""How often a run visits whom, by a walk over the plan: as closed forms and counting say, and where it is not known."""

from __future__ import annotations

import math

import pytest

from orchspec.simulator.expected import Expected, expected_visits
from orchspec.simulator.lazily import SAMPLES, Drawn
from orchspec.simulator.study import find_scenario, stage_of
from orchspec.simulator.twin import twin_of
from tests.support.studies import SPECS, gallery, plan_of

HEAD = """orch 1
enum Kind { big, small }
type Sorted { kind: Kind  score: Float  parts: List<Text> }
contract Sort(text: Text) -> Sorted
contract Work(text: Text) -> Text
agent ann fulfills Sort, Work { ANN }
agent bob fulfills Work {}
agent cid fulfills Work {}
human eve fulfills Work {}
profile ann { latency = exponential(mean: 10s)  PROFILE  output = { kind: choice(big: 30%, small: 70%)
  score: uniform(0.0, 1.0)  parts: size(uniform(1, 4)) } }
scenario "load" for f { arrivals = poisson(1 / 1h)  duration = 10h }
"""


def walk(body: str, ann: str = "", profile: str = "") -> Expected:
    text = HEAD.replace("ANN", ann).replace("PROFILE", profile) + body
    plan = plan_of(text)
    scenario = find_scenario(plan, None)
    return expected_visits(plan, scenario, stage_of(plan, scenario, 1, SPECS, runs=None))


def flow(*statements: str) -> str:
    return "flow f(text: Text) -> Text {\n" + "\n".join(statements) + "\n  return text\n}\n"


SORT = "step a = Sort(text) by ann"


def test_attempts_are_those_of_a_truncated_geometric_law_and_timeouts_fail_their_tail():
    found = walk(
        flow("step a = Work(text) by ann { attempts = 3  timeout = 20s }", "step b = Work(a) by bob"),
        profile="failure = 10%",
    )
    fails = 1.0 - 0.9 * (1.0 - math.exp(-2.0))
    assert not found.sampled
    assert found.visits["ann"] == pytest.approx((1.0 - fails**3) / (1.0 - fails), rel=1e-3)
    assert found.visits["bob"] == pytest.approx(1.0 - fails**3, rel=1e-3)


def test_a_route_takes_its_arms_as_often_as_what_it_reads_says_and_twice_on_the_same_is_the_same():
    arms = "{ case Kind.big -> Work(text) by bob  case Kind.small -> Work(text) by cid }"
    again = "{ when a.kind == Kind.big and a.score < 0.5 -> Work(text) by eve  else -> { give text } }"
    found = walk(flow(SORT, f"route r on a.kind {arms}", f"route s {again}"))
    assert found.sampled
    assert (found.visits["bob"], found.visits["cid"]) == pytest.approx((0.3, 0.7), abs=1 / SAMPLES)
    assert found.visits["eve"] == pytest.approx(0.15, abs=0.01)


def test_a_loop_goes_round_until_its_condition_holds_and_no_longer_than_it_may():
    found = walk(flow("repeat d 4 times {", SORT, "step w = Work(text) by bob", "until a.score >= 0.75", "give text }"))
    rounds = (1.0 - 0.75**4) / 0.25
    assert (found.visits["ann"], found.visits["bob"]) == pytest.approx((rounds, rounds), rel=0.01)


def test_items_and_fan_outs_count_each_and_need_keeps_a_run_going():
    fan = "step w = Work(p) by ann for p in a.parts { need = 1 }"
    found = walk(
        flow(
            SORT,
            fan,
            "step v = Work(text) by 3 of ann { need = 2  after = [a] }",
            "step z = Work(text) by bob { after = [v] }",
        ),
        profile="failure = 20%",
    )
    first = 0.8
    assert found.visits["bob"] == pytest.approx(first * (0.8**3 + 3 * 0.8**2 * 0.2), rel=0.01)
    assert found.visits["ann"] == pytest.approx(1.0 + first * 2.5 + first * 3.0, rel=0.02)


def test_what_fails_is_asked_of_another_or_done_without():
    asked = "step a = Work(text) by ann { on_failure = ask(eve, within: 1h) }"
    found = walk(flow(asked, "step b = Work(text) by bob { after = [a] }"), profile="failure = 40%")
    assert found.visits["eve"] == pytest.approx(0.4)
    assert found.visits["bob"] == pytest.approx(1.0)
    found = walk(
        flow("step a = Work(text) by ann { on_failure = skip }", "step b = Work(text) by bob { after = [a] }"),
        profile="failure = 40%",
    )
    assert found.visits["bob"] == 1.0


def test_a_guard_ends_the_runs_that_it_holds_for_and_a_condition_leaves_a_step_out():
    found = walk(
        flow(
            SORT,
            'fail "no" when a.score < 0.25',
            "step b = Work(a.kind == Kind.big) by bob { only_if = a.kind == Kind.big }",
        ).replace("Work(a.kind == Kind.big)", "Work(text)")
    )
    assert found.visits["bob"] == pytest.approx(0.75 * 0.3, abs=0.01)


def test_a_flow_that_is_called_and_an_eval_are_walked_over():
    inner = "flow inner(text: Text) -> Text {\n  step w = Work(text) by ann\n  return w\n}\n"
    found = walk(
        inner + flow("step one = inner(text)", "step two = inner(one)", "eval q = Work(two) by bob { sample = 10% }")
    )
    assert found.visits == pytest.approx({"ann": 2.0, "bob": 0.1})


def test_a_machine_goes_from_state_to_state_as_its_guards_and_failures_say_and_no_more_often_than_it_may():
    states = """flow f(text: Text) -> Text {
  step x = g(text)
  return x
}
machine g(text: Text) -> Text {
  budget { transitions <= 9 }
  initial state sorting {
    visits = 2
    step a = Sort(text) by ann
    on done when a.score >= 0.5 -> fine
    on done -> sorting
    on failed -> asking
    on exhausted -> asking
  }
  state asking {
    step b = Work(text) by eve
    on done -> fine
  }
  final state fine { return text }
}
"""
    found = walk(states, profile="failure = 20%")
    again = 0.8 * 0.5
    assert found.visits["ann"] == pytest.approx(1.0 + again, rel=0.02)
    assert found.visits["eve"] == pytest.approx(0.2 + again * 0.2 + again * again, rel=0.05)


@pytest.mark.parametrize(
    ("statement", "who", "why"),
    [
        ("step a = Work(text) by first of [ann, bob] { attempts = 2 }", "bob", "race"),
        ("step a = Work(text) by first of [ann, bob] { hedge = after(5s) }", "ann", "race"),
        ("scope s { attempts = 2  step a = Work(text) by ann  give a }", "ann", "as a whole"),
        (
            (
                "step v = Work(text) by all of [ann, bob]\n"
                "arbitrate x = v { decide = majority(it) or ask(eve, within: 1h) or first }"
            ),
            "eve",
            "vote",
        ),
        ('step b = Work(text) by bob\nfail "no" when b == "x"\nstep c = Work(text) by cid { after = [b] }', "", ""),
    ],
)
def test_what_a_walk_cannot_know_is_said(statement, who, why):
    found = walk(flow(statement))
    assert (who in found.unknown) is bool(who)
    assert why in found.unknown.get(who, "")


def test_in_a_race_each_begins_once_and_who_comes_after_it_is_reached_unless_all_fail():
    race = flow("step a = Work(text) by first of [ann, bob]", "step b = Work(a) by cid")
    found = walk(race + "profile bob { failure = 50% }", profile="failure = 20%")
    assert found.unknown == {}
    assert (found.visits["ann"], found.visits["bob"]) == (1.0, 1.0)
    assert found.visits["cid"] == pytest.approx(1.0 - 0.2 * 0.5)


def test_each_value_takes_each_part_of_its_distribution_once():
    for key in (1, 2, 10**18):
        taken = sorted(Drawn(number).uniform(key, 3) for number in range(SAMPLES))
        assert taken == [(part + 0.5) / SAMPLES for part in range(SAMPLES)]
    pairs = [(Drawn(number).uniform(1, 3), Drawn(number).uniform(2, 3)) for number in range(SAMPLES)]
    both = sum(one < 0.5 and other < 0.5 for one, other in pairs)
    assert abs(both / SAMPLES - 0.25) < 0.03


@pytest.mark.parametrize(
    "name", ["booking", "chaining", "hubs", "desk", "one_or_many", "refining", "tickets", "router", "support", "swarm"]
)
def test_the_gallery_is_visited_as_often_as_counting_says(name):
    plan = gallery(name)
    walked = 0
    for scenario in plan.scenarios:
        stage = stage_of(plan, scenario, 1, SPECS, runs=None)
        found = expected_visits(plan, scenario, stage)
        pilot = stage.alone(200)
        for pool in pilot.pools:
            if pool.name in found.visits and pool.name not in found.unknown:
                told = found.visits[pool.name]
                walked += 1
                assert abs(pool.takes.total() / 200 - told) <= 4.0 * math.sqrt(told * (1.0 + told) / 200), pool.name
    assert walked


def test_the_twin_says_of_each_figure_where_it_comes_from():
    plan = gallery("debate")
    scenario = find_scenario(plan, None)
    found = twin_of(plan, scenario, stage_of(plan, scenario, 1, SPECS, runs=None))
    assert {station.counted for station in found.stations} == {"whom peers hand over to is not walked over"}
    plan = gallery("queue")
    scenario = find_scenario(plan, None)
    (clerk,) = twin_of(plan, scenario, stage_of(plan, scenario, 1, SPECS, runs=None)).stations
    assert (clerk.visits, clerk.counted, clerk.held_by) == (1.0, "", "profile")


def test_a_walk_that_the_runs_do_not_bear_out_is_not_believed(monkeypatch):
    plan = gallery("queue")
    scenario = find_scenario(plan, None)
    wrong = Expected({"clerk": 3.0})
    monkeypatch.setattr("orchspec.simulator.twin.expected_visits", lambda *_: wrong)
    (clerk,) = twin_of(plan, scenario, stage_of(plan, scenario, 1, SPECS, runs=None)).stations
    assert clerk.visits == 1.0
    assert "do not bear out" in clerk.counted
