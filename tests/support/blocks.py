"""Blocks of plans: statements get their slots, and need what they read."""

from __future__ import annotations

import itertools
from typing import Any

from orchspec.compiler import plan as p
from tests.support.scoping import Draft, Scoping

__all__ = ["block", "within"]

_NODES = itertools.count(1)


def block(drafts: tuple[Draft, ...], given: list[str], around: list[list[str]] | None = None) -> p.Block:
    """A block of the plan; `given` are the names of its first slots, `around` those of the frames above it."""
    names = given + [draft.name for draft in drafts if draft.slotted and draft.name]
    at = {draft.name: index for index, draft in enumerate(drafts) if draft.name}
    statements: list[Any] = []
    for draft in drafts:
        scoping = Scoping([names, *(around or [])])
        fields = draft.make(scoping)
        needs = sorted({at[name] for name in [*scoping.read, *draft.after] if name in at})
        place: dict[str, Any] = {"kind": draft.kind, "node": next(_NODES), "needs": needs}
        if draft.name:
            place["name"] = draft.name
        if draft.slotted:
            place["slot"] = names.index(draft.name)
        statements.append(_KINDS[draft.kind](**place, **fields))
    return p.Block(statements, names, len(given))


def within(s: Scoping, body: tuple[Draft, ...], given: list[str]) -> p.Block:
    """A nested block: what it reads of the block around is read by the statement that holds it."""
    outer = s.levels[0]
    inner = block(body, given, s.levels)
    s.read.extend(outer[slot] for up, slot in _refs(inner, 0) if up == 1)
    return inner


def _refs(part: Any, depth: int) -> list[tuple[int, int]]:
    """Slots that a nested block reads, as (levels above that block, slot).

    Frames of items and of candidates count as levels inside.
    """
    found: list[tuple[int, int]] = []
    for statement in part.statements:
        for name in statement.__dataclass_fields__:
            value = getattr(statement, name)
            inner = [value] if isinstance(value, p.Block) else [arm.body for arm in value] if name == "arms" else []
            for body in inner:
                found += [(up - 1, slot) for up, slot in _refs(body, depth) if up >= 1]
            if isinstance(value, p.Block):
                continue
            lift = 1 if _has_item(statement, name) else 0
            found += [(up - lift, slot) for up, slot in _places(value) if up >= lift]
    return found


def _has_item(statement: Any, name: str) -> bool:
    over = getattr(statement, "over", None)
    return (name == "args" and over is not None) or (name in ("rules", "group"))


def _places(value: Any) -> list[tuple[int, int]]:
    if isinstance(value, list) and value and value[0] in ("ref", "giver", "missing"):
        return [(value[1], value[2])]
    if isinstance(value, (list, tuple)):
        return [place for part in value if not isinstance(part, p.Block) for place in _places(part)]
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, p.Block):
        return [place for name in value.__dataclass_fields__ for place in _places(getattr(value, name))]
    return []


_KINDS: dict[str, Any] = {
    "task": p.TaskStep,
    "effect": p.EffectStep,
    "flow": p.FlowStep,
    "arbitrate": p.Arbitrate,
    "let": p.Let,
    "fail": p.Fail,
    "checkpoint": p.Checkpoint,
    "until": p.Until,
    "wait": p.Wait,
    "give": p.Give,
    "repeat": p.Repeat,
    "route": p.Route,
    "scope": p.Scope,
}
