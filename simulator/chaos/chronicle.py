"""A simulated run with everything written down: records and when they were durable, what landed, who was told what.

The clock, the engine and the world are those of any simulation; a chronicle only listens. What it writes is all that
the checkers read.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import run_key
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.made import InputMaker
from orchspec.simulator.calls import Calls
from orchspec.simulator.cast import Cast, columns
from orchspec.simulator.chaos.kept import KeptJournal
from orchspec.simulator.chaos.noticing import CountedCrashes, NoticedFaults
from orchspec.simulator.chaos.told import Applied, Chronicle, RunTold
from orchspec.simulator.clock import Clock, Visit
from orchspec.simulator.garbage import CHRONICLE, seldom_collecting
from orchspec.simulator.journal import Endless
from orchspec.simulator.observe import RunObservation
from orchspec.simulator.stubs import without_chance_failures
from orchspec.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from orchspec.compiler.plan import Fault, Json, Plan
    from orchspec.simulator.chaos.proven import Proven

__all__ = [
    "HORIZON_US",
    "Chronicler",
    "SeenWorld",
]

SECOND: Final = 1_000_000
HORIZON_US: Final = 52 * 7 * 24 * 3600 * SECOND
"""Virtual time after which a run is taken not to end, years in which nothing happens not counted."""
APART_US: Final = SECOND
"""Runs of one chronicle arrive this far apart, so that they meet in the pools."""


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
        journal = clock.journal = KeptJournal(chronicle, clock)
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
