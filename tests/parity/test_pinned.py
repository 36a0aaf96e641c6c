"""Schedules under which the simulator and the real engine once differed, or that show one kind of fault each."""

from dataclasses import replace

import pytest

from orchspec.compiler import compile_text
from orchspec.parity import compare
from orchspec.parity.lives import Job, live_through
from orchspec.simulator.chaos.lines import read_fault
from tests.parity.stories import job

HERE = {
    # What an engine finds that opens the store again, or after another.
    "whose start was lost comes after those that were there": ("swarm", None, ["store_error(orchestrator, nth: 2)"]),
    "rates start empty also where no run goes on": ("scaling", "network", ["store_error(orchestrator, nth: 1)"]),
    "a store that is given up is given back": ("provider", None, ["store_error(orchestrator, first: 6)"]),
    "a full disk is tried again": ("refund", None, ["disk_full(orchestrator, at: 500ms, lasting: 1s)"]),
    "a full disk is given up": ("refund", None, ["disk_full(orchestrator, at: 0s, lasting: 30s)"]),
    "a store that fails again and again": ("refund", None, ["store_error(orchestrator, rate: 60%, lasting: 60s)"]),
    "another engine takes over": ("refund", None, ["stale_lease(orchestrator, nth: 3)"]),
    "a full disk keeps its lease": (
        "hubs", "routed", ["disk_full(orchestrator, at: 0s, lasting: 2min)", "slow(seller, factor: 2)"],
    ),
    # A commit that is kept waiting.
    "an effect is not sent after its deadline": ("refund", None, ["store_busy(orchestrator, lasting: 60s)"]),
    "who begins and is to stop at once": ("desk", None, ["store_busy(orchestrator, lasting: 216s)"]),
    # Agents, and those who provide them.
    "who does not hear is refused tools": ("scaling", "network", ["zombie(worker, first: 6, by: 600s)"]),
    "who neither hears nor answers": ("swarm", None, ["zombie(drone, first: 15)", "lose(drone, first: 2)"]),
    "few at work": ("swarm", None, ["capacity(drone, at: 1s, to: 1, lasting: 120s)"]),
    "nobody overtakes who waits at the door": (
        "library", "answer", ["capacity(ann, to: 1, at: 0ms, lasting: 30s)"],
    ),
    "two who stop at one moment, one at the door": (
        "library", "printed",
        ["capacity(bob, to: 1, at: 311ms, lasting: 120s)", "lose(bob, nth: 3)", "slow(bob, by: 9s)"],
    ),
    "who is told to stop while a second call waits has been at tools since the first": (
        "scaling", "managed", ["retry_storm(manager, lasting: 116s)"],
    ),
    "a quota": ("research", None, ["quota(scout, at: 0s, lasting: 30s, limit: 1)"]),
    "a partition": ("refund", None, ["partition(charge, at: 500ms, lasting: 30s)"]),
    # Timers and signals.
    "timers ring early": ("approval", None, ["timer_early(orchestrator, by: 10s, lasting: 2h)"]),
    "timers ring late": ("refund", None, ["timer_late(orchestrator, by: 30s, lasting: 2h)", "hang(carrier, nth: 1)"]),
    "timers ring twice": ("desk", None, ["timer_twice(orchestrator, lasting: 2h)"]),
    "an agent works twice": ("refund", None, ["duplicate(carrier, first: 9)"]),
    "what a clock is too late for rings in order": ("hedged", "soon", ["jump(orchestrator, at: 891ms, by: 60s)"]),
    "a clock that is set back stands": ("jury", "trial", ["skew(orchestrator, at: 13753ms, by: 45s, lasting: 30s)"]),
    "a clock goes back and forth": (
        "jury", "trial",
        ["skew(orchestrator, every: 7s, lasting: 2s, by: 45s)", "jump(orchestrator, every: 9s, by: 3s)"],
    ),
    "what is due as a clock is set back rings": (
        "chaining", None,
        ["zombie(translator, rate: 60%, lasting: 1min)", "skew(orchestrator, by: 45s, at: 8708ms, lasting: 10s)",
         "skew(orchestrator, by: 45s, at: 19573ms, lasting: 1s)",
         "delay(translator, by: 40s, rate: 30%, lasting: 1min)"],
        3,
    ),
    "who neither hears nor gets through": (
        "hubs", "department", ["partition(coder, at: 6407ms, lasting: 2min)", "zombie(coder, first: 1)"], 3,
    ),
    "tools take as long, though a clock is set": ("ledger", None, ["jump(orchestrator, at: 4338ms, by: 60s)"]),
    "a timer that is late is so, though a clock is set": (
        "jury", "appeal",
        ["timer_late(orchestrator, by: 30s, rate: 30%, lasting: 1min)",
         "skew(orchestrator, by: 45s, at: 0ms, lasting: 10s)", "slow(elder, factor: 50, first: 3)",
         "skew(orchestrator, by: 45s, at: 1s, lasting: 10s)"],
    ),
    "who opens a store again keeps its clock": (
        "library", "planning.plan",
        ["skew(orchestrator, by: 45s, at: 8365ms, lasting: 1s)", "store_busy(orchestrator, nth: 2)",
         "store_error(orchestrator, nth: 3)", "store_busy(orchestrator, first: 4)",
         "store_error(orchestrator, nth: 6)"],
    ),
    "a commit for which there is no room does not come through": (
        "patterns", "refined",
        ["disk_full(orchestrator, at: 2s, lasting: 2min)", "store_busy(orchestrator, first: 6)"], 3,
    ),
    "what gathered meanwhile is committed before what a commit has caused": (
        "briefing", None,
        ["outage(scout, at: 0ms, lasting: 2min)", "lose_ack(publish, rate: 30%, lasting: 158s)",
         "fail(web_search, nth: 2)", "store_busy(orchestrator, rate: 60%, lasting: 158s)"],
        10,
    ),
    "who does not hear and whose tool hangs goes on": (
        "briefing", None, ["hang(web_search, first: 3)", "zombie(scout, first: 6)"], 2,
    ),
    "a call that fails at once counts those before": (
        "briefing", None, ["retry_storm(web_search, rate: 40%, lasting: 696s)"], 7,
    ),
    "who is told to stop at the door hears": (
        "library", "racing.race", ["capacity(bob, to: 1, at: 1s, lasting: 2min)", "zombie(bob, first: 3)"], 12,
    ),
    "a door opens when the last of several shortages ends": (
        "azure", None,
        ["capacity(server, to: 1, at: 26ms, lasting: 30s)", "capacity(server, to: 1, at: 2112ms, lasting: 30s)",
         "partition(server, at: 521ms, lasting: 2min)"],
        14,
    ),
    "who does not hear gets not through either": (
        "refining", "once", ["zombie(poet, nth: 1)", "partition(poet, at: 1774ms, lasting: 2min)"], 12,
    ),
    "nobody answers what is asked no more": ("approval", None, ["slow(manager, factor: 2, first: 3)"], 16),
    "timers of one moment ring twice in their order": (
        "hedged", "soon",
        ["jump(orchestrator, by: 1min, at: 1650ms)", "timer_twice(orchestrator, first: 2)", "lose(east, first: 1)"],
        11,
    ),
    "the second signal comes second": ("subscription", None, ["contradictory(cancelled, first: 15)"]),
}  # fmt: skip
KILLED = {
    "nothing of a torn commit is there": ("refund", None, ["torn(orchestrator, nth: 3, down: 5s)"], 1),
    "what was not synced is lost": ("refund", None, ["unsynced(orchestrator, nth: 4, down: 5s)"], 1),
    "it dies as it comes up": ("refund", None, ["crash_loop(orchestrator, at: 1s, lasting: 3s, down: 1s)"], 3),
    "a newer build takes over": ("refund", None, ["upgrade(orchestrator, at: 1s, down: 1s)"], 0),
    "who leaves leaves, though the store fails": (
        "library", "voting.panel", ["upgrade(orchestrator, at: 0s, down: 1s)", "store_error(orchestrator, nth: 4)"], 0,
    ),
    "who leaves with nothing under way waits for its commit alone": (
        "tickets", None, ["store_busy(orchestrator, first: 7)", "upgrade(orchestrator, at: 528ms, down: 1s)"], 0,
    ),
    "a reply that will not come is waited for as long as any": (
        "library", "selling.saga", ["upgrade(orchestrator, at: 3s, down: 1s)", "lose(print, lasting: 1min)"], 0,
    ),
    "a person is not waited for": ("desk", None, ["upgrade(orchestrator, at: 10216ms, down: 1s)"], 0),
    "a commit that was kept waiting is not durable": (
        "refund", None, ["store_busy(orchestrator, lasting: 60s)", "crash(orchestrator, at: 30s, down: 5s)"], 1,
    ),
    "an answer that lay in the mailbox is a commit of its own": (
        "approval", None,
        ["crash(orchestrator, at: 36s, down: 1h)", "crash(orchestrator, point: before_commit, nth: 7)"], 2,
    ),
    "what comes before an effect in one commit is done before it": (
        "booking", None, ["crash(orchestrator, point: before_effect, nth: 5, down: 5s)"], 1,
    ),
    "at the moment of a return nobody is there": (
        "refund", None, ["upgrade(orchestrator, at: 3s, down: 1s)", "upgrade(orchestrator, at: 4s, down: 1s)"], 0,
    ),
    "a request that nobody awaits passes the point as it lands": (
        "reminder", None,
        ["server_error(mail, nth: 1)", "crash(orchestrator, point: after_effect, nth: 2, down: 5s)"], 1,
    ),
    "a signal comes as long after it was waited for first": (
        "payment", None, ["crash(orchestrator, point: after_commit, nth: 1, down: 5s)"], 1,
    ),
    "what set out for who was told to wait no more does not come": (
        "subscription", None, ["crash(orchestrator, point: after_commit, nth: 13, down: 5s)"], 1, 2,
    ),
    "a signal that is sent twice comes twice as long after it was waited for first": (
        "subscription", None,
        ["contradictory(changed, nth: 11)", "crash(orchestrator, point: after_commit, nth: 18, down: 5s)"], 1,
    ),
    "a signal that an engine takes as it comes up is not sent again": (
        "subscription", None, ["crash(orchestrator, point: before_commit, nth: 66, down: 5s)"], 1, 2,
    ),
}  # fmt: skip


