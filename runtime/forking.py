"""Forks: a run that begins with what another had up to a checkpoint, and goes on by itself.

Its journal is its own: it holds copies of the parent's records, then a RunForked, all written in one transaction with
its row. So a crash leaves a whole fork or none, and the parent may be removed. Nothing may have been under way at the
checkpoint: what an agent, a target or a person was asked has one asker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.driver.live import Request
from orchspec.runtime.driver.stored import pinned_plan
from orchspec.runtime.errors import ForkRefused, RunMismatch, UnknownRun
from orchspec.runtime.failpoints import reached
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.records import Record, RunRow
from orchspec.runtime.kernel.commands import (
    AskPerson,
    CheckEffect,
    ClaimEffect,
    Command,
    HoldGrant,
    LookupReuse,
    RunTask,
    TryEffect,
)
from orchspec.runtime.kernel.events import EngineRecovered, RunForked
from orchspec.runtime.recording import EventRecord, began_as, event_of, fold

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.crew import Crew
    from orchspec.runtime.driver.clock import Clock
    from orchspec.runtime.journal.store import Store

__all__ = ["Fork", "prepare", "request_for"]

_UNDER_WAY: Final = (HoldGrant, RunTask, AskPerson, TryEffect, CheckEffect)


@dataclass(slots=True)
class Fork:
    """A fork that can be begun: `plan` rules it, `records` are what it inherits, which begin under another name."""

    parent: RunRow
    checkpoint: str
    run: str
    again: bool
    plan: Plan
    records: list[Record]
    began_as: str

    def origin(self) -> dict[str, Any]:
        """What the row of the fork says of where it comes from."""
        return {"run": self.parent.run, "at": self.checkpoint, "effects": "again" if self.again else "inherited"}

    def check(self, row: RunRow) -> None:
        """Raises RunMismatch if a run of its name exists and is not this fork."""
        if row.options.get("fork") != self.origin():
            raise RunMismatch(
                f"run {row.run} exists and is not this fork of {self.parent.run} at {self.checkpoint}; choose another "
                "run id"
            )

    def begin(self, store: Store, epoch: int, now_us: int, options: dict[str, Any]) -> RunRow:
        """Writes it, in one transaction; it is resumed like any run. Raises StoreError."""
        state = fold(self.plan, self.began_as, self.records)
        kernel = state.kernel
        since_us = kernel.now
        at_us = max(now_us, since_us)
        event = RunForked(
            at_us, self.parent.run, self.run, self.checkpoint, self.began_as, self.again, at_us - since_us
        )
        commands = kernel.handle(event)
        row = replace(
            self.parent,
            run=self.run,
            plan_hash=self.plan.hash,
            status="running",
            result=None,
            error=None,
            created_us=at_us,
            ended_us=None,
            options={**self.parent.options, **options, "fork": self.origin()},
        )
        forked = EventRecord(self.run, state.seq + 1, event, kernel, commands)
        inherited = [Record(self.run, each.seq, each.time_us, each.type, each.body) for each in self.records]
        own = Record(self.run, forked.seq, forked.time_us, forked.type, forked.body)
        store.put_plan(self.plan.hash, self.plan.as_json())
        reached("before_commit")
        store.commit(epoch, Batch(records=[*inherited, own], runs=[row]))
        reached("after_commit")
        return row


def prepare(store: Store, parent: str, checkpoint: str, run: str, *, again: bool = False) -> Fork:
    """Looks whether a run can be forked at a checkpoint; nothing is written.

    Args:
        store: where the parent is.
        parent: its name; it may have ended, or be under way.
        checkpoint: which of those that it reached; the last time, if it did so more often.
        run: the name of the fork.
        again: whether what the parent did after the checkpoint is done anew where the fork asks for the same.

    Raises:
        UnknownRun: there is no such parent. ForkRefused: it did not reach the checkpoint, or something was under way
        there. CorruptStore, ReplayMismatch: its journal does not fold.
    """
    row = store.run(parent)
    if row is None:
        raise UnknownRun(f"the store holds no run {parent}; `orch status` lists those that it holds")
    records = store.records(parent)
    passed = {
        str(detail): record.seq for record in records for what, detail in _decided(record) if what == "checkpoint"
    }
    if checkpoint not in passed:
        reached_so_far = f"it has passed {', '.join(passed)}" if passed else "it has passed none"
        raise ForkRefused(f"run {parent} has not passed a checkpoint {checkpoint}; {reached_so_far}")
    kept = records[: passed[checkpoint]]
    plan = _plan_then(store, row, records[passed[checkpoint] :])
    began = began_as(parent, records)
    _hold_nothing_open(fold(plan, began, kept).kernel, parent, checkpoint)
    return Fork(row, checkpoint, run, again, plan, kept, began)


def request_for(
    store: Store | str | Path,
    parent: str,
    checkpoint: str,
    run: str,
    crew: Callable[[Plan, Clock], Crew],
    *,
    again: bool = False,
) -> Request:
    """The request for a fork, for a hub; errors as of `prepare`. A store that is a path is opened and closed again."""
    from orchspec.runtime.journal import SQLiteStore

    opened = SQLiteStore(store, create=False) if isinstance(store, (str, Path)) else store
    try:
        fork = prepare(opened, parent, checkpoint, run, again=again)
    finally:
        if isinstance(store, (str, Path)):
            opened.close()
    row = fork.parent
    return Request(run, crew, plan=fork.plan, flow=row.flow, inputs=row.input, seed=row.seed, fork=fork)


def _decided(record: Record) -> list[Any]:
    decided = record.body.get("decided", [])
    return [each for each in decided if isinstance(each, list) and len(each) == 2] if isinstance(decided, list) else []


def _plan_then(store: Store, row: RunRow, later: list[Record]) -> Plan:
    """The plan that ruled at the checkpoint: an upgrade that came later names the one before it."""
    upgrade = next((record for record in later if record.type == "PlanUpgraded"), None)
    was = getattr(event_of(upgrade), "was", row.plan_hash) if upgrade is not None else row.plan_hash
    return pinned_plan(store, replace(row, plan_hash=was))


def _hold_nothing_open(kernel: Any, parent: str, checkpoint: str) -> None:
    if kernel.status is not None or kernel.outcome is not None or kernel.root.failing is not None:
        raise ForkRefused(f"run {parent} was ending as it passed {checkpoint}; fork it at an earlier checkpoint")
    busy = sorted({kernel.path(place) for place, _ in kernel.stopping})
    for command in kernel.handle(EngineRecovered(kernel.now, 0)):
        if _is_under_way(command):
            busy.append(kernel.path(command.place))
    if busy:
        raise ForkRefused(
            f"as run {parent} passed {checkpoint}, {busy[0]} was under way, and it has one asker: fork it at another "
            "checkpoint, or put the checkpoint after what runs beside it"
        )


def _is_under_way(command: Command) -> bool:
    if isinstance(command, ClaimEffect):
        return command.undoes is not None
    return isinstance(command, _UNDER_WAY) or (isinstance(command, LookupReuse) and command.ours)
