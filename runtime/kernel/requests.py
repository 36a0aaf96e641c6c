"""Effects that agents ask for on their way: only declared ones, through their task, in the same ledger as all others.

A task is the scope of what its agent does. What tells an effect apart is fixed before the agent begins: a key reads the
parameters of the contract, which the agent cannot change; an effect without a key is done once for each task, and an
idempotent one once for each of its arguments. So an attempt that is made again, or sent again after a crash, joins what
the task has done already and gets its receipt; with other arguments it is refused.

    the task is fulfilled     what it did belongs to the block, and is undone with it
    the task fails, or stops  what is under way is waited for, then all is undone, and then the owner learns
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import canonical_json
from orchspec.runtime.kernel.applying import Applying, Done
from orchspec.runtime.kernel.commands import AnswerCall
from orchspec.runtime.kernel.deeds import ledger_key_of
from orchspec.runtime.kernel.expressions import Env, ExpressionError
from orchspec.runtime.kernel.frames import Activity, Failure, Owner
from orchspec.runtime.kernel.table import CLOSED, RUNNING, SETTLING
from orchspec.runtime.kernel.tasks import follow
from orchspec.runtime.kernel.undoing import Unwinding
from orchspec.runtime.kernel.values import InvalidValue, Unverified

if TYPE_CHECKING:
    from orchspec.runtime.kernel.events import EffectRequested
    from orchspec.runtime.kernel.expressions import FrameLike
    from orchspec.runtime.kernel.program import CompiledEffect
    from orchspec.runtime.kernel.tasks import Task

__all__ = ["DEEDS_MAX", "Requested", "Requests", "request"]

DEEDS_MAX: Final = 1_000
"""So many effects may one task do."""


class _Refused(Exception):
    """The request is not one that the spec allows, or its arguments are not those of the effect."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def request(task: Task, event: EffectRequested) -> None:
    """An agent at work asks for an effect: claim it, or join what the task has done already."""
    if task.requests is None:
        task.requests = Requests(task)
    task.requests.request(event)


class Requested(Applying):
    """An effect that an agent asked for."""

    __slots__ = ()

    def _keep(self, done: Done) -> None:
        requests = self.owner
        assert isinstance(requests, Requests)
        requests.keep(done)


