"""Lowering: what the statements, names and limits of a spec become in its plan."""

import dataclasses
from pathlib import Path

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.plan import Block, Budget, Give, Policy, Tier

SECOND = 1_000_000
DOLLAR = 10**12

PRELUDE = """orch 1
enum Verdict { accept, revise }
type Note {
  text: Text  score: Float where score in 0.0..1.0  verdict: Verdict = Verdict.accept
  price: Money?  links: List<Url> = []
}
model large { input = $3 / 1M  output = $15 / 1M  context = 200k }
model small { input = $0.25 / 1M  output = $2 / 1M  context = 128k }
contract Draft(topic: Text, tone: Text = "plain", hint: Text?) -> Note {
  ensures = [result.score >= 0.1, len(topic) > 0]  reuse = 1d
}
contract Check(note: Note) -> Note
contract Pick(candidates: List<Note>) -> Note
policy patient { timeout = 10min  attempts = 3  backoff = exponential(from: 1s, to: 8s, jitter: 50%) }
policy hasty   { timeout = 5s }
agent ann fulfills Draft, Check, Pick {
  models = [large, small]  budget { tokens <= 10k }  policies = [patient, hasty]  attempts = 2  skill = 70%
}
agent bob fulfills Draft, Check {
  models = [small]  timeout = 30s  slots = 4  rate = 10 / 1s  skill = 90%
  breaker = breaker(failures: 5, within: 1min, rest: 30s)
}
human eve fulfills Draft, Check, Pick { timeout = 1h }
effect publish(note: Note) -> Url { key = note.text  undo = retract(url: result)  timeout = 20s  attempts = 2 }
effect retract(url: Url) { key = url }
param width: Int = 4
"""


def compiled(text):
    result = compile_text(PRELUDE + text, "spec.orch")
    assert result.plan is not None, [(str(each.span), each.code.id, each.message) for each in result.errors]
    return result.plan


def flow_of(statements, params="topic: Text", result="Note"):
    return compiled(f"flow f({params}) -> {result} {{\n{statements}\n}}").flows["f"]


def statement(block: Block, name):
    return next(each for each in block.statements if getattr(each, "name", None) == name)


def value_of(expr, params="a: Int", result="Bool"):
    give = flow_of(f"return {expr}", params, result).body.statements[-1]
    assert isinstance(give, Give)
    return give.value


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


# ------------------------------------------------------------------ who


def test_defaults_and_optionals_are_filled_in():
    step = statement(
        flow_of(
            "step d = Draft(topic) by ann\n"
            'step e = Draft(topic, hint: "h") by ann\n'
            'fail "x" when e.score < 0.0\n'
            "return d"
        ).body,
        "d",
    )
    assert step.args == [["ref", 0, 0], ["const", "plain"], ["const", None]]


def test_the_nearest_place_wins_and_beats_policies_used_there():
    body = flow_of(
        "step a = Draft(topic) by ann\n"
        "step b = Draft(topic) by ann { policies = [patient]  attempts = 5 }\n"
        "step c = Draft(topic) by ann { timeout = 1s }\n"
        'fail "x" when a.score + b.score < c.score\nreturn a'
    ).body
    backoff = statement(body, "a").candidates[0].policy.backoff
    assert (backoff.from_us, backoff.to_us, backoff.jitter) == (SECOND, 8 * SECOND, 0.5)
    assert statement(body, "a").candidates[0].policy == Policy(2, 5 * SECOND, backoff)
    assert statement(body, "b").candidates[0].policy == Policy(5, 600 * SECOND, backoff)
    assert statement(body, "c").candidates[0].policy == Policy(2, SECOND, backoff)


