"""Doubt: what nobody knows is settled as the effect says, and nothing is sent before it is."""

from dataclasses import replace

import pytest

from orchspec.compiler.plan import Policy
from orchspec.runtime.kernel.commands import AskPerson, CheckEffect, TryEffect
from orchspec.runtime.kernel.events import EffectConfirmed
from tests.support.driver import Driver, answers, done, failing, hangs, lost_reply, lost_send, never, refuses, silent
from tests.support.invariants import assert_closed, assert_folds
from tests.support.plans import DEEDS, S, effect, fail, give, plan, scope, skip, v
from tests.support.running import run

KINDS = ("pay", "mail", "tag", "post")
PATIENT = Policy(1, 5 * S)


def doing(*steps, **rest):
    return plan(*steps, effects=DEEDS, **rest)


def one(name, **rest):
    return doing(effect("u", 1, effect=name, policy=PATIENT, **rest), give(v("u")))


def sent(driver, name):
    return [command for command in driver.tried(TryEffect) if command.effect == name]


@pytest.mark.parametrize("name", KINDS)
def test_without_doubt_it_is_sent_once_and_nobody_is_asked(name):
    driver = Driver(one(name))
    assert run(driver).result == f"{name}-0"
    assert (len(sent(driver, name)), driver.tried(CheckEffect), driver.tried(AskPerson)) == (1, [], [])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("doubt", [lost_reply(), lost_send(), silent(), hangs()], ids=lambda each: each.kind)
def test_in_doubt_it_is_done_once_in_the_end(name, doubt):
    driver = Driver(one(name), **{name: [doubt, done()]})
    assert run(driver).status == "completed"
    assert driver.world.count(name) == 1


@pytest.mark.parametrize(("name", "kind"), [("pay", CheckEffect), ("mail", AskPerson)])
def test_nobody_is_asked_before_a_request_can_no_longer_land(name, kind):
    driver = Driver(one(name), **{name: [silent(), done()]})
    run(driver)
    first = next(at for at, _, command in driver.told if isinstance(command, kind))
    assert first - 1_000 * S == 5 * S + 10 * S  # the deadline of the send, and what it takes to settle


def test_a_handler_that_says_early_that_it_does_not_know_is_not_asked_about_early():
    driver = Driver(one("pay"), pay=[lost_reply(takes=S), done()])
    run(driver)
    first = next(at for at, _, command in driver.told if isinstance(command, CheckEffect))
    assert first - 1_000 * S == 15 * S


def test_what_the_check_found_is_not_sent_again_and_its_receipt_counts():
    driver = Driver(one("pay"), pay=[lost_reply(), done()])
    assert run(driver).result == "pay-0"
    assert len(sent(driver, "pay")) == 1


def test_what_the_check_did_not_find_is_sent_again():
    driver = Driver(one("pay"), pay=[lost_send(), done()])
    assert run(driver).result == "pay-0"
    assert len(sent(driver, "pay")) == 2


@pytest.mark.parametrize("bad", [failing(), hangs()], ids=["it fails", "no answer comes"])
def test_a_check_that_does_not_answer_is_asked_again(bad):
    hurried = tuple(replace(each, policy=Policy(1, 2 * S)) if each.name == "paid" else each for each in DEEDS)
    driver = Driver(
        plan(effect("u", 1, effect="pay", policy=PATIENT), give(v("u")), effects=hurried),
        pay=[lost_reply(), done()],
        paid=[bad, bad, done()],
    )
    assert run(driver).status == "completed"
    assert len(driver.tried(CheckEffect)) == 3
    assert driver.world.count("pay") == 1


def test_a_confirmation_that_comes_while_somebody_is_asked_settles_it():
    driver = Driver(one("mail"), mail=[silent()], eve=never())
    driver.begin()
    driver.drain(driver.now + 100 * S)
    assert len(driver.tried(AskPerson)) == 1
    driver.at(0, "r", EffectConfirmed(0, 1, 1, 0, "mail-0"))
    driver.drain()
    assert driver.ending().result == "mail-0"
    assert_closed(driver)


def test_a_person_says_that_it_was_not_done_and_it_is_sent_again():
    driver = Driver(one("mail"), mail=[lost_send(), done()], eve=done(takes=60 * S))
    assert run(driver).result == "mail-0"
    assert len(sent(driver, "mail")) == 2


def test_a_person_who_says_done_without_a_receipt_is_not_believed():
    driver = Driver(one("mail"), mail=[lost_reply(), done()], eve=[answers({"done": True}), done()])
    end = driver.run()
    assert end.error["code"] == "in_doubt"
    assert "result.done" in end.error["message"]


def test_a_doubt_that_nobody_settles_is_named_and_guessed_by_nobody():
    driver = Driver(one("mail"), mail=[lost_reply()], eve=never())
    end = run(driver)
    assert (end.status, end.error["code"]) == ("failed", "in_doubt")
    assert end.kernel.stuck[0][0] == "u"
    assert [row.state for row in driver.store.ledger()] == ["in_doubt"]
    assert driver.world.count("mail") == 1


def test_a_doubt_that_nobody_settles_may_be_skipped_as_any_failure():
    driver = Driver(
        doing(effect("u", 1, effect="mail", policy=PATIENT, on_failure=(skip,)), give(v("u"))),
        mail=[lost_reply()],
        eve=never(),
    )
    end = run(driver)
    assert (end.status, end.result) == ("completed", None)
    assert end.decided("stuck")


