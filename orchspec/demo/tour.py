"""The tour: one spec is checked, broken, tested, simulated, run, killed and resumed, and all of it can be looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchspec.demo.folder import DemoFolder
from orchspec.demo.processes import CommandFailed, Durable

if TYPE_CHECKING:
    from orchspec.compiler.load import Compiled
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.drawing import Chart
    from orchspec.simulator.observe import Bar, FaultMark
    from orchspec.simulator.study import Study
    from orchspec.simulator.trial import TestResult

__all__ = ["CrashStory", "Simulated", "Step", "Tour", "take"]

SPEC: Final = "briefing.orch"
QUESTION: Final = {"brief": {"question": "Why do orchestrations lose work?"}}
_MISTAKE: Final = (" or priority([lawyer, critic])", "")
_SIMULATIONS: Final = (
    ("quiet", "a quiet day", 1_000),
    ("rush", "rush hour with a crashing orchestrator", 500),
)
_SEED: Final = 7
_RUN_SEED: Final = 3
_KILL_AFTER: Final = 4


@dataclass(slots=True)
class Step:
    """One stop of the tour: whether it went as it should, what to say of it, what to show, and how long it took."""

    name: str
    well: bool
    told: str
    shown: tuple[str, ...] = ()
    took_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The step as plain data."""
        return {"step": self.name, "well": self.well, "told": self.told, "took_s": round(self.took_s, 2)}


@dataclass(slots=True)
class Simulated:
    """A simulation of the tour, with its charts."""

    study: Study
    charts: list[Chart]


@dataclass(slots=True)
class CrashStory:
    """What became of the run that was killed twice, beside the one that nobody disturbed."""

    undisturbed: dict[str, Any]
    resumed: dict[str, Any]
    kills: list[str]
    deliveries: int
    applied: int
    bars: list[Bar]
    marks: list[FaultMark]
    records: int


@dataclass(slots=True)
class Tour:
    """All that the tour has to show."""

    folder: DemoFolder
    text: str = ""
    compiled: Compiled | None = None
    mistake: str = ""
    diagnostics: str = ""
    tests: list[TestResult] = field(default_factory=list)
    simulations: list[Simulated] = field(default_factory=list)
    crash: CrashStory | None = None
    steps: list[Step] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        """The plan of the gallery's briefing, once it was checked."""
        assert self.compiled is not None
        assert self.compiled.plan is not None
        return self.compiled.plan

    @property
    def well(self) -> bool:
        """Whether everything went as it should."""
        return all(step.well for step in self.steps)


def take(path: Path, tell: Callable[[Step], None], begin: Callable[[str], None]) -> Tour:
    """Give the tour.

    Args:
        path: the folder for what it leaves.
        tell: called with each step that has ended.
        begin: called with the name of each step that begins.

    Raises:
        TakenFolder: there is something else in the folder, under a name that is needed.
        CommandFailed: a command of the tour gave nothing that could be shown.
        OSError: the folder cannot be written.
    """
    tour = Tour(DemoFolder(path))
    for name, stop in _STOPS:
        begin(name)
        started = time.perf_counter()
        step = stop(tour)
        step.took_s = time.perf_counter() - started
        tour.steps.append(step)
        tell(step)
    return tour


# Stops -------------------------------------------------------------------------------------------------------------


def _check(tour: Tour) -> Step:
    from orchspec.compiler import compile_file

    tour.text = (files("orchspec") / "specs" / SPEC).read_text("utf-8")
    path = tour.folder.write(SPEC, tour.text, keep_changes=True)
    tour.compiled = compile_file(path)
    if tour.compiled.plan is None:
        raise CommandFailed(f"{path} has errors, and the tour needs its plan: orch check {path}")
    plan = tour.plan
    tour.folder.write("plan.json", f"{plan.as_json()}\n")
    flow = next(iter(plan.flows.values()))
    parts = f"{len(plan.agents)} agents, {len(plan.effects)} effects, the flow {flow.name}"
    return Step("check", well=True, told=f"{SPEC} has no errors: {parts}")


def _plant(tour: Tour) -> Step:
    from orchspec.compiler import compile_text
    from orchspec.grammar.render import render_all

    old, new = _MISTAKE
    tour.mistake = tour.text.replace(old, new, 1)
    assert tour.mistake != tour.text, "the mistake of the tour is planted in a line that the gallery's spec has"
    tour.folder.write("mistake.orch", tour.mistake)
    found = compile_text(tour.mistake, "mistake.orch").errors
    tour.diagnostics = render_all(found).rstrip("\n")
    code = found[0].code.id if found else "nothing"
    told = f"without its last rule the vote might not decide: found {code}"
    return Step("mistake", well=len(found) == 1, told=told, shown=tuple(tour.diagnostics.splitlines()))


