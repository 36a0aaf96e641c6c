"""Profiles: what agents do by chance, lowered to distributions in inner units, and each mistake once."""

import pytest

from orchspec.compiler import compile_text
from tests.compiler.studies.spec import DOLLAR, PRELUDE, SECOND, found, plan_of

# ------------------------------------------------------------------ distributions


@pytest.mark.parametrize(
    ("latency", "dist"),
    [
        ("5s", ["fixed", 5 * SECOND]),
        ("think", ["fixed", 5 * SECOND]),
        ("fixed(2 * think)", ["fixed", 10 * SECOND]),
        ("uniform(1s, 3s)", ["uniform", SECOND, 3 * SECOND]),
        ("normal(mean: 2s, sd: 500ms)", ["normal", 2 * SECOND, SECOND // 2]),
        ("lognormal(p50: 4s, p95: 11s)", ["lognormal", 4 * SECOND, 11 * SECOND]),
        ("exponential(mean: 10s)", ["exponential", 10 * SECOND]),
        ("gamma(shape: 2, scale: 3s)", ["gamma", 2.0, 3 * SECOND]),
        ("pareto(min: 1s, alpha: 1.5)", ["pareto", SECOND, 1.5]),
        ("choice(1s, 2s)", ["choice", [[SECOND, 0.5], [2 * SECOND, 0.5]]]),
        ("choice(25%: 1s, 75%: 2s)", ["choice", [[SECOND, 0.25], [2 * SECOND, 0.75]]]),
        (
            "mixture(90%: fixed(1s), 10%: exponential(mean: 1min))",
            ["mixture", [[0.9, ["fixed", SECOND]], [0.1, ["exponential", 60 * SECOND]]]],
        ),
    ],
)
def test_a_time_is_sampled_in_microseconds(latency, dist):
    assert plan_of(f"profile ann {{ latency = {latency} }}").profiles["ann"].latency == dist


@pytest.mark.parametrize(
    ("field", "dist"),
    [
        ("score: uniform(0.4, 0.9)", ["uniform", 0.4, 0.9]),
        ("score: uniform(0, 1)", ["uniform", 0.0, 1.0]),
        ("count: uniform(1, 4)", ["uniform", 1.0, 4.0]),
        ("count: choice(1, 2)", ["choice", [[1, 0.5], [2, 0.5]]]),
        ("price: lognormal(p50: $1, p95: $3)", ["lognormal", DOLLAR, 3 * DOLLAR]),
        ("took: exponential(mean: 1min)", ["exponential", 60 * SECOND]),
        ("share: uniform(5%, 10%)", ["uniform", 0.05, 0.1]),
        ("good: chance(30%)", ["chance", 0.3]),
        ("good: true", ["fixed", True]),
        ("verdict: choice(accept: 85%, revise: 15%)", ["choice", [["accept", 0.85], ["revise", 0.15]]]),
        ("verdict: Verdict.revise", ["fixed", "revise"]),
        ("tags: size(uniform(3, 8))", ["size", ["uniform", 3.0, 8.0]]),
        ("tags: size(2)", ["size", ["fixed", 2]]),
        ('text: choice("a", "b")', ["choice", [["a", 0.5], ["b", 0.5]]]),
        ("link: none", ["fixed", None]),
        ('link: "https://a.example"', ["fixed", "https://a.example"]),
        (
            "part: { weight: uniform(1, 2), kind: choice(accept: 100%) }",
            ["record", {"weight": ["uniform", 1.0, 2.0], "kind": ["choice", [["accept", 1.0]]]}],
        ),
    ],
)
def test_a_field_is_sampled_in_its_inner_form(field, dist):
    name = field.partition(":")[0]
    assert plan_of(f"profile ann {{ output = {{ {field} }} }}").profiles["ann"].output == {name: dist}


def test_a_profile_says_all_that_an_agent_does():
    profile = plan_of(
        """profile ann {
  tokens_in = normal(4k, 1k)  tokens_out = fixed(300)  cost = $0.02
  failure = 2%  garbage = 0.5%  never = 1%  calls = { search: uniform(1, 4) }
}
profile orchestrator { journal_write = fixed(2ms) }
"""
    ).profiles
    ann = profile["ann"]
    assert (ann.tokens_in, ann.tokens_out, ann.cost) == (
        ["normal", 4000.0, 1000.0],
        ["fixed", 300],
        ["fixed", DOLLAR // 50],
    )
    assert (ann.failure, ann.garbage, ann.never) == (0.02, 0.005, 0.01)
    assert ann.calls == {"search": ["uniform", 1, 4]}
    # Ends that are whole stay whole, or the ends would be drawn half as often as what lies between.
    assert {type(end) for end in ann.calls["search"][1:]} == {int}
    assert ann.latency == ["fixed", SECOND]
    assert profile["orchestrator"].journal_write == ["fixed", 2000]


def test_a_result_that_is_no_record_is_sampled_as_a_whole():
    assert plan_of("profile bob { output = uniform(1, 9) }").profiles["bob"].output == {"": ["uniform", 1.0, 9.0]}


@pytest.mark.parametrize(
    ("body", "code", "at"),
    [
        ("latency = lognorml(p50: 1s, p95: 2s)", "E0901", "lognorml"),
        ("latency = chance(3%)", "E0902", "chance(3%)"),
        ("latency = size(3)", "E0902", "size(3)"),
        ("output = { good: uniform(0, 1) }", "E0902", "uniform(0, 1)"),
        ("output = { verdict: uniform(0, 1) }", "E0902", "uniform(0, 1)"),
        ("output = { score: choice(accept: 100%) }", "E0902", "choice(accept: 100%)"),
        ("latency = lognormal(p50: 5s, p95: 2s)", "E0903", "lognormal(p50: 5s, p95: 2s)"),
        ("latency = uniform(3s, 1s)", "E0903", "uniform(3s, 1s)"),
        ("latency = exponential(mean: 0s)", "E0903", "exponential(mean: 0s)"),
        ("latency = gamma(shape: 0, scale: 1s)", "E0903", "gamma(shape: 0, scale: 1s)"),
        ("latency = pareto(min: 1s, alpha: 0.01)", "E0903", "pareto(min: 1s, alpha: 0.01)"),
        ("latency = fixed(-1s)", "E0903", "fixed(-1s)"),
        ("latency = mixture(50%: 1s, 40%: 2s)", "E0903", "mixture(50%: 1s, 40%: 2s)"),
        ("latency = mixture(1s, 2s)", "E0903", "1s"),
        ("output = { verdict: choice(accept: 85%, revise: 10%) }", "E0903", "choice(accept: 85%, revise: 10%)"),
        ("output = { verdict: choice(accept: 85%, revize: 15%) }", "E0208", "revize"),
        ("latency = lognormal(p50: 1s)", "E0308", "lognormal(p50: 1s)"),
        ("latency = lognormal(p50: 1s, p99: 2s)", "E0309", "p99"),
        ("latency = lognormal(p50: $1, p95: $2)", "E0301", "$1"),
        ("latency = 3", "E0301", "3"),
        ("tokens_in = 3s", "E0301", "3s"),
        ("failure = 0.02", "E0301", "0.02"),
        ("failure = 120%", "E0903", "120%"),
        ("latency = fixed(thinc)", "E0201", "thinc"),
        ("speed = 1s", "E0401", "speed"),
        ("latency = 1s  latency = 2s", "E0402", "latency"),
        ("journal_write = 1s", "E0401", "journal_write"),
        ("calls = { serch: 2 }", "E0201", "serch"),
        ("calls = { archive: 2 }", "E0906", "archive"),
        ("calls = { ann: 2 }", "E0203", "ann"),
        ("calls = 3", "E0301", "3"),
        ("output = { scores: uniform(0, 1) }", "E0905", "scores"),
        ("output = uniform(0, 1)", "E0905", "uniform(0, 1)"),
        ("output = { part: { weigth: 2 } }", "E0207", "weigth"),
        ("output = { score: 1.5 }", "E0318", "1.5"),
        ("output = { score: uniform(0.5, 1.5) }", "E0318", "uniform(0.5, 1.5)"),
    ],
)
def test_a_mistake_in_a_profile_is_told_once(body, code, at):
    assert found(f"profile ann {{ {body} }}") == [(code, at)]


@pytest.mark.parametrize(
    ("agent", "note"),
    [
        ("bob", "what is no record has one distribution: `output = D`"),
        ("ann", "its fields are text, score, count, price, took, share, good, verdict, tags, part, link"),
    ],
)
def test_a_field_that_a_profile_cannot_sample_is_told_with_what_can_be(agent, note):
    (error,) = compile_text(f"{PRELUDE}profile {agent} {{ output = {{ result: chance(5%) }} }}", "spec.orch").errors
    assert (error.code.id, error.notes) == ("E0905", (note,))


def test_profiles_are_for_something_that_can_have_one_and_only_once():
    assert found("profile anne { latency = 1s }") == [("E0201", "anne")]
    assert found("profile work { latency = 1s }") == [("E0203", "work")]
    assert found("profile ann { latency = 1s } profile ann { latency = 2s }") == [("E0202", "ann")]
    assert found("profile search { tokens_in = 3 }") == [("E0401", "tokens_in")]
    assert found("profile orchestrator { latency = 1s }") == [("E0401", "latency")]


# ------------------------------------------------------------------ signals and channels


def test_what_no_profile_can_describe_is_said_to_be_something_else():
    text = "channel paid(order: Text) { from = [ann]  to = all }\nprofile paid { latency = 1s }\n"
    assert [code for code, _ in found(text)] == ["E0203"]


def test_a_signal_has_a_profile_and_a_stub_of_its_own_type():
    head = "signal paid(order: Text) -> Int\nprofile paid { latency = 1s  never = 30%  output = uniform(1, 3) }\n"
    flow = "flow g(o: Text) -> Int {\n  step n = paid(o) { timeout = 1h }\n  return n\n}\n"
    assert found(head + flow + 'test "t" for g { stub paid = none then 3  expect status == completed }') == []
    wrong = 'test "t" for g { stub paid = "x"  expect cost == $0 }'
    assert [code for code, _ in found(head + flow + wrong)] == ["E0301"]
    assert [code for code, _ in found(head.replace("never = 30%", "tokens_in = 3") + flow)] == ["E0401"]
