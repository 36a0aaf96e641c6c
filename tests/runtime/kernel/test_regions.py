"""Repeat, scope, mapping, flows as steps, guards, checkpoints, cancelling."""

import pytest

from orchspec.compiler.plan import Need
from orchspec.runtime.kernel.commands import RunTask
from orchspec.runtime.kernel.events import TimerFired
from tests.support.driver import Driver, done, failing, hangs
from tests.support.invariants import assert_closed, assert_folds
from tests.support.plans import (
    S,
    budget,
    call,
    checkpoint,
    fail,
    field_of,
    flow,
    give,
    let,
    plan,
    repeat,
    scope,
    skip,
    task,
    until,
    use,
    v,
)
from tests.support.running import run

# ------------------------------------------------------------------ repeat


def rounds(times, *, every=None, otherwise=None, at_least=3, **rest):
    body = (task("n", ["call", "len", [v("past")]]), until(["ge", v("n"), at_least]), give(v("n")))
    return plan(repeat("r", times, *body, kept=("n",), every=every, otherwise=otherwise, **rest), give(v("r")))


def test_rounds_go_on_until_the_condition_holds():
    driver = Driver(rounds(5), ann=[done(1), done(2), done(3), done(4)])
    end = run(driver)
    assert end.result == 3
    assert [command.inputs for command in driver.tried(RunTask)] == [[0], [1], [2]]
    assert driver.kernels["r"].path(driver.tried(RunTask)[2].place) == "r#3/n"


def test_past_and_prev_are_the_records_of_earlier_rounds():
    body = (
        task("n", ["list", [["project", v("past"), "n"], ["field?", v("prev"), "n"]]]),
        until(["ge", v("n"), 3]),
        give(v("n")),
    )
    driver = Driver(plan(repeat("r", 5, *body, kept=("n",)), give(v("r"))), ann=[done(1), done(2), done(3)])
    run(driver)
    assert [command.inputs[0] for command in driver.tried(RunTask)] == [[[], None], [[1], 1], [[1, 2], 2]]


def test_without_else_the_last_value_counts():
    assert run(Driver(rounds(2), ann=[done(1), done(2)])).result == 2


def test_else_runs_when_the_rounds_are_exhausted():
    assert run(Driver(rounds(2, otherwise=(give(99),)), ann=done(0))).result == 99
    end = run(Driver(rounds(2, otherwise=(fail("no draft was accepted"),)), ann=done(0)))
    assert end.error["message"] == "no draft was accepted"


def test_no_rounds_at_all_are_exhausted_at_once():
    assert run(Driver(rounds(0, otherwise=(give(99),)))).result == 99
    assert run(Driver(rounds(0))).error["code"] == "exhausted"


def test_a_round_that_fails_fails_the_repeat():
    assert run(Driver(rounds(5), ann=[done(1), failing()])).error["code"] == "agent_error"


def test_every_spaces_the_rounds():
    driver = Driver(rounds(5, every=10 * S), ann=[done(1), done(2), done(3)])
    assert run(driver).ended_us == 1_023 * S


def test_a_period_that_is_told_twice_begins_one_round():
    driver = Driver(rounds(5, every=10 * S), ann=[done(1, takes=5 * S), done(2, takes=5 * S), done(3)])
    driver.begin()
    for after in (15, 16, 31):
        driver.at(after * S + 1, "r", TimerFired(0, 1, "every"))
    driver.drain()
    assert len(driver.tried(RunTask)) == 3
    assert_closed(driver)


def test_a_repeat_that_is_stopped_while_it_waits_drops_its_timer():
    driver = Driver(rounds(5, every=100 * S), ann=done(0))
    driver.begin()
    driver.cancel(50 * S)
    driver.drain()
    assert driver.ending().status == "cancelled"
    assert_closed(driver)


def test_times_that_fail_fail_the_step():
    assert run(Driver(rounds(["index", [1], 4]))).error["code"] == "expression"


def test_a_condition_that_fails_fails_the_round():
    body = (until(["index", [1], 4]), give(1))
    assert run(Driver(plan(repeat("r", 2, *body), give(v("r"))))).error["code"] == "expression"


# ------------------------------------------------------------------ scope


def test_a_scope_gives_its_value_and_sees_the_names_around_it():
    driver = Driver(
        plan(let("k", 4), scope("s", task("a", v("k")), give(["add", "Int", v("a"), v("k")])), give(v("s")))
    )
    assert run(driver).result == 5


