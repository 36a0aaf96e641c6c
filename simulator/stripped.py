"""A scenario without hedges, for the analytic twin: the same flow, in which no attempt is doubled."""

from __future__ import annotations

from copy import copy
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import Policy

if TYPE_CHECKING:
    from orchspec.simulator.replicate import Stage

__all__ = ["without_hedges"]


def without_hedges(stage: Stage) -> Stage:
    """The stage with a plan in which nothing is hedged."""
    other = copy(stage)
    flows = _stripped(stage.plan.flows)
    other.plan = replace(stage.plan, flows=flows).sealed()
    return other


def _stripped(value: Any) -> Any:
    if isinstance(value, Policy):
        return replace(value, hedge=None)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        changed = {name: _stripped(part) for name, part in parts.items()}
        return replace(value, **{name: part for name, part in changed.items() if part is not parts[name]})
    if isinstance(value, list):
        return [_stripped(part) for part in value]
    if isinstance(value, dict):
        return {key: _stripped(part) for key, part in value.items()}
    return value
