"""E12xx: what is shared and what is doubled: hedges, early ends, critical sections."""

from __future__ import annotations

from orchspec.compiler.codes.samples import PRELUDE, in_flow, spec
from orchspec.grammar.diagnostics import define

__all__ = ["CANNOT_END_EARLY", "CANNOT_HEDGE", "LAST_SLOT", "SECTION_CIRCLE", "SECTION_TWICE"]

_NOTES = "step notes = Draft(topic) by all of [ann, bob]\n"
_COUNT = "orch 1\ntool ledger\ntool stock\ncontract Count(n: Int) -> Int\nagent ann fulfills Count\n"
_LEAD = "contract Lead(topic: Text, so_far: List<Done>) -> Delegation<Note>\n"
_CLERK = "tool ledger\nagent clerk fulfills Draft { tools = [ledger]  slots = 1 }\n"

CANNOT_HEDGE = define(
    "E1201",
    "cannot-hedge",
    "the work of `{name}` cannot be hedged: {why}",
    explanation="A hedge sends the same task a second time while the first is still at it, and stops whoever is "
    "slower. That is safe only for work which may be done twice: an agent with a fresh mind for each task, whose "
    "effects have keys. A person is asked once, and what was sent to a target is only ever sent again.",
    bad=PRELUDE + "agent cy fulfills Draft { session = per_run  hedge = after(5s) }\n",
    good=PRELUDE + "agent cy fulfills Draft { hedge = after(5s) }\n",
)
CANNOT_END_EARLY = define(
    "E1202",
    "cannot-end-early",
    "`{name}` cannot end early: {why}",
    explanation="`early = true` stops those who still work at the candidates once the outcome is certain whatever "
    "they would say. That can be proven for `first`, `majority`, `quorum`, `unanimous` and `priority` over the "
    "answers of one step of the same block, which nobody else reads. The best of all is known when all have come.",
    bad=in_flow(_NOTES + "arbitrate note = notes { decide = highest(it.score) or first  early = true }\nreturn note"),
    good=in_flow(_NOTES + "arbitrate note = notes { decide = majority(it) or first  early = true }\nreturn note"),
)
SECTION_TWICE = define(
    "E1203",
    "section-twice",
    "the tool `{tool}` is held already by the section `{section}` around this one",
    explanation="A critical section has its tools to itself, so a section in it that asks for one of them again "
    "would wait for ever. What is inside uses the tool anyway: leave it out of the inner section.",
    bad=_COUNT + "flow f(n: Int) -> Int {\n  scope outer {\n    tools = [ledger]\n    scope inner {\n"
    "      tools = [ledger]\n      step a = Count(n) by ann\n      give a\n    }\n    give inner\n  }\n"
    "  return outer\n}\n",
    good=_COUNT + "flow f(n: Int) -> Int {\n  scope outer {\n    tools = [ledger, stock]\n"
    "    step a = Count(n) by ann\n    give a\n  }\n  return outer\n}\n",
)
SECTION_CIRCLE = define(
    "E1204",
    "section-circle",
    "waiting can go in a circle: {circle}",
    explanation="A critical section holds its tools while it waits for the agents inside. If such an agent has few "
    "slots, and elsewhere somebody takes one of them and then waits for the tool, each can wait for the other. Give "
    "the agent of the section no other work, or take the tool in a section there too.",
    bad=spec(
        _CLERK + "flow f(t: Text) -> Note {\n  step early = Draft(t) by clerk\n  scope s {\n    tools = [ledger]\n"
        "    step late = Draft(early.text) by clerk\n    give late\n  }\n  return s\n}"
    ),
    good=spec(
        _CLERK + "flow f(t: Text) -> Note {\n  scope s {\n    tools = [ledger]\n    step early = Draft(t) by clerk\n"
        "    step late = Draft(early.text) by clerk\n    give late\n  }\n  return s\n}"
    ),
)
LAST_SLOT = define(
    "E1205",
    "last-slot",
    "`{lead}` leads `{name}` and is the only worker for `{contract}`, with a single slot",
    explanation="Delegation is to somebody else, or to another slot. A lead with a single slot that is the only worker "
    "for what it hands out does all of it itself, one task after another, and an engine in which it kept its slot "
    "while it waits would never end. Name another worker, or give it a second slot.",
    bad=spec(
        _LEAD + "agent cy fulfills Lead, Draft { slots = 1 }\nflow f(t: Text) -> Note {\n"
        "  supervise note = Lead(t) by cy { workers = [cy]  rounds = 3 }\n  return note\n}"
    ),
    good=spec(
        _LEAD + "agent cy fulfills Lead, Draft { slots = 2 }\nflow f(t: Text) -> Note {\n"
        "  supervise note = Lead(t) by cy { workers = [cy]  rounds = 3 }\n  return note\n}"
    ),
)
