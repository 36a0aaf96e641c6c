"""The analytic twin: its formulas against what the literature says, and the twin of whole scenarios against both."""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import replace

import pytest

from orchspec.runtime.distributions import compile_dist
from orchspec.simulator import findings, twin_breaks
from orchspec.simulator import twin as twin_module
from orchspec.simulator.beside import twin_notes, twin_rows
from orchspec.simulator.moments import second_moment
from orchspec.simulator.queueing import (
    Demand,
    burst_dispersion,
    closed_network,
    erlang_c,
    mean_wait,
    settling_time,
    token_wait,
)
from orchspec.simulator.study import simulate, stage_of
from orchspec.simulator.twin import Twin, twin_of
from tests.support.studies import SPECS, gallery, plan_of, queue_spec, twin


def only(found: Twin):
    (station,) = found.stations
    return station


# ------------------------------------------------------------------ formulas


@pytest.mark.parametrize(
    ("offered", "slots", "wait_times_rate"), [(2, 3, 4 / 9), (2, 4, 2 / 23), (8, 10, 0.204590), (48, 55, 0.034100)]
)
def test_waits_are_those_of_erlang(offered, slots, wait_times_rate):
    assert mean_wait(offered / 10.0, 10.0, slots) == pytest.approx(10.0 * wait_times_rate, rel=1e-4)


def test_the_chance_to_wait_lies_between_none_and_certain_for_any_number_of_slots():
    chances = [erlang_c(0.9 * slots, slots) for slots in (1, 10, 100, 1_000, 10_000)]
    assert chances[0] == pytest.approx(0.9)
    assert chances == sorted(chances, reverse=True)
    assert erlang_c(5.0, 5) == 1.0


@pytest.mark.parametrize(("load", "wait_times_rate"), [(0.5, 0.5), (0.8, 2.0), (0.9, 4.5)])
def test_one_slot_and_a_fixed_time_wait_as_pollaczek_and_khinchine_say(load, wait_times_rate):
    assert mean_wait(load / 10.0, 10.0, 1, 1.0, 0.0) == pytest.approx(10.0 * wait_times_rate)
    assert token_wait(load / 10.0, 1, 10.0) == pytest.approx(10.0 * wait_times_rate)
    assert token_wait(load / 10.0, 5, 50.0) < 10.0 * wait_times_rate


def test_what_is_never_done_in_time_has_no_end():
    assert mean_wait(1.0, 3.0, 3) == math.inf
    assert mean_wait(0.5, 1.0, 1, 1.0, math.inf) == math.inf
    assert token_wait(2.0, 1, 1.0) == math.inf
    assert settling_time(1.0, 3.0, 3) == math.inf
    assert mean_wait(1.0, 3.0, None) == 0.0


def test_two_users_and_one_server_are_the_machine_repairman():
    # P(0, 1, 2 in the system) are 1:2:2.
    rate, (wait_s,) = closed_network(2, 10.0, [Demand(1.0, 10.0, 1)])
    assert rate == pytest.approx(0.08)
    assert wait_s == pytest.approx(2 / 0.08 - 10.0 - 10.0)


def test_closed_stations_of_several_slots_are_as_their_markov_chain_says():
    # The stationary law of 20 users, solved as a linear system: 30 s of thought, one server of 2 s, two of 3 s.
    rate, waits = closed_network(20, 30.0, [Demand(1.0, 2.0, 1), Demand(1.0, 3.0, 2), Demand(0.0, 0.0, 4)])
    assert rate == pytest.approx(0.44995612652817)
    assert waits == pytest.approx([7.5468606690049, 1.9019173803540, 0.0])
    # Without a queue nothing waits, and every user is somewhere.
    rate, waits = closed_network(60, 0.0, [Demand(1.0, 2.0, 60), Demand(2.0, 3.0, None)])
    assert (rate, waits) == (pytest.approx(7.5), pytest.approx([0.0, 0.0], abs=1e-9))


def test_the_theory_of_a_recorded_load_is_that_of_the_part_that_is_replayed(tmp_path):
    rows = ["at", *(str(second) for second in range(0, 100, 10)), *(str(second) for second in range(100, 200))]
    (tmp_path / "calls.csv").write_text("\n".join(rows))
    plan = plan_of(queue_spec(1, "every(10s)", "fixed(1s)", duration="95s", warmup="1s"))
    part = replace(plan.scenarios[0], arrivals=["trace", "calls.csv", "at"])
    for scenario, rate in ((part, 0.1), (replace(part, duration_us=None), 109 / 199)):
        found = twin_of(plan, scenario, stage_of(plan, scenario, 1, tmp_path, runs=None))
        assert found.arrivals_per_s == pytest.approx(rate)


