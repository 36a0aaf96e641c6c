"""Studies: the same seed gives the same bytes, changes stay where they are made, interrupts keep what is done."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace

import pytest

from orchspec.compiler.plan import Fault
from orchspec.simulator import replicate as replicate_module
from orchspec.simulator import study as study_module
from orchspec.simulator import workers as workers_module
from orchspec.simulator.observe import Replication
from orchspec.simulator.replicate import Stage
from orchspec.simulator.study import ScenarioError, find_scenario, simulate
from tests.support.studies import SPECS, gallery, plan_of, queue_spec, replicate, second, study


def bytes_of(document) -> str:
    return json.dumps(document, allow_nan=False)


@pytest.fixture(scope="module")
def briefing():
    plan = gallery("briefing")
    rush = replace(plan.scenarios[1], duration_us=1800 * second, expects=[])
    return replace(plan, scenarios=[plan.scenarios[0], rush]).sealed()


def test_the_same_seed_gives_the_same_bytes_from_one_process_or_two(briefing):
    rush = briefing.scenarios[1].name
    one = simulate(briefing, rush, seed=7).document
    assert bytes_of(one) == bytes_of(simulate(briefing, rush, seed=7).document)
    assert bytes_of(one) == bytes_of(simulate(briefing, rush, seed=7, jobs=2).document)
    assert bytes_of(one) != bytes_of(simulate(briefing, rush, seed=8).document)


def test_one_plan_gives_the_same_bytes_whichever_way_it_came(briefing):
    from orchspec.compiler.plan import plan_from_json

    read = plan_from_json(briefing.as_json())
    rush = briefing.scenarios[1].name
    assert bytes_of(simulate(read, rush).document) == bytes_of(simulate(briefing, rush).document)


CHAIN = """
orch 1
contract Answer(question: Text) -> Text
agent ann fulfills Answer { attempts = 3 }
agent bob fulfills Answer { attempts = 3 }
tool search { slots = 1 }
agent cy fulfills Answer { tools = [search] }
flow chain(question: Text) -> Text {
  step opening = Answer(question) by ann
  step second = Answer(opening) by bob
  return second
}
flow seeking(question: Text) -> Text {
  step opening = Answer(question) by cy
  return opening
}
profile ann { latency = fixed(ANN)  failure = 20%  tokens_in = uniform(1, 1000) }
profile bob { latency = exponential(mean: 10s)  failure = 20%  tokens_in = uniform(1, 1000) }
profile cy { latency = fixed(10s)  calls = { search: fixed(1) } }
profile search { latency = fixed(2s) }
scenario "load" for chain { arrivals = poisson(6 / 1min)  duration = 20min }
scenario "seek" for seeking { runs = 20 }
scenario "seek together" for seeking { arrivals = every(1s)  duration = 1min }
"""


def runs_of(replication: Replication):
    return {run.ordinal: run for run in replication.runs}


def test_a_change_of_one_agent_leaves_all_other_draws_alone():
    # Only one attempt of ann, so that each run is later by the same four seconds.
    plans = [plan_of(CHAIN.replace("ANN", latency)) for latency in ("1s", "5s")]
    quick, slow = (runs_of(replicate(plan, plan.scenarios[0], []).disturbed) for plan in plans)
    assert quick.keys() == slow.keys()
    assert len(quick) > 80
    for ordinal, run in quick.items():
        other = slow[ordinal]
        assert (run.arrived_s, run.tokens, run.retries, run.status) == (
            other.arrived_s, other.tokens, other.retries, other.status,
        )  # fmt: skip
        late_s = other.latency_s - run.latency_s
        assert late_s % 4.0 == pytest.approx(0.0, abs=1e-6) or late_s % 4.0 == pytest.approx(4.0, abs=1e-6)


def test_a_twin_draws_the_other_faults_as_the_disturbed_replication_does():
    plan = plan_of(CHAIN.replace("ANN", "1s"))
    faults = [
        Fault(0, "crash", "orchestrator", {"at": 10**12, "down": second}),
        Fault(0, "garbage", "ann", {"rate": 0.3}),
        Fault(0, "fail", "bob", {"rate": 0.3}),
    ]
    made = replicate(plan, plan.scenarios[0], faults)
    assert made.disturbed is not made.twin
    assert made.disturbed.runs == made.twin.runs
    assert sum(run.retries for run in made.twin.runs) > 50


@pytest.mark.parametrize(
    ("args", "failures"),
    [({"first": 4}, 4), ({"nth": 2}, 1), ({"nth": 1, "at": 600 * second}, 1), ({"first": 2, "at": 600 * second}, 2)],
)
def test_first_and_nth_count_attempts_from_their_date_on(args, failures):
    plan = plan_of(CHAIN.replace("ANN", "1s").replace("failure = 20%", ""))
    runs = replicate(plan, plan.scenarios[0], [Fault(0, "fail", "ann", args)]).disturbed.runs
    struck = {run.ordinal: run.retries + (run.status == "failed") for run in runs if run.retries}
    assert sum(struck.values()) == failures
    from_s = args.get("at", 0) / second
    next_one = min(run.ordinal for run in runs if run.arrived_s >= from_s)
    assert set(struck) <= {next_one, next_one + 1}


def test_a_tool_that_is_busy_keeps_an_attempt_waiting_and_a_slow_one_makes_it_late():
    plan = plan_of(CHAIN.replace("ANN", "1s"))
    alone = replicate(plan, plan.scenarios[1], []).disturbed
    assert {run.latency_s for run in alone.runs} == {10.0}
    late = replicate(plan, plan.scenarios[1], [Fault(0, "slow", "search", {"factor": 2.0, "by": second})]).disturbed
    assert {run.latency_s for run in late.runs} == {13.0}
    together = replicate(plan, plan.scenarios[2], []).disturbed
    # A call of two seconds each second on one slot: the queue grows by half of the arrivals.
    pool = next(pool for pool in together.pools if pool.name == "search")
    assert pool.wait_s.total() > 100.0
    assert max(run.latency_s for run in together.runs) > 60.0
    assert all(run.status == "completed" for run in together.runs)


def test_a_throttled_tool_fails_the_attempt_at_the_call_and_costs_what_was_done():
    text = CHAIN.replace("ANN", "1s").replace(
        "profile cy { latency = fixed(10s)",
        "profile cy { latency = fixed(10s)  tokens_in = fixed(100)  tokens_out = fixed(1000)",
    )
    plan = plan_of(text)
    made = replicate(plan, plan.scenarios[1], [Fault(0, "throttle", "search", {})]).disturbed
    for run in made.runs:
        assert run.status == "failed"
        assert run.latency_s < 10.0
        assert run.tokens == 100 + int(1000 * run.latency_s / 10.0 + 1e-6)


@pytest.mark.parametrize("arrivals", ["poisson(10 / 1min)", "closed(users: 3, think: fixed(10s))", "every(7s)"])
def test_so_many_runs_are_measured_as_were_asked_for_after_the_warm_up(arrivals):
    measured = study(queue_spec(3, arrivals, "exponential(mean: 10s)", duration="10min", warmup="5min"), runs=800)
    assert measured.document["runs"] >= 800
    text = queue_spec(3, arrivals, "exponential(mean: 10s)").replace("duration = 4h", "runs = 500")
    assert study(text).document["runs"] >= 500


def test_isolated_runs_each_have_their_own_dated_faults():
    plan = plan_of(CHAIN.replace("ANN", "1s"))
    faults = [Fault(0, "crash", "orchestrator", {"at": 5 * second, "down": 3 * second})]
    made = Stage(plan, replace(plan.scenarios[1], faults=faults), 1, None, 6).replicate(0).disturbed
    # Five seconds of work are lost, three nobody is there.
    assert [run.latency_s for run in made.runs] == [pytest.approx(18.0)] * 6
    assert all(run.resumed_well for run in made.runs)


def test_an_interrupt_keeps_what_is_done(monkeypatch):
    replicate_one = Stage.replicate

    def interrupted(self, index):
        if index == 4:
            raise KeyboardInterrupt
        return replicate_one(self, index)

    monkeypatch.setattr(Stage, "replicate", interrupted)
    made = study(queue_spec(3, "poisson(2 / 10s)", "exponential(mean: 10s)", duration="20min", warmup="auto"))
    assert made.interrupted
    assert made.document["replications"] == 4
    assert any("interrupted" in note for note in made.document["notes"])


def test_an_interrupt_before_a_longer_replication_is_done_keeps_the_shorter_ones(monkeypatch):
    replicate_one = Stage.replicate

    def interrupted(self, index):
        if self.size > 100:
            raise KeyboardInterrupt
        return replicate_one(self, index)

    monkeypatch.setattr(Stage, "replicate", interrupted)
    text = queue_spec(3, "poisson(2.7 / 10s)", "exponential(mean: 10s)", duration="20min", warmup="auto")
    made = study(text.replace("duration = 20min", "runs = 200"))
    assert made.interrupted
    assert made.size <= 100
    assert made.document["replications"] == 10


def test_an_interrupt_before_anything_is_done_is_one(monkeypatch):
    def interrupted(self, index):
        raise KeyboardInterrupt

    monkeypatch.setattr(Stage, "replicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study(queue_spec(3, "poisson(2 / 10s)", "exponential(mean: 10s)"))


def test_processes_are_started_where_that_pays_and_change_nothing(monkeypatch):
    text = queue_spec(3, "poisson(2 / 10s)", "exponential(mean: 10s)", duration="30min", warmup="5min")
    monkeypatch.setattr(workers_module, "WORTH_S", 0.0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert bytes_of(study(text, jobs=None).document) == bytes_of(study(text).document)


def test_undecided_expectations_look_again_until_the_cap():
    more = "expect wait(clerk) <= 4.45s"
    text = queue_spec(3, "poisson(2 / 10s)", "exponential(mean: 10s)", duration="20min", warmup="5min", more=more)
    made = study(text)
    assert made.undecided
    assert made.document["replications"] == study_module.LOOKS * study_module.REPLICATIONS
    decided = study(text.replace("4.45s", "60s"))
    assert decided.document["replications"] == study_module.REPLICATIONS


def test_scenarios_are_found_by_name_and_the_others_are_told(briefing):
    with pytest.raises(ScenarioError, match='has 2 scenarios; name one of "a quiet day", "rush hour'):
        find_scenario(briefing, None)
    with pytest.raises(ScenarioError, match='no scenario "monday"; it has "a quiet day"'):
        find_scenario(briefing, "monday")
    with pytest.raises(ScenarioError, match="has no scenario; write one"):
        find_scenario(replace(briefing, scenarios=[]), None)


def test_the_document_holds_what_others_rely_on(briefing):
    document = simulate(briefing, "a quiet day", runs=20, parameters={"width": "4"}, folder=SPECS).document
    assert {"scenario", "flow", "runs", "seed", "plan_hash", "kpis", "resources", "expectations", "checks"} <= (
        document.keys()
    )
    assert document["plan_hash"] == briefing.hash
    assert document["parameters"] == {"width": "4"}
    assert document["kpis"]["latency"].keys() == {"mean", "p50", "p90", "p95", "p99", "max"}
    assert all(len(estimate["ci95"]) == 2 for estimate in document["kpis"]["latency"].values())
    assert {"utilization", "wait_s", "queue"} <= document["resources"]["scout"].keys()


def containers_of(thing: object) -> dict[str, int]:
    """How much each container of an object holds."""
    names = getattr(thing, "__slots__", None) or vars(thing)
    values = {name: getattr(thing, name) for name in names}
    return {name: len(value) for name, value in values.items() if isinstance(value, (dict, list, set, deque))}


def test_what_is_kept_does_not_grow_with_runs(monkeypatch):
    plan = gallery("refund")
    scenario = replace(plan.scenarios[0], arrivals=["poisson", 1.0], warmup=0, faults=[])
    clocks = []
    begin = replicate_module._Load.replicate

    def record(self):
        clocks.append(self.clock)
        return begin(self)

    monkeypatch.setattr(replicate_module._Load, "replicate", record)
    crash = Fault(0, "crash", "orchestrator", {"every": 70 * second, "down": 5 * second})
    held = []
    for minutes in (4, 16):
        longer = replace(scenario, duration_us=minutes * 60 * second)
        runs = replicate(plan, longer, [crash]).disturbed.runs
        clock = clocks[-2]
        held.append((len(runs), clock))
    assert held[1][0] > 3 * held[0][0]
    # What outlives runs by what it means: effects, and work that may be used again.
    lasting = {"ledger", "reuse", "_entries", "_work", "_receipts", "_landed", "_undoable", "_seen", "_effects"}
    for _, clock in held:
        live = len(clock.visits)
        parts = [clock, clock.journal, clock.engine, clock.attempts, clock.people, clock.targets, clock.world]
        for part in [*parts, clock.engine.dispatcher, clock.engine.ledger, clock.engine.reuse]:
            found = {name: count for name, count in containers_of(part).items() if name not in lasting}
            # At most some things for each of the runs that came after the window and are under way, and a plan's worth.
            assert {name: count for name, count in found.items() if count > 20 * live + 30} == {}, part


def test_a_reservation_that_is_given_back_lets_others_go_on():
    # Two tasks of which the budget pays one at a time; the first is never served, and leaves everything to the second.
    plan = plan_of("""
