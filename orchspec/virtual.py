"""Virtual time for asyncio: a loop that jumps to the next timer as soon as nothing is left to do at this instant.

    with orchspec.testing.virtual_time() as clock:
        result = clock.run(app.run("onboarding", {"name": "Ann"}))
        assert clock.elapsed == timedelta(days=3)

Everything that sleeps, times out or is due later goes by it: the runtime, its timers and deadlines, agents that await.
Rules.
1. Callbacks that wait for the rest of the instant (`Pace.soon`) run when nothing else is ready, before time goes on.
2. While a thread works, or a socket or pipe is watched, time stands still, for `patience_s` real seconds at most: then
   it goes on without them. What our own thread writes into the store is always waited for.
3. Housekeeping (`Pace.beside`) moves no time: where time jumps over it, it is done once.
4. Where nothing will ever happen any more, `StandStill` says so instead of waiting for ever.
5. What is due at one microsecond comes in the order in which it was asked for.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from orchspec.runtime.driver.clock import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

__all__ = ["StandStill", "VirtualClock", "virtual_time"]

T = TypeVar("T")

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LOOK_S: Final = 0.05
"""How long, in real time, a loop sleeps that waits for nothing but housekeeping."""


class StandStill(RuntimeError):
    """Every task waits for something that nobody will do."""


class VirtualClock:
    """A time of its own, shared by the loops that run in it, one after another.

    Args:
        start_us: where it begins, microseconds since the epoch.
        patience_s: how long threads and sockets are waited for, in real seconds, before time goes on without them.
        alone: whether nobody else puts anything into the stores: then housekeeping is not worth waiting for.
    """

    def __init__(self, start_us: int, patience_s: float, *, alone: bool = False) -> None:
        self.alone = alone
        self.start_us = self.now_us = start_us
        self.patience_s = patience_s

    @property
    def now(self) -> datetime:
        """The present."""
        return datetime.fromtimestamp(self.now_us // 1_000_000, UTC) + timedelta(microseconds=self.now_us % 1_000_000)

    @property
    def elapsed(self) -> timedelta:
        """How much time has passed since the start."""
        return timedelta(microseconds=self.now_us - self.start_us)

    def loop(self) -> VirtualLoop:
        """A new event loop in this time; for runners that take a `loop_factory`."""
        return VirtualLoop(self)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """`asyncio.run` in this time. Raises what it raises, and StandStill."""
        with asyncio.Runner(loop_factory=self.loop) as runner:
            return runner.run(main)

    def advance(self, by: timedelta | float) -> None:
        """Let time pass between two runs of a loop (seconds, or a timedelta)."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if seconds < 0:
            raise ValueError("time does not go backwards")
        self.now_us += round(seconds * 1_000_000)


@contextmanager
def virtual_time(start: datetime = START, *, patience_s: float = 1.0) -> Iterator[VirtualClock]:
    """Time that jumps: whatever event loop is made inside runs in it, `asyncio.run` and `App.run_sync` too.

    Args:
        start: the present at its beginning.
        patience_s: how many real seconds threads (handlers that are plain functions) and sockets are waited for
            before time goes on without them.

    Yields:
        The clock: `run(coroutine)`, `now`, `elapsed`, `advance(…)`, `loop()`.
    """
    clock = VirtualClock(round(start.timestamp() * 1_000_000), patience_s)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # policies go, in some year; `clock.run` stays
        before = asyncio.get_event_loop_policy()
        asyncio.set_event_loop_policy(_policy(clock))
    try:
        yield clock
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            asyncio.set_event_loop_policy(before)


def _policy(clock: VirtualClock) -> asyncio.AbstractEventLoopPolicy:
    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            return clock.loop()

    return Policy()


