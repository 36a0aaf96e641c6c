"""What a test may expect: facts of one run, and what to say of an expectation that does not hold.

How to add a fact: its entry in the compiler's table (`compiler/studies/facts.py`), its value in `Facts.of`, and, if
it is an amount, its type in `_TYPES`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import canonical_json
from orchspec.runtime.kernel.expressions import Env, ExpressionError, compile_expr, operands_of
from orchspec.runtime.kernel.wording import expression_text, shape

if TYPE_CHECKING:
    from orchspec.compiler.plan import Expectation, Expr, Plan, TypeExpr
    from orchspec.runtime.kernel.access import Compiled
    from orchspec.runtime.kernel.values import Codecs

__all__ = ["Facts", "Outcome", "judge_expectation"]

SECOND: Final = 1_000_000
_COMPARISONS: Final = ("eq", "ne", "lt", "le", "gt", "ge", "in")
_TYPES: Final[dict[str, TypeExpr]] = {"cost": "Money", "latency": "Duration"}
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_SHOWN: Final = 120


@dataclass(slots=True)
class Facts:
    """What happened in one run, in inner values: money in pico-dollars, times in microseconds.

    `result` is that of the flow in its inner form, `error` says why there is none.
    """

    status: str = "unended"
    result: Any = None
    error: str | None = None
    cost_pico: int = 0
    tokens: int = 0
    retries: int = 0
    latency_us: int = 0
    calls: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    reached: frozenset[str] = frozenset()

    def of(self, name: str, target: str | None) -> Any:
        """The fact of that name.

        Raises:
            ExpressionError: the result of a run that has none.
        """
        if name == "result" and target is not None:  # `result == none`
            return self.result if self.status == "completed" else None
        if target is not None:
            if name == "reached":
                return target in self.reached
            return (self.calls if name == "calls" else self.attempts).get(target, 0)
        if name == "result" and self.status != "completed":
            why = f": {self.error}" if self.error else ""
            raise ExpressionError(f"there is no result, the run {_ended(self.status)}{why}")
        return {
            "status": self.status,
            "result": self.result,
            "cost": self.cost_pico,
            "tokens": self.tokens,
            "retries": self.retries,
            "latency": self.latency_us,
        }[name]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One expectation: whether it held, and, where it did not, what was found instead; `node` is that of the plan."""

    node: int
    text: str
    held: bool
    found: str = ""


def judge_expectation(plan: Plan, flow: str, codecs: Codecs, expectation: Expectation, facts: Facts) -> Outcome:
    """Hold an expectation against the facts of a run; an expectation that cannot be evaluated does not hold."""
    judge = _Judge(plan, flow, codecs, facts)
    try:
        if judge.value(expectation.expr) is True:
            return Outcome(expectation.node, expectation.text, held=True)
    except ExpressionError:
        pass  # said below, of the part that failed
    return Outcome(expectation.node, expectation.text, held=False, found=judge.explain(expectation))


