"""A simulated run with everything written down: records and when they were durable, what landed, who was told what.

The clock, the engine and the world are those of any simulation; a chronicle only listens. What it writes is all that
the checkers read.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import run_key
from orchspec.runtime.kernel.commands import TryEffect
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.made import InputMaker
from orchspec.runtime.why.story import Story, read_story
from orchspec.simulator.calls import Calls
from orchspec.simulator.cast import Cast, columns
from orchspec.simulator.chaos.noticing import CountedCrashes, NoticedFaults
from orchspec.simulator.clock import Clock, Visit
from orchspec.simulator.garbage import CHRONICLE, seldom_collecting
from orchspec.simulator.journal import SimulatedJournal
from orchspec.simulator.observe import RunObservation
from orchspec.simulator.stubs import without_chance_failures
from orchspec.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from orchspec.compiler.plan import Fault, Json, Plan
    from orchspec.runtime.journal.records import Batch, LedgerRow
    from orchspec.runtime.recording import EventRecord
    from orchspec.simulator.chaos.proven import Proven

__all__ = [
    "HORIZON_US",
    "Applied",
    "Chronicle",
    "Chronicler",
    "Endless",
    "KeptJournal",
    "RunTold",
    "SeenWorld",
    "was_ignored",
]

SECOND: Final = 1_000_000
HORIZON_US: Final = 52 * 7 * 24 * 3600 * SECOND
"""Virtual time after which a run is taken not to end, years in which nothing happens not counted."""
RECORDS_MAX: Final = 20_000
"""Records of a chronicle after which it is taken to loop."""
APART_US: Final = SECOND
"""Runs of one chronicle arrive this far apart, so that they meet in the pools."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A request that landed in the world: `again` if its target had seen its key, `twice` if it was done once more."""

    time_us: int
    run: str
    effect: str
    key: str
    again: bool
    twice: bool


@dataclass(slots=True)
class RunTold:
    """One run: its durable records with the time of each commit, and what its client was told (None: nothing)."""

    run: str
    inputs: dict[str, Any]
    records: list[EventRecord] = field(default_factory=list)
    durable_us: list[int] = field(default_factory=list)
    told: list[tuple[int, str, Any]] = field(default_factory=list)
    _events: dict[type, list[EventRecord]] = field(default_factory=lambda: defaultdict(list))
    _commands: dict[type, list[tuple[EventRecord, Any]]] = field(default_factory=lambda: defaultdict(list))
    _known: int = 0

    def happened(self, kind: type) -> list[EventRecord]:
        """Its records of one kind of event, in order."""
        self._look()
        return self._events.get(kind, [])

    def commanded(self, *kinds: type) -> list[tuple[EventRecord, Any]]:
        """Its commands of some kinds that the outside sees, in order, each with its record."""
        self._look()
        found = [self._commands[kind] for kind in kinds if kind in self._commands]
        if len(found) <= 1:
            return found[0] if found else []
        return [(record, command) for record in self.records for command in record.commands if type(command) in kinds]

    def _look(self) -> None:
        """Note what there is of which kind: once for all checkers, of which each reads a few kinds."""
        events, commands = self._events, self._commands
        for record in islice(self.records, self._known, None):
            events[type(record.event)].append(record)
            for command in record.commands:
                if command.outward:
                    commands[type(command)].append((record, command))
        self._known = len(self.records)

    def forget(self) -> None:
        """Keep nothing but how it ended."""
        for kept in (self.records, self.durable_us, self._events, self._commands):
            kept.clear()
        self._known = 0

    @property
    def status(self) -> str | None:
        """How it ended, as its client was told."""
        return self.told[-1][1] if self.told else None