class _Timer(asyncio.TimerHandle):
    """A timer of asyncio's heap, which has no order among those of one time by itself."""

    __slots__ = ("number",)
    number: int

    def __lt__(self, other: Any) -> bool:
        return (self._when, self.number) < (other._when, other.number)  # type: ignore[attr-defined]


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a `VirtualClock`'s."""

    def __init__(self, clock: VirtualClock) -> None:
        self._virtual = clock
        self._jumper = _Jumper(self)
        super().__init__(self._jumper)
        # Floats of seconds are rounded to microseconds: a timer is due that is nearer than half of one.
        self._clock_resolution = 5e-7
        self._later: list[Callable[[], None]] = []
        self._beside: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._ours: set[asyncio.Future[Any]] = set()
        self._theirs: set[asyncio.Future[Any]] = set()
        self.pace = Pace(lambda: clock.now_us, self._soon, self._call_beside, self._theirs_too, float("inf"))

    def time(self) -> float:
        """The present, in seconds since this clock began."""
        return (self._virtual.now_us - self._virtual.start_us) / 1_000_000

    def call_at(  # type: ignore[override]  # its variadic types can't be said in 3.11's words
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio`."""
        self._check_closed()  # type: ignore[attr-defined]
        timer = _Timer(round(when, 6), callback, args, self, context)
        timer.number = next(self._numbers)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001
        return timer

    def run_in_executor(  # type: ignore[override]  # its variadic types can't be said in 3.11's words
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """See `asyncio`; time waits for what is run in an executor that was named."""
        future = super().run_in_executor(executor, func, *args)
        (self._theirs_too if executor is None else self._wait_for)(future)
        return future

    def _wait_for(self, future: asyncio.Future[Any]) -> None:
        self._ours.add(future)
        future.add_done_callback(self._ours.discard)

    def _theirs_too(self, future: asyncio.Future[Any]) -> None:
        self._theirs.add(future)
        future.add_done_callback(self._theirs.discard)

    def _soon(self, callback: Callable[[], None]) -> None:
        self._later.append(callback)

    def _call_beside(self, delay_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self.time() + delay_s, callback, (), self)
        due_us = self._virtual.now_us + round(delay_s * 1_000_000)
        heapq.heappush(self._beside, (due_us, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if getattr(handle, "_scheduled", False):  # those of `_beside` are none of asyncio's heap
            super()._timer_handle_cancelled(handle)  # type: ignore[misc]

    # -------------------------------------------------------------- when nothing is ready

    def pass_time(self, select: Callable[[float], Any], timeout: float | None) -> Any:
        """What a selector is asked when nothing is ready: for how long may it sleep (None: until something happens)."""
        if found := select(0):
            return found
        if self._later:
            later, self._later = self._later, []
            for callback in later:
                self.call_soon(callback)
            return []
        if self._ours:
            return select(_LOOK_S)
        if (self._theirs or self._jumper.watches) and (found := select(self._virtual.patience_s)):
            return found
        if timeout is None:
            return self._idle(select)
        clock = self._virtual
        clock.now_us += max(0, round(timeout * 1_000_000))
        self._do_beside(clock.now_us)
        return []

    def _idle(self, select: Callable[[float], Any]) -> Any:
        waiting = [entry for entry in self._beside if not entry[2].cancelled() and not self._virtual.alone]
        if not waiting and not self._theirs and not self._jumper.watches:
            raise StandStill("every task waits for something that nobody will do, and no timer is set")
        # Others may put something into a store, in their own time.
        found = select(_LOOK_S)
        self._do_beside(max((due for due, _, _ in waiting), default=0))
        return found

    def _do_beside(self, until_us: int) -> None:
        while self._beside and self._beside[0][0] <= until_us:
            _, _, handle = heapq.heappop(self._beside)
            self.call_soon(_run, handle)


class _Jumper(selectors.BaseSelector):
    """A selector that lets its loop's time pass instead of sleeping."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    @property
    def watches(self) -> bool:
        """Whether anything is watched but the loop's own pipe, which wakes it."""
        return len(self._real.get_map()) > 1

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return self._real.select(0)
        return self._loop.pass_time(self._real.select, timeout)


def _run(handle: asyncio.TimerHandle) -> None:
    if not handle.cancelled():
        handle._run()  # noqa: SLF001
