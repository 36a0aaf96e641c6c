"""`for` over effects, flows and signals: order, width, need, chains and keys of each item, and what crashes leave."""

import pytest

from orchspec.compiler import compile_text
from orchspec.runtime.kernel.commands import AwaitSignal, RunTask, TryEffect
from orchspec.runtime.kernel.events import RunStarted, SignalReceived, TimerFired
from orchspec.runtime.kernel.kernel import Kernel
from tests.support.driver import Driver, done, failing, lost_reply, refuses
from tests.support.plans import S
from tests.support.running import run

HEAD = """orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft { timeout = 30s }
effect publish(note: Text) -> Text { key = note  undo = retract(url: result) }
effect retract(url: Text) { key = url }
effect ping(to: Text) -> Text { key = to }
signal paid(order: Text) -> Int
flow sub(topic: Text) -> Text { step draft = Draft(topic) by ann  step url = publish(note: topic)  return draft }
"""


def compiled(*lines, result="List<Text>"):
    body = "\n".join(('let topics = ["a", "b", "c"]', *lines))
    found = compile_text(f"{HEAD}flow main() -> {result} {{\n{body}\n}}\n", "spec.orch")
    assert not found.errors, found.errors
    return found.plan


def applied(driver, effect="publish"):
    return [args[0] for name, args, _ in driver.world.applied.values() if name == effect]


def test_an_effect_is_applied_once_for_each_item_and_the_receipts_stand_in_input_order():
    takes = {"urls[0]": 3 * S, "urls[1]": S, "urls[2]": 2 * S}
    made = compiled("step urls = publish(note: t) for t in topics", "return urls")
    driver = Driver(made, publish=lambda path, _attempt: done(path, takes=takes[path]))
    assert run(driver).result == ["urls[0]", "urls[1]", "urls[2]"]
    assert applied(driver) == ["b", "c", "a"]


