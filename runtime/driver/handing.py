"""What is handed to a handler, and what it hands back, between the kernel's form and that of the edge."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from orchspec.runtime.driver.values import cost_pico, token_count
from orchspec.runtime.kernel.menus import Asks
from orchspec.runtime.task import Message, Output, Task, moment

if TYPE_CHECKING:
    from orchspec.runtime.driver.attempts import Attempt
    from orchspec.runtime.driver.live import LiveRun
    from orchspec.runtime.errors import Failed
    from orchspec.runtime.kernel.commands import AskPerson, RunTask

__all__ = ["task_of", "usage_of"]


def task_of(live: LiveRun, attempt: Attempt, command: RunTask | AskPerson) -> Task:
    """The task of an attempt: what its handler is handed."""
    kernel = live.kernel
    assert kernel is not None
    step = kernel.path(command.place)
    contract = live.plan.contracts[command.contract]
    menu = command.menu
    task = Task(
        powers=attempt,
        run=live.run,
        step=step,
        agent=command.agent,
        contract=command.contract,
        inputs=kernel.program.contracts[command.contract].encode_inputs(command.inputs),
        expects=contract.expects,
        attempt=command.attempt,
        key=hashlib.sha256(f"{live.run}\n{step}".encode()).hexdigest(),
        deadline=moment(command.deadline_us),
        inner=command.inputs,
        draw_key=kernel.draw_key(command.place),
        menu=menu,
        inbox=[Message(channel, sender, values) for channel, sender, values in command.inbox],
        channels=tuple(name for name, each in live.plan.channels.items() if command.agent in each.senders),
    )
    if isinstance(menu, Asks):
        task.may_ask = {name: tuple(who) for name, who in menu.contracts.items()}
        task.turns_left = menu.rounds_left
    elif menu is not None:
        task.may_hand_to = tuple(menu.targets)
        task.turns_left = menu.hops_left
    return task


def usage_of(output: Output | Failed) -> tuple[int | None, int | None, int | None]:
    """Tokens read and written and pico-dollars of an output, or of a failure, as far as it tells. Raises BadOutput."""
    return (
        token_count(output.tokens_in, "tokens_in"),
        token_count(output.tokens_out, "tokens_out"),
        cost_pico(output.cost_usd),
    )
