"""Steps with a budget of their own: an account for all that they do, and a time for it.

The time holds for the whole step: its queueing, its attempts, its rests, all its items. `Timed` stands between the
block and what the step does, and is not seen: paths and draws are those of the step without it. When the time is up,
what has not ended fails, with the code of an exhausted budget; an effect that was sent is settled first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.commands import ArmTimer, DropTimer
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.table import CLOSED

if TYPE_CHECKING:
    from orchspec.compiler.plan import Budget
    from orchspec.runtime.kernel.events import TimerFired
    from orchspec.runtime.kernel.expressions import FrameLike
    from orchspec.runtime.kernel.frames import Owner
    from orchspec.runtime.kernel.program import Link, Op

__all__ = ["Timed", "limited"]


def limited(frame: Frame, op: Op, budget: Budget | None, links: tuple[Link, ...]) -> tuple[Owner, Account]:
    """Who owns what a step does, and the account that it charges."""
    if budget is None:
        return frame, frame.account
    account = Account(budget, frame.account, None)
    if budget.time_us is None:
        return frame, account
    timed = Timed(frame, op, frame, op.index, op.node, op.name)
    timed.begin(frame.kernel.now + budget.time_us, links)
    return timed, account


class Timed(Region):
    """The time of a step. `child` is what the step does."""

    __slots__ = ("child", "ends_us", "expired", "links")

    def begin(self, ends_us: int, links: tuple[Link, ...]) -> None:
        """From now on; what the step does is adopted next."""
        self._open()
        self.ends_us = ends_us
        self.links = links
        self.child: Activity | None = None
        self.expired: Failure | None = None
        self.reissue()

    def path(self) -> str:
        """That of the block: it is not seen."""
        return self.owner.path()

    def key(self) -> int:
        """That of the block."""
        return self.owner.key()

    # -------------------------------------------------------------- as an owner

    def env(self, child: Activity) -> FrameLike:
        """The block."""
        return self.frame

    def adopt(self, child: Activity) -> None:
        """Keep what the step does."""
        self.child = child

    def child_done(self, child: Activity, value: Any) -> None:
        """In time."""
        self._end(value)

    def child_skipped(self, child: Activity) -> None:
        """Skipped, as its chain says."""
        self._close()
        self.owner.child_skipped(self)

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """Failed, in time or for want of it."""
        self._close()
        self.owner.child_failed(self, failure)

    def child_stopped(self, child: Activity) -> None:
        """Stopped with the block, or since the time is up."""
        failure = self.expired
        if failure is None or self.stopped:
            self._close()
            self.owner.child_stopped(self)
        else:
            self._fall(failure, tuple(link for link in self.links if link.kind != "ask"))

    # -------------------------------------------------------------- time

    def timer(self, event: TimerFired) -> None:
        """The time is up."""
        if self.expired is not None or self.stopped:
            self.kernel.ignore()
            return
        assert self.child is not None
        path = self.child.path()
        self.expired = Failure("budget_exhausted", f"{path} used up its time budget", path)
        self.kernel.decide("budget exhausted", path)
        self.child.expire(self.expired)

    def stop(self) -> None:
        """Stop what the step does."""
        self.stopped = True
        assert self.child is not None
        self.child.stop()

    def _close(self) -> None:
        self.state = CLOSED
        self.kernel.out.append(DropTimer(self.place, "time"))

    def reissue(self) -> None:
        """The time; a crash of ours adds nothing to it."""
        self.kernel.out.append(ArmTimer(self.place, "time", self.ends_us))
