"""Looking through a plan, and making one with something changed: by this the protections of a spec are taken away."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan

__all__ = [
    "asked_at",
    "but",
    "changed",
    "effects_of",
    "flows_of",
    "statements_of",
    "used_by",
    "walk",
    "who_of",
    "without",
]


def flows_of(plan: Plan, flow: str) -> list[str]:
    """The flow and all that it calls."""
    found: dict[str, None] = {}
    left = [flow]
    while left:
        name = left.pop()
        if name in found or name not in plan.flows:
            continue
        found[name] = None
        left += [each.flow for each in walk(plan.flows[name].body) if getattr(each, "kind", "") == "flow"]
    return list(found)


def walk(value: Any) -> Iterator[Any]:
    """Every dataclass below a value."""
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from walk(each)
    elif dataclasses.is_dataclass(value):
        yield value
        for each in dataclasses.fields(value):
            yield from walk(getattr(value, each.name))


def statements_of(plan: Plan, flow: str) -> Iterator[Any]:
    """Every statement of a flow and of all that it calls."""
    for name in flows_of(plan, flow):
        for each in walk(plan.flows[name].body):
            if hasattr(each, "node") and hasattr(each, "kind"):
                yield each


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same value with `change` made to every dataclass in it, from within; what does not change is kept."""
    if isinstance(value, list):
        made = [changed(each, change) for each in value]
        return made if any(new is not old for new, old in zip(made, value, strict=True)) else value
    if isinstance(value, tuple):
        kept = tuple(changed(each, change) for each in value)
        return kept if any(new is not old for new, old in zip(kept, value, strict=True)) else value
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    news = {name: changed(old, change) for name, old in fields.items()}
    differs = {name: new for name, new in news.items() if new is not fields[name]}
    return change(replace(value, **differs) if differs else value)


def without(plan: Plan, flow: str, change: Callable[[Any], Any]) -> Plan:
    """The plan with `change` made in a flow and all that it calls."""
    names = set(flows_of(plan, flow))
    flows = {
        name: replace(each, body=changed(each.body, change)) if name in names else each
        for name, each in plan.flows.items()
    }
    return replace(plan, flows=flows)


def but(plan: Plan, statement: Any, change: Callable[[Any], Any], flow: str) -> Plan:
    """The plan with one statement changed. Several may share a node: what is returned at once is a step and a value."""

    def one(each: Any) -> Any:
        same = type(each) is type(statement) and each.node == statement.node
        return change(each) if same and getattr(each, "name", "") == getattr(statement, "name", "") else each

    return without(plan, flow, one)


def who_of(statement: Any) -> set[str]:
    """Whom a statement asks, and what it applies or waits for."""
    names = {candidate.agent for candidate in getattr(statement, "candidates", ())}
    effect, signal = getattr(statement, "effect", None), getattr(statement, "signal", None)
    return names | {name for name in (effect, signal) if isinstance(name, str)}


def asked_at(plan: Plan, flow: str, name: str) -> int | None:
    """The node of the first statement that asks somebody, applies an effect or waits for a signal of that name."""
    for statement in statements_of(plan, flow):
        if name in who_of(statement):
            return int(statement.node)
    return None


def used_by(plan: Plan, flow: str) -> list[str]:
    """Whom a flow asks and what it applies, by name."""
    return list(dict.fromkeys(name for each in statements_of(plan, flow) for name in sorted(who_of(each))))


def effects_of(plan: Plan, flow: str) -> list[str]:
    """The effects that a flow applies, or whom it asks."""
    asked = set(used_by(plan, flow))
    asked |= {effect for name in asked if name in plan.agents for effect in plan.agents[name].effects}
    return [name for name in plan.effects if name in asked]
