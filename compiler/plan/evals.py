"""`eval`: quality, looked at beside the run."""

from __future__ import annotations

from typing import Literal

from orchspec.compiler.plan.forms import Expr
from orchspec.compiler.plan.limits import Candidate, Prefer
from orchspec.slotted import dataclass

__all__ = ["Evaluation"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`eval name = Contract(args) by …`: done for a share of `sample` of all times that the statement is reached.

    `pattern`, `candidates`, `copies` and `prefer` as of `TaskStep`. Nothing waits for it but the end of the run, and
    that for at most `within_us`. It has no slot that anything could read. `gate` names its own limits.
    """

    kind: Literal["eval"]
    node: int
    name: str
    needs: list[int]
    contract: str
    args: list[Expr]
    pattern: Literal["one", "any", "all", "some"]
    candidates: list[Candidate]
    within_us: int
    copies: int = 1
    prefer: Prefer = "least_busy"
    sample: float = 1.0
    gate: str | None = None
