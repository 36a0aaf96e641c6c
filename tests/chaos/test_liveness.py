"""L1 within what is proved: what is alive and too slow is told, with the bound; what the plan allows is not."""

import math
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.compiler import compile_text
from orchspec.proving import proven_of
from orchspec.runtime.kernel.commands import RequestGrant
from orchspec.runtime.kernel.program import Program
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.chaos.explore import Explorer
from orchspec.simulator.chaos.lines import fault_lines, read_fault
from orchspec.simulator.chaos.places import places_of
from orchspec.simulator.checkers import check_all, turns
from tests.support.generated import plans
from tests.support.planted import SLOW, rests_twice, serves_at_the_next_poll, waits_twice

# The search profile (`make chaos`) looks at many more.
SCALE = 20 if os.environ.get("ORCH_HYPOTHESIS") == "search" else 1
SECOND = 1_000_000
SPEC = """orch 1
contract Write(topic: Text) -> Text
agent ann fulfills Write {
  slots = 1  timeout = 30s  attempts = 3  backoff = exponential(from: 20s, to: 60s)
  breaker = breaker(failures: 3, within: 5min, rest: 20s)
}
agent bob fulfills Write { rate = 2 / 1min  timeout = 30s }
effect mail(text: Text) -> Text { key = text  timeout = 10s  attempts = 3  backoff = fixed(5s) }
flow main(topic: Text) -> Text {
  step one = Write(topic) by ann
  step more = Write(part) by bob for part in [one, topic, "c"] { need = 1 }
  wait 1min
  step sent = mail(one)
  return sent
}
profile ann { latency = uniform(5s, 20s) }
profile bob { latency = uniform(1s, 4s) }
profile mail { latency = uniform(1s, 2s) }
"""


def compiled(text=SPEC):
    made = compile_text(text, "slow.orch")
    assert made.plan is not None, made.errors
    Program.COMPILED.clear()
    return made.plan


def told(faults=(), text=SPEC, runs=2):
    plan = compiled(text)
    chronicler = Chronicler(plan, "main", seed=2, runs=runs, proven=proven_of(plan, "main"))
    chronicle = chronicler.chronicle([read_fault(fault) for fault in faults])
    Program.COMPILED.clear()
    return chronicle, [each.message for each in check_all(chronicle)]


def test_nothing_is_told_where_everything_is_as_fast_as_it_may_be():
    plan = compiled()
    explored = Explorer(plan, "main", seed=2, proven=proven_of(plan, "main")).explore(crashes=True, examples=60)
    assert [(each.violation.message, each.faults) for each in explored.found] == []
    assert explored.pace.held > 200
    assert explored.pace.unheld == 0
    assert 0 < explored.pace.slowest_us < explored.pace.of_us < explored.pace.most_us < math.inf


@pytest.mark.parametrize("plant", SLOW, ids=lambda plant: plant.__name__)
def test_what_is_alive_and_too_slow_is_found_by_what_is_drawn_by_default(plant, monkeypatch):
    plan = compiled(SPEC.replace("wait 1min", "wait 6h"))
    plant(monkeypatch)
    explorer = Explorer(plan, "main", seed=2, proven=proven_of(plan, "main"))
    explored = explorer.explore(examples=200, until=lambda found: found.liveness)
    assert {each.violation.number for each in explored.found} == {"L1"}
    for found in explored.found:
        print(f"{plant.__name__}: after {found.after}: {found.violation.message}")


def test_a_rest_that_is_too_long_names_the_backoff_and_its_line(monkeypatch):
    rests_twice(monkeypatch)
    chronicle, _ = told(["fault fail(ann, nth: 1)"])
    violation = check_all(chronicle)[0]
    assert (
        violation.message
        == "one: the rest before attempt 2 took 40 s with no fault any more, and its backoff allows 20 s"
    )
    assert violation.node is not None


def test_who_is_served_late_is_told_since_when_it_was_free(monkeypatch):
    serves_at_the_next_poll(monkeypatch)
    _, messages = told()
    assert any(
        "ann was free and granted" in each and "its slots, rate and breaker allow it at once" in each
        for each in messages
    )


def test_an_end_that_is_too_late_names_the_bound_and_what_takes_most_of_it(monkeypatch):
    waits_twice(monkeypatch)
    _, messages = told(text=SPEC.replace("wait 1min", "wait 6h"), runs=1)
    (message,) = messages
    assert message.startswith("it ended 12 h after the last fault (at 0 s), and what was before it then takes 6 h")
    assert message.endswith("at most; most of that is the wait")


