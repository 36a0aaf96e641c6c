"""A study: as many replications of a scenario as it takes, and the document that says what was seen.

Replications are numbered and independent, so one process or several give the same bytes. Expectations that the intervals leave undecided add replications,
up to a cap; each of the K looks is then made at the level 1 - 0.05/K, so that looking often does not decide more easily (Bonferroni).
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import plan_from_json
from orchspec.runtime.errors import OrchError
from orchspec.simulator.document import JsonDict, Subject, build
from orchspec.simulator.estimate import look_level
from orchspec.simulator.expect import Verdict, judge
from orchspec.simulator.kpis import Measures
from orchspec.simulator.replicate import Stage, Twinned
from orchspec.simulator.warmup import WarmUp, warm_up

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan, Scenario
    from orchspec.simulator.observe import Replication

__all__ = ["LOOKS", "REPLICATIONS", "ScenarioError", "Study", "find_scenario", "simulate"]

REPLICATIONS: Final = 10
"""Replications for a first look: quantiles are sectioned over at least so many."""
LOOKS: Final = 4
"""How often expectations are looked at, each time with `REPLICATIONS` more."""
REPLICATIONS_MAX: Final = 100_000
ISOLATED_RUNS: Final = 1_000
"""How many runs an isolated scenario makes that does not say."""

Progress = Callable[[int, int], None]


class ScenarioError(OrchError):
    """There is no such scenario, or no way to choose one."""

    code = "no_scenario"


@dataclass(slots=True)
class Study:
    """What came of it: the document, and what charts are drawn from. `interrupted`: fewer replications than asked for."""

    document: JsonDict
    measures: Measures
    warmup: WarmUp | None
    scenario: Scenario
    interrupted: bool

    @property
    def replications(self) -> Sequence[Replication]:
        """The replications, in the order of their numbers."""
        return self.measures.replications

    @property
    def failed(self) -> bool:
        """Whether an expectation failed."""
        return any(item["verdict"] == "failed" for item in self.document["expectations"])

    @property
    def undecided(self) -> bool:
        """Whether an expectation is undecided."""
        return any(item["verdict"] == "undecided" for item in self.document["expectations"])


def find_scenario(plan: Plan, name: str | None) -> Scenario:
    """The scenario of that name, or the only one. Raises ScenarioError."""
    names = [scenario.name for scenario in plan.scenarios]
    listed = ", ".join(f'"{known}"' for known in names)
    if not names:
        raise ScenarioError(f"{plan.name} has no scenario; write one: scenario \"a day\" for FLOW {{ arrivals = … }}")
    if name is None:
        if len(names) == 1:
            return plan.scenarios[0]
        raise ScenarioError(f"{plan.name} has {len(names)} scenarios; name one of {listed}")
    for scenario in plan.scenarios:
        if scenario.name == name:
            return scenario
    raise ScenarioError(f'{plan.name} has no scenario "{name}"; it has {listed}')


def simulate(
    plan: Plan,
    scenario: str | None = None,
    *,
    runs: int | None = None,
    seed: int = 1,
    jobs: int = 1,
    folder: Path | None = None,
    parameters: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Study:
    """Simulate a scenario.

    Args:
        plan: A sealed plan.
        scenario: Its name; None for the only one.
        runs: Measure at least so many runs, and look once; None: as the scenario says, until its expectations are decided or the cap is reached.
        seed: Same seed, same bytes.
        jobs: How many processes.
        folder: Where the spec stands, for files that it reads.
        parameters: What was set for this simulation, for the document.
        progress: Called with (replications done, replications planned so far).

    Raises ScenarioError, TableError (a file that cannot be read) and PlanError.
    """
    chosen = find_scenario(plan, scenario)
    size = _size(chosen, runs)
    with _Workers(plan, chosen, seed, folder, size, jobs) as workers:
        return _look(workers, plan, chosen, runs, seed, parameters, progress)


def _size(scenario: Scenario, runs: int | None) -> int:
    wanted = runs if runs is not None else scenario.runs if scenario.runs is not None else ISOLATED_RUNS
    return max(1, math.ceil(wanted / REPLICATIONS))


def _look(
    workers: _Workers,
    plan: Plan,
    scenario: Scenario,
    runs: int | None,
    seed: int,
    parameters: dict[str, Any] | None,
    progress: Progress | None,
) -> Study:
    done: list[Twinned] = []
    looks = LOOKS if runs is None and scenario.expects else 1
    level = look_level(looks)
    dated = any({"at", "lasting"} & fault.args.keys() for fault in scenario.faults)
    periods = [fault.args["every"] / 1e6 for fault in scenario.faults if "every" in fault.args]
    interrupted = False
    warmup: WarmUp | None = None
    verdicts: list[tuple[str, Verdict]] = []

    def measure(at_level: float) -> Measures:
        return Measures(
            [one.disturbed for one in done],
            cut_s=warmup.cut_s if warmup is not None else 0.0,
            isolated=scenario.arrivals is None,
            level=at_level,
            dated_faults=dated or bool(periods),
            period_s=max(periods) if periods else None,
        )

    planned = REPLICATIONS
    for look in range(looks):
        try:
            for one in workers.replicate(len(done), planned):
                done.append(one)
                if progress is not None:
                    progress(len(done), planned)
        except KeyboardInterrupt:
            interrupted = True
        if not done:
            raise KeyboardInterrupt
        warmup = warm_up([one.twin for one in done]) if scenario.warmup == "auto" and scenario.arrivals is not None else None
        if runs is not None and not interrupted:
            measured = measure(0.95).runs
            while measured < runs and planned < REPLICATIONS_MAX and scenario.arrivals is not None and measured:
                share = max(1, math.ceil(len(done) * (runs - measured) / max(1, measured)))
                planned = min(REPLICATIONS_MAX, len(done) + share)
                for one in workers.replicate(len(done), planned):
                    done.append(one)
                    if progress is not None:
                        progress(len(done), planned)
                if warmup is not None:
                    warmup = warm_up([one.twin for one in done])
                measured = measure(0.95).runs
        measures = measure(level)
        verdicts = [(expect.text, judge(expect.expr, measures)) for expect in scenario.expects]
        if interrupted or look == looks - 1 or not any(verdict.outcome == "undecided" for _, verdict in verdicts):
            break
        planned = len(done) + REPLICATIONS
    measures = measure(0.95)
    notes = ["interrupted: fewer replications than planned"] if interrupted else []
    document = build(
        Subject(scenario.name, scenario.flow, seed, plan.hash),
        measures,
        verdicts,
        warmup=warmup,
        faults=[_fault_text(fault) for fault in scenario.faults],
        notes=notes,
        parameters=parameters,
    )
    return Study(document, measures, warmup, scenario, interrupted)


def _fault_text(fault: Any) -> str:
    times = {"at", "lasting", "every", "down", "by", "retry_after"}
    words = [f"{name}: {value / 1e6:g}s" if name in times else f"{name}: {value}" for name, value in fault.args.items()]
    return f"{fault.name}({', '.join([fault.target, *words])})"


class _Workers:
    """Replications by number, from this process or from several; always handed on in order."""

    def __init__(self, plan: Plan, scenario: Scenario, seed: int, folder: Path | None, size: int, jobs: int) -> None:
        self._arguments = (plan, scenario, seed, folder, size)
        self._stage: Stage | None = None
        self._jobs = jobs
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> _Workers:
        # Made here as well, so that a file that cannot be read is an error of this process.
        self._stage = Stage(*self._arguments)
        if self._jobs > 1:
            plan, scenario, seed, folder, size = self._arguments
            position = plan.scenarios.index(scenario)
            self._pool = ProcessPoolExecutor(
                self._jobs,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(plan.as_json(), position, seed, folder, size),
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def replicate(self, start: int, stop: int) -> Iterator[Twinned]:
        """Replications `start` to `stop` (left out), in order."""
        assert self._stage is not None
        if self._pool is None:
            for index in range(start, stop):
                yield self._stage.replicate(index)
            return
        yield from self._pool.map(_replicate, range(start, stop))


_STAGE: list[Stage] = []


def _begin(plan_json: str, position: int, seed: int, folder: Path | None, size: int) -> None:
    plan = plan_from_json(plan_json)
    _STAGE[:] = [Stage(plan, plan.scenarios[position], seed, folder, size)]


def _replicate(index: int) -> Twinned:
    return _STAGE[0].replicate(index)


