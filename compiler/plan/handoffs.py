"""Types and contracts: what is handed over."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from orchspec.compiler.plan.forms import Expr, TypeExpr
from orchspec.compiler.plan.limits import Rate
from orchspec.slotted import dataclass

__all__ = [
    "Contract",
    "EnumType",
    "Field",
    "Model",
    "RecordType",
]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record or a parameter.

    `where` is checked on every value that crosses, `default` fills what was left out.
    """

    name: str
    type: TypeExpr
    where: Expr | None = None
    default: Expr | None = None


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record `type`, its fields in order."""

    name: str
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class EnumType:
    """An `enum`, its members in order."""

    name: str
    members: list[str]


@dataclass(frozen=True, slots=True)
class Model:
    """A model: pico-dollars for each token in and out (None: unpriced), and the context in tokens.

    `rate` (attempts) and `token_rate` (tokens) are what its provider lets through, for all agents and runs together.
    """

    name: str
    input_pico: int | None = None
    output_pico: int | None = None
    context_tokens: int | None = None
    rate: Rate | None = None
    token_rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """A typed handoff. `reuse` is None, "run", or a time in microseconds for which identical work is done once."""

    name: str
    params: list[Field]
    result: TypeExpr
    expects: str = ""
    ensures: list[Expr] = field(default_factory=list)
    ensures_text: list[str] = field(default_factory=list)
    reuse: int | Literal["run"] | None = None
    owns: str | None = None
