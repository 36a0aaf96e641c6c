"""Generated plans under generated schedules: what must always hold, holds."""

import json
import os
import re
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.compiler.plan import Need
from orchspec.runtime.kernel.commands import AskPerson, RunTask, TryEffect
from orchspec.runtime.kernel.events import CancelRequested, EngineRecovered, TimerFired
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.recording import event_of
from tests.support.driver import Driver
from tests.support.generated import plans, schedules
from tests.support.invariants import (
    accounts_of,
    assert_closed,
    assert_folds,
    assert_single_effects,
    assert_undone,
    check_limits,
)
from tests.support.plans import S, budget, plan, skip, task

# The search profile (`make chaos`) looks at four times as many.
SCALE = 4 if os.environ.get("ORCH_HYPOTHESIS") == "search" else 1


def examples(number):
    return settings(max_examples=number * SCALE)


ENDINGS = ("TaskFulfilled", "TaskFailed", "QuestionAnswered", "EffectConfirmed", "EffectRefused")


def top_level(path):
    """The name of the statement of the flow that a path begins with."""
    return re.split(r"[/#?!\[]", path, maxsplit=1)[0]


def driven(a_plan, scripts, **rest):
    driver = Driver(a_plan, hangs_for=500 * S, **rest, **scripts)
    driver.checks.append(check_limits)
    return driver


def holds(driver):
    assert not driver.engine.halted, driver.engine.halted
    assert_closed(driver)
    assert_single_effects(driver)
    assert_undone(driver)
    assert_folds(driver)


@examples(250)
@given(plans(), schedules(), st.sampled_from([None, None, 2 * S, 7 * S]))
def test_every_run_ends_and_leaves_nothing_open(a_plan, scripts, cancel):
    driver = driven(a_plan, scripts)
    driver.begin()
    if cancel is not None:
        driver.cancel(cancel)
    driver.drain()
    assert driver.ending().status is not None, "L1"
    holds(driver)


@examples(250)
@given(plans(), schedules(), st.sets(st.integers(1, 60), min_size=1, max_size=5), st.sampled_from([0, S, 40 * S]))
def test_crashes_anywhere_change_nothing_of_that(a_plan, scripts, crashes, down):
    driver = driven(a_plan, scripts, crashes=crashes, down=down)
    driver.begin()
    driver.drain()
    assert driver.ending().status is not None, "L1"
    holds(driver)


@examples(100)
@given(plans(), schedules(), st.integers(2, 4), st.sets(st.integers(1, 90), max_size=2))
def test_runs_beside_each_other_neither_starve_nor_share_what_is_not_shared(a_plan, scripts, runs, crashes):
    driver = driven(a_plan, scripts, crashes=crashes)
    for number in range(runs):
        driver.begin(run=f"r{number}")
    driver.drain()
    for number in range(runs):
        assert driver.ending(f"r{number}").status is not None, "L1"
    holds(driver)


@examples(60)
@given(plans(), schedules(), st.sets(st.integers(1, 60), max_size=2))
def test_the_same_seed_and_schedule_give_the_same_journal(a_plan, scripts, crashes):
    def journal():
        driver = driven(a_plan, scripts, crashes=crashes)
        driver.begin()
        driver.drain()
        return [(record.seq, record.time_us, record.type, record.body) for record in driver.records()]

    assert journal() == journal()


@examples(100)
@given(plans(), schedules())
def test_nothing_starts_before_what_it_needs_has_settled(a_plan, scripts):
    driver = driven(a_plan, scripts)
    driver.begin()
    driver.drain()
    kernel = driver.kernels["r"]
    started, settled = {}, {}
    for now, _, command in driver.told:
        if isinstance(command, (RunTask, TryEffect, AskPerson)):
            started.setdefault(top_level(kernel.path(command.place)), now)
    for record in driver.records():
        counts = record.type in ENDINGS and record.body.get("decided") != [["ignored", None]]
        if counts and "!undo" not in record.body["place"]:
            settled[top_level(record.body["place"])] = record.time_us
    statements = a_plan.flows["main"].body.statements
    for statement in statements:
        name = getattr(statement, "name", "")
        for need in statement.needs:
            before = getattr(statements[need], "name", "")
            if name in started and before in settled:
                assert started[name] >= settled[before], "S9"


# ------------------------------------------------------------------ folding and exporting at any point


@examples(120)
@given(plans(), schedules(), st.sets(st.integers(1, 60), max_size=2), st.data())
def test_a_kernel_restored_anywhere_goes_on_as_the_original(a_plan, scripts, crashes, data):
    driver = driven(a_plan, scripts, crashes=crashes)
    driver.begin()
    driver.drain()
    events = [event_of(record) for record in driver.records()]
    at = data.draw(st.integers(0, len(events)))
    original = Kernel(a_plan, "r")
    for event in events[:at]:
        original.handle(event)
    document = json.loads(json.dumps(original.export(), allow_nan=False))
    restored = Kernel.restore(a_plan, document)
    assert restored.export() == document
    for event in events[at:]:
        assert restored.handle(event) == original.handle(event)
        assert restored.decided == original.decided
    assert [restored.path(place) for place in range(1, len(restored.places))] == [
        original.path(place) for place in range(1, len(original.places))
    ]
    assert [restored.draw_key(place) for place in range(len(restored.places))] == [
        original.draw_key(place) for place in range(len(original.places))
    ]
    assert restored.export() == original.export()


