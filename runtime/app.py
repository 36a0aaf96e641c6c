"""`App`: a spec with the functions that carry it out, run durably."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from orchspec.compiler.plan import Plan
from orchspec.runtime.crew import Crew, Relay
from orchspec.runtime.driver.clock import Clock
from orchspec.runtime.driver.ending import run_to_end
from orchspec.runtime.driver.hubs import hub_for
from orchspec.runtime.driver.live import Heard, Request, Tell, Watch
from orchspec.runtime.driver.stored import check_inputs
from orchspec.runtime.driver.values import as_json
from orchspec.runtime.errors import BadInput, BadOutput, OrchError, UnknownRun
from orchspec.runtime.handlers import Handlers, require
from orchspec.runtime.journal.records import LIVE_STATUSES
from orchspec.runtime.result import RunResult

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import RunRow
    from orchspec.runtime.journal.schema import Durability
    from orchspec.runtime.journal.store import Store

__all__ = ["App", "check_run_id", "crew_of", "new_run_id", "speed_of"]

Function = TypeVar("Function", bound=Callable[..., Any])

SPEED_MAX: Final = 100_000
_RUN_ID: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")


class App:
    """A spec and the functions that carry it out.

    Args:
        spec: a plan, or what `orchspec.load` gives.

    Raises:
        TypeError: it is neither.
    """

    def __init__(self, spec: Any) -> None:
        plan = spec if isinstance(spec, Plan) else getattr(spec, "plan", None)
        if not isinstance(plan, Plan):
            raise TypeError(f"App takes a plan or what orchspec.load gives, not a {type(spec).__name__}")
        self.plan: Plan = plan if plan.hash else plan.sealed()
        self.folder: Path | None = getattr(spec, "folder", None)
        self.handlers = Handlers()

    # -------------------------------------------------------------- handlers

    def agent(self, name: str) -> Callable[[Function], Function]:
        """Binds a function `(task, **parameters) -> result` to an agent; UnknownName, BadHandler."""
        return self._bind(self.handlers.bind_agent, name)

    def contract(self, name: str) -> Callable[[Function], Function]:
        """Binds a function to every agent that fulfills a contract and has none of its own."""
        return self._bind(self.handlers.bind_contract, name)

    def human(self, name: str) -> Callable[[Function], Function]:
        """Binds a function that answers for a person, in place of the inbox."""
        return self._bind(self.handlers.bind_human, name)

    def effect(self, name: str) -> Callable[[Function], Function]:
        """Binds a function `(call, **parameters) -> receipt` to an effect."""
        return self._bind(self.handlers.bind_effect, name)

    def _bind(self, bind: Callable[[Plan, str, Callable[..., Any]], None], name: str) -> Callable[[Function], Function]:
        def decorate(function: Function) -> Function:
            bind(self.plan, name, function)
            return function

        return decorate

    # -------------------------------------------------------------- runs

    async def run(
        self,
        flow: str,
        inputs: dict[str, Any],
        *,
        store: Store | str | Path | None = None,
        run_id: str | None = None,
        durability: Durability = "full",
        stand_ins: bool = False,
        speed: float = 1.0,
        seed: int | None = None,
        options: dict[str, Any] | None = None,
        watch: Watch | None = None,
        tell: Tell | None = None,
        heard: Heard | None = None,
        queue_max: int | None = None,
    ) -> RunResult:
        """Run a flow durably and wait until it has ended, or is parked on a person.

        Args:
            flow: the name of a flow of the spec.
            inputs: its parameters by name.
            store: the path of an SQLite file, a store, or None: memory, which forgets the run with its end.
            run_id: the run's name; the same name twice is one run: what has ended gives its result, what has not
                goes on. A new one unless given.
            durability: `full` survives a loss of power, `normal` a crash of the process.
            stand_ins: whether to play from its profile whatever has no function.
            speed: how many times as fast as the real one the clock goes.
            seed: of whatever is drawn (backoffs, stand-ins); by chance unless given.
            options: kept with the run, for whoever resumes it.
            watch: told of each record once it is durable.
            tell: told what a person should know; the log `orchspec` unless given.
            heard: told of heartbeats.
            queue_max: while so many tasks wait for an agent, a person or a tool, new runs are refused (`Overloaded`),
                and what waits goes on. Whoever opens the store in this event loop decides for all its runs.

        Returns:
            How it ended; it does not raise for a run that failed.

        Raises:
            OrchError: UnknownName, BadInput, MissingHandlers, RunMismatch, Overloaded before it starts; LeaseHeld,
                StoreError; Interrupted.
        """
        if queue_max is not None and queue_max < 1:
            raise ValueError(f"queue_max is {queue_max}; expected a whole number of at least 1, or None for no bound")
        kept = {"stand_ins": stand_ins, "speed": speed, **(options or {})}
        request = Request(
            run=check_run_id(run_id) if run_id is not None else new_run_id(flow),
            crew=lambda plan, clock: self._crew(plan, flow, clock, stand_ins=stand_ins),
            watch=watch,
            plan=self.plan,
            flow=flow,
            inputs=_inputs(inputs),
            seed=secrets.randbits(62) if seed is None else seed,
            options=as_json(kept, "options"),
        )
        if _is_new(store):
            # Before a store is made for a run that cannot start.
            check_inputs(self.plan, flow, request.inputs)
            self._crew(self.plan, flow, Clock(), stand_ins=stand_ins)
        hub = hub_for(store, durability=durability, speed=speed, tell=tell, heard=heard, queue_max=queue_max)
        return await hub.run(request)

    def run_sync(self, flow: str, inputs: dict[str, Any], **settings: Any) -> RunResult:
        """`run`, for callers without an event loop; the same settings and errors."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return run_to_end(self.run(flow, inputs, **settings))
        raise RuntimeError("run_sync was called where an event loop runs; write: await app.run(…)")

    async def resume(
        self,
        store: Store | str | Path,
        run: str | None = None,
        *,
        durability: Durability = "full",
        stand_ins: bool | None = None,
        upgrade: bool = False,
        speed: float | None = None,
        watch: Watch | None = None,
        tell: Tell | None = None,
        heard: Heard | None = None,
    ) -> RunResult | list[RunResult]:
        """Go on with what a crash or a person left, with the plan that each run was started with.

        Args:
            store: the path of an SQLite file, or a store.
            run: the run; all that have not ended unless given.
            upgrade: whether to go on with the plan of this app instead, where what has happened fits it.
            durability: as of `run`.
            stand_ins: as of `run`; as the run was started unless given.
            speed: as of `run`; as the run was started unless given.
            watch: as of `run`.
            tell: as of `run`.
            heard: as of `run`.

        Returns:
            The result of the run, or of all runs, in the order in which they were created.

        Raises:
            OrchError: UnknownRun, MissingHandlers, ReplayMismatch, UpgradeMisfit, LeaseHeld, StoreError, Interrupted.
        """
        rows = _unfinished(store, run)
        if speed is None:
            speed = max((speed_of(row) for row in rows), default=1.0)
        hub = hub_for(store, durability=durability, create=False, speed=speed, tell=tell, heard=heard)
        requests = [
            Request(
                row.run,
                self._crew_for(row, stand_ins=stand_ins),
                watch=watch,
                plan=self.plan,
                upgrade=self.plan if upgrade else None,
            )
            for row in rows
        ]
        results = await hub.resume(requests)
        for result in results:
            if isinstance(result, OrchError):
                raise result
        done = [result for result in results if isinstance(result, RunResult)]
        return done[0] if run is not None else done

    async def fork(
        self,
        store: Store | str | Path,
        run: str,
        at: str,
        *,
        run_id: str | None = None,
        effects_again: bool = False,
        durability: Durability = "full",
        stand_ins: bool | None = None,
        speed: float | None = None,
        watch: Watch | None = None,
        tell: Tell | None = None,
        heard: Heard | None = None,
    ) -> RunResult:
        """Begin a run with what another had up to a checkpoint, and go on with it by itself.

        Args:
            store: the path of an SQLite file, or a store.
            run: the parent; it may have ended.
            at: a checkpoint that it passed (the last time, if more than once).
            run_id: the name of the fork; the same name twice is one run. A new one unless given.
            effects_again: whether what the parent did after the checkpoint is done anew where the fork asks for the
                same; it gets the parent's receipt otherwise. What was done before it is neither undone nor sent again.
            durability: as of `run`.
            stand_ins: as of `run`; as the parent was started unless given.
            speed: as of `run`; as the parent was started unless given.
            watch: as of `run`.
            tell: as of `run`.
            heard: as of `run`.

        Returns:
            How it ended, as of `run`.

        Raises:
            OrchError: UnknownRun, ForkRefused, RunMismatch, MissingHandlers, LeaseHeld, StoreError, Interrupted.
        """
        from orchspec.runtime.forking import request_for

        row = _unfinished(store, run)[0]
        crew = self._crew_for(row, stand_ins=stand_ins)
        name = check_run_id(run_id) if run_id is not None else new_run_id(row.flow)
        request = request_for(store, run, at, name, crew, again=effects_again)
        request.watch = watch
        pace = speed_of(row) if speed is None else speed
        hub = hub_for(store, durability=durability, create=False, speed=pace, tell=tell, heard=heard)
        return await hub.run(request)

    def _crew_for(self, row: RunRow, *, stand_ins: bool | None) -> Callable[[Plan, Clock], Crew]:
        played = bool(row.options.get("stand_ins")) if stand_ins is None else stand_ins
        return lambda plan, clock: self._crew(plan, row.flow, clock, stand_ins=played)

    def _crew(self, plan: Plan, flow: str, clock: Clock, *, stand_ins: bool) -> Crew:
        return crew_of(self.handlers, plan, flow, clock, stand_ins=stand_ins, folder=self.folder)


