"""Limits of steps, effects, scopes and called flows, and critical sections: who is let in, who waits, crashes."""

import pytest

from orchspec.compiler import compile_text
from orchspec.runtime.engine import TOOL_CALLS
from orchspec.runtime.kernel.commands import RunTask, TryEffect
from tests.support.driver import Driver, done, failing, hangs, lost_send, refuses
from tests.support.invariants import (
    assert_closed,
    assert_folds,
    assert_single_effects,
    assert_undone,
    check_limits,
)
from tests.support.plans import S

HEAD = """orch 1
contract Draft(topic: Text) -> Int
agent ann fulfills Draft { tools = [ledger, stock] }
agent bob fulfills Draft
tool ledger
tool stock { slots = 3 }
effect publish(note: Text) -> Text { key = note  LIMITS  undo = retract(url: result) }
effect retract(url: Text) { key = url }
"""


def compiled(body, limits=""):
    found = compile_text(f"{HEAD.replace('LIMITS', limits)}flow main(n: Int) -> Int {{\n{body}\n}}\n", "spec.orch")
    assert not found.errors, found.errors
    return found.plan


class Runs(Driver):
    """Several runs of one plan, which differ by their input."""

    def _inputs(self, run):
        return {"n": int(run[1:])}


def drive(plan, runs=1, **rest):
    driver = Runs(plan, **rest)
    driver.checks.append(check_limits)
    for number in range(runs):
        driver.begin({"n": number}, run=f"r{number}")
    driver.drain()
    if all(f"r{number}" in driver.ended for number in range(runs)):
        assert_closed(driver)
    assert not driver.engine.halted
    assert_folds(driver)
    assert_single_effects(driver)
    assert_undone(driver)
    return driver


