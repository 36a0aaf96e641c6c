"""Who carries out the work of a run: players of agents and people, senders of effects, and how functions become one.

A *player* is an asynchronous function of a `Task`, a *sender* one of an `EffectCall` and the arguments by name. A
*crew* gives them by name; `None` means that it has nobody. Synchronous functions run in a thread of their own, which
dies with the process: an agent that never returns keeps nobody from leaving.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from orchspec.runtime.driver.clock import pace_of
from orchspec.runtime.task import EffectCall, Task

__all__ = ["Caller", "Crew", "Player", "Relay", "Sender", "in_thread", "leave_by_interrupt", "player_of", "sender_of"]

Player: TypeAlias = Callable[[Task], Awaitable[Any]]
Sender: TypeAlias = Callable[[EffectCall, dict[str, Any]], Awaitable[Any]]
Caller: TypeAlias = Callable[[list[Any], int], tuple[int, Any] | None]
"""Of the arguments (inner values) and the key of the place: after how long (microseconds) the signal comes with which
value (JSON of the edge), or None for never."""


class Crew(Protocol):
    """Who does the work of a run."""

    def agent(self, name: str, contract: str) -> Player | None:
        """Who plays an agent (or a dispatcher) at a contract."""

    def human(self, name: str, *, doubt: bool = False) -> Player | None:
        """Who answers for a person; None leaves the question to the inbox.

        `doubt`: whether the question is if an effect was done, which only somebody who looks can tell.
        """

    def effect(self, name: str) -> Sender | None:
        """Who does an effect."""

    def signal(self, name: str) -> Caller | None:
        """Who sends a signal to whom waits for it; None leaves it to `orch signal`."""


class Relay:
    """The first of two crews, and the second for whomever the first lacks."""

    def __init__(self, first: Crew, second: Crew) -> None:
        self._first = first
        self._second = second

    def agent(self, name: str, contract: str) -> Player | None:
        """See `Crew`."""
        return self._first.agent(name, contract) or self._second.agent(name, contract)

    def human(self, name: str, *, doubt: bool = False) -> Player | None:
        """See `Crew`."""
        return self._first.human(name, doubt=doubt) or self._second.human(name, doubt=doubt)

    def effect(self, name: str) -> Sender | None:
        """See `Crew`."""
        return self._first.effect(name) or self._second.effect(name)

    def signal(self, name: str) -> Caller | None:
        """See `Crew`."""
        return self._first.signal(name) or self._second.signal(name)


def player_of(function: Callable[..., Any]) -> Player:
    """The player that calls a function with the task and the parameters by name."""
    if _is_async(function):

        def play(task: Task) -> Awaitable[Any]:
            called: Awaitable[Any] = function(task, **task.inputs)
            return called

        return play

    async def play_in_thread(task: Task) -> Any:
        inputs = task.inputs  # made here, not in the thread
        returned = await in_thread(lambda: function(task, **inputs), lambda: task.powers.held)
        return await returned if inspect.isawaitable(returned) else returned

    return play_in_thread


def sender_of(function: Callable[..., Any]) -> Sender:
    """The sender that calls a function with the call and the arguments by name."""
    if _is_async(function):

        async def send(call: EffectCall, arguments: dict[str, Any]) -> Any:
            return await function(call, **arguments)

        return send

    async def send_in_thread(call: EffectCall, arguments: dict[str, Any]) -> Any:
        returned = await in_thread(lambda: function(call, **arguments), lambda: False)
        return await returned if inspect.isawaitable(returned) else returned

    return send_in_thread


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def leave_by_interrupt(loop: asyncio.AbstractEventLoop) -> None:
    """Lets an interrupt that struck a handler go on to whoever runs the loop, out of no task of ours."""

    def leave() -> None:
        raise KeyboardInterrupt

    loop.call_soon(leave)


async def in_thread(work: Callable[[], Any], held: Callable[[], bool]) -> Any:
    """Runs a function in a daemon thread.

    Args:
        work: the function.
        held: asked when this is cancelled; while it says yes, the cancellation is kept waiting until the thread has
            returned, since a thread cannot be killed and somebody wants to know when it really stopped.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Any] = loop.create_future()
    ended.add_done_callback(lambda future: future.cancelled() or future.exception())
    pace_of(loop).outside(ended)
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(result)
        else:
            # A future cannot carry StopIteration, and the others of BaseException would end the engine.
            ended.set_exception(
                error
                if isinstance(error, Exception) and not isinstance(error, StopIteration)
                else RuntimeError(repr(error))
            )

    def run() -> None:
        result, failure = None, None
        try:
            result = context.run(work)
        except BaseException as error:  # noqa: BLE001 - whatever ends a handler is told, not printed
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            return  # The loop is closed: nobody waits any more.

    threading.Thread(target=run, name="orch-handler", daemon=True).start()
    while True:
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            if ended.done() or not held():
                raise
