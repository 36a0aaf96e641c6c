"""Sessions: one mind over all runs of a store, in order, verified turns alone; and what is folded when it grows."""

from dataclasses import replace

import pytest

from orchspec.compiler import compile_text
from orchspec.runtime.kernel.commands import RunTask
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.kernel.sessions import newest
from orchspec.runtime.sessions import MINDS_MAX, TURNS_MAX, SessionTable
from tests.support.driver import Driver, done, failing, hangs
from tests.support.invariants import assert_closed, assert_folds
from tests.support.plans import S

HEAD = """orch 1
contract Work(n: Int) -> Int { ensures = result < 100 }
contract Sum(history: List<Json>) -> Text
"""
AGENTS = "agent ann fulfills Work { SETTINGS }\nagent bob fulfills Work\nagent cy fulfills Sum\n"


def compiled(settings, body="step a = Work(n) by ann\nreturn a", agents=AGENTS):
    text = HEAD + agents.replace("SETTINGS", settings) + f"flow main(n: Int) -> Int {{\n{body}\n}}"
    result = compile_text(text, "main.orch")
    assert result.plan is not None, result.errors
    return result.plan


def driven(plan, *, starts=((1, 0),), crashes=frozenset(), **scripts):
    """A driver of several runs, each with its input and when it starts (seconds)."""
    driver = Driver(plan, crashes=crashes, **scripts)
    inputs = {}
    driver._inputs = lambda run: {"n": inputs[run]}
    for number, (n, at) in enumerate(starts):
        driver.drain(until=1_000 * S + at * S)
        inputs[f"r{number}"] = n
        driver.begin({"n": n}, run=f"r{number}")
    driver.drain()
    assert_closed(driver)
    return driver


def seen(driver, agent="ann"):
    """Of each attempt: its run, its input, and the outputs of the turns that it was handed."""
    return [
        (run, command.inputs[0], [turn[1] for turn in command.history])
        for _, run, command in driver.told
        if isinstance(command, RunTask) and command.agent == agent
    ]


def test_a_mind_remembers_over_runs_and_is_handed_its_turns_oldest_first():
    driver = driven(compiled("session = persistent"), starts=((1, 0), (2, 9), (3, 18)), ann=[done(7), done(8), done(9)])
    assert seen(driver) == [("r0", 1, []), ("r1", 2, [7]), ("r2", 3, [7, 8])]
    turns = driver.store.turns("ann")
    assert [(turn.number, turn.inputs, turn.output, turn.run) for turn in turns] == [
        (1, {"n": 1}, 7, "r0"),
        (2, {"n": 2}, 8, "r1"),
        (3, {"n": 3}, 9, "r2"),
    ]


def test_one_mind_does_one_task_at_a_time_in_the_order_in_which_it_was_asked():
    starts = ((1, 0), (2, 0), (3, 0))
    driver = driven(compiled("session = persistent"), starts=starts, ann=[done(7), done(8), done(9)])
    assert seen(driver) == [("r0", 1, []), ("r1", 2, [7]), ("r2", 3, [7, 8])]
    assert [turn.time_us for turn in driver.store.turns("ann")] == [1_001 * S, 1_002 * S, 1_003 * S]


def test_minds_of_other_keys_neither_wait_nor_know():
    plan = compiled("session = persistent(by: n > 5)")
    driver = driven(plan, starts=((1, 0), (9, 0), (2, 0)), ann=[done(7), done(8), done(9)])
    assert seen(driver) == [("r0", 1, []), ("r1", 9, []), ("r2", 2, [7])]
    plan = compiled("session = persistent(by: n)")
    driver = driven(plan, starts=((1, 0), (9, 0), (1, 0)), ann=[done(7), done(8), done(9)])
    assert [history for _, _, history in seen(driver)] == [[], [], [7]]
    assert driver.ended_at == {"r0": 1_001 * S, "r1": 1_001 * S, "r2": 1_002 * S}


def test_only_verified_turns_are_remembered():
    plan = compiled("session = persistent  attempts = 4")
    driver = driven(plan, ann=[failing(), done("junk"), done(500), done(7)])
    assert [turn.output for turn in driver.store.turns("ann")] == [7]
    assert [history for _, _, history in seen(driver)] == [[], [], [], []]


def test_a_stopped_attempt_leaves_no_turn_and_the_mind_to_the_next():
    plan = compiled("session = persistent  timeout = 5s")
    driver = driven(plan, starts=((1, 0), (2, 1)), ann=[hangs(), done(8)])
    assert [turn.output for turn in driver.store.turns("ann")] == [8]


@pytest.mark.parametrize("point", range(1, 26))
def test_a_crash_anywhere_appends_each_turn_exactly_once(point):
    plan = compiled("session = persistent", "step a = Work(n) by ann\nstep b = Work(a) by ann\nreturn b")
    driver = driven(
        plan, starts=((1, 0), (2, 0)), crashes={point}, ann=lambda _path, _attempt: done(lambda n: n[0] + 1)
    )
    turns = driver.store.turns("ann")
    assert [turn.number for turn in turns] == [1, 2, 3, 4]
    assert sorted((turn.run, turn.inputs["n"], turn.output) for turn in turns) == [
        ("r0", 1, 2),
        ("r0", 2, 3),
        ("r1", 2, 3),
        ("r1", 3, 4),
    ]
    versions = {(run, c.place): c.version for _, run, c in driver.told if isinstance(c, RunTask)}
    for _, run, command in driver.told:
        if isinstance(command, RunTask):
            assert command.version == versions[run, command.place], "a re-send sees what the first one saw"
            assert len(command.history) == command.version


