"""Attempts that were told to stop and have not said that they did.

Such an attempt keeps its grant and its reservation; of what it still reports only the costs count. It closes when it
has stopped, or after a grace: what runs on after that is a zombie, and is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import DropTimer, ReleaseGrant
from orchspec.runtime.kernel.events import CostReported, TaskFailed
from orchspec.runtime.kernel.pricing import spent, used

if TYPE_CHECKING:
    from orchspec.compiler.plan import Tier
    from orchspec.runtime.kernel.events import TaskFulfilled
    from orchspec.runtime.kernel.tasks import Task

__all__ = ["Guess", "Stopping", "charge_late"]


class Guess:
    """What was charged for an attempt whose costs nobody told; what is told later takes its place."""

    __slots__ = ("estimated", "pico", "tier", "tokens")

    def __init__(self, tier: Tier, pico: int, tokens: int, estimated: bool) -> None:
        self.tier = tier
        self.pico = pico
        self.tokens = tokens
        self.estimated = estimated


class Stopping:
    """One attempt that is stopping; `reported` once its costs are known and its reservation is closed."""

    __slots__ = ("agent", "dispatch", "outcome", "pico", "reported", "task", "tier", "tokens", "used")

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
        self.used: int | None = None

    def report(self, event: CostReported | TaskFulfilled | TaskFailed) -> None:
        """What it cost, said once."""
        if isinstance(event, TaskFailed) and not event.sent and not self.reported:
            self.reported = True
            self.used = 0
            self.task.account.settle(self.pico, self.tokens, 0, 0)
            self.task.kernel.room = True
            return
        if self.reported or (event.tokens_in is None and event.tokens_out is None and event.cost_pico is None):
            return
        self.reported = True
        self.used = used(event.tokens_in, event.tokens_out)
        self._settle(event.tokens_in, event.tokens_out, event.cost_pico)

    def close(self, place: int, attempt: int, *, timer: bool = True) -> None:
        """It has stopped, or its grace is over.

        If nobody said what it cost, it may have cost all that it was allowed to.
        """
        kernel = self.task.kernel
        if not self.reported:
            kernel.unreported[place, attempt] = self._settle(None, None, None)
        if timer:
            kernel.out.append(DropTimer(place, f"grace:{attempt}"))
        metered = self.task.asking.metered
        kernel.out.append(ReleaseGrant(place, attempt, self.outcome, self.used if metered else None))

    def _settle(self, tokens_in: int | None, tokens_out: int | None, cost_pico: int | None) -> Guess:
        pico, tokens, estimated = spent(self.tier, self.pico, self.tokens, tokens_in, tokens_out, cost_pico)
        account = self.task.account
        account.settle(self.pico, self.tokens, pico, tokens)
        account.waste(pico)
        if estimated:
            account.estimate(pico)
        self.task.kernel.room = True
        return Guess(self.tier, pico, tokens, estimated)


def charge_late(task: Task, event: CostReported | TaskFulfilled | TaskFailed) -> None:
    """Costs of an attempt that is over: charged all the same, to nobody's use.

    They replace what was guessed. An outcome that comes twice costs once; that of an earlier dispatch is a cost of its
    own, since another engine had asked for it.
    """
    if task.tier is None or (event.tokens_in is None and event.tokens_out is None and event.cost_pico is None):
        return
    account = task.account
    guess = task.kernel.unreported.pop((event.place, event.attempt), None)
    if guess is not None:
        pico, tokens, _ = spent(guess.tier, 0, 0, event.tokens_in, event.tokens_out, event.cost_pico)
        account.charge(pico - guess.pico, tokens - guess.tokens)
        account.waste(pico - guess.pico)
        if guess.estimated:
            account.estimate(-guess.pico)
        task.kernel.room = True
    elif isinstance(event, CostReported) or (event.attempt == task.attempt and event.dispatch < task.dispatch):
        pico, tokens, _ = spent(task.tier, 0, 0, event.tokens_in, event.tokens_out, event.cost_pico)
        account.charge(pico, tokens)
        account.waste(pico)
