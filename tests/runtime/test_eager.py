"""Handlers begin at once, and cannot tell: their task, their context and their cancellation are their own."""

import asyncio
import contextvars

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime.driver.eager import Starter
from orchspec.runtime.driver.tempo import HERE_S, Tempo

NAME = contextvars.ContextVar("name", default="nobody")


class Stage:
    """Coroutines that a starter begins in one turn of a loop, and what becomes of them."""

    def __init__(self):
        self.ends = {}
        self.tasks = {}

    def play(self, *coroutines, after=lambda stage: None, turns=20):
        async def everything():
            loop = asyncio.get_running_loop()
            begun = loop.create_future()

            def begin():
                starter, context = Starter(loop), contextvars.copy_context()
                for number, coroutine in enumerate(coroutines):
                    told = self.told(number)
                    self.tasks[number] = starter.start(coroutine, context, told)
                after(self)
                begun.set_result(None)

            loop.call_soon(begin)
            await begun
            self.at_once = dict(self.ends)
            for _ in range(turns):
                await asyncio.sleep(0)

        asyncio.run(everything())
        return self

    def told(self, number):
        def told(returned, error):
            assert number not in self.ends, "it ends once"
            self.ends[number] = returned if error is None else error

        return told


async def gives(value):
    return value


def test_who_never_waits_is_over_at_once_without_a_task():
    stage = Stage().play(gives(1), gives(2))
    assert stage.at_once == {0: 1, 1: 2}
    assert stage.tasks == {0: None, 1: None}


def test_who_waits_goes_on_as_the_task_that_it_began_as():
    async def looks():
        seen = [asyncio.current_task()]
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
            seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        return [*seen, asyncio.current_task()]

    stage = Stage().play(gives(0), looks(), looks())
    assert stage.at_once == {0: 0}
    assert stage.ends[1] == [stage.tasks[1]] * 3
    assert stage.ends[2] == [stage.tasks[2]] * 3
    assert stage.tasks[1] is not stage.tasks[2]


def test_a_task_that_somebody_knows_is_nobody_elses():
    kept = []

    async def keeps():
        kept.append(asyncio.current_task())

    async def calls_back():
        asyncio.current_task().add_done_callback(lambda _task: None)
        kept.append(asyncio.current_task())

    async def forgets():
        return id(asyncio.current_task())

    Stage().play(keeps(), keeps(), calls_back(), keeps())
    assert len(set(map(id, kept))) == 4
    stage = Stage().play(forgets(), forgets())
    assert stage.ends[0] == stage.ends[1], "one that nobody knows is used again"


def test_a_task_that_is_cancelled_late_cancels_nobody_else():
    known = []

    async def keeps():
        known.append(asyncio.current_task())
        return "kept"

    async def waits():
        await asyncio.sleep(0)
        return "waited"

    stage = Stage().play(keeps(), waits(), after=lambda _stage: known[0].cancel())
    assert stage.ends == {0: "kept", 1: "waited"}


def test_what_one_sets_in_its_context_no_other_sees():
    async def sets(value):
        before = NAME.get()
        NAME.set(value)
        if value == "b":
            await asyncio.sleep(0)
        return before, NAME.get()

    stage = Stage().play(sets("a"), sets("b"), sets("c"))
    assert stage.ends == {0: ("nobody", "a"), 1: ("nobody", "b"), 2: ("nobody", "c")}
    assert NAME.get() == "nobody"


def test_what_is_raised_is_told_now_or_later():
    async def fails(turns):
        for _ in range(turns):
            await asyncio.sleep(0)
        raise ValueError(turns)

    stage = Stage().play(fails(0), fails(2))
    assert list(map(str, stage.at_once.values())) == ["0"]
    assert list(map(str, stage.ends.values())) == ["0", "2"]


@pytest.mark.parametrize("turns", [0, 3])
def test_a_cancellation_reaches_what_is_waited_for(turns):
    inner = []

    async def helper():
        await asyncio.Event().wait()

    async def waits():
        inner.append(asyncio.ensure_future(helper()))
        try:
            await inner[0]
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return "tidied"

    def cancel(stage):
        if turns == 0:
            stage.tasks[0].cancel()
        else:
            asyncio.get_running_loop().call_later(0, stage.tasks[0].cancel)

    stage = Stage().play(waits(), after=cancel, turns=200)
    assert stage.ends == {0: "tidied"}
    assert inner[0].cancelled()


