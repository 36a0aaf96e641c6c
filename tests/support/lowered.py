"""Statements of one flow, in a spec with everybody whom they may ask, and what they are lowered to."""

from orchspec.compiler import compile_text
from orchspec.compiler.plan import Block, Give

__all__ = ["DOLLAR", "PRELUDE", "SECOND", "compiled", "flow_of", "statement", "value_of"]

SECOND = 1_000_000
DOLLAR = 10**12

PRELUDE = """orch 1
enum Verdict { accept, revise }
type Note {
  text: Text  score: Float where score in 0.0..1.0  verdict: Verdict = Verdict.accept
  price: Money?  links: List<Url> = []
}
model large { input = $3 / 1M  output = $15 / 1M  context = 200k }
model small { input = $0.25 / 1M  output = $2 / 1M  context = 128k }
contract Draft(topic: Text, tone: Text = "plain", hint: Text?) -> Note {
  ensures = [result.score >= 0.1, len(topic) > 0]  reuse = 1d
}
contract Check(note: Note) -> Note
contract Pick(candidates: List<Note>) -> Note
policy patient { timeout = 10min  attempts = 3  backoff = exponential(from: 1s, to: 8s, jitter: 50%) }
policy hasty   { timeout = 5s }
agent ann fulfills Draft, Check, Pick {
  models = [large, small]  budget { tokens <= 10k }  policies = [patient, hasty]  attempts = 2  skill = 70%
}
agent bob fulfills Draft, Check {
  models = [small]  timeout = 30s  slots = 4  rate = 10 / 1s  skill = 90%
  breaker = breaker(failures: 5, within: 1min, rest: 30s)
}
human eve fulfills Draft, Check, Pick { timeout = 1h }
effect publish(note: Note) -> Url { key = note.text  undo = retract(url: result)  timeout = 20s  attempts = 2 }
effect retract(url: Url) { key = url }
param width: Int = 4
"""


def compiled(text):
    """The plan of a text below the prelude, which must have no errors."""
    result = compile_text(PRELUDE + text, "spec.orch")
    assert result.plan is not None, [(str(each.span), each.code.id, each.message) for each in result.errors]
    return result.plan


def flow_of(statements, params="topic: Text", result="Note"):
    """The flow that these statements become."""
    return compiled(f"flow f({params}) -> {result} {{\n{statements}\n}}").flows["f"]


def statement(block: Block, name):
    """The statement of a block that gives a name."""
    return next(each for each in block.statements if getattr(each, "name", None) == name)


def value_of(expr, params="a: Int", result="Bool"):
    """What an expression is lowered to where a flow returns it."""
    give = flow_of(f"return {expr}", params, result).body.statements[-1]
    assert isinstance(give, Give)
    return give.value
