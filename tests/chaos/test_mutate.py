"""Mutation of specs: what a protection is worth shows when it is taken away, and what none covers shows by itself."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.chaos_mutate import document, lines_of
from orchspec.compiler import compile_text
from orchspec.compiler.load import compile_file
from orchspec.removals import KINDS, removals_of
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
    assert {"kind", "name", "line", "noticed", "refused", "runs", "why", "faults", "tried"} == flow["protections"][
        0
    ].keys()
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


# ------------------------------------------------------------------ what shows only by what it was there for

LOADED = """orch 1
decision release
contract Write(topic: Text) -> Text
contract Judge(text: Text) -> Bool { owns = release }
tool web { slots = 2  rate = 3 / 1min }
tool quiet { slots = 50 }
agent ann fulfills Write { slots = 2  timeout = 5min  tools = [web, quiet]  policies = [] }
agent bob fulfills Judge { timeout = 30s  rate = 100 / 1s }
effect pay(id: Text) -> Text { check = paid(id: id)  settles = 1min  timeout = 10s }
effect paid(id: Text) -> Text? { idempotent = true  timeout = 10s }
effect post(id: Text) -> Text { in_doubt = ask(eve, within: 1h)  settles = 1min  timeout = 10s }
effect note(id: Text) -> Text { key = id  timeout = 10s }
human eve fulfills Judge { slots = 1 }
flow main(topic: Text) -> Text {
  require receipt before extra
  require letter before fine
  step letter = Write(topic) by ann
  step fine = Judge(letter) by bob
  step receipt = pay(topic)
  step kept = note(topic + "!")
  step extra = Write("an extra") by ann
  step sent = post(topic + "?") { only_if = fine }
  return kept
}
profile ann { latency = uniform(20s, 40s)  calls = { web: fixed(2), quiet: fixed(1) } }
profile web { latency = fixed(15s) }
""".replace("  policies = []", "")


PAID = """orch 1
effect pay(id: Text) -> Text { check = paid(id: id)  settles = 1min  timeout = 10s }
effect paid(id: Text) -> Text? { idempotent = true  timeout = 10s }
flow main(topic: Text) -> Text { step receipt = pay(topic)  return receipt }
"""


@pytest.fixture(scope="module")
def done():
    compiled = compile_text(LOADED, "loaded.orch")
    assert compiled.plan is not None, compiled.errors
    withheld = removals_of(LOADED, "loaded.orch")
    return compiled.plan, mutate(compiled.plan, "main", examples=0, withheld=withheld)


@pytest.fixture(scope="module")
def loaded(done):
    return {each.protection.name: each for each in done[1].mutants}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("slots of ann", "ann has 2 slots, and this grant is number 3"),
        ("slots of web", "web has 2 slots, and 3 calls at"),
        ("rate of web", "web is called at"),
        ("require receipt before extra", "extra begins before receipt has ended"),
    ],
)
def test_a_limit_and_an_order_that_are_taken_away_are_missed_by_what_they_were_there_for(loaded, name, why):
    mutant = loaded[name]
    assert mutant.noticed
    assert mutant.why.startswith(why)
    assert mutant.runs == 2 or mutant.protection.kind in ("slots", "rate")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("slots of quiet", "24 runs that meet, slow and failing, never come up to it"),
        ("rate of bob", "12 runs that meet, slow and failing, never come up to it"),
        ("require letter before fine", "fine waits for letter in any case, so the order stands without it"),
        ("owns of Judge", "the compiler proves that one alone decides"),
    ],
)
def test_what_nothing_comes_up_to_is_told_with_the_reason(loaded, name, why):
    mutant = loaded[name]
    assert mutant.tried
    assert not mutant.noticed
    assert mutant.why.startswith(why)


@pytest.mark.parametrize("name", ["check of pay", "in_doubt of post"])
def test_what_the_compiler_refuses_to_do_without_is_told_and_not_tried(loaded, name):
    mutant = loaded[name]
    assert mutant.refused is not None
    assert mutant.refused.startswith("E0701: ")
    assert not mutant.tried


def test_what_is_required_and_at_which_load_a_limit_is_needed_is_in_text_and_document(done):
    plan, mutated = done
    (flow,) = document(plan, [mutated])["flows"]
    told = {each["name"]: each for each in flow["protections"]}
    assert told["check of pay"]["refused"].startswith("E0701: ")
    assert told["slots of ann"]["runs"] == 6
    lines = "\n".join(lines_of(plan, None, mutated))
    assert "  required check of pay: the compiler refuses it without (E0701: " in lines
    assert "under no fault at all, 6 runs at once" in lines


def test_the_command_takes_clauses_from_the_text(tmp_path):
    path = tmp_path / "paid.orch"
    path.write_text(PAID, "utf-8")
    said = CliRunner().invoke(main, ["chaos", str(path), "--mutate", "--examples", "0", "--runs", "1"])
    assert said.exit_code == 0, said.output
    assert "  required check of pay: the compiler refuses it without (E0701: " in said.stdout


def test_every_removal_leaves_the_rest_of_the_text_where_it_was():
    made = {(each.kind, each.owners[0]): each for each in removals_of(LOADED, "loaded.orch")}
    assert {kind for kind, _ in made} == set(KINDS)
    assert made["slots", "eve"].plan.agents["eve"].slots_max in (None, 1)
    assert made["rate", "web"].plan.tools["web"].rate is None
    assert made["owns", "Judge"].plan.contracts["Judge"].owns is None
    assert made["rate", "web"].plan.source.spans == compile_text(LOADED, "loaded.orch").plan.source.spans


# ------------------------------------------------------------------ what imported files say

HOUSE = """orch 1
decision release
contract Judge(text: Text) -> Bool { owns = release }
agent bob fulfills Judge { timeout = 30s  slots = 2 }
effect pay(id: Text) -> Text { check = paid(id: id)  settles = 1min  timeout = 10s }
effect paid(id: Text) -> Text? { idempotent = true  timeout = 10s }
flow settle(topic: Text) -> Text {
  require fine before receipt
  step fine = Judge(topic) by bob
  step receipt = pay(topic)
  return receipt
}
flow other(topic: Text) -> Text { step fine = Judge(topic) by bob  step receipt = pay(topic)  return receipt }
"""
USING = """orch 1
import "house.orch" as house
import "std/approve.orch" as approving with { Proposal = Text  approver = eve }
human eve fulfills approving.Approve
flow main(topic: Text) -> Text { step got = house.settle(topic)  return got }
flow aside(topic: Text) -> Text { step got = house.other(topic)  return got }
"""


@pytest.fixture
def using(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("house.orch").write_text(HOUSE, "utf-8")
    Path("using.orch").write_text(USING, "utf-8")
    return Path("using.orch")


def withheld_from(path):
    return removals_of(path.read_text("utf-8"), str(path), folder=path.parent)


def test_clauses_of_imported_files_are_taken_away_and_nothing_else_is(using):
    made = {(each.kind, each.owners): each for each in withheld_from(using)}
    assert {kind for kind, _ in made} == {"require", "owns", "check", "slots"}
    assert ("slots", ("approving.approver",)) not in made, "somebody else is bound in its place"
    slots = made["slots", ("house.bob",)].plan
    assert slots.agents["house.bob"].slots_max is None
    assert slots.source.spans == compile_file(using).plan.source.spans
    assert made["check", ("house.pay",)].refused.startswith("E0701: ")
    assert made["require", ("house.settle",)].at == "house.orch:8  require fine before receipt"


def test_clauses_of_imported_files_are_told_at_their_own_lines_and_for_their_own_flows(using):
    words = ["chaos", str(using), "--mutate", "--examples", "0", "--runs", "1"]
    said = CliRunner().invoke(main, [*words, "--flow", "main"])
    assert said.exit_code == 0, said.output
    assert "needed   require fine before receipt: without it receipt begins before fine has ended" in said.stdout
    assert "house.orch:8  require fine before receipt" in said.stdout
    assert "required check of house.pay" in said.stdout
    assert "house.orch:5  effect pay(" in said.stdout
    aside = CliRunner().invoke(main, [*words, "--flow", "aside"])
    assert "require fine" not in aside.stdout, "the steps of another flow have the names of these"
    library = CliRunner().invoke(main, [*words, "--flow", "approving.approve"])
    assert "std/approve.orch:20  step" in library.stdout


def test_a_file_that_is_imported_twice_lacks_its_clause_each_time(using):
    using.write_text(
        'orch 1\nimport "house.orch" as one with { bob = ann }\nimport "house.orch" as two\n'
        "agent ann fulfills two.Judge { timeout = 30s }\n"
        "flow main(topic: Text) -> Text { step got = one.other(topic)  return got }\n",
        "utf-8",
    )
    made = {(each.kind, each.owners): each for each in withheld_from(using)}
    assert ("slots", ("two.bob",)) in made
    assert ("check", ("one.pay", "two.pay")) in made
    plan = compile_file(using).plan
    names = [each.protection.name for each in mutate(plan, "main", examples=0, runs=1, withheld=made.values()).mutants]
    assert [name for name in names if name.startswith("check")] == ["check of one.pay"]


# ------------------------------------------------------------------ JUnit


def test_junit_has_a_case_for_each_protection_and_fails_for_none(using, tmp_path):
    words = ["chaos", str(using), "--mutate", "--examples", "0", "--runs", "1", "--flow", "main"]
    done = CliRunner().invoke(main, [*words, "--json", "--junit", str(tmp_path / "j.xml")])
    assert done.exit_code == 0, done.output
    (flow,) = json.loads(done.stdout)["flows"]
    (suite,) = ET.parse(tmp_path / "j.xml").getroot()
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert len(cases) == int(suite.get("tests")) == len(flow["protections"]) + len(flow["uncovered"])
    assert next(case.get("name") for case in suite.iter("testcase")) == flow["protections"][0]["name"]
    skipped = {name for name, case in cases.items() if case.find("skipped") is not None}
    unneeded = {each["name"] for each in flow["protections"] if not each["noticed"] and each["refused"] is None}
    assert skipped == unneeded | {each["fault"] for each in flow["uncovered"]}
    assert "house.orch:8" in cases["require fine before receipt"].find("system-out").text
    told = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert float(told["score"]) == pytest.approx(flow["score"], abs=1e-4)


def test_junit_says_what_ctrl_c_kept_from_being_tried(using, tmp_path, monkeypatch):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("orchspec.simulator.chaos.mutate._noticed", interrupted)
    words = ["chaos", str(using), "--mutate", "--examples", "0", "--runs", "1", "--flow", "main"]
    done = CliRunner().invoke(main, [*words, "--junit", str(tmp_path / "j.xml")])
    assert done.exit_code == 4
    (suite,) = ET.parse(tmp_path / "j.xml").getroot()
    messages = [each.get("message") for each in suite.iter("skipped")]
    assert "interrupted: not everything was explored" in messages
