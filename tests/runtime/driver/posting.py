"""The spec that the tests of the driver run: drafts that are posted, judged by a person, or withdrawn."""

from __future__ import annotations

import asyncio

from orchspec.compiler import compile_text
from orchspec.runtime.driver.clock import wall_us

__all__ = ["DRAFT", "GIVEN", "SPEC", "answer", "compiled", "resume", "types"]

SPEC = """orch 1
type Draft { id: Text  body: Text }
type Review { ok: Bool  notes: Text }
contract Write(topic: Text) -> Draft { expects = "Write it." }
contract Judge(draft: Draft) -> Review { expects = "Is it good?" }
agent writer fulfills Write {}
human editor fulfills Judge {}
effect publish(draft: Draft) -> Url { key = draft.id  undo = retract(url: result) }
effect retract(url: Url) { key = url }
flow post(topic: Text) -> Url {
  step draft = Write(topic) by writer
  step url = publish(draft: draft)
  return url
}
flow judged(topic: Text) -> Bool {
  step draft = Write(topic) by writer
  step review = Judge(draft) by editor { timeout = 1h }
  return review.ok
}
flow withdrawn(topic: Text) -> Url {
  step draft = Write(topic) by writer
  step url = publish(draft: draft)
  step review = Judge(draft) by editor { after = [url] }
  fail "not good" when not review.ok
  return url
}
flow alone(topic: Text) -> Draft { step draft = Write(topic) by writer  return draft }
"""
GIVEN = {"topic": "t"}
DRAFT = {"id": "d", "body": "text"}


def compiled(text=SPEC):
    """The plan of a text, which must have no errors."""
    found = compile_text(text, "spec.orch")
    assert found.plan is not None, found.errors
    return found.plan


def answer(store, value, *, place="review", posted_us=None, run="r"):
    """Post Ada's answer to the question of a place, now unless told when (microseconds)."""
    posted = wall_us() if posted_us is None else posted_us
    return store.post_mail("answer", posted_us=posted, run=run, place=place, value=value, by="Ada")


def resume(app, store, **settings):
    """The result of run "r", resumed."""
    return asyncio.run(app.resume(store, "r", **settings))


def types(store, run="r"):
    """The types of a run's records in their order."""
    return [record.type for record in store.records(run)]
