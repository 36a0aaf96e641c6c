"""Attempts of agents: started, stopped, and told as events.

An attempt that was told to stop is cancelled, but has stopped only when its handler has returned: a thread cannot be
killed. Until then its grant is held (the kernel lets go after a grace), and what it cost is reported however late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from orchspec.runtime.driver.eager import Starter
from orchspec.runtime.driver.handing import Handed, arguments_by_name, usage_of
from orchspec.runtime.driver.values import as_json, error_text
from orchspec.runtime.engine import TOOL_CALLS
from orchspec.runtime.errors import AttemptStopped, BadOutput, EffectFailed, Failed, NotAllowed
from orchspec.runtime.failpoints import reached
from orchspec.runtime.kernel.events import (
    CostReported,
    EffectRequested,
    Event,
    MessagePosted,
    QuestionAnswered,
    TaskFailed,
    TaskFulfilled,
    TaskStopped,
)
from orchspec.runtime.task import Output

if TYPE_CHECKING:
    from orchspec.runtime.crew import Player
    from orchspec.runtime.dispatcher import Grant
    from orchspec.runtime.driver.live import LiveRun, Loop
    from orchspec.runtime.kernel.commands import AnswerCall, AskPerson, RunTask, StopTask
    from orchspec.runtime.task import Task

__all__ = ["Attempt", "Attempts"]

_CALLS_MAX = (1 << 16) - 1

Usage: TypeAlias = tuple[int | None, int | None, int | None]
"""Tokens read, tokens written, pico-dollars; None: nobody counted."""
_NO_USAGE: Final[Usage] = (None, None, None)


class Attempt:
    """One attempt under way; the powers of its `Task`."""

    stopped = abandoned = False
    number = tool_us = _tool_since_us = _asked = 0
    handle: asyncio.Task[None] | None = None

    def __init__(
        self, loop: Loop, attempts: Attempts, run: str, command: RunTask | AskPerson, *, person: bool = False
    ) -> None:
        self._loop = loop
        self._attempts = attempts
        self.loop = loop.asyncio_loop
        self.run = run
        self.place = command.place
        self.attempt = command.attempt
        self.dispatch = command.dispatch
        self.agent = command.agent
        self.person = person
        self._calls: set[int] = set()
        self._waits: dict[int, asyncio.Future[None]] = {}
        self._posts: dict[int, asyncio.Future[Any]] = {}
        self._deeds: set[int] = set()

    @property
    def held(self) -> bool:
        """See `task.Powers`."""
        return self.stopped and not self.abandoned

    # -------------------------------------------------------------- tools

    async def enter_tool(self, tool: str) -> int:
        """See `task.Powers`."""
        self._hold_on()
        if self.number >= _CALLS_MAX:
            raise NotAllowed(f"one attempt of {self.agent} called tools {_CALLS_MAX} times; that is all it may")
        self.number += 1
        call = self.number
        loop = self._loop
        now = loop.clock.now_us()
        if not self._calls:
            self._tool_since_us = self._elapsed_us()
        self._calls.add(call)
        grant = loop.engine.call_tool(self.run, self.place, self.attempt, call, tool, now)
        if grant is None:
            wait: asyncio.Future[None] = self.loop.create_future()
            self._waits[call] = wait
            loop.schedule()  # the next wake-up may have to be earlier
            try:
                await wait
            except BaseException:
                self.leave_tool(call)
                raise
            finally:
                self._waits.pop(call, None)
        return call

    def granted(self, call: int) -> None:
        """A call that waited may go on."""
        wait = self._waits.get(call)
        if wait is not None and not wait.done():
            wait.set_result(None)

    def leave_tool(self, call: int) -> None:
        """See `task.Powers`."""
        if call in self._calls:
            self._calls.discard(call)
            now = self._loop.clock.now_us()
            if not self._calls:
                self.tool_us += self._elapsed_us() - self._tool_since_us
            if not self.abandoned:
                self._loop.engine.end_tool_call(self.run, self.place, self.attempt, call, now)
                self._loop.schedule()

    def _elapsed_us(self) -> int:
        """A time for measuring, which goes on as it did though the system's clock is set."""
        return round(self.loop.time() * 1_000_000 * self._loop.clock.speed)

    def leave_all(self) -> None:
        """Close whatever calls the handler left open."""
        for call in sorted(self._calls):
            self.leave_tool(call)
        for answer in self._posts.values():
            if not answer.done():
                answer.set_exception(AttemptStopped(f"the attempt of {self.agent} is over"))

    # -------------------------------------------------------------- messages

    async def send(self, channel: str, args: dict[str, Any]) -> None:
        """See `task.Powers`."""
        values = as_json(args, f"a message of {self.agent} on {channel}")
        await self._request(lambda call: MessagePosted(0, *self.where(), call, channel, values))

    def by_name(self, name: str, given: tuple[Any, ...], arguments: dict[str, Any]) -> dict[str, Any]:
        """See `task.Powers`."""
        return arguments_by_name(self._loop.engine.kernels[self.run].program.plan, name, given, arguments)

    async def effect(self, name: str, args: dict[str, Any]) -> Any:
        """See `task.Powers`."""
        values = as_json(args, f"what {self.agent} asks of {name}")
        self._deeds.add(self._asked + 1)
        return await self._request(lambda call: EffectRequested(0, *self.where(), call, name, values))

    @property
    def waits(self) -> bool:
        """Whether it waits for an effect, which may take a person some days."""
        return bool(self._deeds)

    def over(self, returned: Any, error: BaseException | None) -> None:
        """Its handler is over."""
        self._attempts.over(self, returned, error)

    def where(self) -> tuple[int, int, int]:
        """Place, attempt and dispatch, as an event has them."""
        return self.place, self.attempt, self.dispatch

    async def _request(self, made: Callable[[int], Event]) -> Any:
        self._hold_on()
        self._asked += 1
        call = self._asked
        answer: asyncio.Future[Any] = self.loop.create_future()
        self._posts[call] = answer
        self._loop.post(self.run, made(call))
        try:
            return await answer
        finally:
            self._posts.pop(call, None)
            self._deeds.discard(call)

    def answered(self, command: AnswerCall) -> None:
        """What was asked of us is durable, or was refused."""
        answer = self._posts.get(command.call)
        if answer is None or answer.done() or command.dispatch != self.dispatch:
            return
        self._deeds.discard(command.call)  # now, not when the agent goes on: until then it is at work
        if command.problem is None:
            answer.set_result(command.receipt)
        elif command.code in ("not_allowed", "bad_input"):
            answer.set_exception(NotAllowed(command.problem))
        elif command.code:
            answer.set_exception(EffectFailed(command.code, command.problem))
        else:
            answer.set_exception(NotAllowed(f"the message of {self.agent} was refused: {command.problem}"))

    def progress(self, share: float, note: str) -> None:
        """See `task.Powers`."""
        self.loop.call_soon_threadsafe(self._loop.beats.heard, self.run, self.place, self.attempt, share, note)

    def _hold_on(self) -> None:
        if self.stopped:
            raise AttemptStopped(f"{self.agent} was told to stop")

    # -------------------------------------------------------------- stopping

    def stop(self) -> None:
        """Tell the handler to stop; what it is awaiting is cancelled."""
        self.stopped = True
        for wait in [*self._waits.values(), *self._posts.values()]:
            if not wait.done():
                wait.set_exception(AttemptStopped(f"{self.agent} was told to stop"))
        if self.handle is not None:
            self.handle.cancel()

    def abandon(self) -> None:
        """The engine that ran it is gone: nothing of it counts any more."""
        self.abandoned = True
        self.stop()


