"""`orch why`: the causes of a step that ran, and what kept one that did not."""

import json

import pytest

from orchspec.cli.common import MISUSE, WELL
from tests.support.commands import orch

SPEC = """orch 1
enum Kind { small, large }
type Order { id: Text  kind: Kind }
contract Weigh(order: Order) -> Int
contract Pack(order: Order, weight: Int) -> Text
contract Sign(order: Order) -> Text
agent scale fulfills Weigh { slots = 1 }
agent packer fulfills Pack, Sign { attempts = 2  timeout = 1min }
effect ship(id: Text) -> Text { key = id }
flow pack(order: Order) -> Text {
  step weight = Weigh(order) by scale
  step stamp = Sign(order) by packer { only_if = weight > 1_000_000 }
  route parcel on order.kind {
    case Kind.small -> Pack(order, weight) by packer
    case Kind.large -> {
      step one = Pack(order, weight) by packer
      step other = Sign(order) by packer
      give one + other
    }
  }
  fail "too heavy" when weight > 500_000 and stamp == none
  step receipt = ship(order.id) { after = [parcel] }
  return parcel + receipt
}
flow rounds(order: Order) -> Text {
  step weights = Weigh(order) by scale for copy in [1, 2, 3]
  repeat draft 3 times {
    step report = Pack(order, weights[0] + len(past)) by packer
    step votes = Sign(order) by 2 of packer
    arbitrate vote = votes { decide = majority(it) or first }
    until len(past) >= 1
    give report
  }
  step receipt = ship(id: draft)
  return receipt
}
machine desk(order: Order) -> Text {
  budget { transitions <= 5 }
  initial state weighing { step weight = Weigh(order) by scale  on done -> packing  on failed -> lost }
  state packing { step parcel = Pack(order, weighing.weight) by packer  on done -> sent  on failed -> lost }
  final state sent { return "sent" }
  final state lost { step sorry = Sign(order) by packer  return sorry }
}
profile scale { latency = fixed(2s) }
profile packer { latency = fixed(3s) }
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("why")
    spec = folder / "pack.orch"
    spec.write_text(SPEC, "utf-8")
    path = folder / "runs.db"
    for run, flow, order in (
        ("small", "pack", {"id": "1", "kind": "small"}),
        ("large", "pack", {"id": "2", "kind": "large"}),
        ("desk", "desk", {"id": "3", "kind": "small"}),
        ("rounds", "rounds", {"id": "4", "kind": "small"}),
    ):
        options = ("--stand-ins", "--speed", 600, "--seed", 3, "--store", path, "--run-id", run, "--flow", flow)
        done = orch("run", spec, "--input", json.dumps({"order": order}), *options)
        assert done.exit_code == WELL, done.stderr
    return path


def why(store, run, step):
    done = orch("why", run, step, "--store", store, "--json")
    assert done.exit_code == WELL, done.stderr
    return json.loads(done.stdout)


def why_not(store, run, step):
    done = orch("why", run, "--not", step, "--store", store, "--json")
    assert done.exit_code == WELL, done.stderr
    assert orch("why", run, step, "--not", "--store", store, "--json").stdout == done.stdout
    return json.loads(done.stdout)


def test_a_step_names_what_it_read_when_that_settled_and_who_gave_it(store):
    answer = why(store, "small", "receipt")
    needs = {need["step"]: need for need in answer["needs"]}
    assert needs["parcel"]["why"] == "comes after it"
    assert needs["parcel"]["seq"] == answer["begun"]["seq"]
    assert answer["source"].startswith("pack.orch:")
    inner = why(store, "small", "parcel")
    read = {need["step"]: need for need in inner["needs"]}
    assert read["weight"]["why"] == "reads it"
    assert read["weight"]["said"] == "by scale"
    assert [each["why"] for each in inner["within"]] in ([], ["arm 1 was taken"])


def test_the_chain_leads_back_to_the_start_through_each_cause(store):
    chain = why(store, "rounds", "receipt")["chain"]
    assert [link["seq"] for link in chain] == sorted((link["seq"] for link in chain), reverse=True)
    assert chain[-1]["type"] == "RunStarted"
    assert any(link["step"] and link["step"].startswith("draft#") for link in chain)
    assert all(link["source"] for link in chain[:-1])


def test_a_later_round_began_because_the_one_before_was_not_accepted(store):
    answer = why(store, "rounds", "draft#2/report")
    assert answer["within"][0] == {**answer["within"][0], "step": "draft", "why": "round 1 was not accepted"}


def test_a_state_was_entered_by_its_transition(store):
    steps = [json.loads(line).get("place") for line in orch("journal", "desk", "--store", store).stdout.splitlines()]
    packed = next(step for step in steps if step and step.endswith("/parcel"))
    assert "done: weighing -> packing" in why(store, "desk", packed)["within"][0]["why"]


@pytest.mark.parametrize(
    ("run", "step", "reason"),
    [
        ("small", "stamp", "only_if was false"),
        ("small", "other", "took arm 1"),
        ("rounds", "draft#9/report", "of 3 at most"),
        ("rounds", "weights[40]", "weights asked 3"),
        ("desk", "sorry", "went weighing -> packing -> sent"),
    ],
)
def test_what_kept_a_step_from_running_is_said(store, run, step, reason):
    answer = why_not(store, run, step)
    assert not answer["ran"]
    assert reason in answer["reason"]


def test_a_failed_block_is_named_as_what_stopped_the_rest(tmp_path):
    spec = tmp_path / "pack.orch"
    spec.write_text(SPEC.replace("fixed(3s)", "fixed(3min)"), "utf-8")
    path = tmp_path / "runs.db"
    order = json.dumps({"order": {"id": "1", "kind": "small"}})
    orch(
        "run",
        spec,
        "--input",
        order,
        "--stand-ins",
        "--speed",
        6000,
        "--store",
        path,
        "--run-id",
        "r",
        "--flow",
        "pack",
    )
    answer = why_not(path, "r", "receipt")
    assert answer["reason"].startswith("the block had failed before at parcel: packer gave no answer")
    assert len(why(path, "r", "parcel")["attempts"]) == 2


def test_a_step_that_ran_and_one_that_is_none_are_told_apart(store):
    assert why_not(store, "small", "weight")["ran"]
    nothing = orch("why", "small", "--not", "nosuch", "--store", store)
    assert nothing.exit_code != WELL
    assert "it has" in nothing.stderr
    misspelt = orch("why", "rounds", "draft#2/repor", "--store", store)
    assert "draft#2/report" in misspelt.stderr
    assert orch("why", "small", "--store", store).exit_code == MISUSE


def test_people_read_it_in_lines(store):
    text = orch("why", "rounds", "draft#2/report", "--store", store).stdout
    assert "within draft" in text
    assert "round 1 was not accepted" in text
    assert "because" in text


@pytest.mark.parametrize(
    ("run", "entered", "first"),
    [("rounds", "draft#2", "draft#2/report"), ("desk", "packing#1", "packing#1/parcel"), ("small", "parcel", None)],
)
def test_a_round_and_a_visit_of_a_state_began_with_their_first_step(store, run, entered, first):
    answer = why(store, run, entered)
    assert answer["step"] == entered
    assert first is None or (answer["begun"], answer["within"]) == tuple(
        why(store, run, first)[each] for each in ("begun", "within")
    )


def test_a_final_state_without_steps_says_what_led_into_it(store):
    text = orch("why", "desk", "sent#1", "--store", store).stdout
    assert "packing -> sent" in text
    assert orch("status", "desk", "--store", store).exit_code == WELL
