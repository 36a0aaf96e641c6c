"""What chaos can try: each fault of the language but those with a reason, at whom it can strike, as a line and back."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchspec import testing
from orchspec.compiler.load import compile_file
from orchspec.compiler.plan import Fault
from orchspec.compiler.studies.faults import FAULTS
from orchspec.simulator.chaos import explore
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.chaos.coverage import Coverage
from orchspec.simulator.chaos.kinds import KINDS
from orchspec.simulator.chaos.lines import BadFault, fault_line, read_fault
from orchspec.simulator.chaos.places import places_of
from orchspec.simulator.chaos.schedule import digest_of
from orchspec.simulator.chaos.schedules import FAULTS_MAX, crash_singles, drawn, singles
from orchspec.simulator.checkers import check_all
from tests.support.planted import keeps_grants

SPECS = Path(__file__).resolve().parents[2] / "specs"


def plan_of(name):
    plan = compile_file(SPECS / f"{name}.orch").plan
    assert plan is not None
    return plan


@pytest.fixture(scope="module")
def calm():
    plan = plan_of("refund")
    return Chronicler(plan, next(iter(plan.flows)), folder=SPECS).chronicle([])


def test_every_fault_of_the_language_is_tried():
    assert {kind.name for kind in KINDS} | {"crash"} == FAULTS.keys()


AIMS = {
    "agent": {"agent", "deed", "model"},
    "dispatcher": {"agent", "model"},
    "human": {"person"},
    "signal": {"signal"},
    "effect": {"effect", "model"},
    "tool": {"tool", "model"},
    "orchestrator": {"timer", "commit", "clock"},
}
"""At what chaos aims, by what a fault of the language may name."""


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - {"crash"}))
def test_every_fault_is_tried_at_whatever_it_may_strike(name):
    aims = {kind.aim for kind in KINDS if kind.name == name}
    assert {target for target in FAULTS[name].targets if not AIMS[target] & aims} == set()
    assert aims <= set().union(*(AIMS[target] for target in FAULTS[name].targets))


def test_effects_of_one_provider_fail_together(calm):
    places = places_of(calm)
    (kind,) = [kind for kind in KINDS if kind.aim == "model"]
    faults = [fault for faults in singles(places) for fault in faults if fault.name == kind.name]
    assert places.models["every effect"] == sorted(places.targets["effect"])
    assert {(fault.target, *fault.others) for fault in faults} == {tuple(each) for each in places.models.values()}


def test_kinds_have_arguments_that_their_faults_take():
    for kind in KINDS:
        assert kind.args.keys() <= FAULTS[kind.name].arguments.keys(), kind


def test_a_single_fault_is_a_line_of_a_spec_and_back(calm):
    tried = [fault for faults in singles(places_of(calm)) for fault in faults]
    tried += [fault for faults in crash_singles(places_of(calm)) for fault in faults]
    assert len(tried) > 200
    for fault in tried:
        assert read_fault(fault_line(fault)) == fault


@given(st.sampled_from([("at", "lasting", "by"), ("nth",), ("first", "rate")]), st.integers(1, 10**10))
def test_any_time_and_count_is_a_line_and_back(names, number):
    args = {name: number for name in names if name != "rate"} | ({"rate": 0.25} if "rate" in names else {})
    fault = Fault(0, "slow", "scout", args, ["editor"])
    assert read_fault(fault_line(fault)) == fault


@pytest.mark.parametrize(
    "line", ["", "fault", "fault nothing(x)", "fault fail(x, nth 1)", "fault fail(x, down: 5)", "fault fail(x" * 200]
)
def test_what_is_no_fault_is_refused(line):
    with pytest.raises(BadFault):
        read_fault(line)


def test_who_waits_without_a_deadline_is_not_made_to_wait_for_ever():
    plan = plan_of("letter")
    places = places_of(Chronicler(plan, next(iter(plan.flows)), folder=SPECS).chronicle([]))
    for kind in KINDS:
        if "deadline" in kind.needs:
            assert not {(kind.aim, name) for name in places.struck_by(kind)} & places.patient


def test_what_struck_is_told_and_what_did_not_is_not(calm):
    chronicler = Chronicler(calm.plan, calm.flow, folder=SPECS)
    name = next(iter(places_of(calm).targets["agent"]))
    struck = chronicler.chronicle(
        [read_fault(f"fault slow({name}, nth: 1)"), read_fault(f"fault fail({name}, nth: 99)")]
    )
    assert struck.struck == {"slow": {name}}


def test_coverage_tells_what_was_never_reached(calm):
    coverage = Coverage()
    coverage.add(calm)
    reached = set(coverage.cells)
    coverage.add(calm)
    assert reached == coverage.cells != set()
    assert ("effect", "sent", "EffectConfirmed") in coverage.rows
    assert ("effect", "sent", "EffectUnknown") in coverage.rows_never(calm.plan)
    assert "crash" in coverage.faults_never(places_of(calm))


def test_what_is_drawn_is_said_in_lines(calm):
    places, rng = places_of(calm), random.Random(5)
    for _ in range(200):
        faults = drawn(places, rng)
        assert 1 <= len(faults) <= FAULTS_MAX
        assert all(read_fault(fault_line(fault)) == fault for fault in faults)


def test_schedules_are_drawn_in_several_worlds_and_reach_what_no_single_one_does(monkeypatch):
    plan = plan_of("desk")

    def reached(worlds):
        monkeypatch.setattr(explore, "WORLDS_MAX", worlds)
        return explore.Explorer(plan, "desk", folder=SPECS, seed=4).explore(examples=80).coverage

    several = reached(8)
    assert len(several.rows) > len(reached(1).rows) + 3
    assert reached(8).cells == several.cells


def test_what_breaks_in_another_world_is_seen_again_by_its_seed(monkeypatch):
    keeps_grants(monkeypatch)
    plan = plan_of("refund")
    flow = next(iter(plan.flows))
    explorer = explore.Explorer(plan, flow, folder=SPECS)
    faults = [read_fault("fault fail(carrier, nth: 1)")]
    (violation, *_) = check_all(explorer.chronicle(faults, world=77))
    found = explorer.shrink(faults, violation, world=77)
    assert found.seed == 77
    again = Chronicler(plan, flow, folder=SPECS, seed=found.seed, runs=found.runs).chronicle(found.faults)
    assert found.violation.message in [each.message for each in check_all(again)]
    assert digest_of(again) != digest_of(explorer.chronicle(found.faults, found.runs))


def test_a_schedule_of_ones_own_is_checked():
    plan = plan_of("refund")
    flow = next(iter(plan.flows))
    chronicle = testing.check(
        plan, testing.schedule(plan, flow, ["fault crash(orchestrator, point: after_commit, nth: 2)"])
    )
    assert "crash" in chronicle.struck
    with pytest.raises(ValueError, match="name one of the flows"):
        testing.schedule(plan, "nothing")


def test_a_hedge_whose_timer_rings_twice_is_sent_once():
    plan = plan_of("hedged")
    faults = ["fault timer_twice(orchestrator, nth: 3)", "fault server_error(west, lasting: 1min, nth: 1)"]
    testing.check(plan, testing.schedule(plan, "soon", faults, seed=1253099041, runs=2))
