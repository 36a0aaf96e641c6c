"""What exploring has reached: rows of the kernel's tables, under which faults, and what was never reached.

A row is a state and an event of one of the four tables in `runtime.kernel.table`. A cell is a row with a fault that had
struck its place, or the orchestrator while the place was open. It is told, and steers nothing (docs/adr/0025).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.applying import Applying
from orchspec.runtime.kernel.events import EffectRequested, MessagePosted, TaskEnrolled
from orchspec.runtime.kernel.seeking import Seeking
from orchspec.runtime.kernel.signals import Awaiting
from orchspec.runtime.kernel.table import (
    ASKING,
    CHECKING,
    CLOSED,
    EFFECT_TABLE,
    FOLDING,
    QUEUED,
    REGION_TABLE,
    SETTLING,
    SIGNAL_TABLE,
    STATE_NAMES,
    TASK_TABLE,
    Table,
)
from orchspec.simulator.faults import BUILT, CRASH_POINTS

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.why.story import Happening, Story
    from orchspec.simulator.chaos.places import Places
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["Coverage", "Row"]

_NOTHING: Final = "nothing"
"""Stands for no fault at all, so that a row of its own counts, too."""
Row = tuple[str, str, str]
"""The table, the state and the event, in words."""

_TABLES: Final[dict[str, Table]] = {
    "task": TASK_TABLE,
    "effect": EFFECT_TABLE,
    "region": REGION_TABLE,
    "signal": SIGNAL_TABLE,
}


class Coverage:
    """What has been reached by the chronicles that were added.

    Attributes:
        rows: how often each row was reached.
        cells: rows with the faults under which they were reached.
        struck: how many chronicles each fault has struck in.
        points: crash points that were passed.
    """

    def __init__(self) -> None:
        self.rows: dict[Row, int] = {}
        self.cells: set[tuple[Row, str]] = set()
        self.struck: dict[str, int] = {}
        self.points: set[str] = set()
        self._tables: set[str] = set()

    def read(self, chronicle: Chronicle, story: Story) -> None:
        """Take in one of its runs."""
        for here in story.happenings.values():
            self._look(chronicle, here, story.kernel.draw_key(here.place))

    def add(self, chronicle: Chronicle) -> None:
        """Take in a chronicle that folds."""
        for told in chronicle.runs.values():
            if told.run not in chronicle.halted:
                self.read(chronicle, chronicle.story(told.run))
        self.note(chronicle)

    def note(self, chronicle: Chronicle) -> None:
        """Take in what struck a chronicle whose runs were read."""
        for name in chronicle.struck:
            self.struck[name] = self.struck.get(name, 0) + 1
        self.points |= {point for point, count in chronicle.passes.items() if count}

    def _look(self, chronicle: Chronicle, here: Happening, key: int) -> None:
        table = _table_of(here.activity)
        self._tables.add(table)
        own = chronicle.at_keys.get(key, ())
        begun_us = here.begun.time_us
        for moment in here.moments:
            # What comes late is ignored in every state, and proves nothing of this one.
            if moment.state in (CLOSED, SETTLING) or ("ignored", None) in moment.decided:
                continue
            row = (table, STATE_NAMES[moment.state], moment.type)
            self.rows[row] = self.rows.get(row, 0) + 1
            whole = {name for at_us, name in chronicle.at_times if begun_us <= at_us <= moment.time_us}
            for fault in (*own, *whole, _NOTHING):
                self.cells.add((row, fault))

    # -------------------------------------------------------------- what is missing

    def rows_never(self, plan: Plan) -> list[Row]:
        """Rows that were never reached, of the tables that the flow has places of, as far as its plan can."""
        return [
            (name, STATE_NAMES[state], event.__name__)
            for name, table in _TABLES.items()
            if name in self._tables
            for state, event in table
            if (name, STATE_NAMES[state], event.__name__) not in self.rows and _is_possible(plan, name, state, event)
        ]

    def faults_never(self, places: Places) -> dict[str, str]:
        """Faults that never struck, each with the reason."""
        aimed = {kind.name for kind in places.kinds} | {"crash"}
        return {
            name: "none that was tried struck" if name in aimed else "nothing here to strike"
            for name in sorted(BUILT)
            if name not in self.struck
        }

    def points_never(self) -> list[str]:
        """Crash points that no chronicle passed."""
        return [point for point in CRASH_POINTS if point not in self.points]

    def as_json(self, plan: Plan, places: Places) -> dict[str, Any]:
        """The coverage as plain data."""
        return {
            "rows": [
                {"table": table, "state": state, "event": event, "reached": count,
                 "faults": sorted(fault for row, fault in self.cells if row == (table, state, event))}
                for (table, state, event), count in sorted(self.rows.items())
            ],
            "cells": len(self.cells),
            "faults": dict(sorted(self.struck.items())),
            "never": {
                "rows": [dict(zip(("table", "state", "event"), row, strict=True)) for row in self.rows_never(plan)],
                "faults": self.faults_never(places),
                "crash_points": self.points_never(),
            },
        }  # fmt: skip


def _is_possible(plan: Plan, table: str, state: int, event: type) -> bool:
    """Whether the plan has what a row is about. What is left may still be out of reach of this flow."""
    effects = plan.effects.values()
    if event is MessagePosted:
        return bool(plan.channels)
    if event is EffectRequested:
        return any(agent.effects for agent in plan.agents.values())
    if state == FOLDING:
        return any(agent.fold is not None for agent in plan.agents.values())
    if state == CHECKING:
        return any(effect.check is not None for effect in effects)
    if state == ASKING:
        return any(effect.in_doubt is not None for effect in effects)
    if table != "task" and (state == QUEUED or event is TaskEnrolled):
        return bool(plan.gates) or table == "region"
    return True


def _table_of(activity: Any) -> str:
    if isinstance(activity, Applying):
        return "effect"
    if isinstance(activity, Seeking):
        return "task"
    return "signal" if isinstance(activity, Awaiting) else "region"
