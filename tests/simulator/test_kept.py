import dataclasses
import sqlite3
import zlib

import pytest

from orchspec.simulator.kept import Kept, KeptError, digest_of, pack, unpack
from orchspec.simulator.replicate import Stage
from orchspec.simulator.study import simulate
from orchspec.simulator.workers import Workers
from tests.support.studies import plan_of, queue_spec

TEXT = queue_spec(3, "poisson(2 / 10s)", "exponential(mean: 10s)", duration="5min", warmup="1min")


@pytest.fixture
def plan():
    return plan_of(TEXT)


def replication(plan):
    return Stage(plan, plan.scenarios[0], 1, None, 10).replicate(0)


def same(one, other):
    for field in dataclasses.fields(one):
        if field.name != "pools":
            assert getattr(one, field.name) == getattr(other, field.name)
    assert [pool.name for pool in one.pools] == [pool.name for pool in other.pools]
    for mine, theirs in zip(one.pools, other.pools, strict=True):
        assert all(getattr(mine, name) == getattr(theirs, name) for name in mine.__slots__)


def test_a_replication_comes_back_as_it_was_and_what_was_one_is_one(plan):
    made = replication(plan)
    other = dataclasses.replace(made.twin, index=3)
    back = unpack(pack([made.disturbed, other, made.disturbed]))
    same(back[0], made.disturbed)
    same(back[1], other)
    assert back[2] is back[0]


def test_what_is_kept_is_not_simulated_again_and_gives_the_same_bytes(plan, tmp_path, monkeypatch):
    fresh = simulate(plan).document
    with Kept(tmp_path / "done", "1") as kept:
        assert simulate(plan, workers=Workers(1, kept)).document == fresh
    monkeypatch.setattr(Stage, "replicate", lambda *_: pytest.fail("it was simulated again"))
    with Kept(tmp_path / "done", "1") as kept:
        assert simulate(plan, workers=Workers(1, kept)).document == fresh
        assert kept.found == 10
    with pytest.raises(pytest.fail.Exception), Kept(tmp_path / "done", "2") as kept:
        simulate(plan, workers=Workers(1, kept))


def test_an_interrupted_study_goes_on_where_it_was(plan, tmp_path, monkeypatch):
    replicate = Stage.replicate
    made = []

    def counted(self, index):
        if len(made) == 4 and index == 4:
            made.append(None)
            raise KeyboardInterrupt
        made.append(index)
        return replicate(self, index)

    monkeypatch.setattr(Stage, "replicate", counted)
    with Kept(tmp_path / "done", "1") as kept:
        assert simulate(plan, workers=Workers(1, kept)).interrupted
        assert not simulate(plan, workers=Workers(1, kept)).interrupted
    assert made == [0, 1, 2, 3, None, 4, 5, 6, 7, 8, 9]


def test_what_decides_is_told_apart_and_what_is_expected_is_not(plan):
    scenario = plan.scenarios[0]

    def digest(plan=plan, scenario=scenario, **how):
        return digest_of(plan, scenario, [], **{"seed": 1, "size": 10, "queue_max": None, **how})

    slower = plan_of(TEXT.replace("mean: 10s", "mean: 11s"))
    longer = dataclasses.replace(scenario, duration_us=scenario.duration_us + 1)
    assert len({digest(), digest(seed=2), digest(slower, slower.scenarios[0]), digest(scenario=longer)}) == 4
    assert digest(scenario=dataclasses.replace(scenario, name="another", expects=[])) == digest()


def damaged(path):
    path.write_bytes(path.read_bytes()[:3000] + b"\x00" * 500)


def bitten(path):
    with sqlite3.connect(path) as db:
        db.execute("UPDATE replications SET body = ?", (zlib.compress(b'{"order": [0, 1], "parts": []}'),))
    db.close()


def foreign(path):
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE runs (id)")
    db.close()


def text(path):
    path.write_text("once upon a time " * 100)


@pytest.mark.parametrize(
    ("damage", "told"),
    [(damaged, "damaged"), (bitten, "damaged"), (foreign, "something else"), (text, "damaged")],
)
def test_a_file_that_is_damaged_or_something_else_is_told(plan, tmp_path, damage, told):
    path = tmp_path / "done"
    with Kept(path, "1") as kept:
        simulate(plan, workers=Workers(1, kept))
    damage(path)
    with pytest.raises(KeptError, match=told), Kept(path, "1") as kept:
        simulate(plan, workers=Workers(1, kept))


def test_a_file_that_cannot_be_made_is_told(tmp_path):
    with pytest.raises(KeptError, match="check that its folder is there"):
        Kept(tmp_path / "nowhere" / "done", "1")
