"""Evals: sampled by place, off every budget and path, without a say in anything."""

import pytest

from orchspec.compiler import compile_text
from orchspec.runtime.kernel.commands import EndRun, RunTask
from orchspec.runtime.kernel.kernel import Kernel
from tests.support.driver import Driver, done, failing, hangs
from tests.support.invariants import assert_closed, assert_folds
from tests.support.plans import S

HEAD = """orch 1
contract Work(n: Int) -> Int
contract Score(n: Int) -> Int { ensures = result < 100 }
agent ann fulfills Work { budget { cost <= $0.000000000005 } }
agent bob fulfills Score
agent cy fulfills Score { slots = 1 }
human eve fulfills Score
"""


def compiled(body, head=""):
    plan = compile_text(HEAD + f"flow main(n: Int) -> Int {{\n{head}\n{body}\n}}", "main.orch").plan
    assert plan is not None
    return plan


def ran(body, head="", **scripts):
    driver = Driver(compiled(body, head), **scripts)
    end = driver.run({"n": 1})
    assert_closed(driver)
    assert_folds(driver)
    return end, driver


def ended(driver):
    return driver.tried(EndRun)[0]


ONE = "step a = Work(n) by ann\neval good = Score(a) by bob\nreturn a"


def test_an_eval_sees_what_it_reads_and_its_value_is_kept_beside_the_result():
    end, driver = ran(ONE, ann=[done(5)], bob=[done(7, takes=30 * S, cost=1000)])
    assert (end.status, end.result) == ("completed", 5)
    assert driver.kernels["r"].verdicts == [["good", "good", "Score", 7]]
    assert driver.tried(RunTask)[1].inputs == [5]


def test_it_takes_no_money_of_the_run_no_attempt_of_it_and_no_time():
    end, driver = ran(ONE, "budget { cost <= $0.000000000005  attempts <= 1  time <= 5s }", bob=[done(7, takes=30 * S)])
    assert end.status == "completed"
    assert ended(driver).waited_us == 30 * S
    kernel = driver.kernels["r"]
    assert (kernel.account.charged_pico, kernel.account.attempts, kernel.steps) == (0, 1, 1)


def test_what_it_costs_is_counted_apart():
    _, driver = ran(ONE, bob=[done(7, cost=1000)])
    assert driver.kernels["r"].looked_pico == 1000
    assert driver.kernels["r"].account.charged_pico == 0


@pytest.mark.parametrize("bob", [failing(), done("junk"), done(100), failing(code="poison")])
def test_one_that_fails_changes_nothing(bob):
    end, driver = ran(ONE, ann=[done(5)], bob=[bob])
    assert (end.status, end.result) == ("completed", 5)
    assert driver.kernels["r"].verdicts == []
    assert len(end.decided("eval failed")) == 1


def test_one_that_hangs_is_given_up_after_its_time():
    end, driver = ran(ONE, ann=[done(5)], bob=[hangs()])
    assert (end.status, end.result) == ("completed", 5)
    assert ended(driver).waited_us == 600 * S
    body = ONE.replace("by bob", "by bob { timeout = 20s  attempts = 3 }")
    end, driver = ran(body, ann=[done(5)], bob=[hangs()])
    assert ended(driver).waited_us == 60 * S


def test_one_that_waits_for_an_agent_who_never_comes_free_is_given_up_too():
    plan = compiled("step a = Work(n) by ann\neval good = Score(a) by cy { timeout = 5s }\nreturn a")
    driver = Driver(plan, ann=[done(5)])
    driver.begin({"n": 1})
    driver.engine.dispatcher.pools["cy"].busy = 1
    driver.drain()
    assert driver.ending().result == 5
    assert ended(driver).waited_us == 605 * S


def test_a_person_may_look_on_and_an_answer_that_is_no_value_harms_nobody():
    end, driver = ran(ONE.replace("by bob", "by eve { timeout = 1h }"), ann=[done(5)], eve=[done("x"), done(3)])
    assert (end.status, end.result) == ("completed", 5)
    assert driver.kernels["r"].verdicts == []


def test_several_are_all_counted():
    body = (
        "step a = Work(n) by ann\neval good = Score(a) by all of [bob, cy]\neval more = Score(a) by 2 of cy\nreturn a"
    )
    _, driver = ran(body, bob=[done(1)], cy=[done(2), done(3), done(4)])
    found = [(path, value) for _, path, _, value in driver.kernels["r"].verdicts]
    assert sorted(found) == [("good[bob]", 1), ("good[cy]", 2), ("more[0]", 3), ("more[1]", 4)]


def test_which_places_are_looked_at_is_a_matter_of_the_place_alone():
    body = (
        "repeat best 50 times {\n  step a = Work(n) by ann\n  eval good = Score(a) by bob { sample = 30% }\n"
        "  until a > 99\n  give a\n}\nreturn best"
    )
    _, slow = ran(body, ann=[done(1, takes=5 * S)], bob=[done(2)])
    _, quick = ran(body, ann=[done(1)], bob=[failing()])
    places = [[c.place for c in driver.tried(RunTask) if c.agent == "bob"] for driver in (slow, quick)]
    paths = [
        [driver.kernels["r"].path(place) for place in found]
        for driver, found in zip((slow, quick), places, strict=True)
    ]
    assert paths[0] == paths[1]
    assert 5 <= len(paths[0]) <= 25
    assert slow.kernels["r"].status == "completed"


def test_an_argument_that_cannot_be_told_is_a_failed_eval_and_no_more():
    body = "step a = Work(n) by ann\neval good = Score(round(10 / (a - 5))) by bob\nreturn a"
    end, _ = ran(body, ann=[done(5)])
    assert (end.status, end.result) == ("completed", 5)
    assert "good" in end.decided("eval failed")[0]


def test_a_run_that_fails_looks_no_further():
    body = 'step a = Work(n) by ann\neval good = Score(a) by bob\nfail "no" when a > 0\nreturn a'
    end, _ = ran(body, ann=[done(5)], bob=[hangs()])
    assert (end.status, end.error["message"]) == ("failed", "no")
    assert end.ended_us < 1_100 * S
    assert end.decided("eval given up") == ["good"]


def test_who_cancels_a_run_that_only_looks_on_has_its_result_at_once():
    driver = Driver(compiled(ONE), ann=[done(5)], bob=[hangs()])
    driver.begin({"n": 1})
    driver.cancel(10 * S)
    driver.drain()
    end = driver.ending()
    assert (end.status, end.result) == ("completed", 5)
    assert end.ended_us == 1_010 * S
    assert_closed(driver)


@pytest.mark.parametrize("point", range(1, 22))
def test_a_crash_anywhere_leaves_result_and_value_as_they_would_be(point):
    driver = Driver(compiled(ONE), crashes={point}, ann=[done(5)], bob=[failing(), done(7)])
    driver._inputs = lambda run: {"n": 1}
    driver.begin({"n": 1})
    driver.drain()
    assert_closed(driver)
    assert driver.ending().result == 5
    assert driver.kernels["r"].verdicts == []


def test_a_run_that_looks_on_goes_on_from_its_export():
    driver = Driver(compiled(ONE), ann=[done(5)], bob=[done(7, takes=30 * S)])
    documents = []

    def check(driver):
        kernel = driver.engine.kernels.get("r")
        if kernel is not None and kernel.asides:
            document = kernel.export()
            assert Kernel.restore(driver.plan, document).export() == document
            documents.append(document)

    driver.checks.append(check)
    driver.run({"n": 1})
    assert documents
