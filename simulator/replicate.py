"""One replication of a scenario: a load, a clock, and what it leaves behind.

Measured are the runs that arrive in the window; they are followed to their end under continued load. Where the orchestrator crashes, the replication has
an undisturbed twin (the same seed without crashes): what completes there is what resuming is held to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import run_key, uniform
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.made import InputMaker
from orchspec.runtime.tables import locate, read_times
from orchspec.simulator.arrivals import ClosedUsers, arrivals
from orchspec.simulator.bars import bars_of
from orchspec.simulator.cast import Cast, columns
from orchspec.simulator.clock import Clock, Visit
from orchspec.simulator.faults import Faults
from orchspec.simulator.meter import Meter
from orchspec.simulator.observe import Bar, EffectObservation, Replication, RunObservation
from orchspec.simulator.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.compiler.plan import Fault, Plan, Scenario

__all__ = ["Stage", "Twinned"]

SECOND: Final = 1_000_000
BINS: Final = 240
WATCHED: Final = 25
"""How many runs of the first replication are watched, to draw one of them."""
OVERTIME: Final = 30
"""A replication is given up this many windows (and at least a week) after its window: what has not ended by then counts as infinite."""
WEEK_US: Final = 7 * 24 * 3600 * SECOND


@dataclass(slots=True)
class Twinned:
    """A replication and its undisturbed twin (itself, where nothing crashes)."""

    disturbed: Replication
    twin: Replication


class Stage:
    """A scenario, made ready: everything that its replications share. `size` is how many runs a replication measures, where runs are counted."""

    def __init__(self, plan: Plan, scenario: Scenario, seed: int, folder: Path | None, size: int) -> None:
        self.plan = plan
        self.scenario = scenario
        self.seed = seed
        self.size = size
        think = [scenario.arrivals[2]] if scenario.arrivals is not None and scenario.arrivals[0] == "closed" else []
        data = columns(plan, folder, [*scenario.given.values(), *think])
        struck = frozenset(fault.target for fault in scenario.faults)
        self.cast = Cast(plan, data, struck)
        self.inputs = InputMaker(plan, scenario.flow, scenario.given, data=data, codecs=program_of(plan).codecs)
        self.times: list[int] = []
        if scenario.arrivals is not None and scenario.arrivals[0] == "trace":
            assert folder is not None, "a scenario that reads a trace comes with its folder"
            self.times = read_times(locate(folder, scenario.arrivals[1]), scenario.arrivals[2])

    @property
    def isolated(self) -> bool:
        """Whether each run is alone in its world."""
        return self.scenario.arrivals is None

    def replicate(self, index: int) -> Twinned:
        """Replication number `index` (from 0)."""
        faults = self.scenario.faults
        make = self._isolated if self.isolated else self._loaded
        disturbed = make(index, faults, watch=WATCHED if index == 0 else 0)
        calm = [fault for fault in faults if fault.name != "crash"]
        if len(calm) == len(faults):
            return Twinned(disturbed, disturbed)
        twin = make(index, calm, watch=0)
        completed = {run.ordinal for run in twin.runs if run.status == "completed"}
        for run in disturbed.runs:
            if run.in_flight_at_crash:
                run.twin_completed = run.ordinal in completed
                if run.resumed_well is None:
                    run.resumed_well = False
        return Twinned(disturbed, twin)

    # -------------------------------------------------------------- a load

    def _loaded(self, index: int, faults: list[Fault], *, watch: int) -> Replication:
        return _Load(self, index, faults, watch).replicate()

    def visit(self, index: int, ordinal: int, arrived_us: int, offset_s: float = 0.0) -> Visit:
        """The run number `ordinal` of a replication."""
        seed = run_key(self.seed, index, 0, ordinal)
        inputs = self.inputs.make(partial(uniform, seed, 0))
        seen = RunObservation(ordinal, arrived_us / SECOND + offset_s)
        return Visit(f"r{index}.{ordinal:08d}", seed, inputs, seen, arrived_us)

    # -------------------------------------------------------------- runs that never meet

    def _isolated(self, index: int, faults: list[Fault], *, watch: int) -> Replication:
        meter = Meter(self.plan, 1.0)
        runs: list[RunObservation] = []
        marks: dict[Any, None] = {}
        effects: dict[str, EffectObservation] = {}
        gantt: list[Bar] | None = None
        offset_s = 0.0
        for ordinal in range(self.size):
            visit = self.visit(index, ordinal, 0, offset_s)
            world = World(program_of(self.plan))
            struck = Faults(faults)
            ended: list[Visit] = []
            key = run_key(self.seed, index, 1, ordinal)
            alone = Clock(
                self.plan, self.scenario.flow, self.cast, world, meter, struck, key, ended.append, 1 if watch and not ordinal else 0
            )
            alone.arrive(visit)
            alone.begin()
            alone.run(lambda ended=ended: bool(ended), 52 * WEEK_US)  # type: ignore[misc]
            seen = visit.seen
            if ended:
                seen.ended_s += offset_s
            if alone.watched:
                gantt = bars_of(self.plan, alone.watched[visit.run], 0)
            meter.settle(alone.now)
            offset_s += alone.now / SECOND
            meter.offset_us += alone.now
            runs.append(seen)
            for effect in world.observe(alone.ledger()):
                _add(effects.setdefault(effect.name, EffectObservation(effect.name)), effect)
            marks.update(dict.fromkeys(struck.windows(alone.now)[:4]))
        pools = meter.close(0)
        return Replication(
            index, self.seed, (0.0, max(offset_s, 1e-9)), runs, pools, list(effects.values()), list(marks), gantt
        )


def _add(total: EffectObservation, one: EffectObservation) -> None:
    total.intended += one.intended
    total.confirmed += one.confirmed
    total.applied += one.applied
    total.duplicates += one.duplicates
    total.lost += one.lost


class _Load:
    """A replication under load."""

    def __init__(self, stage: Stage, index: int, faults: list[Fault], watch: int) -> None:
        scenario = stage.scenario
        self.stage = stage
        self.index = index
        self.duration_us = scenario.duration_us
        self.from_us = scenario.warmup if isinstance(scenario.warmup, int) else 0
        self.until_us: int | None = self.duration_us
        self.world = World(program_of(stage.plan))
        self.faults = Faults(faults)
        self.meter = Meter(stage.plan, self._bin_s())
        self.runs: list[RunObservation] = []
        self.open = 0
        self.arrived = 0
        key = run_key(stage.seed, index, 1, 0)
        self.clock = Clock(
            stage.plan, scenario.flow, stage.cast, self.world, self.meter, self.faults, key, self._ended, watch
        )
        source = run_key(stage.seed, index, 0, -1)
        self.users: ClosedUsers | None = None
        self.source: Iterator[int] = iter(())
        assert scenario.arrivals is not None
        if scenario.arrivals[0] == "closed":
            self.users = ClosedUsers(scenario.arrivals[1], scenario.arrivals[2], source, stage.cast.data)
        else:
            self.source = arrivals(scenario.arrivals, source, stage.times)
        self.of_user: dict[str, tuple[int, int]] = {}

    def _bin_s(self) -> float:
        if self.duration_us is not None:
            return max(self.duration_us / SECOND / BINS, 1e-3)
        return 1.0

    def replicate(self) -> Replication:
        """Let it run."""
        clock = self.clock
        if self.users is not None:
            for at_us, user in self.users.first():
                clock.at(at_us, self._user_comes, (user, 1))
        else:
            self._next()
        horizon_us = (self.until_us or 0) * (1 + OVERTIME) + WEEK_US if self.until_us is not None else 520 * WEEK_US
        clock.run(self._is_over, horizon_us)
        end_us = self.until_us if self.until_us is not None else clock.now
        end_us = min(end_us, max(clock.now, 1)) if self.duration_us is None else end_us
        pools = self.meter.close(max(clock.now, end_us))
        window = (self.from_us / SECOND, end_us / SECOND)
        marks = self.faults.windows(end_us)
        effects = self.world.observe(clock.ledger())
        return Replication(self.index, self.stage.seed, window, self.runs, pools, effects, marks, self._gantt())

    def _is_over(self) -> bool:
        return self.open == 0 and self.until_us is not None and self.clock.now >= self.until_us

    def _next(self) -> None:
        at_us = next(self.source, None)
        if at_us is None:
            # A trace that has run out: what arrived is what is measured.
            if self.until_us is None:
                self.until_us = self.clock.now
            return
        self.clock.at(at_us, self._comes, None)

    def _comes(self, _event: Any) -> None:
        self._arrive(None)
        self._next()

    def _user_comes(self, event: Any) -> None:
        self._arrive(event.value)

    def _arrive(self, user: tuple[int, int] | None) -> None:
        now = self.clock.now
        visit = self.stage.visit(self.index, self.arrived, now)
        self.arrived += 1
        if self.until_us is None or now < self.until_us:
            self.runs.append(visit.seen)
            visit.source = 1
            self.open += 1
            if self.duration_us is None and len(self.runs) >= self.stage.size and self.until_us is None:
                self.until_us = now + 1
        if user is not None:
            self.of_user[visit.run] = user
        self.clock.arrive(visit)

    def _ended(self, visit: Visit) -> None:
        if visit.source:
            self.open -= 1
        user = self.of_user.pop(visit.run, None)
        if user is not None and self.users is not None:
            number, count = user
            now = self.clock.now
            self.clock.at(self.users.after(number, count, now), self._user_comes, (number, count + 1))

    def _gantt(self) -> list[Bar] | None:
        watched = self.clock.watched
        if not watched:
            return None
        seen = {f"r{self.index}.{run.ordinal:08d}": run for run in self.runs}
        drawn = sorted((seen[run].latency_s, run) for run in watched if run in seen and watched[run])
        if not drawn:
            return None
        run = drawn[len(drawn) // 2][1]
        return bars_of(self.stage.plan, watched[run], int(seen[run].arrived_s * SECOND))
