"""An effect where nobody is in doubt: claimed, sent, confirmed or refused, tried again, given up.

What the target receives is a hash of what tells the effect apart and of its generation. With a key that is its value:
no run, place or attempt is in it, so the target drops whatever we repeat. Without one it is the run and the place.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import canonical_json
from orchspec.runtime.draws import JITTER, uniform
from orchspec.runtime.kernel.commands import (
    ArmTimer,
    ClaimEffect,
    DropTimer,
    HoldGrant,
    ReleaseGrant,
    RequestGrant,
    SettleEffect,
    TryEffect,
)
from orchspec.runtime.kernel.frames import Activity, Failure
from orchspec.runtime.kernel.program import CompiledEffect, Link, rest_us
from orchspec.runtime.kernel.table import CLAIMING, CLOSED, DOUBT, QUEUED, RESTING, SENT, TIMER_OF
from orchspec.runtime.kernel.tasks import follow
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import Backoff, Policy
    from orchspec.runtime.kernel.events import EffectClaimed, EffectConfirmed, EffectRefused, TaskEnrolled
    from orchspec.runtime.kernel.frames import Frame

__all__ = ["Deed", "Done", "ledger_key_of", "target_key"]


def ledger_key_of(effect: str, key: Any) -> str:
    """What the ledger knows an effect by: a hash of its name and of what tells it apart."""
    return hashlib.sha256(canonical_json([effect, key]).encode()).hexdigest()


def target_key(ledger_key: str, generation: int) -> str:
    """What the target receives as idempotency key: 64 hex digits."""
    return hashlib.sha256(f"{ledger_key}:{generation}".encode()).hexdigest()


class Deed(Activity):
    """One effect under way: what it is, and what becomes of it where nobody is in doubt."""

    __slots__ = (
        "args",
        "args_hash",
        "asked",
        "attempt",
        "deadline_us",
        "discarded",
        "dispatch",
        "doubted",
        "effect",
        "first_us",
        "gates",
        "generation",
        "intent",
        "ledger_key",
        "links",
        "policy",
        "question",
        "refusals",
        "rest_at_us",
        "undoes",
        "was_in_doubt",
    )

    ledger_key: str
    generation: int
    intent: int

    def _ask(self) -> None:
        """Ask a person whether it was done."""
        raise NotImplementedError

    def _drop_question(self) -> None:
        """Whoever was asked need not answer."""
        raise NotImplementedError

    def _give_up(self, why: str) -> None:
        """Nobody will say what is true."""
        raise NotImplementedError

    def begin(
        self,
        effect: CompiledEffect,
        args: list[Any],
        key: Any,
        policy: Policy,
        links: tuple[Link, ...],
        undoes: Done | None = None,
        *,
        gates: tuple[str, ...] | None = None,
    ) -> None:
        """Claim it. `key` is the value of the key expression, or what tells it apart where it has none.

        What undoes is told apart by what it undoes, so that each generation has its own. `gates` are the limits that
        each send passes, by default those of the effect.
        """
        kernel = self.kernel
        self.effect = effect
        self.args = args
        self.policy = policy
        self.links = links
        self.undoes = (undoes.ledger_key, undoes.generation) if undoes is not None else None
        if effect.key is None and key is None:
            key = [kernel.run, self.path()]
        if undoes is None:
            self.ledger_key = ledger_key_of(effect.name, key)
        else:
            identity = [effect.name, key, undoes.ledger_key, undoes.generation]
            self.ledger_key = hashlib.sha256(canonical_json(identity).encode()).hexdigest()
        self.args_hash = hashlib.sha256(canonical_json(args).encode()).hexdigest()
        self.generation = 0
        self.attempt = 1
        self.dispatch = 0
        self.refusals = 0
        self.rest_at_us = 0
        self.first_us: int | None = None
        self.deadline_us: int | None = None
        self.discarded = False
        self.doubted = False
        self.asked = 0
        self.gates = gates if gates is not None else effect.gates
        self.was_in_doubt = False
        self.question: Activity | None = None
        kernel.intents += 1
        self.intent = kernel.intents
        self.state = CLAIMING
        self._claim()

    def _claim(self) -> None:
        kernel = self.kernel
        again = kernel.again and self.undoes is None and not self._stands()
        kernel.out.append(
            ClaimEffect(self.place, self.effect.name, self.ledger_key, self.args_hash, self.undoes, again)
        )

    def _stands(self) -> bool:
        """Whether the same stands in this run already, done or inherited: then it is joined, also by what does anew."""
        seen: dict[Frame, None] = {}
        for activity in self.kernel.places[1:]:
            frame = activity.frame if activity is not None else None
            while frame is not None and frame not in seen:
                seen[frame] = None
                frame = frame.parent
        return any(done.ledger_key == self.ledger_key for frame in seen for done in frame.effects)

    def claimed(self, event: EffectClaimed) -> None:
        """The ledger answered.

        Send it, take the receipt of whoever did it, or see that the key stands for something else.
        """
        kernel = self.kernel
        kernel.decide("claimed", event.standing)
        self.generation = event.generation
        if event.standing == "own":
            if self.discarded:
                self._settle("not_done", None)
                self._withdraw()
                return
            self._send()
        elif event.standing == "confirmed":
            self._joined(event)
        elif event.standing == "doubt":
            # Whoever did it gave up asking; a key that the target has forgotten cannot be sent.
            self.first_us = None
            self._ask()
        elif event.standing == "withdrawn":
            self._withdraw()
        elif event.standing == "passed":
            self.state = CLOSED
            self.owner.child_skipped(self)
        else:
            message = (
                f"{self.path()}: the key of {self.effect.name} stands for other arguments already; "
                "give the key what tells them apart"
            )
            self._fail(Failure("effect_conflict", message, self.path()))

    def _joined(self, event: EffectClaimed) -> None:
        try:
            receipt = self.effect.codec.decode_result(event.receipt)
        except InvalidValue as error:
            self._fail(Failure("bad_receipt", f"{self.path()}: {error}", self.path()))
            return
        self.state = CLOSED
        if self.undoes is None:
            # Who joins needs the effect as much as its owner does: the ledger sees to it that the last undoes it.
            self._keep(Done(self, receipt))
        self._tell(receipt)

    # -------------------------------------------------------------- sending

    def _send(self) -> None:
        """Send it, or ask its limits for leave first."""
        if not self.gates:
            self._sent()
            return
        self.was_in_doubt = self.state == DOUBT
        self.state = QUEUED
        self._request()

    def _request(self) -> None:
        gates = self.gates
        self.kernel.out.append(RequestGrant(self.place, self.attempt, gates[-1:], gates=gates[:-1]))

    def enrolled(self, _event: TaskEnrolled) -> None:
        """Its limits let it go."""
        self._sent()

    def _release(self, outcome: str) -> None:
        """Whatever became of the send, its limits are free of it."""
        if self.gates and self.state in (SENT, QUEUED):
            given = outcome if self.state == SENT else "stopped"
            self.kernel.out.append(ReleaseGrant(self.place, self.attempt, given))

    def _hold(self) -> None:
        """After a crash: what was sent still holds what it had."""
        if self.gates:
            self.kernel.out.append(HoldGrant(self.place, self.attempt, self.gates[-1], gates=self.gates[:-1]))

    def _sent(self) -> None:
        kernel = self.kernel
        self.state = SENT
        if self.first_us is None:
            self.first_us = kernel.now
        self._arm(self.policy.timeout_us)
        self._try()

    def _arm(self, timeout_us: int | None) -> None:
        self.deadline_us = None
        if timeout_us is not None:
            self.deadline_us = self.kernel.now + timeout_us
            self.kernel.out.append(ArmTimer(self.place, "attempt", self.deadline_us, self.attempt))

    def _try(self) -> None:
        key = target_key(self.ledger_key, self.generation)
        self.kernel.out.append(
            TryEffect(self.place, self.attempt, self.dispatch, self.effect.name, self.args, key, self.deadline_us)
        )

    def confirmed(self, event: EffectConfirmed) -> None:
        """It happened, whichever of our sends it was that did it."""
        self._drop_timer()
        self._release("ok")
        self._drop_question()
        if event.cost_pico:  # it is known when it is done, so nothing was reserved
            self.account.charge(event.cost_pico, 0)
        self._confirm(event.receipt)

    def _confirm(self, given: Any) -> None:
        try:
            receipt = self.effect.codec.decode_result(given)
        except InvalidValue as error:
            if self.undoes is None:
                # It happened, so the ledger must know and the scope must answer for it; but what came back is no
                # receipt, so nothing that needs one may go on.
                self._settle("confirmed", None)
                self._keep(Done(self, None, spoiled=str(error)))
                self._fail(Failure("bad_receipt", f"{self.path()}: {error}", self.path()))
                return
            receipt = None  # what is undone is undone, whatever its target says about it
        self._settle("confirmed", given)
        self.kernel.steps += 1
        self.state = CLOSED
        if self.undoes is None:
            self._keep(Done(self, receipt))
        self._tell(receipt)

    def _keep(self, done: Done) -> None:
        self.frame.effects.append(done)

    def _tell(self, receipt: Any) -> None:
        if self.discarded:
            self.owner.child_stopped(self)
        else:
            self.owner.child_done(self, receipt)

    def refused(self, event: EffectRefused) -> None:
        """It did not happen: try again as the policy says, or give up."""
        kernel = self.kernel
        self._drop_timer()
        self._release("failed")
        self.refusals += 1
        if self.discarded:
            self._not_done(event.message)
            return
        if self.refusals < self.policy.attempts and (self.undoes is not None or self.account.may_retry()):
            if self.undoes is None:
                self.account.count_retry()
            kernel.decide("retry", event.message)
            self._rest(RESTING, "backoff", self.policy.backoff, event.retry_after_us)
            return
        if self.doubted:
            self._give_up(f"it was refused ({event.message}), and an earlier request may have landed")
            return
        self._settle("not_done", None)
        kernel.decide("failed", event.message)
        self._fail(Failure("effect_refused", f"{self.effect.name}: {event.message}", self.path()))

    def _not_done(self, why: str) -> None:
        """Nobody wants it any more, and it was not done."""
        if self.doubted:
            self._give_up(f"it was refused ({why}), and an earlier request may have landed")
            return
        self._settle("not_done", None)
        self._withdraw()

    # -------------------------------------------------------------- resting, and ending

    def _rest(self, state: int, timer: str, backoff: Backoff | None, at_least_us: int) -> None:
        wait_us = rest_us(backoff, self.attempt, at_least_us, lambda: uniform(self.key(), self.attempt + 1, JITTER))
        self._wait(state, timer, self.kernel.now + wait_us)

    def _wait(self, state: int, timer: str, at_us: int) -> None:
        self.attempt += 1
        self.dispatch = 0
        self.state = state
        self.rest_at_us = at_us
        self.kernel.out.append(ArmTimer(self.place, timer, at_us, self.attempt))

    def _drop_timer(self) -> None:
        if self.state in (DOUBT, RESTING):
            self.kernel.out.append(DropTimer(self.place, TIMER_OF[self.state]))
        elif self.deadline_us is not None:
            self.deadline_us = None
            self.kernel.out.append(DropTimer(self.place, "attempt"))

    def _settle(self, state: str, receipt: Any) -> None:
        self.kernel.out.append(
            SettleEffect(self.place, self.effect.name, self.ledger_key, self.generation, state, receipt)
        )

    def _fail(self, failure: Failure) -> None:
        self.state = CLOSED
        if self.discarded:
            self.owner.child_stopped(self)
        else:
            follow(self, failure, tuple(link for link in self.links if link.kind != "ask"))

    def stop(self) -> None:
        """Give up what was not sent; wait for what was, since it may have landed.

        A claim is withdrawn, and the ledger's answer waited for: it may be on its way, and may make us the owner.
        """
        if self.state == RESTING and not self.doubted:
            self.kernel.out.append(DropTimer(self.place, "backoff"))
            self._settle("not_done", None)
            self._withdraw()
            return
        if self.state == QUEUED and not self.was_in_doubt and not self.doubted:
            self._release("stopped")
            self._settle("not_done", None)
            self._withdraw()
            return
        if self.state == CLAIMING:
            self._settle("withdrawn", None)
        self.discarded = True

    def _withdraw(self) -> None:
        self.state = CLOSED
        self.owner.child_stopped(self)


class Done:
    """An effect that this run owns and that has happened: what its undo needs.

    `spoiled` says why its receipt cannot be used (None: it can). `by` is the statement (its index) that did it in the
    block whose frame answers for it: the effect step itself, or what encloses it there.
    """

    __slots__ = ("activity", "args", "args_hash", "by", "generation", "intent", "ledger_key", "receipt", "spoiled")

    def __init__(self, activity: Deed, receipt: Any, spoiled: str | None = None) -> None:
        self.spoiled = spoiled
        self.activity = activity
        self.by = activity.op.index
        self.args = activity.args
        self.args_hash = activity.args_hash
        self.receipt = receipt
        self.ledger_key: str = activity.ledger_key
        self.generation: int = activity.generation
        self.intent = activity.intent
