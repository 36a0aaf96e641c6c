"""Tests of a spec: the facts they expect, their stubs and inputs, and each mistake once."""

import math

import pytest

from tests.compiler.studies.spec import DOLLAR, NOTE, SECOND, found, plan_of, spec_test


@pytest.mark.parametrize(
    ("expect", "lowered"),
    [
        ("status == completed", ["eq", ["fact", "status", None], ["const", "completed"]]),
        ("failed != status", ["ne", ["const", "failed"], ["fact", "status", None]]),
        (
            "status in [completed, parked]",
            ["in", ["fact", "status", None], ["list", [["const", "completed"], ["const", "parked"]]]],
        ),
        ("cost <= $2", ["le", ["fact", "cost", None], ["const", 2 * DOLLAR]]),
        ("latency < 5s", ["lt", ["fact", "latency", None], ["const", 5 * SECOND]]),
        ("calls(publish) == 1", ["eq", ["fact", "calls", "publish"], ["const", 1]]),
        ("attempts(ann) >= 2", ["ge", ["fact", "attempts", "ann"], ["const", 2]]),
        ("reached(drafted)", ["fact", "reached", "drafted"]),
        ("not reached(drafted)", ["not", ["fact", "reached", "drafted"]]),
        (
            'len(result.tags) >= 1 and result.text == "a"',
            [
                "and",
                ["ge", ["call", "len", [["field", ["fact", "result", None], "tags"]]], ["const", 1]],
                ["eq", ["field", ["fact", "result", None], "text"], ["const", "a"]],
            ],
        ),
        (
            "result.verdict == Verdict.accept",
            ["eq", ["field", ["fact", "result", None], "verdict"], ["const", "accept"]],
        ),
    ],
)
def test_a_fact_is_lowered_to_a_leaf(expect, lowered):
    made = plan_of(spec_test(f"expect {expect}")).tests[0].expects[0]
    assert (made.text, made.expr) == (expect, lowered)


@pytest.mark.parametrize(
    ("expect", "code", "at"),
    [
        ("status == complete", "E0918", "complete"),
        ("stats == completed", "E0918", "stats"),
        ("status in [completed, faild]", "E0918", "faild"),
        ("status < completed", "E0919", "status"),
        ("calls == 1", "E0918", "calls"),
        ("outcome == 3", "E0918", "outcome"),
        ("calls() == 1", "E0919", "calls()"),
        ("calls(3) == 1", "E0919", "3"),
        ("calls(search) == 1", "E0203", "search"),
        ("calls(anne) == 1", "E0201", "anne"),
        ("call(ann) == 1", "E0918", "call"),
        ("reached(draftd)", "E0919", "draftd"),
        ("cost <= 3", "E0304", "cost <= 3"),
        ("status == completed and retries", "E0302", "retries"),
        ("cost", "E0917", "cost"),
        ("result.txt == 3", "E0207", "txt"),
    ],
)
def test_a_mistake_in_what_a_test_expects_is_told_once(expect, code, at):
    codes = found(spec_test(f"expect {expect}"))
    assert [each[0] for each in codes] == [code]
    assert at in codes[0][1] or codes[0][1] in at


def test_stubs_and_inputs_are_json_of_the_edge():
    made = plan_of(
        spec_test(f'given = {{ topic: "t" }}  stub ann = {NOTE}  stub bob.Count = 3 then 4  expect status == completed')
    ).tests[0]
    assert made.given == {"topic": "t"}
    assert made.stubs[0].values == [
        {
            "text": "a",
            "score": 0.5,
            "count": 1,
            "price": "2.5",
            "took": 90,
            "share": 0.05,
            "good": True,
            "verdict": "accept",
            "tags": ["x"],
            "part": {"weight": 1.0, "kind": "revise"},
            "link": None,
        }
    ]
    assert (made.stubs[1].target, made.stubs[1].contract, made.stubs[1].values) == ("bob", "Count", [3, 4])
    assert math.isclose(made.stubs[0].values[0]["part"]["weight"], 1.0)


@pytest.mark.parametrize(
    ("stub", "code", "at"),
    [
        ("anne = 3", "E0201", "anne"),
        ("search = 3", "E0203", "search"),
        ("ann.Count = 3", "E0408", "Count"),
        ("ann.Darft = 3", "E0201", "Darft"),
        ('bob = "neither"', "E0920", "bob"),
        ("log = 3", "E0920", "log"),
        ("publish.Draft = 3", "E0920", "Draft"),
        ("bob.Count = 3s", "E0301", "3s"),
        ("bob.Count = 3 then none", "E0301", "none"),
        ('ann = { text: "a" }', "E0313", '{ text: "a" }'),
        ("bob.Count = topic", "E0201", "topic"),
        (f"ann = {NOTE.replace('0.5', '1.5')}", "E0318", NOTE.replace("0.5", "1.5")),
    ],
)
def test_a_mistake_in_a_stub_is_told_once(stub, code, at):
    assert found(spec_test(f"stub {stub}  expect status == completed")) == [(code, at)]


def test_a_stub_stands_once():
    twice = "stub bob.Count = 3  stub bob.Count = 4  expect status == completed"
    assert found(spec_test(twice)) == [("E0920", "bob.Count")]


def test_a_test_gives_only_its_inputs():
    assert found(spec_test("runs = 3  expect status == completed")) == [("E0401", "runs")]
    assert found(spec_test("given = { topics: 3 }  expect status == completed")) == [("E0309", "topics")]


def test_a_stub_speaks_for_the_contracts_that_its_values_fit_and_one_that_is_named_over_it():
    plan = plan_of(spec_test("stub bob = 3  stub bob.Draft = " + NOTE + "  expect status == completed"))
    assert [(stub.target, stub.contract) for stub in plan.tests[0].stubs] == [("bob", "Count"), ("bob", "Draft")]
    twice = plan_of(spec_test("stub bob.Count = 4  stub bob = 3  expect status == completed"))
    assert [(stub.contract, stub.values) for stub in twice.tests[0].stubs] == [("Count", [4])]
