"""The rows that stand beside outward commands: a question to a person, and the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from orchspec.runtime.journal.records import QuestionRow, RunRow

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import RunStatus
    from orchspec.runtime.kernel.commands import AskPerson, EndRun
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["ended_row", "question_row"]


def question_row(run: str, kernel: Kernel, command: AskPerson, now_us: int) -> QuestionRow:
    """A question as people see it."""
    contract = kernel.program.plan.contracts[command.contract]
    return QuestionRow(
        run,
        kernel.path(command.place),
        command.contract,
        command.agent,
        kernel.program.contracts[command.contract].encode_inputs(command.inputs),
        contract.expects,
        now_us,
        command.deadline_us,
        contract.result,
        command.inbox,
    )


def ended_row(row: RunRow, command: EndRun, now_us: int) -> RunRow:
    """The row of a run that has ended."""
    status = cast("RunStatus", command.status)
    return row.ended(status, command.result, command.error, now_us)
