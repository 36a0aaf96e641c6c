"""Effects: done to the outside world, once; and their undoing.

    claiming ──own──▶ sent ──confirmed──▶ closed
       │               │ ▲ ╲
       │ confirmed     │ │  ╲ refused
       ▼               ▼ │   ▼
     closed (joined)  doubt  resting ──▶ sent

The claim and the intent are durable before anything is sent. What the target receives is a hash of effect, key
expression and generation: no run, place or attempt is in it, so the target drops whatever we repeat. In doubt it is
sent again with the same key, until the target says what is true.

Where the effect or its step has limits of its own (slots, a rate, a breaker), each send is asked for first, and waits
its turn as `queued`; what it holds is released with whatever comes of the send.

An effect whose scope is discarded while it is under way is waited for, since it may have landed; only then can it be
undone. An undo is an effect like any other, with a ledger row of its own; one that the target refuses for good is
stuck: it is named at the end of the run and blocks no other.
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
from orchspec.runtime.kernel.each import Each, ItemsOp
from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.program import RESEND, CompiledEffect, Link, Program, op_for, rest_us
from orchspec.runtime.kernel.steps import Failed
from orchspec.runtime.kernel.table import CLAIMING, CLOSED, DOUBT, QUEUED, RESTING, SENT, TIMER_OF
from orchspec.runtime.kernel.tasks import follow
from orchspec.runtime.kernel.timed import limited
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import Backoff, EffectStep, Policy
    from orchspec.runtime.kernel.events import (
        EffectClaimed,
        EffectConfirmed,
        EffectRefused,
        EffectUnknown,
        TaskEnrolled,
        TimerFired,
    )
    from orchspec.runtime.kernel.expressions import FrameLike

__all__ = ["Applying", "Done", "EffectOp", "target_key"]


def target_key(ledger_key: str, generation: int) -> str:
    """What the target receives as idempotency key: 64 hex digits."""
    return hashlib.sha256(f"{ledger_key}:{generation}".encode()).hexdigest()


@op_for("effect")
class EffectOp(ItemsOp):
    """A compiled effect step."""

    __slots__ = ("args", "budget", "effect", "gates", "only_if", "policy")

    def __init__(self, program: Program, statement: EffectStep, index: int) -> None:
        ItemsOp.__init__(self, program, statement, index)
        self.effect = program.effects[statement.effect]
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.policy = statement.policy
        self.gates = self.effect.gates if statement.gate is None else (statement.gate, *self.effect.gates)
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        self.budget = statement.budget

    def start(self, frame: Frame) -> None:
        """Claim the effect, or that of each item, unless `only_if` says otherwise."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            if self.items is not None:
                items, width = self.over(frame)
            else:
                args, key = self._asked(frame)
        except ExpressionError as error:
            self.refuse(frame, error)
            return
        except InvalidValue as error:
            path = f"{frame.path()}/{self.name}".strip("/")
            failed = Failed(frame, self, frame, self.index, self.node, self.name)
            failed.fail(Failure("bad_input", f"{path}: {error}", path), self.links)
            return
        if self.items is not None:
            self.start_each(frame, items, width, self.budget)
            return
        owner, account = limited(frame, self, self.budget, self.links)
        applying = Applying(frame, self, owner, self.index, self.node, self.name)
        applying.account = account
        applying.begin(self.effect, args, key, self.policy, self.links, gates=self.gates)

    def _asked(self, env: FrameLike) -> tuple[list[Any], Any]:
        args = [arg(env) for arg in self.args]
        self.effect.codec.inputs.check(args)
        return args, self.effect.key(Env(args, None))

    def start_item(self, each: Each, index: int, label: str, env: FrameLike) -> None:
        """Claim the effect of one item."""
        path = each.path() + label
        try:
            args, key = self._asked(env)
        except ExpressionError as error:
            each.refuse(index, Failure("expression", f"{path}: {error}", path))
            return
        except InvalidValue as error:
            each.refuse(index, Failure("bad_input", f"{path}: {error}", path))
            return
        applying = Applying(each.frame, self, each, index, index + 1, label)
        applying.account = each.account
        applying.begin(self.effect, args, key, self.policy, self.links, gates=self.gates)


