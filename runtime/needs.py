"""Whom a flow needs: every agent with the contracts it may be asked for, every person, every effect.

Walked over the plan, through called flows, chains of `on_failure` and rules of arbitration, so that a missing handler
is found before the run starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchspec.compiler.plan import Arbitrate, Block, Candidate, Plan, Statement

__all__ = ["Needs", "flows_of", "needs_of"]


@dataclass(slots=True)
class Needs:
    """(agent, contract) pairs, persons with what they are asked for, effects; each once, as the flow has them."""

    agents: dict[tuple[str, str], None] = field(default_factory=dict)
    humans: dict[tuple[str, str], None] = field(default_factory=dict)
    effects: dict[str, None] = field(default_factory=dict)


_KNOWN: Final[dict[tuple[str, str], Needs]] = {}
_KNOWN_MAX: Final = 256
"""So many flows are remembered; each run of a process asks again."""


def needs_of(plan: Plan, flow: str) -> Needs:
    """Whom a flow of the plan needs, the flows that it calls included; walked once for each hash of a plan."""
    needs = _KNOWN.get((plan.hash, flow)) if plan.hash else None
    if needs is None:
        needs = Needs()
        for name in flows_of(plan, flow):
            for statement in _statements(plan.flows[name].body):
                _need(plan, needs, statement)
        if plan.hash:
            if len(_KNOWN) >= _KNOWN_MAX:
                _KNOWN.clear()
            _KNOWN[plan.hash, flow] = needs
    return needs


def flows_of(plan: Plan, flow: str) -> list[str]:
    """A flow and those that it calls, directly and through others, each once."""
    found, pending = {flow: None}, [flow]
    while pending:
        for statement in _statements(plan.flows[pending.pop()].body):
            if statement.kind == "flow" and statement.flow not in found:
                found[statement.flow] = None
                pending.append(statement.flow)
    return list(found)


def _statements(block: Block) -> Iterator[Statement]:
    blocks = [block]
    while blocks:
        for statement in blocks.pop().statements:
            yield statement
            if statement.kind == "repeat":
                blocks.append(statement.body)
                if statement.otherwise is not None:
                    blocks.append(statement.otherwise)
            elif statement.kind == "scope":
                blocks.append(statement.body)
            elif statement.kind == "route":
                blocks.extend(arm.body for arm in statement.arms)
            elif statement.kind == "machine":
                blocks += [state.body for state in statement.states]


def _need(plan: Plan, needs: Needs, statement: Statement) -> None:
    if statement.kind == "eval":
        for candidate in statement.candidates:
            _ask(plan, needs, candidate, statement.contract)
    elif statement.kind == "task":
        for candidate in statement.candidates:
            _ask(plan, needs, candidate, statement.contract)
        for link in statement.on_failure:
            if link.who is not None:
                _ask(plan, needs, link.who, statement.contract)
    elif statement.kind == "effect":
        _do(plan, needs, statement.effect)
    elif statement.kind == "arbitrate":
        _arbitrate(plan, needs, statement)


def _do(plan: Plan, needs: Needs, effect: str) -> None:
    """An effect, with what checks and undoes it, and whoever is asked in doubt."""
    pending = [effect]
    while pending:
        name = pending.pop()
        if name in needs.effects:
            continue
        needs.effects[name] = None
        declared = plan.effects[name]
        pending += [call.effect for call in (declared.check, declared.undo) if call is not None]
        if declared.in_doubt is not None:
            _ask(plan, needs, declared.in_doubt.who, declared.in_doubt.contract)


def _arbitrate(plan: Plan, needs: Needs, statement: Arbitrate) -> None:
    for rule in statement.rules:
        contract = rule.contract or (statement.asks[0] if statement.asks is not None else None)
        if rule.who is not None and contract is not None:
            _ask(plan, needs, rule.who, contract)


def _ask(plan: Plan, needs: Needs, candidate: Candidate, contract: str) -> None:
    found = needs.humans if plan.agents[candidate.agent].kind == "human" else needs.agents
    found[candidate.agent, contract] = None
    fold = plan.agents[candidate.agent].fold
    for folder in fold.candidates if fold is not None else ():
        needs.agents[folder.agent, fold.contract] = None  # type: ignore[union-attr]
    for effect in plan.agents[candidate.agent].effects:
        _do(plan, needs, effect)
