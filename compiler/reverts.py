"""`revert`: which statement is undone. Whether it did anything that has an undo is checked when all flows are known."""

from __future__ import annotations

from orchspec.compiler.codes import names as codes
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.model import Reference
from orchspec.compiler.narrowing import lookup
from orchspec.compiler.report import did_you_mean
from orchspec.compiler.types import NOTHING, Type
from orchspec.grammar.syntax import Repeat, Revert, Route, Scope, State, Step

__all__ = ["check_revert"]


def check_revert(typer: Typer, node: Revert, env: Env) -> Type:
    """Checks a revert of a block: it names a statement of that block or of one around it; it gives nothing."""
    name = node.name.text
    found = lookup(env.frame, name) if name else None
    if found is None:
        if name:
            fix = did_you_mean(name, node.name, (slot.name for slot in env.frame.slots))
            typer.report.absent(codes.UNKNOWN_NAME, node.name, reach="name", kind="statement", name=name, fix=fix)
        return NOTHING
    slot, up = found
    if slot.kind != "local" or not isinstance(slot.declared, Step | Scope | Repeat | Route | State):
        given = "no step, scope, repeat, route or state"
        wanted = "a statement that applies an effect"
        typer.report.add(codes.WRONG_KIND, node.name, name=name, found=given, expected=wanted)
    elif slot not in typer.context.ambiguous:
        typer.checked.resolved[node.name] = Reference(slot, up)
        typer.context.read(slot, node.name, env)
    return NOTHING
