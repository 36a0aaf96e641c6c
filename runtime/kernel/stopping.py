"""Attempts that were told to stop and have not said that they did.

Such an attempt keeps its grant and its reservation; of what it still reports only the costs count. It closes when it
has stopped, or after a grace: what runs on after that is a zombie, and is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import DropTimer, ReleaseGrant
from orchspec.runtime.kernel.pricing import spent

if TYPE_CHECKING:
    from orchspec.compiler.plan import Tier
    from orchspec.runtime.kernel.events import CostReported, TaskFailed, TaskFulfilled
    from orchspec.runtime.kernel.tasks import Task

__all__ = ["Stopping", "charge_late"]


class Stopping:
    """One attempt that is stopping; `reported` once its costs are known and its reservation is closed."""

    __slots__ = ("agent", "dispatch", "outcome", "pico", "reported", "task", "tier", "tokens")

    def __init__(self, task: Task, outcome: str) -> None:
        assert task.seat is not None
        assert task.tier is not None
        self.task = task
        self.agent = task.seat.agent
        self.dispatch = task.dispatch
        self.tier: Tier = task.tier
        self.pico = task.pico
        self.tokens = task.tokens
        self.outcome = outcome
        self.reported = False

    def report(self, event: CostReported | TaskFulfilled | TaskFailed) -> None:
        """What it cost, said once."""
        if self.reported or (event.tokens_in is None and event.tokens_out is None and event.cost_pico is None):
            return
        self.reported = True
        self._settle(event.tokens_in, event.tokens_out, event.cost_pico)

    def close(self, place: int, attempt: int, *, timer: bool = True) -> None:
        """It has stopped, or its grace is over.

        If nobody said what it cost, it may have cost all that it was allowed to.
        """
        kernel = self.task.kernel
        if not self.reported:
            self._settle(None, None, None)
        if timer:
            kernel.out.append(DropTimer(place, f"grace:{attempt}"))
        kernel.out.append(ReleaseGrant(place, attempt, self.outcome))

    def _settle(self, tokens_in: int | None, tokens_out: int | None, cost_pico: int | None) -> None:
        pico, tokens, estimated = spent(self.tier, self.pico, self.tokens, tokens_in, tokens_out, cost_pico)
        account = self.task.account
        account.settle(self.pico, self.tokens, pico, tokens)
        account.waste(pico)
        if estimated:
            account.estimate(pico)
        self.task.kernel.room = True


def charge_late(task: Task, event: CostReported | TaskFulfilled | TaskFailed) -> None:
    """Costs of an attempt that is long over: charged all the same, to nobody's use."""
    if task.tier is None or (event.tokens_in is None and event.tokens_out is None and event.cost_pico is None):
        return
    pico, tokens, _ = spent(task.tier, 0, 0, event.tokens_in, event.tokens_out, event.cost_pico)
    task.account.charge(pico, tokens)
    task.account.waste(pico)
