"""What protects a spec, and the plan without each: one thing at a time is taken away from it.

To add a kind: a function under `@protection("name")` that yields what there is of it. A protection that only the target
of an effect knows of (its key) is taken away from the world instead: the engine goes on as before, and the target drops
no repeats any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from orchspec.simulator.chaos.taking import (
    asked_at,
    but,
    changed,
    effects_of,
    flows_of,
    statements_of,
    walk,
    who_of,
    without,
)

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.compiler.plan.limits import Candidate, Policy

__all__ = ["PROTECTIONS", "Protection", "protections_of"]


@dataclass(frozen=True, slots=True)
class Protection:
    """One thing that protects a flow.

    Attributes:
        kind: of which kind it is: retry, timeout, key, …
        name: what it is, in words: `attempts = 4 of scout`.
        node: of the plan's source, or none where a declaration has none.
        targets: agents, people, effects and tools that it has to do with.
        plan: without it.
        forgetful: effects whose target drops no repeats without it.
        pair: the two steps that it keeps in order.
        at: the file and the line where it stands, with what stands there, where that is known; else its node says it.
    """

    kind: str
    name: str
    node: int | None
    targets: frozenset[str]
    plan: Plan
    forgetful: frozenset[str] = frozenset()
    pair: tuple[str, str] | None = None
    at: str | None = None


PROTECTIONS: Final[dict[str, Callable[[Plan, str], Iterator[Protection]]]] = {}
"""What finds the protections of a kind, by its name: from a plan and one of its flows."""


def protections_of(plan: Plan, flow: str) -> list[Protection]:
    """Everything that protects a flow, in the order of the kinds."""
    return [each for find in PROTECTIONS.values() for each in find(plan, flow)]


def protection(kind: str) -> Callable[[Callable[[Plan, str], Iterator[Protection]]], Any]:
    """Puts a finder into `PROTECTIONS`."""

    def put(find: Callable[[Plan, str], Iterator[Protection]]) -> Any:
        PROTECTIONS[kind] = find
        return find

    return put


# ------------------------------------------------------------------ what there is of them


def _of(kind: str, name: str, node: int | None, targets: set[str], plan: Plan) -> Protection:
    bare = plan.sealed()  # what is compiled once for a plan goes by its hash
    return Protection(kind, name, node, frozenset(targets), bare)


def _call(statement: Any) -> str:
    return f"{statement.kind} {getattr(statement, 'name', '') or 'here'}"


# ------------------------------------------------------------------ attempts and time


def _of_agents(
    plan: Plan, flow: str, kind: str, has: Callable[[Policy], Any], less: Callable[[Policy], Policy], say: str
) -> Iterator[Protection]:
    """What agents are given for each attempt, all steps of an agent together: it is written once, at the agent."""
    first: dict[str, tuple[int, Any]] = {}
    for statement in statements_of(plan, flow):
        for each in walk(getattr(statement, "candidates", [])):
            if hasattr(each, "agent") and has(each.policy):
                first.setdefault(each.agent, (statement.node, has(each.policy)))
    for agent, (node, value) in first.items():

        def change(each: Any, agent: str = agent) -> Any:
            if getattr(each, "agent", None) == agent and hasattr(each, "tiers"):
                candidate: Candidate = each
                return replace(candidate, policy=less(candidate.policy))
            return each

        said = f"{say}{_time(value) if say.startswith('timeout') else ''} of {agent}"
        yield _of(kind, said, node, {agent}, without(plan, flow, change))
    for statement in statements_of(plan, flow):
        policy = getattr(statement, "policy", None)
        if policy is not None and not hasattr(statement, "candidates") and has(policy):
            made = but(plan, statement, lambda each: replace(each, policy=less(each.policy)), flow)
            yield _of(kind, f"{say} of {_call(statement)}", statement.node, who_of(statement), made)


def _time(value: Any) -> str:
    return f" = {value / 1e6:g}s"


@protection("retry")
def _retries(plan: Plan, flow: str) -> Iterator[Protection]:
    return _of_agents(
        plan,
        flow,
        "retry",
        lambda policy: policy.attempts if policy.attempts > 1 else None,
        lambda policy: replace(policy, attempts=1),
        "attempts",
    )


@protection("timeout")
def _timeouts(plan: Plan, flow: str) -> Iterator[Protection]:
    yield from _of_agents(
        plan,
        flow,
        "timeout",
        lambda policy: policy.timeout_us,
        lambda policy: replace(policy, timeout_us=None),
        "timeout",
    )
    for statement in statements_of(plan, flow):
        if getattr(statement, "timeout_us", None) is not None:
            made = but(plan, statement, lambda each: replace(each, timeout_us=None), flow)
            yield _of("timeout", f"timeout of {_call(statement)}", statement.node, who_of(statement), made)


@protection("hedge")
def _hedges(plan: Plan, flow: str) -> Iterator[Protection]:
    return _of_agents(
        plan, flow, "hedge", lambda policy: policy.hedge, lambda policy: replace(policy, hedge=None), "hedge"
    )


@protection("breaker")
def _breakers(plan: Plan, flow: str) -> Iterator[Protection]:
    used = {name for statement in statements_of(plan, flow) for name in who_of(statement)}
    for name, agent in plan.agents.items():
        if agent.breaker is not None and name in used:
            made = replace(plan, agents={**plan.agents, name: replace(agent, breaker=None)})
            yield _of("breaker", f"breaker of {name}", asked_at(plan, flow, name), {name}, made)
    for name, gate in plan.gates.items():
        if gate.breaker is not None:
            made = replace(plan, gates={**plan.gates, name: replace(gate, breaker=None)})
            yield _of("breaker", f"breaker of {name}", asked_at(plan, flow, name), {name}, made)


# ------------------------------------------------------------------ effects


@protection("key")
def _keys(plan: Plan, flow: str) -> Iterator[Protection]:
    for name in effects_of(plan, flow):
        effect = plan.effects[name]
        if effect.key is None and not effect.idempotent:
            continue
        said = f"{'key' if effect.key is not None else 'idempotent'} of {name}"
        yield Protection("key", said, asked_at(plan, flow, name), frozenset({name}), plan, frozenset({name}))


@protection("undo")
def _undos(plan: Plan, flow: str) -> Iterator[Protection]:
    for name in effects_of(plan, flow):
        effect = plan.effects[name]
        if effect.undo is not None:
            bare = replace(plan, effects={**plan.effects, name: replace(effect, undo=None)})
            targets = {name, effect.undo.effect}
            yield _of("undo", f"undo of {name}", asked_at(plan, flow, name), targets, bare)


# ------------------------------------------------------------------ contracts


@protection("ensures")
def _ensures(plan: Plan, flow: str) -> Iterator[Protection]:
    for statement, name in _contracts(plan, flow):
        contract = plan.contracts[name]
        for index, text in enumerate(contract.ensures_text):
            left = replace(
                contract,
                ensures=[each for at, each in enumerate(contract.ensures) if at != index],
                ensures_text=[each for at, each in enumerate(contract.ensures_text) if at != index],
            )
            made = replace(plan, contracts={**plan.contracts, name: left})
            yield _of("ensures", f"ensures = {text} of {name}", statement.node, who_of(statement), made)


@protection("where")
def _wheres(plan: Plan, flow: str) -> Iterator[Protection]:
    for statement, contract in _contracts(plan, flow):
        result = plan.contracts[contract].result
        name = result[1] if isinstance(result, (list, tuple)) and result[0] == "Record" else None
        record = plan.types.get(name) if isinstance(name, str) else None
        for index, field in enumerate(record.fields if record is not None else ()):
            if field.where is None:
                continue
            assert record is not None
            fields = [replace(each, where=None) if at == index else each for at, each in enumerate(record.fields)]
            made = replace(plan, types={**plan.types, record.name: replace(record, fields=fields)})
            yield _of("where", f"where of {record.name}.{field.name}", statement.node, who_of(statement), made)


@protection("reuse")
def _reuse(plan: Plan, flow: str) -> Iterator[Protection]:
    for statement, name in _contracts(plan, flow):
        if plan.contracts[name].reuse is not None:
            made = replace(plan, contracts={**plan.contracts, name: replace(plan.contracts[name], reuse=None)})
            yield _of("reuse", f"reuse of {name}", statement.node, who_of(statement), made)


def _contracts(plan: Plan, flow: str) -> list[tuple[Any, str]]:
    """The contracts that are asked for, each with the first statement that does."""
    found: dict[str, Any] = {}
    for statement in statements_of(plan, flow):
        contract = getattr(statement, "contract", None)
        if isinstance(contract, str):
            found.setdefault(contract, statement)
    return [(statement, name) for name, statement in found.items() if name in plan.contracts]


# ------------------------------------------------------------------ statements


@protection("fallback")
def _fallbacks(plan: Plan, flow: str) -> Iterator[Protection]:
    for statement in statements_of(plan, flow):
        chain = getattr(statement, "on_failure", None)
        if chain and any(link.kind != "stop" for link in chain):
            asked = {link.who.agent for link in chain if link.who is not None}
            made = but(plan, statement, lambda each: replace(each, on_failure=[]), flow)
            said = f"on_failure of {_call(statement)}"
            yield _of("fallback", said, statement.node, who_of(statement) | asked, made)


@protection("need")
def _needs(plan: Plan, flow: str) -> Iterator[Protection]:
    for statement in statements_of(plan, flow):
        if getattr(statement, "need", None) is not None:
            made = but(plan, statement, lambda each: replace(each, need=None), flow)
            yield _of("need", f"need of {_call(statement)}", statement.node, who_of(statement), made)


@protection("approval")
def _approvals(plan: Plan, flow: str) -> Iterator[Protection]:
    """What stops a run when it should not go on: of a person's answer an approval, of any other a guard."""
    people = {name for name, agent in plan.agents.items() if agent.kind == "human"}
    for name in flows_of(plan, flow):
        for block in walk(plan.flows[name].body):
            statements: list[Any] = getattr(block, "statements", None) or []
            for statement in statements:
                needed = [statements[need] for need in getattr(statement, "needs", ())]
                who = {each for need in needed for each in who_of(need)}
                kind = "approval" if who & people else "guard"
                if statement.kind == "fail" and statement.when is not None:
                    made = but(plan, statement, lambda each: replace(each, when=["const", False]), flow)
                    yield _of(kind, "fail … when …", statement.node, who, made)
                elif getattr(statement, "only_if", None) is not None:
                    made = but(plan, statement, lambda each: replace(each, only_if=None), flow)
                    yield _of(kind, f"only_if of {_call(statement)}", statement.node, who | who_of(statement), made)


