"""The document of `orch simulate --json`: from measures and verdicts to plain JSON values.

Numbers are rounded to eight significant digits, so that the last bits of a library's special functions cannot change
the bytes; infinite and undefined values become null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchspec.simulator.estimate import TOO_FEW, Estimate
from orchspec.simulator.evals import estimates
from orchspec.simulator.expect import Outcome, Verdict
from orchspec.simulator.kpis import KPIS, STATISTICS, Measures
from orchspec.simulator.laws import LawCheck, broken_laws, check_laws
from orchspec.simulator.observe import PoolObservation
from orchspec.simulator.warmup import WarmUp

__all__ = ["JsonDict", "Subject", "build", "estimate_json", "number", "outcome_of"]

JsonDict = dict[str, Any]

_DIGITS = 8
#: The key of a resource in the document, and the KPI that stands there.
_RESOURCE_KPIS = (
    ("utilization", "utilization"),
    ("wait_s", "wait"),
    ("queue", "queue"),
    ("busy", "busy"),
    ("task_rate", "task_rate"),
)


@dataclass(slots=True, frozen=True)
class Subject:
    """What was simulated: the names, the seed, and the hash of the plan."""

    scenario: str | None
    flow: str
    seed: int
    plan_hash: str


def build(
    subject: Subject,
    measures: Measures,
    expectations: Sequence[tuple[str, Verdict]] = (),
    *,
    warmup: WarmUp | None = None,
    faults: Sequence[str] = (),
    notes: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    twin: JsonDict | None = None,
) -> JsonDict:
    """Return the document, in a fixed order of keys.

    `measures` must be at level 0.95; `expectations` pairs the text of each with its verdict (which may come from
    another level, see `estimate.look_level`); `faults` and `notes` are texts for readers; `parameters` are those that
    were set for this simulation (JSON values); `twin` is what queueing theory says of it (`beside.twin_document`).
    """
    laws = check_laws(measures)
    return {
        "scenario": subject.scenario,
        "flow": subject.flow,
        "runs": measures.runs,
        "seed": subject.seed,
        "plan_hash": subject.plan_hash,
        "kpis": _kpis(measures),
        "resources": {
            pool.name: {key: estimate_json(measures.estimate(kpi, None, pool.name)) for key, kpi in _RESOURCE_KPIS}
            for pool in measures.resources()
        },
        "evals": {
            name: {**estimate_json(found), "looked_at": count} for name, (found, count) in estimates(measures).items()
        },
        "expectations": [
            {"text": text, "verdict": verdict.outcome, "reason": verdict.reason} for text, verdict in expectations
        ],
        "checks": {law: _law([check for check in laws if check.law == law]) for law in ("little", "utilization")},
        "replications": len(measures.replications),
        "parameters": dict(parameters or {}),
        "pools": {pool.name: _pool(pool) for pool in measures.pools},
        "warmup": None if warmup is None else _warmup(warmup),
        "faults": list(faults),
        "twin": twin,
        "notes": [*notes, *_notes(measures)],
    }


def _pool(pool: PoolObservation) -> JsonDict:
    """What a pool is. Its slots are the most that there may be; whether they follow the load is said where they do."""
    told: JsonDict = {"kind": pool.kind, "slots": None if pool.limit else pool.slots, "members": list(pool.members)}
    if pool.limit:
        told["limit"] = pool.limit
    if pool.capacity is not None:
        told["elastic"] = True
    return told


def outcome_of(document: Mapping[str, Any]) -> Outcome:
    """Return the verdict over all expectations: one that failed fails the document, one undecided leaves it open."""
    verdicts = {expectation["verdict"] for expectation in document["expectations"]}
    return "failed" if "failed" in verdicts else "undecided" if "undecided" in verdicts else "passed"


def number(value: float) -> float | int | None:
    """Return `value` rounded to eight significant digits, `None` if it is infinite or undefined."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{_DIGITS}g}")
    return 0.0 if rounded == 0.0 else rounded  # no "-0.0"


def _share(value: float) -> float | int | None:
    """`number` of a relative difference: below 1e-12 it is nothing but the rounding of sums that are equal."""
    return number(round(value, 12) if math.isfinite(value) else value)


def _kpis(measures: Measures) -> JsonDict:
    found: JsonDict = {}
    for name, kpi in KPIS.items():
        if kpi.shape == "runs":
            found[name] = {statistic: estimate_json(measures.estimate(name, statistic)) for statistic in STATISTICS}
        elif kpi.shape == "value":
            found[name] = estimate_json(measures.estimate(name))
    return found


def estimate_json(estimate: Estimate) -> JsonDict:
    """Return an estimate as it stands in documents: its value, its interval, and where they come from."""
    known: JsonDict = {
        "value": number(estimate.value),
        "ci95": [number(estimate.lo), number(estimate.hi)],
        "n": estimate.n,
        "method": estimate.method,
    }
    if estimate.trials is not None:
        known |= {"events": estimate.events, "trials": estimate.trials}
    if estimate.note:
        known["note"] = estimate.note
    return known


def _law(checks: Sequence[LawCheck]) -> JsonDict:
    """Return one law over all pools: `left` is the level seen, `right` the rate times the mean time."""
    verdicts = {check.ok for check in checks}
    return {
        "ok": False if False in verdicts else None if None in verdicts or not checks else True,
        "pools": {
            check.pool: {
                "left": number(check.left),
                "right": number(check.right),
                "difference": {"value": _share(check.difference)},
                "ok": check.ok,
            }
            for check in checks
        },
    }


def _warmup(warmup: WarmUp) -> JsonDict:
    return {"runs": warmup.runs, "cut_s": number(warmup.cut_s), "steady": warmup.steady, "note": warmup.note}


def _notes(measures: Measures) -> list[str]:
    """Return what holds for the whole document: queues that lost their law, and few replications."""
    notes = broken_laws(measures)
    open_ = {name: measures.estimate("latency", name).note for name in STATISTICS} if not measures.short else {}
    few = {name: note.partition(";")[0] for name, note in open_.items() if note.startswith(TOO_FEW)}
    notes += [f"{name}(latency) is not to be trusted from above: {note} (--runs)" for name, note in few.items()]
    if measures.runs == 0:
        notes.append("no run arrived in the window: there is nothing to measure")
    elif len(measures.sections) < 2 and not measures.isolated:
        notes.append("one replication, too short for batches: values have no intervals, more replications give them")
    return notes
