"""S1, single effect: whatever crashes when, the world saw each effect once for its key and generation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["check"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Every application that the world counts as one too many; a delivery that its target dropped is none."""
    for each in chronicle.applied:
        if each.twice:
            said = (
                f"{each.effect} was done twice for the key {each.key[:12]}, the second time at {each.time_us / 1e6:g} s"
            )
            yield Violation("S1", said, each.run, None, *chronicle.sender(each.run, each.key))
