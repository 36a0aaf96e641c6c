"""`choice`: one of several values, or of the members of an enum, each with its share; and what cannot be sampled."""

from __future__ import annotations

from typing import Any

from orchspec.compiler.codes.names import UNKNOWN_MEMBER
from orchspec.compiler.codes.studies import IMPOSSIBLE_DISTRIBUTION, MISFIT_DISTRIBUTION
from orchspec.compiler.codes.types import DUPLICATE_ARGUMENT, TYPE_MISMATCH
from orchspec.compiler.plan import Dist
from orchspec.compiler.report import did_you_mean, replace
from orchspec.compiler.studies.context import FAILED, Failed, Study
from orchspec.compiler.studies.values import constant, inner_value
from orchspec.compiler.types import BOOL, PERCENT, EnumOf, ListOf, Type, required, show
from orchspec.grammar import syntax

__all__ = ["SUM_TOLERANCE", "choice", "impossible", "misfit", "share"]

SUM_TOLERANCE = 1e-9


def share(study: Study, expr: syntax.Expr, what: str) -> float | Failed:
    """A share in 0..1, written in percent."""
    found = constant(study, expr, what)
    if found is None:
        return FAILED
    if found.type != PERCENT:
        study.report.add(TYPE_MISMATCH, expr, what=what, found=show(found.type), expected="Percent, such as 5%")
        return FAILED
    if not 0 <= found.value <= 1:
        impossible(study, expr, f"{what} lies between 0% and 100%")
        return FAILED
    return float(found.value)


def choice(study: Study, expr: syntax.Call, want: Type, what: str) -> Dist | Failed:
    """The distribution of `choice(value, ...)`, `choice(30%: value, ...)` or `choice(member: 30%, ...)`."""
    if not expr.args:
        impossible(study, expr, "choice has nothing to choose from")
        return FAILED
    labelled = [arg for arg in expr.args if arg.label is not None]
    weighted = [arg for arg in expr.args if arg.key is not None]
    if labelled and len(labelled) == len(expr.args):
        return _choice_of_members(study, expr, want)
    if labelled or (weighted and len(weighted) < len(expr.args)):
        impossible(study, expr, "either all choices have a share or none")
        return FAILED
    swapped = [arg for arg in weighted if isinstance(arg.value, syntax.PercentLit)]
    if swapped and not any(isinstance(arg.key, syntax.PercentLit) for arg in weighted):
        return _shares_last(study, expr, swapped)
    values = [inner_value(study, arg.value, want, what) for arg in expr.args]
    shares = [share(study, arg.key, "a share") if arg.key is not None else 1 / len(expr.args) for arg in expr.args]
    parts = [(value, part) for value, part in zip(values, shares, strict=True) if not isinstance(part, Failed)]
    if len(parts) < len(shares) or any(isinstance(value, Failed) for value in values):
        return FAILED
    made = _shares(study, expr, parts)
    return FAILED if isinstance(made, Failed) else ["choice", made]


def _shares_last(study: Study, expr: syntax.Call, swapped: list[syntax.Arg]) -> Failed:
    """Reports `choice(1s: 50%, ...)`: only a member has its name before its share."""
    parts = [f"{arg.value.span.text}: {arg.key.span.text}" for arg in swapped if arg.key is not None]
    meant = f"mixture({', '.join(parts)})"
    problem = "a value with a share has the share first; its name stands before it for a member of an enum only"
    fix = replace(expr, meant) if len(swapped) == len(expr.args) else None
    study.report.add(IMPOSSIBLE_DISTRIBUTION, expr, problem=problem, fix=fix)
    return FAILED


def _choice_of_members(study: Study, expr: syntax.Call, want: Type) -> Dist | Failed:
    kind = required(want)
    if not isinstance(kind, EnumOf):
        return misfit(study, expr, "choice(member: P, ...)", want)
    members = study.checked.enums[kind.name].members
    parts: list[tuple[str, float]] = []
    given: dict[str, syntax.Node] = {}
    for arg in expr.args:
        assert arg.label is not None
        name = arg.label.text
        if name not in members:
            fix = did_you_mean(name, arg.label, members)
            study.report.add(UNKNOWN_MEMBER, arg.label, type=kind.name, name=name, fix=fix)
            return FAILED
        part = share(study, arg.value, f"the share of `{name}`")
        if isinstance(part, Failed) or not study.once(DUPLICATE_ARGUMENT, given, arg.label):
            return FAILED
        parts.append((name, part))
    made = _shares(study, expr, parts)
    return FAILED if isinstance(made, Failed) else ["choice", made]


def _shares(study: Study, expr: syntax.Call, parts: list[tuple[Any, float]]) -> list[list[Any]] | Failed:
    total = sum(part[1] for part in parts)
    if abs(total - 1) > SUM_TOLERANCE:
        impossible(study, expr, f"the shares sum to {total * 100:.6g}%, not to 100%")
        return FAILED
    return [list(part) for part in parts]


def misfit(study: Study, expr: syntax.Expr, law: str, want: Type) -> Failed:
    """Reports a law that does not sample what is wanted."""
    study.report.add(MISFIT_DISTRIBUTION, expr, law=f"`{law}`", expected=_sampled(want))
    return FAILED


def _sampled(want: Type) -> str:
    match required(want):
        case EnumOf(name):
            return f"the enum {name}; write `choice(member: P, ...)`"
        case ListOf():
            return f"{show(want)}; write `size(D)`"
        case kind if kind == BOOL:
            return "Bool; write `chance(P)`"
        case _:
            return show(want)


def impossible(study: Study, expr: syntax.Node, problem: str) -> None:
    """Reports a distribution that leaves nothing to sample."""
    study.report.add(IMPOSSIBLE_DISTRIBUTION, expr, problem=problem)
