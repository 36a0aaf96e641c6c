"""The story of a run: its journal folded again, watching what each record began and what it ended.

Nothing is guessed from texts: places, owners and frames are those of the kernel that decided. A *moment* is a record;
a *happening* is what stood at one place, from the moment that began it to the moment that ended it.

While it folds, only numbers are kept: those of the records that began and ended what stands at a place, and the state
in which a record found its own. Happenings, moments, attempts and paths are made of them for whoever asks; checkers,
who read millions of records, hardly ever do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from orchspec.runtime.journal.records import format_time
from orchspec.runtime.kernel.commands import ReleaseGrant, RequestGrant
from orchspec.runtime.kernel.events import EngineRecovered, QuestionAnswered, TaskEnrolled, TaskFailed, TaskFulfilled
from orchspec.runtime.kernel.table import CLOSED, QUEUED
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.recording import Folding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchspec.compiler.plan import Block, Budget, Plan
    from orchspec.runtime.journal.records import Record
    from orchspec.runtime.kernel.events import Event
    from orchspec.runtime.kernel.frames import Activity, Frame
    from orchspec.runtime.recording import EventRecord

__all__ = ["Attempt", "Happening", "Moment", "Reserved", "Story", "read_story"]


@dataclass(frozen=True, slots=True)
class Moment:
    """A record: its number, when it was (microseconds), what happened, at which place, and what was decided on it.

    `state`: the one of `kernel.table` in which it found its place.
    """

    seq: int
    time_us: int
    type: str
    place: int
    path: str
    decided: tuple[tuple[str, str | None], ...]
    state: int = CLOSED

    def as_json(self) -> dict[str, Any]:
        """The moment as `orch why --json` shows it."""
        return {
            "seq": self.seq,
            "time": format_time(self.time_us),
            "type": self.type,
            "step": self.path or None,
            "decided": [list(each) for each in self.decided],
        }


@dataclass(slots=True)
class Attempt:
    """A try at a task: who was granted, what the grant was waited for, and how it ended."""

    number: int
    agent: str
    enrolled: Moment
    waited_us: int
    waited_for: str
    ended: Moment | None = None
    outcome: str = ""


@dataclass(slots=True)
class Happening:
    """What stood at one place."""

    story: Story = field(repr=False, compare=False)
    place: int
    activity: Activity

    @property
    def begun_seq(self) -> int:
        """The number of the record that began it."""
        return self.story.begun_at[self.place]

    @property
    def ended_seq(self) -> int | None:
        """The number of the record that ended it; None while it is under way."""
        return self.story.ended_at[self.place]

    @property
    def path(self) -> str:
        """The path of the place."""
        return self.activity.path()

    @property
    def node(self) -> int:
        """The node of its statement in the plan's source."""
        node: int = self.activity.op.node
        return node

    @property
    def begun(self) -> Moment:
        """The record that began it."""
        return self.story.moment(self.begun_seq)

    @property
    def ended(self) -> Moment | None:
        """The record that ended it; None while it is under way."""
        return self.story.moment(self.ended_seq) if self.ended_seq is not None else None

    @property
    def moments(self) -> list[Moment]:
        """The records of its place."""
        return [self.story.moment(seq) for seq in self.story.seqs_at(self.place) if seq > self.begun_seq]

    @property
    def attempts(self) -> list[Attempt]:
        """The tries at it, if it is a task."""
        return self.story.attempts_of(self)


@dataclass(slots=True)
class Reserved:
    """What stood in an account when an attempt was asked for within it: of its own, and of each one around."""

    seq: int
    place: int
    cap: Budget
    charged_pico: int
    reserved_pico: int
    charged_tokens: int
    reserved_tokens: int
    attempts: int
    retries: int
    open: int


