"""Constants that are handed over keep the constraint of what they are for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from orchspec.compiler.constants import NotConstant, evaluate
from orchspec.compiler.context import Context
from orchspec.compiler.declarations import constrain
from orchspec.compiler.expressions import Typer
from orchspec.compiler.model import FieldInfo, Slot
from orchspec.compiler.types import is_unknown
from orchspec.grammar.syntax import Expr

__all__ = ["constants_that_break"]


def constants_that_break(context: Context) -> None:
    """Reports constant arguments, and constant fields of records, that break their `where`."""
    checked = context.checked
    typer = Typer(context)
    for arguments in chain(
        (step.arguments for step in checked.steps.values()),
        (look.arguments for look in checked.evals.values()),
        (send.arguments for send in checked.sends.values()),
    ):
        _constrain(typer, ((argument.param, argument.value) for argument in arguments))
    for parts in list(checked.literals.values()):
        _constrain(typer, parts)


def _constrain(typer: Typer, parts: Iterable[tuple[FieldInfo, Expr | None]]) -> None:
    """What is given for each parameter or field, in order: a constraint may read what stands before."""
    values: dict[Slot, Any] = {}
    for field, given in parts:
        expr = field.node.default if given is None else given
        if expr is None or is_unknown(field.type):
            continue
        try:
            value = evaluate(expr, typer.checked)
        except NotConstant:
            continue
        values[field.slot] = value
        if given is not None and value is not None and field.node.where is not None:
            constrain(typer, field.name, field.node.where, values, value, field.type, given)
