"""Values of studies: constants of the type that is expected, as inner values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchspec.compiler.codes.types import CONSTRAINT_BROKEN, NOT_CONSTANT
from orchspec.compiler.constants import NotConstant, evaluate
from orchspec.compiler.context import Env
from orchspec.compiler.lowering.wording import written
from orchspec.compiler.model import FieldInfo, Frame
from orchspec.compiler.studies.context import FAILED, Constant, Failed, Study
from orchspec.compiler.types import ListOf, MapOf, Nothing, RecordOf, Type, Unknown, required
from orchspec.grammar import syntax
from orchspec.grammar.diagnostics import Label

__all__ = ["check_constraint", "constant", "inner_value", "spoken", "unclear"]


def constant(study: Study, expr: syntax.Expr, what: str) -> Constant | None:
    """A constant of whatever type it has; none after reporting why it is none."""
    value = _evaluated(study, expr, None, what)
    return None if isinstance(value, Failed) else Constant(study.checked.expr_types[expr], value)


def inner_value(study: Study, expr: syntax.Expr, want: Type, what: str) -> Any | Failed:
    """The inner value of a constant of type `want`, constraints of its records held; or `FAILED`, why is reported."""
    if isinstance(required(want), Unknown | Nothing):
        return FAILED
    value = _evaluated(study, expr, want, what)
    if isinstance(value, Failed) or not _holds(study, value, want, expr):
        return FAILED
    return value


def _evaluated(study: Study, expr: syntax.Expr, want: Type | None, what: str) -> Any | Failed:
    before = len(study.report.diagnostics)
    study.typer.root(expr, Env(Frame(expr)), want, what)
    if len(study.report.diagnostics) > before or unclear(study, expr):
        return FAILED
    try:
        return evaluate(expr, study.checked)
    except NotConstant as error:
        study.report.add(NOT_CONSTANT, expr, what=what, problem=str(error))
        return FAILED


def unclear(study: Study, expr: syntax.Expr) -> bool:
    """Whether a typed expression has a part about which nothing is known, because of a mistake told elsewhere."""
    types = study.checked.expr_types
    return any(isinstance(part, syntax.Hole) or isinstance(types.get(part), Unknown) for part in syntax.walk(expr))


# ------------------------------------------------------------------ constraints


def check_constraint(study: Study, info: FieldInfo, value: Any, at: syntax.Expr) -> bool:
    """Whether a value holds the `where` of the field or parameter it is for; reports if not."""
    return _constrained(study, info, {info.slot: value}, at)


def _holds(study: Study, value: Any, kind: Type, at: syntax.Expr) -> bool:
    """Whether the records in a value hold the constraints of their types; reports the first that does not."""
    match required(kind):
        case RecordOf(name) if value is not None:
            fields = study.checked.records[name].fields
            values = {info.slot: value[info.name] for info in fields}
            return all(
                _holds(study, value[info.name], info.type, at) and _constrained(study, info, values, at)
                for info in fields
            )
        case ListOf(item) if value is not None:
            return all(_holds(study, part, item, at) for part in value)
        case MapOf(item) if value is not None:
            return all(_holds(study, part, item, at) for part in value.values())
        case _:
            return True


def _constrained(study: Study, info: FieldInfo, values: Mapping[Any, Any], at: syntax.Expr) -> bool:
    where = info.node.where
    if where is None:
        return True
    try:
        holds = evaluate(where, study.checked, values)
    except NotConstant:
        return True  # it reads what is not known here; the run checks it
    if holds is False:
        value = written(at)
        study.report.add(
            CONSTRAINT_BROKEN,
            at,
            value=value if len(value) <= 60 else "the value",
            condition=written(where),
            name=info.name,
            labels=[Label(where.span, "the constraint")],
        )
    return holds is not False


# ------------------------------------------------------------------ words


def spoken(expr: syntax.Expr) -> str:
    """What an expression is, for a message about its form."""
    match expr:
        case syntax.RecordLit():
            return "a record"
        case syntax.ListLit():
            return "a list"
        case syntax.Call():
            return f"{syntax.dotted(expr.callee) or 'a call'}(…)"
        case _:
            return f"`{expr.span.text}`"
