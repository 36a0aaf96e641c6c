import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import orchspec
from orchspec.cli import main
from orchspec.cli.common import MISUSE, NOT_WELL, WELL
from orchspec.simulator.replicate import Stage

SPEC = """
orch 1
param load: Rate = 2 / 10s
contract Answer(question: Text) -> Text
agent clerk fulfills Answer { slots = 3 }
flow desk(question: Text) -> Text {
  step answer = Answer(question) by clerk
  return answer
}
profile clerk { latency = exponential(mean: 10s)  cost = $0.01 }
scenario "a day" for desk {
  arrivals = poisson(load)
  duration = 20min  warmup = 2min
}
"""
TARGET = ("--for", "wait(clerk) <= 9s")
VARY = ("--vary", "clerk.slots=2..8")


@pytest.fixture
def orch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.orch").write_text(SPEC, encoding="utf-8")
    return lambda *arguments, **how: CliRunner().invoke(main, ["size", *arguments], **how)


def test_the_least_setting_is_told_with_what_was_tried_and_the_proof(orch):
    result = orch("a.orch", *TARGET, *VARY, "--json", "--charts", "pictures", "--resume", "done")
    assert result.exit_code == WELL
    document = json.loads(result.stdout)
    assert document["verdict"] == "met"
    assert document["answer"]["settings"] == {"clerk.slots": "3"}
    assert document["target"] == ["wait(clerk) <= 9s"]
    tried = {each["settings"]["clerk.slots"]: each["verdict"] for each in document["tried"]}
    assert tried["3"] == tried["8"] == "passed"
    assert tried["2"] != "passed"
    assert document["proofs"][-1]["verdict"] == "passed"
    assert document["proofs"][-1]["seed"] != document["seed"]
    assert {path.name for path in Path("pictures").iterdir()} == {"size-1.png", "size-1.svg"}
    assert document == orchspec.size(
        "a.orch", target="wait(clerk) <= 9s", vary={"clerk.slots": range(2, 9)}, resume="done"
    )


def test_people_read_a_table(orch):
    result = orch("a.orch", "a day", "--for", "completion >= 50%", "--vary", "clerk.slots=4..5", "--runs", "30")
    assert result.exit_code == WELL
    assert "✓ least: clerk.slots=4" in result.stdout
    assert "proved again on fresh seeds" in result.stdout


def test_what_no_setting_meets_ends_with_1_and_what_the_scenario_expects_is_the_target(orch):
    Path("a.orch").write_text(SPEC.replace("2min\n}", "2min\n  expect mean(latency) <= 1s\n}"), encoding="utf-8")
    result = orch("a.orch", "--vary", "clerk.slots=4..5")
    assert result.exit_code == NOT_WELL
    assert "no setting meets the target" in result.stdout


def test_faults_and_another_load_can_be_asked_for(orch):
    settings = ("--set", "scenario.arrivals=poisson(1 / 10s)", "--fault", "slow(clerk, rate: 5%)")
    result = orch("a.orch", "--for", "completion >= 50%", "--vary", "clerk.slots=4", "--json", *settings)
    document = json.loads(result.stdout)
    assert document["faults"]
    assert document["tried"][0]["runs"] < 1_500  # half as many as come otherwise


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (VARY, "say what is to be met"),
        (TARGET, "say what may be varied"),
        ((*VARY, "--for", "p95(latncy) <= 3s"), "latncy"),
        ((*VARY, "--for", "p95(latency)"), "compare it with a bound"),
        ((*VARY, "--for", "latency <="), "missing after"),
        ((*VARY, *TARGET, "--fault", "crush(clerk)"), "crush"),
        ((*TARGET, "--vary", "clerk.slots"), "--vary takes name=a..b"),
        ((*TARGET, *VARY, *VARY), "twice"),
        ((*TARGET, *VARY, "--set", "clerk.slots=2"), "both give clerk.slots"),
        ((*TARGET, *VARY, "--weight", "clerk.slots=0"), "above 0"),
        ((*TARGET, "--vary", "a.slots=1..200", "--vary", "b.slots=1..200"), "40,000 settings"),
        (("a night", *TARGET, *VARY), "a day"),
    ],
)
def test_misuse_is_told(orch, arguments, told):
    result = orch("a.orch", *arguments)
    assert result.exit_code == MISUSE
    assert told in result.stderr


def test_a_value_that_the_spec_refuses_is_misuse(orch):
    result = orch("a.orch", *TARGET, "--vary", "clerk.slots=0..4", "--json")
    assert result.exit_code == MISUSE
    assert "clerk.slots" in json.loads(result.stdout)["error"]["message"]
    assert orch("a.orch", *TARGET, "--vary", "clrk.slots=1..4").exit_code == MISUSE


def test_what_is_done_is_not_done_again(orch, monkeypatch):
    first = orch("a.orch", *TARGET, *VARY, "--json", "--resume", "done")
    monkeypatch.setattr(Stage, "replicate", lambda *_: pytest.fail("it was simulated again"))
    assert orch("a.orch", *TARGET, *VARY, "--json", "--resume", "done").stdout == first.stdout
    Path("done").write_text("not what it was", encoding="utf-8")
    result = orch("a.orch", *TARGET, *VARY, "--resume", "done")
    assert result.exit_code == NOT_WELL
    assert "damaged" in result.stderr


def test_a_report_holds_the_answer_what_was_tried_the_load_and_the_way_back(orch):
    target = "wait(clerk) <= 9s"
    result = orch("a.orch", *TARGET, *VARY, "--set", "load=3 / 10s", "--report", "out.html")
    assert (result.exit_code, "out.html: the report" in result.stderr) == (WELL, True)
    page = Path("out.html").read_text("utf-8")
    assert "least: clerk.slots=4" in page
    assert "did so again on fresh seeds" in page
    assert "orch size a.orch &#x27;a day&#x27; --for &#x27;wait(clerk) &lt;= 9s&#x27; --vary clerk.slots=2..8" in page
    assert "--set &#x27;load=3 / 10s&#x27; --seed 1" in page
    assert "arrivals = poisson(load)" in page
    assert target.replace("<", "&lt;") in page
    for heading in ("What was asked", "What was tried", "What changes", "Proved again", "The flow", "How sure this is"):
        assert f">{heading}</h2>" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_a_report_says_that_nothing_meets_the_target_and_what_is_short(orch):
    words = ("--for", "wait(clerk) <= 1ms", "--vary", "clerk.slots=1..2", "--runs", "60", "--report", "out.html")
    assert orch("a.orch", *words).exit_code == NOT_WELL
    page = Path("out.html").read_text("utf-8")
    assert "No setting that was tried meets the target." in page
    assert "the busiest is clerk" in page
