"""The world: what the simulator keeps outside the system, where effects really land.

A target that was given an idempotency key drops what it has seen before and returns the first receipt: that is all it knows of us. What the world
counts is its own: it works out from an effect's arguments what the *same* effect is (the value of its key expression) and under which key each
generation of it must arrive. So an effect that was sent without its key, or under another one, shows as a duplicate however sure of itself the system is.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import canonical_json
from orchspec.runtime.kernel.effects import target_key
from orchspec.runtime.kernel.expressions import Env, ExpressionError
from orchspec.simulator.observe import EffectObservation

if TYPE_CHECKING:
    from orchspec.runtime.kernel.program import Program
    from orchspec.runtime.ledger import Ledger

__all__ = ["World"]


class World:
    """The targets of all effects of a plan."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._receipts: dict[str, Any] = {}
        self._landed: dict[tuple[str, str], list[str]] = {}
        self._seen = {name: EffectObservation(name) for name in program.effects}
        self._bad_runs: set[str] = set()

    def apply(self, run: str, effect: str, args: list[Any], key: str, receipt: Any) -> Any:
        """A request lands: do it unless the key is known, and return the receipt of the one that did it."""
        known = self._receipts.get(key)
        if known is not None:
            return known[0]
        self._receipts[key] = (receipt,)
        seen = self._seen[effect]
        seen.applied += 1
        identity = self._identity(effect, args)
        landed = self._landed.setdefault((effect, identity), [])
        landed.append(key)
        if not self._is_undo(effect) and target_key(identity, len(landed) - 1) != key:
            seen.duplicates += 1
            self._bad_runs.add(run)
        return receipt

    def _identity(self, effect: str, args: list[Any]) -> str:
        try:
            key = self._program.effects[effect].key(Env(args, None))
        except ExpressionError:
            key = args
        return hashlib.sha256(canonical_json([effect, key]).encode()).hexdigest()

    def _is_undo(self, effect: str) -> bool:
        return any(other.undo == effect for other in self._program.effects.values())

    def holds(self, key: str) -> bool:
        """Whether something landed under this key."""
        return key in self._receipts

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
                if not self.holds(target_key(key, generation)):
                    seen.lost += 1
        return list(self._seen.values())
