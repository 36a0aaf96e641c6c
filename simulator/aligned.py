"""A plan whose places are numbered from one flow on, so that flows beside each other draw alike.

A draw is a function of its place, and a place of the numbers of its statements, which are counted over the whole spec.
Numbered from the flow that is simulated, the first statement of one flow draws what the first of another does: common
random numbers for flows, as far as their shapes agree. It is the same plan otherwise, and the same for every caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan

__all__ = ["aligned"]


def aligned(plan: Plan, flow: str) -> Plan:
    """The plan with the statements of a flow of it numbered first, in their order; sealed again."""
    count = len(plan.source.spans)
    own = sorted(set(_nodes(plan.flows[flow])))
    order = [*own, *sorted(set(range(count)) - set(own))]
    number = {node: at for at, node in enumerate(order)}
    spans = [plan.source.spans[node] for node in order if node < count]
    moved: Plan = _renumbered(plan, number)
    return replace(moved, source=replace(plan.source, spans=spans)).sealed()


def _nodes(value: Any) -> Iterator[int]:
    if is_dataclass(value):
        for field in fields(value):
            part = getattr(value, field.name)
            if field.name == "node":
                yield part
            else:
                yield from _nodes(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _nodes(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _nodes(part)


def _renumbered(value: Any, number: dict[int, int]) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        changed = {
            name: number.get(part, part) if name == "node" else _renumbered(part, number)
            for name, part in parts.items()
        }
        return replace(value, **{name: part for name, part in changed.items() if part is not parts[name]})
    if isinstance(value, list):
        return [_renumbered(part, number) for part in value]
    if isinstance(value, dict):
        return {key: _renumbered(part, number) for key, part in value.items()}
    return value
