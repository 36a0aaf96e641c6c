"""What a chronicle tells: runs with their records and when these were durable, what landed, who was told what.

All that checkers read. `chronicle` makes it of a simulated run, `recorded` of a store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from orchspec.runtime.kernel.commands import Command, TryEffect
from orchspec.runtime.recording import EventRecord
from orchspec.runtime.why.story import Story, read_story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchspec.compiler.plan import Fault, Plan
    from orchspec.runtime.journal.records import LedgerRow, Record
    from orchspec.simulator.chaos.proven import Proven

__all__ = ["Applied", "Chronicle", "RunTold", "was_ignored"]

_INWARD: Final = frozenset(kind for kind in get_args(Command) if not kind.outward)


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
    _events: dict[type, list[EventRecord]] = field(default_factory=dict)
    _commands: dict[type, list[tuple[EventRecord, Any]]] = field(default_factory=dict)
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
        records = self.records
        for at in range(self._known, len(records)):
            record = records[at]
            kind: type = type(record.event)
            same = events.get(kind)
            if same is None:
                events[kind] = [record]
            else:
                same.append(record)
            for command in record.commands:
                kind = type(command)
                if kind in _INWARD:
                    continue
                alike = commands.get(kind)
                if alike is None:
                    commands[kind] = [(record, command)]
                else:
                    alike.append((record, command))
        self._known = len(records)

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
        order: all durable records in the order of their commits.
        commits: the number of the commit of each.
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
        progress: by run, as far as L1 asks for it: when each statement of its flow had ended, µs, by its index, and
            whether anything was undone.
    """

    plan: Plan
    flow: str
    faults: Sequence[Fault]
    runs: dict[str, RunTold] = field(default_factory=dict)
    order: list[EventRecord] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
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
    progress: dict[str, tuple[dict[int, float], bool]] = field(default_factory=dict)
    _stories: dict[str, Story] = field(default_factory=dict)

    def story(self, run: str) -> Story:
        """The run folded again and held against its journal, once for all checkers. Raises as `read_story`."""
        story = self._stories.get(run)
        if story is None:
            story = self._stories[run] = read_story(self.plan, run, self.runs[run].records, held=True)
        return story

    def has_story(self, run: str) -> bool:
        """Whether the run's story is at hand."""
        return run in self._stories

    def put_away(self, run: str) -> None:
        """Nobody reads the run's story now; it is folded again for whoever asks."""
        story = self._stories.pop(run, None)
        if story is not None:
            story.dismantle()

    def keep(self, records: Sequence[Record], commit: int, now_us: int, kept: dict[str, list[EventRecord]]) -> None:
        """Some records have become durable, with a commit, at a time; those of a run are `kept` by its id, too."""
        runs, order, commits = self.runs, self.order, self.commits
        for each in records:
            record = cast("EventRecord", each)
            told = runs[record.run]
            if record.seq == 1:
                kept[record.run] = told.records
            told.records.append(record)
            told.durable_us.append(now_us)
            order.append(record)
            commits.append(commit)

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
        self.commits.clear()

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
