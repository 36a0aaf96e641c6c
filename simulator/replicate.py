"""One replication of a scenario: a load, a clock, and what it leaves behind.

Measured are the runs that arrive in the window; they are followed to their end under continued load (that of a trace
ends with its file, and the window with it). Where the orchestrator crashes, the replication has an undisturbed twin
(the same seed without crashes): what completes there is what resuming is held to. Where a warm-up is looked for and
faults come and go, it has one without any faults, since a fault must not pass for a transient.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import mix, run_key, source_key
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.made import InputMaker
from orchspec.runtime.tables import TableError, locate, read_times
from orchspec.simulator.arrivals import ClosedUsers, arrivals
from orchspec.simulator.bars import bars_of
from orchspec.simulator.breakdowns import BREAKDOWNS
from orchspec.simulator.calendar import Due
from orchspec.simulator.cast import Cast, columns
from orchspec.simulator.clock import Clock, Visit
from orchspec.simulator.faults import FOR_EVER_US, Faults
from orchspec.simulator.garbage import seldom_collecting
from orchspec.simulator.observe import EffectObservation, FaultMark, Replication, RunObservation
from orchspec.simulator.unending import MOST_UNDER_WAY, Patience, given_up, let_run
from orchspec.simulator.world import World
from orchspec.simulator.worldtime import meter_of

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.compiler.plan import Plan, Scenario
    from orchspec.runtime.recording import EventRecord

__all__ = ["Stage", "Twinned"]

SECOND: Final = 1_000_000
BINS: Final = 240
WATCHED: Final = 25
"""How many runs of the first replication are watched, to draw one of them."""
OVERTIME: Final = 30
"""A replication is given up this many windows and a week after its window: what has not ended then is infinite."""
HOUR_US: Final = 3600 * SECOND
WEEK_US: Final = 7 * 24 * HOUR_US
_FALLS: Final = frozenset({"crash", "upgrade", *BREAKDOWNS})
"""Faults after which the orchestrator goes on from its journals."""
_DISTURBING: Final = _FALLS | {
    *("jump", "skew", "timer_early", "timer_late", "timer_twice", "store_busy"),
    *("lose", "lose_ack", "duplicate", "reorder", "delay", "partition"),
}
"""Faults that an undisturbed twin does without: of the orchestrator, of its store, of messages and of time."""
_COMES_AND_GOES: Final = frozenset({"at", "lasting", "every", "first", "nth"})
_CLOCK, _USERS = 1, 2
"""Sources of draws: 0 is the load, 1 what belongs to no run, from 2 on the users of a closed load."""


@dataclass(slots=True)
class Twinned:
    """A replication, its undisturbed twin, and the one a warm-up is found in (itself, where they would not differ)."""

    disturbed: Replication
    twin: Replication
    calm: Replication


class Stage:
    """A scenario, made ready: everything that its replications share.

    Args:
        plan: Sealed.
        scenario: One of its scenarios.
        seed: Same seed, same replications.
        folder: Where the spec stands, for files that it reads.
        size: How many runs a replication measures, where runs are counted.
        queue_max: While so many tasks wait, no new run is let in; None: every run is.

    Raises TableError for a file that cannot be read.
    """

    def __init__(
        self, plan: Plan, scenario: Scenario, seed: int, folder: Path | None, size: int, queue_max: int | None = None
    ) -> None:
        self.plan = plan
        self.queue_max = queue_max
        self.scenario = scenario
        self.seed = seed
        self.size = size
        think = [scenario.arrivals[2]] if scenario.arrivals is not None and scenario.arrivals[0] == "closed" else []
        data = columns(plan, folder, [*scenario.given.values(), *think])
        self.cast = Cast(plan, data, Faults(scenario.faults).targets)
        self.inputs = InputMaker(plan, scenario.flow, scenario.given, data=data, codecs=program_of(plan).codecs)
        self.times: list[int] = []
        if scenario.arrivals is not None and scenario.arrivals[0] == "trace":
            if folder is None:
                raise TableError(f"{scenario.arrivals[1]} cannot be found: the spec lies in no folder")
            self.times = read_times(locate(folder, scenario.arrivals[1]), scenario.arrivals[2])

    @property
    def isolated(self) -> bool:
        """Whether each run is alone in its world."""
        return self.scenario.arrivals is None

    def replicate(self, index: int) -> Twinned:
        """Replication number `index` (from 0)."""
        with seldom_collecting():
            return self._replicate(index)

    def _replicate(self, index: int) -> Twinned:
        faults = self.scenario.faults
        make = self._isolated if self.isolated else self._loaded
        disturbed = make(index, frozenset(), watch=WATCHED if index == 0 else 0)
        twin = disturbed
        if any(fault.name in _FALLS for fault in faults):
            twin = make(index, _DISTURBING, watch=0)
            _compare(disturbed, twin)
        calm = twin
        if self.scenario.warmup == "auto" and not self.isolated:
            names = frozenset(fault.name for fault in faults)
            if any(_COMES_AND_GOES & fault.args.keys() for fault in faults if fault.name not in _FALLS):
                calm = make(index, names, watch=0)
        return Twinned(disturbed, twin, calm)

    def alone(self, runs: int) -> Replication:
        """So many runs of the flow, each in a world of its own, without faults: a look at what a run is by itself."""
        other = copy(self)
        other.scenario = replace(self.scenario, arrivals=None, faults=[])
        other.size = runs
        return other._isolated(0, frozenset(), watch=1)  # noqa: SLF001 - of its own class

    def journals(self, index: int) -> dict[str, list[EventRecord]]:
        """The records of all runs of a replication by run, as a store would hold them, also of those under way."""
        kept: dict[str, list[EventRecord]] = {}
        if self.isolated:
            self._isolated(index, frozenset(), watch=self.size, kept=kept)
        else:
            load = _Load(self, index, Faults(self.scenario.faults), sys.maxsize)
            load.replicate()
            # Those that are under way at the end belong to it: they are the long ones.
            kept.update({**load.clock.journal.records, **load.clock.watched})
        return kept

    # -------------------------------------------------------------- a load

    def _loaded(self, index: int, without: frozenset[str], *, watch: int) -> Replication:
        return _Load(self, index, Faults(self.scenario.faults, without), watch).replicate()

    def visit(self, index: int, ordinal: int, arrived_us: int, *, offset_s: float = 0.0, key: int = 0) -> Visit:
        """The run number `ordinal` of a replication; `key` is that of its draws (0: those of the load)."""
        seed = key or run_key(self.seed, index, 0, ordinal)
        inputs = self.inputs.play(seed)
        seen = RunObservation(ordinal, arrived_us / SECOND + offset_s)
        return Visit(f"r{index}.{ordinal:08d}", seed, inputs, seen, arrived_us)

    # -------------------------------------------------------------- runs that never meet

    def _isolated(
        self, index: int, without: frozenset[str], *, watch: int, kept: dict[str, list[EventRecord]] | None = None
    ) -> Replication:
        """Each run has a clock, a world and faults of its own, so dates and counts of faults are those of each run."""
        meter = meter_of(self.plan, 1.0, Faults(self.scenario.faults, without))
        left = Replication(index, self.seed, (0.0, 0.0))
        marks: dict[FaultMark, None] = {}
        effects: dict[str, EffectObservation] = {}
        offset_s = 0.0
        for ordinal in range(self.size):
            visit = self.visit(index, ordinal, 0, offset_s=offset_s)
            world = World(program_of(self.plan))
            struck = Faults(self.scenario.faults, without)
            ended: list[Visit] = []
            key = run_key(self.seed, index, _CLOCK, ordinal)
            watched = 1 if watch and (kept is not None or not ordinal) else 0
            alone = Clock(self.plan, self.scenario.flow, self.cast, world, meter, struck, key, ended.append, watched)
            meter.follow(alone)
            alone.on_halt = ended.append
            alone.arrive(visit)
            alone.begin()
            left.unending = let_run(alone, ended, 52 * WEEK_US) or left.unending
            visit.seen.ended_s += offset_s
            if kept is not None:
                kept.update({**alone.journal.records, **alone.watched})
            elif alone.watched:
                left.sample_gantt = bars_of(self.plan, alone.watched[visit.run], 0)
            meter.settle(alone.now)
            offset_s += alone.now / SECOND
            meter.offset_us += alone.now
            left.runs.append(visit.seen)
            left.halted.extend(_told(alone.halted))
            for effect in world.observe(alone.ledger()):
                effects.setdefault(effect.name, EffectObservation(effect.name)).add(effect)
            marks.update(dict.fromkeys(struck.windows(alone.now)[:4]))
        left.pools = meter.close(0)
        left.effects = list(effects.values())
        left.faults = list(marks)
        left.window_s = (0.0, max(offset_s, 1e-9))
        return left


def _compare(disturbed: Replication, twin: Replication) -> None:
    """Hold what was in flight at a crash against the undisturbed twin."""
    completed = {run.ordinal for run in twin.runs if run.status == "completed"}
    for run in disturbed.runs:
        if run.in_flight_at_crash:
            run.twin_completed = run.ordinal in completed
            if run.resumed_well is None:
                run.resumed_well = False


def _told(halted: dict[str, Exception]) -> list[str]:
    return [f"{run}: {type(error).__name__}: {error}" for run, error in halted.items()]


class _Load:
    """A replication under load."""

    def __init__(self, stage: Stage, index: int, faults: Faults, watch: int) -> None:
        scenario = stage.scenario
        self.stage = stage
        self.index = index
        self.duration_us = scenario.duration_us
        self.from_us = scenario.warmup if isinstance(scenario.warmup, int) else 0
        self.until_us: int | None = self.duration_us
        self.world = World(program_of(stage.plan))
        self.faults = faults
        self.meter = meter_of(stage.plan, self._bin_s(), faults)
        self.runs: list[RunObservation] = []
        self.counted = 0
        self.open: dict[str, None] = {}
        self.arrived = 0
        self.last_us = 0
        self._look_at_us = 0
        self._ended_then = 0
        self._ended_count = 0
        self._run_us = 0
        self._halted = 0
        self._counted_to_us = 0
        self.is_left = False
        self.unending = self.given_up = ""
        self.most: int | None = None
        key = run_key(stage.seed, index, _CLOCK, 0)
        self.clock = Clock(
            *(stage.plan, scenario.flow, stage.cast, self.world, self.meter, faults, key, self._ended, watch),
            queue_max=stage.queue_max,
        )
        self.meter.follow(self.clock)
        self.clock.on_halt = self._ended
        self.of_source = source_key(stage.seed, index, 0)
        source = mix(self.of_source, -1)
        self.arrival = Due(self._comes, None)
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
                clock.at(at_us, self._user_comes, (user, 0))
        else:
            self._next()
        clock.ask_from_us = FOR_EVER_US if self.until_us is None else self.until_us
        horizon_us = 520 * WEEK_US if self.until_us is None else self.until_us * (1 + OVERTIME) + WEEK_US
        self.patience = Patience(clock, horizon_us)
        if self.patience.applies():
            self.most = MOST_UNDER_WAY
            clock.at(self.patience.look_at_us, self._look, None)
        clock.run(self._is_over, horizon_us)
        end_us = self.until_us if self.until_us is not None else max(clock.now, 1)
        pools = self.meter.close(max(clock.now, end_us))
        window = (self.from_us / SECOND, end_us / SECOND)
        marks = self.faults.windows(end_us)
        effects = self.world.observe(clock.ledger())
        halted = _told(clock.halted)
        left = Replication(self.index, self.stage.seed, window, self.runs, pools, effects, marks, halted=halted)
        self._pass_time()
        left.unending, left.given_up = self.unending, self.given_up
        left.lived_s, left.run_seconds = clock.now / SECOND, self._run_us / SECOND
        self._draw(left)
        return left

    def _look(self, _event: Any) -> None:
        """Whether anybody waits any longer for what is under way."""
        why = self.patience.look(self._ended_count)
        if why:
            self._give_up(why, known=True)
        else:
            self.clock.at(self.patience.look_at_us, self._look, None)

    def _give_up(self, why: str, *, known: bool) -> None:
        """Leave it as it is; `known` says that what is open does not end, if nothing is missing of the window."""
        now = self.clock.now
        is_cut = self.until_us is None or now < self.until_us
        if is_cut or not known:
            self.given_up = given_up(why, now, self.duration_us)
        else:
            self.unending = why
        if is_cut:
            self._until(now)
        self.is_left = True
        self.clock.ask_from_us = now

    def _is_over(self) -> bool:
        if self.until_us is None or self.is_left:
            return self.is_left
        now = self.clock.now
        if not self.open:
            return now >= self.until_us
        return now >= self.until_us and now >= self._look_at_us and self._is_stuck(now)

    def _is_stuck(self, now: int) -> bool:
        """Whether what is open will never end: looked at seldom, each time after twice as long.

        A run that waits for others (in a queue) may still get its turn while measured runs end; one that waits for
        somebody who never answers has nothing that moves.
        """
        assert self.until_us is not None
        first = self._look_at_us == 0
        ended, self._ended_then = self._ended_count - self._ended_then, self._ended_count
        self._look_at_us = now + max(now - self.until_us, self.until_us, HOUR_US)
        return not first and not ended and not any(self.clock.moves(run) for run in self.open)

    def _next(self) -> None:
        at_us = next(self.source, None)
        if at_us is not None:
            self.clock.env.put(max(at_us, self.clock.now), self.arrival)
            return
        # A trace that has run out: what arrived is what is measured, and after it there was no load.
        if self.until_us is None or self.last_us < self.until_us:
            self._until(self.last_us + 1)

    def _until(self, until_us: int) -> None:
        self.until_us = self.clock.ask_from_us = until_us

    def _comes(self, _event: Any) -> None:
        ordinal = self.arrived
        self._arrive(self.stage.visit(self.index, ordinal, self.clock.now, key=mix(self.of_source, ordinal)))
        self._next()

    def _user_comes(self, event: Any) -> None:
        user, number = event.value
        assert self.users is not None
        key = run_key(self.stage.seed, self.index, _USERS + user, number)
        # A number that is the same in every twin, whoever comes first there.
        visit = self.stage.visit(self.index, number * self.users.users + user, self.clock.now, key=key)
        self.of_user[visit.run] = (user, number)
        self._arrive(visit)

    def _arrive(self, visit: Visit) -> None:
        now = self.last_us = self.clock.now
        self.arrived += 1
        if self.until_us is None or now < self.until_us:
            self._pass_time()
            self.runs.append(visit.seen)
            self.open[visit.run] = None
            self.counted += now >= self.from_us
            if self.until_us is None and self.counted >= self.stage.size:
                self._until(now + 1)
        self.clock.arrive(visit)
        if self.most is not None and len(self.clock.visits) > self.most and not self.is_left:
            self._give_up(f"more than {self.most:,} runs were under way at once", known=False)

    def _pass_time(self) -> None:
        """Book how many measured runs are in the system, up to now; one side of Little's law."""
        now = self.clock.now
        self._run_us += (len(self.open) + self._halted) * (now - self._counted_to_us)
        self._counted_to_us = now

    def _ended(self, visit: Visit) -> None:
        if visit.run in self.open:
            self._pass_time()
            ended_s = visit.seen.ended_s
            if ended_s < math.inf:  # it may have been over before its client was told: evals came after it
                self._run_us -= self.clock.now - round(ended_s * SECOND)
            else:  # halted: it never leaves
                self._halted += 1
            del self.open[visit.run]
            self._ended_count += 1
        if visit.kernel is not None and visit.kernel.status is not None and visit.run not in self.clock.watched:
            visit.kernel.dismantle()
        user = self.of_user.pop(visit.run, None)
        if user is not None and self.users is not None:
            number, count = user
            # Who was refused and does not think rests all the same, or no time would ever pass.
            rest_us = SECOND if visit.seen.status == "refused" else 0
            at_us = max(self.users.after(number, count, self.clock.now), self.clock.now + rest_us)
            self.clock.at(at_us, self._user_comes, (number, count + 1))

    def _draw(self, left: Replication) -> None:
        """The run of middling length among those watched; where something crashed, among those that it met."""
        watched = self.clock.watched
        seen = {f"r{self.index}.{run.ordinal:08d}": run for run in self.runs}
        drawn = sorted((seen[run].latency_s, run) for run in watched if run in seen and type(watched[run]) is list)
        if not drawn:
            return
        met = [each for each in drawn if seen[each[1]].in_flight_at_crash] or drawn
        run = met[len(met) // 2][1]
        left.sample_arrived_s = seen[run].arrived_s
        left.sample_gantt = bars_of(self.stage.plan, watched[run], int(left.sample_arrived_s * SECOND))
