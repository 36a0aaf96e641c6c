"""What an attempt is sent as: the command to an agent, or the question to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import AskPerson, RunTask
from orchspec.runtime.kernel.sessions import newest, turns_of_run

if TYPE_CHECKING:
    from orchspec.runtime.kernel.program import Seat
    from orchspec.runtime.kernel.tasks import Task

__all__ = ["send"]


def send(task: Task, seat: Seat) -> None:
    """Send the attempt that is granted, or send it again: with what the task was given, and with what it recalls."""
    kernel = task.kernel
    asking = task.asking
    menu = asking.vetting.menu(task) if asking.vetting is not None else None
    inbox = task.inbox[1] if task.inbox is not None else []
    if seat.person:
        deadline_us = task.deadline_us
        if task.within_at_us is not None:
            deadline_us = task.within_at_us if deadline_us is None else min(deadline_us, task.within_at_us)
        kernel.out.append(
            AskPerson(
                task.place,
                task.attempt,
                task.dispatch,
                seat.agent,
                asking.contract,
                task.inputs,
                deadline_us,
                inbox,
                asking.doubt,
                menu,
            )
        )
        return
    assert task.tier is not None
    recall = task.recall
    if recall is None:
        kernel.out.append(
            RunTask(
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
        )
        return
    history = newest(turns_of_run(kernel, seat.agent), recall.room) if not recall.key else []
    kernel.out.append(
        RunTask(
            task.place,
            task.attempt,
            task.dispatch,
            seat.agent,
            asking.contract,
            task.inputs,
            task.tier.model,
            task.deadline_us,
            task.previous_error,
            history,
            task.pico,
            task.tokens,
            inbox,
            menu,
            recall.key,
            recall.version,
            recall.room,
            recall.handed,
        )
    )
