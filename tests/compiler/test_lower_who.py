"""Lowering who does it: candidates, their limits and policies, and what an attempt reserves."""

from pathlib import Path

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.plan import Budget, Policy, Tier
from tests.support.lowered import DOLLAR, PRELUDE, SECOND, compiled, flow_of, statement


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
