"""For tests of specs: schedules of faults as a Hypothesis strategy, and a check of what must hold under one.

    from hypothesis import given
    import orchspec, orchspec.testing as testing

    spec = orchspec.load("refund.orch")

    @given(testing.schedules(spec))
    def test_money_moves_once(schedule):
        testing.check(spec, schedule)

Real runs are held to the same: `recorded` reads a store.

    testing.hold(testing.recorded("runs.db", "world.jsonl"))

Agents of your own run in virtual time, so that a test of a three-day wait takes milliseconds:

    with testing.virtual_time() as clock:
        result = clock.run(app.run("onboarding", {"name": "Ann"}))

Journals that were kept are tests too: `replay_journals` folds them under the spec as it is now.

    def test_what_has_happened_still_fits():
        testing.replay_journals(spec, "tests/runs.db")

Needs `pip install orchspec[test]` for `schedules`; the others need nothing more.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import Plan
from orchspec.runtime.driver.stored import pinned_plan
from orchspec.runtime.errors import StoreError
from orchspec.runtime.journal.sqlite import SQLiteStore
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.chaos.lines import BadFault, fault_lines, read_fault
from orchspec.simulator.chaos.recorded import chronicle_of
from orchspec.simulator.chaos.schedule import BadSchedule, Schedule, read_schedule
from orchspec.simulator.chaos.told import Chronicle
from orchspec.simulator.checkers import Violation, check_all
from orchspec.virtual import StandStill, virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hypothesis.stateful import RuleBasedStateMachine
    from hypothesis.strategies import SearchStrategy

    from orchspec.api import Spec
    from orchspec.runtime.errors import OrchError

__all__ = [
    "BadFault",
    "BadSchedule",
    "Broken",
    "Schedule",
    "StandStill",
    "Unfit",
    "Violation",
    "check",
    "hold",
    "machine",
    "read",
    "recorded",
    "replay_journals",
    "schedule",
    "schedules",
    "virtual_time",
]


class Broken(AssertionError):
    """Something that must hold does not; `violations` say what, `faults` under which schedule."""

    def __init__(self, violations: list[Violation], faults: list[str]) -> None:
        self.violations = violations
        self.faults = faults
        told = [f"{each.number}: {each.message}" for each in violations]
        super().__init__("\n".join([*told, *(f"  {line}" for line in faults)]))


class Unfit(AssertionError):
    """Journals that were kept do not fit the spec any more; `errors` says by run which record is the first."""

    def __init__(self, errors: dict[str, OrchError]) -> None:
        self.errors = errors
        super().__init__("\n".join(error.message for error in errors.values()))


def replay_journals(spec: Spec | Plan, store: str | Path) -> list[str]:
    """Folds every journal that a store keeps of this spec under the spec as it is now.

    Args:
        spec: what `orchspec.load` gives, or a plan.
        store: the path of an SQLite file; nothing is written to it.

    Returns:
        The names of the runs that fit, which are all.

    Raises:
        Unfit: some do not. StoreError: there is no such store, or it cannot be read.
    """
    from orchspec.runtime.doctor import replay
    from orchspec.runtime.journal import SQLiteStore

    plan, _ = _parts(spec)
    opened = SQLiteStore(store, create=False)
    try:
        found = {row.run: error for row, error in replay(opened, plan if plan.hash else plan.sealed())}
    finally:
        opened.close()
    errors = {run: error for run, error in found.items() if error is not None}
    if errors:
        raise Unfit(errors)
    return list(found)


def read(path: str | Path) -> Schedule:
    """The schedule in a file that `orch chaos` wrote. Raises BadSchedule."""
    return read_schedule(Path(path).read_text("utf-8"))


def check(spec: Spec | Plan, schedule: Schedule) -> Chronicle:
    """Runs a flow under a schedule, and holds what happens against every checker.

    Args:
        spec: what `orchspec.load` gives, or a plan.
        schedule: from `schedules`, or from a file.

    Returns:
        Everything that happened, for expectations of your own.

    Raises:
        Broken: something does not hold.
    """
    from orchspec.proving import proven_of

    plan, folder = _parts(spec)
    chronicler = Chronicler(
        plan,
        schedule.flow,
        folder=folder,
        seed=schedule.seed,
        runs=schedule.runs,
        given=schedule.given,
        proven=proven_of(plan, schedule.flow),
    )
    return hold(chronicler.chronicle(schedule.faults))


def hold(chronicle: Chronicle) -> Chronicle:
    """Holds what happened against every checker, and gives it back. Raises Broken if something does not hold."""
    broken = check_all(chronicle)
    if broken:
        raise Broken(broken, fault_lines(chronicle.faults))
    return chronicle


def recorded(store: str | Path, world: str | Path, flow: str | None = None) -> Chronicle:
    """What happened in real runs, as their store and the world tell it.

    Args:
        store: a file of `orch run`. Runs that were pinned to another plan than the newest one are left out.
        world: the file that `ORCH_WORLD` named: a JSON document a line, `{"key", "effect", "args", "receipt"}`, for
            each request that reached a target. A file that is missing says that none did.
        flow: only runs of this flow.

    Raises:
        StoreError: it is no store, or holds no such run. CorruptStore, PlanError: it is damaged.
    """
    with closing(SQLiteStore(store, create=False)) as opened:
        rows = [row for row in opened.runs() if flow in (None, row.flow)]
        if not rows:
            raise StoreError(f"the store {store} holds no run{f' of {flow}' if flow else ''}; start one first")
        rows = [row for row in rows if row.plan_hash == rows[-1].plan_hash]
        plan = pinned_plan(opened, rows[-1])
        records = {row.run: opened.records(row.run) for row in rows}
        return chronicle_of(plan, rows, records, opened.ledger(), _deliveries(Path(world)))


def _deliveries(world: Path) -> list[dict[str, Any]]:
    lines = world.read_text("utf-8").splitlines(keepends=True) if world.exists() else []
    # A crash may tear the last one: then nothing was done.
    return [json.loads(line) for line in lines if line.endswith("\n")]


def schedule(
    spec: Spec | Plan,
    flow: str,
    faults: Iterable[str] = (),
    *,
    seed: int = 1,
    runs: int = 1,
    given: dict[str, Any] | None = None,
) -> Schedule:
    """A schedule of your own.

    Args:
        spec: what `orchspec.load` gives, or a plan.
        flow: which flow is run.
        faults: as a test in a spec says them: `"fault lose_ack(mail, nth: 1)"`.
        seed: of what agents take and give.
        runs: how many runs meet each other.
        given: distributions of parameters, as a plan has them; the others are made from their types.

    Raises:
        ValueError: there is no such flow. BadFault: a line is no fault.
    """
    plan, _ = _parts(spec)
    made = tuple(read_fault(line) for line in faults)
    return Schedule(plan.name, plan.hash, _flow(plan, flow), seed, runs, made, given=dict(given or {}))


def schedules(
    spec: Spec | Plan, flow: str | None = None, *, seed: int | None = None, runs: int = 2, most: int = 6
) -> SearchStrategy[Schedule]:
    """A strategy of schedules, in the manner of swarm testing: first which kinds of faults are on, then those faults.

    The simplest is none at all. What agents give, and the inputs of the runs, are made from their contracts and types,
    another way for each seed.

    Args:
        spec: what `orchspec.load` gives, or a plan.
        flow: which flow; the only one unless given.
        seed: of what agents take and give; drawn unless given.
        runs: how many runs meet each other.
        most: faults in a schedule at most.

    Raises:
        ValueError: there is no such flow, or no way to choose one.
    """
    from orchspec.strategies import schedules_of

    plan, folder = _parts(spec)
    return schedules_of(plan, _flow(plan, flow), folder, seed=seed, runs=runs, most=most)


def machine(spec: Spec | Plan, flow: str | None = None) -> type[RuleBasedStateMachine]:
    """A state machine of Hypothesis that drives kernel and dispatcher themselves, with any legal interleaving.

    Agents, people, targets, signals, timers, commits, crashes and cancellations come in whatever order Hypothesis
    chooses; then everybody answers, every run has to end, and every checker is asked. Its `TestCase` is one for
    unittest and pytest: `TestDesk = testing.machine(spec).TestCase`.

    Args:
        spec: what `orchspec.load` gives, or a plan.
        flow: which flow; the only one unless given.

    Raises:
        ValueError: there is no such flow, or no way to choose one.
    """
    from orchspec.machines import machine_of

    plan, folder = _parts(spec)
    return machine_of(plan, _flow(plan, flow), folder, Broken)


def _flow(plan: Plan, flow: str | None) -> str:
    name = flow if flow is not None else next(iter(plan.flows), None) if len(plan.flows) == 1 else None
    if name is None or name not in plan.flows:
        raise ValueError(f"name one of the flows of {plan.name}: {', '.join(plan.flows)}")
    return name


def _parts(spec: Spec | Plan) -> tuple[Plan, Path | None]:
    if isinstance(spec, Plan):
        return spec, None
    return spec.plan, spec.folder
