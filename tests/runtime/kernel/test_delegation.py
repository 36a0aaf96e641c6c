"""`supervise`: rounds, what a lead may ask for, failures of workers, nesting, bounds, stopping and crashes."""

import pytest

from orchspec.runtime.kernel.commands import RunTask
from orchspec.runtime.kernel.kernel import Kernel
from tests.support.driver import Driver, Ending, done, failing, hangs
from tests.support.invariants import assert_closed, assert_folds
from tests.support.plans import S
from tests.support.running import run
from tests.support.studies import plan_of

HEAD = """orch 1
type Size { n: Int where n in 0..100 }
contract Work(n: Int) -> Int
contract Weigh(size: Size, by: Text = "scale") -> Size
contract Lead(goal: Int, so_far: List<Done>) -> Delegation<Int>
contract Sub(so_far: List<Done>, part: Int) -> Delegation<Size>
agent boss fulfills Lead { slots = 1 }
agent chief fulfills Sub
agent ann fulfills Work, Weigh
agent bob fulfills Work, Lead { slots = 1 }
effect publish(n: Int) -> Int { key = n  undo = retract(n: result) }
effect retract(n: Int) -> Int { key = n }
"""


def supervised(settings="workers = [ann, bob]  rounds = 3", by="boss", before="", after="return x ?? -1"):
    return plan_of(
        f"{HEAD}flow main(start: Int = 7) -> Int {{\n{before}\nsupervise x = Lead(start) by {by} {{ {settings} }}\n"
        f"{after}\n}}\n"
    )


PLAIN = supervised()


def ask(contract="Work", to=None, **given):
    return {"contract": contract, "to": to, "input": given}


def asks(*tasks, **rest):
    return done({"tasks": list(tasks), "answer": None}, **rest)


def answer(value, **rest):
    return done({"tasks": [], "answer": value}, **rest)


def played(plan, **scripts):
    driver = Driver(plan, **scripts)
    return run(driver), driver


def told(driver, who="boss", contract="Lead"):
    """What the lead was told in each of its attempts."""
    index = 1 if contract == "Lead" else 0
    return [
        command.inputs[index]
        for command in driver.tried(RunTask)
        if command.agent == who and command.contract == contract
    ]


def paths(driver):
    return [driver.kernels["r"].path(command.place) for command in driver.tried(RunTask)]


def test_what_a_lead_asks_for_is_done_and_it_is_told_in_the_order_in_which_it_asked():
    end, driver = played(
        PLAIN,
        boss=[asks(ask(n=1, to="ann"), ask(n=2, to="bob")), answer(42)],
        ann=[done(10, takes=5 * S)],
        bob=[done(20, takes=S)],
    )
    assert (end.status, end.result) == ("completed", 42)
    assert paths(driver) == ["x#1", "x#1[0]", "x#1[1]", "x#2"]
    assert told(driver)[0] == []
    assert told(driver)[1] == [
        {"ask": ask(n=1, to="ann"), "by": "ann", "result": 10, "error": None},
        {"ask": ask(n=2, to="bob"), "by": "bob", "result": 20, "error": None},
    ]


def test_a_task_for_nobody_in_particular_goes_to_any_worker_who_fulfills_it():
    _, driver = played(
        PLAIN, boss=[asks(ask("Weigh", size={"n": 3}), ask(n=1), ask(n=1)), answer(1)], ann=[done({"n": 4})]
    )
    weighed, *worked = [command for command in driver.tried(RunTask) if command.contract != "Lead"]
    assert (weighed.agent, weighed.inputs) == ("ann", [{"n": 3}, "scale"])
    assert {command.agent for command in worked} == {"ann", "bob"}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ((), "neither an answer nor a task"),
        ((ask("Wrok", n=1),), "tasks[0].contract is 'Wrok', which no worker fulfills; there are Work, Weigh, Lead"),
        ((ask(n=1), ask(n=1, to="zed")), "tasks[1].to is 'zed', who is no worker here; there are ann, bob"),
        ((ask("Weigh", to="bob", size={"n": 3}),), "tasks[0].to is bob, who does not fulfill Weigh; ann can"),
        ((ask(m=1),), "tasks[0].input"),
        ((ask(n="one"),), "tasks[0].input.n"),
        ((ask("Weigh", size={"n": 101}),), "tasks[0].input.size"),
        ((ask("Lead", goal=1),), "Lead, which delegates further than the depth permits"),
        (tuple(ask(n=n) for n in range(101)), "101 tasks, and 100 may be asked for"),
        ((ask("x" * 9_999, n=1),), "…'"),
    ],
)
def test_what_cannot_be_begun_fails_the_leads_attempt_which_is_told_why(wrong, why):
    end, driver = played(supervised("workers = [ann, bob]  rounds = 3  attempts = 2"), boss=[asks(*wrong), answer(5)])
    assert end.result == 5
    first, second = driver.tried(RunTask)
    assert (first.attempt, second.attempt) == (1, 2)
    assert why in second.previous_error
    assert len(second.previous_error) < 400
    assert end.kernel.path(second.place) == "x#1"


