"""Effects: done to the outside world, once; and their undoing.

    claiming ──own──▶ sent ──confirmed──▶ closed            The claim and the intent are durable before anything is
    sent.
       │               │ ▲ ╲                                What the target receives is a hash of effect, key
       expression and generation: no run, │ confirmed     │ │  ╲ refused                       place or attempt is in
       it, so the target drops whatever we repeat. ▼               ▼ │   ▼
     closed (joined)  doubt  resting ──▶ sent               In doubt it is sent again with the same key, until the
     target says what is true.

An effect whose scope is discarded while it is under way is waited for, since it may have landed; only then can it be
undone. An undo is an effect like any other, with a ledger row of its own; one that the target refuses for good is
stuck: it is named at the end of the run and blocks no other.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Backoff, Policy, canonical_json
from orchspec.runtime.draws import JITTER, mix, uniform
from orchspec.runtime.kernel.commands import ArmTimer, ClaimEffect, DropTimer, SettleEffect, TryEffect
from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure, Frame, Owner
from orchspec.runtime.kernel.program import CompiledEffect, Link, Op, Program, op_for, rest_us
from orchspec.runtime.kernel.steps import Failed
from orchspec.runtime.kernel.table import CLAIMING, CLOSED, DOUBT, RESTING, SENT
from orchspec.runtime.kernel.tasks import follow
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import EffectStep
    from orchspec.runtime.kernel.events import EffectClaimed, EffectConfirmed, EffectRefused, EffectUnknown, TimerFired

__all__ = ["Applying", "Done", "EffectOp", "Unwinding", "target_key"]

RESEND: Final = Backoff(1_000_000, 60_000_000)
"""How an effect in doubt is sent again where its policy names no backoff."""
UNDO: Final = Policy(attempts=10, backoff=RESEND)
"""An undo is worth more patience than its policy may grant: at least this."""


def target_key(ledger_key: str, generation: int) -> str:
    """What the target receives as idempotency key: 64 hex digits."""
    return hashlib.sha256(f"{ledger_key}:{generation}".encode()).hexdigest()


@op_for("effect")
class EffectOp(Op):
    """A compiled effect step."""

    __slots__ = ("args", "effect", "links", "only_if", "policy")

    def __init__(self, program: Program, statement: EffectStep, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.effect = program.effects[statement.effect]
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.policy = statement.policy
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        self.links = tuple(Link(program, link) for link in statement.on_failure)

    def start(self, frame: Frame) -> None:
        """Claim the effect, unless `only_if` says otherwise."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            args = [arg(frame) for arg in self.args]
            key = self.effect.key(Env(args, None))
        except ExpressionError as error:
            Failed(frame, self, frame, self.index, self.node, self.name).fail(
                frame.evaluate_failure(self, error), self.links
            )
            return
        applying = Applying(frame, self, frame, self.index, self.node, self.name)
        applying.begin(self.effect, args, key, self.policy, self.links)


