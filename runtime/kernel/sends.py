"""What an attempt is sent as: the command to an agent, or the question to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.commands import AskPerson, RunTask
from orchspec.runtime.kernel.sessions import newest, turns_of_run
from orchspec.runtime.kernel.table import RUNNING

if TYPE_CHECKING:
    from orchspec.runtime.kernel.menus import Menu
    from orchspec.runtime.kernel.program import Seat
    from orchspec.runtime.kernel.tasks import Task

__all__ = ["send", "takes_answer_of"]


def send(task: Task, seat: Seat) -> None:
    """Send the attempt that is granted, or send it again: with what the task was given, and with what it recalls."""
    asking = task.asking
    menu = asking.vetting.menu(task) if asking.vetting is not None else None
    inbox = task.inbox[1] if task.inbox is not None else []
    if seat.person:
        _put(task, seat, inbox, menu)
        return
    assert task.tier is not None
    command = RunTask(
        task.place,
        task.attempt,
        task.dispatch,
        seat.agent,
        asking.contract,
        task.inputs,
        task.tier.model,
        task.deadline_us,
        task.previous_error,
        [],
        task.pico,
        task.tokens,
        inbox,
        menu,
        "",
        0,
        -1,
        task.reads,
    )
    recall = task.recall
    if recall is not None:
        command.session = recall.key
        command.version = recall.version
        command.room = recall.room
        command.history_tokens = recall.handed
        if not recall.key:
            command.history = newest(turns_of_run(task.kernel, seat.agent), recall.room)
    task.kernel.out.append(command)


def _put(task: Task, seat: Seat, inbox: list[Any], menu: Menu | None) -> None:
    """Put the question to a person."""
    asking = task.asking
    where = (task.place, task.attempt, task.dispatch)
    task.kernel.out.append(
        AskPerson(*where, seat.agent, asking.contract, task.inputs, _answer_by(task), inbox, asking.doubt, menu)
    )


def _answer_by(task: Task) -> int | None:
    deadline_us = task.deadline_us
    if task.within_at_us is None:
        return deadline_us
    return task.within_at_us if deadline_us is None else min(deadline_us, task.within_at_us)


def takes_answer_of(task: Task, told_us: int) -> bool:
    """Whether a task waits for a person, and what they said at that time (microseconds) was said by its deadline."""
    if task.state != RUNNING or task.seat is None or not task.seat.person:
        return False
    deadline_us = _answer_by(task)
    return deadline_us is None or told_us <= deadline_us
