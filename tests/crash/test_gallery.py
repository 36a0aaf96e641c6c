"""Specs of the gallery that act, remember or wait are killed at every pass of a run; resumed, everything still holds.

Real processes, real stores, real kills; what must hold is held by the checkers of chaos, which read the journal, the
ledger and the file that the world is. Which points a run passes is read from an undisturbed twin, so none is left out.

    pytest tests/crash/test_gallery.py -m chaos      every pass, and pairs of them

By default a few of them, in a spec for each kind of effect.
"""

from contextlib import closing

import pytest

from orchspec.simulator.checkers import check_all
from tests.crash.gallery import PLAYS, SMALLEST
from tests.crash.trials import KILLED, Trial, Zygote, explore, numbered


@pytest.fixture(scope="module")
def zygote():
    with closing(Zygote()) as started:
        yield started


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
    reached, _ = explore(zygote, tmp_path, name, twin, [[chosen]])
    assert reached == 1


def test_the_checkers_catch_an_effect_that_is_sent_without_its_key(zygote, tmp_path):
    trial = Trial(zygote, tmp_path / "run", PLAYS["refund"])
    assert trial.finish(trial.asked, point="after_effect", plant="keyless") == KILLED
    trial.go_on(plant="keyless")
    assert {each.number for each in check_all(trial.chronicle())} >= {"S1", "S2"}


@pytest.mark.chaos
@pytest.mark.parametrize("name", PLAYS)
def test_killed_at_every_pass_everything_holds(zygote, twins, tmp_path, name):
    twin, points = twins(name)
    reached, compared = explore(zygote, tmp_path, name, twin, [[point] for point in points])
    assert reached >= 0.9 * len(points)
    # How many runs did the same as their twin is a matter of how fast this machine is: timeouts are of real time.
    assert compared or not PLAYS[name].steady


@pytest.mark.chaos
def test_killed_at_pairs_of_passes_everything_holds(zygote, twins, tmp_path):
    twin, points = twins(SMALLEST)
    later = [f"{point}:{nth}" for point in sorted({p.partition(":")[0] for p in points}) for nth in (1, 2)]
    pairs = [[first, second] for first in points for second in ["recovering", *later]]
    reached, _ = explore(zygote, tmp_path, SMALLEST, twin, pairs)
    assert reached >= 0.4 * len(pairs)
