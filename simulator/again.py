"""Real runs once more, in virtual time: what would have been, had something been otherwise.

The runs come when they came, with the inputs that they had, and their attempts take and give what they took and gave.
The kernel decides anew, so what was changed (slots, widths, timeouts, budgets, who is preferred) shows in when things
happen and in which attempts are made. A place that no real run reached, or that somebody else now works at, draws from
the profiles. Without a change the runs come out as they were, but for the time that the orchestrator itself took.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import run_key
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.sampling import AgentSampler, Sampled
from orchspec.simulator.cast import Cast, columns
from orchspec.simulator.clock import Clock
from orchspec.simulator.faults import Faults
from orchspec.simulator.meter import Meter
from orchspec.simulator.observe import Replication, RunObservation
from orchspec.simulator.past import Outcome, PastRun
from orchspec.simulator.visits import Visit
from orchspec.simulator.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.compiler.plan import Plan
    from orchspec.runtime.kernel.menus import Menu

__all__ = ["Again", "Drawn", "play_again"]

SECOND: Final = 1_000_000
_HORIZON_US: Final = 520 * 7 * 24 * 3600 * SECOND
_Known = Mapping[tuple[int, int, str], Outcome]


@dataclass(slots=True)
class Drawn:
    """How many attempts were those of the journals, and how many had to be drawn from profiles, by whom."""

    known: int = 0
    drawn: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Again:
    """What came of it: the runs in the order of their arrival, and where their attempts were taken from."""

    replication: Replication
    drawn: Drawn


def play_again(plan: Plan, flow: str, past: Sequence[PastRun], *, seed: int, folder: Path | None = None) -> Again:
    """Plays real runs again.

    Args:
        plan: as it is to be, sealed; its places are those of the plan that wrote the journals.
        flow: of the runs.
        past: the runs, at least one.
        seed: of what belongs to no run.
        folder: where the spec stands, for files that its profiles read.

    Raises:
        TableError: a file cannot be read.
    """
    runs = sorted(past, key=lambda each: (each.row.created_us, each.row.run))
    first_us = runs[0].row.created_us
    known: dict[tuple[int, int, str], Outcome] = {}
    for each in runs:
        known.update(each.outcomes)
    cast = _Cast(plan, columns(plan, folder), known)
    meter = Meter(plan, 1.0)
    world = World(program_of(plan))
    left: set[str] = set()

    def ended(visit: Visit) -> None:
        left.discard(visit.run)

    clock = Clock(plan, flow, cast, world, meter, Faults([]), run_key(seed, 0, 1, 0), ended)
    clock.on_halt = ended
    seen = []
    for ordinal, each in enumerate(runs):
        at_us = each.row.created_us - first_us
        observed = RunObservation(ordinal, at_us / SECOND)
        seen.append(observed)
        left.add(each.row.run)
        visit = Visit(each.row.run, each.row.seed, each.row.input, observed, at_us)
        clock.at(at_us, lambda event: clock.arrive(event.value), visit)
    clock.run(lambda: not left, _HORIZON_US)
    end_s = max(clock.now / SECOND, 1e-6)
    halted = [f"{run}: {type(error).__name__}: {error}" for run, error in clock.halted.items()]
    effects = world.observe(clock.ledger())
    pools = meter.close(max(clock.now, 1))
    made = Replication(0, seed, (0.0, end_s + 1e-6), seen, pools, effects, halted=halted)
    return Again(made, cast.drawn)


class _Cast(Cast):
    """A cast that remembers."""

    def __init__(self, plan: Plan, data: dict[tuple[str, str], Any], known: _Known) -> None:
        super().__init__(plan, data)
        self.drawn = Drawn()
        self.players = {name: _Player(plan, name, data, known, self.drawn) for name in self.players}


class _Player(AgentSampler):
    """Somebody who does what was done, where something was."""

    __slots__ = ("_drawn", "_known")

    def __init__(self, plan: Plan, target: str, data: dict[tuple[str, str], Any], known: _Known, drawn: Drawn) -> None:
        super().__init__(plan, target, data)
        self._known = known
        self._drawn = drawn

    def play(
        self, sampled: Sampled, contract: str, inputs: list[Any], key: int, attempt: int, menu: Menu | None = None
    ) -> None:
        """See `AgentSampler.play`."""
        was = self._was(key, attempt)
        if was is None or was.kind == "stopped":
            super().play(sampled, contract, inputs, key, attempt, menu)
            if was is not None:
                _go_on(sampled, was)
            return
        sampled.latency_us = was.took_us
        sampled.failed, sampled.output = was.kind == "failed", was.output
        sampled.tokens_in, sampled.tokens_out, sampled.cost_pico = was.tokens_in, was.tokens_out, was.cost_pico
        sampled.effects = list(was.effects)

    def send(self, key: int, attempt: int) -> Sampled:
        """See `AgentSampler.send`."""
        was = self._was(key, attempt)
        if was is None:
            return super().send(key, attempt)
        sampled = Sampled(was.took_us)
        sampled.failed = was.kind == "failed"
        return sampled

    @property
    def charges(self) -> bool:
        """See `AgentSampler.charges`."""
        return True

    def fee(self, key: int, attempt: int) -> int:
        """See `AgentSampler.fee`."""
        was = self._known.get((key, attempt, self.target))
        return super().fee(key, attempt) if was is None else was.cost_pico or 0

    def signal(self, inputs: list[Any], key: int) -> tuple[int, Any] | None:
        """See `AgentSampler.signal`."""
        was = self._was(key, 0)
        return super().signal(inputs, key) if was is None else (was.took_us, was.output)

    def receipt(self, args: list[Any], key: int) -> Any:
        """See `AgentSampler.receipt`."""
        for attempt in range(1, 64):
            was = self._known.get((key, attempt, self.target))
            if was is None:
                break
            if was.kind == "ok":
                return was.output
        return super().receipt(args, key)

    def _was(self, key: int, attempt: int) -> Outcome | None:
        was = self._known.get((key, attempt, self.target))
        if was is None:
            self._drawn.drawn[self.target] = self._drawn.drawn.get(self.target, 0) + 1
        else:
            self._drawn.known += 1
        return was


def _go_on(sampled: Sampled, was: Outcome) -> None:
    """It was stopped, and would have taken longer; how much longer nobody knows, so that is as its profile says."""
    sampled.latency_us = max(sampled.latency_us, was.took_us + 1)
    sampled.calls, sampled.fees_pico = (), 0
    if was.took_us:  # used by then, so by its end as much more as it would have taken longer
        longer = sampled.latency_us / was.took_us
        written, cost = (None if each is None else round(each * longer) for each in (was.tokens_out, was.cost_pico))
        sampled.tokens_in, sampled.tokens_out, sampled.cost_pico = was.tokens_in, written, cost
