"""S5, verified: every value that a step gave passes its validators again."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.commands import ReleaseGrant
from orchspec.runtime.kernel.events import QuestionAnswered, TaskFulfilled
from orchspec.runtime.kernel.seeking import Seeking
from orchspec.runtime.kernel.values import Unverified
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.runtime.recording import EventRecord
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["of_run"]

_REFUSED = frozenset({"retry", "failed", "ignored", "skipped", "used instead", "asked"})
_BY_SEQ: Final = attrgetter("seq")


def _was_taken(record: EventRecord) -> bool:
    """Whether a record gave a value, and nothing kept it from being that of its step."""
    for what, _ in record.decided:
        if str(what) in _REFUSED:
            return False
    # Where nothing was decided on one that failed, its hedge goes on.
    return not any(isinstance(each, ReleaseGrant) and each.outcome == "failed" for each in record.commands)


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """Outputs that were taken and do not hold."""
    kernel = chronicle.story(told.run).kernel
    places, contracts = kernel.places, kernel.program.contracts
    given, answered = told.happened(TaskFulfilled), told.happened(QuestionAnswered)
    for record in sorted((*given, *answered), key=_BY_SEQ) if answered else given:
        if not _was_taken(record):
            continue
        event: Any = record.event
        task = places[event.place]
        if not isinstance(task, Seeking) or task.asking.contract not in contracts:
            continue
        value = event.output if isinstance(event, TaskFulfilled) else event.value
        try:
            contracts[task.asking.contract].verify(task.inputs, value)
        except Unverified as error:
            yield Violation("S5", f"{task.path()}: {error}", told.run, record.seq, task.path(), task.op.node)
