"""Tests written in specs: what runs, what is counted, and what is said of an expectation that does not hold."""

import json
from pathlib import Path

import pytest

from orchspec.compiler import compile_file, compile_text
from orchspec.simulator import trial
from orchspec.simulator.trial import run_test

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "specs").glob("*.orch"))
SPECS = [path for path in PATHS if (plan := compile_file(path).plan) is not None and plan.tests]

HEAD = """orch 1
enum Verdict { good, bad }
type Found { name: Text  cost: Money  took: Duration  verdict: Verdict }
contract Find(what: Text) -> Found
contract Check(found: Found) -> Verdict
agent scout fulfills Find { slots = 2 }
agent judge fulfills Check
human boss fulfills Check { slots = 1 }
effect tell(note: Text) -> Text { key = note }
flow look(what: Text) -> Found {
  step lead = Find(what) by scout { attempts = 3 }
  checkpoint half
  step note = tell(note: lead.name)
  return lead
}
flow each(things: List<Text>) -> List<Text> {
  step found = Find(thing) by scout for thing in things { attempts = 2 }
  return found.name
}
flow panel(found: Found) -> Verdict {
  step votes = Check(found) by all of [judge, boss]
  arbitrate vote = votes { decide = majority(it) or ask(boss, within: 1h) or first }
  return vote
}
flow told(what: Text) -> Text {
  step note = tell(note: what) { attempts = 3 }
  return note
}
profile scout { latency = fixed(90s)  cost = $0.25  failure = 100% }
profile boss  { latency = fixed(10min)  never = 100% }
"""
GOOD = '{ name: "x", cost: $1.50, took: 3min, verdict: Verdict.good }'


def plan_of(body, flow="look"):
    compiled = compile_text(f'{HEAD}test "it" for {flow} {{\n{body}\n}}', "a.orch")
    assert not compiled.errors, [diagnostic.message for diagnostic in compiled.errors]
    return compiled.plan


def run(body, flow="look"):
    plan = plan_of(body, flow)
    return run_test(plan, plan.tests[0])


def found(body, flow="look"):
    """What is said of the one expectation that does not hold."""
    result = run(body, flow)
    assert result.verdict == "failed"
    (said,) = [each.found for each in result.expectations if each.verdict == "failed"]
    return said


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_the_tests_of_the_gallery_pass_and_are_the_same_each_time(path):
    plan = compile_file(path).plan
    for test in plan.tests:
        first, second = (run_test(plan, test, path.parent) for _ in range(2))
        assert (first.verdict, first.problem) == ("passed", None), [each.found for each in first.expectations]
        assert first == second


def test_chance_failures_and_silence_of_profiles_are_off_but_their_times_are_not():
    result = run(f"stub scout = {GOOD}\n expect status == completed and retries == 0 and latency == 91s")
    assert result.verdict == "passed"
    result = run("stub judge = Verdict.good\n stub boss = Verdict.good\n expect latency == 10min", "panel")
    assert result.verdict == "passed"


def test_what_is_not_given_and_not_stubbed_is_made():
    result = run('expect status == completed and result.name != "" and calls(scout) == 1')
    assert result.verdict == "passed"


def test_a_run_ends_as_it_does_and_a_test_without_expectations_expects_it_to_complete():
    assert run("").verdict == "passed"
    result = run("fault fail(scout)")
    assert result.verdict == "failed"
    assert [each.found for each in result.expectations] == ["it was failed"]


def test_values_are_given_in_turn_to_tasks_and_the_last_one_for_ever():
    values = " then ".join(GOOD.replace('"x"', f'"{name}"') for name in "abc")
    body = f'given = {{ things: ["1", "2", "3", "4", "5"] }}\n stub scout = {values}\n'
    result = run(body + 'expect result == ["a", "b", "c", "c", "c"] and calls(scout) == 5', "each")
    assert result.verdict == "passed", result.expectations


def test_a_retry_is_given_the_value_of_its_task_whatever_struck_before():
    values = " then ".join(GOOD.replace('"x"', f'"{name}"') for name in "ab")
    for fault in ("fail", "garbage"):
        body = f'given = {{ things: ["1", "2"] }}\n stub scout = {values}\n fault {fault}(scout, first: 2)\n'
        expected = 'expect result == ["a", "b"] and calls(scout) == 2 and attempts(scout) == 4 and retries == 2'
        assert run(body + expected, "each").verdict == "passed"


def test_stubs_of_one_contract_leave_the_others_to_be_made():
    result = run(
        f"given = {{ found: {GOOD} }}\n stub judge.Check = Verdict.bad\n stub boss.Check = Verdict.bad\n"
        "expect result == Verdict.bad and calls(judge) == 1 and calls(boss) == 1 and attempts(boss) == 1",
        "panel",
    )
    assert result.verdict == "passed", result.expectations


