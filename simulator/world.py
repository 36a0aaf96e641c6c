"""The world: what the simulator keeps outside the system, where effects really land.

A target that was given an idempotency key drops what it has seen before and returns the first receipt: that is all it
knows of us. What the world counts is its own: it works out from an effect's arguments what the *same* effect is (the
value of its key expression) and under which key each generation of it must arrive. So an effect that was sent without
its key, or under another one, shows as a duplicate however sure of itself the system is. An undo comes under a key of
its own, once for each application that it may undo. A target that knows no keys does what it is sent each time: a
second time is a duplicate, unless the effect is idempotent and leaves the state as after one. Who looks whether
something was done, a check or a person, sees what has landed until then.

What has landed is remembered for ever, since only so can a duplicate be known: memory grows by some hundred bytes with
each effect, whatever else is bounded.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import canonical_json
from orchspec.runtime.kernel.applying import target_key
from orchspec.runtime.kernel.expressions import Env, ExpressionError
from orchspec.runtime.kernel.values import InvalidValue
from orchspec.simulator.observe import EffectObservation

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import LedgerRow
    from orchspec.runtime.kernel.program import Program
    from orchspec.runtime.ledger import Ledger

__all__ = ["World"]


class World:
    """The targets of all effects of a plan."""

    def __init__(self, program: Program) -> None:
        self._effects = program.effects
        self._receipts: dict[str, Any] = {}
        self._landed: dict[str, int] = {}
        self._undone: dict[str, int] = {}
        self._undoable: dict[str, list[str]] = {}
        self._seen = {name: EffectObservation(name) for name in program.effects}
        self._bad_runs: set[str] = set()

    def apply(self, run: str, effect: str, args: list[Any], key: str, receipt: Any) -> Any:
        """A request lands: do it unless the key is known, and return the receipt of the one that did it."""
        compiled = self._effects[effect]
        seen = self._seen[effect]
        if key in self._receipts:
            if not compiled.resends:
                # Nothing at its target drops a repeat: it was done once more.
                seen.applied += 1
                seen.duplicates += 1
                self._bad_runs.add(run)
            return self._receipts[key]
        self._receipts[key] = receipt
        seen.applied += 1
        if compiled.key is None:
            self._first(effect, key, args, receipt)
            return receipt
        identity = self._identity(effect, args)
        generation = self._landed.get(identity, 0)
        undoable = self._undoable.get(identity)
        if generation == self._undone.get(identity, 0) and target_key(identity, generation) == key:
            self._landed[identity] = generation + 1
            self._note_undo(effect, identity, args, receipt)
        elif undoable:
            undone = undoable.pop()
            self._undone[undone] = self._undone.get(undone, 0) + 1
        else:
            seen.duplicates += 1
            self._bad_runs.add(run)
        return receipt

    def _first(self, effect: str, key: str, args: list[Any], receipt: Any) -> None:
        """The first application of an effect without a key: what it undoes may be done anew."""
        undoable = self._undoable.get(self._identity(effect, args))
        if undoable:
            undone = undoable.pop()
            self._undone[undone] = self._undone.get(undone, 0) + 1
        else:
            self._note_undo(effect, key, args, receipt)

    def find(self, key: str) -> tuple[bool, Any]:
        """Whether what its target received under this key was done, and its receipt: what somebody sees who looks."""
        return key in self._receipts, self._receipts.get(key)

    def _identity(self, effect: str, args: list[Any]) -> str:
        compiled = self._effects[effect]
        try:
            key = compiled.key(Env(args, None)) if compiled.key is not None else args
        except ExpressionError:
            key = args
        return hashlib.sha256(canonical_json([effect, key]).encode()).hexdigest()

    def _note_undo(self, effect: str, identity: str, args: list[Any], receipt: Any) -> None:
        """What would undo this application may come once, and makes room for the next generation."""
        compiled = self._effects[effect]
        if compiled.undo is None:
            return
        try:
            env = Env([*args, compiled.codec.decode_result(receipt)], None)
            undo_args = [arg(env) for arg in compiled.undo_args]
        except (ExpressionError, InvalidValue):
            return  # then the kernel cannot undo it either
        self._undoable.setdefault(self._identity(compiled.undo, undo_args), []).append(identity)

    def has_done(self, row: LedgerRow) -> bool:
        """Whether what a row of the ledger confirms has landed here."""
        return target_key(row.key, row.generation) in self._receipts

    def did_wrong_by(self, run: str) -> bool:
        """Whether an effect of this run was applied twice."""
        return run in self._bad_runs

    def observe(self, ledger: Ledger) -> list[EffectObservation]:
        """The counts, with what the ledger claims held against what has landed."""
        for effect, key, generation, state in ledger.claims():
            seen = self._seen.get(effect)
            if seen is None:
                continue
            seen.intended += 1
            if state in ("confirmed", "undone"):
                seen.confirmed += 1
                if target_key(key, generation) not in self._receipts:
                    seen.lost += 1
        return list(self._seen.values())
