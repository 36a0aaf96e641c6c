"""Whether a simulation comes out the same a second time, and where it first does not.

Same seed, same bytes: whatever breaks that (an order of sets, a file that changed meanwhile, a mistake of ours) makes
comparisons of two settings worth little. The second time is made by other processes, since Python orders sets of texts
otherwise in each.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchspec.simulator.observe import Replication, RunObservation
    from orchspec.simulator.study import Study

__all__ = ["first_difference"]


def first_difference(one: Study, other: Study) -> str | None:
    """What is the first to differ, in the order of replications, runs and time; None where nothing does."""
    if len(one.replications) != len(other.replications):
        return f"{len(one.replications)} replications, then {len(other.replications)}"
    for first, second in zip(one.replications, other.replications, strict=True):
        for found in _of_replication(first, second):
            return f"replication {first.index}, {found}"
    return next(_of_documents("", one.document, other.document), None)


def _of_replication(one: Replication, other: Replication) -> Iterator[str]:
    if len(one.runs) != len(other.runs):
        yield f"{len(one.runs)} runs, then {len(other.runs)}"
    for first, second in zip(one.runs, other.runs, strict=False):
        yield from _of_run(first, second)
    parts = ("window_s", "effects", "faults", "halted", "sample_gantt")
    yield from (f"{name}: {_told(one, other, name)}" for name in parts if getattr(one, name) != getattr(other, name))
    for pool, again in zip(one.pools, other.pools, strict=False):
        named = ("name", "busy", "queue", "arrivals", "grants", "wait_s", "held_s")
        differing = [name for name in named if getattr(pool, name) != getattr(again, name)]
        yield from (f"pool {pool.name}, {name}: {_told(pool, again, name)}" for name in differing)


def _of_run(one: RunObservation, other: RunObservation) -> Iterator[str]:
    if one != other:
        differing = [field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)]
        told = "; ".join(f"{name} {_told(one, other, name)}" for name in differing)
        yield f"run {one.ordinal} (arrived at {one.arrived_s:g} s): {told}"


def _told(one: Any, other: Any, name: str) -> str:
    return f"{getattr(one, name)!r:.120}, then {getattr(other, name)!r:.120}"


def _of_documents(path: str, one: Any, other: Any) -> Iterator[str]:
    """Differences of two JSON documents, by their paths."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            yield from _of_documents(f"{path}.{key}" if path else key, one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _of_documents(f"{path}[{index}]", first, second)
    elif one != other:
        yield f"{path}: {one!r:.120}, then {other!r:.120}"
