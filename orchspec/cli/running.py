"""What `run` and `resume` share: who plays, Ctrl-C, the steps as they end, and how a run stands at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from orchspec.cli.boundary import INTERRUPTED
from orchspec.cli.common import NOT_WELL, PARKED, WELL, Misuse, Terminal
from orchspec.grammar.render import safe
from orchspec.runtime.errors import Interrupted, OrchError
from orchspec.runtime.recording import is_verified
from orchspec.runtime.result import RunResult

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.crew import Crew
    from orchspec.runtime.driver.clock import Clock
    from orchspec.runtime.handlers import Handlers
    from orchspec.runtime.journal.records import RunRow
    from orchspec.runtime.recording import EventRecord

__all__ = [
    "Narrator",
    "conclude",
    "crew_for",
    "exit_code",
    "handlers_left",
    "handlers_of",
    "interrupted",
    "under_signals",
]

Given = TypeVar("Given")

_INDENT: Final = 2
_STOP_S: Final = 1.0
"""How long handlers that were told to stop, and threads of theirs, are waited for at the end."""
_LEAVE_S: Final = 7.0
"""From an interrupt until the process ends, whatever its handlers do; service managers often kill after ten seconds."""


def handlers_of(agents: str | None, folder: str | None = None) -> Handlers | None:
    """The functions of `MODULE[:NAME]`, imported from a folder (the current one unless given).

    Raises Misuse if the module cannot be imported, or NAME (`app` unless said) is no App.
    """
    if agents is None:
        return None
    from orchspec.runtime.app import App

    module, _, name = agents.partition(":")
    place = str(Path(folder or ".").resolve())
    if module.endswith(".py") or not all(part.isidentifier() for part in module.split(".")):
        raise Misuse(f"--agents takes a module, MODULE[:NAME], found {agents!r}; for ./agents.py write --agents agents")
    if place not in sys.path:
        sys.path.insert(0, place)
    try:
        found = getattr(import_module(module), name or "app", None)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0] and error.name != module:
            raise Misuse(f"--agents {agents}: the module imports {error.name}, which is not installed") from error
        raise Misuse(f"--agents {agents}: there is no module {module} in {place}; write MODULE[:NAME]") from None
    except Exception as error:
        raise Misuse(f"--agents {agents}: importing it failed: {type(error).__name__}: {error}") from error
    if not isinstance(found, App):
        what = "is missing" if found is None else f"is a {type(found).__name__}"
        raise Misuse(f"--agents {agents}: {name or 'app'} {what}; expected an orchspec.App: write --agents MODULE:NAME")
    return found.handlers


def crew_for(
    row: RunRow, agents: str | None, *, stand_ins: bool, file: str | None = None
) -> Callable[[Plan, Clock], Crew]:
    """Who does the work of a run that goes on: whoever is named, else as it was started. Raises Misuse."""
    from orchspec.runtime.app import crew_of

    options = row.options
    named = agents is not None or stand_ins
    handlers = handlers_of(
        agents if named else _text(options.get("agents")), None if named else _text(options.get("folder"))
    )
    played = stand_ins if named else bool(options.get("stand_ins"))
    spec = file or _text(options.get("file"))
    folder = Path(spec).parent if spec is not None else None
    return lambda plan, clock: crew_of(handlers, plan, row.flow, clock, stand_ins=played, folder=folder)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def under_signals(
    work: Callable[[], Coroutine[Any, Any, Given]], say: Callable[[str], None], left: Callable[[], object]
) -> Given:
    """Runs asynchronous work; a first Ctrl-C (or SIGTERM) lets it stop in order, a second one leaves at once.

    So does the first after `_LEAVE_S`, if a handler will not stop; `left` then says how to go on.
    """

    def leave() -> None:
        left()
        sys.stdout.flush()
        os._exit(INTERRUPTED)

    async def main() -> Given:
        loop = asyncio.get_running_loop()
        asked: list[asyncio.Task[None]] = []

        def stop() -> None:
            if asked:
                os._exit(INTERRUPTED)
            from orchspec.runtime.driver.hubs import interrupt_all

            say("stopping: what is under way gets a moment to come back (again: leave at once)")
            # A thread, since the loop itself may be waiting for a handler that hears nothing.
            timer = threading.Timer(_LEAVE_S, leave)
            timer.daemon = True
            timer.start()
            asked.append(loop.create_task(interrupt_all()))

        for name in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C cancels the work, which stops in order
                loop.add_signal_handler(name, stop)
        return await work()

    threads = set(threading.enumerate())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main())
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None
    finally:
        _let_go(loop, say)
        asyncio.set_event_loop(None)
        _threads.update(set(threading.enumerate()) - threads)


_threads: set[threading.Thread] = set()
"""Those that handlers started."""


def _let_go(loop: asyncio.AbstractEventLoop, say: Callable[[str], None]) -> None:
    """Closes a loop as `asyncio.run` does, but does not wait for ever for a handler that will not be cancelled."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        _, left = loop.run_until_complete(asyncio.wait(tasks, timeout=_STOP_S))
        for task in left:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - said here, by us
        if left:
            say(f"{len(left)} of the handlers did not stop when told to, and {'is' if len(left) == 1 else 'are'} left")
    with contextlib.suppress(TimeoutError):
        loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), _STOP_S))
    loop.close()


