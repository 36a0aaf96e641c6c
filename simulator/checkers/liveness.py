"""L1, liveness: once faults have stopped, every run ends within what was proved, and its client is told.

Three things are held. A run that has not ended when nothing is left to happen, or after a year, is dead. One that
ends must do so within the worst case of what was before it when the last fault was over (`ahead`). And nothing on the
way may have been waited for longer than plan and profiles allow (`holding`), which also shows what is late by seconds
where the worst case is hours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.simulator.checkers.ahead import Ahead, ahead_of, progress_of
from orchspec.simulator.checkers.holding import waits_of
from orchspec.simulator.checkers.violation import Violation
from orchspec.simulator.checkers.waits import in_words

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["check", "of_run"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Runs that nobody was told of the end of, runs that ended too late, and waits that took too long."""
    ahead: dict[str, Ahead] = {}
    if chronicle.quiet_us is not None and _is_bounded(chronicle):
        held = waits_of(chronicle)
        yield from held.broken
        ahead = {} if held.broken else ahead_of(chronicle, max(chronicle.quiet_us, held.struck_us))
    for told in chronicle.runs.values():
        if told.run in chronicle.halted:
            continue
        if told.status is None:
            yield _unended(chronicle, told, ahead.get(told.run))
        elif told.run in ahead:
            yield from _late(chronicle, told, ahead[told.run])


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """Nothing yet: what a run had done is noted while its story is at hand, where `check` will ask for it."""
    over = told.status is not None and told.told[-1][0] <= (chronicle.quiet_us or 0)
    if told.records and not over and _is_bounded(chronicle):
        progress_of(chronicle, told)
    yield from ()


def _is_bounded(chronicle: Chronicle) -> bool:
    return chronicle.proven is not None and chronicle.quiet_us is not None and not chronicle.endless


def _late(chronicle: Chronicle, told: RunTold, ahead: Ahead) -> Iterator[Violation]:
    took_us = max(0, told.told[-1][0] - ahead.from_us)
    chronicle.pace[told.run] = took_us, ahead.most_us
    if took_us > ahead.most_us:
        said = f"it ended {in_words(took_us)} after the last fault (at {ahead.from_us / 1e6:g} s), and {_most(ahead)}"
        yield Violation("L1", said, told.run, told.records[-1].seq)


def _most(ahead: Ahead) -> str:
    if ahead.most_us == math.inf:
        return f"nothing bounds what was before it then: {ahead.said}"
    dominant = f"; most of that is {ahead.said}" if ahead.said else ""
    return f"what was before it then takes {in_words(ahead.most_us)} at most{dominant}"


def _unended(chronicle: Chronicle, told: RunTold, ahead: Ahead | None) -> Violation:
    if not told.records:
        return Violation("L1", "it never began", told.run)
    kernel = chronicle.story(told.run).kernel
    waits = ", ".join(kernel.path(place) for place in kernel.open_places()) or "nothing"
    why = "it writes records for ever" if chronicle.endless else "nothing is left that could go on"
    said = f"it has not ended after {chronicle.ended_us / 1e6:g} s, and {why}; open: {waits}"
    if ahead is not None:
        said += f"; after the last fault (at {ahead.from_us / 1e6:g} s) {_most(ahead)}"
    last = max(kernel.open_places(), default=0)
    here = chronicle.story(told.run).happenings.get(last)
    step = here.path if here is not None else None
    return Violation("L1", said, told.run, told.records[-1].seq, step, here.node if here is not None else None)
