"""What the parts of a driver share: the runs that it has, and how they reach the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.crew import Crew
    from orchspec.runtime.driver.beats import Beats
    from orchspec.runtime.driver.clock import Clock
    from orchspec.runtime.engine import Engine
    from orchspec.runtime.forking import Fork
    from orchspec.runtime.journal.records import RunRow
    from orchspec.runtime.kernel.commands import EndRun
    from orchspec.runtime.kernel.events import Event
    from orchspec.runtime.kernel.kernel import Kernel
    from orchspec.runtime.recording import EventRecord
    from orchspec.runtime.result import RunResult

__all__ = ["Heard", "House", "LiveRun", "Loop", "Request", "Tell", "Watch"]

Watch = Callable[["EventRecord"], None]
"""Told of each record of a run once it is durable."""
Tell = Callable[[str], None]
"""Told what a person should know."""
Heard = Callable[[str, str, float, str], None]
"""Told of a heartbeat: run, step, share that is done, note."""


@dataclass(slots=True)
class Request:
    """A run that is asked for.

    `crew` is called with the plan that the run is pinned to and the engine's clock; it raises MissingHandlers.
    `upgrade`: the plan that the run is to go on with, if it fits; its `options` then go over those of the run.
    `fork`: what the run begins with, if the store does not hold it.
    """

    run: str
    crew: Callable[[Plan, Clock], Crew]
    watch: Watch | None = None
    plan: Plan | None = None
    flow: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    upgrade: Plan | None = None
    fork: Fork | None = None


@dataclass(slots=True)
class LiveRun:
    """A run that a driver has. `kernel` is the one that it is folded into; it stays readable when the run has ended.

    `context`: of whoever asked for it; its agents are called in copies.
    """

    row: RunRow
    plan: Plan
    crew: Crew
    future: asyncio.Future[RunResult]
    watch: Watch | None = None
    kernel: Kernel | None = None
    waiters: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    context: Context = field(default_factory=copy_context)

    @property
    def run(self) -> str:
        """Its name."""
        return self.row.run

    def show(self, record: Any, tell: Tell) -> None:
        """Show a record to whoever watches."""
        assert self.watch is not None
        try:
            self.watch(record)
        except Exception as error:  # noqa: BLE001 - who only looks on must not stop the run
            self.watch = None
            tell(f"whoever watches run {self.run} failed and watches no more: {type(error).__name__}: {error}")


class House(Protocol):
    """Who keeps the loop: told of what concerns whole runs."""

    def ended(self, live: LiveRun, command: EndRun) -> None:
        """The end of a run is durable."""

    def halted(self, live: LiveRun, error: Exception) -> None:
        """A run met a bug of ours."""

    def lost(self, error: Exception) -> None:
        """The store is no longer what this loop thinks; it has been closed."""

    def quiet(self) -> None:
        """Nothing is under way but what waits for people, or for other runs."""

    def tell(self, message: str) -> None:
        """Something that a person should know."""

    def note_progress(self, run: str, step: str, share: float, note: str) -> None:
        """A heartbeat of a task."""


class Loop(Protocol):
    """What the parts of a driver may ask of the loop that drives them."""

    engine: Engine
    clock: Clock
    asyncio_loop: asyncio.AbstractEventLoop
    lives: dict[str, LiveRun]
    beats: Beats
    epoch: int
    closed: bool
    draining: bool

    def post(self, run: str, event: Event, mail: int | None = None) -> None:
        """Something happened: it is handled with all else that happens at this instant."""

    def schedule(self) -> None:
        """Have the inbox drained soon."""

    def poll(self, *, first: bool = False) -> None:
        """Drain the mailbox; at `first`, before timers are looked at, of what people said by their deadlines."""

    def tell(self, message: str) -> None:
        """Something that a person should know and that changes no decision."""

    def owns(self) -> bool:
        """Whether the store still has our epoch, read now."""

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Run a coroutine beside the loop; it is cancelled when the loop is closed."""

    def beside(self, task: asyncio.Task[Any]) -> None:
        """A task that runs beside the loop; it is cancelled when the loop is closed."""
