"""`orch chaos` and `orch replay`: what breaks is told in a few lines, written down, and seen again to the byte."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given, settings

import orchspec
from orchspec import testing
from orchspec.cli.common import LIVENESS_BROKEN, MISUSE, NOT_WELL, UNDECIDED, WELL
from orchspec.compiler.plan import Fault
from orchspec.runtime.kernel import kernel, tasks
from orchspec.simulator.chaos.explore import Explorer
from orchspec.simulator.chaos.lines import fault_line
from orchspec.simulator.chaos.schedule import Schedule, read_schedule
from tests.support.commands import orch

SPECS = Path(__file__).resolve().parents[2] / "specs"
REFUND = SPECS / "refund.orch"
SPEC = """orch 1
contract Write(topic: Text) -> Text
agent ann fulfills Write { timeout = 10s }
effect mail(text: Text) -> Text { key = text  undo = unmail(text: text)  timeout = 5s }
effect unmail(text: Text) { key = text  timeout = 5s }
flow told(topic: Text) -> Text {
  step sent = mail(topic)
  step text = Write(topic) by ann
  return text
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "told.orch").write_text(SPEC, "utf-8")


def test_what_holds_is_counted_and_ends_well(tmp_path):
    done = orch("chaos", "told.orch", "--exhaustive", "--examples", 20, "--junit", "j.xml")
    assert done.exit_code == WELL, done.stdout
    assert "all held" in done.stdout
    suite = ET.parse(tmp_path / "j.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("5", "0")
    document = json.loads(orch("chaos", "told.orch", "--exhaustive", "--json").stdout)
    assert document["held"]
    phases = {phase["name"]: phase for phase in document["flows"][0]["phases"]}
    assert phases["crash points"]["tried"] == phases["crash points"]["known"] > 5


def interrupted_after(monkeypatch, tries):
    whole = Explorer._try

    def tried(self, phase, *schedule):
        if self._tried == tries:
            raise KeyboardInterrupt
        whole(self, phase, *schedule)

    monkeypatch.setattr(Explorer, "_try", tried)


@pytest.mark.parametrize("how", [("--examples", 20), ("--exhaustive",)])
def test_what_was_interrupted_before_anything_broke_is_undecided(tmp_path, monkeypatch, how):
    interrupted_after(monkeypatch, 5)
    done = orch("chaos", "told.orch", *how, "--junit", "j.xml")
    assert done.exit_code == UNDECIDED
    assert "held, interrupted" in done.stdout
    assert "undecided" in done.stderr
    assert ET.parse(tmp_path / "j.xml").getroot()[0].get("skipped") == "1"
    document = json.loads(orch("chaos", "told.orch", *how, "--json").stdout)
    assert document["interrupted"]


def test_what_broke_before_the_interrupt_is_told_by_the_exit_code(monkeypatch):
    monkeypatch.setattr(kernel.Kernel, "unwind", lambda self, frame: frame.unwound())
    full = json.loads(orch("chaos", "told.orch", "--exhaustive", "--pairs", 0, "--json").stdout)
    after = full["flows"][0]["found"][0]["after"]
    interrupted_after(monkeypatch, after + 1)
    assert orch("chaos", "told.orch", "--exhaustive", "--pairs", 0).exit_code == NOT_WELL


def test_the_same_seed_gives_the_same_words():
    first = orch("chaos", "told.orch", "--examples", 30, "--seed", 4, "--json")
    second = orch("chaos", "told.orch", "--examples", 30, "--seed", 4, "--json")
    assert first.stdout == second.stdout


def test_what_breaks_is_shrunk_told_written_and_seen_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(kernel.Kernel, "unwind", lambda self, frame: frame.unwound())
        done = orch("chaos", "told.orch", "--examples", 40, "--junit", "j.xml", "--schedules", tmp_path)
        assert done.exit_code == NOT_WELL
        assert "S10 undo" in done.stdout
        assert len(done.stdout.split("S10 undo")[1].splitlines()) < 10
        (path,) = tmp_path.glob("*S10*.schedule")
        assert ET.parse(tmp_path / "j.xml").getroot()[0].get("failures") == "1"
        again = orch("replay", path, "--json")
        assert again.exit_code == NOT_WELL
        told = json.loads(again.stdout)
        assert told["same"]
        assert [each["number"] for each in told["violations"]] == ["S10"]
        assert len(told["faults"]) == 1
        lines = orch("replay", path, "--journal").stdout.splitlines()
        assert sum(line.startswith("{") for line in lines) == told["records"]
    fixed = orch("replay", path)
    assert (fixed.exit_code, "all held" in fixed.stdout) == (WELL, True)
    real = orch("replay", path, "--real", "--json")
    assert (real.exit_code, json.loads(real.stdout)["real"]) == (WELL, {"same": True, "difference": None})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel.Kernel, "unwind", lambda self, frame: frame.unwound())
        with pytest.raises(testing.Broken, match="S10"):
            testing.check(orchspec.load("told.orch"), testing.read(path))


def test_a_run_that_never_ends_is_liveness(monkeypatch):
    monkeypatch.setattr(tasks.Task, "reissue", lambda self: None)
    done = orch("chaos", "told.orch", "--exhaustive", "--pairs", 0)
    assert done.exit_code == LIVENESS_BROKEN
    assert "L1 liveness: it has not ended" in done.stdout


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("chaos", "nothing.orch"), MISUSE),
        (("chaos", "told.orch", "--flow", "tld"), MISUSE),
        (("replay", "nothing.schedule"), MISUSE),
        (("replay", "told.orch"), NOT_WELL),
    ],
)
def test_misuse_says_what_to_do(args, code):
    done = orch(*args)
    assert done.exit_code == code
    assert "bug in orch" not in done.stderr
    if "--flow" in args:
        assert "did you mean told" in done.stderr


def test_a_spec_with_errors_is_reported_as_by_check():
    Path("bad.orch").write_text("orch 1\nflow f() -> Text { return x }\n", "utf-8")
    done = orch("chaos", "bad.orch")
    assert done.exit_code == NOT_WELL
    assert "there is no name called `x`" in done.stderr


def test_a_fault_is_written_as_a_spec_says_it():
    fault = Fault(0, "slow", "mail", {"factor": 50, "nth": 2, "lasting": 90_000_000, "rate": 0.25})
    assert fault_line(fault) == "fault slow(mail, factor: 50, nth: 2, lasting: 90s, rate: 25%)"


def test_a_schedule_survives_its_file():
    made = Schedule(
        "a.orch", "sha256:1", "f", 3, 2, (Fault(0, "fail", "ann", {"nth": 1}),), None, "x", {"a": ["fixed", 1]}
    )
    assert read_schedule(made.as_json()) == made


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schedule": 2}', '{"schedule": 1, "faults": 3}', "[" * 100_000])
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(testing.BadSchedule):
        read_schedule(text)


REFUNDS = orchspec.load(REFUND)


@settings(max_examples=40)
@given(testing.schedules(REFUNDS))
def test_hypothesis_draws_schedules_and_money_moves_once(schedule):
    chronicle = testing.check(REFUNDS, schedule)
    assert all(told.status in {"completed", "failed"} for told in chronicle.runs.values())


def test_a_flow_has_to_be_named_where_there_are_several():
    with pytest.raises(ValueError, match="panel"):
        testing.schedules(orchspec.load(SPECS / "vote.orch"))
