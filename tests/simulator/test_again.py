"""Real runs played again: they come out as they were, and what is changed shows."""

import dataclasses

import pytest

from orchspec.runtime.draws import run_key
from orchspec.runtime.journal.records import RunRow
from orchspec.runtime.kernel.program import program_of
from orchspec.simulator.again import play_again
from orchspec.simulator.cast import Cast
from orchspec.simulator.clock import Clock
from orchspec.simulator.faults import Faults
from orchspec.simulator.meter import Meter
from orchspec.simulator.observe import RunObservation
from orchspec.simulator.past import NotReplayable, read_run
from orchspec.simulator.visits import Visit
from orchspec.simulator.world import World
from tests.support.studies import plan_of, second

SPEC = """
orch 1
contract Answer(question: Text, part: Int) -> Text
contract Sum(parts: List<Text>) -> Text
contract Judge(text: Text) -> Text
agent clerk fulfills Answer { slots = 2  attempts = 3  timeout = 20s }
agent boss fulfills Sum { slots = 1 }
agent rival fulfills Sum { slots = 1 }
human editor fulfills Judge { slots = 1 }
effect mail(text: Text) -> Text { key = text  attempts = 3 }
signal paid(text: Text) -> Text
flow desk(question: Text) -> Text {
  step parts = Answer(question, part) by clerk for part in [1, 2, 3] { need = 1 }
  step total = Sum(parts) by first of [boss, rival]
  step judged = Judge(text: total) by editor
  step sent = mail(text: judged)
  step money = paid(text: sent)
  return money
}
profile clerk {
  latency = lognormal(p50: 5s, p95: 30s)  failure = 20%  garbage = 10%
  cost = $0.01  tokens_in = normal(400, 90)
}
profile boss { latency = exponential(mean: 4s)  cost = $0.02 }
profile rival { latency = exponential(mean: 4s)  cost = $0.03 }
profile editor { latency = exponential(mean: 10s) }
profile mail { latency = exponential(mean: 1s)  failure = 20% }
profile paid { latency = exponential(mean: 30s) }
"""
EPOCH_US = 1_700_000_000 * second


def lived(plan, count=12):
    """Runs that have been, made by the simulator: their rows and their journals."""
    rows, seen = {}, {}
    cast, world, meter = Cast(plan, {}), World(program_of(plan)), Meter(plan, 1.0)
    clock = Clock(plan, "desk", cast, world, meter, Faults([]), run_key(1, 0, 1, 0), lambda _: None, count)
    for number in range(count):
        at_us = number * 4 * second
        observed = RunObservation(number, at_us / second)
        visit = Visit(f"run-{number}", run_key(7, 0, 0, number), {"question": f"q{number}"}, observed, at_us)
        seen[visit.run] = observed
        clock.at(at_us, lambda event: clock.arrive(event.value), visit)
        rows[visit.run] = RunRow(
            visit.run, "desk", plan.hash, visit.inputs, "running", None, None, EPOCH_US + at_us, None, visit.seed, {}
        )
    clock.run(lambda: False, 10**15)
    assert all(observed.status != "unended" for observed in seen.values())
    past = []
    for run, began in rows.items():
        ended_us = EPOCH_US + round(seen[run].ended_s * second)
        row = dataclasses.replace(began, status=seen[run].status, ended_us=ended_us)
        past.append(read_run(plan, row, list(clock.watched[run])))
    return past, list(seen.values())


@pytest.fixture(scope="module")
def plan():
    return plan_of(SPEC)


@pytest.fixture(scope="module")
def been(plan):
    return lived(plan)


def told(runs):
    """What matters of runs; money to the micro-dollar, since what was spent by halves is a share of the whole."""
    return [
        (run.status, round(run.latency_s, 6), round(run.cost_usd, 6), run.tokens, run.retries, run.escalations)
        for run in runs
    ]


def test_what_is_read_back_is_what_was(been):
    past, seen = been
    assert told(each.seen for each in past) == told(seen)


def test_without_a_change_the_runs_come_out_as_they_were_whatever_the_profiles_say(plan, been):
    past, seen = been
    other = plan_of(
        SPEC.replace("p50: 5s, p95: 30s", "p50: 5h, p95: 9h").replace("mean: ", "mean: 100").replace("20%", "0%")
    )
    again = play_again(other, "desk", past, seed=99)
    # Who lost a race was stopped, and would have taken longer: that alone is drawn, and changes nothing.
    assert told(again.replication.runs) == told(seen)
    assert again.drawn.drawn == {}
    assert again.drawn.known > 100


def test_more_slots_take_the_waiting_away_and_nothing_else(plan, been):
    past, seen = been
    wide = plan_of(SPEC.replace("slots = 2", "slots = 40").replace("slots = 1 ", "slots = 40 "))
    again = play_again(wide, "desk", past, seed=1)
    before = sum(run.latency_s for run in seen)
    after = sum(run.latency_s for run in again.replication.runs)
    assert after < 0.9 * before
    assert [run.status for run in again.replication.runs] == [run.status for run in seen]


def test_a_place_that_was_never_reached_draws_from_its_profile(plan, been):
    past, _ = been
    more = plan_of(SPEC.replace("attempts = 3  timeout = 20s", "attempts = 3  timeout = 1h"))
    again = play_again(more, "desk", past, seed=1)
    assert set(again.drawn.drawn) <= {"boss", "rival", "clerk", "editor", "mail", "paid"}
    assert play_again(more, "desk", past, seed=1).replication.runs == again.replication.runs


def test_a_run_that_has_not_ended_is_refused(plan, been):
    past, _ = been
    row = dataclasses.replace(past[0].row, status="running", ended_us=None)
    with pytest.raises(NotReplayable, match="has not ended"):
        read_run(plan, row, [])
