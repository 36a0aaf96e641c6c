"""Names in expressions that lead out of all blocks: params and members of enums, those of imported files too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.compiler.codes import names as name_codes
from orchspec.compiler.codes import types as codes
from orchspec.compiler.context import Context, Env
from orchspec.compiler.model import EnumInfo, MemberRef, ParamRef
from orchspec.compiler.names import describe, is_opaque, unknown
from orchspec.compiler.narrowing import lookup
from orchspec.compiler.report import did_you_mean, listed
from orchspec.compiler.types import UNKNOWN, EnumOf, Type
from orchspec.grammar.syntax import Expr, Field, Name, Node, dotted

if TYPE_CHECKING:
    from orchspec.compiler.expressions import Typer

__all__ = ["declared", "member", "param", "spelled"]

_NO_VALUES = (
    "agents",
    "contracts",
    "effects",
    "signals",
    "channels",
    "flows",
    "enums",
    "records",
    "tools",
    "models",
    "policies",
    "decisions",
)
"""The tables of what is declared and is no value."""


def declared(context: Context, at: Node, name: str) -> Any | None:
    """What a name is declared as that is no value, or none."""
    found = (context.find(table, at, name) for table in _NO_VALUES)
    return next((info for info in found if info is not None), None)


def spelled(typer: Typer, expr: Expr, env: Env) -> str | None:
    """The dotted name that an expression spells, unless it begins with the name of a value."""
    text = dotted(expr)
    if text is None:
        return None
    first = text.partition(".")[0]
    if lookup(env.frame, first) is not None or typer.context.find("params", expr, first) is not None:
        return None
    return text


def param(typer: Typer, node: Name | Field, text: str) -> Type | None:
    """The type of the param that a name means, dotted if it leads through an import; none if it means no param."""
    found = typer.context.find("params", node, text)
    if found is None:
        return None
    typer.context.used.add(found)
    typer.checked.resolved[node] = ParamRef(found)
    kind: Type = found.type
    return kind


def member(typer: Typer, node: Field, base: str) -> Type | None:
    """The type of `Enum.member` or `alias.param`; none where `base` is to be read as a value like any other."""
    enum = typer.context.find("enums", node, base)
    if enum is not None:
        return _of_enum(typer, node, enum)
    found = param(typer, node, f"{base}.{node.name.text}")
    if found is None and _leads_nowhere(typer, node, base):
        return UNKNOWN
    return found


def _of_enum(typer: Typer, node: Field, enum: EnumInfo) -> Type:
    typer.context.used.add(enum)
    name = node.name
    if name.text in enum.members:
        typer.checked.resolved[node] = MemberRef(enum, name.text)
    elif name.text:
        typer.report.add(
            name_codes.UNKNOWN_MEMBER,
            name,
            type=enum.name,
            name=name.text,
            notes=[f"its members are {listed(enum.members)}"],
            fix=did_you_mean(name.text, name, enum.members),
        )
    return EnumOf(enum.name)


def _leads_nowhere(typer: Typer, node: Field, base: str) -> bool:
    """Whether `Base.member` names a type that nobody declared, or what an imported file does not offer as a value.

    That is reported; where nothing may be said of the name, it is true in silence.
    """
    context = typer.context
    if is_opaque(context, node, base):
        return True
    imported = base in context.module(node).imports
    full = f"{base}.{node.name.text}" if imported else base
    found = declared(context, node, full)
    if imported and found is not None:
        context.used.add(found)
        typer.report.add(codes.NOT_A_VALUE, node, name=full, found=describe(found))
    elif imported and not is_opaque(context, node, full):
        unknown(context, node, "name", full, context.known(node, "params", "enums"))
    elif not imported:
        if not base.rpartition(".")[2][:1].isupper() or found is not None:
            return False
        unknown(context, node.base, "type", base, context.known(node, "enums"))
    return True
