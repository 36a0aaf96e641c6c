import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import orchspec
from orchspec.cli import main
from orchspec.cli.common import MISUSE, WELL

SPEC = """
orch 1
contract Answer(question: Text, part: Int) -> Text
agent clerk fulfills Answer { slots = 2  attempts = 3 }
effect mail(text: Text) -> Text { key = text }
flow desk(question: Text) -> Text {
  step parts = Answer(question, part) by clerk for part in [1, 2, 3, 4]
  step sent = mail(text: parts[0])
  return sent
}
flow other(question: Text) -> Text {
  step answer = Answer(question, part: 1) by clerk
  return answer
}
profile clerk { latency = uniform(200ms, 300ms)  failure = 20%  cost = $0.01 }
profile mail { latency = fixed(50ms) }
"""


def run(*arguments):
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "a.orch").write_text(SPEC, encoding="utf-8")
    for seed in ("1", "2"):
        words = ("--stand-ins", "--seed", seed, "--input", '{"question": "Why?"}', "--store", f"{folder}/runs.db")
        assert run("run", f"{folder}/a.orch", "--flow", "desk", *words).exit_code == WELL
    return folder


def again(store, *arguments):
    return run("simulate", f"{store}/a.orch", "--from-journal", f"{store}/runs.db", *arguments)


def test_real_runs_come_out_as_they_were_but_for_what_the_orchestrator_took(store):
    result = again(store, "--json")
    assert result.exit_code == WELL
    document = json.loads(result.stdout)
    assert document["runs"] == 2
    assert document["fidelity"]["same_outcome"] == 2
    assert document["attempts"]["played_again"]["drawn"] == {}
    assert document["as_it_would_have_been"] is None
    for each in document["each"]:
        was, played = each["was"], each["played_again"]
        assert (was["status"], was["cost_usd"], was["retries"]) == (
            played["status"],
            played["cost_usd"],
            played["retries"],
        )
        # Never faster than what its attempts took, and not slower: what is between is commits and waking up.
        assert 0.45 < played["latency_s"] <= was["latency_s"] + 0.001


def test_a_change_is_shown_beside_what_was(store):
    document = json.loads(again(store, "--set", "clerk.slots=4", "--json").stdout)
    latency = next(each for each in document["differences"] if (each["kpi"], each["statistic"]) == ("latency", "mean"))
    assert latency["difference"] < -0.15
    assert latency["to"] == document["as_it_would_have_been"]["latency"]["mean"]
    assert document == orchspec.what_if(f"{store}/a.orch", f"{store}/runs.db", {"clerk.slots": "4"})
    table = again(store, "--set", "clerk.slots=4").stdout
    assert "would have" in table
    assert "2 of 2 runs end as they did" in table


def test_runs_of_another_plan_are_left_out_and_told(store):
    Path(store, "b.orch").write_text(SPEC.replace("[1, 2, 3, 4]", "[1, 2]"), encoding="utf-8")
    result = run("simulate", f"{store}/b.orch", "--from-journal", f"{store}/runs.db")
    assert result.exit_code == MISUSE
    assert "another plan" in result.stderr
    Path(store, "c.orch").write_text(SPEC.replace("uniform(200ms, 300ms)", "fixed(9s)"), encoding="utf-8")
    result = run("simulate", f"{store}/c.orch", "--from-journal", f"{store}/runs.db", "--json")
    assert json.loads(result.stdout)["fidelity"]["same_outcome"] == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--flow", "other"), "no run of other"),
        (("--flow", "none"), "has no flow none"),
        (("--sweep", "clerk.slots=1..2"), "goes with --set"),
        (("--set", "scenario.runs=3"), "load of the real runs"),
    ],
)
def test_misuse_is_told(store, arguments, told):
    result = again(store, *arguments)
    assert result.exit_code == MISUSE
    assert told in result.stderr


def test_a_store_that_is_not_there_and_a_bad_setting_are_told(store):
    assert run("simulate", f"{store}/a.orch", "--from-journal", f"{store}/none.db").exit_code == MISUSE
    assert run("simulate", f"{store}/a.orch", "--flow", "desk").exit_code == MISUSE
    assert again(store, "--set", "clerk.slots=0").exit_code == MISUSE