class Attempts:
    """The attempts of one loop, those of people with handlers too."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._starter = Starter(loop.asyncio_loop)
        self.open: dict[tuple[str, int, int], Attempt] = {}

    @property
    def busy(self) -> bool:
        """Whether any is at work; one that was told to stop, or that waits for an effect, may take long."""
        return any(not attempt.stopped and not attempt.waits for attempt in self.open.values())

    def handles(self) -> list[asyncio.Task[None]]:
        """The asyncio tasks of those under way."""
        return [attempt.handle for attempt in self.open.values() if attempt.handle is not None]

    def run(self, live: LiveRun, command: RunTask) -> None:
        """Have the agent's player do the attempt."""
        player = live.crew.agent(command.agent, command.contract)
        attempt = Attempt(self._loop, self, live.run, command)
        if player is None:
            message = f"nobody plays the agent {command.agent}: give a handler with @app.agent({command.agent!r})"
            self._post_failed(attempt, "no_handler", message, sent=False)
            return
        self._start(live, attempt, player, Handed(attempt, live, command))

    def ask(self, live: LiveRun, command: AskPerson, player: Player, asked_us: int) -> None:
        """Have a person's player answer; the answer comes as one of a person."""
        attempt = Attempt(self._loop, self, live.run, command, person=True)
        self._start(live, attempt, player, Handed(attempt, live, command, asked_us))

    def _start(self, live: LiveRun, attempt: Attempt, player: Player, task: Task) -> None:
        self.open[attempt.run, attempt.place, attempt.attempt] = attempt
        try:
            work = player(task)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it cannot even be called
            self.over(attempt, None, error)
            return
        coroutine = work if isinstance(work, CoroutineType) else _awaited(work)
        attempt.handle = self._starter.start(coroutine, live.context, attempt.over)
        if attempt.handle is not None:
            self._loop.beside(attempt.handle)

    def over(self, attempt: Attempt, returned: Any, error: BaseException | None) -> None:
        """The handler of an attempt has returned, or raised: it is told as an event, unless nobody wants to know."""
        key = (attempt.run, attempt.place, attempt.attempt)
        failure: tuple[str, str] | None = None
        usage = _NO_USAGE
        if error is None:
            try:
                if isinstance(returned, Output):
                    usage = usage_of(returned)
                    returned = returned.value
                returned = as_json(returned, f"the output of {attempt.agent}")
            except Exception as problem:  # noqa: BLE001 - what a stranger's value does when it is read
                error = problem
        if error is not None:
            failure = self._failure(attempt, error)
            if isinstance(error, Failed):
                usage = _usage_of(error)
        if self.open.get(key) is attempt:
            del self.open[key]
        attempt.leave_all()
        loop = self._loop
        loop.beats.over(attempt.run, attempt.place)
        if attempt.abandoned or loop.closed:
            return
        if attempt.stopped:
            self._post_stopped(attempt, usage)
        elif failure is not None:
            sent = not isinstance(error, Failed) or error.sent
            rest_us = error.retry_after_us if isinstance(error, Failed) else 0
            self._post_failed(attempt, *failure, usage=usage, sent=sent, retry_after_us=rest_us)
        elif attempt.person:
            answer = (attempt.place, attempt.attempt, returned, attempt.agent)
            loop.post(attempt.run, QuestionAnswered(0, *answer, cost_pico=usage[2]))
        else:
            event = TaskFulfilled(0, *attempt.where(), returned, *usage, attempt.number, attempt.tool_us)
            loop.post(attempt.run, event)

    def _failure(self, attempt: Attempt, error: BaseException) -> tuple[str, str]:
        """What failed, and what it says."""
        if isinstance(error, asyncio.CancelledError):
            if not attempt.stopped:
                # Cancelled by nobody of ours: it cancelled itself, or the whole loop is going down.
                current = asyncio.current_task(self._loop.asyncio_loop)
                if self._loop.closed or (current is not None and current.cancelling()):
                    attempt.abandoned = True
            return "agent_error", f"{attempt.agent} was cancelled from inside"
        if isinstance(error, Failed):
            return error.code, error_text(error)
        if isinstance(error, (BadOutput, AttemptStopped)):
            return error.code, error.message
        return "agent_error", error_text(error)

    def _post_failed(
        self,
        attempt: Attempt,
        code: str,
        message: str,
        *,
        usage: Usage = _NO_USAGE,
        sent: bool = True,
        retry_after_us: int = 0,
    ) -> None:
        loop = self._loop
        if attempt.person:
            kernel = loop.engine.kernels.get(attempt.run)
            if kernel is not None:
                loop.engine.committer.close_question(attempt.run, kernel.path(attempt.place))
        event = TaskFailed(
            0,
            *attempt.where(),
            code,
            message,
            *usage,
            tool_calls=attempt.number,
            sent=sent,
            retry_after_us=retry_after_us,
            tool_us=attempt.tool_us,
        )
        loop.post(attempt.run, event)

    def _post_stopped(self, attempt: Attempt, usage: Usage) -> None:
        if attempt.person:
            return  # The kernel let go of the question at once.
        if any(part is not None for part in usage):
            self._loop.post(attempt.run, CostReported(0, attempt.place, attempt.attempt, *usage))
        self._loop.post(attempt.run, TaskStopped(0, *attempt.where(), attempt.number, attempt.tool_us))

    def stop(self, run: str, command: StopTask) -> None:
        """Stop an attempt; `TaskStopped` follows when it has stopped."""
        attempt = self.open.get((run, command.place, command.attempt))
        if attempt is not None:
            attempt.stop()
        elif not command.person:
            # It was never started here, or has returned already: nothing runs on.
            self._loop.post(run, TaskStopped(0, command.place, command.attempt, command.dispatch))

    def answer_call(self, run: str, command: AnswerCall) -> None:
        """Tell an attempt what became of what it asked of us."""
        attempt = self.open.get((run, command.place, command.attempt))
        if attempt is not None:
            attempt.answered(command)
            if command.receipt is not None:
                reached("receipt_given")

    def withdraw(self, run: str, place: int, attempt: int) -> None:
        """A person has answered otherwise: their player need not."""
        found = self.open.get((run, place, attempt))
        if found is not None:
            found.stop()

    def tool_granted(self, grant: Grant) -> None:
        """A tool call of an attempt may go on."""
        number = grant.attempt - TOOL_CALLS
        attempt = self.open.get((grant.run, grant.place, number >> 16))
        if attempt is not None:
            attempt.granted(number & 0xFFFF)

    def abandon(self) -> None:
        """The engine is gone."""
        for attempt in list(self.open.values()):
            attempt.abandon()
        self.open.clear()


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


def _usage_of(failed: Failed) -> Usage:
    if not failed.sent:
        return 0, 0, 0
    try:
        return usage_of(failed)
    except BadOutput:
        return _NO_USAGE  # what it says of itself is none: as if nobody had counted