def test_an_effect_is_stubbed_by_its_receipt_and_counted_in_the_world():
    body = 'stub tell = "receipt"\n fault fail(tell, first: 1)\n'
    result = run(body + 'expect result == "receipt" and calls(tell) == 1 and attempts(tell) == 2', "told")
    assert result.verdict == "passed", result.expectations
    body = f"stub scout = {GOOD}\n fault fail(tell)\n"
    result = run(body + "expect calls(tell) == 0 and attempts(tell) == 1 and status == failed and reached(half)")
    assert result.verdict == "passed", result.expectations


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        ("calls(tell) == 2", "calls(tell) == 2: it was 1"),
        ("calls(tell) == 2 and status == failed", "calls(tell) == 2: it was 1; status == failed: it was completed"),
        ("cost < $0.20", "cost < $0.20: it was $0.25"),
        ("latency == 1min", "latency == 1min: it was 91s"),
        ("result.cost == $2", "result.cost == $2: it was $1.50"),
        ("result.took > 1h", "result.took > 1h: it was 3min"),
        ("result.verdict == Verdict.bad", "result.verdict == Verdict.bad: it was Verdict.good"),
        ("calls(scout) > calls(tell)", "calls(scout) > calls(tell): the left was 1, the right was 1"),
        ("not reached(half)", "not reached(half): reached(half) was true"),
        ("retries > 3 or tokens > 4", "retries > 3 or tokens > 4: retries was 0, tokens was 0"),
    ],
)
def test_a_failed_expectation_says_which_side_was_what(expectation, said):
    assert found(f"stub scout = {GOOD}\n expect {expectation}") == said


def test_a_result_that_is_not_there_is_said_with_the_reason():
    assert found('fault fail(scout)\n expect result.name == "y"') == (
        "there is no result, the run failed: injected failure at lead"
    )


def test_a_run_that_failed_has_no_result():
    assert run("fault fail(scout)\n expect status == failed and result == none", "look").verdict == "passed"
    assert found("fault fail(scout)\n expect result != none") == "result != none: it was none"
    assert found(f"stub scout = {GOOD}\n expect none == result").startswith("none == result: it was {")


def test_a_result_stands_on_the_lines_of_its_spec_with_the_end_of_the_journal():
    result = run(f"stub scout = {GOOD}\n expect status == completed\n expect status == failed")
    first = HEAD.count("\n") + 1
    assert (result.file, result.line) == ("a.orch", first)
    assert [each.line - first for each in result.expectations] == [2, 3]
    assert result.journal[-1].endswith("note  effect confirmed → completed")
    document = result.as_json()
    assert document["expectations"][1]["found"] == "status == failed: it was completed"
    assert json.loads(json.dumps(document)) == document


def test_the_end_of_a_long_journal_says_how_much_came_before():
    things = ", ".join(f'"{number}"' for number in range(20))
    result = run(f"given = {{ things: [{things}] }}\n stub scout = {GOOD}\n expect status == failed", "each")
    assert len(result.journal) == 9
    assert result.journal[0].startswith("… 13 earlier")


def test_a_crash_in_a_test_is_survived_and_counts_no_attempt_twice():
    body = f"stub scout = {GOOD}\n fault crash(orchestrator, at: 30s, down: 10s)\n"
    result = run(body + "expect status == completed and attempts(scout) == 1 and calls(tell) == 1 and latency > 91s")
    assert result.verdict == "passed", result.expectations


def test_a_run_that_writes_too_many_records_is_given_up(monkeypatch):
    monkeypatch.setattr(trial, "RECORDS_MAX", 3)
    result = run(f"stub scout = {GOOD}\n expect status == completed")
    assert (result.verdict, result.problem) == ("failed", "the run was given up after 3 records")
    assert result.expectations == ()


def test_a_run_that_outlives_a_year_is_given_up(monkeypatch):
    monkeypatch.setattr(trial, "WEEKS_52_US", 100_000_000)
    plan = plan_of(f"stub scout = {GOOD}\n fault slow(scout, by: 100s)\n expect status == completed")
    result = run_test(plan, plan.tests[0])
    assert (result.verdict, result.problem) == ("failed", "the run had not ended after 52 weeks of virtual time")


def test_a_run_waits_for_a_date_that_is_years_away():
    text = """orch 1
flow remind(at: Time) -> Text { wait at  return "now" }
test "it" for remind { given = { at: "2031-05-01T09:00:00Z" }  expect status == completed and result == "now" }
"""
    made = compile_text(text, "remind.orch")
    result = run_test(made.plan, made.plan.tests[0])
    assert result.verdict == "passed", (result.problem, result.expectations)


def test_a_file_that_is_gone_by_the_time_is_a_problem_and_no_traceback(tmp_path):
    (tmp_path / "data.csv").write_text("tokens\n1\n2\n3\n")
    body = f'{HEAD}profile judge {{ tokens_in = empirical("data.csv", tokens) }}\ntest "it" for look {{ }}\n'
    (tmp_path / "a.orch").write_text(body)
    plan = compile_file(tmp_path / "a.orch").plan
    (tmp_path / "data.csv").unlink()
    result = run_test(plan, plan.tests[0], tmp_path)
    assert result.verdict == "failed"
    assert "data.csv" in result.problem


def test_a_value_that_the_contract_refuses_is_followed_by_the_next_one_and_a_failed_attempt_keeps_its_own():
    body = (
        f'stub scout = {{ name: "", cost: $1, took: 1s, verdict: Verdict.bad }} then {GOOD}\nexpect status == completed'
    )
    text = HEAD.replace(
        "contract Find(what: Text) -> Found", "contract Find(what: Text) -> Found { ensures = len(result.name) > 0 }"
    )
    compiled = compile_text(f'{text}test "it" for look {{\n{body} and attempts(scout) == 2\n}}', "a.orch")
    assert compiled.plan is not None, compiled.errors
    assert run_test(compiled.plan, compiled.plan.tests[0]).verdict == "passed"
    first = GOOD.replace('"x"', '"first"')
    told = 'expect result.name == "first" and attempts(scout) == 2'
    kept = run(f"stub scout = {first} then {GOOD}\nfault fail(scout, first: 1)\n{told}")
    assert kept.verdict == "passed"
