"""A live view of a store: how its runs stand, folded as their records come in.

Nothing is owned and nothing is written, so any number of people may watch while an engine works. Each look reads the
records that are new since the last one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import PlanError
from orchspec.runtime.driver.clock import wall_us
from orchspec.runtime.driver.stored import has_ended, pinned_plan
from orchspec.runtime.errors import OrchError
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.kernel.seeking import Seeking
from orchspec.runtime.kernel.table import OPEN, STATE_NAMES
from orchspec.runtime.recording import Folding
from orchspec.runtime.result import usd_text

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import BeatRow, Record, RunRow
    from orchspec.runtime.journal.store import Store

__all__ = ["RunView", "StepView", "Watcher", "silent_s"]

STEPS_MAX: Final = 100
"""Open steps of a run that are shown at most."""


@dataclass(frozen=True, slots=True)
class StepView:
    """A step under way: its state in the kernel's words, who is at it, and since when (microseconds).

    `share` (0..1) and `note` are of its last heartbeat, `silent_s` how many seconds ago that was; None without one.
    """

    step: str
    state: str
    agent: str | None
    attempt: int | None
    since_us: int
    share: float | None = None
    note: str | None = None
    silent_s: float | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """How a run stands: `problem` says why its journal could not be folded, if so; `last_us` is its newest record."""

    run: str
    flow: str
    status: str
    created_us: int
    ended_us: int | None
    last_us: int
    records: int
    steps_done: int
    cost_usd: str
    tokens: int
    open: tuple[StepView, ...]
    checkpoints: tuple[str, ...]
    problem: str | None

    def as_json(self) -> dict[str, Any]:
        """The view as `orch watch --json` shows it."""
        return asdict(self)


@dataclass(slots=True)
class _Followed:
    """A run that is followed: its kernel as of the last record read, and since when each place stands as it does."""

    kernel: Kernel
    seq: int
    last_us: int
    since: dict[int, tuple[int, int]]
    problem: str | None = None
    plan_hash: str = ""
    folding: Folding | None = None


class Watcher:
    """Follows the runs of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followed: dict[str, _Followed] = {}
        self._beats: dict[tuple[str, str], BeatRow] = {}

    def look(self, run: str | None = None) -> list[RunView]:
        """How all runs stand now, or one of them, in the order in which they were created. Raises StoreError."""
        rows = [row for row in self._store.runs() if run is None or row.run == run]
        self._beats = {(beat.run, beat.place): beat for beat in self._store.beats()}
        return [self._view(row) for row in rows]

    def _view(self, row: RunRow) -> RunView:
        followed = self._follow(row)
        kernel = followed.kernel
        account = kernel.account
        return RunView(
            run=row.run,
            flow=row.flow,
            status=row.status,
            created_us=row.created_us,
            ended_us=row.ended_us,
            last_us=followed.last_us,
            records=followed.seq,
            steps_done=kernel.steps,
            cost_usd=usd_text(account.charged_pico if account is not None else 0),
            tokens=account.charged_tokens if account is not None else 0,
            open=tuple(self._open(followed)) if not has_ended(row) else (),
            checkpoints=tuple(kernel.reached),
            problem=followed.problem,
        )

    def _follow(self, row: RunRow) -> _Followed:
        followed = self._followed.get(row.run)
        records = None
        if followed is None or followed.plan_hash != row.plan_hash:  # an upgrade moves places
            try:
                plan = pinned_plan(self._store, row)
            except (OrchError, PlanError) as error:
                from orchspec.compiler.plan import Plan

                return _Followed(Kernel(Plan(row.flow), row.run), 0, row.created_us, {}, str(error))
            records = self._store.records(row.run)
            folding = Folding(plan, row.run, records)
            followed = _Followed(folding.kernel, 0, row.created_us, {}, None, row.plan_hash, folding)
            self._followed[row.run] = followed
        if followed.problem is None:
            for record in self._store.records(row.run, followed.seq) if records is None else records:
                try:
                    self._fold(followed, record)
                except Exception as error:  # noqa: BLE001 - a journal that does not fold is shown as such
                    followed.problem = f"record {record.seq} does not fold: {error}"
                    break
        return followed

    def _fold(self, followed: _Followed, record: Record) -> None:
        kernel, folding = followed.kernel, followed.folding
        assert folding is not None
        folding.step(record, folding.event(record))
        followed.seq = record.seq
        followed.last_us = record.time_us
        for place in kernel.open_places():
            activity = kernel.places[place]
            if activity is not None and followed.since.get(place, (None, 0))[0] != activity.state:
                followed.since[place] = (activity.state, record.time_us)

    def _open(self, followed: _Followed) -> list[StepView]:
        kernel = followed.kernel
        found = []
        for place in kernel.open_places():
            activity = kernel.places[place]
            # What only holds others has nothing of its own to show.
            if activity is None or activity.state == OPEN:
                continue
            seat = activity.seat if isinstance(activity, Seeking) else None
            attempt = activity.attempt if isinstance(activity, Seeking) else None
            state = STATE_NAMES.get(activity.state, "open")
            since_us = followed.since.get(place, (0, followed.last_us))[1]
            path = kernel.path(place)
            beat = self._beats.get((kernel.run, path))
            told = (beat.share, beat.note, silent_s(beat)) if beat is not None else ()
            found.append(StepView(path, state, seat.agent if seat else None, attempt, since_us, *told))
            if len(found) == STEPS_MAX:
                break
        return found


def silent_s(beat: BeatRow) -> float:
    """How many seconds ago a heartbeat was."""
    return max(0, wall_us() - beat.time_us) / 1e6