@dataclass(slots=True)
class Chronicle:
    """Everything that happened under one schedule of faults.

    Attributes:
        plan, flow, faults: what was run, and what went wrong on purpose.
        runs: by id, in the order of their arrival.
        order: all durable records in the order of their commits, with the commit's number.
        applied: what landed in the world.
        ledger: the rows of the ledger as they were at the end.
        calls: by tool, when a call took a slot (1) or gave it back (-1), or a crash freed all (0); a store tells none.
        halted: runs that met a mistake of ours.
        crashes: when the orchestrator died, or gave up what it had in memory.
        reopened_us: when it came back, each time.
        struck: which faults have struck somebody, by name, with their targets.
        at_keys: names of faults by the draw key of the place that they struck.
        at_times: when the orchestrator as a whole was struck, µs, and by what, in order.
        passes: how often each point was passed at which a crash may strike.
        endless: whether it was given up, since it wrote more records than any run may.
        ended_us: when nothing more happened, or everybody was told.
        proven: what was proved of the flow, by which L1 is held; none: only that it ends.
        quiet_us: when the last fault was over, on the engine's clock; none if one goes on, or time was no clock's.
        pace: by run, how long it took from then on, and what was proved of that, µs.
    """

    plan: Plan
    flow: str
    faults: Sequence[Fault]
    runs: dict[str, RunTold] = field(default_factory=dict)
    order: list[tuple[int, EventRecord]] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    ledger: list[LedgerRow] = field(default_factory=list)
    calls: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    halted: dict[str, Exception] = field(default_factory=dict)
    crashes: list[int] = field(default_factory=list)
    reopened_us: list[int] = field(default_factory=list)
    struck: dict[str, set[str]] = field(default_factory=dict)
    at_keys: dict[int, set[str]] = field(default_factory=dict)
    at_times: list[tuple[int, str]] = field(default_factory=list)
    passes: dict[str, int] = field(default_factory=dict)
    ended_us: int = 0
    endless: bool = False
    proven: Proven | None = None
    quiet_us: int | None = None
    pace: dict[str, tuple[int, float]] = field(default_factory=dict)
    _stories: dict[str, Story] = field(default_factory=dict)

    def story(self, run: str) -> Story:
        """The run folded again and held against its journal, once for all checkers. Raises as `read_story`."""
        story = self._stories.get(run)
        if story is None:
            story = self._stories[run] = read_story(self.plan, run, self.runs[run].records, held=True)
        return story

    def dismantle(self) -> None:
        """Nobody looks into it any more: what it is of comes free now, where else it would wait for a search."""
        for told in self.runs.values():
            kernel = told.records[-1].kernel if told.records else None
            if kernel is not None and kernel.status is not None:
                kernel.dismantle()
            told.forget()
        for story in self._stories.values():
            story.dismantle()
        self._stories.clear()
        self.order.clear()

    def sender(self, run: str, key: str) -> tuple[str | None, int | None]:
        """The step that sent a request under a key, with its node in the source; none if nothing did."""
        told = self.runs.get(run)
        for record, command in told.commanded(TryEffect) if told is not None else ():
            if command.target_key == key:
                activity = record.kernel.places[command.place]
                return record.kernel.path(command.place), activity.op.node if activity is not None else None
        return None, None


def was_ignored(record: EventRecord) -> bool:
    """Whether the event of a record came late, so that nothing follows from it."""
    return bool(record.decided) and any(what == "ignored" for what, _ in record.decided)


class Endless(Exception):
    """More records than any run may write."""


class KeptJournal(SimulatedJournal):
    """A journal that writes into a chronicle what became durable, and when."""

    def __init__(self, chronicle: Chronicle, now: Callable[[], int]) -> None:
        super().__init__(survives=True, keep_records=False)
        self._chronicle = chronicle
        self._now = now

    def commit(self, batch: Batch) -> None:
        """See `SimulatedJournal.commit`."""
        super().commit(batch)
        chronicle, commit, now = self._chronicle, self.commits, self._now()
        runs, order = chronicle.runs, chronicle.order
        for record in batch.records:
            run = record.run
            told = runs[run]
            if record.seq == 1:
                self.records[run] = told.records  # what survives a crash is what was written down
            told.records.append(record)  # type: ignore[arg-type]
            told.durable_us.append(now)
            order.append((commit, record))  # type: ignore[arg-type]
        if len(order) > RECORDS_MAX:
            raise Endless


class SeenWorld(World):
    """A world that writes into a chronicle what landed, and when."""

    def __init__(self, plan: Plan, chronicle: Chronicle, forgetful: frozenset[str] = frozenset()) -> None:
        super().__init__(program_of(plan))
        self._forgetful = forgetful
        self._chronicle = chronicle
        self.now: Callable[[], int] = int

    def apply(self, run: str, effect: str, args: list[Any], key: str, receipt: Any) -> Any:
        """See `World.apply`."""
        again = self.find(key)[0]
        before = self._seen[effect].duplicates
        given = super().apply(run, effect, args, key, receipt)
        if again and effect in self._forgetful:
            self._seen[effect].duplicates += 1
        twice = self._seen[effect].duplicates > before
        self._chronicle.applied.append(Applied(self.now(), run, effect, key, again, twice))
        return given


