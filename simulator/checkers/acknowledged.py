"""S14, acknowledged: what a client was told is durable and is told the same way again; an answer is used once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import EndRun
from orchspec.runtime.kernel.events import QuestionAnswered
from orchspec.simulator.chaos.told import was_ignored
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["of_run"]


def of_run(_chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """Clients that were told what is not in the journal, and answers that were used twice."""
    yield from _results(told)
    used: set[tuple[int, int]] = set()
    for record in told.happened(QuestionAnswered):
        event = record.event
        if was_ignored(record):
            continue
        if (event.place, event.attempt) in used:
            path = record.kernel.path(event.place)
            yield Violation("S14", f"the question {path} was answered twice", told.run, record.seq, path)
        used.add((event.place, event.attempt))


def _results(told: RunTold) -> Iterator[Violation]:
    ends = [(told.durable_us[record.seq - 1], command) for record, command in told.commanded(EndRun)]
    if len(ends) > 1:
        yield Violation("S14", f"the run ended {len(ends)} times", told.run)
    for time_us, status, result in told.told:
        if not ends or ends[0][0] > time_us:
            yield Violation("S14", f"its client was told {status} before that was durable", told.run)
        elif (ends[0][1].status, ends[0][1].result) != (status, result):
            said = f"its client was told {status}, and its journal says {ends[0][1].status}"
            yield Violation("S14", said, told.run)
