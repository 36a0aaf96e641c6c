"""Verdicts on expectations: passed, failed, or undecided, by the intervals and not by the point values.

An expectation is a small tree of lists, as the plan carries it:

    ["and" | "or", a, b, ...]   ["not", a]   ["le" | "lt" | "ge" | "gt" | "eq" | "ne", x, y]
    x, y:  ["const", number]   ["kpi", name, statistic or null, target or null]
           ["add" | "sub" | "mul" | "div", "Float", x, y]   (the type, as everywhere in a plan, may be left out)

Constants are in the units of the KPIs: seconds, USD, shares in 0..1, counts. Logic is Kleene's: a conjunction fails
with one failed part even if others are undecided. Arithmetic is that of intervals (R. E. Moore, 1966).

Three comparisons cannot be decided by an interval, which never shrinks to a point, and go by witness instead: a share
or count `== 0`, a share `== 100%`, and a `max` below a bound, or at it. They fail at the first witness against them,
else they pass as "none in n", which says with 95 % confidence that at most 3 in n are otherwise. What stays undecided
says what would decide it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from orchspec.simulator.estimate import NO_VARIANCE, Estimate
from orchspec.simulator.kpis import KPIS, Measures
from orchspec.simulator.units import format_bound, format_interval, format_quantity

__all__ = ["Expression", "Outcome", "Verdict", "judge"]

#: A tree of lists, strings and numbers, as JSON gives it.
Expression: TypeAlias = Sequence[Any]
Outcome = Literal["passed", "failed", "undecided"]

_SIGNS = {"le": "<=", "lt": "<", "ge": ">=", "gt": ">", "eq": "==", "ne": "!="}
_MIRRORED = {"le": "ge", "lt": "gt", "ge": "le", "gt": "lt", "eq": "eq", "ne": "ne"}
_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
#: Simulated times are sums of floats; a difference below this share is none.
_EXACT = 1e-9
#: So many times the runs are no advice.
_FAR = 99.0


@dataclass(slots=True, frozen=True)
class Verdict:
    """What came of an expectation, and why, with the values and intervals it went by."""

    outcome: Outcome
    reason: str


@dataclass(slots=True, frozen=True)
class _Operand:
    """One side of a comparison: an interval, how it is written, and the KPI if it is nothing but one."""

    value: float
    lo: float
    hi: float
    text: str
    unit: str = ""
    constant: bool = False
    estimate: Estimate | None = None
    statistic: str | None = None


def judge(expression: Expression, measures: Measures) -> Verdict:
    """Judge an expectation by the KPIs of `measures`, whose `level` is that of each look.

    Raises `ValueError` for a tree that is not as described above: plans are checked before they get here.
    """
    head = expression[0]
    if head in {"and", "or"}:
        parts = [judge(part, measures) for part in expression[1:]]
        decisive: Outcome = "failed" if head == "and" else "passed"
        neutral: Outcome = "passed" if head == "and" else "failed"
        outcomes = {part.outcome for part in parts}
        outcome: Outcome = decisive if decisive in outcomes else "undecided" if "undecided" in outcomes else neutral
        return Verdict(outcome, "; ".join(part.reason for part in parts))
    if head == "not":
        part = judge(expression[1], measures)
        return Verdict(_negated(part.outcome), f"not so: {part.reason}")
    if head in _SIGNS:
        return _compare(head, _operand(expression[1], measures), _operand(expression[2], measures), measures.level)
    raise ValueError(f"unknown operation {head!r} in an expectation: expected a comparison, and, or, not")


def _negated(outcome: Outcome) -> Outcome:
    if outcome == "undecided":
        return outcome
    return "failed" if outcome == "passed" else "passed"


# Comparisons -------------------------------------------------------------------------------------------------------


def _compare(operator: str, left: _Operand, right: _Operand, level: float) -> Verdict:
    if left.constant and not right.constant:
        operator, left, right = _MIRRORED[operator], right, left
    if operator == "ne":
        equal = _compare("eq", left, right, level)
        other = _negated(equal.outcome)
        reason = equal.reason.replace(" == ", " != ", 1).replace(f": {equal.outcome}", f": {other}", 1)
        return Verdict(other, reason)
    outcome, why = _by_witness(operator, left, right)
    if outcome is None:
        outcome = _by_interval(operator, left, right)
        why = _missing(left, right) if outcome == "undecided" else ""
    needed = f"{_SIGNS[operator]} {_written(right, left.unit, level)}"
    found = _written(left, right.unit, level)
    return Verdict(outcome, f"{found}, expected {needed}: {outcome}" + (f" ({why})" if why else ""))


def _by_interval(operator: str, left: _Operand, right: _Operand) -> Outcome:
    if any(math.isnan(end) for end in (left.lo, left.hi, right.lo, right.hi)):
        return "undecided"
    if operator in {"ge", "gt"}:
        operator, left, right = _MIRRORED[operator], right, left
    if operator == "eq":
        if _same(left.lo, left.hi) and _same(right.lo, right.hi):
            return "passed" if _same(left.lo, right.lo) else "failed"
        return "failed" if left.hi < right.lo or left.lo > right.hi else "undecided"
    if _same(left.lo, left.hi) and _same(right.lo, right.hi) and _same(left.lo, right.lo):
        return "passed" if operator == "le" else "failed"
    if left.hi < right.lo or (operator == "le" and left.hi == right.lo):
        return "passed"
    return "failed" if left.lo > right.hi or (operator == "lt" and left.lo == right.hi) else "undecided"


def _by_witness(operator: str, left: _Operand, right: _Operand) -> tuple[Outcome | None, str]:
    """Decide what only a witness can decide; `None` leaves it to the interval."""
    known = left.estimate
    if known is None or not right.constant:
        return None, ""
    bound = right.value
    rate = known.trials is not None
    if rate and known.trials == 0:
        return "undecided", "0/0: it never came up"
    if math.isnan(known.value):
        return None, ""
    if bound == 0.0 and operator in {"eq", "le", "gt"}:
        none = known.value == 0.0
        why = _none_in(known.trials if known.trials is not None else known.n) if none else "there is one"
        return ("passed" if none is (operator != "gt") else "failed"), why
    if rate and bound == 1.0 and operator in {"eq", "ge", "lt"}:
        every = known.events == known.trials
        why = _none_in(known.trials or 0, "otherwise ") if every else "there is one otherwise"
        return ("passed" if every is (operator != "lt") else "failed"), why
    if left.statistic == "max" and operator == "eq" and (known.value > bound or _same(known.value, bound)):
        reached = _same(known.value, bound)
        return ("passed", _none_in(known.n, "beyond ")) if reached else ("failed", "there is one beyond")
    if left.statistic == "max" and operator in {"le", "lt"}:
        within = known.value <= bound if operator == "le" else known.value < bound
        return ("passed", _none_in(known.n, "beyond ")) if within else ("failed", "there is one beyond")
    return None, ""


def _missing(left: _Operand, right: _Operand) -> str:
    """What would decide it: an interval narrows with the root of the number of runs."""
    if not right.constant or any(math.isnan(each) for each in (left.value, left.lo, left.hi)):
        return ""
    if math.isinf(left.value):
        return "runs that have not ended leave it open"
    end = left.hi if right.value >= left.value else left.lo
    if left.estimate is not None and NO_VARIANCE in left.estimate.note and math.isinf(end):
        return "no number of runs bounds it from above: its variance is infinite; expect a quantile"
    if math.isinf(end):
        return "too few runs to bound it on that side; --runs measures more"
    off = abs(left.value - right.value)
    times = (abs(end - left.value) / off) ** 2 if off else math.inf
    if times > _FAR:
        return "too near its bound to be told from it"
    return f"about {max(times, 1.1):.2g} times as many runs would tell; --runs measures more"


def _none_in(trials: int, what: str = "") -> str:
    return f"none {what}in {trials}, at most 3/{trials}" if trials > 3 else f"none {what}in {trials}"


def _same(a: float, b: float) -> bool:
    return a == b or math.isclose(a, b, rel_tol=_EXACT, abs_tol=0.0)


def _written(operand: _Operand, unit: str, level: float) -> str:
    unit = operand.unit or unit
    if operand.constant:
        return format_bound(operand.value, unit)
    like = operand.value if math.isfinite(operand.value) else operand.lo
    value = format_quantity(operand.value, unit, like)
    if operand.estimate is not None and operand.estimate.note == "0/0":
        return f"{operand.text} is 0/0"
    if _same(operand.lo, operand.hi) and _same(operand.lo, operand.value):
        return f"{operand.text} is {value}"
    span = format_interval(operand.lo, operand.hi, unit, like)
    return f"{operand.text} is {value} ({100.0 * level:.4g} % interval: {span})"


# Operands ----------------------------------------------------------------------------------------------------------


def _operand(expression: Expression, measures: Measures) -> _Operand:
    head = expression[0]
    if head == "const":
        value = float(expression[1])
        return _Operand(value, value, value, f"{value:g}", constant=True)
    if head == "kpi":
        _, name, statistic, target = expression
        known = measures.estimate(name, statistic, target)
        kpi = KPIS[name]
        if kpi.shape == "runs":
            text = f"{statistic or 'mean'}({name})"
        else:
            text = f"{name}({target})" if target else str(name)
        shown = statistic or ("mean" if kpi.shape == "runs" else None)
        return _Operand(known.value, known.lo, known.hi, text, kpi.unit, estimate=known, statistic=shown)
    if head in _ARITHMETIC:
        left, right = expression[-2:]
        return _combine(head, _operand(left, measures), _operand(right, measures))
    raise ValueError(f"unknown value {head!r} in an expectation: expected const, kpi, add, sub, mul or div")


def _combine(operator: str, left: _Operand, right: _Operand) -> _Operand:
    lo, hi = _ARITHMETIC[operator](left, right)
    value = _apply(operator, left.value, right.value)
    text = f"({left.text} {_OPERATORS[operator]} {right.text})"
    if operator in {"add", "sub"}:
        unit = left.unit or right.unit
    else:
        # A product with a number keeps its unit; anything else is a plain number.
        unit = left.unit if right.constant else right.unit if left.constant and operator == "mul" else ""
    return _Operand(value, lo, hi, text, unit, left.constant and right.constant)


def _apply(operator: str, a: float, b: float) -> float:
    if operator == "add":
        return a + b
    if operator == "sub":
        return a - b
    if operator == "mul":
        return a * b
    return a / b if b != 0.0 else math.nan


def _sum(left: _Operand, right: _Operand) -> tuple[float, float]:
    return left.lo + right.lo, left.hi + right.hi


def _difference(left: _Operand, right: _Operand) -> tuple[float, float]:
    return left.lo - right.hi, left.hi - right.lo


def _product(left: _Operand, right: _Operand) -> tuple[float, float]:
    return _extremes([a * b for a in (left.lo, left.hi) for b in (right.lo, right.hi)])


def _quotient(left: _Operand, right: _Operand) -> tuple[float, float]:
    if math.isnan(right.lo) or math.isnan(right.hi) or right.lo <= 0.0 <= right.hi:
        return math.nan, math.nan
    return _extremes([a / b for a in (left.lo, left.hi) for b in (right.lo, right.hi)])


def _extremes(ends: list[float]) -> tuple[float, float]:
    # 0 * inf is not a number: nothing is known then.
    return (math.nan, math.nan) if any(math.isnan(end) for end in ends) else (min(ends), max(ends))


_ARITHMETIC: dict[str, Callable[[_Operand, _Operand], tuple[float, float]]] = {
    "add": _sum,
    "sub": _difference,
    "mul": _product,
    "div": _quotient,
}
