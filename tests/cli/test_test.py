import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, NOT_WELL, WELL

SPEC = """orch 1
contract Answer(question: Text) -> Text
agent clerk fulfills Answer
flow desk(question: Text) -> Text {
  step answer = Answer(question) by clerk
  return answer
}
test "it answers" for desk { stub clerk = "yes"  expect result == "yes" }
test "it asks twice" for desk {
  expect calls(clerk) == 2
}
"""
PASSING = SPEC.replace("== 2", "== 1")
BROKEN = SPEC.replace("by clerk", "by clark")
WITHOUT = SPEC[: SPEC.index("test")]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("a", SPEC), ("good", PASSING), ("broken", BROKEN), ("bare", WITHOUT)):
        Path(f"{name}.orch").write_text(text, "utf-8")


def run(*arguments, **settings):
    return CliRunner().invoke(main, ["test", *arguments], **settings)


def test_a_failed_test_says_the_line_what_it_was_and_how_the_run_ended():
    result = run("a.orch")
    assert result.exit_code == NOT_WELL
    assert result.stdout == (
        "a.orch\n"
        "  passed  it answers\n"
        "  failed  it asks twice\n"
        "          a.orch:10: calls(clerk) == 2: it was 1\n"
        "          the run completed after 1 s; its last records:\n"
        "            0.0s  run started\n"
        "            1.0s  answer  task fulfilled → completed\n"
    )
    assert result.stderr == "2 tests: 1 passed, 1 failed\n"


def test_passing_tests_end_well():
    result = run("good.orch")
    assert (result.exit_code, result.stderr) == (WELL, "2 tests: 2 passed\n")


def test_json_is_a_list_with_the_verdict_of_each_test():
    result = run("good.orch", "a.orch", "--json")
    assert (result.exit_code, result.stderr) == (NOT_WELL, "")
    documents = json.loads(result.stdout)
    assert [(each["name"], each["flow"], each["verdict"]) for each in documents] == [
        ("it answers", "desk", "passed"),
        ("it asks twice", "desk", "passed"),
        ("it answers", "desk", "passed"),
        ("it asks twice", "desk", "failed"),
    ]
    assert documents[3]["expectations"] == [
        {"text": "calls(clerk) == 2", "line": 10, "verdict": "failed", "found": "calls(clerk) == 2: it was 1"}
    ]


def test_a_file_with_errors_fails_with_its_diagnostics_and_the_others_are_run():
    result = run("broken.orch", "good.orch")
    assert result.exit_code == NOT_WELL
    assert "good.orch\n  passed  it answers" in result.stdout
    assert "clark" in result.stderr
    assert result.stderr.endswith("2 tests: 2 passed, 1 file with errors\n")
    (document,) = json.loads(run("broken.orch", "--json").stdout)
    assert (document["name"], document["verdict"]) == (None, "failed")
    assert document["diagnostics"][0]["severity"] == "error"


def test_words_choose_tests_by_name():
    result = run("a.orch", "bare.orch", "-k", "ANSWERS")
    assert (result.exit_code, result.stdout) == (WELL, "a.orch\n  passed  it answers\n")


def test_words_that_choose_nothing_are_misuse():
    result = run("a.orch", "-k", "nothing")
    assert (result.exit_code, result.stdout) == (MISUSE, "")
    assert 'no test has \'nothing\' in its name; there are "it answers", "it asks twice"' in result.stderr


def test_a_file_without_tests_is_said_to_have_none():
    result = run("bare.orch")
    assert (result.exit_code, result.stdout, result.stderr) == (WELL, "", "bare.orch: no tests\n0 tests: 0 passed\n")


def test_standard_input_is_a_spec_too():
    result = run("-", input=PASSING)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (WELL, "<stdin>")


def test_what_agents_say_cannot_write_to_the_terminal():
    text = SPEC.replace('stub clerk = "yes"', 'stub clerk = "\x1b[2Jno"')
    Path("a.orch").write_text(text, "utf-8")
    assert "\x1b" not in run("a.orch").stdout
