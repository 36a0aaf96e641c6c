"""Effects on the real clock: those that agents ask for, and those that a check or a person settles."""

import asyncio

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime.driver.clock import wall_us
from orchspec.runtime.errors import MissingHandlers, NotAllowed
from orchspec.runtime.journal import MemoryStore

SPEC = """orch 1
contract Reply(order: Text) -> Text
contract Look(order: Text) -> Bool
agent ann fulfills Reply { effects = [refund, mail]  attempts = 2 }
human eve fulfills Look {}
effect refund(order: Text, why: Text) -> Text { key = order  undo = charge(receipt: result) }
effect charge(receipt: Text) { key = receipt }
effect paid(order: Text) -> Text? { idempotent = true }
effect pay(order: Text) -> Text { check = paid(order: order)  settles = 10s }
effect mail(order: Text) -> Text { in_doubt = ask(eve, within: 1d)  settles = 10s }
flow reply(order: Text) -> Text { step answer = Reply(order) by ann  return answer }
flow bought(order: Text) -> Text { step receipt = pay(order: order)  return receipt }
flow mailed(order: Text) -> Text { step receipt = mail(order: order)  return receipt }
"""
GIVEN = {"order": "a"}


@pytest.fixture
def sent():
    return []


@pytest.fixture
def app(sent):
    compiled = compile_text(SPEC, "spec.orch")
    assert compiled.plan is not None, compiled.errors
    app = orchspec.App(compiled.plan)

    @app.effect("refund")
    def refund(call, order, why):
        sent.append(("refund", call.key, order, why))
        return f"receipt of {order}"

    app.effect("charge")(lambda call, receipt: sent.append(("charge", call.key, receipt)))
    app.effect("mail")(lambda call, order: f"mail of {order}")
    app.effect("paid")(lambda call, order: None)
    return app


def names(sent):
    return [each[0] for each in sent]


# ------------------------------------------------------------------ agents


def test_an_agent_awaits_its_effect_and_gets_the_receipt(app, sent):
    @app.agent("ann")
    async def ann(task, order):
        assert task.effects == ("refund", "mail")
        return await task.effect("refund", why="late")

    assert app.run_sync("reply", GIVEN).result == "receipt of a"
    assert [each[2:] for each in sent] == [("a", "late")]


def test_a_synchronous_agent_does_it_without_await(app, sent):
    app.agent("ann")(lambda task, order: task.effect("refund", why="late"))
    assert app.run_sync("reply", GIVEN).result == "receipt of a"
    assert names(sent) == ["refund"]


def test_an_attempt_that_is_made_again_gets_the_receipt_of_the_first(app, sent):
    @app.agent("ann")
    async def ann(task, order):
        receipt = await task.effect("refund", why="late")
        if task.attempt == 1:
            raise RuntimeError("it slipped")
        return receipt

    assert app.run_sync("reply", GIVEN).result == "receipt of a"
    assert names(sent) == ["refund"]


def test_what_an_agent_did_is_undone_if_its_task_fails(app, sent):
    @app.agent("ann")
    async def ann(task, order):
        await task.effect("refund", why="late")
        raise RuntimeError("it slipped")

    assert app.run_sync("reply", GIVEN).status == "failed"
    assert names(sent) == ["refund", "charge"]


def test_what_is_not_declared_or_does_not_fit_is_an_error_to_the_agent(app, sent):
    told = []

    @app.agent("ann")
    async def ann(task, order):
        for name, args in (("charge", {"receipt": "x"}), ("refund", {}), ("refund", {"why": "late", "order": "b"})):
            with pytest.raises(NotAllowed) as caught:
                await task.effect(name, **args)
            told.append(str(caught.value))
        return "nothing"

    assert app.run_sync("reply", GIVEN).result == "nothing"
    assert sent == []
    assert "may not do the effect 'charge' (it may do refund, mail)" in told[0]
    assert "why" in told[1]
    assert "leave it out" in told[2]


def test_an_effect_that_is_refused_is_an_error_that_says_which(app):
    @app.effect("refund")
    def refund(call, order, why):
        raise RuntimeError("the bank is closed")

    @app.agent("ann")
    async def ann(task, order):
        with pytest.raises(orchspec.EffectFailed, match="the bank is closed") as caught:
            await task.effect("refund", why="late")
        return caught.value.reason

    assert app.run_sync("reply", GIVEN).result == "effect_refused"


def test_other_arguments_under_the_same_key_are_a_conflict(app, sent):
    @app.agent("ann")
    async def ann(task, order):
        await task.effect("refund", why="late")
        with pytest.raises(orchspec.EffectFailed) as caught:
            await task.effect("refund", why="broken")
        return caught.value.reason

    assert app.run_sync("reply", GIVEN).result == "effect_conflict"
    assert names(sent) == ["refund"]


def test_an_effect_that_is_not_awaited_is_done_before_the_task_ends(app, sent):
    pending = []

    @app.agent("ann")
    async def ann(task, order):
        pending.append(asyncio.ensure_future(task.effect("refund", why="late")))
        await asyncio.sleep(0)
        return "done"

    assert app.run_sync("reply", GIVEN).result == "done"
    assert names(sent) == ["refund"]
    assert isinstance(pending[0].exception() if pending[0].done() else None, (orchspec.AttemptStopped, type(None)))


