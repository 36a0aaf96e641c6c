"""E07xx: effects that do not say how they stay single."""

from __future__ import annotations

from orchspec.compiler.codes.samples import PRELUDE, in_flow, spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "CHECK_ACTS",
    "CHECK_RESULT",
    "CONSTANT_KEY",
    "DOUBT_ASKS_NOBODY",
    "EVAL_ACTS",
    "KEY_OF_AGENT",
    "NOBODY_AFTER",
    "NOTHING_TO_REVERT",
    "NO_DEADLINE",
    "NO_KEY",
    "RACE_OF_DEEDS",
    "REUSED_DEED",
    "SAME_KEY_IN_LOOP",
    "SAYS_NOTHING",
    "SEVERAL_WAYS",
    "UNDO_OF_UNDO",
    "UNKEYABLE",
]

NO_KEY = define(
    "E0701",
    "no-key",
    "the effect `{name}` does not say how it stays single",
    explanation="After a crash nobody knows whether the request arrived. `key = EXPR` lets the target drop a repeat: "
    "the same key means the same deed. `idempotent = true` says that a repeat changes nothing. `check = found(id: id)` "
    "asks the world, and `in_doubt = ask(WHO, within: 1d)` a person, before anything is sent again.",
    bad=PRELUDE + "effect mail(note: Note)",
    good=PRELUDE + "effect mail(note: Note) { key = note.text }",
)
CONSTANT_KEY = define(
    "E0702",
    "constant-key",
    "the key of `{name}` reads none of its parameters",
    explanation="The key enters no run and no place, so with a constant key the effect happens once for ever: "
    "every later "
    "one would be refused or joined to the first.",
    bad=PRELUDE + 'effect mail(note: Note) { key = "mail" }',
    good=PRELUDE + "effect mail(note: Note) { key = note.text }",
)
SAME_KEY_IN_LOOP = define(
    "E0703",
    "same-key-in-loop",
    "the key of `{effect}` is the same in every {turn} of `{loop}`",
    explanation="In a `repeat` or a `for`, the key must read something that is bound there: otherwise all turns "
    "would be one deed. The same holds for the effects of flows that are called there. Move the effect out of the "
    "loop, or let its key depend on what differs.",
    bad=spec(
        "flow f(note: Note, topics: List<Text>) -> Note {\n  scope all_of_them for topic in topics {\n"
        "    step url = publish(note: note)\n    give url\n  }\n  return note\n}"
    ),
    good=spec(
        "flow f(notes: List<Note>) -> Int {\n  scope all_of_them for note in notes {\n"
        "    step url = publish(note: note)\n    give url\n  }\n  return len(all_of_them)\n}"
    ),
)
UNDO_OF_UNDO = define(
    "E0704",
    "undo-of-undo",
    "`{name}` undoes `{first}` and cannot be undone itself by it",
    explanation="What unwinds must end: the undo of an undo would do the deed again.",
    bad="orch 1\neffect open(id: Text) { key = id  undo = shut(id: id) }\n"
    "effect shut(id: Text) { key = id  undo = open(id: id) }",
    good="orch 1\neffect open(id: Text) { key = id  undo = shut(id: id) }\neffect shut(id: Text) { key = id }",
)
UNKEYABLE = define(
    "E0705",
    "unkeyable",
    "a key cannot be {found}",
    explanation="A key is a value that is always there: no optional, and not nothing.",
    bad="orch 1\neffect mail(to: Text?) { key = to }",
    good='orch 1\neffect mail(to: Text?) { key = to ?? "desk" }',
)
NOTHING_TO_REVERT = define(
    "E0706",
    "nothing-to-revert",
    "`{name}` has nothing to revert",
    explanation="`revert NAME` undoes the effects of that statement, and of what is nested in it, through their "
    "`undo`. Without one there is nothing that it could do.",
    bad=in_flow("step draft = Draft(topic) by ann\nstep url = publish(note: draft)\nrevert url\nreturn draft"),
    good="orch 1\neffect open(id: Text) { key = id  undo = shut(id: id) }\neffect shut(id: Text) { key = id }\n"
    "flow f(id: Text) -> Text {\n  step opened = open(id: id)\n  revert opened\n  return id\n}",
)
SEVERAL_WAYS = define(
    "E0707",
    "several-ways",
    "`{name}` says by {ways} how it stays single",
    explanation="What is in doubt is settled in one way: by its key, by sending it again, by a check or by a person. "
    "Only beside a key may a person stand, who is asked once the target no longer remembers it.",
    bad="orch 1\neffect mail(to: Text) { key = to  idempotent = true }",
    good="orch 1\neffect mail(to: Text) { key = to }",
)
CHECK_ACTS = define(
    "E0708",
    "check-acts",
    "`{check}` checks `{name}` and is not `idempotent`",
    explanation="A check may be asked any number of times, so it must change nothing.",
    bad="orch 1\neffect pay(id: Text) -> Text { check = paid(id: id) }\neffect paid(id: Text) -> Text? { key = id }",
    good="orch 1\neffect pay(id: Text) -> Text { check = paid(id: id) }\n"
    "effect paid(id: Text) -> Text? { idempotent = true }",
)
CHECK_RESULT = define(
    "E0709",
    "check-result",
    "the check of `{name}` gives {found}, expected {expected}",
    explanation="A check says whether it was done: with none that it was not, else with the receipt.",
    bad="orch 1\neffect pay(id: Text) -> Text { check = paid(id: id) }\n"
    "effect paid(id: Text) -> Bool { idempotent = true }",
    good="orch 1\neffect pay(id: Text) -> Text { check = paid(id: id) }\n"
    "effect paid(id: Text) -> Text? { idempotent = true }",
)
DOUBT_ASKS_NOBODY = define(
    "E0710",
    "doubt-asks-nobody",
    "in doubt a person is asked, and `{who}` is {kind}",
    explanation="Whether something was done to the outside world is not guessed: who is asked looks, and answers.",
    bad=PRELUDE + "effect mail(note: Note) { in_doubt = ask(ann, within: 1d) }",
    good=PRELUDE + "human eve fulfills Draft\neffect mail(note: Note) { in_doubt = ask(eve, within: 1d) }",
)
SAYS_NOTHING = define(
    "W0711",
    "says-nothing",
    "`{attribute}` changes nothing at `{name}`",
    explanation="`settles` is waited before a check or a person is asked; `remembers` is how long a target knows a "
    "key; `in_doubt` beside a key is for what the target has forgotten.",
    bad="orch 1\neffect mail(to: Text) { key = to  settles = 1min }",
    good="orch 1\neffect mail(to: Text) { key = to }",
    severity="warning",
)
NOBODY_AFTER = define(
    "W0712",
    "nobody-after",
    "nobody is asked about `{name}` once its target has forgotten the key",
    explanation="After that time it cannot be sent again, since the target would do it twice. Without "
    "`in_doubt = ask(WHO, within: 1d)` the step fails with `in_doubt`, and the run names it.",
    bad="orch 1\neffect mail(to: Text) { key = to  remembers = 30d }",
    good="orch 1\ncontract Look(to: Text) -> Bool\nhuman eve fulfills Look\n"
    "effect mail(to: Text) { key = to  remembers = 30d  in_doubt = ask(eve, within: 1d) }",
    severity="warning",
)
KEY_OF_AGENT = define(
    "E0713",
    "key-of-agent",
    "the key of `{effect}` reads `{param}`, which `{contract}` does not hand to `{agent}`",
    explanation="An agent may be asked twice, and may then say something else. What is the same deed must not "
    "depend on that: where an agent does an effect, each parameter in its key is one of the contract, by name and "
    "type, and comes from there. At a contract that does not hand it over, the agent cannot do the effect.",
    bad=spec("contract Pay(id: Text) -> Note\nagent cy fulfills Pay { effects = [publish] }"),
    good=spec(
        "contract Pay(id: Text) -> Note\neffect refund(id: Text, why: Text) { key = id }\n"
        "agent cy fulfills Pay { effects = [refund] }"
    ),
)
REUSED_DEED = define(
    "E0714",
    "reused-deed",
    "`{contract}` is reused, and `{agent}` may do `{effect}` at it",
    explanation="A value that is used again does nothing to the outside world, so whether the effect is done would "
    "depend on who came first.",
    bad=spec("contract Pay(note: Note) -> Note { reuse = 1d }\nagent cy fulfills Pay { effects = [publish] }"),
    good=spec("contract Pay(note: Note) -> Note\nagent cy fulfills Pay { effects = [publish] }"),
)
RACE_OF_DEEDS = define(
    "E0715",
    "race-of-deeds",
    "`{agent}` is {raced}, and may do `{effect}`, which has no key",
    explanation="Who loses a race may have done it already, and the winner would do it again: a key makes both one "
    "deed.",
    bad=spec(
        "effect mail(topic: Text) { idempotent = true }\n"
        "agent cy fulfills Draft { effects = [mail]  timeout = 30s }\n"
        "flow f(t: Text) -> Note {\n  step d = Draft(t) by first of [ann, cy]\n  return d\n}"
    ),
    good=spec(
        "effect mail(topic: Text) { key = topic }\n"
        "agent cy fulfills Draft { effects = [mail]  timeout = 30s }\n"
        "flow f(t: Text) -> Note {\n  step d = Draft(t) by first of [ann, cy]\n  return d\n}"
    ),
)
EVAL_ACTS = define(
    "E0716",
    "eval-acts",
    "`{agent}` evaluates, and may do `{effect}`",
    explanation="An eval looks at what was done and never changes the outcome; it may be left out of most runs. So "
    "whoever evaluates does nothing to the outside world.",
    bad=spec(
        "contract Score(note: Note) -> Float\nagent cy fulfills Score { effects = [publish]  timeout = 30s }\n"
        "flow f(t: Text) -> Note {\n  step d = Draft(t) by ann\n  eval quality = Score(d) by cy { sample = 10% }\n"
        "  return d\n}"
    ),
    good=spec(
        "contract Score(note: Note) -> Float\nagent cy fulfills Score { timeout = 30s }\n"
        "flow f(t: Text) -> Note {\n  step d = Draft(t) by ann\n  eval quality = Score(d) by cy { sample = 10% }\n"
        "  return d\n}"
    ),
)
NO_DEADLINE = define(
    "A0717",
    "no-deadline",
    "`{name}` has no `timeout`: a request that gets no reply is waited for without end",
    explanation="In doubt a check or a person is asked, and a doubt begins with the deadline of the send. Without a "
    "`timeout` only a handler that raises `InDoubt`, or a crash, begins one.",
    bad="orch 1\neffect pay(id: Text) -> Text { check = paid(id: id) }\n"
    "effect paid(id: Text) -> Text? { idempotent = true }",
    good="orch 1\neffect pay(id: Text) -> Text { check = paid(id: id)  timeout = 10s }\n"
    "effect paid(id: Text) -> Text? { idempotent = true }",
    severity="advice",
)