def story(spec, flow, faults, seed=1):
    return replace(job(spec, flow), seed=seed, faults=tuple(read_fault(f"fault {line}") for line in faults))


@pytest.mark.parametrize("what", HERE)
def test_the_journals_are_the_same(what):
    assert compare(story(*HERE[what])) is None


@pytest.mark.parametrize("what", KILLED)
def test_the_journals_are_the_same_though_a_process_ends(what):
    spec, flow, faults, kills, *seed = KILLED[what]
    told = story(spec, flow, faults, *seed)
    assert compare(told) is None
    assert live_through(told).kills == kills


ANYTHING = """orch 1
contract Find(topic: Text) -> Json
agent ann fulfills Find { timeout = 30s  attempts = 2 }
flow find(topic: Text) -> Json { step found = Find(topic) by ann  return found }
profile ann { latency = uniform(1s, 4s) }
"""


def test_what_breaks_a_contract_that_takes_any_json_is_refused_by_it_in_both():
    plan = compile_text(ANYTHING, "find.orch").plan
    told = Job(plan, "find", None, 1, 1, {}, (read_fault("fault garbage(ann, nth: 1)"),))
    assert compare(told) is None
    refused = [
        record for run in live_through(told).records.values() for record in run if record.type == "TaskFulfilled"
    ]
    assert any(record.body["output"] == 1 << 63 for record in refused)


