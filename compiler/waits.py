"""`wait`: for how long, or until when."""

from __future__ import annotations

from orchspec.compiler.codes import types as codes
from orchspec.compiler.codes.declarations import OUT_OF_RANGE
from orchspec.compiler.constants import NotConstant, evaluate, written
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.types import DURATION, NOTHING, TIME, Type, is_unknown, show
from orchspec.grammar.syntax import DurationLit, Expr, Wait

__all__ = ["check_wait"]


def check_wait(typer: Typer, node: Wait, env: Env) -> Type:
    """Checks a wait of a block; it gives nothing."""
    found = typer.root(node.value, env)
    if found not in (DURATION, TIME) and not is_unknown(found):
        expected = "a Duration such as 10min, or a Time"
        typer.report.add(
            codes.TYPE_MISMATCH, node.value, what="what `wait` waits for", found=show(found), expected=expected
        )
    elif found == DURATION:
        _long_enough(typer, node.value)
    return NOTHING


def _long_enough(typer: Typer, expr: Expr) -> None:
    """Reports a wait for no time."""
    try:
        value = evaluate(expr, typer.checked)
    except NotConstant:
        return
    # A param may be set to 0, to wait for nothing now and then.
    if value < 0 or (value == 0 and isinstance(expr, DurationLit)):
        found = written(value, DURATION)
        typer.report.add(OUT_OF_RANGE, expr, name="wait", found=found, expected="more than no time")
