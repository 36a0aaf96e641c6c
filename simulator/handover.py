"""A planned change of engines (`upgrade`): the old one leaves in order, and a newer build takes over the store.

The old engine does what a process does that is asked to stop (`runtime.driver`: `EngineLoop.drain`):

1. From the moment on it sends nothing new, no task, no question and no effect, and lets no new run in; clients keep
   asking. What comes back is still handled and committed.
2. It leaves once nothing is under way, or after a grace of two seconds, as soon as what it has handled is durable.
3. It gives the lease back. The newer build takes it, with the next epoch, and folds the journals under the plans that
   the runs are pinned to; what was decided and not sent, and what was cut short, it sends again as after any restart.

So nothing that was handled is lost, and only attempts longer than the grace are paid for twice. New runs begin under
the plan of the newer build, which here is the same one: what a changed spec means to a run that is under way is decided
by people (`orch resume --upgrade`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.commands import AskPerson, CheckEffect, RunTask, TryEffect
from orchspec.simulator.breakdowns import IN_PLACE
from orchspec.simulator.crashes import Crashed

if TYPE_CHECKING:
    from orchspec.simulator.breakdowns import Breakdown
    from orchspec.simulator.clock import Clock
    from orchspec.simulator.faults import Crash

__all__ = ["GRACE_US", "Handover"]

GRACE_US: Final = 2_000_000
"""How long an engine that leaves waits for what is under way, and then for its last commit: as the driver does."""
_SENDS: Final = (RunTask, AskPerson, TryEffect, CheckEffect)

_Acts = dict[type, Callable[[str, Any], None]]


class Handover:
    """The engine that is about to leave, if it is; `leaving` is the fault that asked it to."""

    __slots__ = ("_acts", "_clock", "_graces", "leaving")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.leaving: Crash | None = None
        self._acts: _Acts = {}
        self._graces = 0

    def begin(self, upgrade: Crash, acts: _Acts) -> _Acts:
        """The engine is asked to leave; gives what it still does of `acts`."""
        clock = self._clock
        if self.leaving is not None:
            return acts
        self.leaving, self._acts, self._graces = upgrade, acts, 0
        clock.at(clock.now + GRACE_US, self._time_is_up, (clock.epoch, 0))
        return {**acts, **dict.fromkeys(_SENDS, _keep)}

    def _time_is_up(self, event: Any) -> None:
        if event.value == (self._clock.epoch, self._graces) and self.leaving is not None:
            self._next_grace()

    def _next_grace(self) -> None:
        """What was under way has had its time, or is over: from now on the last commit has."""
        clock = self._clock
        self._graces += 1
        if self._graces == 1:
            clock.at(clock.now + GRACE_US, self._time_is_up, (clock.epoch, 1))

    def leave_if_done(self) -> None:
        """Raises Crashed, the way out of an engine, once it may leave."""
        clock, upgrade = self._clock, self.leaving
        engine = clock.engine
        if upgrade is None or engine is None:
            return
        durable = clock.writing.flying is None and engine.committer.idle
        idle = not clock.attempts.busy and not clock.targets.busy
        if idle and not durable and not self._graces:
            self._next_grace()
        if (durable and idle) or self._graces > (not durable):
            raise Crashed(upgrade)

    def instead_of(self, crash: Crash | Breakdown) -> Crash | Breakdown:
        """What ends an engine that this strikes: if it was about to leave and its process lives on, that it leaves."""
        return self.leaving if self.leaving is not None and crash.name in IN_PLACE else crash

    def over(self, acts: _Acts) -> _Acts:
        """The engine is gone, in order or by a crash: gives what the next one does."""
        before, self.leaving = self.leaving, None
        return acts if before is None else self._acts


def _keep(_run: str, _command: Any) -> None:
    """It is in the journal, and sent by who comes after."""
