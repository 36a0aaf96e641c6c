"""What the checks find out of a sound spec, for who lowers it: order, types, arguments, settings."""

from pathlib import Path

import pytest

from orchspec.compiler.check import check
from orchspec.compiler.load import compile_file
from orchspec.compiler.model import GiverRef, MissingRef, Reference
from orchspec.compiler.plan import plan_from_json
from orchspec.compiler.types import TEXT, Optional, RecordOf, show
from orchspec.grammar.source import Source
from orchspec.grammar.syntax import (
    Arbitrate,
    Call,
    Checkpoint,
    Fail,
    Field,
    Index,
    Let,
    Name,
    Return,
    Step,
    walk,
)
from tests.support.checked import checked, codes, flow

SPECS = Path(__file__).resolve().parent.parent.parent / "specs"


def needs(spec):
    """For each statement of the flow, by name or keyword, what it waits for."""
    block = spec.flows["work"].block

    def name(statement):
        given = getattr(statement, "name", None)
        return given.text if given is not None else type(statement).__name__.lower()

    return {name(one): [name(other) for other in block.needs[one]] for one in block.statements}


# ------------------------------------------------------------------ the gallery


def gallery(name):
    path = SPECS / f"{name}.orch"
    return check(Source(str(path), path.read_text("utf-8")), folder=SPECS).diagnostics


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.orch")), ids=lambda path: path.stem)
def test_specs_of_the_gallery_have_no_mistake(path):
    assert not [item for item in gallery(path.stem) if item.code.severity == "error"]


def test_the_briefing_is_clean():
    assert gallery("briefing") == []


def test_a_spec_with_one_of_nearly_everything_is_clean_and_becomes_a_plan():
    path = Path(__file__).with_name("everything.orch")
    compiled = compile_file(path)
    assert {item.code.id for item in compiled.diagnostics} == {"W0804"}, "its budgets are there to be used up"
    assert compiled.plan is not None
    assert plan_from_json(compiled.plan.as_json()) == compiled.plan


# ------------------------------------------------------------------ order


def test_a_statement_waits_for_what_it_reads_also_inside_of_it():
    spec = flow("""
        step one = Draft(topic) by ann
        step two = Draft(topic) by bob
        scope inner { step three = Check(one) by ann  give three }
        return inner""")
    assert needs(spec) == {"one": [], "two": [], "inner": ["one"], "return": ["inner"]}


def test_effects_of_a_block_run_in_written_order_unless_after_says_otherwise():
    spec = flow("""
        step note = Draft(topic) by ann
        step first_save = save(note: note)
        step second_save = save(note: note)
        step free = save(note: note) { after = [] }
        step placed = save(note: note) { after = [note] }
        step last = save(note: note)
        return note""")
    assert needs(spec) == {
        "note": [],
        "first_save": ["note"],
        "second_save": ["note", "first_save"],
        "free": ["note"],
        "placed": ["note"],
        "last": ["note", "second_save", "placed"],
        "return": ["note"],
    }


def test_no_effect_passes_a_guard_or_a_checkpoint_above_it():
    spec = flow("""
        step note = Draft(topic) by ann
        step other = Draft(topic) by bob
        fail "poor" when note.score < 0.1
        step saved = save(note: note)
        checkpoint half
        step late = Draft(topic) by ann
        return late""")
    assert needs(spec)["saved"] == ["note", "fail"]
    assert needs(spec)["half"] == ["note", "other", "fail", "saved"]
    assert needs(spec)["late"] == ["half"]


def test_require_and_after_add_edges():
    spec = flow("""
        require other before note
        step other = Draft(topic) by ann
        step note = Draft(topic) by ann
        step third = Draft(topic) by ann { after = [note] }
        return third""")
    assert needs(spec)["note"] == ["other"]
    assert needs(spec)["third"] == ["note"]


# ------------------------------------------------------------------ types


def types_of_names(spec):
    return {slot.name: show(slot.type) for slot in spec.slots.values()}


def test_dispatch_patterns_decide_the_type_of_the_name():
    spec = flow("""
        step one = Draft(topic) by ann
        step each = Draft(t) by any for t in topics { need = 50% }
        step several = Draft(topic) by all of [ann, bob]
        step thrice = Draft(topic) by 3 of ann
        step fastest = Draft(topic) by first of [ann, bob]
        step maybe = Draft(topic) by any { on_failure = skip }
        step perhaps = Draft(topic) by any { only_if = one.score > 0.5 }
        arbitrate best = several { decide = first }
        arbitrate groups = each { group = it.text  decide = first }
        scope all_of_them for t in topics { step d = Draft(t) by any  give d.text }
        let scores = groups.score
        let top = max(scores) ?? 0
        return maybe ?? perhaps ?? best""")
    assert types_of_names(spec) == {
        "one": "Note",
        "each": "List<Note>",
        "several": "List<Note>",
        "thrice": "List<Note>",
        "fastest": "Note",
        "maybe": "Note?",
        "perhaps": "Note?",
        "best": "Note",
        "groups": "List<Note>",
        "all_of_them": "List<Text>",
        "d": "Note",
        "scores": "List<Float>",
        "top": "Float",
    }


