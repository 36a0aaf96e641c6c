"""Lowering: what the statements, names and expressions of a spec become in its plan, and its hash."""

import dataclasses

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.plan import Budget, Policy
from tests.support.lowered import DOLLAR, PRELUDE, SECOND, compiled, flow_of, statement, value_of

# ------------------------------------------------------------------ expressions


@pytest.mark.parametrize(
    ("params", "result", "expr", "lowered"),
    [
        ("a: Int, b: Int", "Int", "a + b * 2",
         ["add", "Int", ["ref", 0, 0], ["mul", "Int", ["ref", 0, 1], ["const", 2]]]),
        ("a: Int", "Float", "a", ["float", ["ref", 0, 0]]),
        ("a: Int", "Float", "a / 2", ["div", "Float", ["ref", 0, 0], ["const", 2]]),
        ("a: Int", "Float?", "a", ["float", ["ref", 0, 0]]),
        ("a: Float", "Float", "a + 1", ["add", "Float", ["ref", 0, 0], ["const", 1.0]]),
        ("a: Int", "Int", "-a", ["neg", ["ref", 0, 0]]),
        ("a: Int", "Int", "-3", ["const", -3]),
        ("a: Money", "Money", "a * 1.5 + $2",
         ["add", "Money", ["mul", "Money", ["ref", 0, 0], ["const", 1.5]], ["const", 2 * DOLLAR]]),
        ("a: Duration", "Float", "a / 1min", ["div", "Float", ["ref", 0, 0], ["const", 60 * SECOND]]),
        ("a: Time, b: Time", "Duration", "a - b", ["sub", "Duration", ["ref", 0, 0], ["ref", 0, 1]]),
        ("a: Text", "Text", 'a + "!"', ["concat", ["ref", 0, 0], ["const", "!"]]),
        ("a: List<Text>", "List<Text>", 'a + ["x"]', ["concat", ["ref", 0, 0], ["list", [["const", "x"]]]]),
        ("a: Int", "Rate", "10 / 1min", ["const", 10 / 60]),
        ("a: Int", "Bool", "a in 1..width", ["in", ["ref", 0, 0], ["range", ["const", 1], ["const", 4]]]),
        ("a: Text", "Bool", 'a not in ["x", "y"]',
         ["not", ["in", ["ref", 0, 0], ["list", [["const", "x"], ["const", "y"]]]]]),
        ("a: Int?", "Int", "a ?? 3", ["default", ["ref", 0, 0], ["const", 3]]),
        ("a: Note?", "Text?", "a.text", ["field?", ["ref", 0, 0], "text"]),
        ("a: Note", "Text", "a.text", ["field", ["ref", 0, 0], "text"]),
        ("a: List<Note>", "List<Text>", "a.text", ["project", ["ref", 0, 0], "text"]),
        ("a: List<Note>?", "List<Text>?", "a.text", ["project?", ["ref", 0, 0], "text"]),
        ("a: Note?", "Bool", "a != none and a.score > 0.5",
         ["and", ["ne", ["ref", 0, 0], ["const", None]], ["gt", ["field", ["ref", 0, 0], "score"], ["const", 0.5]]]),
        ("a: Note", "Bool", "a.verdict == Verdict.accept",
         ["eq", ["field", ["ref", 0, 0], "verdict"], ["const", "accept"]]),
        ("a: Note", "Bool", 'a.verdict == "accept"', ["eq", ["field", ["ref", 0, 0], "verdict"], ["const", "accept"]]),
        ("a: List<Int>", "Int", "a[0]", ["index", ["ref", 0, 0], ["const", 0]]),
        ("a: Map<Text, Int>", "Int", 'a["x"]', ["lookup", ["ref", 0, 0], ["const", "x"]]),
        ("a: List<Int>", "Int", "len(a) + sum(a)",
         ["add", "Int", ["call", "len", [["ref", 0, 0]]], ["call", "sum", [["ref", 0, 0]]]]),
        ("a: List<Money>", "Money?", "avg(a)", ["call", "avg", [["ref", 0, 0]], "Money"]),
        ("a: Int", "Bool", "not (a > 1 or a < 0)",
         ["not", ["or", ["gt", ["ref", 0, 0], ["const", 1]], ["lt", ["ref", 0, 0], ["const", 0]]]]),
        ("a: Text", "Note", "{ text: a, score: 1 }",
         ["record", "Note", [["text", ["ref", 0, 0]], ["score", ["const", 1.0]], ["verdict", ["const", "accept"]],
                             ["price", ["const", None]], ["links", ["const", []]]]]),
        ("a: Text", "Map<Text, Text>", "{ x: a }", ["record", "", [["x", ["ref", 0, 0]]]]),
        ("a: Percent", "Bool", "a > 75%", ["gt", ["ref", 0, 0], ["const", 0.75]]),
    ],
)  # fmt: skip
def test_an_expression_is_lowered_with_its_types(params, result, expr, lowered):
    assert value_of(expr, params, result) == lowered


