"""E053x: the states of machines and the transitions between them."""

from __future__ import annotations

from orchspec.compiler.codes.samples import spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "BAD_INITIAL",
    "DEAD_TRANSITION",
    "EVENT_WITHOUT_VALUE",
    "FAILS_EXHAUSTED",
    "LEAVES_FINAL",
    "NO_EXHAUSTED",
    "NO_FINAL",
    "NO_WAY_ON",
    "NO_WAY_OUT",
    "UNBOUNDED_MACHINE",
    "UNKNOWN_EVENT",
    "UNREACHABLE_STATE",
]


def _machine(states: str) -> str:
    return spec("machine m(topic: Text) -> Note {\n" + states + "\n}")


_DRAFT = "  initial state write {\n    step draft = Draft(topic) by ann\n"
_END = "  final state end { return write.draft }"
_GOOD = _machine(_DRAFT + "    on done -> end\n  }\n" + _END)

BAD_INITIAL = define(
    "E0531",
    "bad-initial",
    "`{machine}` has {found}, and needs one",
    explanation="A machine begins in its one `initial state`.",
    bad=_machine(
        "  state write {\n    step draft = Draft(topic) by ann\n    on done -> end\n  }\n"
        "  final state end { return { text: topic, score: 0.5 } }"
    ),
    good=_GOOD,
)
NO_FINAL = define(
    "E0532",
    "no-final",
    "`{machine}` has no final state, so it never ends",
    explanation="A machine ends in a `final state`, which returns its value.",
    bad=_machine(_DRAFT + "  }"),
    good=_GOOD,
)
UNKNOWN_EVENT = define(
    "E0533",
    "unknown-event",
    "nothing in a state is called `{name}`",
    explanation="A transition is on `done`, `failed`, `timeout` or `exhausted`, or on a signal.",
    bad=_machine(_DRAFT + "    on don -> end\n    on done -> end\n  }\n" + _END),
    good=_GOOD,
)
EVENT_WITHOUT_VALUE = define(
    "E0534",
    "event-without-value",
    "`{name}` has {what}",
    explanation="Only signals have arguments, and a value that `as` can name.",
    bad=_machine(_DRAFT + "    on done as x -> end\n  }\n" + _END),
    good=_GOOD,
)
UNREACHABLE_STATE = define(
    "E0535",
    "unreachable-state",
    "no transition leads to `{name}`",
    explanation="Every state can be reached from the initial one.",
    bad=_machine(_DRAFT + "    on done -> end\n  }\n  state lost { on done -> end }\n" + _END),
    good=_GOOD,
)
NO_WAY_OUT = define(
    "E0536",
    "no-way-out",
    "no final state can be reached from {names}",
    explanation="Wherever a machine is, some sequence of transitions leads to its end.",
    bad=_machine(
        "  budget { transitions <= 5 }\n"
        + _DRAFT
        + "    on done when draft.score > 0.5 -> end\n    on done -> stuck\n  }\n"
        "  state stuck { on done -> stuck }\n" + _END
    ),
    good=_GOOD,
)
UNBOUNDED_MACHINE = define(
    "E0537",
    "unbounded-machine",
    "nothing bounds how often {states} {follow}",
    explanation="Every circle of states has a bound: `visits` of a state on it, or `transitions` in the budget of the "
    "machine.",
    bad=_machine(_DRAFT + "    on done when draft.score > 0.5 -> end\n    on done -> write\n  }\n" + _END),
    good=_machine(
        "  budget { transitions <= 5 }\n"
        + _DRAFT
        + "    on done when draft.score > 0.5 -> end\n    on done -> write\n  }\n"
        + _END
    ),
)
NO_WAY_ON = define(
    "E0538",
    "no-way-on",
    "`{name}` may be done and lead nowhere",
    explanation="When a state is done the machine goes on: its transitions on `done` end with one without a guard.",
    bad=_machine(_DRAFT + "    on done when draft.score > 0.5 -> end\n  }\n" + _END),
    good=_GOOD,
)
NO_EXHAUSTED = define(
    "E0539",
    "no-exhausted",
    "`{name}` is never exhausted: it has no `visits`",
    explanation="`visits` bounds how often a state is entered, and `on exhausted` says where the machine goes instead.",
    bad=_machine(
        _DRAFT + "    on done -> end\n    on exhausted -> give_up\n  }\n"
        "  final state give_up { return { text: topic, score: 0.0 } }\n" + _END
    ),
    good=_machine(
        _DRAFT + "    visits = 3\n    on done when draft.score > 0.5 -> end\n    on done -> write\n"
        "    on exhausted -> give_up\n  }\n  final state give_up { return { text: topic, score: 0.0 } }\n" + _END
    ),
)
FAILS_EXHAUSTED = define(
    "A0542",
    "fails-exhausted",
    "once its visits are spent, `{name}` fails the machine: it has no `on exhausted`",
    severity="advice",
    explanation="A state whose `visits` are spent is not entered again. `on exhausted -> STATE` without a guard says "
    "where the machine goes instead; without one the machine fails, and undoes what it did.",
    bad=_machine(
        _DRAFT + "    visits = 3\n    on done when draft.score > 0.5 -> end\n    on done -> write\n  }\n" + _END
    ),
    good=_machine(
        _DRAFT + "    visits = 3\n    on done when draft.score > 0.5 -> end\n    on done -> write\n"
        "    on exhausted -> give_up\n  }\n  final state give_up { return { text: topic, score: 0.0 } }\n" + _END
    ),
)
LEAVES_FINAL = define(
    "E0540",
    "leaves-final",
    "`{name}` is final, and nothing leads on from there",
    explanation="A machine ends in a final state, so its transitions would never be taken.",
    bad=_machine(
        _DRAFT + "    on done -> end\n  }\n  final state end {\n    return write.draft\n    on done -> write\n  }"
    ),
    good=_GOOD,
)
DEAD_TRANSITION = define(
    "E0541",
    "dead-transition",
    "this transition is never taken",
    explanation="Transitions on one event are tried in written order, so what stands below one without a guard is "
    "never reached.",
    bad=_machine(_DRAFT + "    on done -> end\n    on done when draft.score > 0.5 -> end\n  }\n" + _END),
    good=_GOOD,
)