def at(driver, kind):
    """Seconds from the start at which commands of a kind were carried out."""
    return [(when - 1_000 * S) // S for when, _, command in driver.told if isinstance(command, kind)]


def crash_everywhere(plan, expected, runs=1, **script):
    for point in range(1, drive(plan, runs, **script).points + 1):
        driver = drive(plan, runs, crashes={point}, **script)
        assert [driver.ended[f"r{number}"].status for number in range(runs)] == expected


STEP = 'step got = Draft("a") by ann { LIMITS }\nreturn got'


# ------------------------------------------------------------------ steps


def test_slots_of_a_step_hold_over_all_runs_and_leave_the_agent_to_others():
    plan = compiled('step got = Draft("a") by ann { slots = 2 }\nstep free = Draft("b") by ann\nreturn got + free')
    driver = drive(plan, 3, ann=lambda path, _: done(1, takes=(10 if path == "got" else 1) * S))
    assert at(driver, RunTask) == [0, 0, 0, 0, 0, 10]


def test_the_rate_of_a_step_spaces_its_attempts():
    driver = drive(compiled(STEP.replace("LIMITS", "rate = 1 / 10s")), 3, ann=done(1))
    assert at(driver, RunTask) == [0, 10, 20]


def test_the_breaker_of_a_step_opens_for_that_step_alone():
    limits = "breaker = breaker(failures: 2, within: 1min, rest: 30s)  attempts = 3"
    other = 'step free = Draft("b") by ann { after = [got] }\nreturn free'
    body = STEP.replace("return got", other).replace("LIMITS", limits + "  on_failure = skip")
    driver = drive(compiled(body), ann=lambda path, _: failing() if path == "got" else done(1))
    assert at(driver, RunTask) == [0, 1, 32, 33]


def test_elastic_slots_of_a_step_start_after_a_while():
    driver = drive(compiled(STEP.replace("LIMITS", "slots = 1..3")), 3, ann=done(1, takes=60 * S))
    assert at(driver, RunTask) == [0, 10, 10]


def test_a_policy_brings_its_limits_along():
    text = HEAD.replace("LIMITS", "") + "policy narrow { slots = 1 }\n"
    found = compile_text(
        text + 'flow main(n: Int) -> Int {\nstep got = Draft("a") by ann { policies = [narrow] }\nreturn got\n}\n',
        "s.orch",
    )
    driver = drive(found.plan, 2, ann=done(1, takes=5 * S))
    assert at(driver, RunTask) == [0, 5]


# ------------------------------------------------------------------ effects

EFFECT = 'step url = publish(note: "a" + "b") { LIMITS }\nreturn 1'
MANY = 'step urls = publish(note: t) for t in ["a", "b", "c"] { LIMITS }\nreturn len(urls)'


def test_the_rate_of_an_effect_holds_wherever_it_is_applied():
    driver = drive(compiled(MANY.replace("LIMITS", ""), "rate = 1 / 10s"), publish=done("x"))
    assert at(driver, TryEffect) == [0, 10, 20]


def test_slots_of_a_step_with_an_effect_come_on_top_of_those_of_the_effect():
    plan = compiled(MANY.replace("LIMITS", "slots = 1"), "slots = 2")
    assert at(drive(plan, publish=done("x", takes=5 * S)), TryEffect) == [0, 5, 10]
    assert at(drive(compiled(MANY.replace("LIMITS", ""), "slots = 2"), publish=done("x", takes=5 * S)), TryEffect) == [
        0,
        0,
        5,
    ]


def test_what_is_in_doubt_is_sent_again_under_the_same_limits():
    limits = "slots = 1  timeout = 3s  backoff = fixed(1s)"
    driver = drive(compiled(MANY.replace("LIMITS", ""), limits), publish=[lost_send(), done("x")])
    assert driver.ended["r0"].status == "completed"


def test_an_effect_that_waits_for_its_limits_is_given_up_with_its_scope():
    body = (
        "scope s { timeout = 8s  on_failure = skip\n"
        + MANY.replace("return", "give").replace("LIMITS", "")
        + "}\nreturn 1"
    )
    driver = drive(compiled(body, "slots = 1"), publish=done("x", takes=5 * S))
    assert driver.ended["r0"].status == "completed"
    assert len(at(driver, TryEffect)) == 4, "two were sent and both were undone; the third never left"


@pytest.mark.parametrize("script", [[done("x")], [refuses(), done("x")], [lost_send(), done("x")]])
def test_a_crash_anywhere_keeps_the_limits_of_effects(script):
    limits = "slots = 1  timeout = 3s  attempts = 2  backoff = fixed(1s)"
    crash_everywhere(compiled(MANY.replace("LIMITS", "slots = 2"), limits), ["completed"], publish=script)


# ------------------------------------------------------------------ scopes and flows


def test_slots_of_a_scope_let_in_so_many_and_are_free_for_its_next_attempt():
    body = 'scope s { slots = 1  attempts = 2\n step got = Draft("a") by ann\n give got }\nreturn s'
    driver = drive(compiled(body), 2, ann=[failing(takes=3 * S), done(1, takes=3 * S)])
    assert [driver.ended[f"r{number}"].status for number in (0, 1)] == ["completed", "completed"]
    starts = at(driver, RunTask)
    assert starts == [0, 3, 6], "one at a time"
    crash_everywhere(compiled(body), ["completed"] * 2, 2, ann=[failing(takes=3 * S), done(1, takes=3 * S)])


def test_a_called_flow_may_have_limits_too():
    text = HEAD.replace("LIMITS", "") + 'flow sub(n: Int) -> Int { step got = Draft("a") by ann  return got }\n'
    found = compile_text(
        text + "flow main(n: Int) -> Int {\nstep got = sub(n) { slots = 1 }\nreturn got\n}\n", "s.orch"
    )
    assert not found.errors
    driver = drive(found.plan, 2, ann=done(1, takes=5 * S))
    assert at(driver, RunTask) == [0, 5]


# ------------------------------------------------------------------ critical sections

SECTION = 'scope s { tools = [TOOLS]\n step got = Draft("a") by bob\n give got }\nreturn s'


def test_a_section_has_its_tools_to_itself():
    driver = drive(compiled(SECTION.replace("TOOLS", "ledger, stock")), 3, bob=done(1, takes=5 * S))
    assert at(driver, RunTask) == [0, 5, 10]
    waited = [record.body.get("waited_for") for record in driver.records("r2") if record.type == "TaskEnrolled"][:1]
    assert waited == ["section"]


def test_sections_over_different_tools_run_beside_each_other():
    other = 'scope t { tools = [stock]\n step had = Draft("b") by bob\n give had }\n'
    driver = drive(compiled(other + SECTION.replace("TOOLS", "ledger")), bob=done(1, takes=5 * S))
    assert at(driver, RunTask) == [0, 0]


def test_sections_that_overlap_never_block_each_other():
    first = 'scope t { tools = [stock, ledger]\n step had = Draft("b") by bob\n give had }\n'
    body = first + SECTION.replace("TOOLS", "ledger, stock")
    driver = drive(compiled(body), 4, bob=done(1, takes=1 * S))
    assert at(driver, RunTask) == list(range(8))


def test_calls_inside_use_the_tool_and_calls_outside_wait():
    body = 'step out = Draft("b") by ann\n' + SECTION.replace("TOOLS", "stock").replace("bob", "ann").replace(
        "return s", "return s + out"
    )
    driver = Runs(compiled(body), ann=done(1, takes=9 * S))
    driver.begin({"n": 0}, run="r0")
    driver.drain(driver.now)
    engine = driver.engine
    kernel = engine.kernels["r0"]
    places = {kernel.path(place): place for place in kernel.open_places()}
    assert engine.call_tool("r0", places["out"], 1, 1, "stock", driver.now) is None
    inside = [engine.call_tool("r0", places["s/got"], 1, call, "stock", driver.now) for call in range(4)]
    assert [grant is not None for grant in inside] == [True, True, True, False], "as many as the tool has slots"
    engine.end_tool_call("r0", places["s/got"], 1, 0, driver.now)
    for call in (1, 2, 3):
        engine.end_tool_call("r0", places["s/got"], 1, call, driver.now)
    driver.drain()
    granted = [grant for _, _, grant in driver.told if getattr(grant, "attempt", 0) >= TOOL_CALLS]
    assert [(grant.place == places["out"], grant.waited_us) for grant in granted] == [(False, 0), (True, 9 * S)]


def test_a_section_is_released_however_it_ends_and_only_after_it_was_undone():
    body = (
        "scope s { tools = [ledger]  timeout = 8s  on_failure = skip\n"
        ' step url = publish(note: "a" + "b")\n step got = Draft(url) by bob\n give got }\nreturn 1'
    )
    plan = compiled(body)
    driver = drive(plan, 2, bob=hangs(), publish=done("x"), retract=done(None, takes=4 * S))
    entered = [
        (record.time_us - 1_000 * S) // S
        for run in ("r0", "r1")
        for record in driver.records(run)
        if record.type == "TaskEnrolled" and record.body["agent"] == "ledger"
    ]
    assert entered == [0, 12]
    crash_everywhere(plan, ["completed"] * 2, 2, bob=hangs(), publish=done("x"))


def test_a_section_that_waits_is_withdrawn_with_its_scope():
    section = SECTION.replace("return", "give").replace("TOOLS", "ledger")
    body = f"scope out {{ timeout = 3s  on_failure = skip\n{section} }}\nreturn 1"
    driver = drive(compiled(body), 2, bob=hangs())
    assert [driver.ended[run].status for run in ("r0", "r1")] == ["completed"] * 2


def test_a_crash_anywhere_keeps_a_section_closed():
    plan = compiled(SECTION.replace("TOOLS", "ledger, stock"))
    crash_everywhere(plan, ["completed"] * 2, 2, bob=done(1, takes=5 * S))