def test_a_lead_that_keeps_asking_for_nonsense_fails_the_loop():
    end, _ = played(PLAIN, boss=[asks(ask("Nonsense"))])
    assert (end.status, end.error["code"], end.error["step"]) == ("failed", "unverified", "x#1")


def test_a_task_that_failed_is_told_to_the_lead_and_fails_nothing_else():
    end, driver = played(PLAIN, boss=[asks(ask(n=1, to="ann"), ask(n=2, to="bob")), answer(8)], ann=[failing("broken")])
    assert end.result == 8
    lost, came = told(driver)[1]
    assert (lost["by"], lost["result"], lost["error"][:7]) == ("ann", None, "broken:")
    assert came["error"] is None


def test_an_answer_ends_the_loop_and_what_was_asked_beside_it_is_not_begun():
    end, driver = played(PLAIN, boss=[done({"tasks": [ask(n=1)], "answer": 3})])
    assert end.result == 3
    assert paths(driver) == ["x#1"]


def test_the_last_round_has_to_bring_the_answer():
    end, driver = played(supervised("workers = [ann]  rounds = 2"), boss=[asks(ask(n=1))], ann=[done(1)])
    assert (end.status, end.error["code"]) == ("failed", "exhausted")
    assert paths(driver) == ["x#1", "x#1[0]", "x#2"]


def test_no_more_than_the_width_is_under_way_at_once():
    plan = supervised("workers = [ann]  rounds = 2  width = 2")
    driver = Driver(plan, boss=[asks(*[ask(n=n) for n in range(5)]), answer(1)], ann=[done(1, takes=4 * S)])
    most = []
    driver.checks.append(lambda driver: most.append(driver.engine.dispatcher.pools["ann"].busy))
    assert driver.run().result == 1
    assert max(most) == 2


def test_the_lead_holds_no_slot_while_its_workers_run():
    plan = supervised("workers = [ann, bob]  rounds = 2", by="bob")
    end, driver = played(plan, bob=[asks(ask(n=1, to="bob")), done(2), answer(9)])
    assert end.result == 9
    assert [command.contract for command in driver.tried(RunTask)] == ["Lead", "Work", "Lead"]


NESTED = supervised("workers = [ann, bob, chief]  rounds = 3  depth = 2")


def test_a_worker_who_leads_delegates_one_level_deeper_over_the_same_workers():
    end, driver = played(
        NESTED,
        boss=[asks(ask("Sub", part=4)), answer(1)],
        chief=[asks(ask(n=5, to="ann")), done({"tasks": [], "answer": {"n": 6}})],
        ann=[done(7)],
    )
    assert end.result == 1
    assert paths(driver) == ["x#1", "x#1[0]#1", "x#1[0]#1[0]", "x#1[0]#2", "x#2"]
    assert told(driver, "chief", "Sub") == [[], [{"ask": ask(n=5, to="ann"), "by": "ann", "result": 7, "error": None}]]
    assert told(driver)[1] == [{"ask": ask("Sub", part=4), "by": "chief", "result": {"n": 6}, "error": None}]


def test_depth_is_spent_level_by_level():
    end, driver = played(
        NESTED, boss=[asks(ask("Sub", part=4)), answer(1)], chief=[asks(ask("Sub", part=5)), hangs()], ann=[done(7)]
    )
    assert end.result == 1
    assert "further than the depth permits" in told(driver)[1][0]["error"]
    assert told(driver)[1][0]["by"] == "chief"


def test_what_is_filled_in_cannot_be_given():
    _, driver = played(NESTED, boss=[asks(ask("Sub", part=4, so_far=[])), answer(1)])
    assert "x#1[0]#1" not in paths(driver)


def test_a_budget_bounds_the_depth_around_it():
    plan = plan_of(
        HEAD + "flow main(start: Int = 7) -> Int {\nbudget { depth <= 1 }\n"
        "supervise x = Lead(start) by boss { workers = [chief, ann]  rounds = 2  depth = 3 }\nreturn x\n}"
    )
    end, _ = played(plan, boss=[asks(ask("Sub", part=4))])
    assert "further than the depth permits" in end.error["message"]


def test_its_failure_is_handled_like_that_of_a_step():
    plan = supervised("workers = [ann]  rounds = 1  on_failure = use(-5)")
    assert played(plan, boss=[failing()])[0].result == -5
    plan = supervised("workers = [ann]  rounds = 1  on_failure = skip")
    assert played(plan, boss=[asks(ask(n=1))])[0].result == -1


def test_only_if_skips_it():
    assert played(supervised("workers = [ann]  rounds = 1  only_if = start > 9"))[0].result == -1


def test_its_budget_is_that_of_the_whole():
    plan = supervised("workers = [ann]  rounds = 3  budget { attempts <= 2 }  on_failure = skip")
    end, driver = played(plan, boss=[asks(ask(n=1)), answer(4)], ann=[done(1)])
    assert end.result == -1
    assert paths(driver) == ["x#1", "x#1[0]"]


