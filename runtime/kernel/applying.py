"""An effect under way: claimed, sent, in doubt, settled.

    claiming ──own──▶ sent ──confirmed──▶ closed
       │               │ ▲ ╲
       │ confirmed     │ │  ╲ refused
       ▼               ▼ │   ▼
     closed (joined)  doubt  resting ──▶ sent
                       │ ▲
                       ▼ │
                 checking, asking ──▶ closed, or sent again

The claim and the intent are durable before anything is sent. What the target receives is a hash of what tells the
effect apart and of the generation: no run, place or attempt is in it where the effect has a key, so the target drops
whatever we repeat. In doubt nothing is guessed:

* with a key, or if it is idempotent, it is sent again until the target says what is true; a key that the target has
  forgotten (`remembers`) is a person's to look up;
* with a check, or a person to ask, nothing is sent before the answer, and nobody is asked before a request can no
  longer be on its way (`settles` after the deadline of the send).

Where the effect or its step has limits of its own (slots, a rate, a breaker), each send is asked for first, and waits
its turn as `queued`; what it holds is released with whatever comes of the send.

An effect whose scope is discarded while it is under way is waited for, since it may have landed; only then can it be
undone. A doubt that nobody settles leaves the effect in doubt: it is named at the end of the run and blocks no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.commands import ArmTimer, CheckEffect
from orchspec.runtime.kernel.deeds import Deed, Done, target_key
from orchspec.runtime.kernel.expressions import Env, ExpressionError
from orchspec.runtime.kernel.frames import Activity, Failure
from orchspec.runtime.kernel.program import RESEND
from orchspec.runtime.kernel.table import ASKING, CHECKING, CLAIMING, CLOSED, DOUBT, QUEUED, RESTING, SENT, TIMER_OF
from orchspec.runtime.kernel.tasks import Asking, Task
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.runtime.kernel.events import EffectChecked, EffectUnknown, TimerFired

__all__ = ["Applying", "Done", "target_key"]


class Applying(Deed):
    """One effect under way, and what settles a doubt. It owns the question to a person whether it was done."""

    __slots__ = ()

    # -------------------------------------------------------------- doubt

    def unknown(self, event: EffectUnknown) -> None:
        """In doubt: nobody knows whether it was done."""
        deadline_us = self.deadline_us
        self._drop_timer()
        self._release("failed")
        self._doubt(event.message, deadline_us)

    def _doubt(self, message: str, deadline_us: int | None) -> None:
        kernel, effect = self.kernel, self.effect
        kernel.decide("in doubt", message)
        self.deadline_us = None
        if effect.resends:
            # A refusal of what is sent again speaks for its key; without one it says nothing of what went before.
            self.doubted = effect.key is None
            self._rest(DOUBT, "settle", self.policy.backoff or RESEND, 0)
            return
        # A request may land for as long as its sender waits, and may still be on its way after that.
        last_us = kernel.now if deadline_us is None else deadline_us
        self._wait(DOUBT, "settle", max(kernel.now, last_us + effect.settles_us))

    def timer(self, event: TimerFired) -> None:
        """A deadline (then it is in doubt) or the end of a rest (then it is sent again, or somebody is asked)."""
        state = self.state
        if state == SENT:
            self._release("failed")
            self._doubt("no reply in time", self.deadline_us)
        elif state == CHECKING:
            self.deadline_us = None
            self._unchecked("the check gave no answer in time")
        elif state == RESTING or (self.effect.resends and not self._forgotten()):
            self._send()
        elif self.effect.check is not None:
            self._check()
        else:
            self._ask()

    def _forgotten(self) -> bool:
        remembers_us = self.effect.remembers_us
        return (
            remembers_us is not None and self.first_us is not None and self.kernel.now >= self.first_us + remembers_us
        )

    def _check(self) -> None:
        effect = self.effect
        assert effect.check is not None
        check = self.kernel.program.effects[effect.check]
        try:
            env = Env(self.args, None)
            args = [arg(env) for arg in effect.check_args]
            check.codec.inputs.check(args)
        except (ExpressionError, InvalidValue) as error:
            self._give_up(f"its check cannot be asked: {error}")
            return
        self.state = CHECKING
        self._arm(check.policy.timeout_us)
        key = target_key(self.ledger_key, self.generation)
        self.kernel.out.append(
            CheckEffect(self.place, self.attempt, self.dispatch, check.name, args, key, self.deadline_us)
        )

    def checked(self, event: EffectChecked) -> None:
        """The check answered: with a receipt it was done, with none it was not; or it failed, and is asked again."""
        self._drop_timer()
        if not event.known:
            self._unchecked(event.message)
            return
        assert self.effect.check is not None
        check = self.kernel.program.effects[self.effect.check]
        try:
            found = check.codec.decode_result(event.receipt)
        except InvalidValue as error:
            self._unchecked(f"{check.name}: {error}")
            return
        if found is None:
            self._was_not_done("the check")
        else:
            self.kernel.decide("settled", "done, says the check")
            self._confirm(event.receipt if self.effect.has_receipt else None)

    def _unchecked(self, why: str) -> None:
        assert self.effect.check is not None
        policy = self.kernel.program.effects[self.effect.check].policy
        self.kernel.decide("still in doubt", why)
        self._rest(DOUBT, "settle", policy.backoff or RESEND, 0)

    def _was_not_done(self, who: str) -> None:
        self.kernel.decide("settled", f"not done, says {who}")
        if self.discarded:
            self._settle("not_done", None)
            self._withdraw()
            return
        self.attempt += 1
        self.dispatch = 0
        self.first_us = None
        self._send()

    # -------------------------------------------------------------- a person

    def _ask(self) -> None:
        effect = self.effect
        if effect.ask is None:
            self._give_up("its target has forgotten the key, and nobody is named who could look")
            return
        seat = effect.ask
        self.asked += 1
        self.state = ASKING
        doubt = target_key(self.ledger_key, self.generation)
        asking = Asking(effect.question, (seat,), within_us=effect.ask_within_us, doubt=doubt)
        label = f"?{seat.agent}" if self.asked == 1 else f"?{seat.agent}#{self.asked}"
        task = Task(self.frame, self.op, self, 0, 0x6_0000 + self.asked, label, asking, self.args)
        task.account = Account(effect.exempt, None, None)  # settling is exempt from budgets
        task.start()

    def adopt(self, child: Activity) -> None:
        """The question whether it was done."""
        self.question = child

    def child_done(self, child: Activity, value: Any) -> None:
        """The person looked."""
        self.question = None
        if not value["done"]:
            self._was_not_done(child.path())
            return
        self.kernel.decide("settled", f"done, says {child.path()}")
        effect = self.effect
        self._confirm(effect.codec.encode_result(value["result"]) if effect.has_receipt else None)

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """Nobody said what is true, so it stays in doubt."""
        self.question = None
        self._give_up(failure.message)

    def child_skipped(self, child: Activity) -> None:
        """A question of ours has no chain."""
        raise AssertionError("a question was skipped")

    def child_stopped(self, child: Activity) -> None:
        """The answer is known from elsewhere."""

    def _drop_question(self) -> None:
        question, self.question = self.question, None
        if question is not None:
            question.stop()

    def _give_up(self, why: str) -> None:
        """Nobody will say what is true: it is named, and whoever claims it next has the doubt."""
        kernel = self.kernel
        self.state = CLOSED
        self._settle("in_doubt", None)
        message = f"nobody knows whether {self.path()} was done: {why}"
        if self.undoes is None:
            kernel.stick(self.path(), message)
        failure = Failure("in_doubt", message, self.path())
        kernel.decide("failed", message)
        self._fail(failure)

    # -------------------------------------------------------------- after a crash

    def reissue(self) -> None:
        """After a crash: whatever was sent is in doubt. With a key it is sent again at once, else somebody is asked."""
        kernel = self.kernel
        state = self.state
        if state == CLAIMING:
            self._claim()
            if self.discarded:
                self._settle("withdrawn", None)
        elif state == QUEUED:
            self._request()
        elif state == SENT and not self.effect.resends:
            self._doubt("the engine crashed while it was under way", self.deadline_us)
        elif state == SENT:
            self._hold()
            self.doubted = self.effect.key is None
            self.dispatch += 1
            if self.deadline_us is not None:
                self._arm(self.policy.timeout_us)
            self._try()
        elif state == CHECKING:
            self.dispatch += 1
            self._check()
        elif state in TIMER_OF:
            kernel.out.append(ArmTimer(self.place, TIMER_OF[state], self.rest_at_us, self.attempt))
