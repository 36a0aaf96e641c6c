"""The analytic twin beside the simulation: as JSON, and as rows for a terminal or a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchspec.simulator.document import JsonDict, estimate_json, number
from orchspec.simulator.kpis import Measures
from orchspec.simulator.twin import PILOTS, Station, Twin, simulated
from orchspec.simulator.units import format_interval, format_quantity

__all__ = ["HEADINGS", "twin_document", "twin_notes", "twin_rows"]

HEADINGS = ("of whom", "taken for", "visits a run", "busy by theory", "simulated", "wait by theory", "simulated")
"""Of the columns of `twin_rows`."""


def twin_document(twin: Twin, measures: Measures) -> JsonDict:
    """The twin for programs: times in seconds, utilization as a share; infinite and unknown are null."""
    return {
        "arrivals_per_s": number(twin.arrivals_per_s),
        "latency": {
            "alone_s": number(twin.alone_s),
            "mean_s": number(twin.latency_s),
            "note": twin.latency_note,
            "simulated": estimate_json(measures.estimate("latency", "mean")),
        },
        "pools": {station.name: _station(station, measures) for station in twin.stations},
        "breaks": list(twin.breaks),
        "runs_alone": PILOTS,
    }


def _station(station: Station, measures: Measures) -> JsonDict:
    busy, wait = simulated(measures, station)
    return {
        "model": station.model,
        "members": list(station.members),
        "slots": station.slots,
        "visits": number(station.visits),
        "visits_by": "runs" if station.counted else "plan",
        "visits_note": station.counted,
        "hold_s": number(station.hold_s),
        "hold_by": station.held_by,
        "hold_scv": number(station.hold_scv),
        "utilization": number(station.utilization),
        "wait_s": number(station.wait_s),
        "queue": number(station.queue),
        "steady": not math.isinf(station.wait_s),
        "simulated": {
            "utilization": estimate_json(busy) if station.slots is not None else None,
            "wait_s": estimate_json(wait),
        },
        "breaks": list(station.breaks),
    }


def twin_rows(twin: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """A row of text for each pool that can be short, in the columns of `HEADINGS`.

    `twin` is what `twin_document` gives. A cell that was simulated is a pair of value and interval.
    """
    rows: list[tuple[Any, ...]] = []
    for name, pool in twin["pools"].items():
        if not _can_be_short(pool):
            continue
        seen = pool["simulated"]
        rows.append(
            (
                name,
                pool["model"],
                (_told(pool["visits"], ""), "by the plan" if pool["visits_by"] == "plan" else "counted in runs"),
                _told(pool["utilization"], "share"),
                _seen(seen["utilization"], "share"),
                _told(pool["wait_s"], "s") if pool["steady"] else "without end",
                _seen(seen["wait_s"], "s"),
            )
        )
    return rows


def twin_notes(twin: Mapping[str, Any]) -> list[str]:
    """What a reader must know: the latency that theory expects, and what of it does not hold, pool by pool."""
    latency = twin["latency"]
    alone = _told(latency["alone_s"], "s")
    if latency["mean_s"] is not None:
        value, interval = _seen(latency["simulated"], "s")
        seen = f"{value} ({interval})" if interval else value
        notes = [f"mean latency {_told(latency['mean_s'], 's')} ({alone} alone), simulated {seen}"]
    else:
        notes = [f"mean latency {alone} alone; under load it cannot tell: {latency['note']}"]
    notes += twin["breaks"]
    counted: dict[str, list[str]] = {}
    for name, pool in twin["pools"].items():
        if pool["visits_by"] == "runs" and _can_be_short(pool):
            counted.setdefault(pool["visits_note"], []).append(name)
    notes += [
        f"visits to {', '.join(names)} are counted in {twin['runs_alone']} runs: {why}"
        for why, names in counted.items()
    ]
    measured = [name for name, pool in twin["pools"].items() if pool["hold_by"] == "runs" and _can_be_short(pool)]
    if measured:
        notes.append(
            f"how long a visit takes is measured in those runs, not told by the profile: {', '.join(measured)}"
        )
    notes += [
        f"{name}: {'; '.join(dict.fromkeys(pool['breaks']))}"
        for name, pool in twin["pools"].items()
        if pool["breaks"] and _can_be_short(pool)
    ]
    return notes


def _can_be_short(pool: Mapping[str, Any]) -> bool:
    return pool["slots"] is not None or "rate" in pool["model"]


def _told(value: float | None, unit: str) -> str:
    return "–" if value is None else format_quantity(value, unit)


def _seen(estimate: Mapping[str, Any] | None, unit: str) -> tuple[str, str]:
    """A value with its interval, as text."""
    if estimate is None or estimate["value"] is None:
        return "–", ""
    lo, hi = (math.nan if end is None else end for end in estimate["ci95"])
    value = format_quantity(estimate["value"], unit)
    if math.isnan(lo) or math.isnan(hi) or lo == hi:
        return value, ""
    return value, format_interval(lo, hi, unit, estimate["value"])
