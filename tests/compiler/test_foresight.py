"""What a round gives may be handed what it gave in the round before; mistakes are told all the same."""

import pytest

from orchspec.compiler.check import check
from orchspec.grammar.source import Source

_AGAIN = """orch 1
enum Kind { short, long }
type Idea { text: Text  score: Float }
contract Draft(topic: Text, old: Text?) -> Idea
contract Many(topic: Text, old: List<Idea>) -> Idea
contract Sort(topic: Text) -> Kind
contract Lead(topic: Text, old: Text?, so_far: List<Done>) -> Delegation<Idea>
contract Talk(topic: Text, old: Text?, so_far: Idea?) -> Turn<Idea>
agent ann fulfills Draft, Many, Sort, Lead, Talk { timeout = 5s }
agent bob fulfills Draft, Many, Lead, Talk { timeout = 5s }
flow f(topic: Text) -> Idea {
  repeat best 3 times {
    STATEMENT
    until x.score > 0.5
    give x
  }
  return best
}
"""


@pytest.mark.parametrize(
    "statement",
    [
        "scope x { step i = Draft(topic, old: prev.x.text) by ann  give i }",
        """scope x { step i = Draft(topic, prev.x.text) by ann { on_failure = skip }
          step j = Draft(topic, none) by bob  give i ?? j }""",
        "scope xs for t in [topic] { step i = Many(t, old: prev.xs ?? []) by ann  give i }\n    let x = xs[0]",
        """step k = Sort(topic) by ann  route x on k { case Kind.short -> Draft(topic, prev.x.text) by ann
          case Kind.long -> { step i = Draft(topic, old: prev.x.text) by bob  give i } }""",
        "repeat x 2 times { step i = Draft(topic, old: prev.i.text) by ann  until i.score > 0.2  give i }",
        "supervise x = Lead(topic, prev.x.text) by ann { workers = [bob]  rounds = 2 }",
        "peers x = Talk(topic, old: prev.x.text) among [ann, bob] { start = ann  hops = 2  handoff ann -> bob }",
        """scope y { step i = Draft(topic, prev.x.text) by ann  give i }
          scope x { step i = Draft(topic, prev.y.text) by bob  give i }""",
    ],
)
def test_what_a_round_gives_may_be_handed_what_it_gave_in_the_round_before(statement):
    found = check(Source("sample.orch", _AGAIN.replace("STATEMENT", statement))).diagnostics
    assert [item.message for item in found if item.severity == "error"] == []


def test_a_mistake_is_told_though_a_let_above_it_reads_its_name_of_an_earlier_round():
    text = _AGAIN.replace("STATEMENT", "let n = (prev.x.text ?? topic) + topic\n    step x = Draft(17, old: n) by ann")
    found = check(Source("sample.orch", text)).diagnostics
    assert [item.code.id for item in found if item.severity == "error"] == ["E0301"]
