"""Effects: once in the world, whatever is repeated, refused or in doubt."""

import pytest

from orchspec.compiler.plan import Backoff, Effect, Field, Policy
from orchspec.runtime.kernel.commands import TryEffect
from orchspec.runtime.kernel.events import EffectConfirmed, EffectRefused, TimerFired
from tests.support.driver import Driver, done, failing, hangs, lost_reply, lost_send, refuses, silent
from tests.support.invariants import assert_closed
from tests.support.plans import S, effect, fail, flow, give, plan, task, v
from tests.support.running import assert_settled, run

PATIENT = Policy(attempts=3, backoff=Backoff(S, S))


def published(**rest):
    return plan(effect("u", 1, **rest), give(v("u")))


def test_an_effect_happens_once_and_gives_its_receipt():
    driver = Driver(published())
    assert run(driver).result == "publish-0"
    assert (driver.world.count("publish"), driver.world.deliveries) == (1, 1)


def test_the_key_at_the_target_holds_no_run_place_or_attempt():
    first, second = (
        Driver(published(), seed=1),
        Driver(plan(task("t"), effect("w", 1, after=("t",)), give(v("w"))), seed=2),
    )
    first.run()
    second.run()
    assert list(first.world.applied) == list(second.world.applied)


def test_what_was_refused_is_sent_again_as_the_policy_says():
    driver = Driver(published(policy=PATIENT), publish=[refuses(), refuses(), done()])
    assert run(driver).status == "completed"
    assert [command.attempt for command in driver.tried(TryEffect)] == [1, 2, 3]
    assert len({command.target_key for command in driver.tried(TryEffect)}) == 1


def test_what_is_refused_for_good_fails_the_step_and_did_not_happen():
    driver = Driver(published(policy=PATIENT), publish=refuses())
    end = run(driver)
    assert end.error["code"] == "effect_refused"
    assert len(driver.tried(TryEffect)) == 3
    assert [row.state for row in driver.store.ledger()] == ["not_done"]


@pytest.mark.parametrize("doubt", [lost_reply(), lost_send()], ids=["it happened", "it did not"])
def test_in_doubt_it_is_sent_again_with_the_same_key_until_it_is_known(doubt):
    driver = Driver(published(), publish=[doubt, doubt, doubt, done()])
    assert run(driver).status == "completed"
    assert driver.world.count("publish") == 1
    assert len({command.target_key for command in driver.tried(TryEffect)}) == 1


def test_in_doubt_counts_no_attempt_of_the_policy():
    driver = Driver(published(policy=Policy(1)), publish=[lost_send(), lost_send(), lost_send(), done()])
    assert run(driver).status == "completed"


def test_no_reply_in_time_is_doubt():
    driver = Driver(published(policy=Policy(1, 3 * S)), publish=[silent(), done()])
    end = run(driver)
    assert end.status == "completed"
    assert end.decided("in doubt") == ["no reply in time"]
    assert driver.world.count("publish") == 1


def test_a_confirmation_that_comes_while_in_doubt_settles_it():
    driver = Driver(published(policy=Policy(1, 3 * S, Backoff(60 * S, 60 * S))), publish=done(takes=5 * S))
    end = run(driver)
    assert (end.status, end.ended_us) == ("completed", 1_005 * S)
    assert len(driver.tried(TryEffect)) == 1


def test_a_confirmation_that_comes_after_the_refusal_of_a_later_send_settles_it():
    driver = Driver(
        published(policy=Policy(3, 3 * S, Backoff(S, S))), publish=[done(takes=6 * S), refuses(), done(takes=50 * S)]
    )
    driver.scripts["publish"][1].takes = S // 2
    driver.begin()
    place = 1
    driver.drain(driver.now + 5 * S - 1)
    driver.at(0, "r", EffectConfirmed(0, place, 1, 0, "late"))
    driver.drain()
    assert driver.ending().result in ("late", "publish-0")
    assert_closed(driver)


def test_a_confirmation_that_comes_twice_counts_once():
    driver = Driver(published(), publish=done(twice=True))
    end = run(driver)
    assert end.status == "completed"