def test_a_scope_that_takes_too_long_is_stopped():
    driver = Driver(
        plan(scope("s", task("a"), give(v("a")), timeout=3 * S, on_failure=(use(7),)), give(v("s"))), ann=hangs()
    )
    end = run(driver)
    assert (end.result, end.ended_us) == (7, 1_003 * S)


def test_a_deadline_that_fires_while_the_scope_unwinds_is_late():
    from tests.support.plans import effect

    driver = Driver(
        plan(
            scope("s", effect("u", 1), task("a", after=("u",)), give(v("a")), timeout=4 * S, on_failure=(skip,)),
            give(v("s")),
        ),
        ann=failing(),
        retract=done(takes=9 * S),
    )
    end = run(driver)
    assert end.status == "completed"
    assert end.kernel.ignored == 1


def test_scopes_nest():
    inner = scope("b", task("a", v("k")), give(v("a")))
    driver = Driver(
        plan(let("k", 3), scope("s", inner, give(["add", "Int", v("b"), v("k")])), give(v("s"))), ann=done(5)
    )
    assert run(driver).result == 8
    assert driver.kernels["r"].path(driver.tried(RunTask)[0].place) == "s/b/a"


def mapping(*items, width=None, need=None, on_failure=(), **rest):
    over = ("i", list(items)) if width is None else ("i", list(items), width)
    return plan(
        scope(
            "s",
            task("a", v("i")),
            task("b", v("a")),
            give(["add", "Int", v("b"), 100]),
            over=over,
            need=need,
            on_failure=on_failure,
            **rest,
        ),
        give(v("s")),
    )


def by_item(outcomes):
    return [lambda path, attempt: outcomes[int(path.split("[")[1].split("]")[0])]]


def test_a_scope_for_each_item_gives_a_list_in_input_order():
    driver = Driver(mapping(1, 2, 3), ann=by_item([done(1, takes=3 * S), done(2), done(3)]))
    end = run(driver)
    assert end.result == [101, 102, 103]


@pytest.mark.parametrize(("width", "seconds"), [(None, 2), (1, 8), (2, 4), (3, 4)])
def test_width_bounds_how_many_items_are_under_way(width, seconds):
    assert run(Driver(mapping(1, 2, 3, 4, width=width))).ended_us == (1_000 + seconds) * S


def test_items_that_fail_are_left_out_down_to_the_floor():
    outcomes = [done(0), failing(), done(2)]
    assert run(Driver(mapping(1, 2, 3, need=Need(count=2)), ann=by_item(outcomes))).result == [100, 102]
    end = run(Driver(mapping(1, 2, 3), ann=by_item(outcomes)))
    assert end.error["code"] == "need"


def test_items_follow_their_own_chain():
    outcomes = [done(0), failing(), done(2)]
    assert run(Driver(mapping(1, 2, 3, on_failure=(skip,)), ann=by_item(outcomes))).result == [100, 102]
    assert run(Driver(mapping(1, 2, 3, on_failure=(use(0),)), ann=by_item(outcomes))).result == [100, 0, 102]


def test_each_item_has_the_timeout_and_the_budget_of_its_own():
    driver = Driver(
        mapping(1, 2, 3, width=1, timeout=3 * S, on_failure=(skip,)),
        ann=by_item([done(0), done(1, takes=2 * S), done(2)]),
    )
    assert run(driver).result == [100, 102]
    three = plan(
        scope("s", task("a", v("i"), cost=5), give(v("a")), over=("i", [1, 2, 3]), budget=budget(cost=5)), give(v("s"))
    )
    assert run(Driver(three, ann=done(1, cost=5))).result == [1, 1, 1]


def test_no_items_give_an_empty_list():
    assert run(Driver(plan(scope("s", give(1), over=("i", ["list", []])), give(v("s"))))).result == []


def test_maps_nest():
    inner = scope("t", task("a", ["add", "Int", v("i"), v("j")]), give(v("a")), over=("j", [10, 20]))
    driver = Driver(
        plan(scope("s", inner, give(v("t")), over=("i", [1, 2])), give(v("s"))), ann=done(lambda inputs: inputs[0])
    )
    assert run(driver).result == [[11, 21], [12, 22]]


