"""Arrivals: when runs start, checked and lowered. To add a law, write a function and name it in `ARRIVALS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchspec.compiler.codes.studies import IMPOSSIBLE_LOAD, UNKNOWN_ARRIVALS
from orchspec.compiler.codes.types import TYPE_MISMATCH
from orchspec.compiler.report import did_you_mean
from orchspec.compiler.studies.arguments import Parameter, bind
from orchspec.compiler.studies.context import FAILED, Failed, Study
from orchspec.compiler.studies.distributions import distribution, read_column
from orchspec.compiler.studies.values import constant
from orchspec.compiler.types import DURATION, INT, RATE, Type, show
from orchspec.grammar import syntax

__all__ = ["ARRIVALS", "USERS_MAX", "check_arrivals"]

USERS_MAX = 1_000_000
"""How many users a closed load may have."""

_HINTS: Mapping[Type, str] = {RATE: "Rate, such as 6 / 1min", DURATION: "Duration, such as 10s", INT: "Int"}


def check_arrivals(study: Study, expr: syntax.Expr) -> list[Any] | Failed:
    """The arrivals of a scenario, in the form of a plan."""
    name = syntax.dotted(expr.callee) if isinstance(expr, syntax.Call) else syntax.dotted(expr)
    law = ARRIVALS.get(name or "")
    if law is not None and isinstance(expr, syntax.Call):
        return law(study, expr)
    if not isinstance(expr, syntax.Hole):
        at = expr.callee if isinstance(expr, syntax.Call) else expr
        fix = None if law is not None else did_you_mean(name or "", at, ARRIVALS)
        notes = ["write its arguments, as in `poisson(6 / 1min)`"] if law is not None else []
        study.report.add(UNKNOWN_ARRIVALS, at, name=name or expr.span.text, fix=fix, notes=notes)
    return FAILED


def _positive(study: Study, expr: syntax.Expr, name: str, want: Type) -> Any | Failed:
    """A positive constant of a type."""
    found = constant(study, expr, f"`{name}`")
    if found is None:
        return FAILED
    if found.type != want:
        study.report.add(TYPE_MISMATCH, expr, what=f"`{name}`", found=show(found.type), expected=_HINTS[want])
        return FAILED
    if found.value <= 0:
        study.report.add(IMPOSSIBLE_LOAD, expr, problem=f"`{name}` must be above 0, found {expr.span.text}")
        return FAILED
    return found.value


def _of(study: Study, expr: syntax.Call, name: str, types: Mapping[str, Type]) -> list[Any] | Failed:
    """The law with positive constants for its arguments, in order."""
    bound = bind(study, expr, name, [Parameter(each) for each in types])
    if bound is None:
        return FAILED
    values = [_positive(study, bound[each], each, kind) for each, kind in types.items()]
    return FAILED if any(isinstance(value, Failed) for value in values) else [name, *values]


def _poisson(study: Study, expr: syntax.Call) -> list[Any] | Failed:
    return _of(study, expr, "poisson", {"rate": RATE})


def _every(study: Study, expr: syntax.Call) -> list[Any] | Failed:
    return _of(study, expr, "every", {"period": DURATION})


def _burst(study: Study, expr: syntax.Call) -> list[Any] | Failed:
    made = _of(study, expr, "burst", {"calm": RATE, "peak": RATE, "every": DURATION, "lasting": DURATION})
    if not isinstance(made, Failed) and made[4] >= made[3]:
        study.report.add(IMPOSSIBLE_LOAD, expr, problem="a peak must end before the next: `lasting` is below `every`")
        return FAILED
    return made


def _closed(study: Study, expr: syntax.Call) -> list[Any] | Failed:
    bound = bind(study, expr, "closed", [Parameter("users"), Parameter("think")])
    if bound is None:
        return FAILED
    users = _positive(study, bound["users"], "users", INT)
    if not isinstance(users, Failed) and users > USERS_MAX:
        study.report.add(IMPOSSIBLE_LOAD, bound["users"], problem=f"`users` is at most {USERS_MAX}")
        return FAILED
    think = distribution(study, bound["think"], DURATION, "`think`", negative=False)
    return FAILED if isinstance(users, Failed) or isinstance(think, Failed) else ["closed", users, think]


def _trace(study: Study, expr: syntax.Call) -> list[Any] | Failed:
    found = read_column(study, expr, "trace", "times")
    return FAILED if isinstance(found, Failed) else ["trace", *found]


ARRIVALS: Mapping[str, Callable[[Study, syntax.Call], list[Any] | Failed]] = {
    "poisson": _poisson,
    "every": _every,
    "burst": _burst,
    "closed": _closed,
    "trace": _trace,
}
"""The laws of arrivals by name."""
