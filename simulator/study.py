"""A study: as many replications of a scenario as it takes, and the document that says what was seen.

Replications are numbered and independent, so one process or several give the same bytes. Expectations that the
intervals leave undecided add replications, up to a cap; each of the K looks is then made at the level 1 - 0.05/K, so
that looking often does not decide more easily (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import plan_from_json
from orchspec.runtime.errors import OrchError
from orchspec.simulator.beside import twin_document
from orchspec.simulator.document import JsonDict, Subject, build
from orchspec.simulator.estimate import look_level
from orchspec.simulator.expect import Verdict, judge
from orchspec.simulator.kpis import Measures
from orchspec.simulator.lengths import NOTHING_TOLD, Told, memory_of, next_size
from orchspec.simulator.replicate import Stage
from orchspec.simulator.tails import heavy_means
from orchspec.simulator.twin import Twin, twin_of
from orchspec.simulator.units import format_bound
from orchspec.simulator.warmup import WarmUp, warm_up
from orchspec.simulator.workers import Staged, Workers

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan, Scenario
    from orchspec.simulator.observe import Replication
    from orchspec.simulator.replicate import Twinned

__all__ = ["LOOKS", "REPLICATIONS", "ScenarioError", "Study", "find_scenario", "simulate", "stage_of"]

REPLICATIONS: Final = 10
"""Replications for a first look: quantiles are sectioned over at least so many."""
LOOKS: Final = 4
"""How often expectations are looked at, each time with `REPLICATIONS` more."""
REPLICATIONS_MAX: Final = 100_000
_MEASURED: Final = 0.7
"""About what is left of a load without its first quarter, which ends at the same time in all replications."""
ISOLATED_RUNS: Final = 1_000
"""How many runs an isolated scenario makes that does not say."""
WHOLE: Final = 10**12
"""The size of a replication that is over when nothing more arrives."""

Progress = Callable[[int, int], None]


class ScenarioError(OrchError):
    """There is no such scenario, or no way to choose one."""

    code = "no_scenario"


@dataclass(slots=True)
class Study:
    """What came of it: the document, and what charts are drawn from.

    `interrupted` says that there are fewer replications than asked for, `size` how many runs a replication measures
    where runs are counted.
    """

    document: JsonDict
    measures: Measures
    warmup: WarmUp | None
    scenario: Scenario
    interrupted: bool
    size: int

    @property
    def replications(self) -> Sequence[Replication]:
        """The replications, in the order of their numbers."""
        return self.measures.replications

    def forget(self) -> None:
        """Lets go of the replications, which are what is large: the document stays, and nothing can be drawn."""
        self.measures = Measures([])

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
        raise ScenarioError(f'{plan.name} has no scenario; write one: scenario "a day" for FLOW {{ arrivals = … }}')
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
    jobs: int | None = 1,
    folder: Path | None = None,
    parameters: dict[str, Any] | None = None,
    progress: Progress | None = None,
    queue_max: int | None = None,
    workers: Workers | None = None,
    with_twin: bool = True,
    size: int | None = None,
) -> Study:
    """Simulate a scenario.

    Args:
        plan: A sealed plan.
        scenario: Its name; None for the only one.
        runs: Measure at least so many runs, and look once; None: as the scenario says, until its expectations are
            decided or the cap is reached.
        seed: Same seed, same bytes.
        jobs: How many processes; None: all cores, once a replication is seen to take long enough for that to pay.
        folder: Where the spec stands, for files that it reads.
        parameters: What was set for this simulation, for the document.
        progress: Called with (replications done, replications planned so far).
        queue_max: While so many tasks wait, new runs are refused, as `App.run` has it; None: every run is let in.
        with_twin: Whether what queueing theory says of it is computed, too.
        workers: Processes that serve other studies too, and the file in which they keep what is done; `jobs` is theirs.
        size: How many runs a replication measures where runs are counted, for a study that is held against another;
            None: as many as it takes.

    Raises ScenarioError, TableError (a file that cannot be read) and PlanError.
    """
    # As it reads from JSON, whose names are sorted: so one plan gives the same bytes whichever way it came here.
    plan = plan_from_json(plan.as_json())
    chosen = find_scenario(plan, scenario)
    if queue_max is not None:
        parameters = {**(parameters or {}), "queue_max": queue_max}
    with Workers(jobs) if workers is None else nullcontext(workers) as hands:

        def stage(size: int) -> Staged:
            return hands.stage(plan, chosen, seed, folder, size, queue_max)

        inquiry = _Inquiry(plan, chosen, runs, progress, with_twin=with_twin)
        return inquiry.carry_out(stage, size, seed, parameters)


def stage_of(
    plan: Plan,
    scenario: Scenario,
    seed: int,
    folder: Path | None,
    *,
    runs: int | None,
    queue_max: int | None = None,
    size: int | None = None,
) -> Stage:
    """What `simulate` replicates for these arguments, to look at one replication closely; `size` is that of a study."""
    size = _size(scenario, runs) if size is None else size
    return Stage(plan_from_json(plan.as_json()), scenario, seed, folder, size, queue_max)


def _size(scenario: Scenario, runs: int | None) -> int:
    if scenario.arrivals is not None and scenario.arrivals[0] == "trace" and scenario.runs is None:
        return WHOLE  # a recorded load ends with its file, or at its duration, however many runs are asked for
    wanted = runs if runs is not None else scenario.runs if scenario.runs is not None else ISOLATED_RUNS
    # Of a load, what is left out as the warm-up is made up for.
    share = _MEASURED if scenario.arrivals is not None and scenario.warmup == "auto" else 1.0
    return max(1, math.ceil(wanted / (share * REPLICATIONS)))


class _Inquiry:
    """Replications until what was asked is known: looks at expectations, and runs that were asked for."""

    def __init__(
        self, plan: Plan, scenario: Scenario, runs: int | None, progress: Progress | None, *, with_twin: bool
    ) -> None:
        self.plan = plan
        self.with_twin = with_twin
        self.scenario = scenario
        self.loaded = scenario.arrivals is not None
        self.runs = runs
        self.wanted = runs if runs is not None else scenario.runs if scenario.runs is not None else 0
        self.looks = LOOKS if runs is None and scenario.expects else 1
        self.progress = progress
        self.done: list[Twinned] = []
        self.shorter: tuple[Staged, list[Twinned]] | None = None
        """What was done with replications that turned out to be too short."""
        self.warmup: WarmUp | None = None
        times = [fault.args for fault in scenario.faults]
        periods = [args["every"] / 1e6 for args in times if "every" in args]
        self.period_s = max(periods) if periods else None
        self.dated = bool(periods) or any({"at", "lasting", "first", "nth"} & args.keys() for args in times)
        recorded = scenario.arrivals is not None and scenario.arrivals[0] == "trace"
        self.settles = self.loaded and scenario.warmup == "auto" and not self.dated and not recorded
        """Whether it is taken to go on for ever: no date, and no end of a recorded load, makes one time special."""
        self.short = ""
        self.theory: Twin | None = None
        """What queueing theory says of it, where there are arrivals."""
        self.heavy: dict[tuple[str, str | None], str] = {}

    def carry_out(
        self, stage: Callable[[int], Staged], size: int | None, seed: int, parameters: dict[str, Any] | None
    ) -> Study:
        """Replicate, measure, judge."""
        interrupted = False
        staged = stage(_size(self.scenario, self.runs) if size is None else size)
        self._theorize(staged.stage)
        if size is None and self.settles and self.scenario.duration_us is None:
            staged, interrupted = self._long_enough(stage, staged)
        level = look_level(self.looks)
        for look in range(self.looks):
            try:
                if not interrupted:
                    self._gather(staged, REPLICATIONS + (len(self.done) if look else 0))
            except KeyboardInterrupt:
                interrupted, staged = True, self._what_there_is(staged)
            measures = self._measure(level)
            verdicts = [(expect.text, judge(expect.expr, measures)) for expect in self.scenario.expects]
            if self._given_up():
                verdicts = [(text, Verdict("undecided", self._given_up())) for text, _ in verdicts]
            undecided = any(verdict.outcome == "undecided" for _, verdict in verdicts)
            if interrupted or self._given_up() or look == self.looks - 1 or not undecided:
                break
        measures = self._measure(0.95)
        document = build(
            Subject(self.scenario.name, self.scenario.flow, seed, self.plan.hash),
            measures,
            verdicts,
            warmup=self.warmup,
            faults=[_fault_text(fault) for fault in self.scenario.faults],
            notes=self._notes(interrupted=interrupted),
            parameters=parameters,
            twin=twin_document(self.theory, measures) if self.with_twin and self.theory is not None else None,
        )
        return Study(document, measures, self.warmup, self.scenario, interrupted, staged.stage.size)

    def _long_enough(self, stage: Callable[[int], Staged], staged: Staged) -> tuple[Staged, bool]:
        """A stage whose replications are long enough, and whether somebody had seen enough before it was found."""
        look = True
        try:
            while look:
                self.done = []
                self._replicate(staged, REPLICATIONS)
                size, look = next_size([one.calm for one in self.done], staged.stage.size, self._told())
                if size != staged.stage.size:
                    self.shorter = staged, self.done
                    staged, self.done = stage(size), []
        except KeyboardInterrupt:
            return self._what_there_is(staged), True
        return staged, False

    def _what_there_is(self, staged: Staged) -> Staged:
        """What is measured of a study that was interrupted: the shorter replications, if no longer one is done yet."""
        if not self.done:
            if self.shorter is None:
                raise KeyboardInterrupt
            staged, self.done = self.shorter
        self._find_warmup()
        return staged

    def _replicate(self, staged: Staged, planned: int) -> None:
        for one in staged.replicate(len(self.done), planned):
            self.done.append(one)
            if self.progress is not None:
                self.progress(len(self.done), planned)

    def _gather(self, staged: Staged, planned: int) -> None:
        """So many replications, and as many more as it takes to measure the runs that were asked for."""
        while True:
            self._replicate(staged, planned)
            self._find_warmup()
            measured = self._measure(0.95).runs if self.loaded else self.wanted
            if self._given_up():
                return
            if measured >= self.wanted or not measured or planned >= REPLICATIONS_MAX:
                return
            planned += max(1, math.ceil(planned * (self.wanted - measured) / measured))
            planned = min(REPLICATIONS_MAX, planned)

    def _find_warmup(self) -> None:
        if self.loaded and self.scenario.warmup == "auto":
            self.warmup = self._warmed()
            if self.settles:
                self.short = self._told_short(self.warmup.cut_s)

    def _warmed(self) -> WarmUp:
        # A cut must not reach into what happens at a date.
        return warm_up([one.calm for one in self.done], quarter=self.settles)

    def _told_short(self, cut_s: float) -> str:
        """What to do, where replications are so short that nobody has seen how bad it gets."""
        memory = memory_of([one.calm for one in self.done], cut_s, self._told())
        if not memory.is_short:
            return ""
        if self.scenario.duration_us is None:
            told = f"lengthen the load: --runs {float(f'{REPLICATIONS * memory.needed:.2g}'):.0f} or more"
        else:
            times = math.ceil(memory.needed / max(1.0, memory.held))
            told = f"lengthen the load: a duration of at least {times} times as long"
        return (
            f"the load is too short to bound waits and latency from above: a replication measures {memory.held:.0f} "
            f"runs, and some {memory.runs:.0f} that follow each other depend on each other; {told}"
        )

    def _measure(self, level: float) -> Measures:
        return Measures(
            [one.disturbed for one in self.done],
            cut_s=self.warmup.cut_s if self.warmup is not None else 0.0,
            isolated=not self.loaded,
            level=level,
            dated_faults=self.dated,
            period_s=self.period_s,
            short=self.short,
            heavy=self.heavy,
        )

    def _theorize(self, stage: Stage) -> None:
        """What theory says of it: for the document, for how long it must be, and for what no length bounds."""
        self.theory = twin_of(self.plan, self.scenario, stage)
        stations, alone_s = (self.theory.stations, self.theory.alone_s) if self.theory is not None else ([], 0.0)
        self.heavy = heavy_means(self.plan, self.scenario, stations, alone_s)

    def _told(self) -> Told:
        return self.theory.told if self.theory is not None else NOTHING_TOLD

    def _notes_unending(self) -> list[str]:
        left = [one.disturbed for one in self.done]
        notes = []
        for told, of in (
            ("the window was not simulated to its end", [each.given_up for each in left if each.given_up]),
            ("nobody waited any longer", [each.unending for each in left if each.unending]),
        ):
            if of:
                notes.append(f"{told} in {len(of)} of {len(left)} replications: {of[0]}")
        return notes

    def _given_up(self) -> str:
        """Why what is expected is not known, however much more of it is simulated."""
        return next((one.disturbed.given_up for one in self.done if one.disturbed.given_up), "")

    def _notes(self, *, interrupted: bool) -> list[str]:
        notes = ["interrupted: fewer replications than planned"] if interrupted else []
        notes += self._notes_unending()
        notes += [self.short] if self.short else []
        for why in dict.fromkeys(self.heavy.values()):
            kpis = (
                f"{kpi}({target})" if target else f"mean({kpi})"
                for (kpi, target), told in self.heavy.items()
                if told == why
            )
            notes.append(f"{', '.join(kpis)}: {why}; expect a quantile, p95(latency) say")
        halted = [told for one in self.done for told in one.disturbed.halted]
        if halted:
            notes.append(f"{len(halted)} runs met a mistake of orch's own, please report it; the first is {halted[0]}")
        return notes


def _fault_text(fault: Any) -> str:
    """A fault as a spec writes it: `slow(scout, by: 3, rate: 5%)`."""
    times = {"at", "lasting", "every", "down", "by", "retry_after"}
    words = []
    for name, value in fault.args.items():
        if name in times and isinstance(value, (int, float)):
            told = format_bound(value / 1e6, "s").replace(" ", "")
        else:
            told = f"{100 * value:.4g}%" if name == "rate" and isinstance(value, float) else str(value)
        words.append(f"{name}: {told}")
    struck = f"[{', '.join([fault.target, *fault.others])}]" if fault.others else fault.target
    return f"{fault.name}({', '.join([struck, *words])})"
