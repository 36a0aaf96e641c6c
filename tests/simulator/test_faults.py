"""Faults, one by one: each strikes what it names as its description says, and the design survives it."""

import json
from dataclasses import replace

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.plan import Fault
from orchspec.compiler.studies.faults import FAULTS
from orchspec.simulator.breakdowns import BREAKDOWNS, Breakdown
from orchspec.simulator.faults import Faults
from orchspec.simulator.shifts import Shift
from tests.support.studies import plan_of, replicate, second

SPEC = """
orch 1
type Note { text: Text where len(text) >= 3  kind: Kind  score: Float where score in 0.0..1.0 }
enum Kind { a, b }
model big { input = $10 / 1M  output = $20 / 1M  context = 100k }
contract Draft(topic: Text) -> Note
contract Check(note: Note) -> Bool
agent ann fulfills Draft { models = [big]  attempts = 3  timeout = 1min  budget { tokens <= 10k } }
human boss fulfills Check { slots = 200 }
effect mail(note: Note) -> Text { key = note.text  timeout = 10s  undo = recall(id: result) }
effect recall(id: Text) { key = id }
signal paid(text: Text) -> Float
flow f(topic: Text) -> Text {
  step note = Draft(topic) by ann
  step good = Check(note) by boss { timeout = 10min  on_failure = use(true) }
  step sent = mail(note: note) { attempts = 5  backoff = fixed(1s)  after = [good] }
  step money = paid(note.text) { timeout = 20min  on_failure = use(0.0)  after = [sent] }
  wait 30s
  return sent + text(money)
}
profile ann { latency = fixed(4s)  tokens_in = fixed(1000)  tokens_out = fixed(500)
  output = { kind: choice(a: 50%, b: 50%)  score: uniform(0.1, 0.9) } }
profile boss { latency = fixed(30s) }
profile mail { latency = fixed(2s) }
profile paid { latency = fixed(60s) }
scenario "s" for f { arrivals = every(7s)  duration = 5min }
"""


@pytest.fixture(scope="module")
def study():
    compiled = compile_text(SPEC, "spec.orch")
    assert not compiled.errors, compiled.errors
    return compiled.plan, compiled.plan.scenarios[0]


def struck(study, *faults):
    plan, scenario = study
    made = replicate(plan, scenario, [Fault(0, name, target, args) for name, target, args in faults])
    assert made.disturbed.halted == []
    assert sum(effect.duplicates for effect in made.disturbed.effects) == 0, "S1"
    assert sum(effect.lost for effect in made.disturbed.effects) == 0, "S2"
    return made


def runs_of(made):
    return made.disturbed.runs


def latencies(made):
    return {round(run.latency_s, 3) for run in runs_of(made)}


CALM_S = 4 + 30 + 2 + 60 + 30


def test_undisturbed_each_run_takes_what_its_profiles_add_up_to(study):
    made = struck(study)
    assert latencies(made) == {CALM_S}
    assert {(run.cost_usd, run.retries) for run in runs_of(made)} == {(0.02, 0)}


# ------------------------------------------------------------------ outputs


@pytest.mark.parametrize("kind", ["garbage", "truncated", "empty", "oversize"])
def test_an_output_that_breaks_its_contract_is_a_failed_attempt(study, kind):
    made = struck(study, (kind, "ann", {"rate": 0.2}))
    assert sum(run.retries for run in runs_of(made)) >= 4
    assert {run.latency_s for run in runs_of(made) if run.status == "completed"} > {CALM_S}


@pytest.mark.parametrize("kind", ["wrong", "conflicting"])
def test_a_mistaken_output_passes_its_contract_and_is_another_one(study, kind):
    made = struck(study, (kind, "ann", {}))
    assert {(run.status, run.retries) for run in runs_of(made)} == {("completed", 0)}
    assert latencies(made) == {CALM_S}


def test_what_is_sent_again_after_a_crash_may_come_out_otherwise(study):
    made = struck(study, ("inconsistent", "ann", {}), ("crash", "orchestrator", {"every": 31 * second, "down": second}))
    assert {run.status for run in runs_of(made)} == {"completed"}
    assert any(run.in_flight_at_crash for run in runs_of(made))


# ------------------------------------------------------------------ people and signals


def test_a_person_who_never_answers_runs_into_the_deadline(study):
    made = struck(study, ("never", "boss", {}))
    assert latencies(made) == {4 + 600 + 2 + 60 + 30}


