"""The same story through the simulator and through the real engine: the same journal, record by record."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from orchspec.compiler import compile_file
from orchspec.compiler.plan import Fault
from orchspec.parity import compare, fits
from orchspec.parity.lives import Job, live_through
from orchspec.runtime.driver.attempts import Attempts
from orchspec.simulator.chaos.places import places_of
from orchspec.simulator.chaos.schedules import crash_singles, singles
from tests.support.generated import plans

SPECS = Path(__file__).resolve().parents[2] / "specs"
GALLERY = sorted(path.stem for path in SPECS.glob("*.orch"))
SECOND = 1_000_000


def jobs(name):
    plan = compile_file(SPECS / f"{name}.orch").plan
    for flow in plan.flows:
        given_ = next((each.given for each in plan.scenarios if each.flow == flow), {})
        yield Job(plan, flow, SPECS, 1, 2, given_)


def job(name, flow=None):
    return next(each for each in jobs(name) if flow in (None, each.flow))


def differences(story, schedules):
    for faults in schedules:
        found = compare(replace(story, faults=tuple(faults)))
        if found is not None:
            yield f"{story.flow} under {[(each.name, each.target, each.args) for each in faults]}: {found}"


def aimed(story):
    return places_of(story.chronicler().chronicle([]))


def held_singles(story):
    return [faults for faults in singles(aimed(story)) if not fits(faults)]


@pytest.mark.parametrize("name", GALLERY)
def test_an_undisturbed_story_is_the_same_for_every_flow_of_the_gallery(name):
    for story in jobs(name):
        assert not list(differences(story, [()]))


@pytest.mark.parametrize("name", ["refund", "refunding", "transfer", "approval", "research"])
def test_a_drawn_handful_of_single_faults_strikes_alike(name):
    story = job(name)
    schedules = held_singles(story)
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


@settings(max_examples=15)
@given(plans())
def test_generated_plans_tell_the_same_story(plan):
    plan = plan.sealed()
    for flow in plan.flows:
        assert compare(Job(plan, flow, None, 7, 2, {})) is None


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


def test_what_cannot_be_played_is_refused_by_name():
    with pytest.raises(ValueError, match="skew"):
        compare(replace(job("refund"), faults=(Fault(0, "skew", "orchestrator", {"at": 0, "lasting": 1, "by": 1}),)))


@pytest.mark.chaos
@pytest.mark.parametrize("name", GALLERY)
def test_every_single_fault_strikes_alike(name):
    for story in jobs(name):
        assert not list(differences(story, held_singles(story)))


@pytest.mark.chaos
@pytest.mark.parametrize("name", GALLERY)
def test_killed_at_every_crash_point_it_goes_on_alike(name):
    for story in jobs(name):
        assert not list(differences(story, crash_singles(aimed(story))))
