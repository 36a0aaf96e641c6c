"""E07xx: effects that do not say how they stay single."""

from __future__ import annotations

from orchspec.compiler.codes.samples import PRELUDE, in_flow, spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "CONSTANT_KEY",
    "NOTHING_TO_REVERT",
    "NO_KEY",
    "SAME_KEY_IN_LOOP",
    "UNDO_OF_UNDO",
    "UNKEYABLE",
]

NO_KEY = define(
    "E0701",
    "no-key",
    "the effect `{name}` does not say how it stays single",
    explanation="After a crash nobody knows whether the request arrived, so it is sent again. `key = EXPR` lets "
    "the target "
    "drop the repeat: the same key means the same deed.",
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
    "would be "
    "one deed. Move the effect out of the loop, or let its key depend on what differs.",
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
