"""Fan-outs: by all, by N of, by first of, for; width, need, and what is left out."""

import pytest

from orchspec.compiler.plan import Need
from orchspec.runtime.kernel.commands import RunTask, StopTask
from tests.support.driver import Driver, done, failing, hangs
from tests.support.plans import S, agent, arbitrate, give, plan, rule, skip, stop, task, use, v
from tests.support.running import run

EVERYBODY = ("ann", "bob", "cy")


def by_item(outcomes):
    """A script by the index of the item, whatever the order in which they start."""
    return [lambda path, attempt: outcomes[int(path.rpartition("[")[2].rstrip("]"))]]


def test_by_all_gives_a_list_in_the_order_of_the_agents():
    driver = Driver(
        plan(task("a", by="all", of=EVERYBODY), give(v("a"))),
        ann=done(1, takes=3 * S),
        bob=done(2, takes=2 * S),
        cy=done(3),
    )
    end = run(driver)
    assert end.result == [1, 2, 3]
    assert end.ended_us == 1_003 * S, "three agents of 3, 2 and 1 s beside each other take 3 s"


def test_by_all_fails_with_the_first_failure_and_stops_the_others():
    driver = Driver(plan(task("a", by="all", of=EVERYBODY), give(v("a"))), ann=hangs(), bob=failing(), cy=hangs())
    end = run(driver)
    assert end.error["code"] == "need"
    assert sorted(command.agent for command in driver.tried(StopTask)) == ["ann", "cy"]


def test_results_are_read_by_giver():
    driver = Driver(
        plan(task("a", by="all", of=EVERYBODY), give(["$giver", "a", "bob"])), ann=done(1), bob=done(2), cy=done(3)
    )
    assert run(driver).result == 2


def test_n_of_one_agent_asks_it_n_times():
    driver = Driver(plan(task("a", by="some", copies=3), give(v("a"))), ann=[done(1), done(2), done(3)])
    assert run(driver).result == [1, 2, 3]
    paths = sorted({driver.kernels["r"].path(command.place) for command in driver.tried(RunTask)})
    assert paths == ["a[0]", "a[1]", "a[2]"]


def test_need_is_a_floor_for_fan_outs_too():
    driver = Driver(
        plan(task("a", by="all", of=EVERYBODY, need=Need(count=2)), give(v("a"))),
        ann=done(1),
        bob=failing(),
        cy=done(3),
    )
    assert run(driver).result == [1, 3]


def test_a_race_is_won_by_the_first_success_and_the_others_are_stopped():
    driver = Driver(
        plan(task("a", by="first", of=EVERYBODY), give(v("a"))),
        ann=done(1, takes=5 * S),
        bob=failing(),
        cy=done(3, takes=2 * S),
    )
    end = run(driver)
    assert end.result == 3
    assert end.decided("won") == ["a[cy]"]
    assert [command.agent for command in driver.tried(StopTask)] == ["ann"]
    assert end.ended_us == 1_002 * S


def test_a_race_that_everybody_loses_fails_the_step():
    driver = Driver(
        plan(task("a", by="first", of=EVERYBODY, on_failure=(use(0),)), give(v("a"))),
        ann=failing(),
        bob=failing(),
        cy=failing(),
    )
    assert run(driver).result == 0


def test_a_task_that_still_queues_when_the_race_is_won_gives_back_what_it_reserved():
    one = agent("bob", slots=1)
    driver = Driver(
        plan(task("busy", of="bob"), task("a", by="first", of=("ann", "bob"), cost=5), give(v("a")), agents=(one,)),
        ann=done(1),
        bob=done(2, takes=9 * S, cost=0),
    )
    end = run(driver)
    assert end.result == 1
    assert end.kernel.account.charged_pico == 0
    assert end.kernel.account.attempts == 2, "an attempt that was never made counts for nothing"


def test_for_gives_a_list_in_input_order():
    driver = Driver(
        plan(task("a", v("t"), over=("t", [10, 20, 30])), give(v("a"))),
        ann=by_item([done(1, takes=3 * S), done(2, takes=S), done(3, takes=2 * S)]),
    )
    assert run(driver).result == [1, 2, 3]


@pytest.mark.parametrize(("width", "seconds"), [(None, 1), (1, 5), (2, 3), (5, 1), (9, 1)])
def test_width_bounds_how_many_run_at_once(width, seconds):
    over = ("t", [1, 2, 3, 4, 5]) if width is None else ("t", [1, 2, 3, 4, 5], width)
    driver = Driver(plan(task("a", v("t"), over=over), give(v("a"))))
    assert run(driver).ended_us == 1_000 * S + seconds * S


