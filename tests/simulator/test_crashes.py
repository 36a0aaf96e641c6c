"""Crashes of the orchestrator, at every point: nothing is lost, nothing is done twice, everybody gets an answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from orchspec.compiler.plan import Fault, Profile
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.kernel import applying as effects
from orchspec.runtime.kernel import deeds
from orchspec.simulator import clock as clock_module
from orchspec.simulator import replicate as replicate_module
from orchspec.simulator.crashes import Crashed, Crashes
from orchspec.simulator.faults import CRASH_POINTS, Crash
from orchspec.simulator.journal import SimulatedJournal
from orchspec.simulator.replicate import Twinned
from tests.support.studies import gallery, plan_of, replicate, second

REGULARLY = Fault(0, "crash", "orchestrator", {"every": 97 * second, "down": 11 * second})


def crash(**args: object) -> Fault:
    return Fault(0, "crash", "orchestrator", {"down": 7 * second, **args})


@pytest.fixture
def results(monkeypatch):
    """What each run returned, in the order of the replications that were made."""
    found: list[dict[int, object]] = []
    ended = replicate_module._Load._ended
    begin = replicate_module._Load.replicate

    def record(self, visit):
        found[-1][visit.seen.ordinal] = visit.result
        ended(self, visit)

    def start(self):
        found.append({})
        return begin(self)

    monkeypatch.setattr(replicate_module._Load, "_ended", record)
    monkeypatch.setattr(replicate_module._Load, "replicate", start)
    return found


def hit(twinned: Twinned) -> list:
    return [run for run in twinned.disturbed.runs if run.in_flight_at_crash]


def crashed(twinned: Twinned) -> int:
    return sum(mark.name == "crash" for mark in twinned.disturbed.faults)


def assert_unharmed(twinned: Twinned) -> None:
    """S1 to S3, seen from outside, and that every client was told."""
    replication = twinned.disturbed
    assert replication.halted == []
    assert sum(effect.duplicates for effect in replication.effects) == 0
    assert sum(effect.lost for effect in replication.effects) == 0
    met = [run for run in hit(twinned) if run.twin_completed]
    assert met
    assert [run.ordinal for run in met if not run.resumed_well] == []
    assert [run.ordinal for run in replication.runs if run.status == "unended"] == []


def loaded(name: str, number: int, per_s: float, minutes: int):
    plan = gallery(name)
    scenario = replace(
        plan.scenarios[number], arrivals=["poisson", per_s], duration_us=minutes * 60 * second, warmup=0, faults=[]
    )
    return plan, scenario


PURCHASE = loaded("refund", 0, 0.5, 4)
BRIEFING = loaded("briefing", 1, 0.05, 6)


@pytest.mark.parametrize("point", CRASH_POINTS)
@pytest.mark.parametrize("nth", [1, 2, 5, 21, 55])
def test_a_purchase_survives_a_crash_at_every_point(point, nth, results):
    faults = [crash(point=point, nth=nth)]
    if point == "recovery":
        faults = [crash(point=point, nth=min(nth, 3)), REGULARLY]
    made = replicate(*PURCHASE, faults)
    assert crashed(made) >= 1
    assert_unharmed(made)
    disturbed, twin = results
    same = [disturbed[run.ordinal] == twin[run.ordinal] for run in hit(made) if run.twin_completed]
    assert all(same)


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_briefing_survives_crashes_at_every_point(point):
    for args in ({"nth": 1}, {"nth": 9}, {"first": 4}, {"every": 120 * second}):
        faults = [crash(point=point, **args)]
        made = replicate(*BRIEFING, faults if point != "recovery" else [*faults, REGULARLY], seed=5)
        assert crashed(made) >= 1
        assert_unharmed(made)


def test_a_crash_in_the_middle_of_work_is_survived():
    made = replicate(*PURCHASE, [crash(every=31 * second)])
    assert crashed(made) >= 7
    assert_unharmed(made)


def test_crashes_while_recovering_are_survived_and_wait_their_turn():
    made = replicate(*PURCHASE, [crash(at=60 * second), crash(point="recovery", first=4)])
    assert [mark.at_s for mark in made.disturbed.faults] == [60.0, 67.0, 74.0, 81.0, 88.0]
    assert_unharmed(made)


def test_a_batch_whose_write_is_under_way_survives_or_not_and_both_are_right():
    plan, scenario = PURCHASE
    slow = Profile("orchestrator", journal_write=["fixed", second // 2])
    plan = replace(plan, profiles={**plan.profiles, "orchestrator": slow}).sealed()
    commits: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:
        die = clock_module.Clock._die

        def watch(self, crash):
            before, flying = len(self.journal.records), self.writing.flying
            die(self, crash)
            if flying is not None:
                first = flying.records[0]
                kept = self.journal.records.get(first.run, [])
                commits.append(any(record is first for record in kept))
            assert before <= len(self.journal.records)

        patch.setattr(clock_module.Clock, "_die", watch)
        made = replicate(plan, scenario, [crash(every=29 * second, down=2 * second)])
    assert_unharmed(made)
    assert set(commits) == {True, False}
    assert all(0.0 < run.overhead_s <= run.latency_s for run in made.disturbed.runs)


def test_who_comes_while_nobody_is_up_is_served_later():
    made = replicate(*PURCHASE, [crash(at=60 * second, down=60 * second)])
    waited = [run for run in made.disturbed.runs if 60.0 < run.arrived_s < 120.0]
    assert len(waited) > 10
    assert all(run.ended_s > 120.0 for run in waited)
    assert Counter(run.status for run in waited)["completed"] > 10


ASKING = """
orch 1
contract Answer(question: Text) -> Text
human boss fulfills Answer { slots = 50 }
flow desk(question: Text) -> Text {
  step answer = Answer(question) by boss
  return answer
}
profile boss { latency = uniform(1min, 3min) MORE }
scenario "load" for desk { arrivals = poisson(10 / 1min)  duration = 10min }
"""


@pytest.mark.parametrize("down_s", [1, 90])
def test_a_question_lies_with_a_person_through_crashes_and_is_answered_once(down_s):
    plan = plan_of(ASKING.replace("MORE", ""))
    faults = [crash(every=100 * second, down=down_s * second), crash(point="before_commit", nth=30)]
    made = replicate(plan, plan.scenarios[0], faults)
    assert_unharmed(made)
    calm = {run.ordinal: run for run in made.twin.runs}
    for run in made.disturbed.runs:
        assert run.escalations == 1
        assert run.status == "completed"
        # The person went on thinking: a crash costs at most the time that nobody was there to take the answer,
        # or to ask the question.
        assert run.latency_s <= calm[run.ordinal].latency_s + 2 * down_s + 7.0 + 1e-6


def test_a_question_that_is_never_answered_ends_the_simulation_not_the_run():
    plan = plan_of(ASKING.replace("MORE", " never = 20%"))
    made = replicate(plan, plan.scenarios[0], [])
    statuses = Counter(run.status for run in made.disturbed.runs)
    assert 10 < statuses["unended"] < 40
    assert statuses["completed"] > 50


# ------------------------------------------------------------------ the harness is tested too


def test_an_effect_that_is_sent_without_its_key_is_found(monkeypatch):
    keys = iter(range(10**9))
    monkeypatch.setattr(deeds, "target_key", lambda *_: f"{next(keys):064d}")
    made = replicate(*PURCHASE, [crash(point="after_effect", nth=3)])
    assert sum(effect.duplicates for effect in made.disturbed.effects) > 0


def test_an_effect_that_is_sent_again_under_the_next_generation_is_found(monkeypatch):
    right = deeds.target_key
    monkeypatch.setattr(
        deeds.Deed,
        "_try",
        lambda self: self.kernel.out.append(
            deeds.TryEffect(
                self.place, self.attempt, self.dispatch, self.effect.name, self.args,
                right(self.ledger_key, self.generation + self.dispatch), self.deadline_us,
            )
        ),
    )  # fmt: skip
    made = replicate(*PURCHASE, [crash(point="after_effect", nth=3)])
    assert sum(effect.duplicates for effect in made.disturbed.effects) == 1
    assert [run.ordinal for run in hit(made) if run.resumed_well is False]


CHECKED = """
orch 1
contract Look(id: Text) -> Bool
human eve fulfills Look { slots = 100 }
effect paid(id: Text) -> Text? { idempotent = true }
effect pay(id: Text) -> Text { check = paid(id: id)  settles = 5s  timeout = 3s }
effect mail(id: Text) -> Text { in_doubt = ask(eve, within: 1d)  settles = 5s  timeout = 3s }
effect tag(id: Text) -> Text { idempotent = true  timeout = 3s }
flow buy(id: Text) -> Text {
  step tagged   = tag(id: id)
  step receipt  = pay(id: id)
  step mailed   = mail(id: receipt)
  return mailed + tagged
}
profile eve { latency = fixed(20s) }
scenario "load" for buy {
  arrivals = poisson(20 / 1min)  duration = 5min
  fault lose(pay, rate: 10%)
  fault lose_ack(pay, rate: 10%)
  fault lose(mail, rate: 10%)
  fault lose_ack(mail, rate: 10%)
  fault duplicate(tag, rate: 20%)
  fault lose_ack(tag, rate: 20%)
  fault delay(tag, rate: 20%, by: 1s)
}
"""
POINTS = ["before_commit", "before_effect", "after_effect"]


@pytest.mark.parametrize("point", [None, *POINTS])
def test_effects_without_a_key_land_once_through_lost_messages_and_crashes(point):
    plan = plan_of(CHECKED)
    scenario = plan.scenarios[0]
    faults = [*scenario.faults, crash(every=47 * second, down=2 * second, **({"point": point} if point else {}))]
    made = replicate(plan, scenario, faults)
    assert_unharmed(made)
    assert all(run.status == "completed" for run in made.disturbed.runs)


def test_a_kernel_that_sends_again_without_asking_is_found_by_the_world(monkeypatch):
    monkeypatch.setattr(effects.Applying, "_check", effects.Applying._send)
    plan = plan_of(CHECKED)
    made = replicate(plan, plan.scenarios[0], plan.scenarios[0].faults)
    assert {effect.name for effect in made.disturbed.effects if effect.duplicates} == {"pay"}


def test_a_duplicated_message_is_done_twice_by_a_target_that_knows_no_keys_and_the_world_says_so():
    plan = plan_of(CHECKED.replace("duplicate(tag", "duplicate(mail"))
    made = replicate(plan, plan.scenarios[0], plan.scenarios[0].faults)
    assert {effect.name for effect in made.disturbed.effects if effect.duplicates} == {"mail"}


def test_a_request_that_lands_after_settles_is_counted_against_whoever_said_that_it_could_not():
    plan = plan_of(CHECKED.replace("delay(tag, rate: 20%, by: 1s)", "delay(pay, rate: 20%, by: 30s)"))
    made = replicate(plan, plan.scenarios[0], plan.scenarios[0].faults)
    assert {effect.name for effect in made.disturbed.effects if effect.duplicates} == {"pay"}


@pytest.mark.parametrize("part", ["records", "ledger", "all"])
def test_a_journal_that_forgets_what_it_committed_is_found(part, monkeypatch):
    commit = SimulatedJournal.commit
    commits = iter(range(10**9))

    def forget(self, batch):
        if next(commits) in range(60, 90):
            batch = Batch() if part == "all" else replace(batch, **{part: []})
        commit(self, batch)

    monkeypatch.setattr(SimulatedJournal, "commit", forget)
    faults = [crash(point="after_commit", nth=85), crash(point="after_commit", nth=95)]
    if part == "ledger":
        made = replicate(*PURCHASE, faults)
        claimed = sum(effect.confirmed for effect in made.disturbed.effects)
        landed = sum(effect.applied for effect in made.disturbed.effects)
        assert landed > claimed
        return
    made = replicate(*PURCHASE, faults)
    assert made.disturbed.halted
    assert "CorruptStore" in made.disturbed.halted[0] or "ReplayMismatch" in made.disturbed.halted[0]
    assert [run for run in hit(made) if run.twin_completed and not run.resumed_well]


def test_a_result_that_is_asked_for_again_is_found(monkeypatch):
    # An engine that acts before it commits asks an agent whose answer is durable already once more.
    recovered = clock_module.Clock._recover

    def again(self, event):
        recovered(self, event)
        for run, visit in self.visits.items():
            for place, attempt in list(visit.done):
                record = next(
                    (
                        command
                        for record in self.journal.records.get(run, [])
                        for command in record.commands
                        if type(command).__name__ == "RunTask" and (command.place, command.attempt) == (place, attempt)
                    ),
                    None,
                )
                if record is not None:
                    self.attempts.begin(run, record)

    monkeypatch.setattr(clock_module.Clock, "_recover", again)
    made = replicate(*BRIEFING, [crash(at=120 * second)])
    assert [run.ordinal for run in hit(made) if run.twin_completed and not run.resumed_well]


# ------------------------------------------------------------------ when a crash strikes


def struck_at(**args: object) -> list[int]:
    """At which passes of after_commit a crash strikes; pass n happens at n seconds."""
    values = {"at_us": None, "every_us": None, "down_us": 0, "point": None, "first": None, "nth": None, **args}
    crashes = Crashes([Crash(0, **values)])
    found = []
    for number in range(1, 11):
        try:
            crashes.reached("before_commit", number * second)
            crashes.reached("after_commit", number * second)
        except Crashed:
            found.append(number)
    return found


@pytest.mark.parametrize(
    ("args", "passes"),
    [
        ({"nth": 3}, [3]),
        ({"first": 2}, [1, 2]),
        ({"first": 2, "at_us": 5 * second}, [5, 6]),
        ({"nth": 2, "at_us": 5 * second}, [6]),
        ({"nth": 3, "point": "before_ack"}, []),
        ({"at_us": 5 * second}, []),
    ],
)
def test_passes_are_counted_from_the_date_on(args, passes):
    assert struck_at(**args) == passes


def test_a_dated_crash_with_a_point_waits_for_it_once():
    plan, scenario = PURCHASE
    made = replicate(plan, scenario, [crash(every=60 * second, point="after_effect")])
    marks = [mark.at_s for mark in made.disturbed.faults]
    assert [int(at_s // 60) for at_s in marks[:3]] == [1, 2, 3]
    assert all(at_s % 60 > 0 for at_s in marks[:3])
    assert_unharmed(made)


def test_every_with_first_strikes_so_often():
    made = replicate(*PURCHASE, [crash(every=40 * second, first=2)])
    assert [mark.at_s for mark in made.disturbed.faults] == [40.0, 80.0]
    made = replicate(*PURCHASE, [crash(every=40 * second, nth=2)])
    assert [mark.at_s for mark in made.disturbed.faults] == [80.0]
