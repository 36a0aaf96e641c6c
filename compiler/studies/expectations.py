"""What a scenario expects: KPIs, compared in their units.

Everything is reduced to the units of the KPIs (seconds, USD, shares, counts, events a second), constants are computed.
"""

from __future__ import annotations

from typing import Any, Literal

from orchspec.compiler.codes.studies import BAD_KPI, NOT_AN_EXPECTATION, UNIT_MISMATCH, UNKNOWN_KPI
from orchspec.compiler.lowering.wording import written
from orchspec.compiler.names import is_opaque
from orchspec.compiler.plan import Expectation
from orchspec.compiler.report import did_you_mean, listed
from orchspec.compiler.studies.context import Constant, Study
from orchspec.compiler.studies.kpis import KPIS, STATISTICS, Kpi, Unit
from orchspec.compiler.studies.values import constant
from orchspec.compiler.types import DURATION, FLOAT, INT, MONEY, PERCENT, RATE, Type, show
from orchspec.grammar import syntax
from orchspec.slotted import dataclass

__all__ = ["check_expectation"]

_COMPARISONS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_SPOKEN: dict[str, str] = {
    "Duration": "a time",
    "Money": "money",
    "Share": "a share (in percent)",
    "Count": "a count",
    "Number": "a number",
    "Rate": "a rate",
}
_UNITS: dict[Type, tuple[Unit, float]] = {
    INT: ("Number", 1.0),
    FLOAT: ("Number", 1.0),
    DURATION: ("Duration", 1e6),
    MONEY: ("Money", 1e12),
    PERCENT: ("Share", 1.0),
    RATE: ("Rate", 1.0),
}
"""The unit of a constant, and how many of its inner units make one of the KPI's."""


@dataclass(frozen=True, slots=True)
class _Value:
    unit: Unit | Literal["Bool"]
    expr: list[Any]

    @property
    def constant(self) -> bool:
        return bool(self.expr[0] == "const")


def check_expectation(study: Study, node: syntax.Expect) -> Expectation | None:
    """What a scenario expects, lowered; none after reporting what is wrong with it."""
    value = _Reader(study).condition(node.condition)
    return None if value is None else Expectation(study.nodes[node], written(node.condition), value)