@examples(120)
@given(plans(), schedules(), st.data())
def test_a_restored_kernel_issues_what_is_open_again(a_plan, scripts, data):
    driver = driven(a_plan, scripts)
    driver.begin()
    driver.drain()
    events = [event_of(record) for record in driver.records()]
    at = data.draw(st.integers(1, len(events)))
    original = Kernel(a_plan, "r")
    for event in events[:at]:
        original.handle(event)
    restored = Kernel.restore(a_plan, original.export())
    recovered = EngineRecovered(original.now + S, 2)
    assert restored.handle(recovered) == original.handle(recovered)


@examples(100)
@given(plans(), schedules(), st.data())
def test_late_and_repeated_words_change_nothing_but_counts_and_costs(a_plan, scripts, data):
    driver = driven(a_plan, scripts)
    driver.begin()
    driver.drain()
    events = [event_of(record) for record in driver.records()]
    kernel = Kernel(a_plan, "r")
    for event in events:
        kernel.handle(event)
        if kernel.status is not None or type(event).__name__ in ("RunStarted", "EngineRecovered", "CostReported"):
            continue
        if isinstance(event, (CancelRequested, TimerFired)) or type(event).__name__.startswith("Task"):
            if type(event).__name__ == "TaskEnrolled":
                continue
            before = kernel.export()
            commands = kernel.handle(event)
            after = kernel.export()
            assert commands == []
            assert kernel.decided == [["ignored", None]]
            before["state"].pop("ignored")
            after["state"].pop("ignored")
            assert after == before


@st.composite
def tight_plans(draw):
    """Work that would run side by side, and hardly has room to."""
    caps = budget(cost=draw(st.sampled_from([10, 15, 20, 35])), tokens=draw(st.sampled_from([10, 20, 45])))
    limits = {"attempts": draw(st.integers(1, 3)), "timeout": draw(st.sampled_from([None, 2 * S, 5 * S]))}
    steps = [
        task(
            f"s{number}",
            1,
            cost=draw(st.sampled_from([5, 10])),
            tokens=draw(st.sampled_from([0, 10])),
            over=("t", ["list", [1, 2, 3]], 2) if draw(st.booleans()) else None,
            need=Need(count=0),
            on_failure=(skip,),
            budget=draw(st.sampled_from([None, None, budget(cost=15)])),
            **limits,
        )
        for number in range(draw(st.integers(2, 4)))
    ]
    return plan(*steps, budget=caps)


@examples(100)
@given(
    st.one_of(plans(), tight_plans(), tight_plans()),
    schedules(),
    st.sets(st.integers(1, 60), max_size=2),
    st.sampled_from([None, None, 7 * S]),
)
def test_reservations_never_exceed_their_caps_and_in_the_end_only_overruns_do(a_plan, scripts, crashes, cancel):
    driver = driven(a_plan, scripts, crashes=crashes)
    driver.begin()
    if cancel is not None:
        driver.cancel(cancel)
    driver.drain()
    kernel = Kernel(a_plan, "r")
    reserved, asked, overruns = {}, {}, Counter()
    for record in driver.records():
        event = event_of(record)
        overrun(asked, overruns, event)
        for command in kernel.handle(event):
            if isinstance(command, RunTask):
                asked[command.place, command.attempt] = [command.reserved_pico, command.reserved_tokens]
        for account in accounts_of(kernel):
            before = reserved.get(id(account), (0, 0))
            reserved[id(account)] = (account.reserved_pico, account.reserved_tokens)
            cap = account.cap
            if cap.cost_pico is not None and account.reserved_pico > before[0]:
                assert account.charged_pico + account.reserved_pico <= cap.cost_pico, "S4"
            if cap.tokens is not None and account.reserved_tokens > before[1]:
                assert account.charged_tokens + account.reserved_tokens <= cap.tokens, "S4"
    cap = kernel.account.cap
    assert cap.cost_pico is None or kernel.account.charged_pico <= cap.cost_pico + overruns["pico"], "S4 at the end"
    assert cap.tokens is None or kernel.account.charged_tokens <= cap.tokens + overruns["tokens"], "S4 at the end"


def overrun(asked, overruns, event):
    """What an attempt says that it used above what was reserved for it; all of it if it says so once more, or late."""
    where = event.place, event.attempt
    pico, tokens = getattr(event, "cost_pico", None), getattr(event, "tokens_in", None)
    if pico is None and tokens is None:
        return
    room = asked.pop(where, [0, 0])
    overruns["pico"] += max(0, (pico or 0) - room[0])
    overruns["tokens"] += max(0, (tokens or 0) + (getattr(event, "tokens_out", None) or 0) - room[1])
