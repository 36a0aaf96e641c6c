"""The words of a graph: dispatch patterns, limits, budgets, rules and what is done about failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from orchspec.compiler.plan import Arbitrate, Budget, Need, OnFailure, Rule, TaskStep
    from orchspec.graph.reading import Frames, Reader

__all__ = ["budget_words", "dispatch", "duration", "failures", "needed", "rules"]

SECOND: Final = 1_000_000
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_NAMES: Final = 4


def dispatch(step: TaskStep) -> str:
    """Who is asked, and in which pattern."""
    agents = [candidate.agent for candidate in step.candidates]
    match step.pattern:
        case "one":
            return f"by {agents[0]}"
        case "any":
            how = "" if step.prefer == "least_busy" else f", {step.prefer.replace('_', ' ')}"
            return f"by any of {_listed(agents)}{how}"
        case "all":
            return f"by all of {_listed(agents)}"
        case "some":
            return f"by {step.copies} of {agents[0]}"
        case _:
            return f"by first of {_listed(agents)}"


def needed(need: Need | None) -> list[str]:
    """The floor of a fan-out."""
    if need is None:
        return []
    if need.count is not None:
        return [f"need {need.count}"]
    return [] if need.share in (None, 1.0) else [f"need {100 * (need.share or 0):g} %"]


def budget_words(budget: Budget | None) -> list[str]:
    """The caps of a budget, in one line; no line where there are none."""
    if budget is None:
        return []
    said = []
    if budget.cost_pico is not None:
        said.append(f"cost ≤ ${budget.cost_pico / 1e12:,.2f}")
    if budget.tokens is not None:
        said.append(f"tokens ≤ {budget.tokens:,}")
    if budget.time_us is not None:
        said.append(f"time ≤ {duration(budget.time_us)}")
    for name in ("retries", "attempts", "depth", "transitions"):
        value = getattr(budget, name)
        if value is not None:
            said.append(f"{name} ≤ {value}")
    return [", ".join(said)] if said else []


def failures(reader: Reader, links: list[OnFailure], frames: Frames) -> list[str]:
    """What is done when a step fails, where that is more than to stop."""
    said = []
    for link in links:
        if link.kind == "use":
            said.append(f"use {reader.text(link.value, frames)}")
        elif link.kind == "ask":
            assert link.who is not None
            said.append(f"ask {link.who.agent}{_within(link.within_us)}")
        else:
            said.append(link.kind)
    return [f"if it fails: {', else '.join(said)}"] if said and said != ["stop"] else []


def rules(reader: Reader, statement: Arbitrate, frames: Frames) -> list[str]:
    """The rules of an arbitration, one a line."""
    said = [_rule(reader, rule, frames) for rule in statement.rules]
    return [text if index == 0 else f"or {text}" for index, text in enumerate(said)]


def _rule(reader: Reader, rule: Rule, frames: Frames) -> str:
    match rule.kind:
        case "ask":
            assert rule.who is not None
            return f"ask {rule.who.agent}{_within(rule.within_us)}"
        case "priority":
            return f"priority of {_listed(rule.order)}"
        case "quorum":
            count = reader.text(rule.n, frames) if rule.n is not None else "?"
            return f"quorum of {count}: {reader.text(rule.expr, frames) if rule.expr is not None else ''}"
        case _:
            inner = f"({reader.text(rule.expr, frames)})" if rule.expr is not None else ""
            return f"{rule.kind}{inner}"


def duration(us: int | None) -> str:
    """A time as a spec writes it: `30min`, `4h`."""
    value: Any = us or 0
    for name, seconds in _UNITS:
        if value and value % (seconds * SECOND) == 0:
            return f"{value // (seconds * SECOND)}{name}"
    return f"{value / 1000:g}ms"


def _within(us: int | None) -> str:
    return "" if us is None else f" within {duration(us)}"


def _listed(names: list[str]) -> str:
    if len(names) <= _NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMES - 1])} and {len(names) - _NAMES + 1} more"
