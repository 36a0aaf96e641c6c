"""What the kernel asks for. Commands are imperative; a driver carries them out and reports what happened as events.

A command's id is the sequence number of the record that caused it and its index there. Two manners of command:

* *inner* ones speak to the dispatcher, the ledger, the reuse table and the timers; they act at once, on uncommitted
  state, because a crash undoes them together with their cause;
* *outward* ones (`outward = True`) can be seen from outside; they wait for the commit that holds their cause.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    from orchspec.runtime.kernel.menus import Menu

__all__ = [
    "AnswerCall",
    "ArmTimer",
    "AskPerson",
    "AwaitSignal",
    "CheckEffect",
    "ClaimEffect",
    "Command",
    "DropTimer",
    "EndRun",
    "HoldGrant",
    "KeepReuse",
    "KeepTurn",
    "LookupReuse",
    "ReleaseGrant",
    "RequestGrant",
    "RunTask",
    "SettleEffect",
    "StopTask",
    "TryEffect",
    "WithdrawSignal",
]


@dataclass(slots=True)
class RequestGrant:
    """Ask the dispatcher for one of `candidates` (in order of preference).

    Together with the session that stands beside it in `sessions`; `keys` are those of persistent ones, whose version
    (and, for `history`, whose turns) the grant is to tell. `gates` are passed first. `watch`: which quantile of the
    times of such work the grant is to tell, as (contract, a share for each candidate, 0 for none). `prefer = whole`
    asks for all candidates at once, each whole: a critical section over tools. `draws`: for each candidate the model
    that it works on and how many tokens it may take of it, where a model has limits.
    """

    place: int
    attempt: int
    candidates: tuple[str, ...]
    prefer: str = "in_order"
    urgency: int = 0
    sessions: tuple[tuple[str, str], ...] = ()
    gates: tuple[str, ...] = ()
    watch: tuple[str, tuple[float, ...]] | None = None
    keys: tuple[tuple[str, str], ...] = ()
    history: bool = False
    draws: tuple[tuple[str, int], ...] = ()
    outward: ClassVar[bool] = False


@dataclass(slots=True)
class HoldGrant:
    """After a crash: the grant that the journal says is open counts as taken again.

    With `gates` that were passed for it, and the tokens that it `draws` of its model once more; with `tools` it is that
    of a critical section over them.
    """

    place: int
    attempt: int
    agent: str
    session: str = ""
    gates: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    draws: tuple[tuple[str, int], ...] = ()
    outward: ClassVar[bool] = False


@dataclass(slots=True)
class ReleaseGrant:
    """Close a grant or withdraw its request. `outcome`: ok, failed (counts for the breaker) or stopped (does not).

    `used`: how many tokens it took of a model with limits; None where nobody said, so it may have taken all of them.
    """

    place: int
    attempt: int
    outcome: str
    used: int | None = None
    outward: ClassVar[bool] = False


@dataclass(slots=True)
class RunTask:
    """Have `agent` do one attempt. `inputs` are inner values in the order of the contract's parameters.

    `deadline_us` is absolute (None: none), `previous_error` tells a retry why; `history` is that of the session:
    pairs of inputs and output, JSON of the edge, oldest first. `reserved_pico`, `reserved_tokens`: what the attempt
    may spend, 0 where nothing bounds it. `inbox` are the messages to the agent: channel, sender, values by name.
    `menu`: what the lead of a `supervise`, or a peer, may choose from.

    Of a persistent `session` the engine fills in the history, up to `version`, the newest turns that fit into `room`
    tokens (negative: all). `history_tokens` are what the history that is handed over takes, as far as that is known.
    """

    place: int
    attempt: int
    dispatch: int
    agent: str
    contract: str
    inputs: list[Any]
    model: str | None = None
    deadline_us: int | None = None
    previous_error: str | None = None
    history: list[Any] = field(default_factory=list)
    reserved_pico: int = 0
    reserved_tokens: int = 0
    inbox: list[Any] = field(default_factory=list)
    menu: Menu | None = None
    session: str = ""
    version: int = 0
    room: int = -1
    history_tokens: int = 0
    outward: ClassVar[bool] = True


@dataclass(slots=True)
class AskPerson:
    """Put a question to a person; the answer comes as `QuestionAnswered`.

    `doubt`: where the question is whether an effect was done, the key that its target received.
    """

    place: int
    attempt: int
    dispatch: int
    agent: str
    contract: str
    inputs: list[Any]
    deadline_us: int | None = None
    inbox: list[Any] = field(default_factory=list)
    doubt: str = ""
    menu: Menu | None = None
    outward: ClassVar[bool] = True


@dataclass(slots=True)
class AnswerCall:
    """Answer what an attempt asked of us under the number `call`: it is done, or `problem` says why not.

    Of an effect: `receipt` is JSON of the edge, and `code` tells kinds of problems apart.
    """

    place: int
    attempt: int
    dispatch: int
    call: int
    problem: str | None = None
    code: str = ""
    receipt: Any = None
    outward: ClassVar[bool] = True


@dataclass(slots=True)
class StopTask:
    """Stop the attempt (withdraw the question). Only its costs count from here."""

    place: int
    attempt: int
    dispatch: int
    agent: str
    person: bool = False
    outward: ClassVar[bool] = True


@dataclass(slots=True)
class AwaitSignal:
    """Wait for a signal; it comes as `SignalReceived`.

    `key` is the hash of signal and arguments, `inputs` are the arguments themselves (inner values). `since_us`: from
    when on it is waited for, so that the oldest waiter stays the oldest through a crash. What is put in after
    `deadline_us` is not for this waiter.
    """

    place: int
    signal: str
    key: str
    inputs: list[Any]
    since_us: int
    deadline_us: int | None = None
    outward: ClassVar[bool] = True


@dataclass(slots=True)
class WithdrawSignal:
    """Nobody at this place waits for the signal any more."""

    place: int
    signal: str
    key: str
    outward: ClassVar[bool] = True


@dataclass(slots=True)
class ClaimEffect:
    """Ask the ledger whose effect this is.

    `key` is the hash of effect and key expression, `args_hash` that of the arguments. An undo names what it `undoes`:
    ledger key and generation. `again`: what another run has done is not joined but done anew.
    """

    place: int
    effect: str
    key: str
    args_hash: str
    undoes: tuple[str, int] | None = None
    again: bool = False
    outward: ClassVar[bool] = False


@dataclass(slots=True)
class TryEffect:
    """Send the effect. `target_key` is what the target receives: it holds no run, place or attempt.

    `args` are inner values.
    """

    place: int
    attempt: int
    dispatch: int
    effect: str
    args: list[Any]
    target_key: str
    deadline_us: int | None = None
    outward: ClassVar[bool] = True


@dataclass(slots=True)
class CheckEffect:
    """Ask the world, by the idempotent effect `check`, whether an effect was done; it comes as `EffectChecked`.

    `target_key` is what the target of that effect received. `args` are inner values.
    """

    place: int
    attempt: int
    dispatch: int
    check: str
    args: list[Any]
    target_key: str
    deadline_us: int | None = None
    outward: ClassVar[bool] = True


@dataclass(slots=True)
class SettleEffect:
    """Tell the ledger how a claim ended.

    `confirmed` (with the receipt), `not_done`, `undone`, `withdrawn`, or `in_doubt`: nobody will say.
    """

    place: int
    effect: str
    key: str
    generation: int
    state: str
    receipt: Any = None
    outward: ClassVar[bool] = False


@dataclass(slots=True)
class ArmTimer:
    """Fire `timer` of the place at `at_us`; arming it again moves it."""

    place: int
    timer: str
    at_us: int
    attempt: int = 0
    outward: ClassVar[bool] = False


@dataclass(slots=True)
class DropTimer:
    """Forget a timer."""

    place: int
    timer: str
    outward: ClassVar[bool] = False


@dataclass(slots=True)
class LookupReuse:
    """Ask whether identical work is done (answered at once), under way (answered when it ends), or ours to do.

    `ours`: after a crash, who was at it says so again, and awaits no answer.
    """

    place: int
    key: str
    ours: bool = False
    outward: ClassVar[bool] = False


@dataclass(slots=True)
class KeepReuse:
    """End our claim on a piece of reusable work: with its verified value, kept for `ttl_us` (None.

    Within this run), or failed.
    """

    place: int
    key: str
    ok: bool
    value: Any = None
    ttl_us: int | None = None
    outward: ClassVar[bool] = False


@dataclass(slots=True)
class KeepTurn:
    """Append a verified turn to a persistent session, of which the task has seen `version`; JSON of the edge.

    `inputs` None: `output` is a summary that takes the place of all turns.
    """

    place: int
    session: str
    version: int
    inputs: Any
    output: Any
    tokens: int
    outward: ClassVar[bool] = False


@dataclass(slots=True)
class EndRun:
    """The run has ended; nothing of it is open. `result` is JSON of the edge.

    `waited_us`: for how long its outcome stood and only evals were waited for.
    """

    place: int
    status: str
    result: Any = None
    error: dict[str, Any] | None = None
    waited_us: int = 0
    outward: ClassVar[bool] = True


Command: TypeAlias = (
    RequestGrant
    | HoldGrant
    | ReleaseGrant
    | RunTask
    | AskPerson
    | AnswerCall
    | AwaitSignal
    | StopTask
    | WithdrawSignal
    | ClaimEffect
    | TryEffect
    | CheckEffect
    | SettleEffect
    | ArmTimer
    | DropTimer
    | LookupReuse
    | KeepReuse
    | KeepTurn
    | EndRun
)
