"""What runs a block in a frame of its own and may try again: called flows and scopes.

An attempt is one frame. What an attempt did is undone before the next one begins, so each starts from where the first
one started; tasks that ran are run again. `timeout` bounds an attempt; the time of the step's budget bounds them all,
rests included. What no retry cures (a budget that is used up, a task that kills engines) is not tried again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchspec.runtime.draws import JITTER, uniform
from orchspec.runtime.kernel.commands import ArmTimer, DropTimer, HoldGrant, ReleaseGrant, RequestGrant
from orchspec.runtime.kernel.frames import STOPPED, Failure, Frame
from orchspec.runtime.kernel.program import Link, rest_us
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.table import CLOSED, OPEN

if TYPE_CHECKING:
    from orchspec.compiler.plan import Policy
    from orchspec.runtime.kernel.events import TaskEnrolled, TimerFired

__all__ = ["Enclosing", "ends_at"]

_FOR_GOOD: Final = frozenset({"budget_exhausted", "poison"})
"""Failures that are not tried again."""


class Enclosing(Region):
    """A block under way in a frame of its own. `inner` is None between two attempts.

    Subclasses make the frame (`_frame`) and say how long an attempt may take (`_limits`). Where it has limits of its
    own (`gates`), or is a critical section (`tools`), each attempt is asked for first (`asked` until it is granted),
    and what it got is released when it has ended and unwound.
    """

    __slots__ = (
        "asked",
        "attempt",
        "deadline_us",
        "ends_us",
        "gates",
        "inner",
        "links",
        "policy",
        "rest_at_us",
        "tools",
    )

    def prepare(
        self,
        policy: Policy,
        ends_us: int | None,
        links: tuple[Link, ...],
        gates: tuple[str, ...] = (),
        tools: tuple[str, ...] = (),
    ) -> None:
        """Before the first attempt, which `go_on` makes; all of them end at `ends_us`."""
        self._open()
        self.gates = gates
        self.tools = tools
        self.asked = False
        self.policy = policy
        self.links = links
        self.ends_us = ends_us
        self.attempt = 1
        self.inner: Frame | None = None
        self.deadline_us: int | None = None
        self.rest_at_us: int | None = None
        if ends_us is not None:
            self.kernel.out.append(ArmTimer(self.place, "time", ends_us))

    def _frame(self, label: str) -> Frame:
        """The frame of attempt `attempt`, its slots filled."""
        raise NotImplementedError

    def _allowed_us(self) -> tuple[int | None, str]:
        """How long an attempt may take (microseconds, None: for ever), and the code of the failure when it is over."""
        return self.policy.timeout_us, "timeout"

    def _try(self) -> None:
        self.rest_at_us = None
        if self.gates or self.tools:
            self.asked = True
            self._request()
        else:
            self._enter()

    def _request(self) -> None:
        gates, tools = self.gates, self.tools
        if tools:
            command = RequestGrant(self.place, self.attempt, tools, "whole", gates=gates)
        else:
            command = RequestGrant(self.place, self.attempt, gates[-1:], gates=gates[:-1])
        self.kernel.out.append(command)

    def enrolled(self, event: TaskEnrolled) -> None:
        """What the attempt needs is there."""
        if not self.asked or event.attempt != self.attempt:
            self.kernel.ignore()
            return
        self.asked = False
        self._enter()

    def _release(self, outcome: str) -> None:
        self.asked = False
        if self.gates or self.tools:
            self.kernel.out.append(ReleaseGrant(self.place, self.attempt, outcome))

    def _enter(self) -> None:
        kernel = self.kernel
        self.inner = self._frame("" if self.attempt == 1 else f"!{self.attempt}")
        allowed_us, _ = self._allowed_us()
        self.deadline_us = None
        if allowed_us is not None:
            self.deadline_us = kernel.now + allowed_us
            kernel.out.append(ArmTimer(self.place, "attempt", self.deadline_us, self.attempt))
        self.inner.start()

    def go_on(self) -> None:
        """From the agenda: the next attempt, unless it was stopped meanwhile."""
        if self.state == OPEN and self.inner is None and not self.asked:
            self._try()

    # -------------------------------------------------------------- as a host

    def frame_done(self, frame: Frame) -> None:
        """Its value is the statement's."""
        self._release("ok")
        self._absorb(frame)
        self._end(frame.value)

    def frame_failed(self, frame: Frame, failure: Failure) -> None:
        """An attempt failed, and has unwound: another one, or the chain."""
        kernel = self.kernel
        self._release("stopped" if self.stopped or failure is STOPPED else "failed")
        if self.stopped or failure is STOPPED or not self._may_retry(failure):
            self._fall(failure, self.links)
            return
        self.account.count_retry()
        kernel.decide("retry", f"{failure.code}: {failure.message}")
        self._drop_deadline()
        self.inner = None
        wait_us = rest_us(self.policy.backoff, self.attempt, 0, lambda: uniform(self.key(), self.attempt, JITTER))
        self.attempt += 1
        if wait_us > 0:
            self.rest_at_us = kernel.now + wait_us
            kernel.out.append(ArmTimer(self.place, "backoff", self.rest_at_us, self.attempt))
        else:
            kernel.resume(self)

    def _may_retry(self, failure: Failure) -> bool:
        if self.attempt >= self.policy.attempts or failure.code in _FOR_GOOD:
            return False
        if self.ends_us is not None and self.kernel.now >= self.ends_us:
            return False
        return self.account.may_retry()

    # -------------------------------------------------------------- time

    def timer(self, event: TimerFired) -> None:
        """The end of a rest, of an attempt, or of all of them; one that fires again, or too late, is ignored."""
        inner = self.inner
        if event.timer == "backoff":
            if self.rest_at_us is None or event.attempt != self.attempt:
                self.kernel.ignore()
                return
            self._try()
        elif event.timer == "attempt":
            if inner is None or inner.failing is not None or event.attempt != self.attempt:
                self.kernel.ignore()
                return
            _, code = self._allowed_us()
            what = "took too long" if code == "timeout" else "used up its time budget"
            inner.fail(Failure(code, f"{self.path()} {what}", self.path()))
        else:
            self._spend(Failure("budget_exhausted", f"{self.path()} used up its time budget", self.path()))

    def _spend(self, failure: Failure) -> None:
        if self.inner is None:
            self._fall(failure, self.links)
        elif self.inner.failing is None:
            self.inner.fail(failure)
        else:
            self.kernel.ignore()

    def fail(self, failure: Failure) -> None:
        """Its account is exhausted: the attempt that is under way fails, or the whole before it begins."""
        if self.inner is not None:
            self.inner.fail(failure)
        else:
            self._fall(failure, self.links)

    def _drop_deadline(self) -> None:
        if self.deadline_us is not None:
            self.deadline_us = None
            self.kernel.out.append(DropTimer(self.place, "attempt"))

    def _close(self) -> None:
        self.state = CLOSED
        if self.asked:
            self._release("stopped")
        self._drop_deadline()
        if self.rest_at_us is not None:
            self.kernel.out.append(DropTimer(self.place, "backoff"))
        if self.ends_us is not None:
            self.kernel.out.append(DropTimer(self.place, "time"))

    def stop(self) -> None:
        """Stop the block; between two attempts there is nothing to stop."""
        self.stopped = True
        if self.inner is not None:
            self.inner.stop()
        else:
            self._fall(STOPPED)

    def reissue(self) -> None:
        """What it asked for or holds, and the deadlines; what the block has open is issued by itself."""
        out = self.kernel.out
        if self.asked:
            self._request()
        elif self.inner is not None and self.tools:
            out.append(HoldGrant(self.place, self.attempt, "", gates=self.gates, tools=self.tools))
        elif self.inner is not None and self.gates:
            out.append(HoldGrant(self.place, self.attempt, self.gates[-1], gates=self.gates[:-1]))
        if self.ends_us is not None:
            out.append(ArmTimer(self.place, "time", self.ends_us))
        if self.rest_at_us is not None:
            out.append(ArmTimer(self.place, "backoff", self.rest_at_us, self.attempt))
        elif self.deadline_us is not None:
            out.append(ArmTimer(self.place, "attempt", self.deadline_us, self.attempt))


def ends_at(now_us: int, time_us: int | None) -> int | None:
    """When a time that begins now is over, microseconds; None for none."""
    return None if time_us is None else now_us + time_us
