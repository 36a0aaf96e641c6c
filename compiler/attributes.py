"""Reading attributes and budgets: each once, known where it stands, of the right kind, in its range, constant.

A place says which attributes it knows; `Settings` reports the others and gives the values. What this release does not
build is refused here too, by the same table of names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from orchspec.compiler.codes import declarations as codes
from orchspec.compiler.codes import types as type_codes
from orchspec.compiler.constants import NotConstant, evaluate, written
from orchspec.compiler.context import Context, Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.model import Frame
from orchspec.compiler.places import Place
from orchspec.compiler.plan import Budget, Need, Rate
from orchspec.compiler.report import did_you_mean, listed
from orchspec.compiler.suggestions import of_kind
from orchspec.compiler.types import DURATION, FLOAT, INT, MONEY, PERCENT, RATE, Type, is_unknown, show
from orchspec.grammar.diagnostics import Fix, Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import (
    Attribute,
    Binary,
    Call,
    Expr,
    Hole,
    ListLit,
    Name,
    Node,
)
from orchspec.grammar.syntax import (
    Budget as BudgetNode,
)

__all__ = ["Settings"]

Word = TypeVar("Word", bound=str)

_LIMIT_TYPES: Mapping[str, tuple[Type, str]] = {
    "cost": (MONEY, "cost_pico"),
    "tokens": (INT, "tokens"),
    "time": (DURATION, "time_us"),
    "retries": (INT, "retries"),
    "attempts": (INT, "attempts"),
    "depth": (INT, "depth"),
    "transitions": (INT, "transitions"),
}


class Settings:
    """The attributes and budgets of one place.

    `place` names it in messages (`a tool`), or is one of `places`; `known` are its (other) attributes; `env` is where
    values are evaluated, by default one without any names.
    """

    def __init__(
        self,
        typer: Typer,
        place: Place | str,
        items: Iterable[Node],
        known: Sequence[str] = (),
        *,
        env: Env | None = None,
    ) -> None:
        at = place if isinstance(place, Place) else Place(place)
        self.typer = typer
        self.context: Context = typer.context
        self.place = at.name
        self._at = at
        self.attributes: dict[str, Attribute] = {}
        self._budget_node: BudgetNode | None = None
        self.refused: set[str] = set()
        for item in items:
            if isinstance(item, Attribute):
                self._attribute(item, (*at.attributes, *known))
            elif isinstance(item, BudgetNode):
                self._take_budget(item)
        self.env = env if env is not None else Env(Frame(next(iter(self.attributes.values()), _NOWHERE)))
        self.budget = None if self._budget_node is None else _read_budget(self, self._budget_node, at)

    def _attribute(self, item: Attribute, known: Sequence[str]) -> None:
        name = item.name.text
        if not name:
            return
        if name in self._at.without:
            self.refused.add(name)
            self.no_meaning(item.name, name, self._at.without[name])
            return
        if name not in known:
            fix = did_you_mean(name, item.name, known)
            # Where recovery put an `=`, the word before it may be no attribute at all.
            report = self.context.report.add if fix is not None else self.context.report.absent
            note = f"it has {listed(known)}" if known else "it has none"
            report(codes.UNKNOWN_ATTRIBUTE, item.name, place=self.place, name=name, notes=[note], fix=fix)
            return
        first = self.attributes.setdefault(name, item)
        if first is not item:
            label = Label(first.name.span, "first given here")
            self.context.report.add(codes.ATTRIBUTE_TWICE, item.name, name=name, labels=[label])

    def no_meaning(self, at: Node | Span, name: str, why: str) -> None:
        """Reports what the language has, and what means nothing here."""
        self.context.report.add(codes.NO_MEANING, at, name=name, place=self.place, why=why)

    def _take_budget(self, item: BudgetNode) -> None:
        head = item.span.source.span(item.span.start, item.span.start + len("budget"))
        if "budget" in self._at.without:
            self.no_meaning(head, "budget", self._at.without["budget"])
        elif self._at.limits is None:
            self.context.report.add(codes.UNKNOWN_ATTRIBUTE, head, place=self.place, name="budget")
        elif self._budget_node is not None:
            self.context.report.add(codes.ATTRIBUTE_TWICE, head, name="budget")
        else:
            self._budget_node = item

    # -------------------------------------------------------------- values

    def has(self, name: str) -> bool:
        """Whether the attribute stands here."""
        return name in self.attributes

    def expr(self, name: str) -> Expr | None:
        """The value of an attribute as it stands, or none; holes are none."""
        found = self.attributes.get(name)
        return None if found is None or isinstance(found.value, Hole) else found.value

    def wrong(self, name: str, at: Node, expected: str, found: str | None = None, fix: Fix | None = None) -> None:
        """Reports a value of another kind than the attribute takes."""
        shown = found if found is not None else f"`{_short(at.span.text)}`"
        self.context.report.add(codes.ATTRIBUTE_VALUE, at, name=name, expected=expected, found=shown, fix=fix)

    def out_of_range(self, name: str, at: Node, found: str, expected: str) -> None:
        """Reports a value of the right kind that makes no sense."""
        self.context.report.add(codes.OUT_OF_RANGE, at, name=name, found=found, expected=expected)

    def constant(self, name: str, expr: Expr, kinds: Sequence[Type], expected: str) -> Any:
        """The inner value of an expression of one of these types, or none when there is none (reported)."""
        found = self.typer.root(expr, self.env)
        if is_unknown(found):
            return None
        if found not in kinds:
            shown = None if isinstance(expr, Name | Call) else show(found)
            self.wrong(name, expr, expected, shown, of_kind(expr, kinds))
            return None
        try:
            value = evaluate(expr, self.context.checked)
        except NotConstant as error:
            self.context.report.add(type_codes.NOT_CONSTANT, expr, what=f"`{name}`", problem=str(error))
            return None
        self.context.checked.constants[expr] = value
        return value

    def duration(self, name: str, *, zero: bool = False) -> int | None:
        """Microseconds, more than 0 unless `zero`."""
        expr = self.expr(name)
        return None if expr is None else self.duration_of(name, expr, zero=zero)

    def duration_of(self, name: str, expr: Expr, *, zero: bool = False) -> int | None:
        """The microseconds of an expression that belongs to an attribute."""
        value = self.constant(name, expr, (DURATION,), "a duration such as `30s`")
        if value is None:
            return None
        if value < 0 or (value == 0 and not zero):
            self.out_of_range(name, expr, written(value, DURATION), "more than no time" if not zero else "at least 0s")
            return None
        return int(value)

    def count(self, name: str, least: int = 1) -> int | None:
        """A whole number, at least `least`."""
        expr = self.expr(name)
        return None if expr is None else self.count_of(name, expr, least)

    def count_of(self, name: str, expr: Expr, least: int = 1) -> int | None:
        """The whole number of an expression that belongs to an attribute."""
        value = self.constant(name, expr, (INT,), "a whole number")
        if value is None:
            return None
        if value < least:
            self.out_of_range(name, expr, str(value), f"at least {least}")
            return None
        return int(value)

    def share(self, name: str) -> float | None:
        """A share, from 0 % to 100 %."""
        expr = self.expr(name)
        return None if expr is None else self.share_of(name, expr)

    def share_of(self, name: str, expr: Expr) -> float | None:
        """The share of an expression that belongs to an attribute."""
        value = self.constant(name, expr, (PERCENT,), "a share such as `80%`")
        if value is None:
            return None
        if not 0 <= value <= 1:
            self.out_of_range(name, expr, written(value, PERCENT), "0% to 100%")
            return None
        return float(value)

    def need(self) -> Need | None:
        """`need`: a share or a count."""
        expr = self.expr("need")
        if expr is None:
            return None
        value = self.constant("need", expr, (PERCENT, INT), "a share such as `75%` or a count")
        if value is None:
            return None
        if self.context.checked.expr_types[expr] == INT:
            if value < 1:
                self.out_of_range("need", expr, str(value), "at least 1, or `0%` to go on with none")
                return None
            return Need(count=int(value))
        if not 0 <= value <= 1:
            self.out_of_range("need", expr, written(value, PERCENT), "0% to 100%")
            return None
        return Need(share=float(value))

    def rate(self, name: str) -> Rate | None:
        """A rate such as `10 / 1s`."""
        expr = self.expr(name)
        if expr is None:
            return None
        value = self.constant(name, expr, (RATE,), "a rate such as `10 / 1s`")
        if value is None:
            return None
        if value <= 0:
            self.out_of_range(name, expr, written(value, RATE), "more than 0")
            return None
        if isinstance(expr, Binary) and expr.op == "/":
            try:
                count, per = (evaluate(part, self.context.checked) for part in (expr.left, expr.right))
            except NotConstant:  # pragma: no cover - the whole was constant
                raise AssertionError("a part of a constant is constant") from None
            if isinstance(count, int) and isinstance(per, int) and count > 0:
                return Rate(count, per)
        exact = Fraction(value).limit_denominator(1_000_000)
        return Rate(max(1, exact.numerator), max(1, round(Fraction(max(1, exact.numerator)) / exact * 1_000_000)))

    def one_of(self, name: str, words: Sequence[Word]) -> Word | None:
        """One of these words."""
        expr = self.expr(name)
        if expr is None:
            return None
        if isinstance(expr, Name) and (expr.text in words or not expr.text):
            return next((word for word in words if word == expr.text), None)
        self.context.report.add(
            codes.ATTRIBUTE_VALUE,
            expr,
            name=name,
            expected=listed(words),
            found=f"`{_short(expr.span.text)}`",
            fix=did_you_mean(expr.text, expr, words) if isinstance(expr, Name) else None,
        )
        return None

    def names(self, name: str, example: str) -> list[Expr]:
        """The names of a list such as `[a, b]`."""
        expr = self.expr(name)
        if expr is None:
            return []
        if not isinstance(expr, ListLit):
            self.wrong(name, expr, f"a list such as `{example}`")
            return []
        return list(expr.items)

    def number(self, name: str) -> float | None:
        """A plain number."""
        expr = self.expr(name)
        if expr is None:
            return None
        value = self.constant(name, expr, (INT, FLOAT), "a number")
        return None if value is None else float(value)


def _short(text: str, most: int = 40) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


_NOWHERE = Node()


def _read_budget(settings: Settings, node: BudgetNode, place: Place) -> Budget:
    """The caps of a budget: those that have a meaning at the place."""
    report = settings.context.report
    allowed = place.limits or ()
    values: dict[str, int] = {}
    for limit in node.limits:
        name = limit.name.text
        if not name:
            continue
        if name in place.unlimited:
            settings.no_meaning(limit.name, name, place.unlimited[name])
            continue
        if name not in allowed:
            report.add(
                codes.UNKNOWN_LIMIT,
                limit.name,
                place=f"of {place.name}",
                name=name,
                notes=[f"it can have {listed(allowed)}"],
                fix=did_you_mean(name, limit.name, allowed),
            )
            continue
        kind, key = _LIMIT_TYPES[name]
        if key in values:
            report.add(codes.ATTRIBUTE_TWICE, limit.name, name=name)
            continue
        example = {"cost": "money such as `$0.50`", "time": "a duration such as `30min`"}.get(name, "a whole number")
        value = settings.constant(name, limit.value, (kind,), example) if not isinstance(limit.value, Hole) else None
        if value is None:
            continue
        least = 0 if name == "retries" else 1
        if value < least:
            settings.out_of_range(
                name, limit.value, written(value, kind), "more than nothing" if least else "0 or more"
            )
            continue
        values[key] = value
    return Budget(**values)