def test_missing_items_of_a_mapping_can_be_read():
    driver = Driver(
        plan(
            scope("s", task("a", v("i")), give(v("a")), over=("i", [7, 8]), need=Need(count=1)), give(["$missing", "s"])
        ),
        ann=by_item([failing(), done()]),
    )
    assert run(driver).result == [7]


# ------------------------------------------------------------------ flows


def test_a_flow_as_a_step_sees_its_arguments_and_gives_its_result():
    sub = flow("sub", task("a", v("n")), give(["add", "Int", v("a"), v("n")]), given=("n",))
    driver = Driver(plan(call("f", "sub", 4), give(v("f")), flows=(sub,)), ann=done(1))
    assert run(driver).result == 5
    assert driver.kernels["r"].path(driver.tried(RunTask)[0].place) == "f/a"


def test_arguments_of_a_flow_are_checked():
    sub = flow("sub", give(v("n")), given=("n",), of="Int", where=["lt", ["ref", 0, 0], ["const", 3]])
    assert run(Driver(plan(call("f", "sub", 5), give(v("f")), flows=(sub,)))).error["code"] == "bad_input"


def test_a_called_flow_has_the_time_of_its_budget_and_of_its_call():
    sub = flow("sub", task("a"), give(v("a")), budget=budget(time=9 * S))
    driver = Driver(
        plan(call("f", "sub", budget=budget(time=4 * S), on_failure=(skip,)), give(v("f")), flows=(sub,)), ann=hangs()
    )
    assert run(driver).ended_us == 1_004 * S


def test_a_run_has_the_time_of_its_budget():
    end = run(Driver(plan(task("a"), give(v("a")), budget=budget(time=4 * S)), ann=hangs(stops=S)))
    assert (end.status, end.ended_us) == ("budget_exhausted", 1_005 * S)


def test_inputs_that_do_not_fit_end_the_run_in_its_first_record():
    driver = Driver(plan(give(v("x")), given=("x",), of="Int"))
    end = run(driver, {"x": "no number"})
    assert (end.status, end.error["code"]) == ("failed", "bad_input")
    assert len(driver.records()) == 1


def test_a_run_without_steps_ends_in_its_first_record():
    driver = Driver(plan(give(["add", "Int", v("x"), 1]), given=("x",), of="Int"))
    assert run(driver, {"x": 1}).result == 2
    assert driver.store.run("r").status == "completed"


# ------------------------------------------------------------------ guards, checkpoints, cancelling


def test_a_guard_fails_its_block_with_its_message():
    driver = Driver(
        plan(
            task("a"),
            fail(["concat", ["const", "got "], ["call", "text", [v("a")]]], when=["gt", v("a"), 3]),
            give(v("a")),
        ),
        ann=done(5),
    )
    assert run(driver).error == {"code": "failed", "message": "got 5", "step": None}
    assert run(Driver(plan(task("a"), fail("no", when=["gt", v("a"), 3]), give(v("a"))), ann=done(1))).result == 1


def test_a_checkpoint_is_reached_after_what_stands_above_it():
    driver = Driver(plan(task("a"), checkpoint("half", after=("a",)), task("b", after=("half",)), give(v("b"))))
    end = run(driver)
    assert end.kernel.reached == ["half"]
    assert [command.place for command in driver.tried(RunTask)] == [1, 2]


def test_a_cancelled_run_stops_what_is_under_way_and_waits_for_it():
    driver = Driver(plan(task("a"), task("b", of="bob"), give(v("a"))), ann=hangs(stops=3 * S), bob=hangs(stops=S))
    driver.begin()
    driver.cancel(5 * S)
    driver.drain()
    end = driver.ending()
    assert (end.status, end.error["code"], end.ended_us) == ("cancelled", "cancelled", 1_008 * S)
    assert_closed(driver)
    assert_folds(driver)


def test_a_cancel_that_comes_after_the_result_changes_nothing():
    driver = Driver(plan(task("a", by="first", of=("ann", "bob")), give(v("a"))), ann=done(), bob=hangs(stops=5 * S))
    driver.begin()
    driver.cancel(3 * S)
    driver.drain()
    assert driver.ending().status == "completed"


def test_names_of_a_record_are_read():
    driver = Driver(
        plan(task("a", contract="Judge"), give(field_of(v("a"), "score"))), ann=done({"verdict": "ok", "score": 3})
    )
    assert run(driver).result == 3