def handlers_left() -> bool:
    """Whether threads that handlers started go on, for which Python would wait; each gets a moment to end."""
    end = time.monotonic() + _STOP_S
    for thread in _threads:
        if not thread.daemon and thread is not threading.current_thread():
            thread.join(max(0.0, end - time.monotonic()))
    return any(thread.is_alive() and not thread.daemon for thread in _threads)


def interrupted(terminal: Terminal, run: str | None, store: str) -> int:
    """Says how to go on after Ctrl-C."""
    which = f" {run}" if run is not None else ""
    message = f"interrupted; what is durable is kept. Go on with: orch resume{which} --store {store}"
    if terminal.json:
        terminal.document({"error": {"code": "interrupted", "message": message}})
    else:
        terminal.say(message)
    return INTERRUPTED


def exit_code(results: Sequence[RunResult | OrchError]) -> int:
    """The exit code for how runs stand: not well before parked before well."""
    statuses = [result.status if isinstance(result, RunResult) else "error" for result in results]
    if any(status not in {"completed", "parked"} for status in statuses):
        return NOT_WELL
    return PARKED if "parked" in statuses else WELL


def conclude(terminal: Terminal, result: RunResult, store: str) -> None:
    """Tells a person how a run stands: the result to standard output, the rest to standard error."""
    # An attempt that does not say what it used is charged what was reserved for it: whoever pays is told so.
    guessed = "" if result.reserved_usd == "0" else f" (${result.reserved_usd} of it reserved, its use not reported)"
    steps = f"{result.steps} {'step' if result.steps == 1 else 'steps'}"
    summary = f"{steps}, ${result.cost_usd}{guessed}, {result.tokens:,} tokens"
    if result.status == "completed":
        terminal.say(f"run {result.run} completed: {summary}")
        terminal.out(json.dumps(result.result, indent=_INDENT, ensure_ascii=True))
        return
    if result.status == "parked":
        terminal.say(f"run {result.run} is parked: it waits for people or signals ({summary})")
        terminal.say(f"  see:    orch inbox --store {store}")
        terminal.say(f"  answer: orch answer {result.run} STEP --value JSON --by NAME --store {store}")
        terminal.say(f"  signal: orch signal NAME --args JSON --value JSON --store {store}")
        terminal.say(f"  go on:  orch resume {result.run} --store {store}")
        return
    error = result.error or {}
    place = f" at {error['step']}" if error.get("step") else ""
    terminal.say(safe(f"run {result.run} {result.status}{place}: {error.get('message', 'no reason was given')}"))
    terminal.say(f"  {summary}; every record: orch journal {result.run} --store {store}")


class Narrator:
    """Tells steps as they end, to standard error."""

    def __init__(self, terminal: Terminal, *, several: bool = False) -> None:
        self._terminal = terminal
        self._several = several
        self._agents: dict[tuple[str, int], tuple[str, int]] = {}

    def heard(self, run: str, step: str, share: float, note: str) -> None:
        """A heartbeat."""
        self._say(run, "…", step, f"{share:.0%} {note}".rstrip())

    def tell(self, message: str) -> None:
        """Something that a person should know."""
        self._terminal.say(safe(message))

    def watch(self, record: EventRecord) -> None:
        """A record that is durable."""
        event = record.event
        kind = record.type
        if kind in {"RunStarted", "EngineRecovered"}:
            self._terminal.say(
                f"run {record.run} {'of ' + getattr(event, 'flow', '') if kind == 'RunStarted' else 'goes on'}"
            )
            return
        step = record.kernel.path(event.place)
        key = (record.run, event.place)
        if kind == "TaskEnrolled":
            self._agents[key] = (getattr(event, "agent", ""), event.time)
            if any(type(command).__name__ == "AskPerson" for command in record.commands):
                self._say(record.run, "asks", step, self._agents[key][0])
            return
        decided = {str(item[0]): item[1] for item in record.decided}
        if "ignored" in decided:
            return
        agent, since_us = self._agents.get(key, ("", event.time))
        took = f"{agent} {(event.time - since_us) / 1_000_000:.1f} s".strip()
        if kind == "EffectConfirmed" and step.endswith("!undo"):
            self._say(record.run, "undone", step.removesuffix("!undo"), "")
            return
        fulfilled = is_verified(event.place, record.commands)
        for what in ("retry", "in doubt", "failed", "skipped", "used instead", "asked", "cancelled"):
            if what in decided and not fulfilled:
                self._say(record.run, what, step, f"{agent} {decided[what] or ''}".strip())
                return
        if fulfilled or kind in {"TaskFulfilled", "QuestionAnswered"}:
            self._say(record.run, "done", step, took)
        elif kind == "EffectConfirmed":
            self._say(record.run, "done", step, "")

    def _say(self, run: str, what: str, step: str, rest: str) -> None:
        where = f"{run} " if self._several else ""
        self._terminal.say(safe(f"  {where}{what:<9} {step:<32} {rest}".rstrip()))
