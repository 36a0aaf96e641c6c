"""A handler that cannot be cancelled holds up nobody who runs an app without a loop of their own."""

import asyncio

import orchspec
from orchspec.compiler import compile_text
from orchspec.testing import virtual_time

SPEC = """orch 1
contract Ask(q: Text) -> Text
agent deaf fulfills Ask
agent ann fulfills Ask
flow raced(q: Text) -> Text {
  step found = Ask(q) by first of [deaf, ann]
  return found
}
"""


def test_run_sync_comes_back_though_a_handler_does_not_hear_that_it_is_to_stop():
    app = orchspec.App(compile_text(SPEC, "a.orch").plan.sealed())

    @app.agent("deaf")
    async def deaf(task, q):
        for _ in range(10_000):  # each cancels one wait at most
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue
        return q

    @app.agent("ann")
    async def ann(task, q):
        await asyncio.sleep(1)
        return q

    with virtual_time() as clock:
        assert app.run_sync("raced", {"q": "?"}).result == "?"
        assert clock.elapsed.total_seconds() < 60
