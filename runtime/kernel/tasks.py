"""Tasks: one asking of an agent, with its attempts, its place in the queue, its money and its deadline.

An attempt costs two events: enrolled (an agent and a slot are granted: inputs were distilled, now model, expectation,
session and deadline are fixed, and the attempt is sent once that is durable) and ended (fulfilled or failed: the
output is verified here, and nothing unverified goes further).

`attempt` counts tries that the plan allows; `dispatch` counts re-sends of one attempt after a crash of ours and
enters no key, no draw and no retry budget, but ten of them make the task fail as poison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import JITTER, uniform
from orchspec.runtime.kernel.commands import (
    ArmTimer,
    DropTimer,
    HoldGrant,
    KeepReuse,
    LookupReuse,
    ReleaseGrant,
    StopTask,
)
from orchspec.runtime.kernel.expressions import ExpressionError
from orchspec.runtime.kernel.frames import Activity, Failure
from orchspec.runtime.kernel.hedging import Hedging
from orchspec.runtime.kernel.messages import bind
from orchspec.runtime.kernel.program import Link, rest_us
from orchspec.runtime.kernel.seeking import Asking
from orchspec.runtime.kernel.sends import send
from orchspec.runtime.kernel.sessions import keep, outgrown
from orchspec.runtime.kernel.stopping import Stopping
from orchspec.runtime.kernel.table import (
    CLOSED,
    HEDGED,
    LOOKING,
    QUEUED,
    RESTING,
    RUNNING,
    SETTLING,
    UNFUNDED,
    ImpossibleEvent,
)
from orchspec.runtime.kernel.values import Unverified

if TYPE_CHECKING:
    from orchspec.runtime.kernel.events import (
        QuestionAnswered,
        TaskEnrolled,
        TaskFailed,
        TaskFulfilled,
        TimerFired,
    )

__all__ = ["DISPATCHES_MAX", "GRACE_US", "Asking", "Stopping", "Task", "follow"]

DISPATCHES_MAX: Final = 10
"""An attempt that was under way in this many crashes is poison: it is not sent again."""
GRACE_US: Final = 10_000_000
"""How long a stopped attempt keeps its grant at most; what runs on after that is a zombie."""


class Task(Hedging):
    """One asking of one agent at one place."""

    __slots__ = ()

    # -------------------------------------------------------------- an attempt

    def enrolled(self, event: TaskEnrolled) -> None:
        """An agent is granted: fix model, session and deadline, and send the attempt."""
        kernel = self.kernel
        offers = self.offers
        offer = offers[0]
        if offer[0].agent != event.agent:
            others = [other for other in offers if other[0].agent == event.agent]
            if not others:
                raise ImpossibleEvent(f"{event.agent} was granted to {self.path()}, which did not ask for it")
            offer = others[0]
        if len(offers) > 1:
            self.account.shrink(self.pico - offer[2], self.tokens - offer[3])
            kernel.room = True
        seat, self.tier, self.pico, self.tokens = offer
        self.seat = seat
        self.recall = None
        if seat.mind is not None and outgrown(self, seat, event):
            return
        self.state = RUNNING
        if kernel.mail or self.inbox is not None:
            if self.is_hedge:
                self._read_along(seat.agent)
            else:
                bind(self, seat.agent)
        self.deadline_us = None
        if seat.timeout_us is not None:
            self.deadline_us = kernel.now + seat.timeout_us
            kernel.out.append(ArmTimer(self.place, "attempt", self.deadline_us, self.attempt))
        if seat.double is not None:
            self._arm_hedge(seat, event.usual_us)
        send(self, seat)

    def _drop_timers(self) -> None:
        if self.deadline_us is not None:
            self.kernel.out.append(DropTimer(self.place, "attempt"))
        if self.hedge_after_us is not None:
            self._drop_hedge_timer()

    def fulfilled(self, event: TaskFulfilled) -> None:
        """Charge, verify, and hand on what was verified."""
        assert self.seat is not None
        kernel = self.kernel
        pico = self._settle(event.tokens_in, event.tokens_out, event.cost_pico)
        kernel.tool_calls += event.tool_calls
        if self.deadline_us is not None or self.hedge_after_us is not None:
            self._drop_timers()
        if self.recall is not None and event.tokens_in is not None and event.tokens_out is not None:
            self.recall.usage = event.tokens_in + event.tokens_out
        self._verify(event.output, pico)

    def answered(self, event: QuestionAnswered) -> None:
        """A person answered: what they said is verified like any output."""
        pico = self._settle(None, None, event.cost_pico)
        self._drop_timers()
        self._verify(event.value, pico)

    def _verify(self, output: Any, pico: int) -> None:
        kernel = self.kernel
        asking = self.asking
        try:
            value = kernel.program.contracts[asking.contract].verify(self.inputs, output)
            if asking.vetting is not None:
                asking.vetting.vet(self, value)
        except Unverified as error:
            self._failed("unverified", str(error), pico, 0, "failed")
            return
        if self.recall is not None or asking.recalls:
            self._keep(output)  # before the session is anybody else's
        kernel.out.append(ReleaseGrant(self.place, self.attempt, "ok", self.used if asking.metered else None))
        if self.reuse_key is not None:
            ttl = kernel.program.ttl[self.asking.contract]
            kept_us = ttl if isinstance(ttl, int) else None
            kernel.out.append(KeepReuse(self.place, self.reuse_key, True, output, kept_us))
            self.reuse_key = None
        self._finish(value)

    def _keep(self, output: Any) -> None:
        assert self.seat is not None
        keep(self, self.seat, output)

    def _accept(self, output: Any) -> Any:
        asking = self.asking
        value = self.kernel.program.contracts[asking.contract].verify(self.inputs, output)
        if asking.vetting is not None:
            asking.vetting.vet(self, value)
        return value

    def _finish(self, value: Any) -> None:
        kernel = self.kernel
        if self.hedge is not None:
            self._call_off()
        self.state = CLOSED
        kernel.steps += 1
        kernel.tasks_open -= 1
        if self.within_at_us is not None:
            kernel.out.append(DropTimer(self.place, "within"))
        if self.requests is not None or self.hedge is not None:
            self._settle_deeds("done", value)
        else:
            self.owner.child_done(self, value)

    def _settle_deeds(self, how: str, what: Any = None) -> None:
        """End once what the agent did on its way has settled, or is undone."""
        if self.requests is None:  # what is under way is that of a hedge
            from orchspec.runtime.kernel.requests import Requests

            self.requests = Requests(self)
        self.state = SETTLING
        self.requests.end(how, what)

    def failed(self, event: TaskFailed) -> None:
        """The attempt failed: retry it as the policy says, or give the step up."""
        pico = self._settle(event.tokens_in, event.tokens_out, event.cost_pico, sent=event.sent)
        self.kernel.tool_calls += event.tool_calls
        self._drop_timers()
        self._failed(event.code, event.message, pico, event.retry_after_us, "failed")

    def timer(self, event: TimerFired) -> None:
        """A deadline, the end of a rest, the time for a hedge, or the end of that for a question."""
        if event.timer == "backoff":
            self.fund()
        elif event.timer == "hedge":
            if self.hedge_after_us is None:  # it rang before, and the hedge was sent, or there was no room for it
                self.kernel.ignore()
            else:
                self._send_hedge()
        elif event.timer == "attempt":
            assert self.seat is not None
            message = f"{self.seat.agent} gave no answer within {_seconds(self.seat.timeout_us or 0)}"
            self._stop_attempt("failed")
            self._failed("timeout", message, 0, 0, None)
        else:
            assert event.timer == "within"
            self._leave()
            self._exhausted(
                Failure("timeout", f"nobody answered within {_seconds(self.asking.within_us or 0)}", self.path())
            )

    def _failed(self, code: str, message: str, pico: int, retry_after_us: int, outcome: str | None) -> None:
        assert self.seat is not None
        kernel = self.kernel
        seat = self.seat
        self.account.waste(pico)
        if outcome is not None:
            kernel.out.append(
                ReleaseGrant(self.place, self.attempt, outcome, self.used if self.asking.metered else None)
            )
        self.previous_error = message
        if self.attempt < seat.attempts and code != "poison":
            if self.account.may_retry():
                self.account.count_retry()
                wait_us = rest_us(
                    seat.backoff, self.attempt, retry_after_us, lambda: uniform(self.key(), self.attempt, JITTER)
                )
                kernel.decide("retry", f"{code}: {message}")
                self.attempt += 1
                self.dispatch = 0
                if wait_us > 0:
                    self.state = RESTING
                    self.rest_at_us = kernel.now + wait_us
                    kernel.out.append(ArmTimer(self.place, "backoff", self.rest_at_us, self.attempt))
                else:
                    self.fund()
                return
            message += " (and the retry budget is used up)"
        self._exhausted(Failure(code, message, self.path()))

    def _exhausted(self, failure: Failure) -> None:
        kernel = self.kernel
        if self.hedge is not None:
            self.failure = failure
            self.state = HEDGED
            return
        kernel.decide("failed", f"{failure.code}: {failure.message}")
        self._close_work()
        self.state = CLOSED
        if self.requests is not None:
            self._settle_deeds("failed", failure)
        else:
            follow(self, failure, self.asking.links, self.asking.contract, self.inputs)

    # -------------------------------------------------------------- stopping

    def _stop_attempt(self, outcome: str) -> None:
        # The grant and the reservation stay with the attempt until it has stopped; only its costs still count.
        assert self.seat is not None
        kernel = self.kernel
        self._drop_timers()
        kernel.out.append(StopTask(self.place, self.attempt, self.dispatch, self.seat.agent, self.seat.person))
        if self.seat.person:
            self._settle(None, None, 0)
            kernel.out.append(ReleaseGrant(self.place, self.attempt, outcome))
            return
        kernel.stopping[self.place, self.attempt] = Stopping(self, outcome)
        kernel.out.append(ArmTimer(self.place, f"grace:{self.attempt}", kernel.now + GRACE_US, self.attempt))

    def _leave(self) -> None:
        """Let go of whatever the state holds: a request, a reservation, an attempt, a timer."""
        kernel = self.kernel
        state = self.state
        if state == RUNNING:
            self._stop_attempt("stopped")
        elif state == QUEUED:
            self.account.give_back(self.pico, self.tokens)
            kernel.room = True
            kernel.out.append(ReleaseGrant(self.place, self.attempt, "stopped"))
        elif state == UNFUNDED:
            kernel.unfunded.remove(self)
        elif state == RESTING:
            kernel.out.append(DropTimer(self.place, "backoff"))
        elif self.fold is not None:
            self.fold.stop()

    def stop(self) -> None:
        """Stop; the owner learns at once, the attempt may still take its grace. What it did is undone before that."""
        if self.state != SETTLING:
            self._leave()
            self._call_off()
            self._close_work()
        self.state = CLOSED
        if self.requests is not None or self.hedge is not None:
            self._settle_deeds("stopped")
        else:
            self.owner.child_stopped(self)

    # -------------------------------------------------------------- after a crash

    def reissue(self) -> None:
        """Issue again what has no outcome; an attempt that was under way is sent again as the next dispatch."""
        kernel = self.kernel
        if self.state == SETTLING:
            return
        if self.within_at_us is not None:
            kernel.out.append(ArmTimer(self.place, "within", self.within_at_us))
        if self.state == LOOKING:
            assert self.reuse_key is not None
            kernel.out.append(LookupReuse(self.place, self.reuse_key))
            return
        if self.reuse_key is not None:
            kernel.out.append(LookupReuse(self.place, self.reuse_key, ours=True))
        if self.state == QUEUED:
            self._request()
        elif self.state == RESTING:
            kernel.out.append(ArmTimer(self.place, "backoff", self.rest_at_us, self.attempt))
        elif self.state == RUNNING:
            self._resend()

    def _lock(self) -> str:
        assert self.seat is not None
        return next((lock for agent, lock, _ in self.sessions if agent == self.seat.agent), "")

    def _resend(self) -> None:
        assert self.seat is not None
        kernel = self.kernel
        hold = HoldGrant(self.place, self.attempt, self.seat.agent, self._lock(), self.asking.gates)
        if self.asking.metered and self.tier is not None:
            hold.draws = ((self.tier.model or "", self.tokens),)
        kernel.out.append(hold)
        if self.deadline_us is not None:
            if not self.seat.person:
                # The attempt begins anew: the time that our crash took is not the agent's, and costs no retry.
                self.deadline_us = kernel.now + (self.seat.timeout_us or 0)
            kernel.out.append(ArmTimer(self.place, "attempt", self.deadline_us, self.attempt))
        if self.hedge_after_us is not None:
            kernel.out.append(ArmTimer(self.place, "hedge", kernel.now + self.hedge_after_us, self.attempt))
        self.dispatch += 1
        # A question waits for days, over any number of restarts; asking it again harms nobody.
        if self.dispatch >= DISPATCHES_MAX and not self.seat.person:
            pico = self._settle(None, None, None)
            self._drop_timers()
            message = f"{self.dispatch} engines crashed while {self.seat.agent} was at it: it is not sent again"
            self._failed("poison", message, pico, 0, "failed")
            return
        send(self, self.seat)


def follow(
    activity: Activity, failure: Failure, links: tuple[Link, ...], contract: str = "", inputs: list[Any] | None = None
) -> None:
    """Go along an `on_failure` chain for an activity that failed and is closed."""
    owner = activity.owner
    for position, link in enumerate(links):
        if link.kind == "stop":
            break
        if link.kind == "skip":
            activity.kernel.decide("skipped", failure.code)
            owner.child_skipped(activity)
            return
        if link.kind == "use":
            assert link.value is not None
            try:
                value = link.value(owner.env(activity))
            except ExpressionError as error:
                failure = Failure("expression", f"on_failure of {activity.path()}: {error}", activity.path())
                continue
            activity.kernel.decide("used instead", failure.code)
            owner.child_done(activity, value)
            return
        assert link.kind == "ask"
        assert link.seat is not None
        asking = Asking(contract, (link.seat,), links=links[position + 1 :], within_us=link.within_us)
        label = f"{activity.label}?{link.seat.agent}"
        task = Task(
            activity.frame,
            activity.op,
            owner,
            activity.index,
            activity.ordinal + 0x5_0000 * (position + 1),
            label,
            asking,
            inputs or [],
            activity.frame.urgency,
        )
        task.account = activity.account
        activity.kernel.decide("asked", link.seat.agent)
        task.start()
        return
    owner.child_failed(activity, failure)


def _seconds(us: int) -> str:
    return f"{us / 1_000_000:g} s"