def test_the_version_stands_in_the_record_of_the_grant():
    driver = driven(compiled("session = persistent"), starts=((1, 0), (2, 9)), ann=[done(7)])
    assert_folds(driver)
    bodies = [r.body for r in driver.records("r1") if r.type == "TaskEnrolled"]
    assert [body["version"] for body in bodies] == [1]


def test_an_agent_who_is_not_chosen_keeps_nobody_from_the_session():
    body = "step a = Work(n) by any of [ann, bob]\nreturn a"
    driver = driven(compiled("session = persistent", body), starts=((1, 0), (2, 0)), ann=[done(7)], bob=[done(8)])
    assert seen(driver) == [("r0", 1, [])]
    assert seen(driver, "bob") == [("r1", 2, [])]
    assert [turn.output for turn in driver.store.turns("ann")] == [7]


def test_a_retry_by_somebody_without_a_mind_is_no_turn():
    body = "step a = Work(n) by any of [ann, bob]\nreturn a"
    plan = compiled("session = persistent  attempts = 2  breaker = breaker(failures: 1, within: 1min, rest: 1h)", body)
    driver = driven(plan, ann=[failing()], bob=[done(8)])
    assert seen(driver, "bob") == [("r0", 1, [])]
    assert driver.store.turns("ann") == []


def test_work_of_a_persistent_mind_is_never_used_again():
    plan = compiled("session = persistent")
    plan = replace(plan, contracts={**plan.contracts, "Work": replace(plan.contracts["Work"], reuse=3600 * S)}).sealed()
    driver = driven(plan, starts=((1, 0), (1, 9)), ann=[done(7), done(8)])
    assert [history for _, _, history in seen(driver)] == [[], [7]]


# ------------------------------------------------------------------ context


def test_without_a_fold_the_oldest_turns_are_left_out_of_what_is_handed_over():
    plan = compiled("session = persistent  context = 100")
    starts = tuple((n, n * 9) for n in range(1, 6))
    driver = driven(plan, starts=starts, ann=lambda _p, _a: done(lambda n: n[0], tokens_in=None, tokens_out=40))
    assert [len(history) for _, _, history in seen(driver)] == [0, 1, 2, 3, 4]
    big = [done(n, tokens_in=30, tokens_out=10) for n in range(5)]
    for tokens, lengths in ((40, [0, 1, 2, 2, 2]), (99, [0, 0, 0, 0, 0])):
        sized = [replace(each, tokens_out=tokens - 30) for each in big]
        driver = Driver(plan, ann=sized)
        read = []

        def act(run, command, driver=driver, read=read, original=driver._act):
            if isinstance(command, RunTask):
                read.append(len(command.history))
                ending = driver.scripts["ann"][0]
                used = replace(ending, tokens_in=30 + command.history_tokens)
                driver.scripts["ann"] = [used]
            original(run, command)

        driver._act = act
        for n in range(5):
            driver.begin({"n": n}, run=f"r{n}")
            driver.drain()
            driver.scripts["ann"] = [sized[min(n + 1, 4)]]
        assert read == lengths, tokens


def test_inputs_that_do_not_fit_alone_fail_the_task_with_a_reason():
    plan = compiled("context = 1")
    driver = Driver(plan, ann=[done(7)])
    end = driver.run({"n": 1})
    assert (end.status, end.error["code"]) == ("failed", "context")
    assert "for a context of 1" in end.error["message"]
    assert driver.tried(RunTask) == []
    assert_closed(driver)


FOLD = "session = SESSION  context = 100  fold = Sum"


class Growing(Driver):
    """What ann reads is her history and 50 tokens, what she writes 10; a summary has 5."""

    def _task_event(self, command, ending):
        event = super()._task_event(command, ending)
        if command.agent == "ann":
            return replace(event, tokens_in=50 + command.history_tokens, tokens_out=10)
        return replace(event, tokens_in=command.history_tokens, tokens_out=5) if command.agent == "cy" else event


LOOP = "repeat r 5 times {\n  step a = Work(n + len(past)) by ann\n  until a > 99\n  give a\n}\nreturn r"


def test_what_outgrows_the_context_is_folded_by_a_task_of_its_own():
    for session in ("persistent", "per_run"):
        driver = Growing(compiled(FOLD.replace("SESSION", session), LOOP), ann=lambda _p, _a: done(7), cy=[done("all")])
        end = driver.run({"n": 1})
        assert end.status == "completed", end.error
        assert_closed(driver)
        assert_folds(driver)
        handed = [history for _, _, history in seen(driver)]
        assert handed == [[], [7], ["all"], ["all", 7], ["all"]], session
        folds = [command for command in driver.tried(RunTask) if command.agent == "cy"]
        assert [len(command.inputs[0]) for command in folds] == [2, 3]
        assert folds[0].inputs[0][0] == {"inputs": {"n": 1}, "output": 7}
        assert folds[1].inputs[0][0] == {"summary": "all"}
        assert [driver.kernels["r"].path(command.place) for command in folds] == ["r#3/a!fold", "r#5/a!fold"]
        assert folds[0].history_tokens == 120


