"""The tables: every row is driven from one end to the other, and what has no row is impossible."""

from dataclasses import replace

import pytest

from orchspec.compiler.plan import Backoff, Gate, OnFailure, Policy, Rate, Tool
from orchspec.runtime.kernel import handlers
from orchspec.runtime.kernel.applying import Applying
from orchspec.runtime.kernel.events import (
    EVENT_TYPES,
    CancelRequested,
    CostReported,
    EffectClaimed,
    EffectConfirmed,
    EffectRefused,
    EffectUnknown,
    EngineRecovered,
    MessagePosted,
    QuestionAnswered,
    ReuseAnswered,
    RunStarted,
    TaskEnrolled,
    TaskFailed,
    TaskFulfilled,
    TaskStopped,
    TimerFired,
)
from orchspec.runtime.kernel.kernel import KERNEL_VERSION, Kernel
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.table import EFFECT_TABLE, REGION_TABLE, STATE_NAMES, TASK_TABLE, ImpossibleEvent
from orchspec.runtime.kernel.tasks import Task
from tests.support.driver import Driver, Ending, done, failing, hangs, lost_reply, lost_send, never, refuses
from tests.support.plans import (
    DEEDS,
    S,
    agent,
    ask,
    budget,
    candidate,
    effect,
    fail,
    give,
    plan,
    repeat,
    scope,
    skip,
    task,
    until,
    use,
    v,
)
from tests.support.studies import plan_of

TABLES = {"task": TASK_TABLE, "effect": EFFECT_TABLE, "region": REGION_TABLE}
CHAIN = Backoff(5 * S, 5 * S)


def started(a_plan, inputs=None):
    kernel = Kernel(a_plan, "r")
    kernel.handle(RunStarted(1, "main", inputs or {}, a_plan.hash, KERNEL_VERSION, 7))
    return kernel


# ------------------------------------------------------------------ rows


def busy_eve(*steps, **rest):
    """Eve is busy for an hour, so that another question queues."""
    return plan(task("other", of="eve"), *steps, **rest)


