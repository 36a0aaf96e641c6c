"""Channels: who may say what to whom, and the statement that says it."""

from __future__ import annotations

from typing import Literal

from orchspec.compiler.plan.forms import Expr
from orchspec.compiler.plan.handoffs import Field
from orchspec.slotted import dataclass

__all__ = ["Channel", "Send"]


@dataclass(frozen=True, slots=True)
class Channel:
    """Messages with `params`, from `senders` (agents and flows) to `receivers` (agents; who sends one gets none)."""

    name: str
    params: list[Field]
    senders: list[str]
    receivers: list[str]


@dataclass(frozen=True, slots=True)
class Send:
    """`send channel(args)` of the flow `sender`: a barrier, as `Checkpoint`; the arguments in the order of `params`."""

    kind: Literal["send"]
    node: int
    needs: list[int]
    channel: str
    sender: str
    args: list[Expr]