def test_what_a_fault_makes_late_is_not_told():
    for fault in (
        "fault slow(ann, factor: 50, nth: 1)",
        "fault timer_late(orchestrator, by: 30s, nth: 1)",
        "fault throttle(ann, retry_after: 500s, nth: 1)",
        "fault crash(orchestrator, point: after_commit, nth: 3, down: 600s)",
        "fault skew(orchestrator, at: 5s, lasting: 60s, by: 45s)",
        "fault lose_ack(mail, nth: 1)",
    ):
        chronicle, messages = told([fault])
        assert messages == [], fault
        assert chronicle.struck, fault


def test_time_counts_from_the_last_fault_on():
    chronicle, _ = told(["fault crash(orchestrator, point: after_commit, nth: 3, down: 600s)"], runs=1)
    assert chronicle.quiet_us is not None
    assert chronicle.quiet_us > 600_000_000
    took_us, most_us = chronicle.pace["run0"]
    assert took_us < chronicle.ended_us - 600_000_000 < most_us


def test_what_has_no_bound_is_held_against_the_horizon_and_says_so():
    text = SPEC.replace("timeout = 30s  attempts = 3", "attempts = 3").replace(
        "uniform(5s, 20s)", "exponential(mean: 9s)"
    )
    plan = compiled(text)
    explored = Explorer(plan, "main", seed=2, proven=proven_of(plan, "main")).explore(examples=5)
    assert explored.found == []
    assert explored.pace.most_us == math.inf
    assert explored.pace.unheld
    assert "`ann` has no timeout here" in explored.pace.proven.dominant


def test_without_a_deadline_the_profile_says_how_long_it_takes():
    plan = compiled(SPEC.replace("timeout = 30s  attempts = 3", "attempts = 3"))
    assert proven_of(plan, "main").work_us < math.inf
    assert proven_of(plan, "main").usual_us["ann"] == 20_000_000


def test_tokens_are_counted_as_a_bucket_fills():
    window = turns.Window(compiled().agents["bob"].rate)
    assert [window.take(0), window.take(0)] == [True, True]
    assert window.next_us(0) == 30_000_000
    assert not window.take(29_999_999)


@settings(max_examples=30 * SCALE)
@given(plans(), st.integers(1, 1 << 30))
def test_no_generated_plan_is_slower_than_was_proved_of_it(plan, seed):
    made = plan.sealed()
    flow = next(iter(made.flows))
    explored = Explorer(made, flow, seed=seed, proven=proven_of(made, flow)).explore(examples=6)
    late = [(each.violation.message, fault_lines(each.faults)) for each in explored.found if each.liveness]
    assert late == []


def test_who_waits_while_a_breaker_is_probed_is_not_kept_for_nothing():
    text = SPEC.replace("failures: 3", "failures: 1").replace("slots = 1  timeout = 30s", "slots = 3  timeout = 30s")
    counted = turns.Turns.of(compiled(text))
    first, second, probe, waiting = (("run0", place, 1) for place in range(1, 5))
    for key in (first, second):
        counted.ask(key, RequestGrant(*key[1:], ("ann",)))
        counted.grant(key, "ann", 0)
    counted.release(first, "failed", 1 * SECOND)
    counted.release(second, "failed", 5 * SECOND)
    for key in (probe, waiting):
        counted.ask(key, RequestGrant(*key[1:], ("ann",)))
    counted.look(6 * SECOND)
    assert counted.waiting[waiting].free_us == 25 * SECOND
    counted.grant(probe, "ann", 21 * SECOND)  # a breaker rests from the failure that opened it
    counted.look(21 * SECOND)
    assert counted.waiting[waiting].free_us is None
    counted.release(probe, "ok", 23 * SECOND)
    counted.look(23 * SECOND)
    assert counted.waiting[waiting].free_us == 23 * SECOND


def test_a_request_that_is_withdrawn_may_have_cost_a_token():
    counted = turns.Turns.of(compiled())
    for place in range(1, 5):
        counted.ask(("run0", place, 1), RequestGrant(place, 1, ("bob",)))
    for place in (1, 2):
        counted.grant(("run0", place, 1), "bob", 0)
    counted.look(0)
    assert counted.waiting["run0", 4, 1].free_us == 30 * SECOND
    counted.release(("run0", 3, 1), "stopped", 30 * SECOND)
    counted.look(30 * SECOND)
    assert counted.waiting["run0", 4, 1].free_us == 60 * SECOND


def test_who_waits_without_a_deadline_once_another_has_failed_is_left_its_answer():
    text = SPEC.replace("step one = Write(topic) by ann", "step one = Write(topic) by ann { on_failure = ask(bob) }")
    plan = compiled(text.replace("agent bob fulfills Write { rate = 2 / 1min  timeout = 30s }", BOB))
    places = places_of(Chronicler(plan, "main", seed=2, runs=2).chronicle([]))
    assert ("agent", "bob") in places.patient
    assert ("agent", "ann") not in places.patient


BOB = "agent bob fulfills Write { rate = 2 / 1min }"
