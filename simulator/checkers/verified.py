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
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["check"]

_REFUSED = frozenset({"retry", "failed", "ignored", "skipped", "used instead", "asked"})
_BY_SEQ: Final = attrgetter("seq")


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Outputs that were taken and do not hold."""
    for told in chronicle.runs.values():
        kernel = chronicle.story(told.run).kernel
        places, contracts = kernel.places, kernel.program.contracts
        for record in sorted((*told.happened(TaskFulfilled), *told.happened(QuestionAnswered)), key=_BY_SEQ):
            if record.decided and any(str(what) in _REFUSED for what, _ in record.decided):
                continue
            if any(isinstance(each, ReleaseGrant) and each.outcome == "failed" for each in record.commands):
                continue  # nothing was decided: its hedge goes on
            event: Any = record.event
            task = places[event.place]
            if not isinstance(task, Seeking) or task.asking.contract not in contracts:
                continue
            value = event.output if isinstance(event, TaskFulfilled) else event.value
            try:
                contracts[task.asking.contract].verify(task.inputs, value)
            except Unverified as error:
                yield Violation("S5", f"{task.path()}: {error}", told.run, record.seq, task.path(), task.op.node)