def _test(tour: Tour) -> Step:
    from orchspec.simulator.trial import run_test

    assert tour.compiled is not None
    tour.tests = [run_test(tour.plan, test, tour.compiled.folder) for test in tour.plan.tests]
    passed = sum(result.verdict == "passed" for result in tour.tests)
    told = f"{passed} of {len(tour.tests)} passed: {', '.join(result.name for result in tour.tests)}"
    return Step("test", well=passed == len(tour.tests) > 0, told=told)


def _simulate(tour: Tour) -> Step:
    from dataclasses import replace

    from orchspec.simulator.charts import charts_of
    from orchspec.simulator.study import simulate

    assert tour.compiled is not None
    runs = 0
    said = []
    for name, scenario, count in _SIMULATIONS:
        study = simulate(tour.plan, scenario, runs=count, seed=_SEED, folder=tour.compiled.folder)
        # Two simulations on one page: the names of their charts are also those of ids.
        charts = [replace(chart, name=f"{name}-{chart.name}") for chart in charts_of(study.measures)]
        tour.simulations.append(Simulated(study, charts))
        runs += study.document["runs"]
        said += [each["verdict"] for each in study.document["expectations"]]
        tour.folder.write(f"simulations/{name}.json", _as_text(study.document))
    passed = f"{said.count('passed')} of {len(said)} expectations passed"
    told = f"{runs:,} runs of {len(_SIMULATIONS)} scenarios, one with crashes; {passed}"
    return Step("simulate", well="failed" not in said, told=told)


def _crash(tour: Tour) -> Step:
    from orchspec.demo.story import told_by

    calm = Durable(tour.folder.path, "undisturbed.db", "undisturbed-world.jsonl")
    disturbed = Durable(tour.folder.path, "killed.db", "killed-world.jsonl")
    for name in _stores(calm, disturbed):
        tour.folder.claim(name)
    undisturbed = calm.run(SPEC, QUESTION, "undisturbed", _RUN_SEED).document()
    kills = []
    first = disturbed.run(SPEC, QUESTION, "killed", _RUN_SEED, kill_after=_KILL_AFTER)
    if first.killed:
        kills.append(f"from outside, once {_KILL_AFTER} steps were done")
    second = disturbed.resume("killed", die_at="after_effect")
    if second.killed:
        kills.append("by itself, after publish had happened and before anybody had noted it")
    last = disturbed.resume("killed") if second.killed else second
    resumed = last.document()
    tour.folder.write("journal.jsonl", disturbed.journal("killed"))
    deliveries, applied = disturbed.deliveries("publish")
    bars, marks, records = told_by(tour.plan, tour.folder.path / disturbed.store, "killed")
    tour.crash = CrashStory(undisturbed, resumed, kills, deliveries, applied, bars, marks, records)
    same = resumed["result"] == undisturbed["result"] and resumed["status"] == undisturbed["status"] == "completed"
    told = (
        f"killed {_times(len(kills))}, resumed {_times(len(kills))}: {'the same' if same else 'another'} result as "
        f"undisturbed; publish was delivered {_times(deliveries)} and happened {_times(applied)}"
    )
    return Step("crash", well=same and applied == 1 and len(kills) == 2, told=told)


def _report(tour: Tour) -> Step:
    from orchspec.demo.page import charts_of_tour, graph_of_tour, page_of
    from orchspec.simulator.drawing import LIGHT

    folder = tour.folder
    folder.write("graph.svg", graph_of_tour(tour))
    charts = charts_of_tour(tour)
    for chart in charts:
        folder.write(f"charts/{chart.name}.svg", f"{chart.svg(LIGHT)}\n")
        folder.write(f"charts/{chart.name}.png", chart.png())
    path = folder.write("report.html", page_of(tour))
    return Step("report", well=True, told=f"{path} and {len(charts)} charts")


_STOPS: Final[tuple[tuple[str, Callable[[Tour], Step]], ...]] = (
    ("check", _check),
    ("mistake", _plant),
    ("test", _test),
    ("simulate", _simulate),
    ("crash", _crash),
    ("report", _report),
)


def _stores(*runs: Durable) -> Iterator[str]:
    """The files that the durable runs will make, those that SQLite keeps beside a database among them."""
    for each in runs:
        yield each.world
        for ending in ("", "-wal", "-shm", "-journal"):
            yield f"{each.store}{ending}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _as_text(document: Any) -> str:
    import json

    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