def test_a_person_may_be_late_or_answer_twice_and_otherwise(study):
    assert latencies(struck(study, ("late", "boss", {"by": 45 * second}))) == {CALM_S + 45}
    for fault in ("twice", "contradictory"):
        made = struck(study, (fault, "boss", {}))
        assert latencies(made) == {CALM_S}
        assert {run.status for run in runs_of(made)} == {"completed"}


def test_a_signal_may_be_late_or_never_come_or_come_twice(study):
    assert latencies(struck(study, ("late", "paid", {"by": 45 * second}))) == {CALM_S + 45}
    assert latencies(struck(study, ("never", "paid", {}))) == {4 + 30 + 2 + 1200 + 30}
    for fault in ("twice", "contradictory"):
        made = struck(study, (fault, "paid", {}))
        assert {run.status for run in runs_of(made)} == {"completed"}
        assert latencies(made) == {CALM_S}


# ------------------------------------------------------------------ economics


def test_a_price_may_change_and_an_attempt_may_take_more_than_it_should(study):
    assert {run.cost_usd for run in runs_of(struck(study, ("price", "ann", {"factor": 3.0})))} == {0.06}
    made = struck(study, ("overrun", "ann", {"factor": 20.0}))
    assert {(run.cost_usd, run.tokens) for run in runs_of(made)} == {(0.4, 30_000)}
    late = struck(study, ("price", "ann", {"factor": 2.0, "at": 100 * second}))
    assert {run.cost_usd for run in runs_of(late)} == {0.02, 0.04}


def test_a_retry_storm_fails_attempts_at_once(study):
    made = struck(study, ("retry_storm", "ann", {"at": 60 * second, "lasting": 30 * second}))
    failed = [run for run in runs_of(made) if run.status == "failed"]
    assert failed
    assert {round(run.latency_s, 3) for run in failed} == {0.3}
    assert {run.retries for run in failed} == {2}


# ------------------------------------------------------------------ messages


def test_an_agent_that_is_asked_twice_works_twice_and_is_heard_once(study):
    once, twice = runs_of(struck(study)), runs_of(struck(study, ("duplicate", "ann", {})))
    assert [run.latency_s for run in twice] == [run.latency_s for run in once]
    assert [run.cost_usd for run in twice] == pytest.approx([2 * run.cost_usd for run in once])
    assert all(run.wasted_usd == pytest.approx(run.cost_usd / 2) for run in twice)


def test_what_is_lost_of_a_person_or_a_signal_never_comes(study):
    assert latencies(struck(study, ("lose", "boss", {}))) == {CALM_S - 30 + 600}
    assert latencies(struck(study, ("lose", "paid", {}))) == {CALM_S - 60 + 1200}


def test_what_people_and_signals_say_may_be_delayed_and_come_twice(study):
    late = {"by": 5 * second}
    assert latencies(struck(study, ("delay", "boss", late), ("delay", "paid", late))) == {CALM_S + 10}
    assert latencies(struck(study, ("duplicate", "boss", {}), ("duplicate", "paid", {}))) == {CALM_S}


def test_nothing_gets_through_to_an_agent_and_back_while_it_is_cut_off(study):
    cut = {"at": 30 * second, "lasting": 20 * second}
    runs = runs_of(struck(study, ("partition", "ann", cut)))
    # Who begins, or would answer, meanwhile is asked again when the minute of the attempt is over.
    struck_runs = [run for run in runs if 30 - 4 < run.arrived_s < 50]
    assert struck_runs
    assert {round(run.latency_s) for run in struck_runs} == {CALM_S + 60}
    assert {round(run.latency_s) for run in runs if run not in struck_runs} == {CALM_S}


def test_what_strikes_a_model_strikes_all_who_run_on_it(study):
    plan = plan_of(SPEC.rstrip().rstrip("}") + "  fault price(big, factor: 3)\n  fault throttle(big, first: 2)\n}\n")
    faults = plan.scenarios[0].faults
    assert [fault.target for fault in faults] == ["ann", "ann"]
    dear, usual = runs_of(struck(study, ("price", "ann", {"factor": 3.0}))), runs_of(struck(study))
    assert [run.cost_usd for run in dear] == pytest.approx([3 * run.cost_usd for run in usual])


def test_crashes_may_strike_a_share_of_the_commits(study):
    plan, scenario = study
    marks = {
        rate: len(replicate(plan, scenario, [Fault(0, "crash", "orchestrator", {"rate": rate})]).disturbed.faults)
        for rate in (0.01, 0.1)
    }
    assert 0 < marks[0.01] < marks[0.1]
    assert 0.05 < marks[0.1] / (len(runs_of(struck(study))) * 12) < 0.2