class Applying(Activity):
    """One effect under way."""

    __slots__ = (
        "args",
        "args_hash",
        "attempt",
        "deadline_us",
        "discarded",
        "dispatch",
        "effect",
        "generation",
        "intent",
        "ledger_key",
        "links",
        "policy",
        "refusals",
        "rest_at_us",
        "undoes",
    )

    ledger_key: str
    generation: int
    intent: int

    def begin(
        self,
        effect: CompiledEffect,
        args: list[Any],
        key: Any,
        policy: Policy,
        links: tuple[Link, ...],
        undoes: Done | None = None,
    ) -> None:
        """Claim it. `key` is the value of the key expression.

        What undoes is told apart by what it undoes, so that each generation has its own.
        """
        kernel = self.kernel
        self.effect = effect
        self.args = args
        self.policy = policy
        self.links = links
        self.undoes = (undoes.ledger_key, undoes.generation) if undoes is not None else None
        identity = [effect.name, key] if undoes is None else [effect.name, key, undoes.ledger_key, undoes.generation]
        self.ledger_key = hashlib.sha256(canonical_json(identity).encode()).hexdigest()
        self.args_hash = hashlib.sha256(canonical_json(args).encode()).hexdigest()
        self.generation = 0
        self.attempt = 1
        self.dispatch = 0
        self.refusals = 0
        self.rest_at_us = 0
        self.deadline_us: int | None = None
        self.discarded = False
        kernel.intents += 1
        self.intent = kernel.intents
        self.state = CLAIMING
        self._claim()

    def _claim(self) -> None:
        command = ClaimEffect(self.place, self.effect.name, self.ledger_key, self.args_hash, self.undoes)
        self.kernel.out.append(command)

    def claimed(self, event: EffectClaimed) -> None:
        """The ledger answered.

        Send it, take the receipt of whoever did it, or see that the key stands for something else.
        """
        kernel = self.kernel
        kernel.decide("claimed", event.standing)
        if event.standing == "own":
            self.generation = event.generation
            self._send()
            return
        if event.standing == "confirmed":
            self.generation = event.generation
            try:
                receipt = self.effect.codec.decode_result(event.receipt)
            except InvalidValue as error:
                self._fail(Failure("bad_receipt", f"{self.path()}: {error}", self.path()))
                return
            self.state = CLOSED
            if self.undoes is None:
                # Who joins needs the effect as much as its owner does: the ledger sees to it that the last undoes it.
                self.frame.effects.append(Done(self, receipt))
            self.owner.child_done(self, receipt)
            return
        if event.standing == "passed":
            self.state = CLOSED
            self.owner.child_skipped(self)
            return
        message = (
            f"{self.path()}: the key of {self.effect.name} stands for other arguments already; "
            "give the key what tells them apart"
        )
        self._fail(Failure("effect_conflict", message, self.path()))

    def _send(self) -> None:
        kernel = self.kernel
        self.state = SENT
        timeout_us = self.policy.timeout_us
        self.deadline_us = None
        if timeout_us is not None:
            self.deadline_us = kernel.now + timeout_us
            kernel.out.append(ArmTimer(self.place, "attempt", self.deadline_us, self.attempt))
        self._try()

    def _try(self) -> None:
        key = target_key(self.ledger_key, self.generation)
        self.kernel.out.append(
            TryEffect(self.place, self.attempt, self.dispatch, self.effect.name, self.args, key, self.deadline_us)
        )

    def confirmed(self, event: EffectConfirmed) -> None:
        """It happened, whichever of our sends it was that did it."""
        kernel = self.kernel
        self._drop_timer()
        try:
            receipt = self.effect.codec.decode_result(event.receipt)
        except InvalidValue as error:
            # It happened, so the ledger must know; but what came back is no receipt, so nothing that needs one may go
            # on.
            self._settle("confirmed", None)
            self._fail(Failure("bad_receipt", f"{self.path()}: {error}", self.path()))
            return
        self._settle("confirmed", event.receipt)
        kernel.steps += 1
        self.state = CLOSED
        if self.undoes is None:
            self.frame.effects.append(Done(self, receipt))
        if self.discarded:
            self.owner.child_stopped(self)
        else:
            self.owner.child_done(self, receipt)

    def refused(self, event: EffectRefused) -> None:
        """It did not happen: try again as the policy says, or give up."""
        kernel = self.kernel
        self._drop_timer()
        self.refusals += 1
        if self.discarded:
            self._settle("not_done", None)
            self.state = CLOSED
            self.owner.child_stopped(self)
            return
        if self.refusals < self.policy.attempts and (self.undoes is not None or self.account.may_retry()):
            if self.undoes is None:
                self.account.count_retry()
            kernel.decide("retry", event.message)
            self._rest(RESTING, "backoff", self.policy.backoff, event.retry_after_us)
            return
        self._settle("not_done", None)
        kernel.decide("failed", event.message)
        self._fail(Failure("effect_refused", f"{self.effect.name}: {event.message}", self.path()))

    def unknown(self, event: EffectUnknown) -> None:
        """In doubt: sent again, same key, after a rest."""
        self._drop_timer()
        self.kernel.decide("in doubt", event.message)
        self._rest(DOUBT, "settle", self.policy.backoff or RESEND, 0)

    def timer(self, event: TimerFired) -> None:
        """A deadline (then it is in doubt) or the end of a rest (then it is sent again)."""
        if event.timer == "attempt":
            self.deadline_us = None
            self.kernel.decide("in doubt", "no reply in time")
            self._rest(DOUBT, "settle", self.policy.backoff or RESEND, 0)
        else:
            self._send()

    def _rest(self, state: int, timer: str, backoff: Backoff | None, at_least_us: int) -> None:
        kernel = self.kernel
        self.attempt += 1
        self.dispatch = 0
        wait_us = rest_us(backoff, self.attempt - 1, at_least_us, lambda: uniform(self.key(), self.attempt, JITTER))
        self.state = state
        self.rest_at_us = kernel.now + wait_us
        kernel.out.append(ArmTimer(self.place, timer, self.rest_at_us, self.attempt))

    def _drop_timer(self) -> None:
        if self.state == DOUBT:
            self.kernel.out.append(DropTimer(self.place, "settle"))
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
        """Give up what was not sent; wait for what was, since it may have landed."""
        if self.state in (CLAIMING, RESTING):
            if self.state == RESTING:
                self.kernel.out.append(DropTimer(self.place, "backoff"))
            self._settle("not_done", None)
            self.state = CLOSED
            self.owner.child_stopped(self)
        else:
            self.discarded = True

    def reissue(self) -> None:
        """After a crash: whatever was sent is in doubt, and is sent again at once with the same key."""
        kernel = self.kernel
        if self.state == CLAIMING:
            self._claim()
        elif self.state == SENT:
            self.dispatch += 1
            if self.deadline_us is not None:
                self.deadline_us = kernel.now + (self.policy.timeout_us or 0)
                kernel.out.append(ArmTimer(self.place, "attempt", self.deadline_us, self.attempt))
            self._try()
        else:
            timer = "settle" if self.state == DOUBT else "backoff"
            kernel.out.append(ArmTimer(self.place, timer, self.rest_at_us, self.attempt))


