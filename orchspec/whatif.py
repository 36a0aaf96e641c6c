"""Real runs with one thing changed: from a store and a spec to what was, and what would have been."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchspec.capacity import compiled_plan
from orchspec.compiler.asked import Asked
from orchspec.compiler.plan import canonical_json
from orchspec.runtime.driver.stored import pinned_plan
from orchspec.runtime.errors import OrchError
from orchspec.simulator.again import Again, play_again
from orchspec.simulator.document import JsonDict, number
from orchspec.simulator.kpis import KPIS, Measures
from orchspec.simulator.observe import Replication, RunObservation
from orchspec.simulator.past import NotReplayable, PastRun, read_run

if TYPE_CHECKING:
    from orchspec.capacity import Compile
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.journal.store import Store

__all__ = ["SHOWN", "WhatIf", "document_of", "what_if"]

SHOWN = (
    *(("latency", each) for each in ("mean", "p50", "p95", "max")),
    *((name, "mean") for name in ("cost", "tokens", "retries")),
    ("completion", None),
)
"""What is told of real runs: KPI and statistic."""


@dataclass(slots=True)
class WhatIf:
    """What came of it: the runs as they were, played again as they were, and with what was set."""

    flow: str
    plan_hash: str
    settings: dict[str, str]
    past: list[PastRun]
    again: Again
    would: Again | None
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def what_if(
    compile_: Compile,
    store: Store,
    *,
    flow: str | None = None,
    settings: Mapping[str, str] | None = None,
    seed: int = 1,
) -> WhatIf:
    """Plays the runs of a store again, as they were and with other settings.

    Args:
        compile_: compiles the spec that they are of.
        store: with their journals; it is read, never written.
        flow: whose runs; None: the only one that has some.
        settings: other values for params and attributes; without any they are played as they were.
        seed: of what has to be drawn and belongs to no run.

    Raises:
        NotReplayable: no run can be played again; the message says why the first can't.
        SpecError: the spec or a setting has errors.
    """
    chosen = dict(settings or {})
    base_compiled = compile_({}, Asked())
    base, folder = compiled_plan(base_compiled), base_compiled.folder
    rows = sorted(store.runs(), key=lambda row: (row.created_us, row.run))
    flows = sorted({row.flow for row in rows if row.flow in base.flows})
    flow = _flow(base, flows, flow)
    past: list[PastRun] = []
    left_out: list[tuple[str, str]] = []
    others = 0
    for row in rows:
        if row.flow != flow:
            others += 1
            continue
        try:
            wrote = pinned_plan(store, row, base)
            if wrote is not base and _places(wrote) != _places(base):
                raise NotReplayable(f"it was begun under another plan ({row.plan_hash[:19]}…), whose places are others")
            past.append(read_run(wrote, row, store.records(row.run)))
        except OrchError as error:
            left_out.append((row.run, str(error)))
    if not past:
        why = f": {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise NotReplayable(f"the store has no run of {flow} that can be played again{why}")
    again = play_again(base, flow, past, seed=seed, folder=folder)
    would = None
    if chosen:
        changed = compiled_plan(compile_(chosen, Asked()))
        would = play_again(changed, flow, past, seed=seed, folder=folder)
    notes = _notes(base, past, again, would, others, chosen)
    return WhatIf(flow, base.hash, chosen, past, again, would, left_out, notes)


def _flow(plan: Plan, flows: list[str], flow: str | None) -> str:
    if flow is not None:
        if flow not in plan.flows:
            raise NotReplayable(f"{plan.name} has no flow {flow}; it has {', '.join(plan.flows)}")
        return flow
    if len(flows) != 1:
        found = f"runs of {', '.join(flows)}; name one: --flow {flows[0]}" if flows else f"no runs of {plan.name}"
        raise NotReplayable(f"the store has {found}")
    return flows[0]


def _places(plan: Plan) -> str:
    """What decides where the places of a plan are: all but profiles, studies and layout."""
    from dataclasses import asdict

    return canonical_json([asdict(flow) for flow in plan.flows.values()])


def _notes(
    plan: Plan, past: list[PastRun], again: Again, would: Again | None, others: int, settings: Mapping[str, str]
) -> list[str]:
    notes = []
    if others:
        notes.append(f"{others} runs of other flows are left out: what they held of shared slots is not held here")
    resent = sum(each.resent for each in past)
    if resent:
        notes.append(f"{resent} runs were resumed after a crash: the time until then counts as time of their attempts")
    if any(each.row.options.get("speed", 1.0) != 1.0 for each in past):
        notes.append(
            "runs were played on a faster clock (--speed): those of several processes may wait for each other here as "
            "they did not there"
        )
    if any(each.at_tools_us for each in past):
        tools = sorted(name.partition(".")[0] for name in settings if name.partition(".")[0] in plan.tools)
        told = f", so changing {tools[0]} changes nothing here" if tools else ""
        notes.append(f"waits for tools are part of what attempts took{told}")
    for played, said in ((again, "as they were"), (would, "with what was set")):
        if played is not None and played.drawn.drawn:
            drawn = ", ".join(f"{count:,} of {name}" for name, count in sorted(played.drawn.drawn.items()))
            notes.append(f"{said}, some attempts are none of the journals and were drawn from profiles: {drawn}")
        if played is not None:
            notes += [
                f"a run met a mistake of orch's own, please report it: {told}" for told in played.replication.halted[:1]
            ]
    return notes


# ------------------------------------------------------------------ what came of it, as a document


def document_of(found: WhatIf) -> JsonDict:
    """The document of `orch simulate --from-journal --json`, in a fixed order of keys."""
    runs = sorted(found.past, key=lambda each: (each.row.created_us, each.row.run))
    first_s = runs[0].seen.arrived_s
    was = [_moved(each.seen, first_s) for each in runs]
    again = found.again.replication.runs
    would = found.would.replication.runs if found.would is not None else None
    measured = {"as_it_was": was, "played_again": again, "as_it_would_have_been": would}
    kpis = {name: _kpis(seen) if seen is not None else None for name, seen in measured.items()}
    compared = would if would is not None else again
    return {
        "flow": found.flow,
        "plan_hash": found.plan_hash,
        "runs": len(runs),
        "parameters": found.settings,
        **kpis,
        "differences": _differences(was if would is None else again, compared),
        "fidelity": {
            "same_outcome": sum(a.status == b.status for a, b in zip(was, again, strict=True)),
            "latency_off_s": {
                "mean": number(_mean([b.latency_s - a.latency_s for a, b in zip(was, again, strict=True)])),
                "max": number(
                    max((abs(b.latency_s - a.latency_s) for a, b in zip(was, again, strict=True)), default=0)
                ),
            },
        },
        "attempts": {
            name: None if played is None else {"of_journals": played.drawn.known, "drawn": played.drawn.drawn}
            for name, played in (("played_again", found.again), ("as_it_would_have_been", found.would))
        },
        "each": [
            {
                "run": each.row.run,
                "was": _run(a),
                "played_again": _run(b),
                "would": None if would is None else _run(would[at]),
            }
            for at, (each, a, b) in enumerate(zip(runs, was, again, strict=True))
        ],
        "left_out": [{"run": run, "reason": reason} for run, reason in found.left_out],
        "notes": found.notes,
    }


def _moved(seen: RunObservation, first_s: float) -> RunObservation:
    from dataclasses import replace

    return replace(seen, arrived_s=seen.arrived_s - first_s, ended_s=seen.ended_s - first_s)


def _measures(runs: list[RunObservation]) -> Measures:
    end_s = max((run.arrived_s for run in runs), default=0.0) + 1.0
    return Measures([Replication(0, 0, (0.0, end_s), runs)], isolated=True)


def _kpis(runs: list[RunObservation]) -> JsonDict:
    """Values without intervals: these runs are all there are, and nothing is inferred from them."""
    measures = _measures(runs)
    found: JsonDict = {}
    for name, statistic in SHOWN:
        value = number(measures.estimate(name, statistic).value)
        if statistic is None:
            found[name] = value
        else:
            found.setdefault(name, {})[statistic] = value
    return found


def _differences(before: list[RunObservation], after: list[RunObservation]) -> list[JsonDict]:
    one, other = _measures(before), _measures(after)
    found = []
    for name, statistic in SHOWN:
        from_, to = one.estimate(name, statistic).value, other.estimate(name, statistic).value
        found.append(
            {
                "kpi": name,
                "statistic": statistic,
                "unit": KPIS[name].unit,
                "from": number(from_),
                "to": number(to),
                "difference": number(to - from_),
                "relative": number((to - from_) / from_) if from_ and math.isfinite(from_) else None,
            }
        )
    return found


def _run(seen: RunObservation) -> JsonDict:
    return {
        "status": seen.status,
        "arrived_s": number(seen.arrived_s),
        "latency_s": number(seen.latency_s),
        "cost_usd": number(seen.cost_usd),
        "tokens": seen.tokens,
        "retries": seen.retries,
    }


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
