"""The same story through the simulator and through the real engine: the same journal, record by record."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.compiler.plan import Fault
from orchspec.parity import compare
from orchspec.parity.lives import Job, live_through
from orchspec.parity.outside import Outside
from orchspec.parity.search import Asked, parts_of, stories_of
from orchspec.runtime.driver.attempts import Attempts
from orchspec.simulator.chaos.places import places_of
from orchspec.simulator.chaos.schedules import crash_singles, drawn, singles
from tests.parity.stories import GALLERY, SPECS, job, jobs
from tests.support.generated import plans

SECOND = 1_000_000


def differences(story, schedules):
    for faults in schedules:
        found = compare(replace(story, faults=tuple(faults)))
        if found is not None:
            yield f"{story.flow} under {[(each.name, each.target, each.args) for each in faults]}: {found}"


def aimed(story):
    return places_of(story.chronicler().chronicle([]))


@pytest.mark.parametrize("name", GALLERY)
def test_an_undisturbed_story_is_the_same_for_every_flow_of_the_gallery(name):
    for story in jobs(name):
        assert not list(differences(story, [()]))


@pytest.mark.parametrize("name", ["refund", "refunding", "transfer", "approval", "research"])
def test_a_drawn_handful_of_single_faults_strikes_alike(name):
    story = job(name)
    schedules = list(singles(aimed(story)))
    assert not list(differences(story, random.Random(name).sample(schedules, min(6, len(schedules)))))


def test_killed_where_the_schedule_says_it_goes_on_alike():
    story = replace(job("refund"), runs=1)
    found = list(crash_singles(aimed(story)))
    drawn = random.Random(5).sample(found, 2)
    assert not list(differences(story, drawn))
    assert live_through(replace(story, faults=tuple(drawn[0]))).kills >= 1


def test_killed_at_a_time_between_a_request_and_its_reply_it_goes_on_alike():
    story = job("refund")
    crash = Fault(0, "crash", "orchestrator", {"at": 80_000, "down": 2 * SECOND})
    assert not list(differences(story, [(crash,)]))


@settings(max_examples=8)
@given(plans(), st.integers(0, 2**32))
def test_generated_plans_tell_the_same_story_with_and_without_a_fault(plan, seed):
    plan = plan.sealed()
    for flow in plan.flows:
        calm = Job(plan, flow, None, 7, 2, {})
        assert compare(calm) is None
        struck = [each for each in singles(aimed(calm)) if not Outside.under(each, 0).crashes.kills]
        for faults in random.Random(seed).sample(struck, min(2, len(struck))):
            assert compare(replace(calm, faults=tuple(faults))) is None, faults


def test_what_the_real_engine_does_otherwise_is_found(monkeypatch):
    def forgets(self, attempt, code, message, **more):
        return told(self, attempt, code, message, **{**more, "retry_after_us": 0})

    told = Attempts._post_failed
    monkeypatch.setattr(Attempts, "_post_failed", forgets)
    story = job("research")
    agent = next(iter(aimed(story).targets["agent"]))
    throttled = Fault(0, "throttle", agent, {"nth": 1, "retry_after": 600 * SECOND})
    found = compare(replace(story, faults=(throttled,)))
    monkeypatch.undo()
    assert found is not None
    assert "simulated" in str(found)
    assert "real" in str(found)
    assert compare(replace(story, faults=(throttled,))) is None


# ------------------------------------------------------------------ the long run


def found(name, part):
    """How the journals of a spec differ under all schedules of a part."""
    from orchspec.compiler import compile_file

    for story in stories_of(name, compile_file(SPECS / f"{name}.orch").plan, SPECS):
        for each in parts_of(story, Asked((part,), drawn=20)):
            for faults in each.schedules.values():
                if (differs := story.differs(faults)) is not None:
                    yield f"{story.flow} under {faults}: {differs}"


@pytest.mark.chaos
@pytest.mark.parametrize("name", GALLERY)
def test_every_single_fault_strikes_alike(name):
    assert not list(found(name, "singles"))


@pytest.mark.chaos
@pytest.mark.parametrize("name", GALLERY)
def test_killed_at_every_crash_point_it_goes_on_alike(name):
    assert not list(found(name, "crashes"))


@pytest.mark.chaos
@pytest.mark.parametrize("name", GALLERY)
def test_schedules_of_several_faults_strike_alike(name):
    assert not list(found(name, "drawn"))


@pytest.mark.chaos
@settings(max_examples=500)
@given(plans(), st.integers(0, 2**32))
def test_generated_plans_live_alike_through_generated_schedules(plan, seed):
    plan = plan.sealed()
    rng = random.Random(seed)
    for flow in plan.flows:
        told = Job(plan, flow, None, seed % 1000, 2, {})
        faults = tuple(drawn(aimed(told), rng))
        assert compare(replace(told, faults=faults)) is None, faults
