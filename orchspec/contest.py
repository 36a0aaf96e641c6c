"""Flows beside each other under one load: from specs and the names of flows to what `simulator/comparing.py` compares.

The load, the inputs and the faults are those of one scenario. A contender is a flow, of the file of the scenario or of
another, with settings of its own; its plan is given that scenario, aimed at its flow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from orchspec import __version__
from orchspec.capacity import Compile, compiled_plan
from orchspec.compiler.asked import Asked
from orchspec.compiler.plan import canonical_json
from orchspec.runtime.errors import OrchError
from orchspec.simulator.aligned import aligned
from orchspec.simulator.comparing import Contender
from orchspec.simulator.kept import Kept
from orchspec.simulator.study import find_scenario, simulate
from orchspec.simulator.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.compiler import Compiled
    from orchspec.compiler.plan import Plan, Scenario
    from orchspec.simulator.study import Study

__all__ = ["Entry", "NotComparable", "contend", "entries_of"]


class NotComparable(OrchError):
    """Flows that cannot stand under one load."""

    code = "not_comparable"


@dataclass(frozen=True, slots=True)
class Entry:
    """Who is to be compared: a flow of a file (None: that of the scenario), with settings of its own."""

    name: str
    flow: str
    file: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def entries_of(plan: Plan, flows: Sequence[str]) -> list[str]:
    """The flows to compare: those that were named, else all that the scenarios of the spec are about."""
    return list(flows) or list(dict.fromkeys(scenario.flow for scenario in plan.scenarios))


def contend(
    compilers: Mapping[str | None, Compile],
    entries: Sequence[Entry],
    scenario: str | None = None,
    *,
    faults: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    runs: int | None = None,
    seed: int = 1,
    jobs: int | None = None,
    queue_max: int | None = None,
    resume: str | Path | None = None,
    started: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int], None] | None = None,
    workers: Workers | None = None,
) -> tuple[list[Contender], list[str]]:
    """Simulates each entry under the load of one scenario.

    Args:
        compilers: what compiles each file; that of the scenario under None.
        entries: who is compared, at least two of different names.
        scenario: its title; without one the only one, or the first that is about the first entry's flow.
        faults: that strike beside those of the scenario.
        settings: for all entries.
        runs: measure at least so many runs of each.
        seed: same seed, same bytes.
        jobs: processes; None: as it pays.
        queue_max: as of `study.simulate`.
        resume: a file in which what is done is kept, and looked for.
        started: told the name of each before it is simulated.
        progress: called with (replications done, replications planned so far) of the one at hand.
        workers: processes that serve others too; `jobs` and `resume` are theirs.

    Returns:
        The contenders, as many as there are when the user has seen enough, and notes.

    Raises:
        NotComparable: a flow cannot be given what the scenario gives.
        SpecError, ScenarioError, KeptError, TableError: as they say.
    """
    load = _Load(compilers, entries[0], scenario, faults, settings or {})
    if workers is None:
        with Workers(jobs, Kept(resume, __version__) if resume is not None else None) as hands:
            how: dict[str, Any] = {"faults": faults, "settings": settings, "runs": runs, "seed": seed}
            how |= {"queue_max": queue_max, "started": started, "progress": progress, "workers": hands}
            return contend(compilers, entries, load.title, **how)
    contenders: list[Contender] = []
    makers: list[Callable[..., Study]] = []
    for number, entry in enumerate(entries):
        compiled, plan, chosen = load.put_on(entry)
        workers.ahead = 10 * (len(entries) - number - 1)
        started(entry.name)
        try:
            make = partial(
                simulate,
                *(plan, load.title),
                runs=runs,
                seed=seed,
                folder=compiled.folder,
                parameters=chosen,
                progress=progress,
                queue_max=queue_max,
                workers=workers,
            )
            study = make()
        except KeyboardInterrupt:
            workers.stopping = True
            break
        contenders.append(Contender(entry.name, _about(entry, compiled_plan(compiled)), study))
        makers.append(make)
        if study.interrupted:
            workers.stopping = True
            break
    else:
        contenders = _as_long(contenders, makers, started, workers)
    for each in contenders:
        each.study.document["plan_hash"] = each.about["plan_hash"]
    return contenders, list(dict.fromkeys(load.notes))


class _Load:
    """The load of one scenario, with the faults and settings that all entries share, and notes of what it came to."""

    def __init__(
        self,
        compilers: Mapping[str | None, Compile],
        first: Entry,
        scenario: str | None,
        faults: Sequence[str],
        settings: Mapping[str, str],
    ) -> None:
        self.compilers = compilers
        self.notes: list[str] = []
        self._shared = dict(settings)
        # What is set of a scenario means nothing to the files of others, which have none of that title.
        self._plain = {name: value for name, value in settings.items() if not name.startswith("scenario.")}
        self.title = _choose(compiled_plan(compilers[None](self._plain, Asked())), scenario, first)
        self._asked = Asked(self.title, (), tuple(faults))
        compiled = compilers[None](self._shared, self._asked)
        plan = compiled_plan(compiled)
        self._folder = compiled.folder
        self._scenario = replace(find_scenario(plan, self.title), expects=[])
        self._flow = plan.flows[self._scenario.flow]

    def put_on(self, entry: Entry) -> tuple[Compiled, Plan, dict[str, str]]:
        """An entry as it is compiled, its plan under this load, and its settings. Raises NotComparable."""
        own = entry.file is None
        chosen = {**(self._shared if own else self._plain), **entry.settings}
        compiled = self.compilers[entry.file](chosen, self._asked if own else Asked())
        plan = compiled_plan(compiled)
        if not own and compiled.folder != self._folder and _reads(self._scenario):
            raise NotComparable(
                f"{entry.file} lies in another folder than the data that the scenario reads; put it there"
            )
        return compiled, _under(plan, self._scenario, entry, self._flow, self.notes), chosen


def _about(entry: Entry, plan: Plan) -> dict[str, Any]:
    """What is told of a contender; its plan as the file has it, before it was aligned."""
    return {"flow": entry.flow, "file": entry.file, "settings": dict(entry.settings), "plan_hash": plan.hash}


def _as_long(
    contenders: Sequence[Contender],
    makers: Sequence[Callable[..., Study]],
    started: Callable[[str], None],
    workers: Workers,
) -> list[Contender]:
    """The contenders, with replications that are as long as those of whoever needs the longest: one load for all.

    As many of them as there are when the user has seen enough: the others have met another load.
    """
    size = max((each.study.size for each in contenders), default=0)
    found: list[Contender] = []
    for each, make in zip(contenders, makers, strict=True):
        study = each.study
        if study.size < size:
            started(each.name)
            try:
                study = make(size=size)
            except KeyboardInterrupt:
                workers.stopping = True
                break
        found.append(replace(each, study=study))
        if study.interrupted:
            workers.stopping = True
            break
    return found


def _choose(plan: Plan, scenario: str | None, first: Entry) -> str:
    """The title of the scenario: the one that was named, the only one, or the first one about the first flow."""
    if scenario is None and len(plan.scenarios) > 1:
        about = [each.name for each in plan.scenarios if first.file is None and each.flow == first.flow]
        if about:
            return about[0]
    return find_scenario(plan, scenario).name


def _reads(load: Scenario) -> bool:
    text = canonical_json([load.arrivals, load.given])
    return '"trace"' in text or '"empirical"' in text


def _under(plan: Plan, load: Scenario, entry: Entry, base: Any, notes: list[str]) -> Plan:
    """The plan with the scenario aimed at the entry's flow. Raises NotComparable where that means nothing."""
    flow = plan.flows.get(entry.flow)
    if flow is None:
        raise NotComparable(f"{entry.file or plan.name} has no flow {entry.flow}; it has {', '.join(plan.flows)}")
    mine = {param.name: canonical_json(_plain(param.type)) for param in flow.params}
    theirs = {param.name: canonical_json(_plain(param.type)) for param in base.params}
    for name in load.given:
        if mine.get(name) != theirs.get(name):
            raise NotComparable(
                f"{entry.name} takes no `{name}` as {load.flow} does, which the scenario gives; name a scenario that "
                "gives nothing, or only what all of them take"
            )
    if list(mine.items()) != list(theirs.items()):
        notes.append(f"{entry.name} takes other inputs than {load.flow}: they are made apart, and differ by chance too")
    known = {"orchestrator", *plan.agents, *plan.effects, *plan.tools, *plan.signals, *plan.channels}
    for fault in load.faults:
        missing = [target for target in (fault.target, *fault.others) if target.partition(".")[0] not in known]
        if missing and entry.file is not None:
            notes.append(f"{entry.file} has no {missing[0]}: the fault {fault.name} strikes nobody there")
    faults = [fault for fault in load.faults if fault.target.partition(".")[0] in known or entry.file is None]
    under = replace(load, node=0, flow=entry.flow, faults=faults)
    return aligned(replace(plan, scenarios=[under], tests=[]), entry.flow)


def _plain(value: Any) -> Any:
    """A type of a plan as JSON gives it."""
    from dataclasses import asdict, is_dataclass

    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
