"""Scopes: regions with a budget, a policy and an undo of their own, or one region for each item."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.compiler.attributes import Settings
from orchspec.compiler.context import Env
from orchspec.compiler.failures import read_on_failure
from orchspec.compiler.loops import items_type, refuse_shadow, width_of
from orchspec.compiler.model import Frame, LoopInfo, ScopeInfo, SlotKind, ToolInfo
from orchspec.compiler.names import find_all
from orchspec.compiler.places import SCOPE
from orchspec.compiler.policies import read_policy
from orchspec.compiler.steps import refuse_fan_out
from orchspec.compiler.types import INT, NOTHING, UNKNOWN, ListOf, Nothing, Type, optional
from orchspec.grammar.syntax import Attribute, Budget, Node, Scope

if TYPE_CHECKING:
    from orchspec.compiler.blocks import Blocks

__all__ = ["check_scope"]


def check_scope(blocks: Blocks, node: Scope, env: Env) -> Type:
    """Checks a scope of a block; gives the type of its name."""
    typer = blocks.typer
    items = [item for item in node.body if isinstance(item, Attribute | Budget)]
    settings = Settings(typer, SCOPE, items, env=env)
    if node.loop is None:
        refuse_fan_out(settings, ("width", "need"))
    only_if = settings.expr("only_if")
    if only_if is not None:
        env = env.knowing(typer.condition(only_if, env, "`only_if`"))
    given: list[tuple[str, SlotKind, Node, Type]] = []
    if node.loop is not None:
        shadows = refuse_shadow(typer, node.loop.name, env.frame)
        kind = items_type(typer, node.loop.items, env)
        given.append((node.loop.name.text, "item", node.loop, UNKNOWN if shadows else kind))
    width = width_of(typer, settings, env) if node.loop is not None else None
    body = blocks.block(node, node.body, env.frame, given, env.at, None, env.facts)
    info = ScopeInfo(node, body, budget=settings.budget, policy=read_policy(settings), only_if=only_if)
    typer.checked.scopes[node] = info
    tools, _ = find_all(typer.context, settings.names("tools", "[ledger]"), ToolInfo)
    info.tools = tuple(tools)
    info.urgency = settings.expr("urgency")
    if info.urgency is not None:
        typer.root(info.urgency, env, INT, "`urgency`")
    if node.loop is not None:
        info.loop = LoopInfo(body.frame.slots[0], node.loop.items, width)
        info.need = settings.need()
    # What `use` gives stands in for the value of the scope, so it sees what the scope sees, not what is in it.
    inner = env if node.loop is None else env.within(_item_only(node, env.frame, body.frame))
    skips = read_on_failure(typer, info, settings, inner, body.result, None)
    if isinstance(body.result, Nothing):
        return NOTHING
    result = ListOf(body.result) if node.loop is not None else body.result
    # With `for`, a skipped item is left out of the list; only the whole can be missing.
    info.result = optional(result) if only_if is not None or (skips and node.loop is None) else result
    return info.result


def _item_only(node: Scope, parent: Frame, body: Frame) -> Frame:
    """The frame of a scope's body as `on_failure` sees it: with the item alone."""
    frame = Frame(node, parent)
    item = body.slots[0]
    frame.add(item.name, item.kind, item.declared, item.type)
    frame.given = 1
    return frame