class Story:
    """All that a journal tells.

    Attributes:
        events: in order; that of record `seq` is `events[seq - 1]`.
        begun_at: the number of the record that began what stands at a place, by place; 0 for the run itself.
        ended_at: the one that ended it; None while it is under way.
        reserved: what stood in accounts, whenever something was asked for.
    """

    def __init__(self, plan: Plan, run: str, records: Sequence[Record | EventRecord]) -> None:
        self.plan = plan
        self.run = run
        self._folding = Folding(plan, run, records)
        self.kernel = self._folding.kernel
        self.events: list[Event] = []
        self.begun_at: list[int] = [0]
        self.ended_at: list[int | None] = [None]
        self.reserved: list[Reserved] = []
        self._states: list[int] = []
        self._decided: list[list[list[str | None]]] = []
        self._verified: set[int] = set()
        self._open: list[Activity] = []
        self._happenings: dict[int, Happening] = {}
        self._moments: list[Moment] = []
        self._seqs: dict[int, list[int]] = {}
        self._statements: dict[tuple[int, int], int] = {}
        self._known = 0
        self._indexed = 1

    @property
    def blocks(self) -> dict[int, tuple[Block, int]]:
        """The block and the index of each statement of the plan, by its node."""
        return self.kernel.program.blocks

    def tell(self, record: Record | EventRecord, *, held: bool = False) -> None:
        """Fold one record more, `held` against what it says.

        Raises CorruptStore, and ReplayMismatch for a journal that is not this plan's.
        """
        folding, kernel, seq = self._folding, self.kernel, record.seq
        event = folding.event(record)
        places, place = kernel.places, event.place
        known = len(places)
        met = places[place] if place < known else None
        state = CLOSED if met is None else met.state
        again = self._queued() if type(event) is EngineRecovered else ()
        commands = folding.handle(record, event)
        if held:
            folding.hold(record, event, commands)
        for command in commands:
            kind = type(command)
            if kind is RequestGrant:
                if command.place not in again:
                    self._reserved(seq, command.place)
            elif kind is ReleaseGrant and command.place == place and command.outcome == "ok":  # type: ignore[union-attr]
                self._verified.add(seq)
        self.events.append(event)
        self._states.append(state)
        self._decided.append(kernel.decided)
        if len(places) > known:
            fresh = places[known:]
            self.begun_at += [seq] * len(fresh)
            self.ended_at += [None] * len(fresh)
            self._open += [each for each in fresh if each is not None]
        closed = [each for each in self._open if each.state == CLOSED]
        if closed:
            for each in closed:
                self.ended_at[each.place] = seq
            self._open = [each for each in self._open if each.state != CLOSED]

    def _queued(self) -> frozenset[int]:
        """Who has reserved, and asks for its grant again after a crash: what was spent since does not take it back."""
        places = enumerate(self.kernel.places)
        return frozenset(place for place, each in places if isinstance(each, Task) and each.state == QUEUED)

    def _reserved(self, seq: int, place: int) -> None:
        activity = self.kernel.places[place]
        # Sections and effects ask for leave, too, and reserve nothing.
        account = activity.account if isinstance(activity, Task) else None
        while account is not None:
            self.reserved.append(
                Reserved(
                    seq,
                    place,
                    account.cap,
                    account.charged_pico,
                    account.reserved_pico,
                    account.charged_tokens,
                    account.reserved_tokens,
                    account.attempts,
                    account.retries,
                    account.open,
                )
            )
            account = account.parent

    # -------------------------------------------------------------- moments

    def moment(self, seq: int) -> Moment:
        """A record, by its number."""
        made = self._moments
        for at in range(len(made), seq):
            event = self.events[at]
            state = self._states[at]
            decided = tuple((str(what), detail) for what, detail in self._decided[at])
            path, kind = self.kernel.path(event.place), type(event).__name__
            made.append(Moment(at + 1, event.time, kind, event.place, path, decided, state))
        return made[seq - 1]

    @property
    def moments(self) -> list[Moment]:
        """Every record, in order."""
        if self.events:
            self.moment(len(self.events))
        return self._moments

    @property
    def happenings(self) -> dict[int, Happening]:
        """What stood at each place."""
        found = self._happenings
        for activity in islice(self.kernel.places, len(self._happenings) + 1, None):
            if activity is not None:
                found[activity.place] = Happening(self, activity.place, activity)
        return found

    def seqs_at(self, place: int) -> list[int]:
        """The numbers of the records of a place."""
        for at in range(self._known, len(self.events)):
            self._seqs.setdefault(self.events[at].place, []).append(at + 1)
        self._known = len(self.events)
        return self._seqs.get(place, [])

    def attempts_of(self, here: Happening) -> list[Attempt]:
        """The tries at a task, in order."""
        found: list[Attempt] = []
        for moment in here.moments:
            event = self.events[moment.seq - 1]
            last = found[-1] if found else None
            if isinstance(event, TaskEnrolled):
                found.append(Attempt(event.attempt, event.agent, moment, event.waited_us, event.waited_for or ""))
            elif last is not None and last.ended is None:
                outcome = self._outcome(event, moment)
                if outcome is not None:
                    last.ended, last.outcome = moment, outcome
        return found

    def _outcome(self, event: Event, moment: Moment) -> str | None:
        """How a record ended the attempt that was under way; None if it did not."""
        said = dict(moment.decided)
        if moment.seq in self._verified:  # whatever else was decided on it: a guard that fails the flow, say
            return "verified"
        if isinstance(event, TaskFailed):
            return f"{event.code}: {event.message}"
        if "retry" in said or "failed" in said:
            return said.get("retry") or said.get("failed") or ""
        return "verified" if isinstance(event, TaskFulfilled | QuestionAnswered) else None

    def dismantle(self) -> None:
        """Nobody reads it any more: its memory comes free at once, without a search for what names each other."""
        self._happenings.clear()
        if self.kernel.status is not None:
            self.kernel.dismantle()

    # -------------------------------------------------------------- looking

    def at(self, path: str) -> list[Happening]:
        """What stood at a path, in order; several where one took the place of another."""
        return [each for each in self.happenings.values() if each.path == path]

    def paths(self) -> list[str]:
        """Every path at which something stood, each once, in the order in which they began."""
        return list(dict.fromkeys(each.path for each in self.happenings.values()))

    def of(self, frame: Frame, index: int) -> Happening | None:
        """The happening of statement `index` of a frame, the last one if it was taken over by another."""
        place = self.place_of(frame, index)
        return self.happenings[place] if place is not None else None

    def place_of(self, frame: Frame, index: int) -> int | None:
        """Where statement `index` of a frame stands, or what took it over."""
        places, statements = self.kernel.places, self._statements
        for at in range(self._indexed, len(places)):
            activity = places[at]
            if activity is not None and activity.owner is activity.frame:
                statements[id(activity.frame), activity.op.index] = activity.place
        self._indexed = len(places)
        return statements.get((id(frame), index))

    def hosts(self, frame: Frame) -> Happening | None:
        """The happening that hosts a frame (a repeat, a scope, a call); None for the flow itself."""
        host = frame.host
        place = getattr(host, "place", None)
        return self.happenings.get(place) if isinstance(place, int) else None

    def frames(self) -> Iterator[Frame]:
        """Every frame in which something stood."""
        seen: set[int] = set()
        root = self.kernel.root
        for frame in [root, *(each.frame for each in self.kernel.places if each is not None)]:
            if frame is not None and id(frame) not in seen:
                seen.add(id(frame))
                yield frame

    def line(self, node: int) -> str | None:
        """Where a node stands: `briefing.orch:79`."""
        source = self.plan.source
        if not 0 <= node < len(source.spans):
            return None
        line, _, _, _, file = source.spans[node]
        return f"{source.files[file].rsplit('/', 1)[-1]}:{line}" if file < len(source.files) else None


def read_story(plan: Plan, run: str, records: Iterable[Record | EventRecord], *, held: bool = False) -> Story:
    """The story of a run.

    Args:
        plan: the one that rules the run.
        run: its id.
        records: its journal.
        held: whether each record is held against what it folds to; else what it folds to is believed.

    Raises:
        CorruptStore: a record is none of ours. ReplayMismatch: the plan is another one.
    """
    kept = list(records)
    story = Story(plan, run, kept)
    for record in kept:
        story.tell(record, held=held)
    return story