def test_a_burst_that_does_not_change_its_rate_is_poisson():
    assert burst_dispersion(2.0, 2.0, 100.0, 50.0) == 1.0
    # Half of the time nothing, half of it twice as much: 1 + rate times the time constant.
    assert burst_dispersion(0.0, 2.0, 10.0, 10.0) == pytest.approx(1.0 + 2.0 * 4.0 * 0.01 / (0.04 * 0.2))


@pytest.mark.parametrize(
    ("dist", "expected"),
    [
        (["fixed", 3], 9.0),
        (["uniform", 0.0, 6.0], 12.0),
        (["normal", 3.0, 1.0], 10.0),
        (["exponential", 2.0], 8.0),
        (["gamma", 3.0, 2.0], 48.0),
        (["lognormal", 1.0, math.exp(1.6448536269514722)], math.exp(2.0)),
        (["pareto", 2.0, 4.0], 8.0),
        (["pareto", 2.0, 2.0], math.inf),
        (["mixture", [[0.5, ["fixed", 1]], [0.5, ["exponential", 2.0]]]], 4.5),
        (["choice", [[1, 0.5], [3, 0.5]]], 5.0),
    ],
)
def test_second_moments_are_those_of_the_textbook_and_of_the_sampler(dist, expected):
    assert second_moment(dist) == pytest.approx(expected)
    if math.isfinite(expected) and dist[0] != "pareto":
        sample = compile_dist(dist)
        drawn = math.fsum(float(sample((at + 0.5) / 20_000)) ** 2 for at in range(20_000)) / 20_000
        assert drawn == pytest.approx(expected, rel=0.01)


def test_second_moments_of_a_column_are_those_of_what_is_sampled():
    data = {("f.csv", "s"): [0.0, 6.0]}
    assert second_moment(["empirical", "f.csv", "s"], data, scale=2.0) == pytest.approx(48.0, rel=1e-3)


# ------------------------------------------------------------------ whole scenarios

TANDEM = """orch 1
contract Draft(question: Text) -> Text
contract Check(draft: Text) -> Text
agent ann fulfills Draft { slots = 1 }
agent bob fulfills Check { slots = 2  attempts = 3 }
effect mail(text: Text) { key = text  timeout = 10s }
flow desk(question: Text) -> Text {
  step draft   = Draft(question) by ann
  step checked = Check(draft) by bob
  step sent    = mail(text: checked)
  return checked
}
profile ann  { latency = exponential(mean: 5s) }
profile bob  { latency = exponential(mean: 6s) }
profile mail { latency = fixed(1s) }
scenario "load" for desk { arrivals = poisson(1 / 10s)  duration = 3h  warmup = 10min }
"""


def test_queues_in_series_have_the_product_form_and_their_waits_add_up():
    found = twin(TANDEM)
    ann, bob = found.stations
    assert (ann.name, ann.model, ann.visits) == ("ann", "M/M/1", 1.0)
    assert (bob.name, bob.model, bob.visits) == ("bob", "M/M/2", 1.0)
    assert ann.utilization == pytest.approx(0.5)
    assert bob.utilization == pytest.approx(0.3)
    assert ann.wait_s == pytest.approx(5.0)
    assert bob.wait_s == pytest.approx(mean_wait(0.1, 6.0, 2))
    assert ann.queue == pytest.approx(0.5)
    assert found.alone_s == pytest.approx(12.0)
    assert found.latency_s == pytest.approx(12.0 + ann.wait_s + bob.wait_s)
    assert found.breaks == []
    assert ann.breaks == bob.breaks == []


def test_where_nothing_breaks_the_simulation_agrees_within_its_intervals():
    document = simulate(plan_of(TANDEM.replace("3h", "90min")), seed=5, runs=1).document["twin"]
    for pool in document["pools"].values():
        for name in ("utilization", "wait_s"):
            lo, hi = pool["simulated"][name]["ci95"]
            assert lo <= pool[name] <= hi
    lo, hi = document["latency"]["simulated"]["ci95"]
    assert lo <= document["latency"]["mean_s"] <= hi
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_retries_are_visits_and_are_said_to_come_back():
    found = twin(TANDEM.replace("profile bob  {", "profile bob  { failure = 50%"))
    bob = found.stations[1]
    assert bob.visits == pytest.approx(1.75, abs=0.2)
    assert any("retries" in told for told in bob.breaks)