def crew_of(
    handlers: Handlers | None, plan: Plan, flow: str, clock: Clock, *, stand_ins: bool, folder: Path | None = None
) -> Crew:
    """Who does the work of a flow: the handlers, and stand-ins for whomever they lack.

    Args:
        handlers: functions by name, or None.
        plan: the plan that the run is pinned to.
        flow: which of its flows.
        clock: of the engine.
        stand_ins: whether to play whomever the handlers lack.
        folder: where the data files of profiles lie.

    Raises:
        MissingHandlers: somebody is missing. PlanError, TableError: a profile cannot be played.
    """
    crew: Crew = handlers if handlers is not None else Handlers()
    if stand_ins:
        from orchspec.runtime.standins import StandIns, columns_needed
        from orchspec.runtime.tables import read_columns

        wanted = columns_needed(plan)
        data = read_columns(folder or Path(), wanted) if wanted else None
        crew = Relay(crew, StandIns(plan, clock, data=data))
    if flow in plan.flows:
        require(plan, flow, crew)
    return crew


def new_run_id(flow: str) -> str:
    """A name for a run that nobody named."""
    return f"{flow}-{secrets.token_hex(4)}"


def speed_of(row: RunRow) -> float:
    """How fast the clock of a run went when it was started."""
    speed = row.options.get("speed")
    return float(speed) if isinstance(speed, (int, float)) and 0.01 <= speed <= SPEED_MAX else 1.0


def _is_new(store: Store | str | Path | None) -> bool:
    return store is None or (isinstance(store, (str, Path)) and not Path(store).exists())


def check_run_id(name: str) -> str:
    """The name of a run, if it may be one. Raises BadInput."""
    if not _RUN_ID.fullmatch(name):
        raise BadInput(f"{name!r} is no name of a run; expected 1 to 200 characters without spaces")
    return name


def _inputs(inputs: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(inputs, dict):
        raise BadInput(f"the inputs of a flow are given by name, as a dict, not as a {type(inputs).__name__}")
    try:
        copied: dict[str, Any] = as_json(inputs, "the input")
    except BadOutput as error:
        raise BadInput(error.message) from None
    return copied


def _unfinished(store: Store | str | Path, run: str | None) -> list[RunRow]:
    from orchspec.runtime.journal import SQLiteStore

    opened = SQLiteStore(store, create=False) if isinstance(store, (str, Path)) else store
    try:
        if run is None:
            return [row for row in opened.runs() if row.status in LIVE_STATUSES]
        row = opened.run(run)
        if row is None:
            raise UnknownRun(f"the store holds no run {run}; `orch status` lists those that it holds")
        return [replace(row)]
    finally:
        if isinstance(store, (str, Path)):
            opened.close()