def test_at_most_width_of_them_are_under_way_and_they_start_in_order():
    made = compiled("step urls = publish(note: t) for t in topics { width = 1 }", "return urls")
    driver = Driver(made, publish=[done(takes=3 * S), done(takes=S)])
    run(driver)
    assert applied(driver) == ["a", "b", "c"]
    assert [now // S - 1000 for now, _, command in driver.told if isinstance(command, TryEffect)] == [0, 3, 4]


def test_a_for_of_an_effect_is_one_effect_step_in_written_order():
    made = compiled(
        'step one = publish(note: "z")', "step pings = ping(to: t) for t in topics", 'step last = publish(note: "y")',
        "return [last]",
    )  # fmt: skip
    driver = Driver(made)
    assert run(driver).status == "completed"
    assert [command.effect for command in driver.tried(TryEffect)] == ["publish", "ping", "ping", "ping", "publish"]


def test_each_item_goes_along_the_chain_with_its_item_and_what_is_missing_is_known():
    made = compiled(
        'step urls = publish(note: t) for t in topics { on_failure = use(t + "?") }',
        "step few = publish(note: t + t) for t in topics { need = 1 }",
        "return urls + missing(few)",
    )
    scripts = {
        "urls[0]": done("u0"), "urls[1]": refuses(), "urls[2]": done("u2"),
        "few[0]": refuses(), "few[1]": done("f1"), "few[2]": refuses(),
    }  # fmt: skip
    driver = Driver(made, publish=lambda path, _attempt: scripts[path])
    assert run(driver).result == ["u0", "b?", "u2", "a", "c"]


def test_a_skipped_item_is_left_out_and_counts_neither_way():
    made = compiled("step urls = publish(note: t) for t in topics { on_failure = skip }", "return urls")
    scripts = {"urls[0]": refuses(), "urls[1]": done("u1"), "urls[2]": done("u2")}
    assert run(Driver(made, publish=lambda path, _attempt: scripts[path])).result == ["u1", "u2"]


def test_below_the_floor_the_step_fails_and_each_that_was_applied_is_undone():
    made = compiled("step urls = publish(note: t) for t in topics { need = 100% }", "return urls")
    scripts = {"urls[0]": done("u0"), "urls[1]": refuses(takes=2 * S), "urls[2]": done("u2", takes=5 * S)}
    driver = Driver(made, publish=lambda path, _attempt: scripts[path])
    end = run(driver)
    assert (end.status, end.error["code"]) == ("failed", "need")
    assert "needs 3 of 3" in end.error["message"]
    assert sorted(applied(driver)) == ["a", "c"], "what was sent is waited for, since it may land"
    assert driver.world.standing() == []


def test_items_with_equal_keys_share_one_application():
    made = compiled('step urls = publish(note: t) for t in ["a", "a"]', "return urls")
    driver = Driver(made)
    assert run(driver).result == ["publish-0", "publish-0"]
    assert applied(driver) == ["a"]


def test_an_argument_that_fails_fails_its_item_alone():
    made = compiled("step urls = publish(note: topics[i]) for i in [0, 7, 2] { on_failure = skip }", "return urls")
    driver = Driver(made)
    assert len(run(driver).result) == 2
    assert applied(driver) == ["a", "c"]


def test_no_items_give_an_empty_list_at_once():
    made = compiled(
        "step all_of = publish(note: t) for t in topics",
        "let left = missing(all_of)",
        "step urls = publish(note: t + t) for t in left",
        "return urls",
    )
    driver = Driver(made)
    assert run(driver).result == []
    assert applied(driver) == ["a", "b", "c"]


@pytest.mark.parametrize("point", range(40))
def test_a_crash_at_any_point_applies_each_item_once(point):
    made = compiled("step urls = publish(note: t) for t in topics { width = 2 }", "return urls")
    driver = Driver(made, publish=[lost_reply(), done(takes=2 * S)], crashes=[point])
    assert len(run(driver).result) == 3
    assert sorted(applied(driver)) == ["a", "b", "c"]


def test_a_flow_is_called_for_each_item_and_one_that_failed_has_unwound():
    made = compiled("step all_of = sub(topic: t) for t in topics { need = 1 }", "return all_of + missing(all_of)")
    publish = {"all_of[0]/url": done(), "all_of[1]/url": refuses(), "all_of[2]/url": done()}
    driver = Driver(made, ann=lambda path, _attempt: done(path), publish=lambda path, _attempt: publish[path])
    assert run(driver).result == ["all_of[0]/draft", "all_of[2]/draft", "b"]
    assert driver.world.standing() == ["a", "c"]


@pytest.mark.parametrize("point", range(48))
def test_a_crash_at_any_point_calls_each_flow_once(point):
    made = compiled("step all_of = sub(topic: t) for t in topics { width = 2 }", "return all_of")
    driver = Driver(made, ann=[done("x")], crashes=[point])
    assert run(driver).result == ["x", "x", "x"]
    assert sorted(applied(driver)) == ["a", "b", "c"]


def test_the_budget_of_the_step_holds_for_all_items_together():
    made = compiled(
        "step all_of = sub(topic: t) for t in topics { width = 1  need = 1  budget { attempts <= 2 } }",
        "return all_of + missing(all_of)",
    )
    driver = Driver(made, ann=[done("x")])
    assert run(driver).result == ["x", "x", "c"]
    assert len(driver.tried(RunTask)) == 2


def test_what_is_left_when_the_time_of_the_step_is_up_fails_item_by_item():
    made = compiled(
        "step urls = publish(note: t) for t in topics { width = 1  need = 1  budget { time <= 5s } }",
        "return urls + missing(urls)",
    )
    driver = Driver(made, publish=[done("x", takes=3 * S)])
    end = run(driver)
    assert end.result == ["x", "b", "c"], "the second was sent, so it is settled, and counts no more"
    assert end.ended_us == 1006 * S


def test_a_failed_for_of_tasks_gives_what_use_says_of_each_item():
    made = compiled('step drafts = Draft(t) by ann for t in topics { on_failure = use(t + "!") }', "return drafts")
    scripts = {"drafts[0]": done("x"), "drafts[1]": failing(), "drafts[2]": failing()}
    assert run(Driver(made, ann=lambda path, _attempt: scripts[path])).result == ["x", "b!", "c!"]


def test_the_tasks_that_the_time_of_their_step_left_over_fail_item_by_item():
    made = compiled(
        "step drafts = Draft(t) by ann for t in topics { width = 2  need = 1  budget { time <= 5s } }",
        "return drafts + missing(drafts)",
    )
    driver = Driver(made, ann=[done("x", takes=3 * S)])
    end = run(driver)
    assert end.result == ["x", "x", "c"]
    assert end.ended_us == 1005 * S


# ------------------------------------------------------------------ signals


def test_each_signal_is_waited_for_by_itself():
    made = compiled(
        "step money = paid(t) for t in topics { timeout = 10s  need = 2 }",
        "return [text(sum(money))] + missing(money)",
    )
    kernel = Kernel(made)
    commands = kernel.handle(RunStarted(0, "main", {}, made.hash, 1, 7))
    awaited = [command for command in commands if isinstance(command, AwaitSignal)]
    assert [command.inputs for command in awaited] == [["a"], ["b"], ["c"]]
    kernel.handle(SignalReceived(5, awaited[2].place, 40))
    kernel.handle(SignalReceived(6, awaited[0].place, 2))
    commands = kernel.handle(TimerFired(10 * S, awaited[1].place, "within"))
    assert commands[-1].result == ["42", "b"]
