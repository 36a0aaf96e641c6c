"""S1, single effect: whatever crashes when, the world saw each effect once for its key and generation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["check"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Every application that the world counts as one too many; a delivery that its target dropped is none.

    What a check or a person settles is held given `settles`: where a fault sets the clock by which that is counted, it
    is over before its time, and a request may still land.
    """
    effects = chronicle.plan.effects
    is_set = any(fault.name in ("skew", "jump") for fault in chronicle.faults)
    given = {name for name, effect in effects.items() if is_set and effect.key is None and not effect.idempotent}
    for each in chronicle.applied:
        if each.twice and each.effect not in given:
            said = (
                f"{each.effect} was done twice for the key {each.key[:12]}, the second time at {each.time_us / 1e6:g} s"
            )
            yield Violation("S1", said, each.run, None, *chronicle.sender(each.run, each.key))
