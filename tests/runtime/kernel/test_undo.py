"""Undo: what a discarded scope did is undone, once, latest first, and what cannot be is named."""

from orchspec.compiler.plan import Backoff, Call, Effect, Field, Policy
from orchspec.runtime.kernel.commands import TryEffect
from tests.support.driver import Driver, done, failing, hangs, lost_reply, lost_send, refuses
from tests.support.plans import S, call, effect, fail, flow, give, plan, scope, skip, task, use, v
from tests.support.running import assert_settled, run


def test_a_failed_run_undoes_what_it_did_latest_intent_first():
    driver = Driver(
        plan(
            effect("u", 1),
            effect("w", 2, after=("u",)),
            effect("x", 3, after=("w",)),
            task("t", after=("x",)),
            give(v("t")),
        ),
        ann=failing(),
    )
    end = run(driver)
    assert end.status == "failed"
    assert driver.world.standing() == []
    assert end.decided("undone") == ["x", "w", "u"]


def test_effects_of_inner_blocks_that_ended_well_are_undone_with_the_outer_one():
    sub = flow("sub", effect("u", v("n")), give(v("u")), given=("n",))
    driver = Driver(
        plan(
            effect("first", 1),
            call("f", "sub", 2, after=("first",)),
            scope("s", effect("w", 3), give(v("w")), after=("f",)),
            scope("m", effect("w", v("i")), give(v("w")), over=("i", [4, 5], 1), after=("s",)),
            fail("no", after=("m",)),
            flows=(sub,),
        )
    )
    end = run(driver)
    assert end.decided("undone") == ["m[1]/w", "m[0]/w", "s/w", "f/u", "first"]
    assert driver.world.standing() == []


def test_a_scope_that_is_skipped_unwinds_before_its_parent_goes_on():
    driver = Driver(
        plan(
            scope("s", effect("u", 1), task("t", after=("u",)), on_failure=(skip,)),
            effect("w", 2, after=("s",)),
            give(v("s")),
        ),
        ann=failing(),
    )
    end = run(driver)
    assert (end.status, end.result) == ("completed", None)
    assert driver.world.standing() == [2]
    assert [command.effect for command in driver.tried(TryEffect)] == ["publish", "retract", "publish"]


def test_what_was_sent_when_its_scope_is_discarded_is_waited_for_and_then_undone():
    driver = Driver(plan(effect("u", 1), task("t"), give(v("t"))), publish=done(takes=8 * S), ann=failing())
    end = run(driver)
    assert driver.world.count("publish") == 1
    assert driver.world.standing() == []
    assert end.ended_us >= 1_009 * S


def test_what_was_sent_and_is_refused_after_its_scope_was_discarded_needs_no_undo():
    driver = Driver(
        plan(effect("u", 1, policy=Policy(3, backoff=Backoff(S, S))), task("t"), give(v("t"))),
        publish=refuses(takes=8 * S),
        ann=failing(),
    )
    run(driver)
    assert driver.tried(TryEffect)[-1].effect == "publish"
    assert len(driver.tried(TryEffect)) == 1


def test_what_is_in_doubt_when_its_scope_is_discarded_is_settled_first():
    driver = Driver(
        plan(effect("u", 1), task("t"), give(v("t"))), publish=[lost_reply(takes=5 * S), done()], ann=failing()
    )
    run(driver)
    assert [command.effect for command in driver.tried(TryEffect)] == ["publish", "publish", "retract"]
    assert driver.world.standing() == []


def test_what_rests_when_its_scope_is_discarded_is_given_up():
    driver = Driver(
        plan(effect("u", 1, policy=Policy(3, backoff=Backoff(30 * S, 30 * S))), task("t"), give(v("t"))),
        publish=refuses(takes=0),
        ann=failing(takes=5 * S),
    )
    end = run(driver)
    assert end.ended_us == 1_005 * S


def test_an_undo_that_is_refused_for_good_is_named_and_blocks_no_other():
    driver = Driver(
        plan(effect("u", 1), effect("w", 2, after=("u",)), fail("no", after=("w",))),
        retract=[lambda path, attempt: refuses(takes=0) if path == "w!undo" else done()],
    )
    end = run(driver)
    assert driver.world.standing() == [2]
    assert end.kernel.stuck == [["w", "retract: not today"]]
    assert "could not be undone: w" in end.error["message"]
    assert [(row.effect, row.state) for row in driver.store.ledger()] == [
        ("publish", "undone"),
        ("publish", "confirmed"),
        ("retract", "not_done"),
        ("retract", "confirmed"),
    ]


def test_an_undo_is_exempt_from_the_retries_of_its_run():
    from tests.support.plans import budget

    driver = Driver(
        plan(effect("u", 1), fail("no", after=("u",)), budget=budget(retries=0)), retract=[refuses(), refuses(), done()]
    )
    run(driver)
    assert driver.world.standing() == []


def test_an_undo_in_doubt_is_sent_again_and_the_original_never():
    driver = Driver(plan(effect("u", 1), fail("no", after=("u",))), retract=[lost_reply(), lost_send(), done()])
    run(driver)
    assert [command.effect for command in driver.tried(TryEffect)] == ["publish", "retract", "retract", "retract"]
    assert driver.world.count("retract") == 1


def test_after_an_undo_the_same_effect_is_another_generation():
    driver = Driver(
        plan(
            scope("s", effect("u", 1), fail("no", after=("u",)), on_failure=(skip,)),
            effect("w", 1, after=("s",)),
            give(v("w")),
        )
    )
    run(driver)
    assert driver.world.count("publish") == 2
    assert driver.world.standing() == [1]
    assert [(row.generation, row.state) for row in driver.store.ledger() if row.effect == "publish"] == [
        (0, "undone"),
        (1, "confirmed"),
    ]


