"""S7, replay: the journal has no gap, and folding it reproduces every decision and every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.errors import CorruptStore, ReplayMismatch
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["check", "of_run"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Runs that were halted."""
    for run, error in chronicle.halted.items():
        yield Violation("S7", f"the run was halted: {type(error).__name__}: {error}", run)


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """A journal that folds to something else."""
    try:
        chronicle.story(told.run)
    except (CorruptStore, ReplayMismatch) as error:
        yield Violation("S7", str(error), told.run)