class _Reader:
    """Types and lowers one expectation."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.report = study.report

    def condition(self, expr: syntax.Expr) -> list[Any] | None:
        """A comparison, or several joined."""
        match expr:
            case syntax.Binary(op, left, right) if op in ("and", "or"):
                one, other = self.condition(left), self.condition(right)
                return None if one is None or other is None else [op, one, other]
            case syntax.Not(operand):
                inner = self.condition(operand)
                return None if inner is None else ["not", inner]
            case syntax.Binary(op) if op in _COMPARISONS:
                return self._comparison(expr, expr.left, expr.right, _COMPARISONS[op])
            case syntax.Binary("in", left, syntax.Range(low, high)):
                least = self._comparison(expr, left, low, "ge")
                most = self._comparison(expr, left, high, "le") if least is not None else None
                return None if least is None or most is None else ["and", least, most]
            case syntax.Hole():
                return None
            case _:
                value = self._value(expr)
                if value is not None:
                    problem = f"{_SPOKEN[value.unit]} is no expectation; compare it with a bound"
                    self.report.add(NOT_AN_EXPECTATION, expr, problem=problem)
                return None

    def _comparison(self, expr: syntax.Expr, one: syntax.Expr, other: syntax.Expr, how: str) -> list[Any] | None:
        left, right = self._value(one), self._value(other)
        if left is None or right is None:
            return None
        if left.constant and right.constant:
            self.report.add(NOT_AN_EXPECTATION, expr, problem="two constants are compared, and no KPI")
            return None
        if _joint(left, right) is None:
            self._mismatch(expr, one, other, left, right)
            return None
        return [how, left.expr, right.expr]

    def _mismatch(self, expr: syntax.Expr, one: syntax.Expr, other: syntax.Expr, left: _Value, right: _Value) -> None:
        notes = [
            f"{kpi} is {_SPOKEN[value.unit]}"
            for side, value in ((one, left), (other, right))
            if not value.constant and (kpi := written(side))
        ]
        self.report.add(UNIT_MISMATCH, expr, left=_SPOKEN[left.unit], right=_SPOKEN[right.unit], notes=notes)

    def _value(self, expr: syntax.Expr) -> _Value | None:
        match expr:
            case syntax.Name(text) if text in KPIS:
                return self._bare(expr, KPIS[text])
            case syntax.Call():
                return self._call(expr)
            case syntax.Unary(_, operand):
                inner = self._value(operand)
                if inner is None or inner.constant:
                    return None if inner is None else _Value(inner.unit, ["const", -inner.expr[1]])
                return _Value(inner.unit, ["sub", "Float", ["const", 0.0], inner.expr])
            case syntax.Binary(op) if op in _ARITHMETIC:
                return self._arithmetic(expr)
            case syntax.Name(text) if self.study.base.find("params", expr, text) is None:
                if not is_opaque(self.study.base, expr, text):
                    self.report.add(UNKNOWN_KPI, expr, name=text, fix=did_you_mean(text, expr, KPIS))
                return None
            case _:
                return self._constant(expr)

    def _constant(self, expr: syntax.Expr) -> _Value | None:
        found = constant(self.study, expr, "a bound")
        return None if found is None else self._in_units(expr, found)

    def _in_units(self, expr: syntax.Expr, found: Constant) -> _Value | None:
        unit = _UNITS.get(found.type)
        if unit is None:
            self.report.add(NOT_AN_EXPECTATION, expr, problem=f"no KPI is compared with {show(found.type)}")
            return None
        return _Value(unit[0], ["const", found.value / unit[1]])

    def _arithmetic(self, expr: syntax.Binary) -> _Value | None:
        if not any(isinstance(part, syntax.Call) or _names_kpi(part) for part in syntax.walk(expr)):
            return self._constant(expr)
        left, right = self._value(expr.left), self._value(expr.right)
        if left is None or right is None:
            return None
        unit = _result(expr.op, left, right)
        if unit is None:
            self._mismatch(expr, expr.left, expr.right, left, right)
            return None
        return _Value(unit, [_ARITHMETIC[expr.op], "Float", left.expr, right.expr])

    # KPIs ---------------------------------------------------------------------------------------------------------

    def _bare(self, expr: syntax.Name, kpi: Kpi) -> _Value | None:
        if kpi.shape == "pool":
            problem = f"`{kpi.name}` is that of an agent, tool or person: `{kpi.name}(name)`"
            self.report.add(BAD_KPI, expr, problem=problem)
            return None
        return _Value(kpi.unit, ["kpi", kpi.name, "mean" if kpi.shape == "runs" else None, None])

    def _call(self, expr: syntax.Call) -> _Value | None:
        name = syntax.dotted(expr.callee) or ""
        kpi = KPIS.get(name)
        if name not in STATISTICS and kpi is None:
            if name:
                fix = did_you_mean(name, expr.callee, [*STATISTICS, *KPIS])
                self.report.add(UNKNOWN_KPI, expr.callee, name=name, fix=fix)
            return None
        if kpi is not None and kpi.shape != "pool":
            problem = f"`{name}` takes no argument" + (
                f"; a statistic of it is written `p95({name})`" if kpi.shape == "runs" else ""
            )
            self.report.add(BAD_KPI, expr, problem=problem)
            return None
        if len(expr.args) != 1 or expr.args[0].label is not None or expr.args[0].key is not None:
            what = "one agent, tool or person" if kpi is not None else "one KPI"
            self.report.add(BAD_KPI, expr, problem=f"`{name}` takes {what}")
            return None
        return self._statistic(expr, name) if kpi is None else self._pool(expr, kpi)

    def _statistic(self, expr: syntax.Call, statistic: str) -> _Value | None:
        inner = expr.args[0].value
        if isinstance(inner, syntax.Hole):
            return None
        name = syntax.dotted(inner) or ""
        kpi = KPIS.get(name)
        of_runs = [each.name for each in KPIS.values() if each.shape == "runs"]
        if kpi is None:
            fix = did_you_mean(name, inner, of_runs)
            self.report.add(UNKNOWN_KPI, inner, name=name or inner.span.text, fix=fix)
            return None
        if kpi.shape != "runs":
            notes = [f"of single runs are {listed(of_runs)}"]
            problem = f"`{name}` is one number and has no {statistic}"
            self.report.add(BAD_KPI, expr, problem=problem, notes=notes)
            return None
        return _Value(kpi.unit, ["kpi", name, statistic, None])

    def _pool(self, expr: syntax.Call, kpi: Kpi) -> _Value | None:
        inner = expr.args[0].value
        name = syntax.dotted(inner)
        if name is None:
            if not isinstance(inner, syntax.Hole):
                self.report.add(BAD_KPI, inner, problem=f"`{kpi.name}` takes the name of an agent, tool or person")
            return None
        kinds = ("agent", "human", "dispatcher", "tool")
        target = self.study.target(inner, name, kinds)
        if target is None:
            return None
        return _Value(kpi.unit, ["kpi", kpi.name, None, self.study.name_of(target)])


def _names_kpi(node: syntax.Node) -> bool:
    return isinstance(node, syntax.Name) and node.text in KPIS


def _joint(left: _Value, right: _Value) -> Unit | None:
    """The unit in which two values may be compared or added.

    A plain number may stand for a count, a share, or so many a second.
    """
    if left.unit == right.unit:
        return left.unit if left.unit != "Bool" else None
    for one, other in ((left, right), (right, left)):
        if one.unit == "Number" and other.unit in ("Count", "Share", "Rate"):
            return other.unit
    return None


def _result(op: str, left: _Value, right: _Value) -> Unit | None:
    if op in ("+", "-"):
        return _joint(left, right)
    plain = ("Number", "Share", "Count")
    if op == "*":
        if left.unit in ("Number", "Share") and right.unit != "Bool":
            return right.unit
        return left.unit if right.unit in ("Number", "Share") and left.unit != "Bool" else None
    if left.unit == right.unit:
        return "Number"
    if right.unit == "Duration" and left.unit in plain:
        return "Rate"
    return left.unit if right.unit in plain and left.unit != "Bool" else None