def test_the_next_item_starts_as_soon_as_one_has_ended():
    driver = Driver(
        plan(task("a", v("t"), over=("t", [1, 2, 3], 2)), give(v("a"))),
        ann=by_item([done(takes=5 * S), done(), done()]),
    )
    assert run(driver).ended_us == 1_005 * S


def test_nothing_to_do_gives_an_empty_list():
    assert run(Driver(plan(task("a", v("t"), over=("t", ["list", []])), give(v("a"))))).result == []


@pytest.mark.parametrize(
    ("need", "lost", "status"),
    [
        (None, 0, "completed"),
        (None, 1, "failed"),
        (Need(share=0.75), 1, "completed"),
        (Need(share=0.75), 2, "failed"),
        (Need(share=0.7), 1, "completed"),
        (Need(count=1), 3, "completed"),
        (Need(count=1), 4, "failed"),
        (Need(share=0.0), 4, "completed"),
    ],
)
def test_need_is_a_floor_below_which_the_step_fails(need, lost, status):
    outcomes = [failing() if index < lost else done(index) for index in range(4)]
    driver = Driver(plan(task("a", v("t"), over=("t", [0, 1, 2, 3]), need=need), give(v("a"))), ann=by_item(outcomes))
    end = run(driver)
    assert end.status == status
    if status == "completed":
        assert end.result == list(range(lost, 4))


def test_once_the_floor_is_out_of_reach_the_rest_is_stopped_and_nothing_more_starts():
    driver = Driver(
        plan(task("a", v("t"), over=("t", [0, 1, 2, 3], 3), need=Need(count=3)), give(v("a"))),
        ann=by_item([failing(), failing(), hangs(), done()]),
    )
    end = run(driver)
    assert end.error["code"] == "need"
    assert end.ended_us == 1_001 * S
    assert {command.place for command in driver.tried(RunTask)} >= {command.place for command in driver.tried(StopTask)}
    assert next(driver.kernels["r"].path(command.place) for command in driver.tried(StopTask)) == "a[2]"


def test_missing_gives_the_items_that_failed():
    driver = Driver(
        plan(task("a", v("t"), over=("t", [10, 20, 30]), need=Need(count=1)), give(["$missing", "a"])),
        ann=by_item([failing(), done(), failing()]),
    )
    assert run(driver).result == [10, 30]


def test_items_that_are_skipped_are_left_out_and_lower_no_share():
    driver = Driver(
        plan(task("a", v("t"), over=("t", [10, 20, 30]), on_failure=(skip,)), give(v("a"))),
        ann=by_item([failing(), done(5), done(6)]),
    )
    assert run(driver).result == [5, 6]


def test_the_chain_is_gone_along_for_each_item():
    driver = Driver(
        plan(task("a", v("t"), over=("t", [10, 20]), on_failure=(use(0), stop)), give(v("a"))),
        ann=by_item([failing(), done(5)]),
    )
    assert run(driver).result == [0, 5]


def test_an_item_whose_arguments_fail_is_a_failed_item():
    driver = Driver(
        plan(task("a", ["index", [7], v("t")], over=("t", [0, 1]), need=Need(count=1)), give(v("a"))), ann=done(3)
    )
    assert run(driver).result == [3]
    assert len(driver.tried(RunTask)) == 1


def test_results_arrive_in_an_order_that_arbitration_knows():
    driver = Driver(
        plan(
            task("a", by="all", of=EVERYBODY),
            arbitrate("b", "a", rule("first")),
            give(v("b")),
        ),
        ann=done(1, takes=3 * S),
        bob=done(2, takes=S),
        cy=done(3, takes=2 * S),
    )
    assert run(driver).result == 2


def test_one_of_many_who_fails_at_once_does_not_start_the_others_twice():
    driver = Driver(plan(task("a", 10, by="all", of=EVERYBODY, contract="Small", need=Need(count=0)), give(v("a"))))
    assert run(driver).result == []
    assert driver.tried(RunTask) == []


def test_items_that_are_all_skipped_may_still_miss_the_floor():
    driver = Driver(
        plan(task("a", v("t"), over=("t", [1, 2]), need=Need(count=1), on_failure=(skip,)), give(v("a"))), ann=failing()
    )
    assert run(driver).error["code"] == "need"
