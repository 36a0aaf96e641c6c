"""What becomes of a run as a whole: it goes on under another plan, or it is the beginning of another run.

Both are records like any other, so that folding a journal meets them where they happened.

An *upgrade* comes after records that the new plan reproduces by place, attempt and key. What is under way keeps what it
was asked with: inputs, deadlines, rests. Budgets, policies, and whatever begins later are those of the new plan.

A *fork* comes after the records of its parent up to a checkpoint at which nothing was under way. From here on the run
has a name of its own. Effects that the parent did before are its inheritance, not its own: it undoes none of them and
sends none again. What was asked for and had no answer is asked for again, in its own name. Time stood still between the
checkpoint and the fork, so deadlines move with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.applying import Applying
from orchspec.runtime.kernel.commands import ArmTimer
from orchspec.runtime.kernel.deeds import ledger_key_of
from orchspec.runtime.kernel.signals import Awaiting
from orchspec.runtime.kernel.table import CLAIMING, CLOSED, LOOKING, RUNNING, ImpossibleEvent
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.kernel.values import InvalidValue, Unverified
from orchspec.runtime.kernel.waits import Waiting

if TYPE_CHECKING:
    from orchspec.runtime.kernel.events import PlanUpgraded, RunForked
    from orchspec.runtime.kernel.frames import Activity
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["kept_of", "plan_upgraded", "run_forked"]

_KEPT: Final = ("deadline_us", "rest_at_us", "within_at_us", "opens_us", "since_us", "first_us")
"""Moments that belong to what was asked for, not to the plan."""
_MOMENTS: Final = (*_KEPT, "ends_us", "wake_at_us")
"""All moments that an activity waits for, or counts from."""


def kept_of(activity: Activity) -> dict[str, Any]:
    """What an activity that is under way was asked with, as JSON; empty for one that asks nothing of anybody."""
    if not isinstance(activity, (Task, Applying, Awaiting, Waiting)):
        return {}
    kept = {name: moment for name in _KEPT if (moment := getattr(activity, name, None)) is not None}
    if isinstance(activity, Task) and activity.state == RUNNING:
        kept["inputs"] = activity.kernel.program.contracts[activity.asking.contract].encode_inputs(activity.inputs)
    return kept


def plan_upgraded(kernel: Kernel, event: PlanUpgraded) -> None:
    """The plan is another one from here on; what is under way keeps what it was asked with."""
    if kernel.root is None:
        raise ImpossibleEvent(f"run {kernel.run} was upgraded before it started")
    kernel.decide("upgraded", event.plan_hash)
    for place, kept in event.kept.items():
        activity: Any = kernel.places[int(place)]
        for name in _KEPT:
            if hasattr(activity, name):
                setattr(activity, name, kept.get(name))
        if "inputs" in kept:
            try:
                activity.inputs = kernel.program.contracts[activity.asking.contract].decode_inputs(kept["inputs"])
            except (InvalidValue, Unverified) as error:
                raise ImpossibleEvent(f"{activity.path()}: what it was asked with does not fit: {error}") from None


def run_forked(kernel: Kernel, event: RunForked) -> None:
    """From here on it is a run of its own."""
    if kernel.root is None:
        raise ImpossibleEvent(f"run {event.parent} was forked before it started")
    kernel.decide("forked", f"{event.parent} at {event.checkpoint}")
    kernel.run = event.run
    kernel.again = event.again
    kernel.inherited = kernel.intents
    if kernel.deadline_us is not None:
        kernel.deadline_us += event.moved_us
        kernel.out.append(ArmTimer(0, "time", kernel.deadline_us))
    for activity in kernel.places[1:]:
        if activity is None or activity.state == CLOSED:
            continue
        for name in _MOMENTS:
            moment = getattr(activity, name, None)
            if moment is not None:
                setattr(activity, name, moment + event.moved_us)
        if isinstance(activity, Applying) and activity.state == CLAIMING:
            _claim_anew(kernel, activity)
        elif isinstance(activity, Task) and activity.state == LOOKING:
            activity.name_work()


def _claim_anew(kernel: Kernel, effect: Applying) -> None:
    """What the parent had asked for and not got is not inherited: it is ours to ask for."""
    kernel.intents += 1
    effect.intent = kernel.intents
    if effect.effect.key is None:
        effect.ledger_key = ledger_key_of(effect.effect.name, [kernel.run, effect.path()])