orch 1
contract Answer(question: Text) -> Text
agent ann fulfills Answer { budget { tokens <= 100 } }
agent bob fulfills Answer { budget { tokens <= 100 } }
flow both(question: Text) -> Text {
  budget { tokens <= 150 }
  step mine = Answer(question) by ann { on_failure = skip }
  step yours = Answer(question) by bob
  return mine ?? yours
}
profile ann { latency = fixed(1s)  tokens_in = fixed(90) }
profile bob { latency = fixed(1s)  tokens_in = fixed(90) }
scenario "throttled" for both { runs = 10 }
""")
    made = replicate(plan, plan.scenarios[0], [Fault(0, "throttle", "ann", {})]).disturbed
    assert {(run.status, run.tokens) for run in made.runs} == {("completed", 90)}


def test_a_recorded_load_without_a_duration_is_replayed_to_its_end_however_many_runs_are_asked_for(tmp_path):
    (tmp_path / "calls.csv").write_text("\n".join(["at", *map(str, range(300))]))
    plan = plan_of(queue_spec(1, "every(1s)", "fixed(100ms)", duration="1h", warmup="1s"))
    recorded = replace(plan.scenarios[0], arrivals=["trace", "calls.csv", "at"], duration_us=None, warmup=0)
    plan = replace(plan, scenarios=[recorded]).sealed()
    whole = simulate(plan, folder=tmp_path).document
    assert whole["runs"] == 300 * whole["replications"]
    assert simulate(plan, folder=tmp_path, runs=50).document["runs"] == whole["runs"]


def test_a_fault_is_told_with_all_that_it_strikes():
    told = study_module._fault_text(Fault(0, "correlated_outage", "ann", {"at": 60 * second}, ["bob", "cy"]))
    assert told == "correlated_outage([ann, bob, cy], at: 1min)"
    assert study_module._fault_text(Fault(0, "fail", "ann", {"rate": 0.05})) == "fail(ann, rate: 5%)"