def test_an_attempt_reserves_its_cap_else_the_largest_context():
    body = flow_of("step a = Draft(topic) by ann\nstep b = Check(a) by bob\nstep c = Check(b) by eve\nreturn c").body
    assert statement(body, "a").candidates[0].tiers == [
        Tier("large", 10_000 * 15 * DOLLAR // 10**6, 10_000, 3 * DOLLAR // 10**6, 15 * DOLLAR // 10**6),
        Tier("small", 10_000 * 2 * DOLLAR // 10**6, 10_000, DOLLAR // 4 // 10**6, 2 * DOLLAR // 10**6),
    ]
    assert statement(body, "b").candidates[0].tiers[0].reserve_cost_pico == 128_000 * 2 * DOLLAR // 10**6
    assert statement(body, "c").candidates[0].tiers == [Tier(None)]


def test_caps_of_step_and_agent_hold_together():
    body = flow_of("step a = Draft(topic) by ann { budget { cost <= $0.05 } }\nreturn a").body
    step = statement(body, "a")
    assert step.budget == Budget(cost_pico=DOLLAR // 20)
    assert [tier.reserve_cost_pico for tier in step.candidates[0].tiers] == [DOLLAR // 20, DOLLAR // 20]
    assert [tier.reserve_tokens for tier in step.candidates[0].tiers] == [10_000, 10_000]


def unpriced(profile):
    text = f"""agent cy fulfills Check {{ timeout = 30s }}
profile cy {{ {profile} }}
flow f(note: Note) -> Note {{
  budget {{ cost <= $2 }}
  step checked = Check(note) by cy
  return checked
}}
"""
    return compile_text(PRELUDE + text, "spec.orch", folder=Path(__file__).parents[2] / "specs")


@pytest.mark.parametrize(
    ("cost", "pico"),
    [
        ("$0.02", DOLLAR // 50),
        ("uniform($0.01, $0.05)", DOLLAR // 20),
        ("normal($0.03, $0.01)", DOLLAR // 20),
        ("lognormal(p50: $0.01, p95: $0.04)", DOLLAR // 25),
        ("choice(50%: $0.01, 50%: $0.10)", DOLLAR // 10),
        ("mixture(90%: $0.01, 10%: uniform($0.02, $0.03))", 3 * DOLLAR // 100),
        ("exponential(mean: $0.01)", 29_957_322_736),
    ],
)
def test_what_only_a_profile_tells_is_reserved_with_a_warning(cost, pico):
    result = unpriced(f"cost = {cost}")
    assert [each.code.id for each in result.diagnostics if each.code.id.startswith(("W09", "E"))] == ["W0991"]
    tier = statement(result.plan.flows["f"].body, "checked").candidates[0].tiers[0]
    assert tier.reserve_cost_pico == pico


def test_what_nothing_tells_is_refused_under_a_budget():
    assert [each.code.id for each in unpriced("latency = 1s").errors] == ["E0802"]
    file = 'empirical("data/azure-llm-2023/conv.csv", ContextTokens)'
    assert [each.code.id for each in unpriced(f"cost = {file}").errors] == ["E0802"]


def test_candidates_stand_in_the_order_of_the_text_unless_preferred():
    def order(prefer):
        body = flow_of(f"step a = Draft(topic) by any {{ prefer = {prefer} }}\nreturn a").body
        return [candidate.agent for candidate in statement(body, "a").candidates]

    assert order("least_busy") == ["ann", "bob"]
    assert order("most_skilled") == ["bob", "ann"]
    assert order("cheapest") == ["ann", "bob"]  # ann's cap of 10k tokens is less than bob's whole context


def test_people_take_part_under_any_only_where_no_agent_does():
    text = "human max fulfills Sign { timeout = 1h }\ncontract Sign(note: Note) -> Bool\n"
    plan = compiled(text + "flow f(n: Note) -> Bool { step s = Sign(n) by any  return s }")
    assert [each.agent for each in plan.flows["f"].body.statements[0].candidates] == ["max"]
    body = flow_of("step a = Draft(topic) by any of [ann, eve]\nreturn a").body
    assert [each.agent for each in statement(body, "a").candidates] == ["ann", "eve"]


def test_agents_carry_their_limits():
    plan = compiled("flow f(n: Note) -> Note { return n }")
    bob = plan.agents["bob"]
    assert (bob.slots_min, bob.slots_max, bob.rate.count, bob.rate.per_us) == (4, 4, 10, SECOND)
    assert (bob.breaker.failures, bob.breaker.within_us, bob.breaker.rest_us) == (5, 60 * SECOND, 30 * SECOND)
    assert (plan.agents["ann"].slots_max, plan.agents["eve"].slots_max) == (None, 1)
    assert (plan.agents["eve"].kind, bob.skill, bob.models, bob.fulfills) == (
        "human",
        0.9,
        ["small"],
        ["Draft", "Check"],
    )


@pytest.mark.parametrize(
    ("by", "pattern", "candidates", "copies"),
    [
        ("by bob", "one", ["bob"], 1),
        ("by any of [ann, bob]", "any", ["ann", "bob"], 1),
        ("by first of [bob, ann]", "first", ["bob", "ann"], 1),
    ],
)
def test_the_by_clause_says_the_pattern(by, pattern, candidates, copies):
    step = statement(flow_of(f"step a = Draft(topic) {by}\nreturn a").body, "a")
    assert (step.pattern, [each.agent for each in step.candidates], step.copies) == (pattern, candidates, copies)


def test_fan_outs_are_read_by_giver_or_index_and_arbitrated():
    body = flow_of(
        "step notes = Draft(topic) by all of [ann, bob] { need = 1 }\n"
        "step more = Draft(topic) by 3 of bob { need = 75% }\n"
        "arbitrate best = notes { decide = unanimous(it.verdict) or ask(eve, within: 30min) or priority([bob, ann]) }\n"
        "arbitrate other = more { group = lower(it.text)  "
        "decide = quorum(2, it.score > 0.5) or ask(eve, Pick, within: 1h) or first }\n"
        "let mine = notes[bob]\n"
        'fail "x" when mine.score < more[2].score or len(other) > 2\n'
        "return best"
    ).body
    notes, more, best, other, mine = (statement(body, name) for name in ("notes", "more", "best", "other", "mine"))
    assert (notes.pattern, notes.need.count, more.pattern, more.copies, more.need.share) == ("all", 1, "some", 3, 0.75)
    assert mine.value == ["giver", 0, notes.slot, "bob"]
    assert (best.source, best.source_slot) == (["ref", 0, notes.slot], notes.slot)
    assert [rule.kind for rule in best.rules] == ["unanimous", "ask", "priority"]
    assert best.rules[0].expr == ["field", ["ref", 0, 0], "verdict"]
    assert (best.rules[1].who.agent, best.rules[1].contract, best.rules[1].within_us) == ("eve", None, 1800 * SECOND)
    assert best.rules[2].order == ["bob", "ann"]
    assert best.asks == ("Draft", [["ref", 0, 0], ["const", "plain"], ["const", None]])
    assert other.group == ["call", "lower", [["field", ["ref", 0, 0], "text"]]]
    assert (other.rules[0].n, other.rules[1].contract, other.asks) == (["const", 2], "Pick", None)


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
