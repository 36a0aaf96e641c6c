"""Channels: who gets what, in which task, and what survives retries and crashes."""

from dataclasses import replace

import pytest

from orchspec.compiler import compile_text
from orchspec.runtime.kernel.commands import AnswerCall, AskPerson, RunTask
from orchspec.runtime.kernel.events import MessagePosted
from orchspec.runtime.kernel.messages import INBOX_MAX, POSTS_MAX
from tests.support.driver import Driver, done, failing, hangs
from tests.support.invariants import assert_closed
from tests.support.plans import S

HEAD = """orch 1
contract Work(n: Int) -> Int
contract Judge(n: Int) -> Int
agent ann fulfills Work
agent bob fulfills Work { attempts = 3 }
agent cy fulfills Work { attempts = 3 }
human eve fulfills Judge
channel news(note: Text where len(note) < 90, score: Float?) { from = [ann, main]  to = all }
channel note(text: Text) { from = [main, bob]  to = [bob, cy] }
"""


def compiled(body):
    plan = compile_text(HEAD + f"flow main(n: Int) -> Int {{\n{body}\n}}", "main.orch").plan
    assert plan is not None
    return plan


def ran(body, **scripts):
    driver = Driver(compiled(body), **scripts)
    end = driver.run({"n": 1})
    assert_closed(driver)
    return end, driver


def inboxes(driver, agent):
    return [command.inbox for command in driver.tried(RunTask) if command.agent == agent]


def said(number, channel="news", place=1, attempt=1, dispatch=0, call=1, **values):
    return MessagePosted(0, place, attempt, dispatch, call, channel, values or {"note": f"n{number}"})


CHAIN = """
  step a = Work(n) by ann
  send news(note: "after ann")
  step b = Work(a) by bob
  step c = Work(b) by bob
  return c
"""


def test_what_a_flow_sends_is_in_the_next_task_of_each_receiver_and_in_no_later_one():
    end, driver = ran(CHAIN, ann=[done(2)], bob=[done(3), done(4)])
    assert end.result == 4
    assert inboxes(driver, "bob") == [[["news", "main", {"note": "after ann", "score": None}]], []]
    assert inboxes(driver, "ann") == [[]]


def test_a_send_stands_between_what_is_above_and_what_is_below():
    body = 'step a = Work(n) by ann\nsend news(note: "x")\nstep b = Work(n) by bob\nreturn a + b'
    _, driver = ran(body, ann=[done(2)], bob=[done(3)])
    assert [command.agent for command in driver.tried(RunTask)] == ["ann", "bob"]
    assert len(inboxes(driver, "bob")[0]) == 1


def test_messages_are_handed_over_again_with_each_retry():
    _, driver = ran(CHAIN, bob=[failing(), failing(), done(4)])
    first = [["news", "main", {"note": "after ann", "score": None}]]
    assert inboxes(driver, "bob")[:3] == [first, first, first]


def test_a_multicast_reaches_those_named_and_nobody_else():
    body = (
        'send note(text: "hi")\nstep a = Work(n) by ann\nstep b = Work(n) by bob\nstep c = Work(n) by cy\n'
        "return a + b + c"
    )
    _, driver = ran(body)
    assert [inboxes(driver, agent) for agent in ("ann", "bob", "cy")] == [
        [[]],
        [[["note", "main", {"text": "hi"}]]],
        [[["note", "main", {"text": "hi"}]]],
    ]


def test_a_person_is_shown_what_was_sent_to_them():
    body = 'send news(note: "look")\nstep j = Judge(n) by eve\nreturn j'
    _, driver = ran(body, eve=[done(1)])
    assert driver.tried(AskPerson)[0].inbox == [["news", "main", {"note": "look", "score": None}]]


def test_an_open_question_lists_its_messages_in_the_store():
    driver = Driver(compiled('send news(note: "look")\nstep j = Judge(n) by eve\nreturn j'), eve=[hangs()])
    driver.begin({"n": 1})
    driver.drain()
    assert driver.store.questions()[0].messages == [["news", "main", {"note": "look", "score": None}]]


def test_what_goes_against_the_channel_s_constraint_fails_the_block():
    end, _ = ran('step a = Work(n) by ann\nsend news(note: "x" + text(a))\nreturn a', ann=[done(10**18)])
    assert end.status == "completed"
    long = '"' + "y" * 80 + '"'
    end, _ = ran(f"step a = Work(n) by ann\nsend news(note: {long} + text(a))\nreturn a", ann=[done(10**18)])
    assert (end.status, end.error["code"]) == ("failed", "bad_input")


PAIR = "step a = Work(n) by ann\nstep b = Work(a) by bob\nstep c = Work(b) by cy\nreturn c"


def posting(events, body=PAIR, crashes=frozenset(), **scripts):
    driver = Driver(compiled(body), crashes=crashes, **scripts)
    driver._inputs = lambda run: {"n": 1}
    run = driver.begin({"n": 1})
    for after, event in events:
        driver.at(after, run, event)
    driver.drain()
    assert_closed(driver)
    return driver.ending(), driver


