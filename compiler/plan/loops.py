"""Loops that a model drives, within bounds that the spec sets: delegation to workers, and turns among peers."""

from __future__ import annotations

from dataclasses import field
from typing import Final, Literal

from orchspec.compiler.plan.forms import Expr
from orchspec.compiler.plan.handoffs import Contract
from orchspec.compiler.plan.limits import Budget, Candidate, Prefer
from orchspec.compiler.plan.parties import Agent
from orchspec.compiler.plan.steps import OnFailure
from orchspec.slotted import dataclass

__all__ = ["ASKS_MAX", "DEPTH_MAX", "SO_FAR", "Handoff", "Peers", "Supervise", "asked_of", "so_far_of"]

ASKS_MAX: Final = 100
"""How many tasks one delegation may ask for: what a model says is bounded, whatever it says."""
DEPTH_MAX: Final = 16
"""How deep work can be delegated at all."""
SO_FAR: Final = "so_far"
"""The parameter that the kernel fills."""


@dataclass(frozen=True, slots=True)
class Supervise:
    """`supervise x = Lead(q) by lead { … }`: rounds of the lead's task and of the tasks that it asks for.

    `args` stand in the order of the contract's parameters; the one at `so_far` is a placeholder. The lead is asked at
    most `rounds` times, at most `width` of what it asks for runs at once, and those it asks may delegate in their turn
    where `depth` is more than 1, over the same `workers`. `gate` names limits that each attempt at any of these tasks
    passes.
    """

    kind: Literal["supervise"]
    node: int
    name: str
    slot: int
    needs: list[int]
    contract: str
    args: list[Expr]
    so_far: int
    leads: list[Candidate]
    workers: list[Candidate]
    rounds: int
    depth: int = 1
    width: Expr | None = None
    prefer: Prefer = "least_busy"
    urgency: Expr | None = None
    only_if: Expr | None = None
    on_failure: list[OnFailure] = field(default_factory=list)
    budget: Budget | None = None
    gate: str | None = None


@dataclass(frozen=True, slots=True)
class Handoff:
    """`handoff source -> targets when e`: `when` is evaluated in a frame of the turn's value alone, in the block's."""

    source: str
    targets: list[str]
    when: Expr | None = None


@dataclass(frozen=True, slots=True)
class Peers:
    """`peers x = Discuss(t) among [a, b] { … }`: turns of the same contract, handed on at most `hops` times.

    `args` and `gate` as in `Supervise`; the placeholder at `so_far` is the value of the turn before.
    """

    kind: Literal["peers"]
    node: int
    name: str
    slot: int
    needs: list[int]
    contract: str
    args: list[Expr]
    so_far: int
    peers: list[Candidate]
    start: str
    hops: int
    handoffs: list[Handoff] = field(default_factory=list)
    urgency: Expr | None = None
    only_if: Expr | None = None
    on_failure: list[OnFailure] = field(default_factory=list)
    budget: Budget | None = None
    gate: str | None = None


def so_far_of(contract: Contract) -> int | None:
    """Which parameter of a lead's contract the kernel fills; None for a contract that nobody leads by."""
    result = contract.result
    if not (isinstance(result, list | tuple) and result[0] == "Record" and result[1].startswith("Delegation<")):
        return None
    for index, param in enumerate(contract.params):
        kind = param.type
        if param.name == SO_FAR and isinstance(kind, list | tuple) and kind[0] == "List":
            return index if list(kind[1]) == ["Record", "Done"] else None
    return None


def asked_of(workers: list[Candidate], agents: dict[str, Agent]) -> dict[str, list[str]]:
    """The contracts that a lead may ask for, each with the workers who fulfill it, in their order."""
    found: dict[str, list[str]] = {}
    for worker in workers:
        for contract in agents[worker.agent].fulfills:
            found.setdefault(contract, []).append(worker.agent)
    return found
