"""Coroutines that begin at once: one that never waits is over without a task of its own and a turn of the loop.

    task = starter.start(coroutine, context, told)

Rules.
1. What a coroutine can see of its task is as if it had one from its first step on: `asyncio.current_task()` is the task
   that goes on with it if it waits, and its context is its own.
2. A task that was not needed serves the next coroutine of the same turn, but only if nothing of the one before is left
   in it: nobody holds it, it was not cancelled, and no context variable has changed.
3. A task is cancelled as usual, also before the loop has come to it.

Since Python 3.12 `asyncio.Task(…, eager_start=True)` does the first of these, with a task for each coroutine.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from asyncio.tasks import _enter_task, _leave_task  # documented in "Extending asyncio"
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeAlias

__all__ = ["Starter", "Told"]

Told: TypeAlias = Callable[[Any, BaseException | None], None]
"""Told of the end of a coroutine: what it returned, or what it raised. It does not raise itself."""

_OVER: Final = (None, None)


class _Carrier(Coroutine[Any, Any, None]):
    """What the task of a coroutine steps: the coroutine from where its first step left it, or nothing.

    `first`: what the first step waits for, until the task has been told; `waits` whether it has not.
    """

    __slots__ = ("before", "context", "coroutine", "first", "holders", "task", "told", "waits")

    def __init__(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        self.coroutine: Coroutine[Any, Any, Any] | None = None
        self.told: Told | None = None
        self.first: Any = None
        self.waits = False
        self.before = context
        self.context = context.copy()
        self.task: asyncio.Task[None] | None = asyncio.Task(self, loop=loop, context=self.context)
        self.holders = self._held()

    def _held(self) -> tuple[int, int]:
        return sys.getrefcount(self.task), weakref.getweakrefcount(self.task)

    def is_clean(self) -> bool:
        """Whether a coroutine that came before has left nothing behind that another could see."""
        if self.task is None or self.task.cancelling() or self._held() != self.holders:
            return False
        try:
            return self.context == self.before
        except Exception:  # noqa: BLE001 - values of strangers are compared
            return False

    def serves(self, context: Context) -> bool:
        """Whether a coroutine of that context may begin here."""
        try:
            return context == self.before
        except Exception:  # noqa: BLE001 - values of strangers are compared
            return False

    def take(self, coroutine: Coroutine[Any, Any, Any], first: Any, told: Told) -> None:
        """The task goes on with it."""
        self.coroutine, self.first, self.told = coroutine, first, told
        self.waits = True

    # -------------------------------------------------------------- what the task does

    def send(self, value: Any) -> Any:
        """See `Coroutine`."""
        if self.waits:
            self.waits = False
            return self._handed_on()
        if self.coroutine is None:
            self.task = None  # it knows us
            raise StopIteration
        return self._step(self.coroutine.send, value)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        """See `Coroutine`."""
        error = kind if value is None else value
        if self.waits:
            # Cancelled before the task has been told what it waits for: that is cancelled then, as ever.
            self.waits = False
            if asyncio.isfuture(self.first) and self.first.cancel():
                return self._handed_on()
        if self.coroutine is None:
            self.task = None
            raise error
        return self._step(self.coroutine.throw, error)

    def close(self) -> None:
        """See `Coroutine`."""
        if self.coroutine is not None:
            self.coroutine.close()

    def __await__(self) -> Any:
        raise TypeError("it is stepped by its task alone")

    def _handed_on(self) -> Any:
        first, self.first = self.first, None
        return first

    def _step(self, step: Callable[[Any], Any], value: Any) -> Any:
        assert self.told is not None
        try:
            return step(value)
        except StopIteration as stop:
            self.told(stop.value, None)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whoever started it is told
            self.told(None, error)
        self.task = self.coroutine = self.told = None
        raise StopIteration


class Starter:
    """Begins coroutines in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._spare: _Carrier | None = None

    def start(self, coroutine: Coroutine[Any, Any, Any], context: Context, told: Told) -> asyncio.Task[None] | None:
        """Take a coroutine as far as it goes without waiting.

        Args:
            coroutine: that has not begun.
            context: that it sees a copy of.
            told: told of its end, maybe before this returns.

        Returns:
            The task that goes on with it; None if it is over.
        """
        loop = self._loop
        spare = self._spare
        if spare is None or spare.task is None or not (spare.before is context or spare.serves(context)):
            spare = self._spare = _Carrier(loop, context)
        task = spare.task
        assert task is not None
        current = None
        try:
            _enter_task(loop, task)
        except RuntimeError:  # a task begins it, and goes on afterwards
            current = asyncio.current_task(loop)
            assert current is not None
            _leave_task(loop, current)
            _enter_task(loop, task)
        returned, failure = _OVER
        try:
            first = spare.context.run(coroutine.send, None)
        except StopIteration as stop:
            returned = stop.value
        except KeyboardInterrupt:
            self._spare = None
            raise
        except BaseException as error:  # noqa: BLE001 - whoever started it is told
            failure = error
        else:
            self._spare = None
            spare.take(coroutine, first, told)
            return task
        finally:
            _leave_task(loop, task)
            if current is not None:
                _enter_task(loop, current)
        del task
        if not spare.is_clean():
            self._spare = None
        told(returned, failure)
        return None
