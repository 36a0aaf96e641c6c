"""L1, liveness: once faults have stopped, every run ends, and its client is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.chronicle import Chronicle

__all__ = ["check"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Runs that nobody was told of the end of."""
    for told in chronicle.runs.values():
        if told.status is not None or told.run in chronicle.halted:
            continue
        if not told.records:
            yield Violation("L1", "it never began", told.run)
            continue
        kernel = chronicle.story(told.run).kernel
        waits = ", ".join(kernel.path(place) for place in kernel.open_places()) or "nothing"
        why = "it writes records for ever" if chronicle.endless else "nothing is left that could go on"
        said = f"it has not ended after {chronicle.ended_us / 1e6:g} s, and {why}; open: {waits}"
        last = max(kernel.open_places(), default=0)
        here = chronicle.story(told.run).happenings.get(last)
        step = here.path if here is not None else None
        yield Violation("L1", said, told.run, told.records[-1].seq, step, here.node if here is not None else None)
