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

from orchspec.compiler.plan import Fault, Plan
from orchspec.runtime.driver.stored import pinned_plan
from orchspec.runtime.errors import StoreError
from orchspec.runtime.journal.sqlite import SQLiteStore
from orchspec.simulator.chaos.chronicle import Chronicle, Chronicler
from orchspec.simulator.chaos.recorded import chronicle_of
from orchspec.simulator.chaos.schedule import BadSchedule, Schedule, fault_lines, read_schedule
from orchspec.simulator.checkers import Violation, check_all
from orchspec.virtual import StandStill, virtual_time

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from orchspec.api import Spec
    from orchspec.runtime.errors import OrchError

__all__ = [
    "BadSchedule",
    "Broken",
    "Schedule",
    "StandStill",
    "Unfit",
    "Violation",
    "check",
    "hold",
    "read",
    "recorded",
    "replay_journals",
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
    plan, folder = _parts(spec)
    chronicler = Chronicler(
        plan, schedule.flow, folder=folder, seed=schedule.seed, runs=schedule.runs, given=schedule.given
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


def schedules(
    spec: Spec | Plan, flow: str | None = None, *, seed: int = 1, runs: int = 2, most: int = 6
) -> SearchStrategy[Schedule]:
    """A strategy of schedules: which faults apply where, at which attempts and points; the simplest is none at all.

    Args:
        spec: what `orchspec.load` gives, or a plan.
        flow: which flow; the only one unless given.
        seed: of what agents take and give.
        runs: how many runs meet each other.
        most: faults in a schedule at most.

    Raises:
        ValueError: there is no such flow, or no way to choose one.
    """
    from hypothesis import strategies as st

    from orchspec.simulator.chaos.kinds import DOWN_US, KINDS, places_of

    plan, folder = _parts(spec)
    name = flow if flow is not None else next(iter(plan.flows), None) if len(plan.flows) == 1 else None
    if name not in plan.flows:
        raise ValueError(f"name one of the flows of {plan.name}: {', '.join(plan.flows)}")
    given = next((scenario.given for scenario in plan.scenarios if scenario.flow == name), {})
    calm = Chronicler(plan, name, folder=folder, seed=seed, runs=runs, given=given).chronicle([])
    places = places_of(calm)

    def crash(point: str) -> SearchStrategy[Fault]:
        passes = places.passes.get(point, 0)
        number = st.integers(1, max(1, passes) + 2)
        return number.map(lambda nth: Fault(0, "crash", "orchestrator", {"point": point, "nth": nth, "down": DOWN_US}))

    one: list[SearchStrategy[Fault]] = [crash(point) for point in places.passes]
    for kind in KINDS:
        for target, count in places.struck_by(kind).items():
            when: SearchStrategy[dict[str, Any]] = st.one_of(
                st.integers(1, count + 2).map(lambda nth: {"nth": nth}),
                st.integers(1, count + 1).map(lambda first: {"first": first}),
            )
            one.append(st.builds(_fault, st.just(kind.name), st.just(target), st.just(kind.args), when))
    return st.lists(st.one_of(one), max_size=most).map(
        lambda faults: Schedule(plan.name, plan.hash, str(name), seed, runs, tuple(faults), given=given)
    )


def _fault(name: str, target: str, args: dict[str, Any], when: dict[str, Any]) -> Fault:
    return Fault(0, name, target, {**args, **when})


def _parts(spec: Spec | Plan) -> tuple[Plan, Path | None]:
    if isinstance(spec, Plan):
        return spec, None
    return spec.plan, spec.folder
