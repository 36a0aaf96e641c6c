"""What is handed to a handler, and what it hands back, between the kernel's form and that of the edge."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from orchspec.runtime.driver.values import cost_pico, token_count
from orchspec.runtime.errors import NotAllowed
from orchspec.runtime.kernel.menus import Asks
from orchspec.runtime.task import Message, Output, Task, moment

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan, TypeExpr
    from orchspec.runtime.driver.attempts import Attempt
    from orchspec.runtime.driver.live import LiveRun
    from orchspec.runtime.errors import Failed
    from orchspec.runtime.kernel.commands import AskPerson, RunTask

__all__ = ["arguments_by_name", "task_of", "usage_of"]


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


def arguments_by_name(plan: Plan, name: str, given: tuple[Any, ...], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an effect or a channel by name, those too that were given in order, or as one dict by name.

    Raises NotAllowed for more than it takes, and for one that is given twice.
    """
    params = (plan.effects[name] if name in plan.effects else plan.channels[name]).params
    names = [param.name for param in params]
    if len(given) == 1 and not arguments and params and _is_by_name(plan, given[0], names, params[0].type):
        return dict(given[0])
    twice = [each for each in names[: len(given)] if each in arguments]
    if len(given) > len(names) or twice:
        problem = f"{twice[0]} is given twice" if twice else f"{len(given)} arguments were given"
        raise NotAllowed(f"{name} takes ({', '.join(names)}), and {problem}")
    return {**dict(zip(names, given, strict=False)), **arguments}


def _is_by_name(plan: Plan, value: Any, names: list[str], first: TypeExpr) -> bool:
    """Whether one dict is all arguments by name, and not itself the first argument."""
    if not isinstance(value, dict) or not value or not all(name in names for name in value):
        return False
    while isinstance(first, (list, tuple)) and first[0] == "Option":
        first = first[1]
    if isinstance(first, (list, tuple)) and first[0] == "Record":
        return not all(name in {field.name for field in plan.types[first[1]].fields} for name in value)
    return first != "Json" and not (isinstance(first, (list, tuple)) and first[0] == "Map")


def usage_of(output: Output | Failed) -> tuple[int | None, int | None, int | None]:
    """Tokens read and written and pico-dollars of an output, or of a failure, as far as it tells. Raises BadOutput."""
    return (
        token_count(output.tokens_in, "tokens_in"),
        token_count(output.tokens_out, "tokens_out"),
        cost_pico(output.cost_usd),
    )
