"""What may happen to a run. Events are in the past tense; all that the kernel ever learns stands in them.

Every event has `time` (integer microseconds since the epoch of the driver's clock) and `place` (the integer of the
place in its run that it concerns; 0 is the run itself). Slotted and not frozen, since two of them are made for each
attempt: nobody changes one that has been handled.

`rank` orders what happens at one instant: answers from outside before outcomes of work, outcomes before grants, all
of them before timers, so that what was put in by a deadline wins over it. Both drivers sort by `(rank, run, place,
attempt, dispatch)`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

from orchspec.runtime.kernel.life import CancelRequested, EngineRecovered, PlanUpgraded, RunForked, RunStarted

__all__ = [
    "EVENT_TYPES",
    "CancelRequested",
    "CostReported",
    "EffectChecked",
    "EffectClaimed",
    "EffectConfirmed",
    "EffectRefused",
    "EffectRequested",
    "EffectUnknown",
    "EngineRecovered",
    "Event",
    "MessagePosted",
    "PlanUpgraded",
    "QuestionAnswered",
    "ReuseAnswered",
    "RunForked",
    "RunStarted",
    "SignalReceived",
    "TaskEnrolled",
    "TaskFailed",
    "TaskFulfilled",
    "TaskStopped",
    "TimerFired",
    "event_body",
    "event_from_body",
]


@dataclass(slots=True)
class QuestionAnswered:
    """A person answered: `value` as JSON of the edge, `by` who.

    `cost_pico` is what their answer cost; None where nobody said, so that it costs what was reserved for it.
    """

    time: int
    place: int
    attempt: int
    value: Any
    by: str
    rank: ClassVar[int] = 3
    dispatch: int = 0
    cost_pico: int | None = None


@dataclass(slots=True)
class SignalReceived:
    """A signal came that a place waits for: `value` as JSON of the edge."""

    time: int
    place: int
    value: Any
    rank: ClassVar[int] = 3
    attempt: int = 0
    dispatch: int = 0


@dataclass(slots=True)
class TaskFulfilled:
    """The agent gave an output (JSON of the edge, not verified yet). Usage is None where the agent did not say.

    `tool_us`: how long at least one of its calls of tools was under way, their waits included.
    """

    time: int
    place: int
    attempt: int
    dispatch: int
    output: Any
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_pico: int | None = None
    tool_calls: int = 0
    tool_us: int = 0
    rank: ClassVar[int] = 4


@dataclass(slots=True)
class TaskFailed:
    """The attempt failed. `sent` False.

    Provably nothing was asked of the agent, its reservation is given back whole.
    """

    time: int
    place: int
    attempt: int
    dispatch: int
    code: str
    message: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_pico: int | None = None
    tool_calls: int = 0
    sent: bool = True
    retry_after_us: int = 0
    tool_us: int = 0
    rank: ClassVar[int] = 4


@dataclass(slots=True)
class MessagePosted:
    """An agent at work posts a message: `args` by name, JSON of the edge, not verified yet.

    `call` numbers what the attempt asks of us, for the answer.
    """

    time: int
    place: int
    attempt: int
    dispatch: int
    call: int
    channel: str
    args: Any
    rank: ClassVar[int] = 4


@dataclass(slots=True)
class EffectRequested:
    """An agent at work asks for an effect: `args` by name, JSON of the edge, not verified yet.

    `call` numbers what the attempt asks of us, for the answer.
    """

    time: int
    place: int
    attempt: int
    dispatch: int
    call: int
    effect: str
    args: Any
    rank: ClassVar[int] = 4


@dataclass(slots=True)
class TaskStopped:
    """The attempt that was told to stop has stopped: its grant may close. `tool_us` as in `TaskFulfilled`."""

    time: int
    place: int
    attempt: int
    dispatch: int = 0
    tool_calls: int = 0
    tool_us: int = 0
    rank: ClassVar[int] = 5


@dataclass(slots=True)
class CostReported:
    """Late costs of an attempt that was stopped; always charged."""

    time: int
    place: int
    attempt: int
    tokens_in: int | None
    tokens_out: int | None
    cost_pico: int | None
    rank: ClassVar[int] = 5
    dispatch: int = 0


@dataclass(slots=True)
class EffectClaimed:
    """The ledger's answer to a claim.

    `standing`: `own` (send it), `confirmed` (done: `receipt`), `conflict` (the key stands for other arguments), or,
    to the claim of an undo, `passed` (others still need what would be undone, and own it now); `withdrawn` if it
    was given up while it waited; `doubt` if whoever had it does not know whether it was done.
    """

    time: int
    place: int
    standing: str
    generation: int = 0
    receipt: Any = None
    rank: ClassVar[int] = 6
    attempt: int = 0
    dispatch: int = 0


@dataclass(slots=True)
class EffectConfirmed:
    """The target did it: `receipt` as JSON of the edge, `cost_pico` what it asks for it."""

    time: int
    place: int
    attempt: int
    dispatch: int
    receipt: Any = None
    cost_pico: int = 0
    rank: ClassVar[int] = 4


@dataclass(slots=True)
class EffectRefused:
    """The target says that it did not do it."""

    time: int
    place: int
    attempt: int
    dispatch: int
    message: str
    retry_after_us: int = 0
    rank: ClassVar[int] = 4


@dataclass(slots=True)
class EffectUnknown:
    """Nobody knows whether it was done: in doubt."""

    time: int
    place: int
    attempt: int
    dispatch: int
    message: str
    rank: ClassVar[int] = 4


@dataclass(slots=True)
class EffectChecked:
    """The check of an effect in doubt answered: `receipt` as JSON of the edge, none if it was not done.

    `known` False: the check itself failed, as `message` says.
    """

    time: int
    place: int
    attempt: int
    dispatch: int
    known: bool
    receipt: Any = None
    message: str = ""
    rank: ClassVar[int] = 4


@dataclass(slots=True)
class ReuseAnswered:
    """The answer to a look-up of identical work: a verified value (JSON of the edge), or that it must be done."""

    time: int
    place: int
    hit: bool
    value: Any = None
    rank: ClassVar[int] = 6
    attempt: int = 0
    dispatch: int = 0


@dataclass(slots=True)
class TaskEnrolled:
    """The dispatcher granted `agent`: an agent, or what else was asked for (the gate of an effect, tools).

    `waited_us` since the request, for `waited_for` (slot, rate, breaker, session, section, model rate, model tokens, or
    nothing). `usual_us`: how long such work takes at the quantile that was asked for, where that is known.

    `version` and `tokens` of the persistent session that was granted with the agent: its newest turn, and what its
    turns take of a context; its `history` itself only for who summarizes it.
    """

    time: int
    place: int
    attempt: int
    agent: str
    waited_us: int = 0
    waited_for: str = ""
    usual_us: int | None = None
    version: int = 0
    tokens: int = 0
    history: Any = None
    rank: ClassVar[int] = 7
    dispatch: int = 0


@dataclass(slots=True)
class TimerFired:
    """A timer of a place came due; `timer` names which of that place's."""

    time: int
    place: int
    timer: str
    attempt: int = 0
    rank: ClassVar[int] = 8
    dispatch: int = 0


