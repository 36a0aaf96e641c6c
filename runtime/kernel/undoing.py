"""Unwinding: the effects of a discarded frame, or of what is reverted, are undone one by one, latest intent first.

An undo is an effect like any other, with a ledger row of its own. One that its target refuses for good is stuck: it is
named, and blocks no other. What others still need is passed on to them instead.
"""

from __future__ import annotations

from typing import Any, Protocol

from orchspec.runtime.draws import mix
from orchspec.runtime.kernel.applying import Applying, Done
from orchspec.runtime.kernel.commands import SettleEffect
from orchspec.runtime.kernel.expressions import Env, ExpressionError, FrameLike
from orchspec.runtime.kernel.frames import Activity, Failure, Frame, Owner

__all__ = ["Undoing", "Unwinding"]


class Unwound(Protocol):
    """Who has effects undone."""

    def unwound(self) -> None:
        """All that can be undone is undone."""


class Unwinding:
    """The undoing of effects, one after another, latest intent first.

    `frame` is where the undoing stands, `host` learns by `unwound()` when all is undone that can be; `stuck` are the
    paths of the rest.
    """

    __slots__ = ("frame", "host", "kernel", "left", "stuck")

    def __init__(self, frame: Frame, host: Unwound, effects: list[Done]) -> None:
        self.frame = frame
        self.host = host
        self.kernel = frame.kernel
        inherited = frame.kernel.inherited
        self.left = sorted([done for done in effects if done.intent > inherited], key=lambda done: done.intent)
        self.stuck: list[str] = []

    def go_on(self) -> None:
        """Undo the next one, or tell the host that all is undone."""
        while self.left:
            if Undoing(self, self.left.pop()).begin():
                return
        self.host.unwound()

    def stick(self, path: str, why: str) -> None:
        """Name what cannot be undone."""
        self.stuck.append(path)
        self.kernel.stick(path, why)


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
        if done.spoiled is not None:
            unwinding.stick(self.path(), f"its receipt cannot be used: {done.spoiled}")
            return False
        undo = kernel.program.effects[effect.undo]
        try:
            env = Env([*done.args, done.receipt], None)
            args = [arg(env) for arg in effect.undo_args]
            key = undo.key(Env(args, None)) if undo.key is not None else None
        except ExpressionError as error:
            unwinding.stick(self.path(), f"its undo cannot be computed: {error}")
            return False
        applying = Applying(unwinding.frame, done.activity.op, self, 0, 1, "!undo")
        applying.begin(undo, args, key, undo.patient, (), done)
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
        done, kernel = self.done, self.unwinding.kernel
        effect = done.activity.effect
        receipt = effect.codec.encode_result(done.receipt)
        kernel.out.append(
            SettleEffect(done.activity.place, effect.name, done.ledger_key, done.generation, "confirmed", receipt)
        )
        self.unwinding.stick(self.path(), failure.message)
        kernel.resume(self.unwinding)

    def child_stopped(self, child: Activity) -> None:
        """Nobody stops an undo."""
        raise AssertionError("an undo was stopped")

    def adopt(self, child: Activity) -> None:
        """There is one only, and it is not asked for again."""

    def path(self) -> str:
        """Of the effect that is being undone."""
        return self.done.activity.path()

    def env(self, child: Activity) -> FrameLike:
        """The block; nothing is read there, since an undo has no chain."""
        return self.unwinding.frame

    def key(self) -> int:
        """Of the effect that is being undone."""
        return mix(self.done.activity.key(), 0x7_0000)
