"""The spec that each test of studies adds its profile, scenario or test to, and what is found in it or made of it."""

from orchspec.compiler import compile_text

__all__ = ["DOLLAR", "NOTE", "PRELUDE", "SECOND", "found", "plan_of", "scenario", "spec_test"]

SECOND = 1_000_000
DOLLAR = 10**12

PRELUDE = """orch 1
enum Verdict { accept, revise }
type Part { weight: Float  kind: Verdict }
type Note {
  text: Text  score: Float where score in 0.0..1.0  count: Int  price: Money  took: Duration  share: Percent
  good: Bool  verdict: Verdict  tags: List<Text>  part: Part  link: Url?
}
model large { input = $3 / 1M  output = $15 / 1M  context = 200k }
tool search { slots = 2 }
tool archive { slots = 2 }
contract Draft(topic: Text) -> Note
contract Count(topic: Text) -> Int
agent ann fulfills Draft { models = [large]  tools = [search]  timeout = 30s }
agent bob fulfills Draft, Count { timeout = 30s }
human eve fulfills Draft { timeout = 1h }
effect publish(note: Note) -> Url { key = note.text }
effect log(note: Note) { key = note.text }
param think: Duration = 5s
flow work(topic: Text, size: Int?) -> Note {
  step draft = Draft(topic) by ann
  step second = Draft(topic) by eve { only_if = size != none }
  step third = Count(topic) by bob
  fail "few" when third < 0 and second != none
  checkpoint drafted
  step url = publish(draft)
  step logged = log(draft)
  return draft
}
"""
NOTE = (
    '{ text: "a", score: 0.5, count: 1, price: $2.50, took: 90s, share: 5%, good: true, verdict: Verdict.accept, '
    'tags: ["x"], part: { weight: 1, kind: "revise" } }'
)


def found(text, folder=None):
    """(code, text of the span) of each error."""
    compiled = compile_text(PRELUDE + text, "spec.orch", folder=folder)
    return [(each.code.id, each.span.text) for each in compiled.errors]


def plan_of(text, folder=None):
    compiled = compile_text(PRELUDE + text, "spec.orch", folder=folder)
    assert compiled.plan is not None, [(each.code.id, each.message) for each in compiled.diagnostics]
    return compiled.plan


def scenario(items):
    return f'scenario "s" for work {{ {items} }}'


def spec_test(items):
    return f'test "t" for work {{ {items} }}'
