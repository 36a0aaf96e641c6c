"""A crash of a real process around effects without a key, and around those of agents: the rows of the table again."""

from collections import Counter

import pytest

DEEDS = """
orch 1
contract Reply(id: Text) -> Text
contract Look(id: Text) -> Bool
agent ann fulfills Reply { effects = [refund]  timeout = 5min }
human eve fulfills Look { timeout = 1h }
effect paid(id: Text) -> Text? { idempotent = true  timeout = 5s }
effect pay(id: Text) -> Text { check = paid(id: id)  settles = 20s  timeout = 20s }
effect mail(id: Text) -> Text { in_doubt = ask(eve, within: 1d)  settles = 20s  timeout = 20s }
effect tag(id: Text) -> Text { idempotent = true  timeout = 20s }
effect refund(id: Text, why: Text) -> Text { key = id  timeout = 20s }
flow work(id: Text) -> Text {
  step answer = Reply(id) by ann
  step tagged = tag(id: id) { after = [answer] }
  step bought = pay(id: id)
  step mailed = mail(id: bought)
  return mailed + tagged
}
profile ann { latency = fixed(10s)  effects = { refund: 100% } }
profile eve { latency = fixed(30s) }
"""
ORDER = ("refund", "tag", "pay", "mail")


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "deeds.orch"
    path.write_text(DEEDS, "utf-8")
    return path


@pytest.fixture
def rig(make_rig, spec):
    return make_rig(spec=spec, given={"id": "a"}, speed=100)


def once(rig, result):
    assert result["status"] == "completed", result
    applied = Counter(line["effect"] for line in rig.world().applied)
    applied["tag"] = min(applied["tag"], 1)  # it may be repeated
    assert applied == dict.fromkeys(ORDER, 1)


@pytest.mark.parametrize("nth", range(1, 5))
def test_intended_and_not_sent_it_is_done_once_in_the_end(rig, nth):
    rig.crash(point=f"before_effect:{nth}")
    once(rig, rig.go_on())


@pytest.mark.parametrize("nth", range(1, 5))
def test_done_and_its_reply_not_handed_on_it_is_not_done_again(rig, nth):
    rig.crash(point=f"after_effect:{nth}")
    before = len(rig.world().deliveries)
    once(rig, rig.go_on())
    sent = Counter(line["effect"] for line in rig.world().deliveries)
    assert (before, sent[ORDER[nth - 1]]) == (nth, 1 if ORDER[nth - 1] in ("pay", "mail") else 2)


def test_a_receipt_given_to_an_agent_whose_task_has_not_ended_is_given_again_and_nothing_is_sent(rig):
    rig.crash(point="receipt_given")
    assert [line["effect"] for line in rig.world().deliveries] == ["refund"]
    rig.crash(rig.resumed, point="receipt_given")
    once(rig, rig.go_on())
    assert [line["effect"] for line in rig.world().deliveries] == list(ORDER)
