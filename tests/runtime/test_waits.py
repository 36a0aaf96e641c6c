"""A route, a wait and a revert, on the real clock."""

import asyncio

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime.journal import MemoryStore

SPEC = """orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft { timeout = 30s }
effect publish(note: Text) -> Text { key = note  undo = retract(url: result) }
effect retract(url: Text) { key = url }
flow turned(topic: Text) -> Text {
  step url = publish(note: topic)
  wait 50ms
  step draft = Draft(url) by ann
  route kept {
    when draft == "good" -> give "kept"
    else -> { revert url  give "reverted" }
  }
  return kept
}
"""


def test_on_the_real_clock_a_run_waits_routes_and_reverts():
    plan = compile_text(SPEC, "spec.orch").plan
    app = orchspec.App(plan)
    sent = []
    app.agent("ann")(lambda task, topic: "bad")

    @app.effect("publish")
    async def publish(call, note):
        sent.append("publish")
        return "u"

    @app.effect("retract")
    async def retract(call, url):
        sent.append(f"retract {url}")

    store = MemoryStore(encode=True)
    result = asyncio.run(app.run("turned", {"topic": "t"}, store=store))
    assert (result.status, result.result) == ("completed", "reverted")
    assert sent == ["publish", "retract u"]
    times = {record.type: record.time_us for record in reversed(store.records(result.run))}
    assert times["TaskEnrolled"] - times["EffectConfirmed"] >= 50_000