class Done:
    """An effect that this run owns and that has happened: what its undo needs."""

    __slots__ = ("activity", "args", "generation", "intent", "ledger_key", "receipt")

    def __init__(self, activity: Applying, receipt: Any) -> None:
        self.activity = activity
        self.args = activity.args
        self.receipt = receipt
        self.ledger_key = activity.ledger_key
        self.generation = activity.generation
        self.intent = activity.intent


class Unwinding:
    """The undoing of all effects of a discarded frame, one after another, latest intent first."""

    __slots__ = ("frame", "kernel", "left")

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.kernel = frame.kernel
        self.left = sorted(frame.effects, key=lambda done: done.intent)

    def go_on(self) -> None:
        """Undo the next one, or tell the frame that all is undone."""
        while self.left:
            if Undoing(self, self.left.pop()).begin():
                return
        self.frame.unwound()


class Undoing(Owner):
    """The undoing of one effect: owns the effect that undoes it."""

    __slots__ = ("done", "unwinding")

    def __init__(self, unwinding: Unwinding, done: Done) -> None:
        self.unwinding = unwinding
        self.done = done

    def begin(self) -> bool:
        """Claim the undo; False if there is none to claim."""
        unwinding, done = self.unwinding, self.done
        kernel = unwinding.kernel
        effect = done.activity.effect
        if effect.undo is None:
            kernel.decide("nothing undoes", effect.name)
            return False
        undo = kernel.program.effects[effect.undo]
        try:
            env = Env([*done.args, done.receipt], None)
            args = [arg(env) for arg in effect.undo_args]
            key = undo.key(Env(args, None))
        except ExpressionError as error:
            kernel.stick(self.path(), f"its undo cannot be computed: {error}")
            return False
        applying = Applying(unwinding.frame, done.activity.op, self, 0, 1, "!undo")
        applying.begin(undo, args, key, _patient(undo.policy), (), done)
        return True

    def child_done(self, child: Activity, value: Any) -> None:
        """Undone: the ledger raises the generation."""
        done, kernel = self.done, self.unwinding.kernel
        name = done.activity.effect.name
        kernel.out.append(SettleEffect(done.activity.place, name, done.ledger_key, done.generation, "undone", None))
        kernel.decide("undone", self.path())
        kernel.resume(self.unwinding)

    def child_skipped(self, child: Activity) -> None:
        """Others still need it, and own it now."""
        self.unwinding.kernel.decide("passed on", self.path())
        self.unwinding.kernel.resume(self.unwinding)

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """Stuck: named, and the others go on."""
        self.unwinding.kernel.stick(self.path(), failure.message)
        self.unwinding.kernel.resume(self.unwinding)

    def child_stopped(self, child: Activity) -> None:
        """Nobody stops an undo."""
        raise AssertionError("an undo was stopped")

    def adopt(self, child: Activity) -> None:
        """There is one only, and it is not asked for again."""

    def path(self) -> str:
        """Of the effect that is being undone."""
        return self.done.activity.path()

    def key(self) -> int:
        """Of the effect that is being undone."""
        return mix(self.done.activity.key(), 0x7_0000)


def _patient(policy: Policy) -> Policy:
    return Policy(max(policy.attempts, UNDO.attempts), policy.timeout_us, policy.backoff or UNDO.backoff)