@protection("asking")
def _askings(plan: Plan, flow: str) -> Iterator[Protection]:
    for statement in statements_of(plan, flow):
        rules = getattr(statement, "rules", None) or ()
        for rule in rules:
            if rule.kind == "ask" and len(rules) > 1:
                left = [each for each in rules if each is not rule]
                made = but(plan, statement, lambda each, left=left: replace(each, rules=left), flow)  # type: ignore[misc]
                who = {rule.who.agent} if rule.who is not None else set()
                yield _of("approval", f"ask of {_call(statement)}", statement.node, who, made)


@protection("within")
def _withins(plan: Plan, flow: str) -> Iterator[Protection]:
    for statement in statements_of(plan, flow):
        parts = [*(getattr(statement, "rules", None) or ()), *(getattr(statement, "on_failure", None) or ())]
        if any(part.within_us is not None for part in parts):
            made = but(plan, statement, lambda each: changed(each, _for_ever), flow)
            who = {part.who.agent for part in parts if part.who is not None}
            yield _of("timeout", f"within of {_call(statement)}", statement.node, who, made)


def _for_ever(each: Any) -> Any:
    return replace(each, within_us=None) if getattr(each, "within_us", None) is not None else each


@protection("budget")
def _budgets(plan: Plan, flow: str) -> Iterator[Protection]:
    for name in flows_of(plan, flow):
        of, first = plan.flows[name], next(iter(plan.flows[name].body.statements), None)
        for cap in _caps(of.budget):
            less = replace(of, budget=replace(of.budget, **{cap: None}))
            made = replace(plan, flows={**plan.flows, name: less})
            node = getattr(first, "node", None)
            yield _of("budget", f"budget of {name}: {_CAPS[cap]}", node, set(), made)
    for statement in statements_of(plan, flow):
        budget = getattr(statement, "budget", None)
        if budget is not None and _caps(budget):
            made = but(plan, statement, lambda each: replace(each, budget=None), flow)
            yield _of("budget", f"budget of {_call(statement)}", statement.node, who_of(statement), made)


_CAPS: Final = {
    "cost_pico": "cost",
    "tokens": "tokens",
    "time_us": "time",
    "retries": "retries",
    "attempts": "attempts",
    "depth": "depth",
    "transitions": "transitions",
}


def _caps(budget: Any) -> list[str]:
    return [name for name in _CAPS if getattr(budget, name) is not None]
