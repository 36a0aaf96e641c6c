"""The types of the built-in functions: a table of rules, one for each function.

To add a function: its rule here, its meaning in the kernel's expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from orchspec.compiler.codes import types as codes
from orchspec.compiler.context import Env
from orchspec.compiler.model import BuiltinRef, MissingRef, Reference
from orchspec.compiler.names import describe, is_opaque
from orchspec.compiler.operators import ORDERED
from orchspec.compiler.report import did_you_mean, replace, word
from orchspec.compiler.suggestions import SYNONYMS
from orchspec.compiler.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    MONEY,
    PERCENT,
    RATE,
    TEXT,
    UNKNOWN,
    ListOf,
    MapOf,
    Optional,
    Scalar,
    Type,
    is_unknown,
    optional,
    show,
)
from orchspec.grammar.syntax import Call, Expr, Field, Name, Scope, Step, dotted

if TYPE_CHECKING:
    from orchspec.compiler.expressions import Typer

__all__ = ["FUNCTIONS", "call"]

_SUMMED = frozenset({INT, FLOAT, MONEY, DURATION, PERCENT, RATE})


def _len(kind: Type) -> Type | None:
    return INT if isinstance(kind, ListOf | MapOf) or kind == TEXT else None


def _extreme(kind: Type) -> Type | None:
    return optional(kind.item) if isinstance(kind, ListOf) and kind.item in ORDERED else None


def _sum(kind: Type) -> Type | None:
    return kind.item if isinstance(kind, ListOf) and kind.item in _SUMMED else None


def _avg(kind: Type) -> Type | None:
    if not isinstance(kind, ListOf) or kind.item not in _SUMMED:
        return None
    return optional(FLOAT if kind.item == INT else kind.item)


def _truths(kind: Type) -> Type | None:
    return BOOL if kind == ListOf(BOOL) else None


def _count(kind: Type) -> Type | None:
    return INT if isinstance(kind, ListOf) else None


def _flatten(kind: Type) -> Type | None:
    return kind.item if isinstance(kind, ListOf) and isinstance(kind.item, ListOf) else None


def _distinct(kind: Type) -> Type | None:
    return kind if isinstance(kind, ListOf) else None


def _keys(kind: Type) -> Type | None:
    return ListOf(TEXT) if isinstance(kind, MapOf) else None


def _hash(_kind: Type) -> Type | None:
    return TEXT


def _tokens(kind: Type) -> Type | None:
    return INT if kind == TEXT else None


def _text(kind: Type) -> Type | None:
    return None if isinstance(kind, Optional) else TEXT


def _cased(kind: Type) -> Type | None:
    return TEXT if kind == TEXT else None


def _round(kind: Type) -> Type | None:
    return INT if kind in {INT, FLOAT} else kind if kind == MONEY else None


FUNCTIONS: Mapping[str, tuple[Callable[[Type], Type | None], str]] = {
    "len": (_len, "a text, a list or a map"),
    "min": (_extreme, "a list of values that have an order"),
    "max": (_extreme, "a list of values that have an order"),
    "sum": (_sum, "a list of numbers, Money or Durations"),
    "avg": (_avg, "a list of numbers, Money or Durations"),
    "any": (_truths, "a list of Bool"),
    "all": (_truths, "a list of Bool"),
    "count": (_count, "a list"),
    "flatten": (_flatten, "a list of lists"),
    "distinct": (_distinct, "a list"),
    "keys": (_keys, "a map"),
    "hash": (_hash, "a value"),
    "tokens": (_tokens, "a text"),
    "text": (_text, "a value that is no optional"),
    "upper": (_cased, "a text"),
    "lower": (_cased, "a text"),
    "round": (_round, "a number or Money, and perhaps how many places"),
}
"""What each function makes of the type of its argument (None: it does not take it), and what it takes, in words."""


_OF_LISTS = frozenset({"min", "max", "sum", "avg", "any", "all", "count"})
"""What other languages take the items of one by one."""


def call(typer: Typer, node: Call, env: Env) -> Type:
    """A call inside of an expression."""
    callee = node.callee
    name = callee.text if isinstance(callee, Name) else None
    if name == "missing":
        return _missing(typer, node, env)
    rule = None if name is None else FUNCTIONS.get(name)
    if name is None or rule is None:
        return _unknown(typer, node, env)
    typer.checked.resolved[node] = BuiltinRef(name)
    values = _positional(typer, node, env, 2 if name == "round" else 1)
    if values is None:
        return UNKNOWN
    found = typer.infer(values[0], env)
    if isinstance(found, Optional) and not is_unknown(found):
        typer.report.add(codes.OPTIONAL_OPERAND, values[0], what=f"what {name}() takes", found=show(found))
        return UNKNOWN
    if len(values) == 2:
        typer.check(values[1], env, INT, "the number of places")
    if is_unknown(found):
        return _of_unknown(name)
    result = rule[0](found)
    if result is None:
        problem = f"{name}() takes {rule[1]}, found {show(found)}"
        typer.report.add(codes.WRONG_CALL, values[0], problem=problem)
        return UNKNOWN
    return FLOAT if name == "round" and len(values) == 2 and isinstance(result, Scalar) and result == INT else result


def _of_unknown(name: str) -> Type:
    """What a function gives whatever it takes."""
    fixed: dict[str, Type] = {"len": INT, "count": INT, "tokens": INT, "any": BOOL, "all": BOOL}
    return fixed.get(name, TEXT if name in {"hash", "text", "upper", "lower"} else UNKNOWN)


def _positional(typer: Typer, node: Call, env: Env, most: int) -> list[Expr] | None:
    name = node.callee.text if isinstance(node.callee, Name) else "?"
    for arg in node.args:
        if arg.label is not None or arg.key is not None:
            typer.report.add(codes.WRONG_CALL, arg, problem=f"{name}() takes no named arguments")
            typer.infer(arg.value, env)
            return None
    if not 1 <= len(node.args) <= most:
        takes = word(1, "argument") if most == 1 else f"1 to {most} arguments"
        for arg in node.args:
            typer.infer(arg.value, env)
        fix = None
        if name in _OF_LISTS and len(node.args) > 1:
            fix = replace(node, f"{name}([{', '.join(arg.span.text for arg in node.args)}])")
        problem = f"{name}() takes {takes}, found {len(node.args)}"
        typer.report.add(codes.WRONG_CALL, node, problem=problem, fix=fix)
        return None
    return [arg.value for arg in node.args]


def _missing(typer: Typer, node: Call, env: Env) -> Type:
    values = _positional(typer, node, env, 1)
    if values is None:
        return UNKNOWN
    typer.infer(values[0], env)
    found = typer.checked.resolved.get(values[0])
    if isinstance(found, Reference) and isinstance(found.slot.declared, Step | Scope) and found.slot.kind == "local":
        loop = found.slot.declared.loop
        if loop is not None:
            typer.checked.resolved[node] = MissingRef(found.slot, found.up)
            items = typer.checked.expr_types.get(loop.items, UNKNOWN)
            return items if isinstance(items, ListOf) else UNKNOWN
    if not is_unknown(typer.checked.expr_types[values[0]]):
        typer.report.add(codes.WRONG_CALL, values[0], problem="missing() takes the name of a step or scope with `for`")
    return UNKNOWN


def _unknown(typer: Typer, node: Call, env: Env) -> Type:
    for arg in node.args:
        typer.infer(arg.value, env, UNKNOWN)
    callee = node.callee
    text = dotted(callee)
    context = typer.context
    for table in ("contracts", "effects", "signals", "flows", "agents") if text is not None else ():
        found = context.find(table, callee, text or "")
        if found is not None:
            context.used.add(found)
            typer.report.add(
                codes.NOT_A_VALUE,
                callee,
                name=text,
                found=describe(found),
                notes=["work is done in a `step`, whose name is read afterwards"],
            )
            return UNKNOWN
    if text is not None and is_opaque(context, callee, text):
        return UNKNOWN
    if not isinstance(callee, Name):
        fix = None
        if isinstance(callee, Field):
            typer.infer(callee.base, env)
            said = callee.name.text
            meant = next((each for each in SYNONYMS.get(said.lower(), (said,)) if each in FUNCTIONS), None)
            if meant is not None:
                fix = replace(node, f"{meant}({callee.base.span.text})")
        else:
            typer.infer(callee, env)
        typer.report.add(codes.UNKNOWN_FUNCTION, callee, name=callee.span.text, fix=fix)
        return UNKNOWN
    typer.report.add(
        codes.UNKNOWN_FUNCTION,
        callee,
        name=callee.text,
        fix=did_you_mean(callee.text, callee, [*FUNCTIONS, "missing"]),
    )
    return UNKNOWN
