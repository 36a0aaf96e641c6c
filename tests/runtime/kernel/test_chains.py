"""on_failure: stop, skip, use, ask, and chains of them."""

from orchspec.runtime.kernel.commands import AskPerson, RunTask, StopTask
from tests.support.driver import Driver, answers, done, failing, never, refuses
from tests.support.invariants import assert_closed
from tests.support.plans import S, agent, ask, call, effect, flow, give, plan, skip, stop, task, use, v
from tests.support.running import run


def failed_step(*chain, **rest):
    return plan(task("a", on_failure=chain, **rest), give(v("a")))


def test_stop_fails_the_run():
    assert run(Driver(failed_step(stop), ann=failing())).status == "failed"


def test_skip_makes_the_value_none():
    end = run(Driver(failed_step(skip), ann=failing()))
    assert (end.status, end.result) == ("completed", None)


def test_use_gives_its_value_instead():
    assert run(Driver(failed_step(use(["add", "Int", 20, 2])), ann=failing())).result == 22


def test_a_use_that_fails_hands_on_to_the_next_link():
    assert run(Driver(failed_step(use(["index", [1], 5]), use(3)), ann=failing())).result == 3
    end = run(Driver(failed_step(use(["index", [1], 5])), ann=failing()))
    assert end.error["code"] == "expression"


def test_ask_gives_the_same_contract_and_arguments_to_a_person():
    driver = Driver(
        plan(task("a", 5, on_failure=(ask("eve"),)), give(v("a"))), ann=failing(), eve=answers(7, takes=60 * S)
    )
    end = run(driver)
    assert end.result == 7
    (question,) = driver.tried(AskPerson)
    assert (question.contract, question.inputs) == ("Work", [5])
    assert driver.kernels["r"].path(question.place) == "a?eve"


def test_nobody_answers_in_time_and_the_next_link_counts():
    driver = Driver(failed_step(ask("eve", within=60 * S), use(4)), ann=failing(), eve=never())
    end = run(driver)
    assert end.result == 4
    assert end.ended_us == 1_061 * S
    assert len(driver.tried(StopTask)) == 1


def test_within_counts_from_the_asking_also_while_the_person_is_busy():
    busy = plan(
        task("b", of="eve"),
        task("a", on_failure=(ask("eve", within=60 * S), use(4))),
        give(v("a")),
        agents=(agent("eve", kind="human"),),
    )
    driver = Driver(busy, ann=failing(), eve=[answers(1, takes=900 * S), never()])
    end = run(driver)
    assert end.result == 4
    assert len(driver.tried(AskPerson)) == 1


def test_an_answer_that_breaks_the_contract_asks_no_more_than_the_attempts_allow():
    driver = Driver(failed_step(ask("eve", attempts=2), use(9)), ann=failing(), eve=answers("junk"))
    assert run(driver).result == 9
    assert len(driver.tried(AskPerson)) == 2


def test_a_second_answer_is_late():
    driver = Driver(failed_step(ask("eve")), ann=failing(), eve=answers(3, twice=True))
    end = run(driver)
    assert end.result == 3


def test_a_chain_may_ask_one_after_another():
    driver = Driver(failed_step(ask("bob"), ask("eve")), ann=failing(), bob=failing(), eve=answers(6))
    assert run(driver).result == 6
    assert [command.agent for command in driver.tried(RunTask)] == ["ann", "bob"]


def test_a_race_that_is_lost_asks_with_the_same_arguments():
    driver = Driver(
        plan(task("a", 5, by="first", of=("ann", "bob"), on_failure=(ask("eve"),)), give(v("a"))),
        ann=failing(),
        bob=failing(),
        eve=answers(2),
    )
    assert run(driver).result == 2
    assert [question.inputs for question in driver.tried(AskPerson)] == [[5]]


def test_effects_and_flows_skip_or_use_too():
    driver = Driver(
        plan(
            effect("u", 1, on_failure=(use("none"),)),
            call("f", "sub", on_failure=(skip,)),
            give(["list", [v("u"), v("f")]]),
            flows=(flow("sub", task("x"), give(v("x"))),),
        ),
        publish=refuses(),
        ann=failing(),
    )
    assert run(driver).result == ["none", None]


def test_nobody_can_be_asked_to_do_a_flow():
    driver = Driver(
        plan(
            call("f", "sub", on_failure=(ask("eve"), use(1))),
            give(v("f")),
            flows=(flow("sub", task("x"), give(v("x"))),),
        ),
        ann=failing(),
    )
    assert run(driver).result == 1


def test_questions_are_no_poison_however_often_the_engine_starts_again():
    driver = Driver(failed_step(ask("eve")), ann=failing(), eve=[answers(3, takes=10**12), answers(3, takes=10**12)])
    driver.begin()
    driver.drain(driver.now + 2 * S)
    for _ in range(25):
        driver._guarded(driver._recover)
    driver.drain()
    assert driver.ending().result == 3
    assert_closed(driver)


def test_a_failure_of_an_expression_cannot_be_asked_about():
    driver = Driver(plan(task("a", ["index", [1], 5], on_failure=(ask("eve"), use(8))), give(v("a"))), eve=done(1))
    assert run(driver).result == 8
    assert driver.tried(AskPerson) == []


def test_an_answer_to_what_no_person_was_asked_is_ignored():
    from orchspec.runtime.kernel.events import QuestionAnswered

    driver = Driver(plan(task("a"), give(v("a"))), ann=done(2, takes=5 * S))
    driver.begin()
    driver.at(S, "r", QuestionAnswered(0, 1, 1, 9, "mallory"))
    driver.drain()
    assert driver.ending().result == 2
    assert driver.kernels["r"].ignored == 1


def test_a_stale_answer_does_not_close_the_question_that_is_open_now():
    from orchspec.runtime.kernel.events import QuestionAnswered

    driver = Driver(failed_step(ask("eve", attempts=2)), ann=failing(), eve=[answers("junk"), answers(5, takes=50 * S)])
    driver.begin()
    driver.drain(driver.now + 3 * S)
    assert len(driver.store.questions()) == 1
    place = driver.tried(AskPerson)[-1].place
    driver.at(S, "r", QuestionAnswered(0, place, 1, 7, "eve"))
    driver.drain(driver.now + 3 * S)
    assert len(driver.store.questions()) == 1
    driver.drain()
    assert driver.ending().result == 5
    assert_closed(driver)