def test_messages_may_overtake_each_other(study):
    made = struck(study, ("reorder", "mail", {"by": 6 * second}))
    assert {run.status for run in runs_of(made)} == {"completed"}
    assert max(latencies(made)) > CALM_S + 4
    assert len(latencies(made)) > 20


def test_what_a_partition_swallows_is_in_doubt_until_it_is_over(study):
    made = struck(study, ("partition", "mail", {"at": 60 * second, "lasting": 40 * second}))
    assert {run.status for run in runs_of(made)} == {"completed"}
    slowest = max(runs_of(made), key=lambda run: run.latency_s)
    assert slowest.latency_s > CALM_S + 10
    assert min(latencies(made)) == CALM_S


# ------------------------------------------------------------------ time


def test_a_clock_that_jumps_ahead_fires_what_is_due_by_then(study):
    made = struck(study, ("jump", "orchestrator", {"at": 100 * second, "by": 25 * second}))
    assert {run.status for run in runs_of(made)} == {"completed"}
    assert CALM_S in latencies(made)
    assert min(latencies(made)) < CALM_S - 20, "a wait that was under way was over sooner"


def test_a_clock_that_is_ahead_for_a_while_stands_still_afterwards(study):
    made = struck(study, ("skew", "orchestrator", {"at": 110 * second, "lasting": 60 * second, "by": 20 * second}))
    assert {run.status for run in runs_of(made)} == {"completed"}
    assert min(latencies(made)) < CALM_S < max(latencies(made))