def test_constraints_and_conditions_see_their_own_frame():
    plan = compiled("flow f(n: Note, low: Int where low > 0) -> Note { return n }")
    score = plan.types["Note"].fields[1]
    assert score.where == ["in", ["ref", 0, 1], ["range", ["const", 0.0], ["const", 1.0]]]
    draft = plan.contracts["Draft"]
    assert draft.ensures == [
        ["ge", ["field", ["ref", 0, 3], "score"], ["const", 0.1]],
        ["gt", ["call", "len", [["ref", 0, 0]]], ["const", 0]],
    ]
    assert draft.ensures_text == ["result.score >= 0.1", "len(topic) > 0"]
    assert draft.params[1].default == ["const", "plain"]
    assert (draft.params[2].type, draft.params[2].default) == (["Option", "Text"], None)
    assert draft.reuse == 86_400 * SECOND
    assert plan.flows["f"].params[1].where == ["gt", ["ref", 0, 1], ["const", 0]]
    publish = plan.effects["publish"]
    assert publish.key == ["field", ["ref", 0, 0], "text"]
    assert (publish.undo.effect, publish.undo.args) == ("retract", [["ref", 0, 1]])
    assert publish.policy == Policy(2, 20 * SECOND, None)


# ------------------------------------------------------------------ frames and order


def test_the_item_of_a_for_stands_one_frame_in():
    body = flow_of(
        "step notes = Draft(t) by any of [ann, bob] for t in topics { width = width  need = 75%  "
        "on_failure = use({ text: t, score: 0 }) }\n"
        "let lost = missing(notes)\nreturn lost",
        "topics: List<Text>, tone: Text",
        "List<Text>",
    ).body
    step = statement(body, "notes")
    assert (step.over.item, step.over.items, step.over.width) == ("t", ["ref", 0, 0], ["const", 4])
    assert step.args == [["ref", 0, 0], ["const", "plain"], ["const", None]]
    assert step.on_failure[0].value[2][0] == ["text", ["ref", 0, 0]]
    assert statement(body, "lost").value == ["missing", 0, step.slot]


def test_scopes_and_repeats_have_frames_of_their_own():
    body = flow_of(
        """let top = len(topics)
scope notes for t in topics {
  width = 2  need = 1  timeout = 5min  budget { cost <= $1 }
  step draft = Draft(t, tone) by ann
  repeat best 3 times {
    step checked = Check(draft) by bob
    until checked.score > 0.9 or len(past) > top or prev != none and prev.checked.score > checked.score
    give checked
  } else { give draft }
  give best
}
return notes""",
        "topics: List<Text>, tone: Text",
        "List<Note>",
    ).body
    scope = statement(body, "notes")
    assert (scope.over.item, scope.need.count, scope.policy.timeout_us) == ("t", 1, 300 * SECOND)
    assert scope.budget == Budget(cost_pico=DOLLAR)
    assert (scope.body.slots[0], scope.body.given) == ("t", 1)
    draft, best = statement(scope.body, "draft"), statement(scope.body, "best")
    assert draft.args == [["ref", 0, 0], ["ref", 1, 1], ["const", None]]
    assert (best.times, best.kept, best.body.slots[:2], best.body.given) == (
        ["const", 3],
        ["checked"],
        ["past", "prev"],
        2,
    )
    checked = statement(best.body, "checked")
    assert checked.args == [["ref", 1, draft.slot]]
    until = next(each for each in best.body.statements if each.kind == "until")
    assert until.condition[1][2] == [
        "gt", ["call", "len", [["ref", 0, 0]]], ["ref", 2, statement(body, "top").slot],
    ]  # fmt: skip
    assert until.condition[2][2][1] == ["field", ["field", ["ref", 0, 1], "checked"], "score"]
    assert best.otherwise.statements[0].value == ["ref", 1, draft.slot]
    assert best.needs == [0]


def needs(body):
    return {getattr(each, "name", each.kind): each.needs for each in body.statements}


def test_a_statement_needs_what_it_reads_and_nothing_else():
    body = flow_of(
        "step a = Draft(topic) by ann\nstep b = Draft(topic) by bob\nstep c = Check(a) by bob\n"
        "let score = b.score + c.score\nreturn { text: topic, score: score }"
    ).body
    assert needs(body) == {"a": [], "b": [], "c": [0], "score": [1, 2], "give": [3]}


def test_effects_keep_their_order_and_guards_stand_in_it():
    body = flow_of(
        'step a = Draft(topic) by ann\nstep one = publish(a)\nfail "low" when a.score < 0.2\n'
        "step two = publish({ text: topic, score: 1 })\n"
        "checkpoint out\nstep b = Check(a) by bob\nreturn b"
    ).body
    order = needs(body)
    assert 1 in order["two"]
    assert 2 in order["two"]
    assert set(order["out"]) >= {3} or order["out"] == [0, 1, 2, 3]
    assert 4 in order["b"]


