"""Forks: a run that begins with what another had up to a checkpoint, inherits what it did, and goes on by itself."""

import pytest

from orchspec.runtime.errors import ForkRefused, UnknownRun
from orchspec.runtime.kernel.commands import AskPerson, RunTask, TryEffect
from orchspec.runtime.kernel.events import CancelRequested
from orchspec.runtime.kernel.kernel import Kernel
from tests.support.driver import Driver, done, failing, hangs, lost_reply
from tests.support.invariants import assert_closed, assert_folds, assert_single_effects
from tests.support.plans import S
from tests.support.studies import revised

SPEC = """orch 1
contract Write(topic: Text) -> Text { reuse = run }
contract Judge(text: Text) -> Bool
agent ann fulfills Write { slots = 1 }
human eve fulfills Judge { timeout = 1h }
effect post(text: Text) -> Text { key = text  undo = retract(result) }
effect note(text: Text) -> Text { idempotent = true }
effect retract(id: Text) { key = id }
flow main(topic: Text) -> Text {
  budget { time <= 3h }
  step draft = Write(topic) by ann
  step early = post(draft)
  checkpoint drafted
  step late = post(draft + "!")
  step kept = note(draft) { after = [late] }
  step good = Judge(draft) by eve { after = [kept] }
  step more = Write(draft) by ann { after = [good] }
  return more
}
"""


def plan(*changes):
    return revised(SPEC, *changes)


def asked(spec=None, *, until=10 * S, **scripts):
    script = {"ann": done("d"), "eve": done(True, takes=600 * S), "post": [lambda *_: done(None)], **scripts}
    driver = Driver(spec or plan(), **script)
    driver.begin({"topic": "bees"})
    driver.drain(driver.now + until)
    return driver


def finish(driver, *runs, twice=False):
    driver.drain()
    assert_closed(driver)
    if not twice:
        assert_single_effects(driver)
    assert_folds(driver)
    return [driver.ending(run).status for run in runs]


def sent(driver, run):
    return [command.effect for _, of, command in driver.told if of == run and isinstance(command, TryEffect)]


def test_a_fork_begins_where_its_parent_was_and_does_nothing_again():
    driver = asked()
    driver.fork("r", "drafted", "f")
    assert finish(driver, "r", "f") == ["completed", "completed"]
    assert driver.ending("f").result == "d"
    of_fork = [command for _, of, command in driver.told if of == "f"]
    assert [type(each).__name__ for each in of_fork if isinstance(each, (RunTask, AskPerson))] == [
        "AskPerson",
        "RunTask",
    ]
    # What the parent did after the checkpoint is joined by its key; what has none is of each run.
    assert sent(driver, "f") == ["note"]
    assert (driver.world.count("post"), driver.world.count("note")) == (2, 2)
    kinds = [record.type for record in driver.records("f")]
    parents = [record.type for record in driver.records("r")]
    at = kinds.index("RunForked")
    assert kinds[:at] == parents[:at]


def test_what_was_inherited_is_not_undone_by_the_fork():
    driver = asked()
    driver.fork("r", "drafted", "f")
    driver.drain(driver.now + 10 * S)
    driver.at(S, "f", CancelRequested(0, "enough"))
    assert finish(driver, "r", "f") == ["completed", "cancelled"]
    assert driver.world.count("retract") == 0
    ledger = {row.key: row for row in driver.store.ledger() if row.effect == "post"}
    assert {(row.state, row.owner_run, len(row.joined)) for row in ledger.values()} == {("confirmed", "r", 0)}


def test_what_the_fork_needs_outlives_its_parent_and_is_undone_by_whoever_is_last():
    driver = asked()
    driver.fork("r", "drafted", "f")
    driver.drain(driver.now + 10 * S)
    driver.at(S, "r", CancelRequested(0, "enough"))
    driver.drain(driver.now + 30 * S)
    # `late` was passed on to the fork, which joined it; `early` was the parent's alone.
    assert driver.world.count("retract") == 1
    driver.at(S, "f", CancelRequested(0, "enough"))
    assert finish(driver, "r", "f") == ["cancelled", "cancelled"]
    assert driver.world.count("retract") == 2


def test_effects_again_are_sent_under_a_new_generation_and_each_undoes_its_own():
    driver = asked()
    driver.fork("r", "drafted", "f", again=True)
    driver.drain(driver.now + 10 * S)
    assert sent(driver, "f") == ["post", "note"]
    assert driver.world.count("post") == 3
    late = [row for row in driver.store.ledger() if row.effect == "post" and row.owner_place == "late"]
    assert [(row.generation, row.owner_run) for row in late] == [(0, "r"), (1, "f")]
    driver.at(S, "r", CancelRequested(0, "enough"))
    driver.drain(driver.now + 30 * S)
    driver.at(S, "f", CancelRequested(0, "enough"))
    assert finish(driver, "r", "f") == ["cancelled", "cancelled"]
    # early and late of the parent, late of the fork
    assert driver.world.count("retract") == 3
    late = [row for row in driver.store.ledger() if row.effect == "post" and row.owner_place == "late"]
    assert [row.state for row in late] == ["undone", "undone"]