def test_a_clock_that_goes_back_and_forth_does_so_each_time(study):
    once = {"at": 110 * second, "lasting": 20 * second, "by": 20 * second}
    again = struck(study, ("skew", "orchestrator", {**once, "every": 100 * second}))
    # As if each time were a fault of its own.
    each = [("skew", "orchestrator", {**once, "at": at * second}) for at in range(110, 4_000, 100)]
    assert [run.latency_s for run in runs_of(again)] == [run.latency_s for run in runs_of(struck(study, *each))]
    hit = [run.arrived_s for run in runs_of(again) if run.latency_s != CALM_S]
    assert len({int((at - 10) // 100) for at in hit}) >= 3, "it was set once"


def test_a_clock_that_jumps_again_and_again_is_further_ahead_each_time(study):
    again = struck(study, ("jump", "orchestrator", {"every": 100 * second, "by": 5 * second}))
    each = [("jump", "orchestrator", {"at": at * second, "by": 5 * second}) for at in range(100, 4_000, 100)]
    assert [run.latency_s for run in runs_of(again)] == [run.latency_s for run in runs_of(struck(study, *each))]


def test_a_shift_is_set_at_its_dates_and_nowhere_else():
    for shift in (
        Shift(10, 3),
        Shift(10, 3, lasting_us=4),
        Shift(10, 3, lasting_us=4, every_us=9),
        Shift.of({"every": 9, "by": 3, "lasting": 8}),
        Shift.of({"every": 9, "by": 3}),
    ):
        changes = [now for now in range(1, 60) if shift.ahead_us(now) != shift.ahead_us(now - 1)]
        dates = {shift.next_us(date, now) for date in shift.dates_us() for now in range(59)}
        assert sorted(date for date in dates if date is not None and date < 60) == changes


def test_timers_may_be_late_early_or_twice(study):
    late = struck(study, ("timer_late", "orchestrator", {"by": 15 * second}))
    assert latencies(late) == {CALM_S + 15}, "only the wait ends by a timer"
    early = struck(study, ("timer_early", "orchestrator", {"by": 10 * second}))
    assert latencies(early) == {CALM_S - 10}
    assert {run.status for run in runs_of(early)} == {"completed"}
    twice = struck(study, ("timer_twice", "orchestrator", {}))
    assert latencies(twice) == {CALM_S}


# ------------------------------------------------------------------ the store, and other engines


@pytest.mark.parametrize("name", sorted(BREAKDOWNS))
def test_what_an_engine_loses_is_folded_again_and_nothing_is_done_twice(study, name):
    args = {"at": 60 * second, "lasting": 20 * second}
    if name in ("torn", "unsynced", "stale_lease"):
        args = {"every": 45 * second}
    made = struck(study, (name, "orchestrator", args))
    marks = [mark for mark in made.disturbed.faults if mark.name == name and mark.target == "orchestrator"]
    assert marks, made.disturbed.faults
    hit = [run for run in runs_of(made) if run.in_flight_at_crash]
    assert hit
    assert all(run.resumed_well for run in hit if run.twin_completed)
    assert {run.status for run in runs_of(made)} == {"completed"}


def test_a_full_disk_keeps_the_orchestrator_away_until_there_is_room(study):
    made = struck(study, ("disk_full", "orchestrator", {"at": 60 * second, "lasting": 50 * second}))
    came = [run for run in runs_of(made) if 61 <= run.arrived_s < 105]
    assert came
    assert all(run.arrived_s + run.latency_s >= 110 + CALM_S for run in came)


def test_a_crash_loop_ends_when_it_is_said_to(study):
    fault = ("crash_loop", "orchestrator", {"at": 60 * second, "lasting": 20 * second, "down": 3 * second})
    made = struck(study, fault)
    strikes = sorted({mark.at_s for mark in made.disturbed.faults if mark.until_s < 100})
    assert strikes == [60, 63, 66, 69, 72, 75, 78]


def test_a_busy_store_delays_commits_and_loses_none(study):
    made = struck(study, ("store_busy", "orchestrator", {"at": 60 * second, "lasting": 20 * second}))
    assert {run.status for run in runs_of(made)} == {"completed"}
    assert CALM_S in latencies(made)
    assert max(latencies(made)) > CALM_S + 10
    assert not any(run.in_flight_at_crash for run in runs_of(made))
    half = struck(study, ("store_busy", "orchestrator", {"rate": 0.5}))
    assert {run.status for run in runs_of(half)} == {"completed"}
    assert sum(run.latency_s > CALM_S for run in runs_of(half)) > len(runs_of(half)) / 2


def test_a_breakdown_by_date_alone_strikes_once_for_each_date():
    once = Breakdown(0, "store_error", {"at": 10})
    assert [once.strikes(now, 1) for now in (9, 10, 11, 99)] == [False, True, False, False]
    often = Breakdown(0, "torn", {"every": 10, "down": 3_000_000})
    assert [often.strikes(now, 1) for now in (9, 12, 13, 20, 45, 46)] == [False, True, False, True, True, False]
    assert often.down_at(1) == 3_000_000
    second_one = Breakdown(0, "unsynced", {"nth": 2})
    assert [second_one.strikes(now, 1) for now in (1, 2, 3)] == [False, True, False]
    window = Breakdown(0, "disk_full", {"every": 100, "lasting": 20})
    assert [window.strikes(now, 1) for now in (99, 100, 119, 120, 210)] == [False, True, True, False, True]
    assert [window.room_in_us(now) for now in (99, 105, 120, 219)] == [0, 15, 0, 1]


# ------------------------------------------------------------------ the tables


@pytest.mark.parametrize("name", sorted(name for name, kind in FAULTS.items() if not kind.deeds))
def test_each_fault_can_be_written_and_is_the_same_every_time(study, name):
    kind = FAULTS[name]
    targets = {"agent": "ann", "human": "boss", "effect": "mail", "signal": "paid", "orchestrator": "orchestrator"}
    target = next((targets[each] for each in sorted(kind.targets) if each in targets), None)
    if target is None:
        pytest.skip("strikes nothing of this spec")
    values = {
        "at": "40s", "lasting": "20s", "rate": "60%", "first": "3", "by": "4s", "factor": "1.5", "down": "2s",
        "retry_after": "3s", "to": "1", "limit": "2",
    }  # fmt: skip
    given = {argument: values[argument] for argument in kind.arguments if argument in values}
    if name in ("crash", "crash_loop"):
        given.pop("first", None)
    text = SPEC.rstrip().rstrip("}")
    spec = f"{text}\n  fault {name}({target}, {', '.join(f'{key}: {value}' for key, value in given.items())})\n}}\n"
    plan = plan_of(spec)
    scenario = replace(plan.scenarios[0], duration_us=120 * second)
    made = [replicate(plan, scenario, scenario.faults).disturbed for _ in range(2)]
    assert json.dumps([[run.status, run.latency_s, run.cost_usd] for run in made[0].runs]) == json.dumps(
        [[run.status, run.latency_s, run.cost_usd] for run in made[1].runs]
    )
    assert made[0].halted == []
    assert Faults(scenario.faults).windows(120 * second) is not None
