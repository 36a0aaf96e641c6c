"""What is handed to a handler, and what it hands back, between the kernel's form and that of the edge.

A handler reads little of its `Task`, and a player that is no function still less: each part is made when it is first
read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.driver.values import copied, cost_pico, token_count
from orchspec.runtime.errors import NotAllowed
from orchspec.runtime.kernel.commands import RunTask
from orchspec.runtime.kernel.menus import Asks
from orchspec.runtime.task import BudgetLeft, Message, Output, Task, Turn, moment

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan, TypeExpr
    from orchspec.runtime.driver.attempts import Attempt
    from orchspec.runtime.driver.live import LiveRun
    from orchspec.runtime.errors import Failed
    from orchspec.runtime.kernel.commands import AskPerson
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["Handed", "arguments_by_name", "usage_of"]


class Handed(Task):
    """The task of an attempt: what its handler is handed. `asked_us` as in `Task`, of a person."""

    __slots__ = ("_command", "_live")

    def __init__(self, attempt: Attempt, live: LiveRun, command: RunTask | AskPerson, asked_us: int = 0) -> None:
        self.powers = attempt
        self.asked_us = asked_us
        self._live = live
        self._command = command

    def __getattr__(self, name: str) -> Any:
        make = _PARTS.get(name)
        if make is None:
            raise AttributeError(f"a task has no {name!r}; it has {', '.join(n for n in _PARTS if n != 'inner')}")
        value = make(self._live, self._command)
        setattr(self, name, value)
        return value


def _kernel(live: LiveRun) -> Kernel:
    kernel = live.kernel
    assert kernel is not None
    return kernel


def _inputs(live: LiveRun, command: RunTask | AskPerson) -> dict[str, Any]:
    given = _kernel(live).program.contracts[command.contract].encode_inputs(command.inputs)
    # What is not changed on its way to the edge is the kernel's own.
    return {name: copied(value) for name, value in given.items()}


def _key(live: LiveRun, command: RunTask | AskPerson) -> str:
    return hashlib.sha256(f"{live.run}\n{_kernel(live).path(command.place)}".encode()).hexdigest()


def _budget_left(_live: LiveRun, command: RunTask) -> BudgetLeft:
    pico, tokens = getattr(command, "reserved_pico", 0), getattr(command, "reserved_tokens", 0)
    return BudgetLeft(Decimal(pico).scaleb(-12) if pico else None, tokens or None)


def _history(_live: LiveRun, command: RunTask) -> list[Turn]:
    return [Turn(copied(turn[0]) or {}, copied(turn[1]), turn[3]) for turn in getattr(command, "history", ())]


def _may_ask(_live: LiveRun, command: RunTask) -> dict[str, tuple[str, ...]]:
    menu = command.menu
    return {name: tuple(who) for name, who in menu.contracts.items()} if isinstance(menu, Asks) else {}


def _may_hand_to(_live: LiveRun, command: RunTask) -> tuple[str, ...]:
    menu = command.menu
    return () if menu is None or isinstance(menu, Asks) else tuple(menu.targets)


def _turns_left(_live: LiveRun, command: RunTask) -> int | None:
    menu = command.menu
    if menu is None:
        return None
    return menu.rounds_left if isinstance(menu, Asks) else menu.hops_left


def _inbox(_live: LiveRun, command: RunTask) -> list[Message]:
    return [Message(channel, sender, copied(values)) for channel, sender, values in command.inbox]


def _of_agent(live: LiveRun, command: RunTask | AskPerson, what: str) -> tuple[str, ...]:
    return tuple(getattr(live.plan.agents[command.agent], what)) if isinstance(command, RunTask) else ()


def _channels(live: LiveRun, command: RunTask) -> tuple[str, ...]:
    return tuple(name for name, each in live.plan.channels.items() if command.agent in each.senders)


_PARTS: Final[dict[str, Callable[[LiveRun, Any], Any]]] = {
    "run": lambda live, _command: live.run,
    "step": lambda live, command: _kernel(live).path(command.place),
    "agent": lambda _live, command: command.agent,
    "contract": lambda _live, command: command.contract,
    "inputs": _inputs,
    "expects": lambda live, command: live.plan.contracts[command.contract].expects,
    "attempt": lambda _live, command: command.attempt,
    "key": _key,
    "previous_error": lambda _live, command: getattr(command, "previous_error", None),
    "deadline": lambda _live, command: moment(command.deadline_us),
    "budget_left": _budget_left,
    "model": lambda _live, command: getattr(command, "model", None),
    "tools": lambda live, command: _of_agent(live, command, "tools"),
    "history": _history,
    "may_ask": _may_ask,
    "may_hand_to": _may_hand_to,
    "turns_left": _turns_left,
    "inbox": _inbox,
    "channels": _channels,
    "effects": lambda live, command: _of_agent(live, command, "effects"),
    "inner": lambda _live, command: command.inputs,
    "draw_key": lambda live, command: _kernel(live).draw_key(command.place),
    "history_tokens": lambda _live, command: getattr(command, "history_tokens", 0),
    "doubt": lambda _live, command: getattr(command, "doubt", ""),
    "menu": lambda _live, command: command.menu,
}
"""Each part of a task, by its name, from the run and the command; a question to a person has some at their defaults."""


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
