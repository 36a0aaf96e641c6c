"""`wait`: for how long, or until when."""

from __future__ import annotations

from orchspec.compiler.codes import types as codes
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.types import DURATION, NOTHING, TIME, Type, is_unknown, show
from orchspec.grammar.syntax import Wait

__all__ = ["check_wait"]


def check_wait(typer: Typer, node: Wait, env: Env) -> Type:
    """Checks a wait of a block; it gives nothing."""
    found = typer.root(node.value, env)
    if found not in (DURATION, TIME) and not is_unknown(found):
        expected = "a Duration such as 10min, or a Time"
        typer.report.add(
            codes.TYPE_MISMATCH, node.value, what="what `wait` waits for", found=show(found), expected=expected
        )
    return NOTHING
