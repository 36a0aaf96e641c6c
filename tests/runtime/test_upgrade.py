"""Upgrades: a run goes on under another plan that its journal fits, or the first record that does not fit is named."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import orchspec
from orchspec.runtime.errors import UpgradeMisfit
from orchspec.runtime.journal.records import Record
from orchspec.runtime.kernel.commands import AskPerson, RunTask, TryEffect
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.recording import EventRecord, fold
from orchspec.runtime.refit import refit
from orchspec.simulator.chaos.chronicle import Chronicler
from tests.support.driver import Driver, done, failing, hangs
from tests.support.plans import S
from tests.support.running import assert_settled
from tests.support.studies import revised

SPEC = """orch 1
contract Write(topic: Text) -> Text
contract Polish(text: Text) -> Text
contract Judge(text: Text) -> Bool
agent ann fulfills Write { attempts = 3  timeout = 60s }
agent bob fulfills Polish
human eve fulfills Judge { timeout = 1h }
effect post(text: Text) -> Text { key = text  undo = retract(result) }
effect retract(id: Text) { key = id }
flow main(topic: Text) -> Text {
  step draft = Write(topic) by ann
  step sent = post(draft)
  step good = Judge(draft) by eve { after = [sent] }
  step last = Polish(draft) by bob { after = [good] }
  return last
}
"""


def plan(*changes):
    return revised(SPEC, *changes)


def asked(driver=None, *, until=3 * S + 1, **scripts):
    """A driver whose run waits for eve, who answers long after."""
    script = {"ann": done("d"), "bob": done("e"), "eve": done(True, takes=600 * S), "post": done("p1"), **scripts}
    driver = driver or Driver(plan(), **script)
    driver.begin({"topic": "bees"})
    driver.drain(driver.now + until)
    return driver


def finish(driver):
    driver.drain()
    assert_settled(driver)
    assert driver.store.run("r").plan_hash == driver.plan.hash
    return driver.ending()


def test_what_comes_later_may_change_and_what_was_done_stands():
    driver = asked()
    driver.upgrade(plan(("Polish(draft) by bob { after = [good] }", 'Polish(draft + "!") by bob { after = [good] }')))
    end = finish(driver)
    assert (end.status, end.result) == ("completed", "e")
    polished = [command for command in driver.tried(RunTask) if command.agent == "bob"]
    assert polished[0].inputs == ["d!"]
    assert driver.world.count("post") == 1
    assert [command.agent for command in driver.tried(RunTask)] == ["ann", "bob"]


def test_a_step_that_was_added_above_what_has_happened_is_done_now():
    driver = asked()
    driver.upgrade(
        plan(
            ("  step sent =", "  step extra = Polish(topic) by bob\n  step sent ="),
            ("return last", "return last + extra"),
        )
    )
    assert finish(driver).result == "ee"


LIMITED = (
    "agent ann fulfills Write {",
    "model large { token_rate = 10k / 1min }\nagent ann fulfills Write { models = [large]  budget { tokens <= 1k } ",
)


@pytest.mark.parametrize("until", [1, 3 * S + 1], ids=["under way", "done"])
def test_a_model_may_get_limits_and_lose_them(until):
    driver = asked(until=until)
    driver.upgrade(plan(LIMITED))
    driver.drain(driver.now + 5 * S)
    driver.upgrade(plan())
    end = finish(driver)
    assert (end.status, end.result) == ("completed", "e")


def test_it_says_so_in_one_record_before_it_goes_on():
    driver = asked()
    before = driver.plan.hash
    driver.upgrade(plan(("attempts = 3", "attempts = 5")))
    kinds = [record.type for record in driver.records()]
    assert kinds[-2:] == ["PlanUpgraded", "EngineRecovered"]
    told = driver.records()[-2].body
    assert (told["plan_hash"], told["was"]) == (driver.plan.hash, before)
    assert finish(driver).status == "completed"


def test_what_is_under_way_keeps_its_inputs_and_its_deadline():
    driver = asked()
    deadline = driver.tried(AskPerson)[0].deadline_us
    driver.upgrade(plan(("timeout = 1h", "timeout = 2h"), ("Judge(draft) by eve", 'Judge(draft + "?") by eve')))
    again = driver.tried(AskPerson)[-1]
    assert (again.inputs, again.deadline_us, again.dispatch) == (["d"], deadline, 1)
    assert finish(driver).status == "completed"


def test_an_attempt_that_rests_rests_as_long_as_it_was_told_and_then_has_the_new_policy():
    resting = (("attempts = 3", "attempts = 3  backoff = fixed(30s)"),)
    driver = asked(Driver(plan(*resting), ann=[failing(), done("d")], bob=done("e"), eve=done(True)), until=2 * S)
    assert driver.kernels["r"].places[1].attempt == 2
    at_us = driver.kernels["r"].places[1].rest_at_us
    driver.upgrade(plan(("attempts = 3", "attempts = 4  backoff = fixed(90s)")))
    assert driver.kernels["r"].places[1].rest_at_us == at_us
    assert finish(driver).status == "completed"


def test_an_agent_that_was_replaced_does_what_has_not_begun():
    driver = asked()
    driver.scripts["carl"] = [done("c")]
    driver.upgrade(plan(("agent bob fulfills Polish", "agent carl fulfills Polish"), ("by bob", "by carl")))
    assert finish(driver).result == "c"


@pytest.mark.parametrize(
    ("changes", "seq", "place"),
    [
        # The step that was done is gone.
        ((("  step sent = post(draft)\n", ""), (" { after = [sent] }", "")), 3, "sent"),
        # Its key is another one.
        ((("post(draft)", 'post(draft + "!")'),), 3, "sent"),
        # Somebody else would have been asked.
        ((("agent ann fulfills Write", "agent carl fulfills Write"), ("by ann", "by carl")), 2, "draft"),
        # What was given is not what would be accepted.
        (
            (
                (
                    "contract Write(topic: Text) -> Text",
                    "contract Write(topic: Text) -> Text { ensures = len(result) > 5 }",
                ),
            ),
            3,
            "draft",
        ),
        # It would have ended by now.
        (
            (
                (
                    "step draft = Write(topic) by ann\n",
                    'step draft = Write(topic) by ann\n  fail "no" when len(draft) < 9\n',
                ),
            ),
            3,
            "draft",
        ),
        # What is asked now would not be asked yet.
        (
            (
                ("Judge(draft) by eve { after = [sent] }", "Judge(late) by eve"),
                ("  step good", "  step late = Polish(draft) by bob\n  step good"),
            ),
            5,
            "good",
        ),
    ],
)
def test_the_first_record_that_does_not_fit_is_named_and_nothing_is_written(changes, seq, place):
    driver = asked()
    before = [(record.seq, record.type, record.body) for record in driver.records()]
    row = driver.store.run("r")
    with pytest.raises(UpgradeMisfit) as refused:
        driver.upgrade(plan(*changes))
    assert (refused.value.record["seq"], refused.value.record["place"]) == (seq, place), refused.value.message
    assert re.search(r"record \d+ \(\w+\) at .*: the old plan.*: .*; the new plan.*: .*", refused.value.message)
    assert [(record.seq, record.type, record.body) for record in driver.records()] == before
    assert driver.store.run("r") == row
    driver.drain()
    assert driver.ending().status == "completed"


def test_both_plans_are_told_by_their_lines():
    driver = asked()
    with pytest.raises(UpgradeMisfit) as refused:
        driver.upgrade(plan(("flow main", "\n\nflow main"), ("post(draft)", 'post(draft + "!")')))
    told = refused.value.record
    assert (told["old_line"], told["new_line"]) == ("main.orch:12", "main.orch:14")
    assert told["old"].startswith("ClaimEffect sent post")


@pytest.mark.parametrize("point", range(1, 24))
def test_a_crash_anywhere_in_and_after_an_upgrade_changes_nothing(point):
    driver = asked(eve=done(True, takes=5 * S))
    driver.crashes = {driver.points + point}
    driver.upgrade(plan(("Polish(draft) by bob", 'Polish(draft + "!") by bob'), ("attempts = 3", "attempts = 2")))
    end = finish(driver)
    assert (end.status, end.result) == ("completed", "e")
    assert driver.world.count("post") == 1
    assert [record.type for record in driver.records()].count("PlanUpgraded") == 1


def test_an_upgraded_run_may_be_upgraded_again():
    driver = asked()
    for text in ("?", "!", "?!"):
        changes = [(f"{name}(draft)", f'{name}(draft + "{text}")') for name in ("Judge", "Polish")]
        driver.upgrade(plan(*changes))
    end = finish(driver)
    assert end.status == "completed"
    assert driver.tried(AskPerson)[-1].inputs == ["d"]
    assert [command.inputs for command in driver.tried(RunTask)][-1] == ["d?!"]


def test_an_effect_that_was_sent_is_sent_again_under_its_key():
    driver = asked(post=hangs(), until=2 * S)
    key = driver.tried(TryEffect)[0].target_key
    driver.upgrade(plan(("Polish(draft)", 'Polish(draft + "!")')))
    assert [command.target_key for command in driver.tried(TryEffect)] == [key, key]


def test_waits_of_one_block_are_told_apart():
    waits = ("  step sent = post(draft)\n", "  wait 10s\n  step sent = post(draft)\n  wait 20s\n")
    driver = asked(Driver(plan(waits), ann=done("d"), bob=done("e"), eve=done(True), post=done("p")), until=15 * S)
    driver.upgrade(plan(waits, ("Polish(draft)", 'Polish(draft + "!")')))
    driver.upgrade(plan(waits, ("Polish(draft)", 'Polish(draft + "?")')))
    end = finish(driver)
    assert end.status == "completed"
    assert end.ended_us == 1_000 * S + 34 * S  # as if nobody had upgraded it


def test_an_exported_run_that_was_upgraded_goes_on():
    driver = asked()
    driver.upgrade(plan(("Judge(draft)", 'Judge(draft + "?")')))
    kernel = driver.kernels["r"]
    document = kernel.export()
    assert Kernel.restore(driver.plan, document).export() == document


GALLERY = sorted((Path(__file__).parents[2] / "specs").glob("*.orch"))


@pytest.mark.parametrize("path", GALLERY[::3], ids=lambda path: path.stem)
def test_whatever_has_happened_fits_the_same_plan_by_another_name(path):
    spec = orchspec.load(path)
    new = replace(spec.plan, name="other", hash="").sealed()
    for flow in spec.plan.flows:
        given = next((scenario.given for scenario in spec.plan.scenarios if scenario.flow == flow), {})
        for told in (
            Chronicler(spec.plan, flow, folder=spec.folder, seed=3, runs=1, given=given).chronicle([]).runs.values()
        ):
            records = [Record(told.run, each.seq, each.time_us, each.type, each.body) for each in told.records]
            for length in {len(records) // 3, 2 * len(records) // 3, len(records) - 1} - {0}:
                state = refit(spec.plan, new, told.run, records[:length])
                commands = state.kernel.handle(state.upgrade)
                record = EventRecord(told.run, length + 1, state.upgrade, state.kernel, commands)
                upgrade = Record(told.run, record.seq, record.time_us, record.type, record.body)
                again = fold(new, told.run, [*records[:length], upgrade])
                assert again.kernel.export() == state.kernel.export()
