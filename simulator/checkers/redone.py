"""S3, nothing redone: after its verified or confirmed record is durable, nothing of a place is sent again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import AskPerson, RunTask, TryEffect
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["of_run"]


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """Commands that send something of a place that has ended."""
    story = chronicle.story(told.run)
    ended_at = story.ended_at
    for record, command in told.commanded(RunTask, AskPerson, TryEffect):
        ended = ended_at[command.place]
        if ended is None or ended >= record.seq:
            continue
        here = story.happenings[command.place]
        said = f"{here.path} had ended with record {ended} and is sent again by record {record.seq}"
        yield Violation("S3", said, told.run, record.seq, here.path, here.node)