def test_what_an_agent_says_is_acknowledged_and_reaches_everybody_but_itself():
    end, driver = posting([(S // 2, said(1))])
    assert end.status == "completed"
    assert [(c.call, c.problem) for c in driver.tried(AnswerCall)] == [(1, None)]
    message = ["news", "ann", {"note": "n1", "score": None}]
    assert inboxes(driver, "bob") == [[message]]
    assert inboxes(driver, "cy") == [[message]]


def test_an_acknowledgement_is_given_only_when_the_message_is_durable():
    _, driver = posting([(S // 2, said(1))])
    kinds = [record.type for record in driver.records()]
    assert "MessagePosted" in kinds
    told = next(index for index, (_, _, command) in enumerate(driver.told) if isinstance(command, AnswerCall))
    assert all(not isinstance(command, AnswerCall) for _, _, command in driver.told[:told])


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (said(1, channel="note", text="x"), "a channel that ann may send on"),
        (said(1, channel="nowhere", note="x"), "a channel that ann may send on"),
        (said(1, note="z" * 200), "note"),
        (said(1, other="z"), "note"),
        (said(1, note=7), "Text"),
    ],
)
def test_what_is_not_declared_is_refused_and_reaches_nobody(event, why):
    end, driver = posting([(S // 2, event)])
    assert end.status == "completed"
    (answer,) = driver.tried(AnswerCall)
    assert why in answer.problem
    assert inboxes(driver, "bob") == [[]]


def test_what_an_attempt_says_that_is_over_counts_no_more():
    _, driver = posting([(3 * S // 2, said(1))])
    assert driver.tried(AnswerCall) == []
    assert driver.kernels["r"].ignored == 1
    assert inboxes(driver, "cy") == [[]]


def test_a_retry_may_say_the_same_again_and_something_new():
    body = "step a = Work(n) by bob\nstep c = Work(a) by cy\nreturn c"
    again = [
        (S // 2, said(1, channel="note", text="one")),
        (3 * S // 2, said(1, channel="note", text="one", attempt=2)),
        (3 * S // 2, said(1, channel="note", text="two", attempt=2, call=2)),
        (3 * S // 2, said(1, channel="note", text="one", attempt=2, call=3)),
    ]
    _, driver = posting(again, body, bob=[failing(), done(2)])
    assert [answer.problem for answer in driver.tried(AnswerCall)] == [None] * 4
    assert [values["text"] for _, _, values in inboxes(driver, "cy")[0]] == ["one", "two", "one"]


def test_a_retry_by_somebody_else_leaves_the_mail_to_whom_it_was_sent():
    body = 'send note(text: "hi")\nstep a = Work(n) by any of [bob, cy]\nstep b = Work(a) by bob\nreturn b'
    driver = Driver(compiled(body), bob=[failing(), done(3)], cy=[done(2)])
    run = driver.begin({"n": 1})
    driver.engine.step(driver.now)
    # Somebody else keeps bob busy when the retry asks for someone.
    pool = driver.engine.dispatcher.pools["bob"]
    driver.drain(until=driver.now)
    pool.slots = 1
    pool.busy += 1
    driver.drain()
    hi = ["note", "main", {"text": "hi"}]
    assert [(c.agent, c.inbox) for c in driver.tried(RunTask)][:2] == [("bob", [hi]), ("cy", [hi])]
    assert driver.kernels[run].mail == {"bob": [hi]}


def test_a_flood_is_bounded():
    body = "step a = Work(n) by ann\nstep b = Work(a) by bob\nreturn b"
    flood = [(S // 2, said(number, call=number)) for number in range(POSTS_MAX + 5)]
    _, driver = posting(flood, body)
    assert sum(answer.problem is not None for answer in driver.tried(AnswerCall)) == 5
    assert len(inboxes(driver, "bob")[0]) == INBOX_MAX


class Talking(Driver):
    """Each dispatch of ann's attempt says the same once."""

    def _act(self, run, command):
        super()._act(run, command)
        if isinstance(command, RunTask) and command.agent == "ann":
            self.at(S // 2, run, replace(said(1), dispatch=command.dispatch))

    def _inputs(self, run):
        return {"n": 1}


@pytest.mark.parametrize("point", range(1, 30))
def test_a_crash_anywhere_loses_no_message_and_doubles_none(point):
    driver = Talking(compiled(PAIR), crashes={point}, ann=[done(2)], bob=[done(3)], cy=[done(4)])
    driver.begin({"n": 1})
    driver.drain()
    assert_closed(driver)
    assert driver.ending().result == 4
    message = ["news", "ann", {"note": "n1", "score": None}]
    for agent in ("bob", "cy"):
        assert all(inbox == [message] for inbox in inboxes(driver, agent)), "a re-send gets what the first had"


def test_a_run_with_mail_goes_on_from_its_export():
    from orchspec.runtime.kernel.kernel import Kernel

    driver = Driver(compiled(CHAIN), ann=[done(2)], bob=[failing(), done(3), done(4)])
    exported = []

    def restored(driver):
        kernel = driver.engine.kernels.get("r")
        if kernel is not None and not kernel.quiet():
            document = kernel.export()
            assert Kernel.restore(driver.plan, document).export() == document
            exported.append(document)

    driver.checks.append(restored)
    assert driver.run({"n": 1}).result == 4
    assert any(document["state"]["mail"] for document in exported)


def test_a_failed_task_keeps_what_was_bound_to_it():
    body = (
        'send note(text: "hi")\nstep a = Work(n) by bob { attempts = 1  on_failure = skip }\n'
        "step b = Work(a ?? 0) by bob\nreturn b"
    )
    _, driver = ran(body, bob=[failing(), done(1)])
    assert [len(inbox) for inbox in inboxes(driver, "bob")] == [1, 0]