AWAY = """orch 1
signal go(q: Text) -> Int
contract Ask(q: Text) -> Int
agent ann fulfills Ask { timeout = 10s }
flow waits(q: Text) -> Int {
  step went  = go(q) { timeout = 10min  on_failure = use(7) }
  step asked = Ask(q) by ann
  return went + asked
}
profile go { latency = fixed(5min) }
"""


@pytest.mark.parametrize("when", ["at: 100s", "point: after_commit, nth: 1"])
def test_a_signal_that_comes_while_nobody_is_there_comes_before_the_deadline_that_passes_meanwhile(when):
    plan = compile_text(AWAY, "away.orch").plan
    told = Job(plan, "waits", None, 1, 1, {}, (read_fault(f"fault crash(orchestrator, {when}, down: 1h)"),))
    assert compare(told) is None
    came = [
        record for run in live_through(told).records.values() for record in run if record.body.get("place") == "went"
    ]
    assert came[0].type == "SignalReceived"


ALIKE = """orch 1
contract Think(q: Text) -> Int
agent ann fulfills Think { timeout = 30s }
signal ring(q: Text) -> Int
effect post(q: Text) -> Text { check = posted(q)  settles = 1min  timeout = 20s  attempts = 2 }
effect posted(q: Text) -> Text? { idempotent = true  timeout = 10s }
flow doubts() -> List<Text> { step sent = post(id) for id in ["a", "b", "c"]  return sent }
flow waits(q: Text) -> Int {
  step one = ring("same") { timeout = 20s  on_failure = use(1) }
  step two = ring("same") { timeout = 1min  on_failure = use(0) }
  step asked = Think(q) by ann { after = [one] }
  return one + two + asked
}
profile ann { latency = uniform(1s, 20s) }
profile ring { latency = uniform(1s, 40s)  never = 10%  output = uniform(0, 50) }
profile post { latency = uniform(1s, 4s) }
"""
WAITERS = {
    "a signal comes though its place was served by another": [],
    "what another took comes once more after a crash": ["crash(orchestrator, point: after_commit, nth: 10, down: 5s)"],
    "two crashes": [
        "crash(orchestrator, at: 5s, down: 10s)", "crash(orchestrator, at: 20s, down: 40s)",
    ],
    "a deadline passes where another took the signal": ["timer_late(orchestrator, by: 30s, first: 9)"],
    "who sends twice while nobody is there does so in order": [
        "duplicate(ring, first: 5)", "crash(orchestrator, at: 3s, down: 30s)",
    ],
    "a clock that was set is that of who takes over": [
        "jump(orchestrator, at: 500ms, by: 10s)", "crash(orchestrator, at: 1500ms, down: 1s)",
    ],
}  # fmt: skip


