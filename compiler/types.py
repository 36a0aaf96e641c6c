"""Semantic types: what an expression, a parameter or a name has.

Types are compared by value. `Unknown` stands for what was already reported: it fits everything and everything fits it,
so that one mistake gives one diagnostic. `Round` is the record of the names of one round of a `repeat`; its fields
stand in `Checked.rounds`, because a round may read (through `prev`) names that are given further down in it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from orchspec.grammar.syntax import Repeat, State
from orchspec.slotted import dataclass

__all__ = [
    "BOOL",
    "DURATION",
    "FLOAT",
    "INT",
    "JSON",
    "MONEY",
    "NONE",
    "NOTHING",
    "PERCENT",
    "RATE",
    "SCALARS",
    "TEXT",
    "TIME",
    "UNKNOWN",
    "URL",
    "EnumOf",
    "ListOf",
    "MapOf",
    "NoValue",
    "Nothing",
    "Optional",
    "RecordOf",
    "Round",
    "Scalar",
    "Type",
    "Unknown",
    "as_plan",
    "assignable",
    "is_unknown",
    "optional",
    "required",
    "show",
    "unify",
]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A built-in type: `Text Int Float Bool Url Money Duration Time Percent Rate Json`."""

    name: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """`List<item>`."""

    item: Type


@dataclass(frozen=True, slots=True)
class MapOf:
    """`Map<Text, value>`."""

    value: Type


@dataclass(frozen=True, slots=True)
class Optional:
    """`inner?`; `inner` is never optional itself: build it with `optional`."""

    inner: Type


@dataclass(frozen=True, slots=True)
class RecordOf:
    """A record `type`, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class EnumOf:
    """An `enum`, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Round:
    """The record of the names of one round of a `repeat`, or of one visit of a state, by its node."""

    repeat: Repeat | State


@dataclass(frozen=True, slots=True)
class Nothing:
    """What an effect without a result, or a block without `give`, leaves: no value to read."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """What cannot be known because of a mistake that was reported already."""


@dataclass(frozen=True, slots=True)
class NoValue:
    """What is inside of `none`: it fits every type, since there is none of it."""


Type: TypeAlias = Scalar | ListOf | MapOf | Optional | RecordOf | EnumOf | Round | Nothing | NoValue | Unknown

SCALARS = ("Text", "Int", "Float", "Bool", "Url", "Money", "Duration", "Time", "Percent", "Rate", "Json")
"""The names of the built-in types without arguments."""

TEXT, INT, FLOAT, BOOL, URL, MONEY, DURATION, TIME, PERCENT, RATE, JSON = (Scalar(name) for name in SCALARS)
NOTHING = Nothing()
UNKNOWN = Unknown()
NONE = Optional(NoValue())
"""The type of the literal `none`: it fits every optional."""


def optional(inner: Type) -> Type:
    """`inner?`, where `T??` is `T?`; nothing and the unknown stay what they are."""
    return inner if isinstance(inner, Optional | Nothing | Unknown) else Optional(inner)


def required(kind: Type) -> Type:
    """The type without its `?`."""
    return kind.inner if isinstance(kind, Optional) else kind


def is_unknown(kind: Type) -> bool:
    """Whether nothing should be said about a value of this type, since a part of it was reported already."""
    match kind:
        case Unknown():
            return True
        case ListOf(inner) | MapOf(inner) | Optional(inner):
            return is_unknown(inner)
        case _:
            return False


def show(kind: Type) -> str:
    """The type as a spec writes it."""
    match kind:
        case Scalar(name) | RecordOf(name) | EnumOf(name):
            return name
        case ListOf(item):
            return f"List<{show(item)}>"
        case MapOf(value):
            return f"Map<Text, {show(value)}>"
        case Optional(NoValue()) | NoValue():
            return "none"
        case Optional(inner):
            return f"{show(inner)}?"
        case Round(repeat):
            return f"a {'visit' if isinstance(repeat, State) else 'round'} of {repeat.name.text}"
        case Nothing():
            return "nothing"
        case Unknown():
            return "?"


def assignable(given: Type, expected: Type) -> bool:
    """Whether a value of `given` may stand where `expected` is expected.

    Implicit are only `Int` to `Float` and `T` to `T?`; string literals to `Url` and enums are a matter of the literal,
    not of its type, and are allowed where expressions are typed.
    """
    if given == expected:
        return True
    match given, expected:
        case (Unknown(), _) | (_, Unknown()):
            return True
        case Optional(inner), Optional(wanted):
            return assignable_exactly(inner, wanted)
        case _, Optional(wanted):
            return assignable(given, wanted)
        case (ListOf(inner), ListOf(wanted)) | (MapOf(inner), MapOf(wanted)):
            return assignable_exactly(inner, wanted)
        case Scalar("Int"), Scalar("Float"):
            return True
        case _:
            return False


def assignable_exactly(given: Type, expected: Type) -> bool:
    """Whether the two are the same type but for unknown parts: nothing is converted inside of a container."""
    match given, expected:
        case (Unknown() | NoValue(), _) | (_, Unknown()):
            return True
        case (ListOf(inner), ListOf(wanted)) | (MapOf(inner), MapOf(wanted)) | (Optional(inner), Optional(wanted)):
            return assignable_exactly(inner, wanted)
        case _:
            return given == expected


def unify(left: Type, right: Type) -> Type | None:
    """The type that both fit, for branches and for the items of a list; none when there is none."""
    if isinstance(left, Unknown | NoValue):
        return right
    if isinstance(right, Unknown | NoValue):
        return left
    if isinstance(left, Optional) or isinstance(right, Optional):
        inner = unify(required(left), required(right))
        return None if inner is None else Optional(inner)
    if isinstance(left, ListOf) and isinstance(right, ListOf) and (is_unknown(left) or is_unknown(right)):
        inner = unify(left.item, right.item)
        return None if inner is None else ListOf(inner)
    if assignable(left, right):
        return right
    return left if assignable(right, left) else None


def as_plan(kind: Type) -> Any:
    """The type as a `TypeExpr` of `orchspec.compiler.plan`; `Round` and `Unknown` never reach a plan."""
    match kind:
        case Scalar(name):
            return name
        case ListOf(item):
            return ["List", as_plan(item)]
        case MapOf(value):
            return ["Map", as_plan(value)]
        case Optional(inner):
            return ["Option", as_plan(inner)]
        case RecordOf(name):
            return ["Record", name]
        case EnumOf(name):
            return ["Enum", name]
        case Nothing():
            return "Nothing"
        case _:
            raise AssertionError(f"{show(kind)} has no place in a plan")
