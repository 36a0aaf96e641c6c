"""The story of a run: its journal folded again, watching what each record began and what it ended.

Nothing is guessed from texts: places, owners and frames are those of the kernel that decided. A *moment* is a record;
a *happening* is what stood at one place, from the moment that began it to the moment that ended it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from orchspec.runtime.journal.records import format_time
from orchspec.runtime.kernel.commands import RequestGrant
from orchspec.runtime.kernel.events import EngineRecovered, TaskEnrolled, TaskFailed, TaskFulfilled
from orchspec.runtime.kernel.table import CLOSED, QUEUED
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.recording import Folding, is_verified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchspec.compiler.plan import Block, Budget, Plan
    from orchspec.runtime.journal.records import Record
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
    """What stood at one place. `ended` is None while it is under way; `owner` is the place it belongs to, 0 the run."""

    place: int
    path: str
    activity: Activity
    begun: Moment
    ended: Moment | None = None
    moments: list[Moment] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def node(self) -> int:
        """The node of its statement in the plan's source."""
        node: int = self.activity.op.node
        return node


class Reserved(NamedTuple):
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
    """All that a journal tells: `moments` in order, `happenings` by place, and what was `reserved` when."""

    def __init__(self, plan: Plan, run: str, records: Sequence[Record | EventRecord]) -> None:
        self.plan = plan
        self.run = run
        self._folding = Folding(plan, run, records)
        self.kernel = self._folding.kernel
        self.moments: list[Moment] = []
        self.happenings: dict[int, Happening] = {}
        self.reserved: list[Reserved] = []
        self._open: dict[int, Happening] = {}

    @property
    def blocks(self) -> dict[int, tuple[Block, int]]:
        """The block and the index of each statement of the plan, by its node."""
        return self.kernel.program.blocks

    def tell(self, record: Record | EventRecord, *, held: bool = False) -> None:
        """Fold one record more, `held` against what it says.

        Raises CorruptStore, and ReplayMismatch for a journal that is not this plan's.
        """
        event = self._folding.event(record)
        kernel = self.kernel
        known = len(kernel.places)
        met = kernel.places[event.place] if 0 < event.place < known else None
        state = met.state if met is not None else CLOSED
        again = self._queued() if isinstance(event, EngineRecovered) else frozenset()
        commands = self._folding.step(record, event)
        if held:
            self._folding.hold(record, event, commands)
        for command in commands:
            if isinstance(command, RequestGrant) and command.place not in again:
                self._reserved(record.seq, command.place)
        here = self.happenings.get(event.place)
        path = here.path if here is not None else kernel.path(event.place)
        decided = tuple((str(what), detail) for what, detail in kernel.decided)
        moment = Moment(record.seq, event.time, record.type, event.place, path, decided, state)
        self.moments.append(moment)
        for place in range(known, len(kernel.places)):
            activity = kernel.places[place]
            if activity is not None:
                begun = Happening(place, activity.path(), activity, moment)
                self.happenings[place] = self._open[place] = begun
        if here is not None:
            here.moments.append(moment)
            self._note(here, event, moment, verified=is_verified(event.place, commands))
        closed = [here for here in self._open.values() if here.activity.state == CLOSED]
        for here in closed:
            here.ended = moment
            del self._open[here.place]

    def _queued(self) -> frozenset[int]:
        """Who has reserved, and asks for its grant again after a crash: what was spent since does not take it back."""
        places = enumerate(self.kernel.places)
        return frozenset(place for place, each in places if isinstance(each, Task) and each.state == QUEUED)

    def _reserved(self, seq: int, place: int) -> None:
        activity = self.kernel.places[place]
        account = activity.account if activity is not None else None
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

    def _note(self, here: Happening, event: Any, moment: Moment, *, verified: bool) -> None:
        if isinstance(event, TaskEnrolled):
            grant = Attempt(event.attempt, event.agent, moment, event.waited_us, event.waited_for or "")
            here.attempts.append(grant)
            return
        if not here.attempts or here.attempts[-1].ended is not None:
            return
        last = here.attempts[-1]
        said = dict(moment.decided)
        if verified:  # whatever else was decided on it: a guard that fails the flow, say
            last.ended, last.outcome = moment, "verified"
        elif isinstance(event, TaskFailed):
            last.ended, last.outcome = moment, f"{event.code}: {event.message}"
        elif "retry" in said or "failed" in said:
            last.ended, last.outcome = moment, (said.get("retry") or said.get("failed") or "")
        elif isinstance(event, TaskFulfilled) or moment.type == "QuestionAnswered":
            last.ended, last.outcome = moment, "verified"

    # -------------------------------------------------------------- looking

    def at(self, path: str) -> list[Happening]:
        """What stood at a path, in order; several where one took the place of another."""
        return [each for each in self.happenings.values() if each.path == path]

    def paths(self) -> list[str]:
        """Every path at which something stood, each once, in the order in which they began."""
        return list(dict.fromkeys(each.path for each in self.happenings.values()))

    def of(self, frame: Frame, index: int) -> Happening | None:
        """The happening of statement `index` of a frame, the last one if it was taken over by another."""
        found = None
        for each in self.happenings.values():
            activity = each.activity
            if activity.frame is frame and activity.op.index == index and activity.owner is frame:
                found = each
        return found

    def hosts(self, frame: Frame) -> Happening | None:
        """The happening that hosts a frame (a repeat, a scope, a call); None for the flow itself."""
        host = frame.host
        place = getattr(host, "place", None)
        return self.happenings.get(place) if isinstance(place, int) else None

    def frames(self) -> Iterator[Frame]:
        """Every frame in which something stood."""
        seen: set[int] = set()
        root = self.kernel.root
        for frame in [root, *(each.activity.frame for each in self.happenings.values())]:
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
