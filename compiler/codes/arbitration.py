"""E06xx: arbitration that does not decide, and decisions that several take."""

from __future__ import annotations

from orchspec.compiler.codes.samples import in_flow, spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "ASK_CONTRACT",
    "NOT_CANDIDATES",
    "NO_DECIDE",
    "NO_GIVERS",
    "OWNED_TWICE",
    "RULE_ARGUMENTS",
    "UNDECIDED",
    "UNKNOWN_RULE",
    "UNORDERED",
    "UNREACHABLE_RULE",
]

_NOTES = "step notes = Draft(topic) by all of [ann, bob]\n"
_DECIDED = in_flow(_NOTES + "arbitrate note = notes { decide = highest(it.score) or first }\nreturn note")

UNDECIDED = define(
    "E0601",
    "undecided",
    "the arbitration `{name}` may not decide: {why}",
    explanation="Rules are tried in order, and ties go to the next one. The chain ends in a rule that always decides "
    "(`first`, or `priority` over everybody who was asked), or in `stop`, which says that the run then fails.",
    bad=in_flow(_NOTES + "arbitrate note = notes { decide = highest(it.score) }\nreturn note"),
    good=_DECIDED,
)
UNREACHABLE_RULE = define(
    "E0602",
    "unreachable-rule",
    "`{rule}` is never tried: `{before}` always decides",
    explanation="What stands after a rule that always decides has no effect; another order was probably meant.",
    bad=in_flow(_NOTES + "arbitrate note = notes { decide = first or highest(it.score) }\nreturn note"),
    good=_DECIDED,
)
UNKNOWN_RULE = define(
    "E0603",
    "unknown-rule",
    "there is no rule `{name}`",
    explanation="The rules are first, highest(E), lowest(E), majority(E), quorum(n, PREDICATE), unanimous(E), "
    "priority([..]), ask(WHO[, Contract], within:) and stop.",
    bad=in_flow(_NOTES + "arbitrate note = notes { decide = best(it.score) or first }\nreturn note"),
    good=_DECIDED,
)
RULE_ARGUMENTS = define(
    "E0604",
    "rule-arguments",
    "`{rule}` takes {expected}",
    explanation="Each rule is written with its arguments: `highest(it.score)`, `quorum(2, it.accept)`, "
    "`priority([ann, bob])`, `ask(editor, within: 30min)`; `first` and `stop` stand alone.",
    bad=in_flow(_NOTES + "arbitrate note = notes { decide = highest or first }\nreturn note"),
    good=_DECIDED,
)
NO_GIVERS = define(
    "E0605",
    "no-givers",
    "{what} needs a fan-out over different agents: {why}",
    explanation="`priority` and `votes[agent]` read candidates by who gave them. That is known for the result of "
    "a step "
    "`by all of`, `by all`, and nowhere else.",
    bad=in_flow(
        "step notes = Draft(topic) by 2 of ann\n"
        "arbitrate note = notes { decide = priority([ann]) or first }\nreturn note"
    ),
    good=in_flow(_NOTES + "arbitrate note = notes { decide = priority([ann]) or first }\nreturn note"),
)
NOT_CANDIDATES = define(
    "E0607",
    "not-candidates",
    "an arbitration takes a list of candidates, found {found}",
    explanation="Arbitrate reduces several candidates to one, or to one for each group.",
    bad=in_flow("step note = Draft(topic) by ann\narbitrate best = note { decide = first }\nreturn best"),
    good=_DECIDED,
)
UNORDERED = define(
    "E0608",
    "unordered",
    "`{rule}` compares by {found}, which has no order",
    explanation="`highest` and `lowest` compare numbers, Money, Duration, Time, Percent, Rate or Text.",
    bad=in_flow(_NOTES + "arbitrate note = notes { decide = highest(it) or first }\nreturn note"),
    good=_DECIDED,
)
ASK_CONTRACT = define(
    "E0609",
    "ask-contract",
    "`ask` cannot use {contract}: {why}",
    explanation="`ask(WHO)` hands the candidates' own work to WHO, so there must be one contract behind them. "
    "`ask(WHO, Contract)` hands over the candidates: Contract takes `(candidates: List<T>) -> T`.",
    bad=in_flow(_NOTES + "arbitrate note = notes { decide = ask(ann, Draft) or first }\nreturn note"),
    good=in_flow(_NOTES + "arbitrate note = notes { decide = ask(ann) or first }\nreturn note"),
)
NO_DECIDE = define(
    "E0611",
    "no-decide",
    "the arbitration `{name}` has no `decide`",
    explanation="`decide` holds the rules, in the order in which they are tried.",
    bad=in_flow(_NOTES + "arbitrate note = notes\nreturn note"),
    good=_DECIDED,
)
OWNED_TWICE = define(
    "E0612",
    "owned-twice",
    "the decision `{decision}` is taken twice here, and nobody arbitrates",
    explanation="Two steps of one block take the same decision. Ask several agents in one step and arbitrate their "
    "answers, so that there is one outcome.",
    bad=spec(
        "decision release\ncontract Judge(note: Note) -> Bool { owns = release }\n"
        "agent cy fulfills Judge\nagent di fulfills Judge\n"
        "flow f(note: Note) -> Bool {\n  step one = Judge(note) by cy\n  step two = Judge(note) by di\n"
        "  return one and two\n}"
    ),
    good=spec(
        "decision release\ncontract Judge(note: Note) -> Bool { owns = release }\n"
        "agent cy fulfills Judge\nagent di fulfills Judge\n"
        "flow f(note: Note) -> Bool {\n  step votes = Judge(note) by all of [cy, di]\n"
        "  arbitrate verdict = votes { decide = unanimous(it) or priority([cy, di]) }\n  return verdict\n}"
    ),
)
