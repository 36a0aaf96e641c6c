"""S5, verified: every value that a step gave passes its validators again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.events import QuestionAnswered, TaskFulfilled
from orchspec.runtime.kernel.seeking import Seeking
from orchspec.runtime.kernel.values import Unverified
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.chronicle import Chronicle

__all__ = ["check"]

_REFUSED = frozenset({"retry", "failed", "ignored", "skipped", "used instead", "asked"})


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Outputs that were taken and do not hold."""
    for told in chronicle.runs.values():
        kernel = chronicle.story(told.run).kernel
        for record in told.records:
            event = record.event
            if not isinstance(event, (TaskFulfilled, QuestionAnswered)):
                continue
            if any(str(what) in _REFUSED for what, _ in record.decided):
                continue
            task = kernel.places[event.place]
            if not isinstance(task, Seeking) or task.asking.contract not in kernel.program.contracts:
                continue
            value = event.output if isinstance(event, TaskFulfilled) else event.value
            try:
                kernel.program.contracts[task.asking.contract].verify(task.inputs, value)
            except Unverified as error:
                yield Violation("S5", f"{task.path()}: {error}", told.run, record.seq, task.path(), task.op.node)