def test_a_cancellation_is_not_lost_on_what_is_done_already():
    waited = []

    async def waits():
        waited.append(asyncio.get_running_loop().create_future())
        await waited[0]

    async def sleeps():
        await asyncio.sleep(0)

    def cancel(stage):
        waited[0].set_result(1)
        for number in (0, 1):
            stage.tasks[number].cancel()

    stage = Stage().play(waits(), sleeps(), after=cancel)
    assert [type(end) for end in stage.ends.values()] == [asyncio.CancelledError] * 2


def test_it_may_begin_within_a_task_too():
    async def within():
        loop = asyncio.get_running_loop()
        mine, ends = asyncio.current_task(), []
        task = Starter(loop).start(gives(1), contextvars.copy_context(), lambda *end: ends.append(end))
        return task, ends, asyncio.current_task() is mine

    assert asyncio.run(within()) == (None, [(1, None)], True)


# ------------------------------------------------------------------ agents

SPEC = """orch 1
type Note { text: Text  tags: List<Text> }
contract Write(note: Note) -> Note
contract Tell(note: Note) -> Text
agent ann fulfills Write, Tell {}
flow main(note: Note) -> Text {
  step one = Write(note) by ann
  step two = Write(one) by ann
  step three = Tell(one) by ann
  return three
}
"""


def test_what_a_handler_changes_of_its_inputs_is_its_own_copy():
    app = orchspec.App(compile_text(SPEC, "a.orch").plan)

    @app.contract("Write")
    async def write(_task, note):
        note["tags"].append("mine")
        return note

    @app.contract("Tell")
    async def tell(_task, note):
        return ",".join(note["tags"])

    result = app.run_sync("main", {"note": {"text": "x", "tags": ["theirs"]}})
    assert result.result == "theirs,mine"


def test_agents_are_called_in_the_context_of_whoever_asked_for_their_run():
    app = orchspec.App(compile_text(SPEC, "a.orch").plan)
    seen = []

    @app.contract("Write")
    async def write(task, note):
        seen.append((task.run, NAME.get()))
        NAME.set("somebody else")
        await asyncio.sleep(0)
        return note

    @app.contract("Tell")
    async def tell(task, note):
        seen.append((task.run, NAME.get()))
        return note["text"]

    async def ask(name):
        NAME.set(name)
        await app.run("main", {"note": {"text": "x", "tags": []}}, store=store, run_id=name)

    async def both():
        await asyncio.gather(ask("a"), ask("b"))

    from orchspec.runtime.journal import MemoryStore

    store = MemoryStore()
    asyncio.run(both())
    assert sorted(seen) == [("a", "a")] * 3 + [("b", "b")] * 3


def test_a_task_has_all_its_parts_and_no_others():
    app = orchspec.App(compile_text(SPEC, "a.orch").plan)
    seen = {}

    @app.agent("ann")
    async def ann(task, note):
        seen.update({name: getattr(task, name) for name in type(task).__mro__[1].__dataclass_fields__})
        assert "ann" in repr(task)
        with pytest.raises(AttributeError, match="nonsense"):
            _ = task.nonsense
        return note if task.contract == "Write" else note["text"]

    assert app.run_sync("main", {"note": {"text": "x", "tags": []}}).result == "x"
    assert (seen["step"], seen["contract"], seen["attempt"], seen["turns_left"]) == ("three", "Tell", 1, None)
    assert (seen["inputs"], seen["history"], seen["tools"]) == ({"note": {"text": "x", "tags": []}}, [], ())


# ------------------------------------------------------------------ where commits are made


def test_a_slow_disk_is_noticed_and_a_quick_one_again():
    tempo = Tempo()
    assert tempo.here(lambda: False)
    tempo.took(HERE_S * 10, 2)
    assert not tempo.here(lambda: False)
    assert tempo.here(lambda: True)
    for _ in range(30):
        tempo.took(HERE_S / 10, 2)
    assert tempo.here(lambda: False)


def test_a_large_batch_is_no_slow_disk():
    tempo = Tempo()
    for _ in range(10):
        tempo.took(0.02, 2_000)
    assert tempo.here(lambda: False)
