"""All checkers, and how a chronicle is read by them: run by run, then as a whole.

What a checker says of one run it reads off that run's records and story alone, so all of them read one while it is in
the caches of the processor; then its story is taken apart, and the next one finds its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from orchspec.simulator.garbage import CHRONICLE, seldom_collecting

if TYPE_CHECKING:
    from orchspec.runtime.why.story import Story
    from orchspec.simulator.chaos.told import Chronicle, RunTold
    from orchspec.simulator.checkers.violation import Violation

__all__ = ["CHECKERS", "LIVENESS", "Checker", "check_all"]


@dataclass(frozen=True)
class Checker:
    """What holds one invariant: it yields what is broken of a run, and of a chronicle as a whole.

    `of_run` may ask for the run's story, which folds by then; `check` is asked when all runs were read.
    """

    name: str
    of_run: Callable[[Chronicle, RunTold], Iterator[Violation]] | None = None
    check: Callable[[Chronicle], Iterator[Violation]] | None = None


CHECKERS: Final[dict[str, Checker]] = {
    "S1": Checker("single effect", check=once.check),
    "S2": Checker("no lost effect", lost_effect.of_run, lost_effect.check),
    "S3": Checker("nothing redone", redone.of_run),
    "S4": Checker("budget", budget.of_run),
    "S5": Checker("verified", verified.of_run),
    "S6": Checker("one owner", owner.of_run),
    "S7": Checker("replay", replay.of_run, replay.check),
    "S8": Checker("limits", limits.of_run, limits.check),
    "S9": Checker("order", order.of_run),
    "S10": Checker("undo", undo.of_run),
    "S11": Checker("fencing", check=fencing.check),
    "S12": Checker("write-ahead", check=write_ahead.check),
    "S13": Checker("closing", closing.of_run),
    "S14": Checker("acknowledged", acknowledged.of_run),
    "L1": Checker("liveness", liveness.of_run, liveness.check),
}
"""Checkers by the number of what they hold."""
LIVENESS: Final = "L1"
_REPLAY: Final = "S7"


def check_all(
    chronicle: Chronicle,
    only: frozenset[str] | None = None,
    *,
    keep: bool = True,
    reader: Callable[[Story], None] | None = None,
) -> list[Violation]:
    """Everything that is broken in a chronicle, in the order of the checkers.

    A journal that does not fold (S7) is the end of it: what else would be said of it is said by that.

    Args:
        chronicle: what happened.
        only: the numbers of those that are asked, S7 apart; None: all.
        keep: whether the stories stay at hand for whoever reads on.
        reader: called with each run's story, if it folds.
    """
    asked = {number: each for number, each in CHECKERS.items() if only is None or number == _REPLAY or number in only}
    found: dict[str, list[Violation]] = {number: [] for number in asked}
    with seldom_collecting(CHRONICLE):
        found[_REPLAY].extend(replay.check(chronicle))
        for told in chronicle.runs.values():
            if told.run not in chronicle.halted:
                _read(chronicle, told, asked, found, keep or chronicle.has_story(told.run), reader)
        if found[_REPLAY]:
            return found[_REPLAY]
        for number, each in asked.items():
            if each.check is not None:
                found[number].extend(each.check(chronicle))
        return [violation for each in found.values() for violation in each]


def _read(
    chronicle: Chronicle,
    told: RunTold,
    asked: dict[str, Checker],
    found: dict[str, list[Violation]],
    keep: bool,
    reader: Callable[[Story], None] | None,
) -> None:
    """One run, by all that are asked."""
    broken = list(replay.of_run(chronicle, told))
    if broken:
        found[_REPLAY].extend(broken)
        return
    for number, each in asked.items():
        if each.of_run is not None and number != _REPLAY:
            found[number].extend(each.of_run(chronicle, told))
    if reader is not None:
        reader(chronicle.story(told.run))
    if not keep:
        chronicle.put_away(told.run)