def alike(flow, faults, seed=1):
    plan = compile_text(ALIKE, "alike.orch").plan
    return Job(plan, flow, None, seed, 2, {}, tuple(read_fault(f"fault {line}") for line in faults))


@pytest.mark.parametrize("what", WAITERS)
def test_several_who_wait_for_one_signal_are_served_alike(what):
    for seed in range(1, 9 if not WAITERS[what] else 5):
        assert compare(alike("waits", WAITERS[what], seed)) is None, seed


def test_requests_leave_once_all_of_their_commit_was_acted_on():
    told = alike("doubts", ["crash(orchestrator, point: before_effect, nth: 2, down: 10s)"])
    assert compare(told) is None
    assert live_through(told).kills == 1


ASKED = """orch 1
contract Sign(n: Int) -> Int
human ann fulfills Sign { timeout = 2h }
flow signed() -> Int {
  step one = Sign(1) by ann { timeout = 30min  on_failure = use(0) }
  step two = Sign(2) by ann { after = [one]  timeout = 90min  on_failure = use(0) }
  return one + two
}
profile ann { latency = fixed(20min) }
"""


def test_an_answer_to_what_is_put_and_withdrawn_in_one_commit_is_none():
    plan = compile_text(ASKED, "asked.orch").plan
    crash = (read_fault("fault crash(orchestrator, at: 10min, down: 1h)"),)
    told = Job(plan, "signed", None, 1, 1, {}, crash)
    assert compare(told) is None


AWAY_MEANWHILE = """orch 1
contract Ask(q: Text) -> Text
agent ann fulfills Ask { timeout = 50s }
human eve fulfills Ask { timeout = 2min }
flow asks(q: Text) -> Text {
  step said = Ask(q) by eve { attempts = TRIES  on_failure = use("nothing") }
  step heard = Ask(said) by ann
  return heard
}
profile ann { latency = fixed(30s) }
profile eve { latency = fixed(TAKES) }
"""
ABSENCES = {
    "in time, looked at after the deadline": ("110s", 1, ["crash(orchestrator, at: 105s, down: 60s)"], True),
    "too late for a deadline that passed meanwhile": ("125s", 1, ["crash(orchestrator, at: 105s, down: 60s)"], False),
    "too late, and the same is asked again": ("125s", 2, ["crash(orchestrator, at: 105s, down: 60s)"], True),
    "in time, and the store was full": ("110s", 1, ["disk_full(orchestrator, at: 30s, lasting: 120s)"], True),
    "empty, in time": ("110s", 1, ["crash(orchestrator, at: 105s, down: 60s)", "empty(eve, first: 1)"], True),
}  # fmt: skip


@pytest.mark.parametrize("what", ABSENCES)
def test_what_a_person_said_while_nobody_was_there_counts_if_it_was_said_in_time(what):
    takes, tries, faults, counts = ABSENCES[what]
    plan = compile_text(AWAY_MEANWHILE.replace("TAKES", takes).replace("TRIES", str(tries)), "asked.orch").plan
    told = Job(plan, "asks", None, 1, 1, {}, tuple(read_fault(f"fault {line}") for line in faults))
    assert compare(told) is None
    records = [record for run in told.chronicler().chronicle(told.faults).runs.values() for record in run.records]
    answers = [record.body["attempt"] for record in records if record.type == "QuestionAnswered"]
    assert [attempt > 0 for attempt in answers] == [counts]
