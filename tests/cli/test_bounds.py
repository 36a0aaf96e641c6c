import json
from pathlib import Path

from click.testing import CliRunner

import orchspec
from orchspec.cli import main
from orchspec.cli.common import MISUSE, NOT_WELL, WELL

ROOT = Path(__file__).resolve().parents[2]
BRIEFING = str(ROOT / "specs" / "briefing.orch")
VOTE = str(ROOT / "specs" / "vote.orch")


def run(*arguments, **settings):
    return CliRunner().invoke(main, ["bounds", *arguments], **settings)


def test_the_table_shows_both_ends_and_what_the_worst_is_made_of():
    result = run(BRIEFING)
    assert (result.exit_code, result.stderr) == (WELL, "")
    cost = next(line.split() for line in result.stdout.splitlines() if line.strip().startswith("cost"))
    assert cost[:3] == ["cost", "$0.0053", "$4.00"]
    assert "12 items of `found`" in result.stdout
    assert "cost <= $4.00; without it $0.0053 … $30.72: may be reached" in result.stdout
    assert "worst: of all runs" in result.stdout


def test_one_flow_is_shown_where_it_is_named():
    found = json.loads(run(VOTE, "--flow", "panel", "--json").stdout)
    assert [flow["flow"] for flow in found["flows"]] == ["panel"]
    result = run(VOTE, "--flow", "pannel")
    assert result.exit_code == MISUSE
    assert "did you mean panel?" in result.stderr


def test_the_python_interface_gives_the_same_document():
    assert json.loads(run(VOTE, "--json").stdout) == orchspec.bounds(orchspec.load(VOTE))


def test_other_values_of_params_are_bounded_too():
    spec = """orch 1
param rounds: Int = 2
contract Work(text: Text) -> Text
agent ann fulfills Work { timeout = 1s }
flow f(text: Text) -> Text {
  repeat r rounds times { step a = Work(text) by ann  until a == "x"  give a }
  return r
}"""
    found = json.loads(run("-", "--json", "--set", "rounds=7", input=spec).stdout)
    assert found["flows"][0]["bounds"]["attempts"]["worst"] == 7


def test_a_spec_with_errors_has_no_bounds():
    result = run("-", input="orch 1\nflow f() -> Text { return x }")
    assert result.exit_code == NOT_WELL
    assert "E0201" in result.stderr or "error" in result.stderr
