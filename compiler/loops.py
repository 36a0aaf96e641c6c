"""`for NAME in ITEMS { width }` of steps and scopes."""

from __future__ import annotations

from orchspec.compiler.attributes import Settings
from orchspec.compiler.codes import declarations as declaration_codes
from orchspec.compiler.codes import names as name_codes
from orchspec.compiler.codes import types as type_codes
from orchspec.compiler.constants import NotConstant, evaluate
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.model import Frame, LoopInfo, Slot
from orchspec.compiler.narrowing import lookup
from orchspec.compiler.types import INT, UNKNOWN, ListOf, Optional, Type, is_unknown, show
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Expr, For, Ident, Node

__all__ = ["item_env", "items_type", "read_loop", "refuse_shadow", "width_of"]


def items_type(typer: Typer, items: Expr, env: Env) -> Type:
    """The type of one item of the list that a `for` goes over."""
    found = typer.root(items, env)
    if isinstance(found, ListOf):
        return found.item
    if isinstance(found, Optional) and isinstance(found.inner, ListOf):
        note = "give a list for none: `?? []`"
        what = "what `for` goes over"
        typer.report.add(type_codes.OPTIONAL_OPERAND, items, what=what, found=show(found), notes=[note])
        return found.inner.item
    if not is_unknown(found):
        what = "what `for` goes over"
        typer.report.add(type_codes.TYPE_MISMATCH, items, what=what, found=show(found), expected="a list")
    return UNKNOWN


def refuse_shadow(typer: Typer, name: Ident, outer: Frame | None) -> bool:
    """Reports a name that is a name further out already, and gives whether it is one."""
    if not name.text:
        return False
    found = None if outer is None else lookup(outer, name.text)
    param = typer.context.find("params", name, name.text)
    if found is not None and found[0].kind not in ("past", "prev"):
        at = getattr(found[0].declared, "name", found[0].declared)
        first = Label((found[0].declared if found[0].kind == "item" else at).span, "the outer name")
        typer.report.add(name_codes.SHADOWED_NAME, name, name=name.text, labels=[first])
        return True
    if param is not None:
        first = Label(param.node.name.span, "the param")
        typer.report.add(name_codes.SHADOWED_NAME, name, name=name.text, labels=[first])
        return True
    return False


def read_loop(typer: Typer, node: Node, loop: For, settings: Settings, env: Env) -> LoopInfo:
    """The loop of a step, with a frame of its own for the item."""
    kind = items_type(typer, loop.items, env)
    shadows = refuse_shadow(typer, loop.name, env.frame)
    frame = Frame(node, env.frame)
    slot = frame.add(loop.name.text, "item", loop, kind)
    if shadows:
        typer.context.ambiguous.add(slot)
    frame.given = 1
    return LoopInfo(slot, loop.items, width_of(typer, settings, env))


def width_of(typer: Typer, settings: Settings, env: Env) -> Expr | None:
    """`width`: a whole number, which may be computed in the run."""
    width = settings.expr("width")
    if width is None:
        return None
    if typer.root(width, env, INT, "`width`") != INT:
        return width
    try:
        value = evaluate(width, typer.checked)
    except NotConstant:
        return width
    if isinstance(value, int) and value < 1:
        typer.report.add(declaration_codes.OUT_OF_RANGE, width, name="width", found=str(value), expected="at least 1")
    return width


def item_env(env: Env, loop: LoopInfo) -> Env:
    """Where what is done for each item is evaluated."""
    slot: Slot = loop.slot
    return env.within(slot.frame)
