"""What is decided before any run: conditions, constraints and settings that come out the same whatever happens."""

from __future__ import annotations

from orchspec.compiler.codes.samples import in_flow
from orchspec.grammar.diagnostics import define

__all__ = [
    "ALWAYS_FAILS",
    "ALWAYS_HOLDS",
    "CHANGES_NOTHING",
    "NEVER_DONE",
    "ONLY_EXHAUSTS",
    "READS_NO_CANDIDATE",
    "SETTLED_COMPARISON",
    "UNSATISFIABLE",
]

_DRAFT = "step draft = Draft(topic) by ann\n"
_GUARDED = in_flow(_DRAFT + 'fail "poor" when draft.score < 0.1\nreturn draft')


def _scored(where: str) -> str:
    return (
        f"orch 1\ntype Score {{ value: Float where {where} }}\ncontract Rate(text: Text) -> Score\n"
        "agent cy fulfills Rate { timeout = 30s }\n"
        "flow f(t: Text) -> Score {\n  step score = Rate(t) by cy\n  return score\n}"
    )


def _guarded(condition: str) -> str:
    return (
        "orch 1\ntype Score { value: Float where value in 0.0..1.0 }\ncontract Rate(text: Text) -> Score\n"
        "agent cy fulfills Rate { timeout = 30s }\n"
        f'flow f(t: Text) -> Score {{\n  step score = Rate(t) by cy\n  fail "bad" when {condition}\n'
        "  return score\n}"
    )


_PLAIN = (
    "orch 1\ntype Note { text: Text  score: Float }\ncontract Draft(topic: Text) -> Note\n"
    "agent ann fulfills Draft { timeout = 30s }\nflow f(topic: Text) -> Note {\n"
)
"""Without anything that is not used: what warns is alone."""


def _rounds(until: str) -> str:
    return (
        f"{_PLAIN}  repeat best 3 times {{\n    step draft = Draft(topic) by ann\n    until {until}\n"
        "    give draft\n  }\n  return best\n}"
    )


def _again(condition: str) -> str:
    return (
        f"{_PLAIN}  step draft = Draft(topic) by ann\n"
        f"  step other = Draft(draft.text) by ann {{ only_if = {condition} }}\n  return other ?? draft\n}}"
    )


def _tried(settings: str) -> str:
    return f"{_PLAIN}  step draft = Draft(topic) by ann {{ {settings} }}\n  return draft\n}}"


NEVER_DONE = define(
    "E0525",
    "never-done",
    "{what} is never done: {why}",
    explanation="A condition that holds in no run leaves what it guards unreachable, and a `for` over an empty list "
    "does nothing. Leave the statement out, or turn it off and on with a `param`, whose value may be set.",
    bad=in_flow(_DRAFT + "step better = Check(draft) by bob { only_if = false }\nreturn better ?? draft"),
    good=in_flow(_DRAFT + "step better = Check(draft) by bob { only_if = draft.score < 0.5 }\nreturn better ?? draft"),
)
ALWAYS_FAILS = define(
    "E0526",
    "always-fails",
    "whatever comes here fails: the condition of this `fail` always holds",
    explanation="A guard that holds in every run lets none past it. `fail` without `when` ends a block that is meant "
    "to fail.",
    bad=in_flow(_DRAFT + 'fail "poor" when true\nreturn draft'),
    good=_GUARDED,
)
ALWAYS_HOLDS = define(
    "W0527",
    "always-holds",
    "{what} always holds, so {so}",
    severity="warning",
    explanation="A condition that holds in every run says nothing. Leave it out, or write what was meant.",
    bad=_again("true"),
    good=_again("draft.score < 0.5"),
)
ONLY_EXHAUSTS = define(
    "W0528",
    "only-exhausts",
    "`{name}` is never done before its rounds are exhausted: its `until` never holds",
    severity="warning",
    explanation="Every round is done, and then the repeat gives what its `else` says, or its last value. If it is "
    "meant to go round so often, a step with `for` over a range, such as `for n in 1..3`, does so.",
    bad=_rounds("false"),
    good=_rounds("draft.score > 0.8"),
)
UNSATISFIABLE = define(
    "E0416",
    "unsatisfiable",
    "no value meets this `{word}` of {what}",
    explanation="Values are checked where they are handed over, and what breaks its constraint is refused. So nothing "
    "could ever be handed over here.",
    bad=_scored("value in 1.0..0.0"),
    good=_scored("value in 0.0..1.0"),
)
SETTLED_COMPARISON = define(
    "W0329",
    "settled-comparison",
    "`{text}` is {always}: {why}",
    severity="warning",
    explanation="What crosses a handoff holds the constraint of its type, a list has as many items as were asked for, "
    "and a value that is not optional is never none. A comparison that this decides is always true, or never.",
    bad=_guarded("score.value > 1.0"),
    good=_guarded("score.value < 0.1"),
)
READS_NO_CANDIDATE = define(
    "E0613",
    "reads-no-candidate",
    "{what} is the same for every candidate: it does not read `it`",
    explanation="A rule tells candidates apart by what it reads of them: `it` is the candidate.",
    bad=in_flow(
        "step notes = Draft(topic) by all of [ann, bob]\n"
        "arbitrate note = notes { decide = highest(0.5) or first }\nreturn note"
    ),
    good=in_flow(
        "step notes = Draft(topic) by all of [ann, bob]\n"
        "arbitrate note = notes { decide = highest(it.score) or first }\nreturn note"
    ),
)
CHANGES_NOTHING = define(
    "W0417",
    "changes-nothing",
    "`{name}` changes nothing here: {why}",
    severity="warning",
    explanation="What is said has a meaning, and something else that is said, or left out, keeps it from ever coming "
    "to bear.",
    bad=_tried("backoff = fixed(2s)"),
    good=_tried("attempts = 3  backoff = fixed(2s)"),
)
