"""What the compiler proves: specs that are refused, and near ones that are accepted."""

import pytest

from orchspec.compiler.check import check
from orchspec.grammar.source import Source

PRELUDE = """orch 1
type Idea { text: Text  score: Float }
contract Draft(topic: Text) -> Idea
contract Lead(topic: Text, so_far: List<Done>) -> Delegation<Idea>
agent ann fulfills Draft { timeout = 1min }
effect tell(text: Text, to: Text) -> Text { key = text  timeout = 10s }
signal paid(order: Text) -> Bool
"""
TELLING = "flow telling(text: Text, to: Text) -> Text { step told = tell(text, to)  return told }\n"
TWICE = "flow twice(a: Text, b: Text) -> Text { step told = telling(a, b)  return told }\n"


def found(text):
    return check(Source("sample.orch", PRELUDE + text)).diagnostics


def codes(text):
    return {each.code.id for each in found(text)}


def looping(call):
    return (
        TELLING
        + TWICE
        + "flow f(topic: Text) -> Text { repeat last 3 times { "
        + f"step told = {call}  until len(told) > 3  give told }}  return last }}"
    )


@pytest.mark.parametrize(
    ("call", "refused"),
    [
        ('telling("a", topic)', True),
        ('telling(topic, "b" + text(len(past)))', True),
        ('telling("a" + text(len(past)), topic)', False),
        ('twice("a", "b" + text(len(past)))', True),
        ('twice("a" + text(len(past)), "b")', False),
    ],
)
def test_a_key_in_a_flow_that_is_called_in_a_loop_reads_what_the_loop_hands_over(call, refused):
    assert ("E0703" in codes(looping(call))) is refused


def test_a_key_of_a_called_flow_that_reads_what_an_agent_said_may_stand_in_a_loop():
    flow = "flow fresh(t: Text) -> Text { step idea = Draft(t) by ann  step told = tell(idea.text, t)  return told }\n"
    loop = 'flow f() -> Text { repeat r 3 times { step told = fresh("a")  until len(told) > 3  give told }  return r }'
    assert "E0703" not in codes(flow + loop)


@pytest.mark.parametrize(
    ("slots", "workers", "refused"),
    [("1", "cy", True), ("2", "cy", False), ("1..3", "cy", False), ("1", "cy, ann", False), ("1", "ann", False)],
)
def test_a_lead_does_not_hand_its_last_slot_to_itself(slots, workers, refused):
    agent = f"agent cy fulfills Lead, Draft {{ slots = {slots}  timeout = 1min }}\n"
    lead = f"supervise idea = Lead(t) by cy {{ workers = [{workers}]  rounds = 2 }}"
    flow = f"flow f(t: Text) -> Idea {{ {lead}  return idea }}"
    assert ("E1205" in codes(agent + flow)) is refused


def test_advice_on_an_arm_names_what_it_calls():
    text = "flow f(t: Text) -> Bool { route r { when len(t) > 3 -> paid(t)  else -> give true }  return r }"
    [message] = [each.message for each in found(text) if each.code.id == "A0420"]
    assert message.startswith("nothing bounds the time that `paid` waits")