def test_rounds_are_records_of_their_names_also_of_those_given_further_down():
    spec = flow("""
        repeat best 3 times {
          step note = Draft(prev.checked.text ?? topic) by ann
          step checked = Check(note) by bob
          until checked.score > 0.5 or len(past) >= 2 and prev != none and prev.checked.score > checked.score
          give checked
        }
        return best""")
    (repeat,) = spec.repeats
    info = spec.repeats[repeat]
    assert info.kept == ("note", "checked")
    assert spec.rounds[repeat] == {"note": RecordOf("Note"), "checked": RecordOf("Note")}
    assert info.body.frame.names() == ["past", "prev", "note", "checked"]
    assert info.body.frame.given == 2
    assert info.result == RecordOf("Note")


def test_a_condition_narrows_what_it_guards_and_nothing_else():
    spec = flow("""
        step note = Draft(topic) by ann
        step tagged = Draft(note.tag) by ann { only_if = note.tag != none and len(note.tag) > 1 }
        return tagged ?? note""")
    tags = [node for node in walk(spec.flows["work"].node) if isinstance(node, Field) and node.name.text == "tag"]
    assert [spec.expr_types[node] for node in tags] == [TEXT, Optional(TEXT), TEXT]


def test_ints_among_floats_are_marked():
    spec = flow("""
        let low = 3
        let sum_of_both = low + 0.5
        let list_of_both = [1, 2.5]
        return { text: text(sum_of_both + list_of_both[0]), score: 1 }""")
    assert sorted(node.span.text for node in spec.floats) == ["1", "1", "low"]
    assert types_of_names(spec) == {"low": "Int", "sum_of_both": "Float", "list_of_both": "List<Float>"}


# ------------------------------------------------------------------ names and arguments


def test_references_count_frames_outward():
    spec = flow(
        """
        step each = Draft(t + topic) by any for t in topics
        arbitrate best = each { decide = highest(it.score + text_size(topic)) or first }
        return best""".replace("text_size", "len")
    )
    found = {
        (node.text, type(spec.resolved[node].slot.declared).__name__): spec.resolved[node].up
        for node in walk(spec.flows["work"].node)
        if isinstance(node, Name) and isinstance(spec.resolved.get(node), Reference)
    }
    assert found[("t", "For")] == 0
    assert found[("it", "Arbitrate")] == 0
    assert found[("topic", "Parameter")] == 1
    assert found[("topics", "Parameter")] == 0


def test_arguments_stand_in_the_order_of_the_parameters():
    spec = flow("""
        step note = Draft(tone: "warm", topic: topic) by ann
        return note""")
    (step,) = spec.steps.values()
    assert [argument.param.name for argument in step.arguments] == ["topic", "tone", "note"]
    assert [argument.value.span.text if argument.value else None for argument in step.arguments] == [
        "topic",
        '"warm"',
        None,
    ]


def test_givers_and_missing_items_are_resolved():
    spec = flow("""
        step votes = Draft(topic) by all of [ann, bob]
        step each = Draft(t) by any for t in topics { need = 1 }
        fail "some failed" when len(missing(each)) > 2
        return votes[bob]""")
    found = list(spec.resolved.items())
    assert [ref.agent.name for node, ref in found if isinstance(node, Index) and isinstance(ref, GiverRef)] == ["bob"]
    assert [ref.slot.name for node, ref in found if isinstance(node, Call) and isinstance(ref, MissingRef)] == ["each"]


def test_the_nearest_place_wins_and_the_later_policy():
    spec = checked("""orch 1
contract C(a: Text) -> Text
policy slow { timeout = 9s  attempts = 5  backoff = fixed(2s) }
policy fast { timeout = 1s }
agent x fulfills C { policies = [slow, fast] }
agent y fulfills C { policies = [fast, slow]  timeout = 4s }
flow f(a: Text) -> Text {
  step b = C(a) by all of [x, y] { attempts = 2 }
  step c = C(a) by any of [x, y] { policies = [slow]  timeout = 3s }
  return b[x] + c
}""")
    first, second = spec.steps.values()
    assert [(one.policy.timeout_us, one.policy.attempts) for one in first.candidates] == [
        (1_000_000, 2),
        (4_000_000, 2),
    ]
    assert [(one.policy.timeout_us, one.policy.attempts) for one in second.candidates] == [(3_000_000, 5)] * 2
    assert first.candidates[0].policy.backoff.from_us == 2_000_000


