"""Specs of the gallery that act, remember or wait are killed at every pass of a run; resumed, everything still holds.

Real processes, real stores, real kills; what must hold is held by the checkers of chaos, which read the journal, the
ledger and the file that the world is. Which points a run passes is read from an undisturbed twin, and what a second
life passes from one that nobody kills, so none is left out. Time leaps, so every run can be compared with its twin: a
crash that changes what is chosen is a failure.

    pytest tests/crash/test_gallery.py -m chaos      every pass, and every pair of them

By default a few of them, in a spec for each kind of effect.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from orchspec.simulator.checkers import check_all
from tests.crash.gallery import PLAYS
from tests.crash.trials import KILLED, Trial, explore, explore_pairs, numbered


@pytest.fixture(scope="module")
def twins(zygote, tmp_path_factory):
    known = {}

    def twin(name):
        if name not in known:
            trial = Trial(zygote, tmp_path_factory.mktemp("twin") / "run", PLAYS[name])
            passes = trial.passes()
            chronicle = trial.chronicle()
            assert check_all(chronicle) == []
            known[name] = chronicle, numbered(passes)
        return known[name]

    return twin


@pytest.mark.parametrize("name", ["transfer", "letter", "refunding, taken back"])
def test_killed_at_a_few_passes_everything_holds(zygote, twins, tmp_path, name):
    twin, points = twins(name)
    wanted = ["receipt_given:1"] if name.startswith("refunding") else ["after_effect:2", "after_effect:1"]
    chosen = next(point for point in wanted if point in points)
    assert explore(zygote, tmp_path, name, twin, [chosen]) == (1, 1)


def test_the_checkers_catch_an_effect_that_is_sent_without_its_key(zygote, tmp_path):
    trial = Trial(zygote, tmp_path / "run", PLAYS["refund"])
    assert trial.finish(trial.asked, point="after_effect", plant="keyless") == KILLED
    trial.go_on(plant="keyless")
    assert {each.number for each in check_all(trial.chronicle())} >= {"S1", "S2"}


def test_the_witness_sees_an_effect_that_is_sent_before_its_intent_is_durable(zygote, tmp_path):
    trial = Trial(zygote, tmp_path / "run", PLAYS["refund"])
    trial.finish(trial.asked, point="after_effect", plant="unwritten_intended")
    with pytest.raises(AssertionError, match="before its intent was durable"):
        trial.hold_intended()


@pytest.fixture
def folder(tmp_path):
    """In memory if it can be: a process that is killed loses nothing that it wrote, so no disk need be waited for."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir="/dev/shm", prefix="orch-") as made:
        yield Path(made)


@pytest.mark.chaos
@pytest.mark.parametrize("name", PLAYS)
def test_killed_at_every_pass_everything_holds(zygote, twins, folder, name):
    twin, points = twins(name)
    assert explore(zygote, folder, name, twin, points) == (len(points), len(points))


@pytest.mark.chaos
@pytest.mark.parametrize("name", PLAYS)
def test_killed_at_every_pair_of_passes_everything_holds(zygote, twins, folder, name):
    twin, points = twins(name)
    explored, reached, compared = explore_pairs(zygote, folder, name, twin, points)
    assert explored > len(points)
    assert (reached, compared) == (explored, explored)
    print(f"{name}: {explored} of {explored} pairs explored")