def test_a_refusal_of_an_earlier_send_says_nothing_about_the_later_one():
    driver = Driver(published(policy=Policy(1, 2 * S, Backoff(S, S))), publish=[hangs(), done(takes=2 * S - 1)])
    driver.begin()
    driver.at(4 * S, "r", EffectRefused(0, 1, 1, 0, "no"))
    driver.drain()
    assert driver.ending().status == "completed"


def test_timers_of_effects_that_fire_twice_send_nothing_twice():
    driver = Driver(published(policy=Policy(2, 60 * S, Backoff(5 * S, 5 * S))), publish=[refuses(), done(takes=8 * S)])
    driver.begin()
    for after in range(1, 16):
        for timer in ("backoff", "settle", "attempt"):
            if timer != "attempt" and after > 6:
                driver.at(after * S + 1, "r", TimerFired(0, 1, timer, 2))
    driver.drain()
    assert driver.ending().status == "completed"
    assert len(driver.tried(TryEffect)) == 2
    assert_closed(driver)


# ------------------------------------------------------------------ one key


def test_equal_arguments_join_and_get_the_receipt_of_the_first():
    driver = Driver(plan(effect("u", 1), effect("w", 1), give(["list", [v("u"), v("w")]])))
    assert run(driver).result == ["publish-0", "publish-0"]
    assert driver.world.count("publish") == 1


def test_equal_arguments_of_another_run_join_too():
    driver = Driver(published(), publish=done(takes=5 * S))
    driver.begin(run="r")
    driver.begin(run="s")
    driver.drain()
    assert driver.ending("r").result == driver.ending("s").result == "publish-0"
    assert driver.world.deliveries == 1
    assert_settled(driver)


def test_different_arguments_under_one_key_are_a_conflict():
    driver = Driver(
        plan(effect("a", 1, "x", effect="log"), effect("b", 1, "y", effect="log", after=("a",)), give(v("b")))
    )
    end = run(driver)
    assert end.error["code"] == "effect_conflict"
    assert driver.world.count("log") == 1


def test_if_the_owner_is_refused_one_who_waits_does_it():
    driver = Driver(published(), publish=[refuses(takes=3 * S), done()])
    driver.begin(run="r")
    driver.begin(run="s")
    driver.drain()
    assert (driver.ending("r").status, driver.ending("s").status) == ("failed", "completed")
    assert_settled(driver)


def test_a_waiting_claim_that_is_withdrawn_is_never_served():
    driver = Driver(
        plan(effect("u", 1), give(v("u")), flows=(flow("other", effect("w", 1), task("t"), give(v("w"))),)),
        publish=[refuses(takes=9 * S), done()],
        ann=failing(takes=2 * S),
    )
    driver.begin(run="r")
    driver.begin(run="s", flow="other")
    driver.drain()
    assert driver.ending("s").status == "failed"
    assert driver.world.count("publish") == 0
    assert_settled(driver)


def test_a_claim_that_is_withdrawn_before_it_was_answered_leaves_the_key_free_in_any_generation():
    two = (
        flow("undone", effect("u", 1), fail("no", after=("u",))),
        flow("withdrawn", effect("u", 1), fail("no")),
    )
    driver = Driver(plan(effect("u", 1), give(v("u")), flows=two))
    driver.begin(run="a", flow="undone")  # raises the generation
    driver.drain()
    driver.begin(run="b", flow="withdrawn")  # fails in the very instant in which it claims generation 1
    driver.drain()
    assert [row.state for row in driver.store.ledger() if row.effect == "publish"] == ["undone", "not_done"]
    driver.begin(run="c")
    driver.drain()
    assert driver.ending("c").status == "completed"
    assert_settled(driver)


def test_arguments_against_their_parameters_are_not_sent():
    small = Effect("small", [Field("x", "Int", where=["lt", ["ref", 0, 0], ["const", 10]])], "Json", ["ref", 0, 0])
    driver = Driver(plan(effect("u", 10, effect="small"), give(v("u")), effects=(small,)))
    assert run(driver).error["code"] == "bad_input"
    assert driver.tried(TryEffect) == []