class _Judge:
    def __init__(self, plan: Plan, flow: str, codecs: Codecs, facts: Facts) -> None:
        self.plan = plan
        self.flow = flow
        self.codecs = codecs
        self.facts = facts

    def value(self, expr: Expr) -> Any:
        return compile_expr(expr, {"fact": self._leaf})(Env([]))

    def _leaf(self, expr: Expr) -> Compiled:
        _, name, target = expr
        return lambda _frame: self.facts.of(name, target)

    # -------------------------------------------------------------- what was found

    def explain(self, expectation: Expectation) -> str:
        """Each part of a conjunction that did not hold, with what stood there."""
        parts = _conjunction(expectation.expr)
        said = []
        for part in parts:
            try:
                if self.value(part) is True:
                    continue
                said.append(self._found(part))
            except ExpressionError as error:
                said.append(str(error) if len(parts) == 1 else f"{self._text(part)}: {error}")
                break  # what stands behind was not looked at
        return "; ".join(said)

    def _found(self, part: Expr) -> str:
        text = self._text(part)
        if part[0] in _COMPARISONS:
            left, right = part[1], part[2]
            open_sides = [side for side in (left, right) if side[0] != "const"]
            if len(open_sides) == 1:
                return f"{text}: it was {self._shown(open_sides[0])}"
            return f"{text}: the left was {self._shown(left)}, the right was {self._shown(right)}"
        if part[0] == "fact":
            return f"{text}: it was not"
        found = {self._text(fact): self._shown(fact) for fact in _facts_in(part)}
        return f"{text}: " + ", ".join(f"{name} was {value}" for name, value in found.items())

    def _shown(self, expr: Expr) -> str:
        try:
            value = self.value(expr)
        except ExpressionError as error:
            return f"undefined ({error})"
        if expr[0] == "fact" and expr[1] == "status":
            return str(value)
        return self._written(value, self._type(expr))

    def _text(self, expr: Expr) -> str:
        """The part as it would be written, amounts with their units."""
        names: list[str] = []
        return expression_text(self._named(expr, names), [names])

    def _named(self, expr: Expr, names: list[str]) -> Expr:
        """The expression with a named slot for each fact, and for each constant with a notation of its own."""
        op = expr[0]
        if op == "const":
            return expr
        if op == "fact":
            plain = expr[2] is None or expr[1] == "result"
            return _slot(names, expr[1] if plain else f"{expr[1]}({expr[2]})")
        if op in _COMPARISONS:
            left, right = expr[1], expr[2]
            return [op, self._side(left, right, names), self._side(right, left, names)]
        if op == "record":
            return [*expr[:-1], [[name, self._named(value, names)] for name, value in expr[-1]]]
        if op == "list":
            return [op, [self._named(part, names) for part in expr[1]]]
        if op == "call":
            return [op, expr[1], [self._named(part, names) for part in expr[2]], *expr[3:]]
        return [self._named(part, names) if isinstance(part, (list, tuple)) else part for part in expr]

    def _side(self, side: Expr, other: Expr, names: list[str]) -> Expr:
        if side[0] != "const":
            return self._named(side, names)
        if other[0] == "fact" and other[1] == "status":
            return _slot(names, str(side[1]))
        return _slot(names, self._written(side[1], self._type(other)))

    def _written(self, value: Any, type_: TypeExpr | None) -> str:
        if value is None:
            return "none"
        if isinstance(type_, (list, tuple)) and type_[0] == "Option":
            return self._written(value, type_[1])
        if type_ == "Duration":
            return _duration(value)
        if type_ == "Money":
            return _money(self.codecs.of(type_).encode(value))
        if isinstance(type_, (list, tuple)) and type_[0] == "Enum":
            return f"{type_[1]}.{value}"
        if type_ is not None and isinstance(value, (list, dict)):
            text = canonical_json(self.codecs.of(type_).encode(value))
            return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
        return shape(value)

    def _type(self, expr: Expr) -> TypeExpr | None:
        """The type of what facts give and fields of it, so that amounts are written with their units."""
        op = expr[0]
        if op == "fact":
            return self.plan.flows[self.flow].result if expr[1] == "result" else _TYPES.get(expr[1])
        if op in ("field", "field?"):
            base = self._type(expr[1])
            if op == "field?" and isinstance(base, (list, tuple)):
                base = base[1]
            if isinstance(base, (list, tuple)) and base[0] == "Record":
                fields = self.plan.types[base[1]].fields
                return next((each.type for each in fields if each.name == expr[2]), None)
        if op in ("index", "lookup"):
            base = self._type(expr[1])
            return base[1] if isinstance(base, (list, tuple)) and base[0] in ("List", "Map") else None
        return expr[1] if op in ("add", "sub", "mul", "div") else None


def _slot(names: list[str], name: str) -> Expr:
    names.append(name)
    return ["ref", 0, len(names) - 1]


def _conjunction(expr: Expr) -> list[Expr]:
    if expr[0] != "and":
        return [expr]
    return [*_conjunction(expr[1]), *_conjunction(expr[2])]


def _facts_in(expr: Expr) -> list[Expr]:
    if expr[0] == "fact":
        return [expr]
    found: dict[str, Expr] = {}
    for part in operands_of(expr):
        found.update({str(fact): fact for fact in _facts_in(part)})
    return list(found.values())


def _ended(status: str) -> str:
    return {"unended": "did not end", "budget_exhausted": "ran out of its budget"}.get(status, status)


def _money(amount: str) -> str:
    """An amount as a spec writes it: `$2`, `$0.20`, `$0.0015`."""
    _, point, cents = amount.partition(".")
    return f"${amount}{'0' if point and len(cents) == 1 else ''}"


def _duration(us: int) -> str:
    """A time as a spec writes it: `3min`, `1.5s`, `0s`."""
    for name, seconds in _UNITS:
        if us and us % (seconds * SECOND) == 0:
            return f"{us // (seconds * SECOND)}{name}"
    return f"{us / SECOND:.6f}".rstrip("0").rstrip(".") + "s"
