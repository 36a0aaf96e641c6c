"""`orch run` is killed at every failpoint and at many other moments; resumed, it ends as if nobody had touched it.

The world in which effects land lies outside of the store: what happened there is counted there. The seed is one whose
attempts are all far from their timeouts, so that a crash changes no choice.
"""

import json
import random
import signal

import pytest

# How often a run of the briefing passes each point; a test holds that this is so.
PASSES = {
    "before_commit": 16,
    "after_commit": 16,
    "partly_acted": 5,
    "before_effect": 1,
    "after_effect": 1,
    "before_acknowledge": 1,
    "before_result": 1,
}
POINTS = [f"{name}:{nth}" for name, count in PASSES.items() for nth in range(1, count + 1)]
SHARES = [round(share, 3) for share in random.Random(4).sample([step / 100 for step in range(25, 105)], 26)]


def test_every_point_that_a_run_passes_is_one_of_the_trials(twin):
    missed = {name: count for name, count in twin.counts.items() if count > PASSES.get(name, 0)}
    assert missed == {}, f"add trials: PASSES does not cover {missed}"


def test_every_failpoint_is_one_of_the_trials():
    from orchspec.runtime.failpoints import POINTS as ALL

    assert {*PASSES, "recovering", "receipt_given"} == set(ALL), (
        "recovering is passed by a resume: see the trial of many crashes; receipt_given in test_deeds"
    )


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_it_ends_as_if_undisturbed(rig, twin, hold, point):
    name, _, nth = point.partition(":")
    if int(nth) > twin.counts[name]:
        pytest.skip(f"this run passes {name} {twin.counts[name]} times")
    code, out, err = rig.finish(rig.asked, point=point)
    if code == 0:
        # How many events share a commit is a matter of microseconds: this time there were fewer.
        hold(rig.world(), json.loads(out))
        pytest.skip(f"this time it passed {name} fewer than {nth} times")
    assert code == -signal.SIGKILL, (out, err)
    result = rig.go_on()
    hold(rig.world(), result)


@pytest.mark.parametrize("share", SHARES)
def test_killed_at_any_moment_it_ends_as_if_undisturbed(rig, hold, run_seconds, share):
    rig.kill_after(share * run_seconds)
    result = rig.go_on()
    hold(rig.world(), result)


def test_killed_again_and_again_it_ends_as_if_undisturbed(rig, hold):
    rig.crash(point="after_commit:3")
    for point in ("before_commit:3", "recovering", "after_commit:2", "before_effect", "after_effect"):
        rig.crash(rig.resumed, point=point)
    result = rig.go_on()
    hold(rig.world(), result)


def test_the_oracle_catches_effects_that_are_sent_without_their_key(rig, hold):
    rig.crash(point="after_effect", plant="keyless")
    result = rig.go_on(plant="keyless")
    assert result["status"] == "completed"
    assert rig.world().count("publish") == 2, "the bug shows in the world"
    with pytest.raises(AssertionError):
        hold(rig.world(), result)


def test_a_run_id_asked_for_twice_is_one_run(rig, hold):
    rig.crash(point="after_commit:6")
    code, out, _ = rig.finish(rig.asked)
    assert code == 0
    hold(rig.world(), json.loads(out))
    before = rig.world().deliveries
    code, again, _ = rig.finish(rig.asked)
    assert (code, json.loads(again)) == (0, json.loads(out))
    assert rig.world().deliveries == before


@pytest.mark.chaos
@pytest.mark.parametrize("trial", range(200))
def test_killed_at_random_several_times_it_ends_as_if_undisturbed(rig, hold, run_seconds, trial):
    chance = random.Random(trial)
    rig.kill_after(chance.uniform(0.2, 1.0) * run_seconds)
    for _ in range(chance.randrange(3)):
        rig.kill_after(chance.uniform(0.2, 1.0) * run_seconds, rig.resumed)
    result = rig.go_on()
    hold(rig.world(), result)
