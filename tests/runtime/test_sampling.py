"""What a sampled attempt comes to is a function of its place and attempt, and is what its profile says."""

from __future__ import annotations

import pytest

from orchspec.compiler.plan import Agent, Contract, Effect, Field, Plan, PlanError, Profile, RecordType
from orchspec.runtime.draws import mix, run_key
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.kernel.values import Unverified
from orchspec.runtime.sampling import CALLS_MAX, AgentSampler, moments_of

KEYS = [mix(run_key(7, 0, 0, 0), index) for index in range(2_000)]


def plan(**profile):
    return Plan(
        name="p",
        types={"Answer": RecordType("Answer", [Field("text", "Text"), Field("score", "Float")])},
        contracts={
            "Ask": Contract(
                "Ask",
                [Field("question", "Text")],
                ["Record", "Answer"],
                ensures=[["ge", ["field", ["ref", 0, 1], "score"], ["const", 0.25]]],
            )
        },
        agents={name: Agent(name, "agent", ["Ask"]) for name in ("quick", "slow", "plain")},
        effects={"publish": Effect("publish", [Field("text", "Text")], "Url", ["ref", 0, 0])},
        profiles={
            "quick": Profile("quick", ["uniform", 0, 1_000_000], **profile),
            "slow": Profile("slow", ["uniform", 0, 10_000_000]),
            "publish": Profile("publish", ["fixed", 5_000], failure=0.5),
        },
    ).sealed()


def test_an_attempt_is_a_function_of_place_and_attempt():
    sampler, again = AgentSampler(plan(), "quick"), AgentSampler(plan(), "quick")
    first = [sampler.attempt("Ask", ["why?"], key, 1) for key in KEYS[:50]]
    backwards = [again.attempt("Ask", ["why?"], key, 1) for key in reversed(KEYS[:50])]
    assert first == backwards[::-1]
    assert first[0] != sampler.attempt("Ask", ["why?"], KEYS[0], 2)


def test_an_output_is_accepted_by_its_contract():
    made = plan(output={"score": ["uniform", 0.0, 1.0]})
    sampler = AgentSampler(made, "quick")
    codec = program_of(made).contracts["Ask"]
    for key in KEYS[:200]:
        codec.verify(["why?"], sampler.attempt("Ask", ["why?"], key, 1).output)


def test_failures_and_garbage_come_as_often_as_the_profile_says():
    made = plan(failure=0.2, garbage=0.25)
    sampler = AgentSampler(made, "quick")
    attempts = [sampler.attempt("Ask", ["why?"], key, 1) for key in KEYS]
    failed = sum(sampled.failed for sampled in attempts) / len(KEYS)
    garbage = sum(sampled.garbage for sampled in attempts) / (len(KEYS) * (1 - failed))
    assert failed == pytest.approx(0.2, abs=0.03)
    assert garbage == pytest.approx(0.25, abs=0.04)
    codec = program_of(made).contracts["Ask"]
    for sampled in attempts:
        if sampled.failed:
            assert sampled.output is None
        elif sampled.garbage:
            with pytest.raises(Unverified):
                codec.verify(["why?"], sampled.output)


def test_the_uniforms_stay_with_the_place_when_the_agent_is_another():
    made = plan()
    quick, slow = AgentSampler(made, "quick"), AgentSampler(made, "slow")
    for key in KEYS[:50]:
        assert slow.attempt("Ask", ["q"], key, 1).latency_us == pytest.approx(
            10 * quick.attempt("Ask", ["q"], key, 1).latency_us, abs=10
        )


def test_a_target_without_a_profile_takes_a_second_and_tells_no_usage():
    sampled = AgentSampler(plan(), "plain").attempt("Ask", ["q"], KEYS[0], 1)
    assert (sampled.latency_us, sampled.failed, sampled.garbage) == (1_000_000, False, False)
    assert (sampled.tokens_in, sampled.tokens_out, sampled.cost_pico, sampled.calls) == (None, None, None, ())


def test_usage_and_calls_are_those_of_the_profile():
    made = plan(
        tokens_in=["fixed", 900],
        tokens_out=["fixed", 20.4],
        cost=["fixed", 5],
        calls={"web": ["uniform", 1, 3], "disk": ["fixed", 10**9]},
    )
    sampler = AgentSampler(made, "quick")
    sampled = sampler.attempt("Ask", ["q"], KEYS[0], 1)
    assert (sampled.tokens_in, sampled.tokens_out, sampled.cost_pico) == (900, 20, 5)
    assert sampled.calls[0] == ("disk", CALLS_MAX)
    assert {sampler.attempt("Ask", ["q"], key, 1).calls[1] for key in KEYS[:50]} == {("web", n) for n in (1, 2, 3)}


def test_calls_are_spread_over_the_time_of_the_attempt_in_order():
    sampler = AgentSampler(plan(calls={"web": ["fixed", 40], "disk": ["fixed", 2]}), "quick")
    sampled = sampler.attempt("Ask", ["q"], KEYS[0], 1)
    moments = moments_of(sampled, KEYS[0], 1, {})
    assert len(moments) == 42
    assert [each[:2] for each in moments] == sorted(each[:2] for each in moments)
    assert 0 <= moments[0][0] < moments[-1][0] < sampled.latency_us


def test_an_attempt_is_not_over_before_its_calls_are():
    sampler = AgentSampler(plan(calls={"web": ["fixed", 40]}), "quick")
    sampled = sampler.attempt("Ask", ["q"], KEYS[0], 1)
    half = sampled.latency_us // 2
    assert all(
        each.at_us + half <= sampled.latency_us for each in moments_of(sampled, KEYS[0], 1, {"web": lambda _: half})
    )
    longer = moments_of(sampled, KEYS[0], 1, {"web": lambda _: 2 * sampled.latency_us})
    assert {(each.at_us, each.held_us) for each in longer} == {(0, 2 * sampled.latency_us)}


def test_people_may_never_answer():
    sampler = AgentSampler(plan(never=1.0, failure=1.0), "quick")
    sampled = sampler.attempt("Ask", ["q"], KEYS[0], 1)
    assert (sampled.never, sampled.failed, sampled.output) == (True, False, None)


def test_a_receipt_is_the_same_for_every_send_and_another_at_another_place():
    sampler = AgentSampler(plan(), "publish")
    receipts = {sampler.receipt(["text"], key) for key in KEYS[:50]}
    assert sampler.receipt(["text"], KEYS[0]) == sampler.receipt(["text"], KEYS[0])
    assert len(receipts) == 50
    assert {sampler.send(KEYS[0], attempt).failed for attempt in range(1, 30)} == {True, False}
    assert sampler.send(KEYS[0], 1).latency_us == 5_000


def test_an_impossible_profile_is_refused_when_it_is_compiled():
    made = plan(tokens_in=["normal", 1])
    with pytest.raises(PlanError):
        AgentSampler(made, "quick")
