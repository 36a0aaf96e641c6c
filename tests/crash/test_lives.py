"""Killed while it is cancelled, forked or upgraded, a run ends as it would have: nothing is done or undone twice."""

import json

import pytest

from tests.crash.conftest import Rig

SPEC = """orch 1
contract Write(topic: Text) -> Text
agent ann fulfills Write
effect post(text: Text) -> Text { key = text  undo = retract(result) }
effect retract(id: Text) { key = id }
flow main(topic: Text) -> Text {
  step draft = Write(topic) by ann
  step early = post(draft)
  checkpoint drafted
  step late = post(draft + "!")
  wait 5s
  step more = Write(draft) by ann
  return more
}
profile ann { latency = fixed(1s) }
profile post { latency = fixed(1s) }
profile retract { latency = fixed(1s) }
"""


@pytest.fixture
def rig(tmp_path):
    spec = tmp_path / "main.orch"
    spec.write_text(SPEC, "utf-8")
    made = Rig(tmp_path, spec, {"topic": "bees"}, speed=20)
    made.crash(point="before_acknowledge:2")  # both effects have happened, nothing of the second was acted on
    return made


def status(rig, run="r"):
    code, out, err = rig.finish(["status", run, "--store", str(rig.store), "--json"])
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize(
    "points", [("recovering",), ("before_commit:2", "before_effect"), ("after_effect", "after_effect")]
)
def test_killed_while_it_is_cancelled_it_undoes_everything_once(rig, points):
    assert rig.finish(["cancel", "r", "--by", "eve", "--store", str(rig.store)])[0] == 0
    for point in points:
        rig.crash(rig.resumed, point=point)
    result = rig.go_on()
    assert (result["status"], result["error"]["code"]) == ("cancelled", "cancelled")
    assert (rig.world().count("post"), rig.world().count("retract")) == (2, 2)
    assert status(rig)["status"] == "cancelled"
    # The name stands for the run that was cancelled: asking again starts nothing.
    code, out, _ = rig.finish(rig.asked)
    assert (code, json.loads(out)["status"]) == (1, "cancelled")
    assert rig.world().count("post") == 2


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_killed_while_it_is_forked_there_is_a_whole_fork_or_none(rig, point):
    fork = ["fork", "r", "--at", "drafted", "--run-id", "f", "--store", str(rig.store), "--json"]
    rig.crash(fork, point=point)
    for _ in range(2):  # the same name twice is one run
        code, out, err = rig.finish(fork)
        assert code == 0, (out, err)
        assert json.loads(out)["status"] == "completed"
    assert rig.go_on()["status"] == "completed"
    assert (rig.world().count("post"), rig.world().count("retract")) == (2, 0)
    code, out, _ = rig.finish(["doctor", str(rig.store), "--json"])
    assert (code, json.loads(out)["findings"]) == (0, [])


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_killed_while_it_is_upgraded_it_goes_on_under_one_of_the_plans(rig, point):
    other = rig.folder / "other.orch"
    other.write_text(SPEC.replace("return more", 'return more + "!"'), "utf-8")
    upgraded = [*rig.resumed, "--upgrade", "--spec", str(other)]
    rig.crash(upgraded, point=point)
    code, out, err = rig.finish(upgraded)
    assert code == 0, (out, err)
    assert json.loads(out)["result"].endswith("!")
    assert rig.world().count("post") == 2
    code, out, _ = rig.finish(["journal", "r", "--store", str(rig.store)])
    assert out.count('"type": "PlanUpgraded"') == 1