def test_a_fold_is_paid_by_the_budget_of_the_task_and_takes_no_attempt_of_it():
    driver = Growing(
        compiled(FOLD.replace("SESSION", "persistent"), LOOP), ann=lambda _p, _a: done(7), cy=[done("all")]
    )
    end = driver.run({"n": 1})
    account = end.kernel.account
    assert account.attempts == 7
    assert account.retries == 0
    assert account.charged_tokens == 5 * 60 + (60 + 5 + 65 + 5) + (120 + 5) + (125 + 5)


def test_where_nobody_can_fold_the_task_fails_with_a_reason():
    driver = Growing(compiled(FOLD.replace("SESSION", "persistent"), LOOP), ann=lambda _p, _a: done(7), cy=[failing()])
    end = driver.run({"n": 1})
    assert (end.status, end.error["code"]) == ("failed", "context")
    assert "could not be folded" in end.error["message"]
    assert_closed(driver)
    assert [turn.output for turn in driver.store.turns("ann")] == [7, 7]


def test_a_summary_that_is_too_large_itself_is_not_folded_for_ever():
    plan = compiled(FOLD.replace("SESSION", "per_run"), LOOP)

    class Verbose(Growing):
        def _task_event(self, command, ending):
            event = super()._task_event(command, ending)
            return replace(event, tokens_out=500) if command.agent == "cy" else event

    driver = Verbose(plan, ann=lambda _p, _a: done(7), cy=[done("all")])
    end = driver.run({"n": 1})
    assert (end.status, end.error["code"]) == ("failed", "context")
    assert len([command for command in driver.tried(RunTask) if command.agent == "cy"]) == 3


@pytest.mark.parametrize("session", ["persistent", "per_run"])
@pytest.mark.parametrize("point", range(8, 40, 2))
def test_a_crash_in_a_fold_changes_nothing(session, point):
    plan = compiled(FOLD.replace("SESSION", session), LOOP)
    scripts = {"ann": lambda _p, _a: done(7), "cy": [done("all")]}
    driver = Growing(plan, crashes={point}, **scripts)
    driver._inputs = lambda run: {"n": 1}
    driver.begin({"n": 1})
    driver.drain()
    assert_closed(driver)
    assert driver.ending().status == "completed"
    last = [history for _, _, history in seen(driver)][-1]
    assert last == ["all"]


def test_who_is_stopped_while_it_waits_for_a_fold_leaves_nothing_behind():
    driver = Growing(compiled(FOLD.replace("SESSION", "persistent"), LOOP), ann=lambda _p, _a: done(7), cy=[hangs()])
    driver.begin({"n": 1})
    driver.cancel(60 * S)
    driver.drain()
    assert driver.ending().status == "cancelled"
    assert_closed(driver)


def test_a_run_that_folds_goes_on_from_its_export():
    driver = Growing(
        compiled(FOLD.replace("SESSION", "persistent"), LOOP), ann=lambda _p, _a: done(7), cy=[done("all")]
    )
    folding = []

    def check(driver):
        kernel = driver.engine.kernels.get("r")
        if kernel is not None and not kernel.quiet():
            document = kernel.export()
            assert Kernel.restore(driver.plan, document).export() == document
            folding.extend(each for each in kernel.open_places() if kernel.path(each).endswith("!fold"))

    driver.checks.append(check)
    assert driver.run({"n": 1}).status == "completed"
    assert folding


# ------------------------------------------------------------------ the table


def test_the_newest_turns_that_fit_are_kept_in_order():
    turns = [[None, n, n, 0] for n in (5, 3, 2)]
    assert newest(turns, 5) == turns[1:]
    assert newest(turns, 10) == turns
    assert newest(turns, 1) == []
    assert newest(turns, -1) == turns


def test_a_session_is_bounded_and_what_rests_is_read_again():
    from orchspec.runtime.kernel.commands import KeepTurn

    rows = {}
    table = SessionTable(lambda session: rows.get(session, []))
    for version in range(TURNS_MAX + 2):
        row = table.keep(KeepTurn(1, "ann", version, {}, version, 1), "r", "a", 5)
    assert (row.number, row.since) == (TURNS_MAX + 2, 3)
    big = "x" * 3_000_000
    row = table.keep(KeepTurn(1, "ann", row.number, {}, big, 1), "r", "a", 5)
    row = table.keep(KeepTurn(1, "ann", row.number, {}, big, 1), "r", "a", 5)
    assert row.since == row.number
    rows["ann"] = [row]
    for number in range(MINDS_MAX + 1):
        table.state(f"other/{number}")
    table.rest()
    assert table.state("ann") == (row.number, 1)
    assert table.history("ann", row.number) == [[{}, big, 1, 0]]
