"""Mutation of specs: what a protection is worth shows when it is taken away, and what none covers shows by itself."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.compiler import compile_text
from orchspec.compiler.load import compile_file
from orchspec.simulator.chaos.mutate import mutate
from orchspec.simulator.chaos.protections import PROTECTIONS, protections_of

SPECS = Path(__file__).resolve().parents[2] / "specs"
SPEC = """orch 1
contract Write(topic: Text) -> Text { ensures = len(result) > 0 }
contract Approve(text: Text) -> Bool
agent ann fulfills Write { timeout = 30s  attempts = 2 }
human eve fulfills Approve { timeout = 4h }
effect mail(text: Text) { key = text  undo = recall(text: text)  timeout = 10s  attempts = 2 }
effect recall(text: Text) { key = text  timeout = 10s }
flow post(topic: Text) -> Text {
  budget { attempts <= 90 }
  step letter = Write(topic) by ann
  step fine = Approve(letter) by eve
  fail "not approved" when not fine
  step sent = mail(letter)
  step answer = Write("an answer to " + letter) by ann { timeout = 10s  on_failure = use("none") }
  return answer
}
profile ann { latency = uniform(1s, 4s) }
profile eve { latency = uniform(5s, 20s) }
"""
SMALL = """orch 1
contract Write(topic: Text) -> Text
agent ann fulfills Write { attempts = 2 }
flow note(topic: Text) -> Text { step note = Write(topic) by ann  return note  budget { attempts <= 90 } }
"""
EXAMPLES = 5


@pytest.fixture(scope="module")
def plan():
    compiled = compile_text(SPEC, "post.orch")
    assert compiled.plan is not None, compiled.errors
    return compiled.plan


@pytest.fixture(scope="module")
def made(plan):
    return mutate(plan, "post", seed=1, examples=EXAMPLES)


def test_protections_are_found_each_once_and_taken_away_alone(plan):
    found = protections_of(plan, "post")
    assert len({each.name for each in found}) == len(found)
    assert {"retry", "timeout", "key", "undo", "ensures", "fallback", "approval", "budget"} <= {
        each.kind for each in found
    }
    for each in found:
        assert (each.plan.hash != plan.hash) is not bool(each.forgetful), each.name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("attempts of ann", "a run is failed that would be completed"),
        ("attempts of effect sent", "a run is failed that would be completed"),
        ("key of mail", "S1 (single effect) is broken"),
        ("fail … when …", "a run is completed that would be failed"),
        ("timeout of effect sent", "L1 (liveness) is broken"),
    ],
)
def test_a_protection_that_some_fault_needs_is_told_with_what_gets_worse(made, name, why):
    (mutant,) = [each for each in made.mutants if each.protection.name == name]
    assert (mutant.why, mutant.noticed) == (why, True)


def test_a_protection_that_no_fault_needs_is_told(made):
    unneeded = {each.protection.name for each in made.mutants if not each.noticed}
    assert "budget of post: attempts" in unneeded
    assert "key of mail" not in unneeded
    assert made.score == pytest.approx(1 - len(unneeded) / len(made.mutants))


def test_a_fault_that_no_protection_covers_is_told(made):
    uncovered = {(each.fault.name, each.fault.target, each.status) for each in made.uncovered}
    assert ("wrong", "eve", "failed") in uncovered
    assert not [each for each in uncovered if each[:2] == ("fail", "ann")]
    assert made.covered > 30


def test_whole_and_mutant_meet_the_same_faults_and_draws(plan, made):
    again = mutate(plan, "post", seed=1, examples=EXAMPLES)
    assert [(each.why, each.faults) for each in made.mutants] == [(each.why, each.faults) for each in again.mutants]


def test_the_command_gives_a_score_lines_and_a_document(tmp_path):
    path = tmp_path / "note.orch"
    path.write_text(SMALL, "utf-8")
    words = ["chaos", str(path), "--mutate", "--examples", "0", "--runs", "1"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "resilience score 50%: 1 of 2 protections are needed by some fault" in done.stdout
    assert "note.orch:4" in done.stdout
    document = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    (flow,) = document["flows"]
    assert flow["score"] == 0.5
    assert {"kind", "name", "line", "noticed", "why", "faults", "tried"} == flow["protections"][0].keys()
    assert CliRunner().invoke(main, [*words, "--exhaustive"]).exit_code == 2


def test_ctrl_c_keeps_what_is_known():
    def interrupted(phase, done, total):
        if phase == "protections":
            raise KeyboardInterrupt

    compiled = compile_text(SMALL, "note.orch")
    assert compiled.plan is not None, compiled.errors
    cut = mutate(compiled.plan, "note", seed=1, runs=1, examples=0, progress=interrupted)
    assert cut.cut
    assert [bool(each.tried) for each in cut.mutants] == [True, False]


def test_every_kind_of_protection_occurs_in_the_gallery():
    kinds = set()
    for path in sorted(SPECS.glob("*.orch")):
        gallery = compile_file(path).plan
        assert gallery is not None
        kinds |= {each.kind for flow in gallery.flows for each in protections_of(gallery, flow)}
    assert kinds >= PROTECTIONS.keys() - {"asking", "within"}
