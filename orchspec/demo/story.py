"""The story of a run that was killed, read from its journal alone: its bars, and when nobody was at work on it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from orchspec.runtime.journal import SQLiteStore
from orchspec.runtime.kernel.events import EngineRecovered
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.recording import EventRecord, event_of
from orchspec.simulator.bars import bars_of
from orchspec.simulator.observe import Bar, FaultMark

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan

__all__ = ["told_by"]

_SECOND = 1_000_000


def told_by(plan: Plan, store: Path, run: str) -> tuple[list[Bar], list[FaultMark], int]:
    """What a journal tells.

    Args:
        plan: that of the run.
        store: the file of its store.
        run: its name.

    Returns:
        Its stretches of time, a mark for each time that it was carried on with, and how many records there are; times
        in seconds since the run began, on the run's own clock.
    """
    kernel = Kernel(plan, run)
    looked = SQLiteStore(str(store), create=False)
    try:
        stored = list(looked.records(run))
    finally:
        looked.close()
    records = []
    for record in stored:
        event = event_of(record)
        records.append(EventRecord(run, record.seq, event, kernel, kernel.handle(event)))
    start_us = records[0].time_us if records else 0
    marks = [
        FaultMark("killed", "orchestrator", (before.time_us - start_us) / _SECOND, (after.time_us - start_us) / _SECOND)
        for before, after in pairwise(records)
        if isinstance(after.event, EngineRecovered)
    ]
    return bars_of(plan, records, start_us), marks, len(records)
