"""Revert: what is undone, what stays, and that it is undone once, whatever crashes meanwhile."""

import pytest

from orchspec.compiler import compile_text
from orchspec.runtime.kernel.commands import TryEffect
from tests.support.driver import Driver, done, refuses
from tests.support.invariants import assert_closed, assert_folds
from tests.support.running import run

HEAD = """orch 1
contract Draft(topic: Text) -> Text
contract Judge(url: Text) -> Bool
agent ann fulfills Draft { timeout = 30s }
agent bob fulfills Judge { timeout = 30s }
effect publish(note: Text) -> Text { key = note  undo = retract(url: result) }
effect retract(url: Text) { key = url }
"""


def compiled(*lines):
    body = "\n".join(('let topic = "bees"', *lines))
    found = compile_text(f"{HEAD}flow main() -> Text {{\n{body}\n}}\n", "spec.orch")
    assert not found.errors, found.errors
    return found.plan


def tried(driver):
    return [command.effect for command in driver.tried(TryEffect)]


STEP = 'step url = publish(note: "a")'


def test_what_a_step_did_is_undone_and_the_block_goes_on():
    driver = Driver(compiled(STEP, "revert url", "step draft = Draft(topic) by ann", "return draft"), ann=[done("x")])
    assert run(driver).result == "x"
    assert tried(driver) == ["publish", "retract"]
    assert driver.world.standing() == []


def test_what_was_reverted_is_not_undone_again_and_what_was_not_is():
    made = compiled(
        STEP,
        "revert url",
        'step other = publish(note: "b")',
        'fail "later" when other != ""',
        "return topic",
    )
    driver = Driver(made)
    end = run(driver)
    assert (end.status, end.error["message"]) == ("failed", "later")
    assert tried(driver) == ["publish", "retract", "publish", "retract"]


def test_all_that_a_scope_did_is_undone_latest_first_and_nothing_else():
    made = compiled(
        STEP,
        'scope both { step one = publish(note: "b")  step two = publish(note: "c")  give two }',
        "revert both",
        "return topic",
    )
    driver = Driver(made)
    assert run(driver).status == "completed"
    assert [args for effect, args, _ in driver.world.applied.values() if effect == "publish"] == [["a"], ["b"], ["c"]]
    assert driver.world.standing() == ["a"]
    receipts = {args[0]: receipt for effect, args, receipt in driver.world.applied.values() if effect == "publish"}
    retracted = [args[0] for effect, args, _ in driver.world.applied.values() if effect == "retract"]
    assert retracted == [receipts["c"], receipts["b"]]


@pytest.mark.parametrize(("verdict", "standing"), [(True, ["a"]), (False, [])])
def test_an_arm_of_a_route_may_revert_what_stands_around_it(verdict, standing):
    made = compiled(
        STEP,
        "step good = Judge(url) by bob",
        "route kept { when good -> { }  else -> { revert url } }",
        "return topic",
    )
    driver = Driver(made, bob=[done(verdict)])
    assert run(driver).status == "completed"
    assert driver.world.standing() == standing


def test_all_rounds_of_a_repeat_and_items_of_a_scope_are_reverted_by_its_name():
    made = compiled(
        "repeat tries 3 times { step n = publish(note: text(len(past)))  until len(past) >= 2  give n }",
        "scope all_of for x in [topic, topic + topic] { step url = publish(note: x)  give url }",
        "revert tries",
        "revert all_of",
        "return topic",
    )
    driver = Driver(made)
    assert run(driver).status == "completed"
    assert tried(driver).count("publish") == tried(driver).count("retract") == 5
    assert driver.world.standing() == []


def test_reverted_twice_it_is_undone_once():
    driver = Driver(compiled(STEP, "revert url", "revert url", "return topic"))
    assert run(driver).status == "completed"
    assert tried(driver) == ["publish", "retract"]


def test_what_was_never_done_has_nothing_to_undo():
    driver = Driver(compiled('step url = publish(note: "a") { only_if = topic == "" }', "revert url", "return topic"))
    assert run(driver).status == "completed"
    assert tried(driver) == []


def test_done_again_after_a_revert_it_is_applied_again():
    driver = Driver(compiled(STEP, "revert url", 'step again = publish(note: "a")', "return topic"))
    assert run(driver).status == "completed"
    assert tried(driver) == ["publish", "retract", "publish"]
    assert driver.world.count("publish") == 2


def test_an_undo_that_is_stuck_fails_the_revert_and_is_named():
    driver = Driver(compiled(STEP, "revert url", "return topic"), retract=[refuses()])
    end = driver.run()
    assert (end.status, end.error["code"]) == ("failed", "undo_stuck")
    assert [path for path, _ in end.kernel.stuck] == ["url"]


@pytest.mark.parametrize("point", range(24))
def test_a_crash_at_any_point_undoes_it_once(point):
    made = compiled(STEP, "revert url", "step draft = Draft(topic) by ann", "return draft")
    driver = Driver(made, ann=[done("x")], crashes=[point])
    end = driver.run()
    assert end.result == "x"
    assert driver.world.count("publish") == driver.world.count("retract") == 1
    assert_folds(driver)


MACHINE = """
machine book(x: Text) -> Text {
  budget { transitions <= 9 }
  initial state take {
    visits = 3
    step held = publish(note: x + text(len(past)))
    step good = Judge(held) by bob
    on done when good -> paid
    on done -> back
    on exhausted -> lost
  }
  state back { visits = 3  revert take  on done -> take  on exhausted -> lost }
  final state paid { return take.held }
  final state lost { return "lost" }
}
"""


@pytest.mark.parametrize("point", range(40))
def test_a_state_may_revert_what_another_one_did(point):
    found = compile_text(f"{HEAD}{MACHINE}", "spec.orch")
    assert not found.errors, found.errors
    driver = Driver(found.plan, bob=lambda path, _attempt: done("#3" in path), crashes=[point])
    driver._inputs = lambda _run: {"x": "n"}
    driver.begin({"x": "n"}, flow="book")
    driver.begin = lambda inputs, run: Driver.begin(driver, inputs, run, flow="book")
    driver.drain()
    end = driver.ending()
    assert (end.status, driver.world.standing()) == ("completed", ["n2"])
    assert tried(driver).count("publish") >= 3
    assert driver.world.count("publish") == 3
    assert driver.world.count("retract") == 2
    assert_closed(driver)
    assert_folds(driver)
