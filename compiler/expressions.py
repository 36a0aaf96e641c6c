"""The types of expressions.

`Typer` goes over an expression once, from the outside in: what is expected is handed down, since record literals, empty
lists and string literals mean something only where their type is known, and what is found comes back up. Types,
resolved names and conversions are put into the tables of `Checked`; operators, functions and literals have modules of
their own. An unknown part makes the whole unknown, silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from orchspec.compiler import functions, literals, operators, outer
from orchspec.compiler.codes import arbitration
from orchspec.compiler.codes import names as name_codes
from orchspec.compiler.codes import types as codes
from orchspec.compiler.context import Context, Env, Fact
from orchspec.compiler.foresight import foreseen
from orchspec.compiler.model import AgentInfo, Frame, GiverRef, Reference, Slot, StepInfo
from orchspec.compiler.names import describe, find, is_opaque
from orchspec.compiler.narrowing import fact_of, facts, lookup
from orchspec.compiler.report import did_you_mean, listed, replace
from orchspec.compiler.suggestions import SYNONYMS, insertion, of_kind, why_a_list
from orchspec.compiler.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    JSON,
    MONEY,
    NONE,
    PERCENT,
    TEXT,
    UNKNOWN,
    EnumOf,
    ListOf,
    MapOf,
    Nothing,
    Optional,
    RecordOf,
    Round,
    Type,
    Unknown,
    assignable,
    is_unknown,
    optional,
    required,
    show,
)
from orchspec.grammar.diagnostics import Fix, Label
from orchspec.grammar.syntax import (
    Binary,
    Bool,
    Call,
    DurationLit,
    Expr,
    Field,
    Float,
    Hole,
    Index,
    Int,
    ListLit,
    MoneyLit,
    Name,
    Node,
    NoneLit,
    Not,
    PercentLit,
    Range,
    RecordLit,
    Repeat,
    State,
    Step,
    Text,
    Unary,
)

__all__ = ["Typer"]


class Typer:
    """Types expressions; see the head of the module. `moments`: whether a text may be a Time, as in inputs."""

    def __init__(self, context: Context, *, moments: bool = False) -> None:
        self.context = context
        self.moments = moments
        self.checked = context.checked
        self.report = context.report
        self._rules: dict[type[Node], Callable[[Any, Env, Type | None], Type]] = {
            Name: self._name,
            Field: self._field,
            Index: self._index,
            Int: self._int,
            Float: lambda _node, _env, _hint: FLOAT,
            Bool: lambda _node, _env, _hint: BOOL,
            Text: lambda node, _env, hint: literals.text(self, node, hint),
            NoneLit: lambda _node, _env, _hint: NONE,
            DurationLit: lambda _node, _env, _hint: DURATION,
            MoneyLit: lambda _node, _env, _hint: MONEY,
            PercentLit: lambda _node, _env, _hint: PERCENT,
            Hole: lambda _node, _env, _hint: UNKNOWN,
            ListLit: lambda node, env, hint: literals.list_literal(self, node, env, hint),
            RecordLit: lambda node, env, hint: literals.record(self, node, env, hint),
            Range: lambda node, env, _hint: operators.range_of(self, node, env),
            Unary: lambda node, env, _hint: operators.negative(self, node, env),
            Not: lambda node, env, _hint: operators.negation(self, node, env),
            Binary: lambda node, env, hint: operators.binary(self, node, env, hint),
            Call: lambda node, env, _hint: functions.call(self, node, env),
        }

    # -------------------------------------------------------------- entrances

    def root(
        self, expr: Expr, env: Env, expected: Type | None = None, what: str = "this", label: Label | None = None
    ) -> Type:
        """Types a whole expression where `expected` is wanted, if anything is; `what` names it in messages."""
        self.checked.frames[expr] = env.frame
        if expected is None:
            return self.infer(expr, env)
        return self.check(expr, env, expected, what, label)

    def condition(self, expr: Expr, env: Env, what: str) -> set[Fact]:
        """Types a whole expression that is a condition; gives what it says to be not none."""
        self.checked.frames[expr] = env.frame
        self.truth(expr, env, what)
        return facts(expr, self.checked.resolved)

    def truth(self, expr: Expr, env: Env, what: str) -> None:
        """Types a part that must be a Bool."""
        found = self.infer(expr, env, BOOL)
        if found == BOOL or isinstance(required(found), Unknown):
            return
        self.report.add(codes.NOT_A_CONDITION, expr, what=what, found=show(found))

    def infer(self, expr: Expr, env: Env, hint: Type | None = None) -> Type:
        """The type of an expression; `hint` is what is wanted there, for literals that have none of their own."""
        found = self._rules[type(expr)](expr, env, hint)
        self.checked.expr_types[expr] = found
        return found

    def check(self, expr: Expr, env: Env, expected: Type, what: str, label: Label | None = None) -> Type:
        """Types an expression where `expected` is wanted, and reports what does not fit; `label` shows who wants it."""
        found = self.infer(expr, env, expected)
        self.fit(expr, found, expected, what, label)
        return found

    def fit(self, expr: Expr, found: Type, expected: Type, what: str, label: Label | None = None) -> bool:
        """Whether a typed expression fits what is expected; marks conversions, reports what does not fit."""
        if assignable(found, expected):
            if found == INT and required(expected) == FLOAT:
                self.checked.floats.add(expr)
            return True
        labels = [*self._origin(expr), *([label] if label is not None else [])]
        if expected == JSON and isinstance(expr, Text | Int | Float | Bool | NoneLit | ListLit | RecordLit):
            return True
        if isinstance(found, Optional) and assignable(found.inner, expected):
            self.report.add(
                codes.OPTIONAL_OPERAND,
                expr,
                what=what,
                found=show(found),
                notes=[f"expected {show(expected)}"],
                labels=labels,
                fix=_otherwise(expr),
            )
        else:
            self.report.add(
                codes.TYPE_MISMATCH,
                expr,
                what=what,
                found=show(found),
                expected=show(expected),
                labels=labels,
                notes=why_a_list(found, expected),
                fix=of_kind(expr, (required(expected),)),
            )
        return False

    def _origin(self, expr: Expr) -> Iterator[Label]:
        """Where the name that an expression is, is given."""
        found = self.checked.resolved.get(expr)
        if isinstance(found, Reference) and found.slot.kind in ("local", "parameter"):
            given = getattr(found.slot.declared, "name", found.slot.declared)
            yield Label(given.span, f"`{found.slot.name}` is {show(found.slot.type)}")

    def some(self, expr: Expr, env: Env, what: str, hint: Type | None = None) -> Type:
        """The type of an operand, which may not be optional: reports if it is, and goes on with what is inside."""
        found = self.infer(expr, env, hint)
        if isinstance(found, Optional) and not is_unknown(found):
            self.report.add(codes.OPTIONAL_OPERAND, expr, what=what, found=show(found), fix=_otherwise(expr))
            return UNKNOWN
        return found

    # -------------------------------------------------------------- names

    def _belonging(self, node: Name, env: Env, hint: Type | None) -> Fix | None:
        """The fix of a name that is a member of the enum wanted here, or a field of what a contract gives."""
        owner: str | None = None
        if isinstance(hint, EnumOf) and node.text in self.checked.enums[hint.name].members:
            owner = hint.name
        else:
            found = lookup(env.frame, "result")
            kind = None if found is None else required(found[0].type)
            if isinstance(kind, RecordOf) and node.text in (self._fields(kind) or {}):
                owner = "result"
        return None if owner is None else replace(node, f"{owner}.{node.text}", f"did you mean `{owner}.{node.text}`?")

    def _name(self, node: Name, env: Env, hint: Type | None) -> Type:
        if not node.text:
            return UNKNOWN
        found = lookup(env.frame, node.text)
        if found is not None:
            return self._slot(node, *found, env)
        param = outer.param(self, node, node.text)
        if param is not None:
            return param
        if is_opaque(self.context, node, node.text):
            return UNKNOWN
        info = outer.declared(self.context, node, node.text)
        if info is not None:
            self.context.used.add(info)
            self.report.add(codes.NOT_A_VALUE, node, name=node.text, found=describe(info))
            return UNKNOWN
        meant = self._belonging(node, env, hint)
        if meant is not None:
            self.report.absent(name_codes.UNKNOWN_NAME, node, reach="name", kind="name", name=node.text, fix=meant)
            return UNKNOWN
        names = chain(self._visible(env.frame), self.context.known(node, "params"), ("none", "true", "false"))
        self.report.absent(
            name_codes.UNKNOWN_NAME,
            node,
            reach="name",
            kind="name",
            name=node.text,
            fix=did_you_mean(node.text, node, names),
        )
        return UNKNOWN

    def _slot(self, node: Name, slot: Slot, up: int, env: Env) -> Type:
        if slot in self.context.ambiguous:
            return UNKNOWN
        if env.seen is not None and slot.index >= env.seen and up == 0:
            self.report.add(codes.LATER_FIELD, node, name=node.text, what=env.seeing)
            return slot.type
        self.checked.resolved[node] = Reference(slot, up)
        self.context.read(slot, node, env)
        kind = self.context.type_of(slot)
        if isinstance(kind, Nothing):
            self.report.add(codes.NO_RESULT, node, name=node.text, labels=list(self._given(slot)))
            return UNKNOWN
        return required(kind) if (slot,) in env.facts else kind

    def _given(self, slot: Slot) -> Iterator[Label]:
        if slot.kind == "local":
            given = getattr(slot.declared, "name", slot.declared)
            yield Label(given.span, "what is done here gives nothing")

    def _visible(self, frame: Frame) -> Iterator[str]:
        current: Frame | None = frame
        while current is not None:
            yield from (slot.name for slot in current.slots)
            current = current.parent

    # -------------------------------------------------------------- fields and items

    def _field(self, node: Field, env: Env, _hint: Type | None) -> Type:
        base = outer.spelled(self, node.base, env)
        found = None if base is None else outer.member(self, node, base)
        if found is not None:
            return found
        found = self._field_of(node, self.infer(node.base, env))
        key = fact_of(node, self.checked.resolved)
        return required(found) if key is not None and key in env.facts else found

    def _field_of(self, node: Field, base: Type) -> Type:
        name = node.name.text
        if is_unknown(base) or not name:
            return UNKNOWN
        if isinstance(base, Optional):
            return optional(self._field_of(node, base.inner))
        if isinstance(base, ListOf):
            return ListOf(self._field_of(node, base.item)) if not isinstance(base.item, Unknown) else UNKNOWN
        fields = self._fields(base)
        if fields is None:
            meant = next((word for word in SYNONYMS.get(name.lower(), (name,)) if word in functions.FUNCTIONS), None)
            fix = None if meant is None else replace(node, f"{meant}({node.base.span.text})")
            self.report.add(codes.NO_FIELDS, node.name, found=show(base), fix=fix)
            return UNKNOWN
        if name not in fields:
            self.report.add(
                name_codes.UNKNOWN_FIELD,
                node.name,
                type=show(base),
                name=name,
                notes=[f"its fields are {listed(fields)}"] if fields else [],
                fix=did_you_mean(name, node.name, fields),
            )
            return UNKNOWN
        found = self._round_field(node, base.repeat) if isinstance(base, Round) else fields[name]
        if isinstance(found, Nothing):
            self.report.add(codes.NO_RESULT, node.name, name=name)
            return UNKNOWN
        return found

    def _round_field(self, node: Field, repeat: Repeat | State) -> Type:
        """The type of a name of an earlier round, which this round may give further down."""
        name = node.name.text
        slot = self.checked.blocks[repeat].frame.find(name)
        assert slot is not None, "the name was found among the slots of this frame"
        slot.read = True
        found = self.context.type_of(slot)
        if is_unknown(found) and slot in self.context.under_way:
            found = slot.type = foreseen(self.context, slot.declared)
            if is_unknown(found):
                self.context.self_typed.append(node)
        return found

    def _fields(self, base: Type) -> Mapping[str, Type] | None:
        if isinstance(base, RecordOf):
            return {field.name: field.type for field in self.checked.records[base.name].fields}
        if isinstance(base, Round):
            block = self.checked.blocks[base.repeat]
            return {slot.name: slot.type for slot in block.frame.kept()}
        return None

    def _index(self, node: Index, env: Env, _hint: Type | None) -> Type:
        base = self.some(node.base, env, "what is indexed")
        if self._names_agent(node.index, env):
            return self._giver(node, base)
        if isinstance(base, ListOf):
            self._index_by(node, env, INT, "a list is read by an Int from 0")
            return base.item
        if isinstance(base, MapOf):
            self._index_by(node, env, TEXT, "a map is read by a Text")
            return base.value
        self.infer(node.index, env)
        if not is_unknown(base):
            self.report.add(codes.BAD_INDEX, node, problem=f"{show(base)} is neither a list nor a map")
        return UNKNOWN

    def _index_by(self, node: Index, env: Env, wanted: Type, rule: str) -> None:
        found = self.infer(node.index, env)
        if found != wanted and not is_unknown(found):
            self.report.add(codes.BAD_INDEX, node.index, problem=f"{rule}, found {show(found)}")

    def _names_agent(self, index: Expr, env: Env) -> bool:
        name = outer.spelled(self, index, env)
        return name is not None and self.context.find("agents", index, name) is not None

    def _giver(self, node: Index, base: Type) -> Type:
        agent = find(self.context, node.index, AgentInfo)
        if is_unknown(base) or agent is None:
            return UNKNOWN
        found = self.checked.resolved.get(node.base)
        step = self.fan_out(found.slot) if isinstance(found, Reference) else None
        if step is None or not isinstance(found, Reference) or step.pattern != "all" or step.loop is not None:
            why = (
                "those of `N of` are read by index, from 0"
                if step is not None and step.pattern == "some"
                else ("this is none")
            )
            self.report.add(arbitration.NO_GIVERS, node, what=f"`[{agent.name}]`", why=why)
            return UNKNOWN
        givers = [candidate.agent.name for candidate in step.candidates]
        if agent.name not in givers:
            problem = f"`{agent.name}` was not asked; asked were {listed(givers)}"
            self.report.add(codes.BAD_INDEX, node.index, problem=problem)
            return UNKNOWN
        self.checked.resolved[node] = GiverRef(found.slot, found.up, agent)
        return base.item if isinstance(base, ListOf) else UNKNOWN

    def fan_out(self, slot: Slot) -> StepInfo | None:
        """The step whose several results stand in a slot, or none."""
        if not isinstance(slot.declared, Step) or slot.kind != "local":
            return None
        step = self.checked.steps.get(slot.declared)
        return step if step is not None and (step.pattern in ("all", "some") or step.loop is not None) else None

    def _int(self, node: Int, _env: Env, _hint: Type | None) -> Type:
        if node.value > 2**63 - 1:
            self.report.add(codes.INT_TOO_LARGE, node, found=str(node.value))
            return UNKNOWN
        return INT


def _otherwise(expr: Expr) -> Fix | None:
    """The form in which something takes the place of what may be none."""
    short = isinstance(expr, Name | Field)
    return (
        insertion(expr, " ?? …", f"say what to take instead: `{expr.span.text} ?? …`", placeholders=True)
        if short
        else None
    )
