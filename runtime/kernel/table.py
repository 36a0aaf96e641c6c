"""The tables: which event a place may take in which state, and where that may lead.

States are small integers, named here. A row `(state, event) -> states` is permission, not mechanism: the handler of
the event picks among the successors by its guards (was the output verified? may it be retried?), and an assertion
holds it to the row. An event for a closed place is late and is ignored; an event that has no row is our bug: it
raises `ImpossibleEvent` before anything has changed. The diagrams in the docs are made from these tables, and the
tests drive both ends of each row.
"""

from __future__ import annotations

from typing import Final

from orchspec.runtime.kernel.events import (
    EffectChecked,
    EffectClaimed,
    EffectConfirmed,
    EffectRefused,
    EffectRequested,
    EffectUnknown,
    Event,
    MessagePosted,
    QuestionAnswered,
    ReuseAnswered,
    SignalReceived,
    TaskEnrolled,
    TaskFailed,
    TaskFulfilled,
    TimerFired,
)

__all__ = [
    "ASKING",
    "CHECKING",
    "CLAIMING",
    "CLOSED",
    "DOUBT",
    "EFFECT_TABLE",
    "FOLDING",
    "HEDGED",
    "LOOKING",
    "OPEN",
    "QUEUED",
    "REGION_TABLE",
    "RESTING",
    "RUNNING",
    "SENT",
    "SETTLING",
    "SIGNAL_TABLE",
    "STATE_NAMES",
    "TASK_TABLE",
    "TIMER_OF",
    "UNFUNDED",
    "WAITING",
    "ImpossibleEvent",
    "Table",
]

Table = dict[tuple[int, type[Event]], frozenset[int]]

CLOSED: Final = 0
"""It has ended, one way or another; whatever still comes is late."""
LOOKING: Final = 1
"""A task that asked whether identical work is done."""
UNFUNDED: Final = 2
"""A task that waits for room in a budget."""
QUEUED: Final = 3
"""A task that asked the dispatcher for an agent, an effect that asked for its limits."""
RUNNING: Final = 4
"""A task whose attempt is under way."""
RESTING: Final = 5
"""A task or an effect between two attempts."""
CLAIMING: Final = 6
"""An effect that asked the ledger whose it is."""
SENT: Final = 7
"""An effect whose intent is durable, sent or about to be."""
DOUBT: Final = 8
"""An effect that may or may not have happened; it will be sent again with the same key."""
OPEN: Final = 9
"""A region (repeat, scope, flow, fan-out, arbitration) with something under way inside."""
WAITING: Final = 10
"""A step that waits for a signal."""
CHECKING: Final = 11
"""An effect in doubt whose check was asked."""
ASKING: Final = 12
"""An effect in doubt that a person was asked about."""
SETTLING: Final = 14
"""A task, or a fan-out, that has ended but for effects which are still under way or being undone."""

FOLDING: Final = 15
"""A task that waits until its session has been summarized."""
HEDGED: Final = 13
"""A task whose attempts have failed, while its hedge is still at it."""

STATE_NAMES: Final = {
    CLOSED: "closed",
    LOOKING: "looking",
    UNFUNDED: "unfunded",
    QUEUED: "queued",
    RUNNING: "running",
    RESTING: "resting",
    CLAIMING: "claiming",
    SENT: "sent",
    DOUBT: "in doubt",
    OPEN: "open",
    WAITING: "waiting",
    HEDGED: "hedged",
    FOLDING: "folding",
    CHECKING: "checking",
    ASKING: "asking",
    SETTLING: "settling",
}

_AFTER_FAILURE: Final = frozenset({UNFUNDED, QUEUED, RESTING, HEDGED, SETTLING, CLOSED})

TASK_TABLE: Final[Table] = {
    (LOOKING, ReuseAnswered): frozenset({CLOSED, UNFUNDED, QUEUED}),
    (QUEUED, TaskEnrolled): frozenset({RUNNING, FOLDING, CLOSED}),
    (RUNNING, TaskFulfilled): _AFTER_FAILURE,
    (RUNNING, TaskFailed): _AFTER_FAILURE,
    (RUNNING, QuestionAnswered): _AFTER_FAILURE,
    (RUNNING, TimerFired): _AFTER_FAILURE | {RUNNING},
    (RUNNING, MessagePosted): frozenset({RUNNING}),
    (RUNNING, EffectRequested): frozenset({RUNNING}),
    (RESTING, TimerFired): frozenset({UNFUNDED, QUEUED, HEDGED, SETTLING, CLOSED}),
    (UNFUNDED, TimerFired): frozenset({SETTLING, CLOSED}),
    (QUEUED, TimerFired): frozenset({SETTLING, CLOSED}),
    (FOLDING, TimerFired): frozenset({SETTLING, CLOSED}),
}
"""A task: one asking of one agent. The last three rows are the `within` of a question that nobody took up in time."""

EFFECT_TABLE: Final[Table] = {
    (CLAIMING, EffectClaimed): frozenset({SENT, QUEUED, ASKING, CLOSED}),
    (QUEUED, TaskEnrolled): frozenset({SENT}),
    (QUEUED, EffectConfirmed): frozenset({CLOSED}),
    (SENT, EffectConfirmed): frozenset({CLOSED}),
    (SENT, EffectRefused): frozenset({RESTING, CLOSED}),
    (SENT, EffectUnknown): frozenset({DOUBT}),
    (SENT, TimerFired): frozenset({DOUBT}),
    (DOUBT, EffectConfirmed): frozenset({CLOSED}),
    (DOUBT, TimerFired): frozenset({SENT, QUEUED, CHECKING, ASKING, CLOSED}),
    (CHECKING, EffectChecked): frozenset({SENT, QUEUED, DOUBT, CLOSED}),
    (CHECKING, EffectConfirmed): frozenset({CLOSED}),
    (CHECKING, TimerFired): frozenset({DOUBT}),
    (ASKING, EffectConfirmed): frozenset({CLOSED}),
    (RESTING, TimerFired): frozenset({SENT, QUEUED}),
    (RESTING, EffectConfirmed): frozenset({CLOSED}),
}
"""An effect, or the undoing of one. In doubt it is sent again until its target says what is true, or somebody is asked;
what a person says of it comes to the question, which is a task.

Nothing is guessed. What was refused may yet be confirmed, by an earlier send that was in doubt.
"""

REGION_TABLE: Final[Table] = {
    (OPEN, TaskEnrolled): frozenset({OPEN, CLOSED}),
    (OPEN, TimerFired): frozenset({OPEN, CLOSED}),
}
"""A region only ever takes its own timers (a deadline, the period of a repeat) and what it asked for.

That is the grant of its limits, or of the tools of a critical section.
"""

SIGNAL_TABLE: Final[Table] = {
    (WAITING, SignalReceived): frozenset({WAITING, CLOSED}),
    (WAITING, TimerFired): frozenset({CLOSED}),
}
"""A wait for a signal. A value that is not of the signal's type is refused, and the wait goes on."""

TIMER_OF: Final = {RUNNING: "attempt", SENT: "attempt", RESTING: "backoff", DOUBT: "settle", CHECKING: "attempt"}
"""Which timer a state waits for; any other is late, since a timer may fire twice.

The `within` of a question holds in every state, and an attempt may have a `hedge` beside its deadline.
"""


class ImpossibleEvent(Exception):
    """An event that no driver of ours may send: a bug of Orch, found before it was recorded.

    It halts the run and nothing else.
    """

    code = "impossible_event"
