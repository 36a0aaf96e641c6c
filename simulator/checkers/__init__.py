"""What must always hold, a module each: every one reads a chronicle alone, and yields what is broken.

To add a checker: `checkers/<name>.py` with `check(chronicle)`, and its line in `CHECKERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from orchspec.simulator.checkers import (
    acknowledged,
    budget,
    closing,
    fencing,
    limits,
    liveness,
    lost_effect,
    once,
    order,
    owner,
    redone,
    replay,
    undo,
    verified,
    write_ahead,
)
from orchspec.simulator.checkers.violation import Violation
from orchspec.simulator.garbage import CHRONICLE, seldom_collecting

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["CHECKERS", "LIVENESS", "Violation", "check_all"]

CHECKERS: Final[dict[str, tuple[str, Callable[[Chronicle], Iterator[Violation]]]]] = {
    "S1": ("single effect", once.check),
    "S2": ("no lost effect", lost_effect.check),
    "S3": ("nothing redone", redone.check),
    "S4": ("budget", budget.check),
    "S5": ("verified", verified.check),
    "S6": ("one owner", owner.check),
    "S7": ("replay", replay.check),
    "S8": ("limits", limits.check),
    "S9": ("order", order.check),
    "S10": ("undo", undo.check),
    "S11": ("fencing", fencing.check),
    "S12": ("write-ahead", write_ahead.check),
    "S13": ("closing", closing.check),
    "S14": ("acknowledged", acknowledged.check),
    "L1": ("liveness", liveness.check),
}
"""Checkers by the number of what they hold, with its name."""
LIVENESS: Final = "L1"


def check_all(chronicle: Chronicle, only: frozenset[str] | None = None) -> list[Violation]:
    """Everything that is broken in a chronicle, in the order of the checkers.

    A journal that does not fold (S7) is the end of it: what else would be said of it is said by that.
    """
    with seldom_collecting(CHRONICLE):
        found = list(replay.check(chronicle))
        if found:
            return found
        for number, (_, check) in CHECKERS.items():
            if number != "S7" and (only is None or number in only):
                found.extend(check(chronicle))
        return found