def test_its_time_budget_stops_what_is_under_way():
    plan = supervised("workers = [ann]  rounds = 3  budget { time <= 5s }  on_failure = skip")
    end, _ = played(plan, boss=[asks(ask(n=1))], ann=[hangs()])
    assert end.result == -1


def test_what_stood_before_is_undone_when_it_fails():
    plan = supervised(before="step p = publish(n: start)", settings="workers = [ann]  rounds = 1  after = [p]")
    end, driver = played(plan, boss=[failing()], publish=[done(4)])
    assert end.status == "failed"
    assert driver.world.count("retract") == 1


def test_cancelling_stops_all_that_is_under_way():
    driver = Driver(
        NESTED, boss=[asks(ask("Sub", part=1), ask(n=2, to="bob"))], chief=[asks(ask(n=3))], ann=hangs(), bob=hangs()
    )
    driver.begin()
    driver.cancel(10 * S)
    driver.drain()
    assert driver.ending().status == "cancelled"
    assert_closed(driver)
    assert_folds(driver)


ACTING = plan_of(
    HEAD.replace("agent ann fulfills Work, Weigh", "agent ann fulfills Work, Weigh { effects = [publish] }")
    + "flow main(start: Int = 7) -> Int {\n  supervise x = Lead(start) by boss {\n    workers = [ann, bob, chief]  "
    "rounds = 3  depth = 2  on_failure = skip\n  }\n  return x ?? -1\n}\n"
)


def acts(**rest):
    return Ending("done", 4, 2 * S, asks=(("publish", {}),), **rest)


def test_what_workers_did_stands_if_the_lead_answers_and_is_undone_if_the_loop_fails():
    end, driver = played(ACTING, boss=[asks(ask(n=1, to="ann")), answer(1)], ann=[acts()], publish=[done(4)])
    assert (end.result, driver.world.count("publish"), driver.world.count("retract")) == (1, 1, 0)
    end, driver = played(ACTING, boss=[asks(ask(n=1, to="ann")), failing()], ann=[acts()], publish=[done(4)])
    assert (end.result, driver.world.count("publish"), driver.world.count("retract")) == (-1, 1, 1)


def test_what_was_done_below_a_lead_that_failed_is_undone_before_its_own_lead_is_told():
    script = {"boss": [asks(ask("Sub", part=1)), answer(1)], "chief": [asks(ask(n=2, to="ann")), failing()]}
    end, driver = played(ACTING, ann=[acts()], publish=[done(4)], **script)
    assert (end.result, driver.world.count("publish"), driver.world.count("retract")) == (1, 1, 1)
    for point in range(1, driver.points + 1):
        again, crashed = played(ACTING, crashes={point}, ann=[acts()], publish=[done(4)], **script)
        assert (again.result, crashed.world.count("publish"), crashed.world.count("retract")) == (1, 1, 1), point


def test_cancelling_undoes_what_workers_did():
    driver = Driver(
        ACTING, boss=[asks(ask(n=1, to="ann"), ask(n=2, to="bob"))], ann=[acts()], publish=[done(4)], bob=hangs()
    )
    driver.begin()
    driver.cancel(10 * S)
    driver.drain()
    assert (driver.ending().status, driver.world.count("retract")) == ("cancelled", 1)
    assert_closed(driver)
    assert_folds(driver)


SCRIPTS = {
    "boss": [asks(ask("Sub", part=4), ask(n=1, to="bob")), asks(ask(n=3, to="bob")), answer(1)],
    "chief": [asks(ask(n=5, to="ann")), done({"tasks": [], "answer": {"n": 6}})],
    "ann": [done(7, takes=3 * S)],
    "bob": [done(7), failing()],
}


def test_a_crash_at_any_point_changes_nothing_that_a_lead_is_told():
    calm, driver = played(NESTED, **SCRIPTS)
    assert (calm.status, len(told(driver))) == ("completed", 3)
    for point in range(1, driver.points + 1):
        end, crashed = played(NESTED, crashes={point}, **SCRIPTS)
        assert (end.status, end.result) == (calm.status, calm.result), point
        assert told(crashed)[-1] == told(driver)[-1], point


def test_it_is_exported_and_restored_wherever_it_stands():
    _, driver = played(NESTED, **SCRIPTS)
    for after in range(8):
        driver = Driver(NESTED, **SCRIPTS)
        driver.begin()
        driver.drain(until=driver.now + after * S)
        document = driver.kernels["r"].export()
        assert Kernel.restore(NESTED, document).export() == document


def test_a_restored_kernel_goes_on_as_the_original_does():
    from orchspec.runtime.recording import event_of

    _, driver = played(NESTED, **SCRIPTS)
    events = [event_of(record) for record in driver.records()]
    for cut in range(1, len(events)):
        kernel = Kernel(NESTED, "r")
        for event in events[:cut]:
            kernel.handle(event)
        twin = Kernel.restore(NESTED, kernel.export())
        for event in events[cut:]:
            assert [str(type(c)) for c in twin.handle(event)] == [str(type(c)) for c in kernel.handle(event)]
        assert twin.export() == kernel.export()