def test_tiers_reserve_the_cap_else_the_context_at_the_dearer_price():
    spec = checked("""orch 1
model large { input = $3 / 1M  output = $15 / 1M  context = 200k }
contract C(a: Text) -> Text
agent x fulfills C { models = [large]  budget { tokens <= 10k } }
agent y fulfills C { models = [large] }
flow f(a: Text) -> Text { step b = C(a) by all of [x, y]  return b[x] + b[y] }""")
    (step,) = spec.steps.values()
    assert [(one.tiers[0].reserve_cost_pico, one.tiers[0].reserve_tokens) for one in step.candidates] == [
        (150_000_000_000, 10_000),
        (3_000_000_000_000, 200_000),
    ]


# ------------------------------------------------------------------ literals and statements


def test_lists_may_be_empty_and_texts_may_be_urls():
    spec = checked("""orch 1
type Page { links: List<Url>  home: Url  size: Float? }
flow f(n: Int) -> Page { return { links: [], home: "https://example.org", size: n } }""")
    (literal,) = spec.literals
    assert spec.expr_types[literal.entries[0].value].item.name == "Url"
    assert {node.span.text for node in spec.floats} == {"n"}


def test_kinds_of_statements_are_all_ordered():
    spec = flow("""
        let size = len(topic)
        checkpoint start
        step several = Draft(topic) by all of [ann, bob]
        arbitrate best = several { decide = first }
        fail "small" when size < 1
        return best""")
    kinds = [type(statement) for statement in spec.flows["work"].block.statements]
    assert kinds == [Let, Checkpoint, Step, Arbitrate, Fail, Return]


# ------------------------------------------------------------------ values


def test_an_optional_is_something_behind_the_or_of_its_being_none():
    assert codes("orch 1\ntype T { low: Int  mid: Int? where mid == none or mid > low }") == []
    assert "E0303" in codes("orch 1\ntype T { low: Int  mid: Int? where mid != none or mid > low }")


@pytest.mark.parametrize("expr", ["n + []", "n == []", "n > []", "[] in [n]", "[] * []", "not []", "-[]"])
def test_an_empty_list_is_no_operand_where_no_list_is(expr):
    found = codes(f"orch 1\nflow f(n: Int) -> Int {{\n  let a = {expr}\n  let b = a\n  return n\n}}")
    assert {"E0304", "E0302"} & set(found)


@pytest.mark.parametrize("expr", ['"a" in t', '"a" not in t', 't in "abc"', "t in u", "u in t", '"a" in upper(t)'])
def test_a_text_is_looked_for_in_texts_and_links(expr):
    found = codes(f"orch 1\nflow f(t: Text, u: Url) -> Bool {{ return {expr} }}")
    assert found == ([] if expr != "u in t" else ["E0304"])


@pytest.mark.parametrize("expr", ["1 in t", '"a" in n', '"a" in o', "o in t"])
def test_nothing_else_is_looked_for_in_a_text_and_no_text_in_anything_else(expr):
    assert codes(f"orch 1\nflow f(t: Text, n: Int, o: Text?) -> Bool {{ return {expr} }}")[0] in ("E0304", "E0303")


def test_a_race_for_each_item_is_told_where_to_put_it():
    text = (
        "orch 1\ncontract C(t: Text) -> Text\nagent x fulfills C\nagent y fulfills C\n"
        "flow f(ts: List<Text>) -> Int {\n  step z = C(t) by first of [x, y] for t in ts\n  return len(z)\n}"
    )
    (found,) = [each for each in check(Source("a.orch", text)).diagnostics if each.code.id == "E0515"]
    assert "`scope … for`" in found.notes[0]


def test_a_default_and_a_constraint_stand_in_either_order():
    text = "orch 1\nparam p: Int {} \nflow f(n: Int where n < p) -> Int {{ return n + p }}"
    one, other = (checked(text.format(each)).params["p"] for each in ("= 3 where p in 1..5", "where p in 1..5 = 3"))
    assert one.value == other.value == 3
    assert "E0318" in codes(text.format("where p in 1..5 = 7"))


def test_what_polls_may_say_so_ahead_of_its_block():
    text = """orch 1
contract Poll(t: Text) -> Bool
agent a fulfills Poll {{ timeout = 5s }}
flow f(t: Text) -> Bool {{
  repeat r 3 times {} step ok = Poll(t) by a  until ok  give ok }}
  return r
}}"""
    inside, ahead = (check(Source("sample.orch", text.format(each))).plan for each in ("{ every 30s ", "every 30s { "))
    assert inside.flows["f"].body.statements[0].every_us == ahead.flows["f"].body.statements[0].every_us == 30_000_000


def test_a_range_is_no_pattern_and_the_condition_is_told():
    (found,) = check(
        Source(
            "s", 'orch 1\nflow f(n: Int) -> Text { route r on n { case 4..9 -> give "a"  else -> give "b" } return r }'
        )
    ).diagnostics
    assert found.code.id == "E0301"
    assert "when … in 4..9" in found.notes[0]
