"""What steps have in common: the items they go over, the floor below which they fail, and what happens then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchspec.compiler.plan.forms import Expr
from orchspec.compiler.plan.limits import Candidate

__all__ = ["Need", "OnFailure", "Over"]


@dataclass(frozen=True, slots=True)
class Need:
    """The floor below which a fan-out fails: a number of results, or a share of those asked."""

    count: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """`for NAME in EXPR`: one task for each item, at most `width` at once (None: all)."""

    item: str
    items: Expr
    width: Expr | None = None


@dataclass(frozen=True, slots=True)
class OnFailure:
    """One link of an `on_failure` chain. `use` evaluates `value`.

    `ask` gives the same contract and arguments to `who`, for at most `within_us`.
    """

    kind: Literal["stop", "skip", "use", "ask"]
    value: Expr | None = None
    who: Candidate | None = None
    within_us: int | None = None