def drive_rows():
    """Runs that take every row to each of its successors."""
    tasks = [
        Driver(plan(task("a", contract="Once"), give(v("a")))),
        Driver(plan(task("a", contract="Once", cost=9, on_failure=(skip,)), give(v("a")), budget=budget(cost=5))),
        Driver(plan(task("a", contract="Once", cost=9, budget=budget(cost=0)), give(v("a")))),
        Driver(
            plan(task("b", of="bob", cost=5), task("a", cost=5, contract="Once"), give(v("a")), budget=budget(cost=5)),
            bob=done(1, cost=0),
        ),
    ]
    for outcome in (failing(cost=3), done("junk", cost=3), hangs(late_cost=3)):
        for limit in (3, 8, None):
            step = task("a", cost=5, attempts=2, timeout=2 * S)
            rests = task("a", cost=5, attempts=2, timeout=2 * S, backoff=CHAIN)
            holds = task("b", of="bob", cost=0)
            for one in (step, rests):
                caps = None if limit is None else budget(cost=limit + 2)
                tasks.append(
                    Driver(plan(one, holds, give(v("a")), budget=caps), ann=[outcome, done()], bob=done(takes=60 * S))
                )
    tasks += [  # a rest that ends without room, with something open and without
        Driver(
            plan(
                task("a", cost=5, attempts=2, backoff=CHAIN),
                task("b", of="bob", cost=cap - 5),
                give(v("a")),
                budget=budget(cost=cap),
            ),
            ann=[failing(cost=5), done()],
            bob=done(1, cost=4, takes=30 * S),
        )
        for cap in (5, 9)
    ]
    tasks.append(
        Driver(
            plan(task("a", cost=5, attempts=2, backoff=CHAIN, budget=budget(cost=5)), give(v("a"))), ann=failing(cost=5)
        )
    )
    asked = task("a", on_failure=(ask("eve", within=30 * S, attempts=2), use(1)))
    tasks += [Driver(plan(asked, give(v("a"))), ann=failing(), eve=eve) for eve in (done(3), done("junk"), never())]
    tasks.append(Driver(busy_eve(asked, give(v("a"))), ann=failing(), eve=[done(takes=3600 * S), never()]))
    poor = task("a", on_failure=(lambda _s: OnFailure("ask", who=candidate("bob", cost=5), within_us=5 * S), use(1)))
    holder = task("hold", of="cy", cost=5)
    tasks.append(Driver(plan(poor, holder, give(v("a")), budget=budget(cost=5)), ann=failing(), cy=done(takes=60 * S)))
    drive_sessions()
    spoken = Driver(plan(task("a"), give(v("a"))))
    spoken.begin()
    spoken.at(S // 2, "r", MessagePosted(0, 1, 1, 0, 1, "none", {}))
    spoken.drain()
    for driver in tasks:
        driver.run()
    again = Driver(plan(task("a", contract="Once"), give(v("a"))))
    for run in ("r", "s"):
        again.begin(run=run)
    again.drain()
    drive_effects()
    drive_requests()
    drive_regions()


HURRIED = tuple(replace(each, policy=Policy(1, 3 * S)) for each in DEEDS)


def drive_sessions():
    text = """orch 1
contract Work(n: Int) -> Int
contract Sum(history: Json) -> Text
agent ann fulfills Work
agent bob fulfills Work { session = per_run  context = SIZE  fold = Sum }
agent cy fulfills Sum
flow main() -> Int {
  repeat r 3 times {
    step a = Work(1) by ann
    eval c = Work(a) by bob
    until false
    give a
  }
  return r
}
"""
    for size, cy in ((6, done("x", tokens_out=1)), (6, hangs()), (1, done("x"))):
        Driver(plan_of(text.replace("SIZE", str(size))), bob=done(2, tokens_in=None), cy=cy).run()


def drive_requests():
    acting = (agent("ann", effects=["publish"]),)
    for kind in ("done", "fails"):
        asks = Ending(kind, 1, 4 * S, asks=(("publish", {}),))
        Driver(plan(task("a"), give(v("a")), agents=acting), ann=asks).run()


def drive_effects():
    patient = Policy(3, 3 * S, CHAIN)
    for script in (
        [done()],
        [refuses(), done()],
        [refuses()],
        [lost_send(), done()],
        [hangs(), done()],
        [done(takes=5 * S)],
    ):
        Driver(plan(effect("u", 1, policy=patient), give(v("u"))), publish=script).run()
    Driver(plan(effect("u", 1), effect("w", 1), give(v("u")))).run()
    for name, script in (("pay", {"paid": [failing(), hangs(), done()]}), ("mail", {"eve": [done()]})):
        for ending in (lost_reply(), lost_send()):
            doubt = plan(effect("u", 1, effect=name, policy=patient), give(v("u")), effects=HURRIED)
            Driver(doubt, **{name: [ending, done()]}, **script).run()
        waited = Driver(doubt, **{name: [lost_reply()]}, paid=hangs(), eve=hangs())
        waited.begin()
        waited.drain(waited.now + 14 * S)
        waited.at(0, "r", EffectConfirmed(0, 1, 1, 0, "late"))
        waited.drain()
    narrow = {"gates": {"narrow": Gate(rate=Rate(1, 2 * S))}}
    for script in ([done()], [refuses(), done()], [lost_send(), done()], [done(takes=5 * S)]):
        Driver(plan(effect("u", 1, policy=patient, gate="narrow"), give(v("u")), **narrow), publish=script).run()
    driver = Driver(
        plan(effect("u", 1, policy=patient, gate="narrow"), give(v("u")), gates={"narrow": Gate(rate=Rate(1, 30 * S))}),
        publish=[lost_send(), done()],
    )
    driver.begin()
    driver.at(12 * S, "r", EffectConfirmed(0, 1, 1, 0, "late"))
    driver.drain()
    driver = Driver(plan(effect("u", 1, policy=patient), give(v("u"))), publish=[lost_send(), refuses(), done()])
    driver.begin()
    driver.at(8 * S, "r", EffectConfirmed(0, 1, 1, 0, "late"))
    driver.drain()


def drive_regions():
    section = scope("s", task("a"), give(v("a")), tools=("search",))
    Driver(plan(section, give(v("s")), tools=(Tool("search"),))).run()
    empty = scope("s", give(1), tools=("search",))
    Driver(plan(empty, give(v("s")), tools=(Tool("search"),))).run()
    body = (task("a"), until(["const", False]), give(v("a")))
    Driver(plan(repeat("r", 2, *body, every=3 * S), give(v("r")))).run()
    Driver(
        plan(scope("s", task("a"), give(v("a")), timeout=3 * S, on_failure=(skip,)), give(v("s"))), ann=hangs()
    ).run()
    Driver(plan(repeat("r", 2, fail("no"), until(["const", True])), give(v("r")))).run()
    hurried = scope("s", effect("u", 1), task("a", after=("u",)), give(v("a")), timeout=3 * S, on_failure=(skip,))
    Driver(plan(hurried, give(v("s"))), ann=hangs(), retract=done(takes=9 * S)).run()
    once = (until(["const", True]), give(1))
    Driver(plan(repeat("r", 1, *once, every=3 * S), give(v("r")))).run()


@pytest.fixture(scope="module")
def driven():
    """Every (table, state, event, next state) that the runs above went through."""
    seen = set()
    kinds = {Task: "task", Applying: "effect", Region: "region"}

    def spied(handler):
        def spy(kernel, event):
            place, ignored = event.place, kernel.ignored
            activity = kernel.places[place] if place < len(kernel.places) else None
            before = getattr(activity, "state", None)
            handler(kernel, event)
            name = next((name for kind, name in kinds.items() if isinstance(activity, kind)), None)
            if name is not None and kernel.ignored == ignored:
                seen.add((name, before, type(event), activity.state))

        return spy

    with pytest.MonkeyPatch.context() as patch:
        for kind, handler in handlers.HANDLERS.items():
            patch.setitem(handlers.HANDLERS, kind, spied(handler))
        drive_rows()
    return seen


@pytest.mark.parametrize(
    ("table", "state", "event"),
    [(name, state, event) for name, table in TABLES.items() for state, event in table],
    ids=lambda value: value if isinstance(value, str) else STATE_NAMES.get(value, getattr(value, "__name__", "")),
)
def test_every_row_is_driven_and_leads_only_where_it_says(driven, table, state, event):
    ends = {after for name, before, kind, after in driven if (name, before, kind) == (table, state, event)}
    assert ends, "no run takes this row"
    assert ends <= TABLES[table][state, event]


# ------------------------------------------------------------------ impossible events

WORKING = plan(task("a"), effect("u", 1), scope("s", task("b"), give(v("b"))), give(v("a")))
"""Place 1 is a task that queues, 2 an effect that claims, 3 a scope, 4 the task in it."""

IMPOSSIBLE = {
    "started twice": RunStarted(2, "main", {}, "", 1, 7),
    "no such place": TaskEnrolled(2, 99, 1, "ann"),
    "a negative place": TaskEnrolled(2, -1, 1, "ann"),
    "an agent that was not asked for": TaskEnrolled(2, 1, 1, "mallory"),
    "an attempt to come": TaskEnrolled(2, 1, 2, "ann"),
    "an outcome of an attempt to come": TaskFulfilled(2, 1, 2, 0, 1),
    "an outcome before the grant": TaskFulfilled(2, 1, 1, 0, 1),
    "a failure before the grant": TaskFailed(2, 1, 1, 0, "x", "y"),
    "a task's event at an effect": TaskFulfilled(2, 2, 1, 0, 1),
    "a task's costs at an effect": CostReported(2, 2, 1, 1, 1, 1),
    "a task that stopped where none stands": TaskStopped(2, 3, 1),
    "an effect's event at a task": EffectConfirmed(2, 1, 1, 0),
    "an effect confirmed before it was claimed": EffectConfirmed(2, 2, 1, 0),
    "an effect refused before it was claimed": EffectRefused(2, 2, 1, 0, "no"),
    "an effect in doubt before it was claimed": EffectUnknown(2, 2, 1, 0, "?"),
    "a claim at a scope": EffectClaimed(2, 3, "own"),
    "a reuse that was not looked up": ReuseAnswered(2, 1, False),
    "a timer of no name": TimerFired(2, 1, "tea", 1),
    "a deadline of a run that has none": TimerFired(2, 0, "time"),
    "a question's time where none was asked": TimerFired(2, 2, "within", 1),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_an_impossible_event_raises_and_changes_nothing(what):
    kernel = started(WORKING)
    before = kernel.export()
    with pytest.raises(ImpossibleEvent):
        kernel.handle(IMPOSSIBLE[what])
    assert kernel.export() == before
    commands = kernel.handle(TaskEnrolled(3, 1, 1, "ann"))
    assert [type(command).__name__ for command in commands] == ["RunTask"]


@pytest.mark.parametrize(
    "event",
    [CancelRequested(2, "x"), EngineRecovered(2, 1), TimerFired(2, 0, "time"), TaskEnrolled(2, 1, 1, "ann")],
    ids=lambda event: type(event).__name__,
)
def test_nothing_may_happen_before_the_start(event):
    kernel = Kernel(WORKING, "r")
    before = kernel.export()
    with pytest.raises(ImpossibleEvent):
        kernel.handle(event)
    assert kernel.export() == before


def test_a_flow_that_the_plan_lacks_cannot_be_started():
    with pytest.raises(ImpossibleEvent, match="nowhere"):
        Kernel(WORKING, "r").handle(RunStarted(1, "nowhere", {}, "", 1, 7))


def test_a_question_answered_where_no_person_was_asked_is_ignored():
    kernel = started(WORKING)
    assert kernel.handle(QuestionAnswered(2, 1, 1, 5, "mallory")) == []
    assert kernel.ignored == 1


def test_after_the_end_everything_is_late():
    kernel = started(plan(give(1)))
    assert kernel.status == "completed"
    for event in (CancelRequested(2, "x"), TaskEnrolled(2, 1, 1, "ann"), EngineRecovered(2, 1)):
        assert kernel.handle(event) == []
    assert kernel.ignored == 3
    assert kernel.quiet()


def test_every_kind_of_event_has_a_handler():
    assert set(handlers.HANDLERS) == set(EVENT_TYPES.values())