class Requests(Owner):
    """What one task has asked for.

    `open` are the effects under way by their ledger key, `done` those that happened, with the hash of their arguments;
    `waiting` the calls that await an answer, as (ledger key, attempt, dispatch, call). `ending` says how the task ends
    once nothing is under way any more.
    """

    __slots__ = ("count", "done", "effects", "ending", "kernel", "open", "task", "unwinding", "waiting")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.kernel = task.kernel
        self.open: dict[str, Requested] = {}
        self.done: dict[str, tuple[str, Done]] = {}
        self.effects: list[Done] = []
        self.waiting: list[tuple[str, int, int, int]] = []
        self.count = 0
        self.ending: tuple[str, Any] | None = None
        self.unwinding: Unwinding | None = None

    # -------------------------------------------------------------- a request

    def request(self, event: EffectRequested) -> None:
        """Answer it, now or when it is known what became of it."""
        call = (event.attempt, event.dispatch, event.call)
        try:
            effect, args, key = self._understand(event)
            ledger_key = ledger_key_of(effect.name, key)
            args_hash = hashlib.sha256(canonical_json(args).encode()).hexdigest()
            known = self.done.get(ledger_key)
            under_way = self.open.get(ledger_key)
            asked = known[0] if known is not None else under_way.args_hash if under_way is not None else args_hash
            if asked != args_hash:
                raise _Refused("effect_conflict", f"this task has done {effect.name} with other arguments already")
            if known is None and under_way is None:
                self._begin(effect, args, key)
        except _Refused as error:
            self.kernel.decide("effect refused", str(error))
            self._answer(call, problem=str(error), code=error.code)
            return
        if known is not None:
            self.kernel.decide("given again", effect.name)
            self._receive(call, known[1])
        else:
            self.waiting.append((ledger_key, *call))

    def _understand(self, event: EffectRequested) -> tuple[CompiledEffect, list[Any], Any]:
        """The effect, its arguments, and what tells it apart. Raises _Refused."""
        task, program = self.task, self.kernel.program
        assert task.seat is not None
        agent = task.seat.agent
        if event.effect not in program.plan.agents[agent].effects:
            raise _Refused("not_allowed", f"{agent} may not do {event.effect[:60]}: its `effects` don't name it")
        effect = program.effects[event.effect]
        contract = program.contracts[task.asking.contract]
        bound = program.bound(event.effect, task.asking.contract)
        if bound is None:
            raise _Refused(
                "not_allowed", f"{task.asking.contract} does not hand over what the key of {effect.name} reads"
            )
        if not isinstance(event.args, dict):
            raise _Refused("bad_input", f"the arguments of {effect.name} are given by name")
        handed = contract.encode_inputs(task.inputs)
        given = dict(event.args)
        for name, _, _ in bound:
            given.setdefault(name, handed[name])
        try:
            args = effect.codec.decode_inputs(given)
            effect.codec.inputs.check(args)
            for name, at, of in bound:
                if args[at] != task.inputs[of]:
                    raise _Refused("bad_input", f"{effect.name}.{name} is that of {task.asking.contract}: leave it out")
            key = effect.key(Env(args, None)) if effect.key is not None else None
        except (InvalidValue, Unverified, ExpressionError) as error:
            raise _Refused("bad_input", f"{effect.name}: {error}") from None
        if effect.key is None:
            key = [self.kernel.run, task.path(), args] if effect.idempotent else [self.kernel.run, task.path()]
        return effect, args, key

    def _begin(self, effect: CompiledEffect, args: list[Any], key: Any) -> None:
        if self.count >= DEEDS_MAX:
            raise _Refused("not_allowed", f"one task does at most {DEEDS_MAX} effects")
        task = self.task
        self.count += 1
        label = effect.name if self.count == 1 else f"{effect.name}#{self.count}"
        deed = Requested(task.frame, task.op, self, -1, 0x7_1000 + self.count, label)
        deed.account = task.account
        deed.begin(effect, args, key, effect.policy, ())
        self.open[deed.ledger_key] = deed

    def _receive(self, call: tuple[int, int, int], done: Done) -> None:
        if done.spoiled is not None:
            self._answer(
                call, problem=f"it was done, but its receipt cannot be used: {done.spoiled}", code="bad_receipt"
            )
            return
        effect = done.activity.effect
        self._answer(call, receipt=effect.codec.encode_result(done.receipt) if effect.has_receipt else None)

    def _answer(
        self, call: tuple[int, int, int], *, receipt: Any = None, problem: str | None = None, code: str = ""
    ) -> None:
        task = self.task
        attempt, dispatch, number = call
        if (attempt, dispatch) == (task.attempt, task.dispatch) and task.state == RUNNING:
            self.kernel.out.append(AnswerCall(task.place, attempt, dispatch, number, problem, code, receipt))

    # -------------------------------------------------------------- as the owner of what is under way

    def adopt(self, child: Activity) -> None:
        """It is kept by its ledger key, once it has one."""

    def keep(self, done: Done) -> None:
        """It happened: the task answers for it until it ends."""
        self.effects.append(done)
        self.done[done.ledger_key] = (done.args_hash, done)

    def child_done(self, child: Activity, value: Any) -> None:
        """Whoever waits for it gets the receipt."""
        assert isinstance(child, Requested)
        known = self.done[child.ledger_key][1]
        for call in self._awaited(child):
            self._receive(call, known)
        self._settled(child)

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """It was not done, or nobody knows: the agent is told, and may ask again where it was not done."""
        assert isinstance(child, Requested)
        for call in self._awaited(child):
            self._answer(call, problem=failure.message, code=failure.code)
        self._settled(child)

    def child_stopped(self, child: Activity) -> None:
        """It has settled, as the task was told to stop."""
        assert isinstance(child, Requested)
        self._settled(child)

    def child_skipped(self, child: Activity) -> None:
        """It has no chain."""
        raise AssertionError("an agent's effect was skipped")

    def _awaited(self, child: Requested) -> list[tuple[int, int, int]]:
        calls = [(call[1], call[2], call[3]) for call in self.waiting if call[0] == child.ledger_key]
        self.waiting = [call for call in self.waiting if call[0] != child.ledger_key]
        return calls

    def _settled(self, child: Requested) -> None:
        del self.open[child.ledger_key]
        self.go_on()

    def path(self) -> str:
        """That of the task."""
        return self.task.path()

    def key(self) -> int:
        """That of the task."""
        return self.task.key()

    def env(self, child: Activity) -> FrameLike:
        """The block; nothing is read there."""
        return self.task.frame

    # -------------------------------------------------------------- the end of the task

    def end(self, how: str, what: Any = None) -> None:
        """The task is `done` (with a value), has `failed` (with a failure), or was `stopped`.

        It ends when what it did has settled, and, unless it is done, is undone.
        """
        self.ending = (how, what)
        self.waiting = []
        if self.unwinding is not None:
            return
        if how != "done":
            for deed in list(self.open.values()):
                deed.stop()
        self.go_on()

    def go_on(self) -> None:
        """End the task, if it has ended, and nothing of it is under way, its hedge included."""
        if self.ending is None or self.open or self.unwinding is not None or self.task.hedge is not None:
            return
        if self.task.state == SETTLING:
            self._close()

    def _close(self) -> None:
        assert self.ending is not None
        task = self.task
        # What a block that fails did is undone with the rest of it, the latest first.
        handed_over = self.ending[0] == "done" or task.frame.failing is not None
        if handed_over or not self.effects:
            task.frame.effects.extend(self.effects)
            self._tell()
            return
        self.unwinding = Unwinding(task.frame, self, self.effects)
        self.kernel.resume(self.unwinding)

    def unwound(self) -> None:
        """All that can be undone is undone."""
        self._tell()

    def _tell(self) -> None:
        assert self.ending is not None
        how, what = self.ending
        task = self.task
        task.state = CLOSED
        task.requests = None
        if how == "done":
            task.owner.child_done(task, what)
        elif how == "stopped":
            task.owner.child_stopped(task)
        else:
            follow(task, what, task.asking.links, task.asking.contract, task.inputs)
