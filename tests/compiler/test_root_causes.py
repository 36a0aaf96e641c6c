"""One root cause, one diagnostic: what was misspelt or lost is told where it is, and not again where it is used."""

import pytest

from orchspec.compiler.check import check
from orchspec.grammar.source import Source
from tests.support.checked import codes

# ------------------------------------------------------------------ one root cause, one diagnostic


def told(text):
    return [(item.code.id, item.span.line, len(item.labels)) for item in check(Source("sample.orch", text)).diagnostics]


def test_a_declaration_that_many_refer_to_and_nobody_declares_is_one_mistake():
    text = """orch 1
policy patientt { timeout = 9s }
contract C(a: Text) -> Verdict
contract D(a: Verdict) -> Text
agent x fulfills C { policies = [patient] }
agent y fulfills D { policies = [patient] }
flow f(a: Text) -> Text {
  step b = C(a) by x
  fail "no" when b == Verdict.bad
  step c = D(b) by y
  return c
}
"""
    assert told(text) == [("E0201", 3, 2), ("E0201", 5, 1)]
    patient = next(item for item in check(Source("sample.orch", text)).diagnostics if "patient" in item.message)
    assert [edit.replacement for edit in patient.fix.edits] == ["patientt", "patientt"]


def test_a_model_that_cannot_be_read_leaves_budgets_alone():
    text = """orch 1
model large { inptu = $3 / 1M  output = $15 / 1M  context = 200k }
contract C(a: Text) -> Text
agent x fulfills C { models = [large] }
flow f(a: Text) -> Text {
  budget { cost <= $1 }
  step b = C(a) by x
  return b
}
"""
    assert [code for code, *_ in told(text)] == ["E0401"]


def test_what_recovery_may_have_dropped_is_not_missed():
    text = """orch 1
contract C(a: Text) -> Text
agent x fulfills C
flow f(a: Text) -> Text {
  step b = C(a by x
  step c = C(b) by x
  retrun c
}
"""
    assert {code[:3] for code, *_ in told(text)} <= {"E00", "E01"}


@pytest.mark.parametrize(("written", "meant"), [("5", "5s"), ("0.5", "0.5s"), (".5", "0.5s"), ("5k", None)])
def test_a_number_where_a_duration_is_wanted_is_given_its_unit_so_that_it_is_one(written, meant):
    source = Source("sample.orch", f"orch 1\nparam rest: Duration = {written}\n")
    fixes = [item.fix for item in check(source).diagnostics if item.code.id == "E0301"]
    assert [fix and fix.edits[0].replacement for fix in fixes] == [meant]


# ------------------------------------------------------------------ beside a syntax error


TYPOS = """orch 1
contract C(t: Text) -> Text
agent a fulfills C { budget { cost < $1 } }
agent other fulfills C { tools = [web]  budget { cots <= $1 } }
effect mail(t: Text)
flow f(t: Text) -> Text {
  step x = C(t) by nobody
  step y = D(t) by other
  step z = C() by other
  let one = 1

  if t == "x" { let lost = y }

  return x + lost + z + y
}
flow g(t: Text) -> Text {
  step v = C(u) by other
  return v
}
"""


def test_what_the_text_lacks_is_told_beside_a_syntax_error_elsewhere():
    found = {(item.code.id, item.span.line) for item in check(Source("sample.orch", TYPOS)).diagnostics}
    assert {("E0117", 3), ("E0115", 12)} < found
    assert {("E0201", 4), ("E0405", 4), ("E0701", 5), ("E0201", 7), ("E0201", 8), ("E0308", 9), ("E0201", 17)} < found


def test_a_name_that_a_syntax_error_may_have_lost_is_not_called_unknown():
    # Nor is any name of a block in which a statement of another language stands: what it becomes may give the name.
    assert not [item for item in check(Source("sample.orch", TYPOS)).diagnostics if item.args.get("name") == "lost"]


def test_where_a_brace_had_to_be_guessed_nothing_is_called_missing():
    text = TYPOS.replace("cost < $1 }", "cost <= $1 }").replace("flow f(t: Text) -> Text {", "flow f(t: Text) -> Text")
    assert "E0201" not in codes(text)
