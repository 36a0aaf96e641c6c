"""What each moment of a crash leaves in the world, and what a resume does about it: row by row, for keyed effects.

The rows are those of the table in the documentation of effects. Where a row speaks of the world, the file outside of
the store is looked at after the crash and again after the resume.
"""

import pytest

UNDONE = """orch 1
type Draft { id: Text  body: Text }
contract Write(topic: Text) -> Draft { expects = "Write it." }
agent writer fulfills Write {}
effect publish(draft: Draft) -> Url { key = draft.id  undo = retract(url: result) }
effect retract(url: Url) { key = url }
flow undone(topic: Text) -> Url {
  step draft = Write(topic) by writer
  step url = publish(draft: draft)
  step again = Write(topic) by writer { after = [url] }
  fail "it must be undone" when len(again.body) >= 0
  return url
}
profile writer { latency = fixed(1s) }
profile publish { latency = fixed(1s) }
profile retract { latency = fixed(1s) }
"""


@pytest.mark.parametrize("plant", ["before_intended", "in_intended"])
def test_before_or_in_the_commit_of_the_intent_nothing_is_in_the_world_and_the_same_key_is_derived(rig, hold, plant):
    rig.crash(plant=plant)
    assert rig.world().deliveries == []
    result = rig.go_on()
    assert len(rig.world().deliveries) == 1
    hold(rig.world(), result)


def test_intent_durable_and_not_sent_is_sent_again_with_the_same_key(rig, hold):
    rig.crash(point="before_effect")
    assert rig.world().deliveries == []
    result = rig.go_on()
    assert len(rig.world().deliveries) == 1
    hold(rig.world(), result)


def test_sent_and_not_applied_is_sent_again_with_the_same_key(rig, hold):
    rig.crash(plant="before_applying")
    assert rig.world().deliveries == []
    result = rig.go_on()
    assert len(rig.world().deliveries) == 1
    hold(rig.world(), result)


def test_applied_without_a_reply_is_sent_again_and_the_target_returns_the_first_receipt(rig, hold):
    rig.crash(plant="after_applying")
    assert rig.world().count("publish") == 1
    result = rig.go_on()
    receipts = {line["receipt"] for line in rig.world().deliveries}
    assert (len(rig.world().deliveries), len(receipts), rig.world().count("publish")) == (2, 1, 1)
    hold(rig.world(), result)


@pytest.mark.parametrize(
    "settings", [{"point": "after_effect"}, {"plant": "before_confirmed"}, {"plant": "in_confirmed"}]
)
def test_applied_and_its_reply_not_committed_is_sent_again_with_the_same_key(rig, hold, settings):
    rig.crash(**settings)
    assert rig.world().count("publish") == 1
    result = rig.go_on()
    assert (len(rig.world().deliveries), rig.world().count("publish")) == (2, 1)
    hold(rig.world(), result)


@pytest.mark.parametrize("point", ["before_acknowledge", "before_result"])
def test_an_outcome_durable_and_not_acted_on_sends_nothing(rig, hold, point):
    rig.crash(point=point)
    assert rig.world().count("publish") == 1
    result = rig.go_on()
    assert len(rig.world().deliveries) == 1
    hold(rig.world(), result)


def test_an_outcome_partly_acted_on_issues_its_consequences_again(rig, twin, hold):
    assert twin.counts["partly_acted"] >= 1
    rig.crash(point="partly_acted")
    result = rig.go_on()
    assert len(rig.world().deliveries) == 1
    hold(rig.world(), result)


def test_while_recovering_and_resending_it_lands_once(rig, hold):
    rig.crash(point="before_effect")
    rig.crash(rig.resumed, point="recovering")
    rig.crash(rig.resumed, point="before_effect")
    rig.crash(rig.resumed, plant="after_applying")
    rig.crash(rig.resumed, point="recovering")
    rig.crash(rig.resumed, point="after_effect")
    assert rig.world().count("publish") == 1
    result = rig.go_on()
    assert (len(rig.world().deliveries), rig.world().count("publish")) == (3, 1)
    hold(rig.world(), result)


@pytest.fixture(scope="module")
def undone_spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "undone.orch"
    path.write_text(UNDONE, "utf-8")
    return path


@pytest.fixture
def undone(make_rig, undone_spec):
    return lambda: make_rig(spec=undone_spec, given={"topic": "t"}, speed=50)


@pytest.fixture(scope="module")
def undone_twin(tmp_path_factory, undone_spec, twin_of):
    return twin_of(tmp_path_factory.mktemp("undone"), spec=undone_spec, given={"topic": "t"}, speed=50)


UNDO_POINTS = ["before_effect:2", "after_effect:2", "before_acknowledge:2", "before_result:1"]


@pytest.mark.parametrize("point", UNDO_POINTS)
def test_in_an_undo_the_same_holds_for_the_undo_and_the_original_is_never_sent_again(undone, undone_twin, hold, point):
    rig = undone()
    rig.crash(point=point)
    published = [line for line in rig.world().deliveries if line["effect"] == "publish"]
    assert len(published) == 1
    result = rig.go_on()
    assert result["status"] == "failed"
    assert [line for line in rig.world().deliveries if line["effect"] == "publish"] == published
    assert rig.world().count("retract") == 1
    hold(rig.world(), result, undone_twin)


def test_the_undisturbed_undo_did_and_undid_once(undone_twin):
    assert (undone_twin.world.count("publish"), undone_twin.world.count("retract")) == (1, 1)
    assert undone_twin.counts["before_effect"] == 2
