"""Agents talk on channels, on the real clock and through a real store."""

import asyncio
import json

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime.journal import MemoryStore, SQLiteStore

SPEC = """orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft { timeout = 30s }
agent bob fulfills Draft { timeout = 30s }
channel news(note: Text) { from = [ann, work]  to = all }
flow work(topic: Text) -> Text {
  step a = Draft(topic) by ann
  send news(note: "after " + a)
  step b = Draft(a) by bob
  return b
}
"""


def ran(ann, store=None):
    app = orchspec.App(compile_text(SPEC, "spec.orch").plan)
    app.agent("ann")(ann)

    @app.agent("bob")
    async def bob(task, topic):
        return json.dumps([[each.channel, each.sender, each.values] for each in task.inbox])

    return asyncio.run(app.run("work", {"topic": "t"}, store=store or MemoryStore(), run_id="r"))


def test_an_agent_s_message_is_durable_when_send_returns_and_reaches_the_next_task(tmp_path):
    store = SQLiteStore(tmp_path / "runs.db")
    seen = []

    async def ann(task, topic):
        await task.send("news", note="early")
        seen.extend(record.type for record in store.records("r"))
        return "x"

    result = ran(ann, store)
    assert result.status == "completed"
    assert json.loads(result.result) == [
        ["news", "ann", {"note": "early"}],
        ["news", "work", {"note": "after x"}],
    ]
    assert "MessagePosted" in seen
    store.close()


def test_a_synchronous_handler_sends_without_await():
    def ann(task, topic):
        task.send("news", note="from a thread")
        return "x"

    assert json.loads(ran(ann).result)[0] == ["news", "ann", {"note": "from a thread"}]


@pytest.mark.parametrize(
    ("channel", "values", "why"),
    [
        ("secret", {"note": "x"}, "may not send on the channel 'secret' (it may send on news)"),
        ("news", {"no": 1}, "no"),
    ],
)
def test_what_no_channel_permits_is_an_error_of_that_agent(channel, values, why):
    told = []

    async def ann(task, topic):
        try:
            await task.send(channel, **values)
        except orchspec.OrchError as error:
            told.append((error.code, error.message))
        return "x"

    assert ran(ann).status == "completed"
    ((code, message),) = told
    assert code == "not_allowed"
    assert why in message