class Applying(Activity):
    """One effect under way."""

    __slots__ = (
        "args",
        "args_hash",
        "attempt",
        "deadline_us",
        "discarded",
        "dispatch",
        "doubtful",
        "effect",
        "gates",
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
        *,
        gates: tuple[str, ...] | None = None,
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
        self.gates = gates if gates is not None else effect.gates
        self.doubtful = False
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
            if self.discarded:
                self._settle("not_done", None)
                self._withdraw()
                return
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
            if self.discarded:
                self.owner.child_stopped(self)
            else:
                self.owner.child_done(self, receipt)
            return
        if event.standing == "withdrawn":
            self._withdraw()
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
        if not self.gates:
            self._sent()
            return
        # What waits here may have happened already, if it was in doubt.
        self.doubtful = self.state == DOUBT
        self.state = QUEUED
        self._request()

    def _request(self) -> None:
        gates = self.gates
        self.kernel.out.append(RequestGrant(self.place, self.attempt, gates[-1:], gates=gates[:-1]))

    def _release(self, outcome: str) -> None:
        if self.gates and self.state in (SENT, QUEUED):
            given = outcome if self.state == SENT else "stopped"
            self.kernel.out.append(ReleaseGrant(self.place, self.attempt, given))

    def enrolled(self, _event: TaskEnrolled) -> None:
        """Its limits let it go."""
        self._sent()

    def _sent(self) -> None:
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
        self._drop_timer()
        self._release("ok")
        try:
            receipt = self.effect.codec.decode_result(event.receipt)
        except InvalidValue as error:
            if self.undoes is None:
                # It happened, so the ledger must know and the scope must answer for it; but what came back is no
                # receipt, so nothing that needs one may go on.
                self._settle("confirmed", None)
                self.frame.effects.append(Done(self, None, spoiled=str(error)))
                self._fail(Failure("bad_receipt", f"{self.path()}: {error}", self.path()))
                return
            receipt = None  # what is undone is undone, whatever its target says about it
        self._settle("confirmed", event.receipt)
        self.kernel.steps += 1
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
        self._release("failed")
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
        self._release("failed")
        self.kernel.decide("in doubt", event.message)
        self._rest(DOUBT, "settle", self.policy.backoff or RESEND, 0)

    def timer(self, event: TimerFired) -> None:
        """A deadline (then it is in doubt) or the end of a rest (then it is sent again)."""
        if event.timer == "attempt":
            self.deadline_us = None
            self._release("failed")
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
        if self.state == RESTING:
            self.kernel.out.append(DropTimer(self.place, "backoff"))
            self._settle("not_done", None)
            self._withdraw()
            return
        if self.state == QUEUED and not self.doubtful:
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

    def reissue(self) -> None:
        """After a crash: whatever was sent is in doubt, and is sent again at once with the same key."""
        kernel = self.kernel
        if self.state == CLAIMING:
            self._claim()
            if self.discarded:
                self._settle("withdrawn", None)
        elif self.state == QUEUED:
            self._request()
        elif self.state == SENT:
            if self.gates:
                kernel.out.append(HoldGrant(self.place, self.attempt, self.gates[-1], gates=self.gates[:-1]))
            self.dispatch += 1
            if self.deadline_us is not None:
                self.deadline_us = kernel.now + (self.policy.timeout_us or 0)
                kernel.out.append(ArmTimer(self.place, "attempt", self.deadline_us, self.attempt))
            self._try()
        else:
            timer = "settle" if self.state == DOUBT else "backoff"
            kernel.out.append(ArmTimer(self.place, timer, self.rest_at_us, self.attempt))


class Done:
    """An effect that this run owns and that has happened: what its undo needs.

    `spoiled` says why its receipt cannot be used (None: it can). `by` is the statement (its index) that did it in the
    block whose frame answers for it: the effect step itself, or what encloses it there.
    """

    __slots__ = ("activity", "args", "by", "generation", "intent", "ledger_key", "receipt", "spoiled")

    def __init__(self, activity: Applying, receipt: Any, spoiled: str | None = None) -> None:
        self.spoiled = spoiled
        self.activity = activity
        self.by = activity.op.index
        self.args = activity.args
        self.receipt = receipt
        self.ledger_key = activity.ledger_key
        self.generation = activity.generation
        self.intent = activity.intent