def test_a_flow_needs_the_effects_of_its_agents_and_what_undoes_them():
    compiled = compile_text(SPEC, "spec.orch")
    app = orchspec.App(compiled.plan)
    app.agent("ann")(lambda task, order: "x")
    with pytest.raises(MissingHandlers) as caught:
        app.run_sync("reply", GIVEN)
    for name in ("refund", "charge", "mail"):
        assert f"the effect {name}:" in str(caught.value)


# ------------------------------------------------------------------ doubt


def test_a_check_is_asked_with_the_key_of_what_is_in_doubt_and_its_receipt_counts(app):
    keys = []

    @app.effect("pay")
    def pay(call, order):
        keys.append(call.key)
        raise orchspec.InDoubt

    @app.effect("paid")
    def paid(call, order):
        assert (call.checks, call.key) == (True, keys[0])
        return f"receipt of {order}"

    assert app.run_sync("bought", GIVEN, speed=1000).result == "receipt of a"
    assert len(keys) == 1


def test_what_the_check_does_not_find_is_sent_again(app):
    sends = []

    @app.effect("pay")
    def pay(call, order):
        sends.append(call.key)
        if len(sends) == 1:
            raise orchspec.InDoubt
        return "paid"

    assert app.run_sync("bought", GIVEN, speed=1000).result == "paid"
    assert len(sends) == 2


@pytest.fixture
def unsure(app):
    sends = []

    @app.effect("mail")
    def mail(call, order):
        sends.append(order)
        if len(sends) == 1:
            raise orchspec.InDoubt
        return "sent again"

    return sends


@pytest.mark.parametrize(
    ("said", "result", "sends"),
    [({"done": True, "result": "found"}, "found", 1), ({"done": False}, "sent again", 2)],
    ids=["done", "not done"],
)
def test_a_run_in_doubt_is_parked_until_a_person_has_looked(app, unsure, said, result, sends):
    store = MemoryStore()
    assert app.run_sync("mailed", GIVEN, store=store, run_id="r", speed=1000).status == "parked"
    (question,) = store.questions()
    assert (question.place, question.who, question.inputs) == ("receipt?eve", "eve", {"order": "a"})
    store.post_mail("answer", posted_us=wall_us(), run="r", place="receipt?eve", value=said, by="Eve")
    done = asyncio.run(app.resume(store, "r"))
    assert (done.status, done.result, len(unsure)) == ("completed", result, sends)


def test_a_person_who_says_that_it_was_done_gives_the_receipt_with_it(app, unsure):
    store, told = MemoryStore(), []
    assert app.run_sync("mailed", GIVEN, store=store, run_id="r", speed=1000).status == "parked"
    store.post_mail("answer", posted_us=wall_us(), run="r", place="receipt?eve", value={"done": True}, by="Eve")
    again = asyncio.run(app.resume(store, "r", tell=told.append))
    assert again.status == "parked"
    assert any("not used" in each for each in told)


def test_an_agent_that_waits_for_a_person_to_look_parks_the_run_and_gets_the_receipt(app, unsure):
    asked = []

    @app.agent("ann")
    async def ann(task, order):
        asked.append(task.attempt)
        return await task.effect("mail", order=order)

    store = MemoryStore()
    assert app.run_sync("reply", GIVEN, store=store, run_id="r", speed=1000).status == "parked"
    place = "answer/mail?eve"
    store.post_mail(
        "answer", posted_us=wall_us(), run="r", place=place, value={"done": True, "result": "found"}, by="Eve"
    )
    done = asyncio.run(app.resume(store, "r"))
    assert (done.status, done.result, asked, len(unsure)) == ("completed", "found", [1, 1], 1)


@pytest.mark.parametrize(
    ("given", "named"),
    [(("a", "late"), {}), (("a",), {"why": "late"}), (({"order": "a", "why": "late"},), {}), (({"why": "late"},), {})],
)
def test_arguments_of_an_effect_come_in_order_by_name_or_as_one_dict(app, sent, given, named):
    @app.agent("ann")
    async def ann(task, order):
        return await task.effect("refund", *given, **named)

    result = app.run_sync("reply", GIVEN, store=MemoryStore())
    assert (result.status, result.result) == ("completed", "receipt of a")
    assert [each[2:] for each in sent] == [("a", "late")]


@pytest.mark.parametrize(
    ("given", "named", "said"),
    [
        (("a", "b", "c"), {}, "refund takes (order, why), and 3 arguments were given"),
        (("a",), {"order": "a", "why": "x"}, "order is given twice"),
        (({"order": "a", "nothing": 1},), {}, "order"),
    ],
)
def test_arguments_that_an_effect_does_not_take_are_told(app, sent, given, named, said):
    @app.agent("ann")
    async def ann(task, order):
        with pytest.raises(NotAllowed) as raised:
            await task.effect("refund", *given, **named)
        return raised.value.message

    assert said in app.run_sync("reply", GIVEN, store=MemoryStore()).result
    assert sent == []


@pytest.mark.parametrize("error", [GeneratorExit, SystemExit, asyncio.CancelledError, StopAsyncIteration])
def test_whatever_an_agent_raises_is_a_failed_attempt(app, error):
    @app.agent("ann")
    async def ann(task, order):
        if task.attempt == 1:
            raise error
        return "done"

    result = app.run_sync("reply", GIVEN, store=MemoryStore())
    assert (result.status, result.result) == ("completed", "done")
