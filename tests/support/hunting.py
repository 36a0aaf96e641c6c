"""Hunting planted bugs: what `orch chaos SPEC` runs by default, over specs of the gallery, until one is found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchspec.compiler.load import compile_file
from orchspec.proving import proven_of
from orchspec.runtime.kernel.program import Program
from orchspec.simulator.chaos.explore import Explored, Explorer

__all__ = ["DEFAULT", "GALLERY", "Catch", "hunt", "over"]

SPECS = Path(__file__).resolve().parents[2] / "specs"
DEFAULT = 200
"""What `orch chaos` draws where nothing is said."""
GALLERY = ("refund", "briefing", "desk", "reminder")
"""Specs of the gallery, each of which finds what those before it cannot: they have effects and undos, budgets and
fan-outs, slots that run short, and a wait."""


@dataclass(frozen=True, slots=True)
class Catch:
    """A planted bug that was found: in which spec, by what, by which schedule, and how long that took, CPU seconds."""

    spec: str
    number: str
    message: str
    after: int
    faults: int
    were: int
    seconds: float


def over(spec: str, numbers: frozenset[str] = frozenset()) -> Explored:
    """What `orch chaos specs/SPEC.orch` explores of its first flow; until one of these is broken, if any are named."""
    plan = compile_file(SPECS / f"{spec}.orch").plan
    assert plan is not None
    flow = next(iter(plan.flows))
    given = next((scenario.given for scenario in plan.scenarios if scenario.flow == flow), {})
    explorer = Explorer(plan, flow, folder=SPECS, given=given, proven=proven_of(plan, flow))
    return explorer.explore(examples=DEFAULT, until=lambda found: found.violation.number in numbers)


def hunt(plant: Callable[[Any], None], numbers: Iterable[str], specs: Iterable[str] = GALLERY) -> Catch | None:
    """Plant a bug, and look for it in one spec after the other; the time is that of all of them."""
    wanted = frozenset(numbers)
    began = time.process_time()
    for spec in specs:
        with pytest.MonkeyPatch.context() as patch:
            Program.COMPILED.clear()  # what is planted where blocks are compiled must not meet an older compilation
            plant(patch)
            explored = over(spec, wanted)
        Program.COMPILED.clear()
        for found in explored.found:
            if found.violation.number in wanted:
                took = time.process_time() - began
                violation = found.violation
                counts = (found.after, len(found.faults), found.were)
                return Catch(spec, violation.number, violation.message, *counts, took)
    return None
