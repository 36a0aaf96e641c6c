"""How long each single thing may be waited for, as the plan and the profiles say of it.

An attempt ends with its deadline, a rest with its backoff, a timer fires when it is due. What each kind of wait may
take is a function under `@bounded`; a wait without one is bounded by what is waited for there. `holding` holds runs to
them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel import commands as said
from orchspec.runtime.kernel.deeds import Deed
from orchspec.runtime.kernel.seeking import Seeking

if TYPE_CHECKING:
    from orchspec.compiler.plan import Backoff, Plan
    from orchspec.runtime.recording import EventRecord
    from orchspec.simulator.chaos.proven import Proven

__all__ = ["BOUNDED", "Wait", "bounded", "in_words"]

SECOND: Final = 1_000_000
_GRACE_US: Final = 10 * SECOND
_RESEND: Final = (1 * SECOND, 60 * SECOND)
"""How something in doubt is sent again where no backoff says how."""
_DOUBLINGS_MAX: Final = 40


@dataclass(slots=True)
class Wait:
    """Something that is waited for.

    Attributes:
        what: in words, to follow the path of the place.
        most_us: for how long at most, and `by` what that is said.
        profiled: whether it is a profile that says so, not the plan.
    """

    what: str
    most_us: float
    by: str
    profiled: bool = False


BOUNDED: Final[dict[type, Callable[[Any, Proven, EventRecord, Any], Wait]]] = {}
"""What a command that begins a wait waits for, by its type: from plan, what is proved, record and command."""


def bounded(command: type) -> Callable[[Any], Any]:
    """Registers what a command waits for."""

    def register(function: Any) -> Any:
        BOUNDED[command] = function
        return function

    return register


# ------------------------------------------------------------------ what each may take


def _answer(proven: Proven, name: str, timeout_us: int | None, what: str) -> Wait:
    """The answer of somebody outside: within its deadline, else as long as the profile says."""
    if timeout_us is not None:
        return Wait(what, timeout_us, "its timeout")
    usual_us = proven.usual_us.get(name, math.inf)
    return Wait(what, usual_us, f"the profile of {name}", profiled=True)


@bounded(said.RunTask)
@bounded(said.AskPerson)
def _attempt(_plan: Plan, proven: Proven, record: EventRecord, command: Any) -> Wait:
    task = record.kernel.places[command.place]
    assert isinstance(task, Seeking)
    timeouts = [seat.timeout_us for seat in task.asking.seats if seat.agent == command.agent]
    what = f"attempt {command.attempt} by {command.agent}"
    return _answer(proven, command.agent, timeouts[0] if timeouts else None, what)


@bounded(said.TryEffect)
def _send(_plan: Plan, proven: Proven, record: EventRecord, command: Any) -> Wait:
    deed = record.kernel.places[command.place]
    timeout_us = deed.policy.timeout_us if isinstance(deed, Deed) else None
    return _answer(proven, command.effect, timeout_us, f"the reply of {command.effect}")


@bounded(said.CheckEffect)
def _check(plan: Plan, proven: Proven, _record: EventRecord, command: Any) -> Wait:
    timeout_us = plan.effects[command.check].policy.timeout_us
    return _answer(proven, command.check, timeout_us, f"the check {command.check}")


@bounded(said.AwaitSignal)
def _signal(_plan: Plan, proven: Proven, _record: EventRecord, command: Any) -> Wait:
    return _answer(proven, command.signal, None, f"the signal {command.signal}")


@bounded(said.StopTask)
def _stop(_plan: Plan, _proven: Proven, _record: EventRecord, command: Any) -> Wait:
    return Wait(f"the end of attempt {command.attempt}", _GRACE_US, "the grace")


@bounded(said.ArmTimer)
def _timer(plan: Plan, _proven: Proven, record: EventRecord, command: Any) -> Wait:
    timer, due_us = command.timer, max(0, command.at_us - record.event.time)
    found = Wait(f"the timer {timer}", due_us, "when it was due")
    if timer == "backoff":
        found.what, found.by = f"the rest before attempt {command.attempt}", "its backoff"
        found.most_us = min(due_us, _rest_us(record, command))
    elif timer == "settle":
        found.what, found.by = "the rest of what is in doubt", "backoff and `settles`"
        found.most_us = min(due_us, _doubt_us(plan, record, command))
    return found


def _rest_us(record: EventRecord, command: Any) -> float:
    """The longest backoff of whoever may be asked."""
    activity: Any = record.kernel.places[command.place]
    if isinstance(activity, Seeking):
        rests = [seat.backoff for seat in activity.asking.seats]
    else:
        policy = getattr(activity, "policy", None)
        rests = [policy.backoff if policy is not None else None]
    return max((_doubled_us(each, command.attempt - 1) for each in rests), default=0)


def _doubled_us(backoff: Backoff | None, retry: int) -> int:
    if backoff is None:
        return 0
    return min(backoff.from_us << min(max(0, retry - 1), _DOUBLINGS_MAX), max(backoff.from_us, backoff.to_us))


def _doubt_us(plan: Plan, record: EventRecord, command: Any) -> float:
    deed = record.kernel.places[command.place]
    if not isinstance(deed, Deed):
        return math.inf
    effect = plan.effects[deed.effect.name]
    backoffs = [deed.policy.backoff]
    if effect.check is not None:
        backoffs.append(plan.effects[effect.check.effect].policy.backoff)
    rest_us = max(
        min(_RESEND[0] << min(max(0, command.attempt - 2), _DOUBLINGS_MAX), _RESEND[1])
        if each is None
        else _doubled_us(each, command.attempt - 1)
        for each in backoffs
    )
    return max(rest_us, effect.settles_us + (deed.policy.timeout_us or 0))


def in_words(us: float) -> str:
    """A time as people read it."""
    if us == math.inf:
        return "for ever"
    for size, name, lesser, short in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if us >= 2 * size * SECOND:
            whole, rest = divmod(round(us / SECOND), size)
            return f"{whole} {name}" + (f" {rest // lesser} {short}" if rest // lesser else "")
    return f"{us / SECOND:.3g} s"