class Chronicler:
    """Makes chronicles of one flow: everything that they share is made ready once.

    Args:
        plan: sealed.
        flow: one of its flows.
        folder: where the spec stands, for files that its profiles read.
        seed: of what agents take and give; the same seed, the same chronicle.
        runs: how many runs of the flow meet each other.
        given: distributions of parameters, as of a scenario; others are made from their types.
        forgetful: effects whose targets drop no repeats, whatever the plan says of them.
        proven: what was proved of the flow, for L1.
        apart_us: how long after each other they arrive.
    """

    def __init__(
        self,
        plan: Plan,
        flow: str,
        *,
        folder: Path | None = None,
        seed: int = 1,
        runs: int = 1,
        given: dict[str, Json] | None = None,
        forgetful: frozenset[str] = frozenset(),
        proven: Proven | None = None,
        apart_us: int = APART_US,
    ) -> None:
        # By chance nothing fails here: what goes wrong is in the schedule, so that it can be told and taken away.
        self.plan = without_chance_failures(plan)
        self.flow = flow
        self.seed = seed
        self.count = runs
        self.apart_us = apart_us
        self._forgetful = forgetful
        self._proven = proven
        self.data = columns(self.plan, folder, list((given or {}).values()))
        self._inputs = InputMaker(self.plan, flow, given or {}, data=self.data, codecs=program_of(plan).codecs)

    def chronicle(self, faults: Sequence[Fault]) -> Chronicle:
        """What happens under a schedule of faults."""
        with seldom_collecting(CHRONICLE):
            return self._chronicle(faults)

    @contextmanager
    def looked_into(self, faults: Sequence[Fault]) -> Iterator[Chronicle]:
        """A chronicle as above, which is taken apart when nobody looks into it any more: its memory is free at once."""
        with seldom_collecting(CHRONICLE):
            chronicle = self._chronicle(faults)
            try:
                yield chronicle
            finally:
                chronicle.dismantle()

    def _chronicle(self, faults: Sequence[Fault]) -> Chronicle:
        plan = self.plan
        chronicle = Chronicle(plan, self.flow, list(faults), proven=self._proven)
        striking = NoticedFaults(faults)
        world = SeenWorld(plan, chronicle, self._forgetful)
        left: set[str] = set()

        def ended(visit: Visit) -> None:
            told = chronicle.runs[visit.run]
            told.told.append((clock.now, visit.seen.status, visit.result))
            left.discard(visit.run)

        key = run_key(self.seed, 0, 1, 0)
        calls = Calls(plan.tools) if plan.tools else None
        cast = Cast(plan, self.data, striking.targets)
        clock = Clock(plan, self.flow, cast, world, calls, striking, key, ended)
        chronicle.calls = calls.of if calls is not None else {}
        journal = clock.journal = KeptJournal(chronicle, lambda: clock.now)
        counted = clock.crashes = CountedCrashes(striking, key)
        world.now = lambda: clock.now
        clock.refolds.thorough = True
        clock.on_halt = lambda visit: left.discard(visit.run)
        for number in range(self.count):
            visit = self.visit(number)
            chronicle.runs[visit.run] = RunTold(visit.run, visit.inputs)
            left.add(visit.run)
            if number == 0:
                clock.arrive(visit)
            else:
                clock.at(visit.arrived_us, lambda event: clock.arrive(event.value), visit)
        try:
            clock.begin()
            clock.run(lambda: not left, HORIZON_US, leaps=True)
        except Endless:
            chronicle.endless = True
        chronicle.halted = clock.halted
        chronicle.crashes = [int(mark.at_s * SECOND) for mark in striking.marks]
        chronicle.reopened_us = [round(mark.until_s * SECOND) for mark in striking.marks]
        chronicle.ended_us = clock.now
        chronicle.struck = striking.close(clock.now)
        chronicle.quiet_us = striking.quiet_us(clock.now)
        chronicle.at_keys, chronicle.at_times = striking.at_keys, striking.at_times
        chronicle.ledger = list(journal.ledger.values())
        chronicle.passes = {point: count for point, count in counted.passes.items() if count}
        return chronicle

    def visit(self, number: int) -> Visit:
        """One of the runs, as its client asks for it."""
        seed = run_key(self.seed, 0, 0, number)
        at_us = number * self.apart_us
        inputs = self._inputs.play(seed)
        return Visit(f"run{number}", seed, inputs, RunObservation(number, at_us / SECOND), at_us)
