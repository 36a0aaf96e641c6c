"""The spec whose functions the tests of `App` bind, what its writer gives, and a run of it on the real clock."""

from __future__ import annotations

__all__ = ["GOOD", "SPEC", "run"]

SPEC = """orch 1
type Draft { id: Text  score: Float }
contract Write(topic: Text) -> Draft { expects = "Write it."  ensures = result.score >= 0.5 }
contract Judge(draft: Draft) -> Bool { expects = "Is it good?" }
model small { input = $1 / 1M  output = $2 / 1M  context = 10k }
tool press { slots = 1 }
agent writer fulfills Write { models = [small]  tools = [press] }
agent poet fulfills Write { models = [small] }
human editor fulfills Judge {}
effect publish(draft: Draft) -> Url { key = draft.id }
flow write(topic: Text) -> Draft { step draft = Write(topic) by writer { attempts = 2 }  return draft }
flow two(topic: Text) -> Int {
  step both = Write(topic) by all of [writer, poet]
  return len(both)
}
flow many(topics: List<Text>) -> Int {
  step all_of_them = Write(topic) by writer for topic in topics
  return len(all_of_them)
}
flow post(topic: Text) -> Url {
  step draft = Write(topic) by writer
  step url = publish(draft: draft)
  return url
}
flow timed(topic: Text) -> Draft { step draft = Write(topic) by writer { attempts = 2  timeout = 20s }  return draft }
"""
GOOD = {"id": "a", "score": 0.9}


def run(app, flow="write", inputs=None, **settings):
    """The result of a flow, given the topic "t" unless told otherwise."""
    return app.run_sync(flow, {"topic": "t"} if inputs is None else inputs, **settings)