def test_effects_again_do_not_send_what_the_fork_has_inherited_or_done_itself():
    """Not even where another fork has meanwhile done the same anew."""
    later = (
        "step good = Judge(draft) by eve { after = [kept] }",
        """step good = Judge(draft) by eve { after = [kept] }
  scope third { step once = post(draft)  step twice = post(draft + "!")  give twice }""",
    )
    driver = asked(plan(later, ("  step more", "  checkpoint judged\n  step more")), eve=done(True, takes=600 * S))
    driver.fork("r", "drafted", "f", again=True)
    driver.drain(driver.now + 10 * S)
    driver.fork("r", "drafted", "g", again=True)
    assert finish(driver, "r", "f", "g", twice=True) == ["completed"] * 3
    # early and late of the parent, late of each fork; what comes third joins those
    assert driver.world.count("post") == 4


def test_a_fork_of_a_run_that_ended_and_of_a_fork():
    driver = asked(eve=done(True))
    driver.drain()
    driver.fork("r", "drafted", "f")
    driver.drain()
    driver.fork("f", "drafted", "g")
    assert finish(driver, "r", "f", "g") == ["completed"] * 3
    assert [each.body["parent"] for each in driver.records("g") if each.type == "RunForked"] == ["f"]
    assert driver.kernels["g"].run == "g"


def test_deadlines_move_with_the_time_that_passed():
    driver = asked(eve=done(True))
    driver.drain()
    driver.now += 10 * 3600 * S
    driver.fork("r", "drafted", "f")
    assert finish(driver, "f") == ["completed"]


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("point", range(1, 26, 2))
def test_a_crash_anywhere_leaves_a_whole_fork_or_none(point, again):
    driver = asked(
        eve=done(True, takes=5 * S), post=lambda place, attempt: lost_reply() if attempt == 1 else done(None)
    )
    driver.drain(driver.now + 2 * S)
    driver.crashes = {driver.points + point}
    driver.fork("r", "drafted", "f", again=again)
    if driver.store.run("f") is None:
        driver.fork("r", "drafted", "f", again=again)
    assert finish(driver, "r", "f", twice=again) == ["completed", "completed"]
    assert driver.world.count("post") == (3 if again else 2)
    assert [record.type for record in driver.records("f")].count("RunForked") == 1


def test_a_checkpoint_that_was_not_passed_is_refused_by_name():
    driver = asked(ann=hangs())
    with pytest.raises(ForkRefused, match="not passed a checkpoint drafted; it has passed none"):
        driver.fork("r", "drafted", "f")
    driver = asked()
    with pytest.raises(ForkRefused, match="has passed drafted"):
        driver.fork("r", "draft", "f")
    with pytest.raises(UnknownRun):
        driver.fork("nobody", "drafted", "f")


def test_what_runs_beside_the_checkpoint_has_one_asker():
    body = "  step draft = Write(topic) by ann\n  step early = post(draft)\n  checkpoint drafted\n"
    one = "scope one { step early = post(draft)  checkpoint drafted  give draft }"
    beside = (
        (body, f"  step draft = Write(topic) by ann\n  step slow = Judge(topic) by eve\n  {one}\n"),
        ("after = [late]", "after = [late, slow]"),
    )
    driver = asked(plan(*beside), until=5 * S)
    with pytest.raises(ForkRefused, match="slow was under way"):
        driver.fork("r", "drafted", "f")
    assert driver.store.run("f") is None


def test_a_run_that_failed_after_its_checkpoint_is_forked_to_try_again():
    driver = asked(ann=[done("d"), failing(), done("e")], eve=done(True))
    driver.drain()
    assert driver.ending("r").status == "failed"
    assert driver.world.count("retract") == 2
    driver.fork("r", "drafted", "f")
    assert finish(driver, "f") == ["completed"]
    # `late` was undone with the parent, so it is done anew under the next generation.
    assert sent(driver, "f") == ["post", "note"]


def test_an_exported_fork_goes_on():
    driver = asked()
    driver.fork("r", "drafted", "f", again=True)
    document = driver.kernels["f"].export()
    again = Kernel.restore(driver.plan, document)
    assert (again.run, again.again, again.inherited) == ("f", True, driver.kernels["f"].inherited)
    assert again.export() == document