def test_a_key_that_the_target_has_forgotten_is_a_persons_to_look_up():
    driver = Driver(one("post"), post=[lost_send()] * 30, eve=[done(takes=60 * S), done(takes=60 * S)])
    driver.scripts["post"] = [*[lost_send()] * 8, done()]
    end = run(driver)
    assert end.status == "completed"
    (question,) = driver.tried(AskPerson)[:1]
    asked = next(at for at, _, command in driver.told if command is question)
    assert asked - 1_000 * S >= 60 * S
    assert driver.world.count("post") == 1


def test_what_was_given_up_in_doubt_is_the_doubt_of_whoever_claims_it_next():
    driver = Driver(one("post"), post=[lost_send()], eve=[never(), done()])
    driver.begin(run="r")
    driver.drain()
    assert driver.ending("r").error["code"] == "in_doubt"
    driver.scripts["post"] = [done()]
    driver.begin(run="s")
    driver.drain()
    assert driver.ending("s").status == "completed"
    assert len(driver.tried(AskPerson)) == 2
    assert driver.world.count("post") == 1
    assert_closed(driver)
    assert_folds(driver)


def test_an_idempotent_effect_that_is_refused_after_a_doubt_may_have_happened():
    driver = Driver(one("tag"), tag=[hangs(), refuses()])
    end = driver.run()
    assert (end.error["code"], end.kernel.stuck[0][0]) == ("in_doubt", "u")
    assert [row.state for row in driver.store.ledger()] == ["in_doubt"]


def test_two_places_do_what_has_no_key_twice_and_one_place_does_it_once():
    driver = Driver(doing(effect("u", 1, effect="pay"), effect("w", 1, effect="pay", after=("u",)), give(v("w"))))
    assert run(driver).result == "pay-1"
    assert driver.world.count("pay") == 2


# ------------------------------------------------------------------ undo


@pytest.mark.parametrize("doubt", [lost_reply(), lost_send()], ids=lambda each: each.kind)
def test_a_discarded_scope_settles_its_doubt_before_it_undoes(doubt):
    driver = Driver(
        doing(
            scope(
                "s", effect("u", 1, effect="pay", policy=PATIENT), fail("no", when=["const", True]), on_failure=(skip,)
            ),
            give(v("s")),
        ),
        pay=[doubt, done()],
    )
    assert run(driver).status == "completed"
    assert driver.world.count("pay") == driver.world.count("refund")
    assert len(sent(driver, "pay")) <= 1, "the original is never sent again"


@pytest.mark.parametrize("doubt", [lost_reply(), lost_send(), silent()], ids=lambda each: each.kind)
def test_an_undo_in_doubt_is_settled_by_its_own_kind(doubt):
    driver = Driver(
        doing(effect("u", 1, effect="pay", policy=PATIENT), fail("no", after=("u",))), refund=[doubt, doubt, done()]
    )
    end = run(driver)
    assert end.status == "failed"
    assert (driver.world.count("pay"), driver.world.count("refund"), len(sent(driver, "pay"))) == (1, 1, 1)
    assert end.kernel.stuck == []


def test_a_cancelled_run_waits_for_whoever_knows_and_names_what_nobody_knows():
    driver = Driver(one("mail"), mail=[lost_reply()], eve=never())
    driver.begin()
    driver.cancel(20 * S)
    driver.drain()
    end = driver.ending()
    assert (end.status, end.kernel.stuck[0][0]) == ("cancelled", "u")
    assert "u" in end.error["message"]
    assert_closed(driver)


# ------------------------------------------------------------------ crashes


def every_point(make):
    driver = make(frozenset())
    driver.run()
    return range(1, driver.points + 1)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("ending", [done(), lost_reply(), lost_send()], ids=lambda each: each.kind)
def test_a_crash_at_any_point_leaves_one_in_the_world(name, ending):
    def make(crashes):
        return Driver(one(name), crashes=crashes, **{name: [ending, done()]})

    for point in every_point(make):
        driver = make({point})
        assert run(driver).status == "completed", point
        assert driver.world.count(name) == 1, point


@pytest.mark.parametrize("name", KINDS)
def test_two_crashes_in_a_row_leave_one_in_the_world(name):
    def make(crashes):
        return Driver(one(name), crashes=crashes, **{name: [lost_reply(), done()]})

    for point in every_point(make):
        for other in range(1, 5):
            driver = make({point, point + other})
            assert run(driver).status == "completed", (point, other)
            assert driver.world.count(name) == 1, (point, other)


@pytest.mark.parametrize("doubt", [done(), lost_reply(), lost_send()], ids=lambda each: each.kind)
def test_a_crash_anywhere_in_an_undo_undoes_once_and_never_sends_the_original_again(doubt):
    def make(crashes):
        return Driver(
            doing(effect("u", 1, effect="pay", policy=PATIENT), fail("no", after=("u",))),
            crashes=crashes,
            refund=[doubt, done()],
        )

    for point in every_point(make):
        driver = make({point})
        assert run(driver).status == "failed", point
        assert driver.world.count("refund") == driver.world.count("pay") == 1, point


def test_a_crash_while_a_person_is_asked_asks_once_more_and_sends_nothing():
    def make(crashes):
        return Driver(one("mail"), crashes=crashes, mail=[lost_reply()], eve=done(takes=60 * S))

    for point in every_point(make):
        driver = make({point})
        assert run(driver).result == "mail-0", point
        assert len({command.target_key for command in sent(driver, "mail")}) == 1