def test_a_timeout_cuts_what_a_slot_is_held_for_and_who_never_answers_holds_it_as_long():
    text = queue_spec(1, "poisson(1 / 20s)", "exponential(mean: 10s)", agent="timeout = 5s", duration="1h")
    assert only(twin(text)).hold_s == pytest.approx(10.0 * (1.0 - math.exp(-0.5)), rel=1e-3)
    never = text.replace("agent clerk", "human clerk").replace("exponential(mean: 10s)", "fixed(1s)  never = 25%")
    assert only(twin(never)).hold_s == pytest.approx(0.75 * 1.0 + 0.25 * 5.0)
    assert only(twin(never)).hold_scv == pytest.approx((0.75 + 0.25 * 25.0) / 4.0 - 1.0)


@pytest.mark.parametrize(
    ("load", "latency", "agent", "told"),
    [
        ("every(12s)", "exponential(mean: 10s)", "", "regular"),
        ("burst(calm: 1 / 60s, peak: 1 / 2s, every: 10min, lasting: 1min)", "fixed(3s)", "", "bursts"),
        ("closed(users: 4, think: exponential(mean: 10s))", "exponential(mean: 10s)", "", "finite population"),
        ("poisson(1 / 20s)", "pareto(min: 2s, alpha: 1.5)", "", "variance of its times is infinite"),
        ("poisson(1 / 5s)", "fixed(10s)", "", "no steady state"),
        ("poisson(1 / 20s)", "fixed(1s)", "rate = 6 / 1min", "token bucket"),
        ("poisson(1 / 20s)", "fixed(1s)", "breaker = breaker(failures: 3, within: 1min, rest: 10s)", "breaker"),
        ("poisson(95 / 1000s)", "exponential(mean: 10s)", "", "window is short"),
    ],
)
def test_what_the_formulas_suppose_and_does_not_hold_is_said(load, latency, agent, told):
    found = twin(queue_spec(1, load, latency, agent=agent, duration="1h"))
    assert any(told in each for each in [*found.breaks, *only(found).breaks])


def test_a_pool_that_does_not_keep_up_has_no_latency_and_is_said_so():
    overloaded = queue_spec(1, "poisson(1 / 5s)", "fixed(10s)", duration="10min", warmup="1min")
    found = simulate(plan_of(overloaded), runs=1).document["twin"]
    clerk = found["pools"]["clerk"]
    assert (clerk["steady"], clerk["wait_s"], clerk["utilization"]) == (False, None, 2.0)
    assert found["latency"]["mean_s"] is None
    assert twin_rows(found)[0][5] == "without end"
    assert "a pool does not keep up" in twin_notes(found)[0]


def test_tasks_side_by_side_and_shared_pools_are_said():
    text = """orch 1
contract Answer(question: Text) -> Text
agent ann fulfills Answer { slots = 1 }
agent bob fulfills Answer { slots = 1 }
agent cy  fulfills Answer { slots = 2 }
flow f(question: Text) -> Text {
  step one = Answer(question) by any of [ann, bob]
  step more = Answer(one) by 3 of cy
  return more[0]
}
profile ann { latency = fixed(4s) }
profile bob { latency = fixed(4s) }
profile cy  { latency = exponential(mean: 4s) }
scenario "load" for f { arrivals = poisson(1 / 10s)  duration = 1h }
"""
    found = twin(text)
    shared, cy = found.stations
    assert (shared.name, shared.slots, shared.members) == ("ann or bob", 2, ("ann", "bob"))
    assert any("one pool" in told for told in shared.breaks)
    assert (cy.visits, cy.utilization) == (3.0, pytest.approx(0.6))
    assert any("fork and join" in told for told in cy.breaks)
    assert math.isnan(found.latency_s)
    assert "side by side" in found.latency_note


def test_runs_alone_have_no_twin_and_faults_are_said_to_be_none_of_its():
    plan = gallery("parallel")
    assert simulate(plan, "at the same time", runs=10, folder=SPECS).document["twin"] is None
    crashing = TANDEM.replace("warmup = 10min", "warmup = 10min  fault crash(orchestrator, every: 30min, down: 20s)")
    assert "faults strike in the simulation alone" in twin(crashing).breaks


def test_what_a_page_takes_for_a_cause_begins_as_the_twin_tells_of_it():
    told = "".join(inspect.getsource(module) for module in (twin_module, twin_breaks))
    assert [sign for sign in findings._CAUSES if f'"{sign}' not in told] == []
