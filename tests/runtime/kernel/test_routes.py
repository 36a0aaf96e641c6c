"""Route: which arm is taken, what its value is, and what becomes of its effects; whole after a crash at any point."""

import pytest

from orchspec.runtime.kernel.commands import RunTask, TryEffect
from tests.support.driver import Driver, done, failing
from tests.support.plans import effect, fail, give, plan, repeat, route, task, until, v
from tests.support.running import run


def routed(*arms):
    return plan(task("a"), route("r", v("a"), *arms), give(v("r")))


@pytest.mark.parametrize(("value", "given"), [(1, "one"), (2, "two or three"), (3, "two or three"), (4, "else")])
def test_the_first_arm_that_fits_runs_and_its_value_is_that_of_the_route(value, given):
    arms = [((1,), None, give("one")), ((2, 3), None, give("two or three")), ((), None, give("else"))]
    assert run(Driver(routed(*arms), ann=[done(value)])).result == given


def test_an_arm_whose_guard_does_not_hold_is_passed_over():
    arms = [((1,), ["gt", v("a"), 1], give("guarded")), ((1,), None, give("plain")), ((), None, give("else"))]
    assert run(Driver(routed(*arms), ann=[done(1)])).result == "plain"


def test_without_a_subject_the_guards_choose():
    arms = [((), ["gt", v("a"), 5], give("many")), ((), None, give("few"))]
    made = plan(task("a"), route("r", None, *arms), give(v("r")))
    assert run(Driver(made, ann=[done(7)])).result == "many"
    assert run(Driver(made, ann=[done(3)])).result == "few"


def test_only_the_arm_that_is_taken_is_worked_on_and_its_places_are_below_that_of_the_route():
    arms = [((1,), None, task("x", 10), give(v("x"))), ((), None, task("y", 20), give(v("y")))]
    driver = Driver(routed(*arms), ann=[done(1), done(9)])
    end = run(driver)
    assert end.result == 9
    assert [command.inputs for command in driver.tried(RunTask)] == [[1], [10]]
    assert [each.path() for each in end.kernel.places if each is not None] == ["a", "r", "r/x"]


def test_a_guard_that_cannot_be_evaluated_fails_the_step_without_retry():
    arms = [((), ["gt", ["index", ["list", [v("a")]], 7], 1], give(1)), ((), None, give(2))]
    end = run(Driver(plan(task("a"), route("r", None, *arms), give(v("r"))), ann=[done(1)]))
    assert (end.status, end.error["code"]) == ("failed", "expression")


def test_an_arm_that_fails_fails_the_block_around_and_undoes_what_it_did():
    made = plan(
        task("a"),
        route("r", v("a"), ((1,), None, effect("e", "k"), fail("no", after=("e",))), ((), None, give(2))),
        give(v("r")),
    )
    driver = Driver(made, ann=[done(1)])
    end = run(driver)
    assert (end.status, end.error["message"]) == ("failed", "no")
    assert [command.effect for command in driver.tried(TryEffect)] == ["publish", "retract"]
    assert not driver.world.standing()


def test_what_an_arm_did_is_undone_when_the_block_around_fails_later():
    made = plan(
        route("r", None, ((), None, effect("e", "k"), give(v("e")))),
        fail("later", when=["ne", v("r"), None]),
        give(v("r")),
    )
    driver = Driver(made)
    assert run(driver).status == "failed"
    assert [command.effect for command in driver.tried(TryEffect)] == ["publish", "retract"]


def test_each_round_of_a_repeat_is_routed_anew():
    body = (
        task("n", ["call", "len", [v("past")]]),
        route("r", v("n"), ((1,), None, give("first")), ((), None, task("x"), give("later"))),
        until(["eq", v("r"), ["const", "later"]]),
        give(v("r")),
    )
    driver = Driver(plan(repeat("rounds", 5, *body, kept=("n",)), give(v("rounds"))), ann=[done(1), done(2), done(3)])
    assert run(driver).result == "later"


@pytest.mark.parametrize("point", range(24))
def test_a_crash_at_any_point_changes_nothing(point):
    arms = [((1,), None, task("x"), effect("e", v("x")), give(v("e"))), ((), None, give(2))]
    calm = Driver(routed(*arms), ann=[done(1), failing(), done(3)])
    hit = Driver(routed(*arms), ann=[done(1), failing(), done(3)], crashes=[point])
    assert run(hit).result == run(calm).result
    assert hit.world.applied == calm.world.applied
