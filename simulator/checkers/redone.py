"""S3, nothing redone: after its verified or confirmed record is durable, nothing of a place is sent again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import AskPerson, RunTask, TryEffect
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.chronicle import Chronicle

__all__ = ["check"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Commands that send something of a place that has ended."""
    for told in chronicle.runs.values():
        story = chronicle.story(told.run)
        for record, command in told.commanded(RunTask, AskPerson, TryEffect):
            here = story.happenings.get(command.place)
            if here is None or here.ended_seq is None or here.ended_seq >= record.seq:
                continue
            said = f"{here.path} had ended with record {here.ended_seq} and is sent again by record {record.seq}"
            yield Violation("S3", said, told.run, record.seq, here.path, here.node)