Event: TypeAlias = (
    RunStarted
    | RunForked
    | PlanUpgraded
    | EngineRecovered
    | CancelRequested
    | QuestionAnswered
    | SignalReceived
    | TaskFulfilled
    | TaskFailed
    | MessagePosted
    | TaskStopped
    | CostReported
    | EffectClaimed
    | EffectConfirmed
    | EffectRefused
    | EffectRequested
    | EffectUnknown
    | EffectChecked
    | ReuseAnswered
    | TaskEnrolled
    | TimerFired
)

EVENT_TYPES: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        RunStarted,
        RunForked,
        PlanUpgraded,
        EngineRecovered,
        CancelRequested,
        QuestionAnswered,
        SignalReceived,
        TaskFulfilled,
        TaskFailed,
        MessagePosted,
        TaskStopped,
        CostReported,
        EffectClaimed,
        EffectConfirmed,
        EffectRefused,
        EffectRequested,
        EffectUnknown,
        EffectChecked,
        ReuseAnswered,
        TaskEnrolled,
        TimerFired,
    )
}

_FIELDS: dict[type, tuple[str, ...]] = {
    kind: tuple(f.name for f in fields(kind) if f.name not in {"time", "place"}) for kind in EVENT_TYPES.values()
}
_DEFAULTS: dict[type, dict[str, Any]] = {
    kind: {f.name: f.default for f in fields(kind)} for kind in EVENT_TYPES.values()
}


def event_body(event: Event) -> dict[str, Any]:
    """The fields of an event but time and place, as JSON-able data, those left at their default omitted."""
    kind = type(event)
    defaults = _DEFAULTS[kind]
    body: dict[str, Any] = {}
    for name in _FIELDS[kind]:
        value = getattr(event, name)
        if value != defaults[name] or value is not defaults[name]:
            body[name] = value
    return body


def event_from_body(kind: str, time: int, place: int, body: dict[str, Any]) -> Event:
    """The inverse of `event_body`. Raises KeyError for an unknown kind, TypeError for a body that does not fit it."""
    cls = EVENT_TYPES[kind]
    known = {name: body[name] for name in _FIELDS[cls] if name in body}
    return cls(time=time, place=place, **known)