def test_after_and_require_add_edges():
    body = flow_of(
        "require a before url\nstep a = Draft(topic) by ann\nstep b = Draft(topic) by bob { after = [a] }\n"
        "step url = publish(b)\nreturn b"
    ).body
    assert needs(body)["b"] == [0]
    assert 0 in needs(body)["url"]


def test_a_flow_is_a_step_with_its_arguments_and_budget():
    plan = compiled(
        "flow inner(topic: Text, count: Int = 2) -> Note { step a = Draft(topic) by ann\n"
        'fail "x" when count < 1\nreturn a }\n'
        "flow outer(topic: Text) -> Note? { step n = inner(topic) { only_if = len(topic) > 3  "
        "budget { retries <= 2 } }\nreturn n }"
    )
    step = plan.flows["outer"].body.statements[0]
    assert (step.kind, step.flow, step.args) == ("flow", "inner", [["ref", 0, 0], ["const", 2]])
    assert step.only_if == ["gt", ["call", "len", [["ref", 0, 0]]], ["const", 3]]
    assert step.budget == Budget(retries=2)


def test_on_failure_is_a_chain_whose_asked_have_their_own_policy():
    body = flow_of(
        "step a = Draft(topic) by ann { on_failure = ask(eve, within: 10min) or skip }\nreturn a", result="Note?"
    ).body
    ask, skip = statement(body, "a").on_failure
    assert (ask.kind, ask.who.agent, ask.who.policy.timeout_us, ask.within_us) == (
        "ask",
        "eve",
        3600 * SECOND,
        600 * SECOND,
    )
    assert skip.kind == "skip"


def test_budgets_and_economy_of_a_flow():
    flow = flow_of(
        "budget { cost <= $4  tokens <= 400k  time <= 6h  retries <= 12 }\neconomy = 80%\n"
        "step a = Draft(topic) by ann\nreturn a"
    )
    assert flow.budget == Budget(4 * DOLLAR, 400_000, 6 * 3600 * SECOND, 12)
    assert flow.economy == 0.8


# ------------------------------------------------------------------ sources and hashes


def test_every_node_has_a_place_in_the_order_of_the_text():
    text = (
        "flow f(topic: Text) -> Note {\n  step a = Draft(topic) by ann\n  return a\n}\n"
        'scenario "s" for f { runs = 3 }\n'
    )
    plan = compiled(text)
    first = PRELUDE.count("\n") + 2
    assert plan.source.files == ["spec.orch"]
    assert [span[0] for span in plan.source.spans] == [first, first + 1, first + 3]
    assert [each.node for each in plan.flows["f"].body.statements] == [0, 1]
    assert plan.scenarios[0].node == 2
    assert plan.source.spans[0] == [first, 3, first, 31, 0]


def test_layout_and_comments_change_no_hash():
    flow = "flow f(topic: Text) -> Note {\n  step a = Draft(topic) by ann\n  return a\n}\n"
    loose = "flow f( topic :Text )->Note{ // hi\n\n step a=Draft(topic)by ann   return a }\n"
    one, other = (
        compiled(flow + 'test "t" for f { expect calls(ann)==1 }'),
        compiled(loose + 'test "t" for f {\n expect calls( ann ) == 1 }'),
    )
    assert one.hash == other.hash
    assert one.source != other.source
    assert dataclasses.replace(one, source=other.source) == other


def test_what_a_spec_says_changes_the_hash():
    one = compiled("flow f(topic: Text) -> Note { step a = Draft(topic) by ann  return a }")
    other = compiled("flow f(topic: Text) -> Note { step a = Draft(topic) by bob  return a }")
    assert one.hash != other.hash


def test_settings_are_constants_of_the_plan():
    text = PRELUDE + "flow f(a: Int) -> Bool { return a < width }"
    plan = compile_text(text, "spec.orch", settings={"width": "8"}).plan
    assert plan.params == {"width": 8}
    assert plan.flows["f"].body.statements[0].value == ["lt", ["ref", 0, 0], ["const", 8]]


def test_a_step_may_read_itself_of_an_earlier_round_through_optionals():
    spec = compiled(
        "type Job { id: Text  n: Int }\ncontract W(job: Job, hint: Text? = none) -> Job\nagent a fulfills W\n"
        "flow f(job: Job) -> Job {\n  repeat best 3 times {\n    step w = W(job, prev.w.id) by a\n"
        "    let total = (prev.total ?? 0) + w.n\n    until total > 9\n    give w\n  }\n  return best\n}"
    )
    body = spec.flows["f"].body.statements[0].body
    step, total = body.statements[0], body.statements[1]
    assert step.args[1] == ["field?", ["field?", ["ref", 0, 1], "w"], "id"]
    assert total.value == [
        "add", "Int", ["default", ["field?", ["ref", 0, 1], "total"], ["const", 0]], ["field", ["ref", 0, 2], "n"]
    ]  # fmt: skip