def test_the_same_effect_undone_twice_is_undone_twice_at_the_target():
    again = scope("again", effect("u", 1), fail("no", after=("u",)), on_failure=(skip,), after=("once",))
    once = scope("once", effect("u", 1), fail("no", after=("u",)), on_failure=(skip,))
    driver = Driver(plan(once, again, give(1)))
    run(driver)
    assert driver.world.count("retract") == 2
    assert driver.world.standing() == []


def test_while_an_undo_is_under_way_nobody_relies_on_what_it_undoes():
    driver = Driver(
        plan(effect("u", 1), fail("no", after=("u",)), flows=(flow("other", effect("w", 1), give(v("w"))),)),
        retract=done(takes=9 * S),
    )
    driver.begin(run="r")
    driver.drain(driver.now + 3 * S)
    driver.begin(run="s", flow="other")
    driver.drain()
    assert driver.ending("s").status == "completed"
    assert driver.world.standing() == [1]
    assert_settled(driver)


def test_who_waits_for_an_undo_joins_what_could_not_be_undone():
    driver = Driver(
        plan(effect("u", 1), fail("no", after=("u",)), flows=(flow("other", effect("w", 1), give(v("w"))),)),
        retract=refuses(takes=S),
    )
    driver.begin(run="r")
    driver.drain(driver.now + 3 * S)
    driver.begin(run="s", flow="other")
    driver.drain()
    assert driver.ending("s").result == "publish-0"
    assert driver.world.count("publish") == 1


def test_what_others_joined_is_not_undone_under_them():
    driver = Driver(
        plan(
            effect("u", 1),
            task("t", after=("u",)),
            fail("no", after=("t",)),
            flows=(flow("other", effect("w", 1), give(v("w"))),),
        ),
        ann=done(takes=9 * S),
    )
    driver.begin(run="r")
    driver.drain(driver.now + 3 * S)
    driver.begin(run="s", flow="other")
    driver.drain()
    assert driver.ending("r").decided("passed on") == ["u"]
    assert driver.world.standing() == [1]
    assert_settled(driver)


def test_the_last_of_those_who_joined_undoes_it():
    driver = Driver(
        plan(effect("u", 1), task("t", after=("u",)), fail("no", after=("t",))),
        ann=[done(takes=5 * S), done(takes=9 * S)],
    )
    driver.begin(run="r")
    driver.begin(run="s")
    driver.drain()
    assert driver.world.standing() == []
    assert driver.world.count("retract") == 1
    assert_settled(driver)


def test_an_effect_without_an_undo_is_told_to_stay():
    driver = Driver(plan(effect("u", 1, 2, effect="log"), fail("no", after=("u",))))
    end = run(driver)
    assert end.decided("nothing undoes") == ["log"]


def test_a_receipt_that_is_none_fails_the_step_and_names_what_cannot_be_undone():
    driver = Driver(plan(effect("u", 1), give(v("u"))), publish=done(["no text"]))
    end = run(driver)
    assert end.error["code"] == "bad_receipt"
    assert [path for path, _ in end.kernel.stuck] == ["u"]
    assert [row.state for row in driver.store.ledger()] == ["confirmed"]


def test_what_an_undo_gives_back_does_not_matter():
    odd = Effect("odd", [Field("receipt", "Text")], "Int", ["ref", 0, 0])
    made = Effect("made", [Field("x", "Json")], "Text", ["ref", 0, 0], undo=Call("odd", [["ref", 0, 1]]))
    driver = Driver(
        plan(effect("u", 1, effect="made"), fail("no", after=("u",)), effects=(odd, made)), odd=done("no number")
    )
    end = run(driver)
    assert end.decided("undone") == ["u"]
    assert end.kernel.stuck == []


def test_an_undo_that_cannot_be_computed_is_named():
    made = Effect(
        "made",
        [Field("x", "Json")],
        "Json",
        ["ref", 0, 0],
        undo=Call("retract", [["index", ["list", []], ["const", 1]]]),
    )
    driver = Driver(plan(effect("u", 1, effect="made"), fail("no", after=("u",)), effects=(made,)))
    assert [path for path, _ in run(driver).kernel.stuck] == ["u"]


def test_a_cancelled_run_undoes_what_it_did():
    driver = Driver(plan(effect("u", 1), task("t", after=("u",)), give(v("t"))), ann=hangs())
    driver.begin()
    driver.cancel(5 * S)
    driver.drain()
    assert driver.ending().status == "cancelled"
    assert driver.world.standing() == []
    assert_settled(driver)


def test_a_second_cancel_is_late():
    driver = Driver(plan(effect("u", 1), task("t", after=("u",)), give(v("t"))), ann=hangs(), retract=done(takes=9 * S))
    driver.begin()
    driver.cancel(5 * S)
    driver.cancel(6 * S)
    driver.drain()
    assert driver.ending().kernel.ignored == 1


def test_use_after_a_failed_effect_needs_no_undo():
    driver = Driver(plan(effect("u", 1, on_failure=(use("x"),)), give(v("u"))), publish=refuses())
    assert run(driver).result == "x"


def test_who_joined_in_the_instant_in_which_it_was_stopped_keeps_nothing_standing():
    twice = plan(effect("u", 1), effect("w", 1), fail("no", when=["eq", v("u"), v("u")]), give(v("u")))
    driver = Driver(twice)
    driver.begin(run="r")
    driver.begin(run="s")
    driver.drain()
    assert driver.world.standing() == []
    assert driver.world.count("retract") == 1
    assert_settled(driver)
