"""Protections that show only by what they were there for: orders, owners, doubts, slots and rates, taken away.

Limits are taken out of the plan, by making them so wide that nothing reaches them: a tool whose calls nobody counts
would not be called at all. The other clauses are taken from the text of a spec and what is left is compiled, which is
no business of the simulator: whoever has the text hands over what came of it (`Withheld`).

What each was there for is looked for beside it, in what happened without it: `broken_without`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Fault, Rate
from orchspec.simulator.chaos.protections import Protection
from orchspec.simulator.chaos.taking import asked_at, effects_of, flows_of, statements_of, used_by, walk
from orchspec.simulator.checkers import limits, owner

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["LOADED", "RUNS_MAX", "Withheld", "broken_without", "limits_of", "load_of", "reason_for", "withheld_of"]

_WIDE: Final = 1_000_000
RUNS_MAX: Final = 24
"""Runs that meet at most where the fault is load."""
LOADED: Final = frozenset({"slots", "rate"})
"""Kinds that are there for load: runs that meet, slow answers, retries."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """A clause that was taken from the text of a spec, or of a file that it imports.

    Attributes:
        kind: `require`, `owns`, `check`, `in_doubt`, `slots` or `rate`.
        owners: the declaration or the flow in which it stood, by its name in the plan; several where its file is
            imported several times.
        text: the clause.
        pair: of a `require`, the two statements.
        plan: what is left; none if the compiler refuses that, as `refused` says.
        at: the file and the line where it stood, with what stands there.
    """

    kind: str
    owners: tuple[str, ...]
    text: str
    pair: tuple[str, str] | None
    plan: Plan | None
    refused: str | None
    at: str


# ------------------------------------------------------------------ slots and rates


def limits_of(plan: Plan, flow: str) -> Iterator[Protection]:
    """The slots and the rates of whom a flow asks, of the tools that those call, and of gates: each taken away."""
    used = used_by(plan, flow)
    for name in used:
        agent = plan.agents.get(name)
        if agent is None:
            continue
        if agent.slots_max is not None:
            wide = replace(agent, slots_min=None, slots_max=_WIDE)
            yield _limit(plan, flow, "slots", name, {"agents": {**plan.agents, name: wide}})
        if agent.rate is not None:
            yield _limit(plan, flow, "rate", name, {"agents": {**plan.agents, name: replace(agent, rate=_FAST)}})
    for name in dict.fromkeys(tool for each in used if each in plan.agents for tool in plan.agents[each].tools):
        tool = plan.tools[name]
        callers = frozenset({name, *(each for each in used if each in plan.agents and name in plan.agents[each].tools)})
        if tool.slots is not None:
            wide_tool = replace(tool, slots_min=None, slots=_WIDE)
            yield _limit(plan, flow, "slots", name, {"tools": {**plan.tools, name: wide_tool}}, callers)
        if tool.rate is not None:
            fast = {**plan.tools, name: replace(tool, rate=_FAST)}
            yield _limit(plan, flow, "rate", name, {"tools": fast}, callers)
    for name, gate in plan.gates.items():
        if gate.slots_max is not None:
            wide_gate = replace(gate, slots_min=None, slots_max=_WIDE)
            yield _limit(plan, flow, "slots", name, {"gates": {**plan.gates, name: wide_gate}})
        if gate.rate is not None:
            yield _limit(plan, flow, "rate", name, {"gates": {**plan.gates, name: replace(gate, rate=_FAST)}})


_FAST: Final = Rate(_WIDE, 1)


def _limit(
    plan: Plan, flow: str, kind: str, name: str, less: dict[str, Any], targets: frozenset[str] = frozenset()
) -> Protection:
    made = replace(plan, **less).sealed()
    return Protection(kind, f"{kind} of {name}", asked_at(plan, flow, name), targets or frozenset({name}), made)


def load_of(plan: Plan, protection: Protection, runs: int) -> tuple[int, list[list[Fault]]]:
    """How many runs meet, and what goes wrong besides, for a limit to be needed: slow answers, and retries."""
    name = protection.name.rpartition(" of ")[2]
    agent, tool, gate = plan.agents.get(name), plan.tools.get(name), plan.gates.get(name)
    slots = agent.slots_max if agent is not None else tool.slots if tool is not None else gate and gate.slots_max
    many = max(runs, min(RUNS_MAX, 2 * (slots or 0) + 2 if protection.kind == "slots" else RUNS_MAX // 2))
    struck = sorted(each for each in protection.targets if each in plan.agents or each in plan.effects)
    people = {each for each in struck if each in plan.agents and plan.agents[each].kind == "human"}
    found: list[list[Fault]] = [[]]
    for each in struck:
        if each not in people:
            found.append([Fault(0, "slow", each, {"factor": 10, "lasting": _WHILE_US})])
            found.append([Fault(0, "retry_storm", each, {"rate": 0.5, "lasting": _WHILE_US})])
    return many, found


_WHILE_US: Final = 600_000_000


# ------------------------------------------------------------------ clauses


def withheld_of(plan: Plan, flow: str, clauses: list[Withheld]) -> Iterator[tuple[Protection, str | None]]:
    """The clauses that have to do with a flow, each as a protection, with what the compiler said if it refused."""
    concerned = {"require": _ordered, "owns": _decided, "check": _doubted, "in_doubt": _doubted}
    for each in clauses:
        found = concerned[each.kind](plan, flow, each) if each.kind in concerned else None
        if found is None:
            continue
        whose, node, targets = found
        bare = each.plan if each.plan is not None else plan
        said = each.text if each.kind == "require" else f"{each.kind} of {whose}"
        yield Protection(each.kind, said, node, frozenset(targets), bare, pair=each.pair, at=each.at), each.refused


_Concerned = tuple[str, int | None, set[str]]
"""Whose a clause is, the statement that has to do with it, and whom that asks."""


def _ordered(plan: Plan, flow: str, clause: Withheld) -> _Concerned | None:
    assert clause.pair is not None
    for name in flows_of(plan, flow):
        if name in clause.owners:
            steps = {getattr(each, "name", ""): each for each in walk(plan.flows[name].body) if hasattr(each, "node")}
            if clause.pair[1] in steps:
                who = {each for step in clause.pair for each in _who(steps.get(step))}
                return name, steps[clause.pair[1]].node, who
    return None


def _decided(plan: Plan, flow: str, clause: Withheld) -> _Concerned | None:
    for each in statements_of(plan, flow):
        contract = getattr(each, "contract", None)
        if contract in clause.owners:
            return str(contract), each.node, _who(each)
    return None


def _doubted(plan: Plan, flow: str, clause: Withheld) -> _Concerned | None:
    name = next((each for each in effects_of(plan, flow) if each in clause.owners), None)
    return None if name is None else (name, asked_at(plan, flow, name), {name})


def _who(statement: Any) -> set[str]:
    names = {candidate.agent for candidate in getattr(statement, "candidates", ())}
    effect = getattr(statement, "effect", None)
    return names | ({effect} if isinstance(effect, str) else set())


# ------------------------------------------------------------------ what they were there for


def broken_without(chronicle: Chronicle, plan: Plan, protection: Protection) -> list[str]:
    """What happened that a protection is there to keep from happening, in words; `plan` is the whole one."""
    look = _LOOKS.get(protection.kind)
    return [] if look is None else look(chronicle, plan, protection)


def _beyond(chronicle: Chronicle, plan: Plan, protection: Protection) -> list[str]:
    name = protection.name.rpartition(" of ")[2]
    said = [each.message for each in limits.granted(chronicle, plan) if each.message.startswith(f"{name} ")]
    said += [each.message for each in limits.called(chronicle, plan) if each.message.startswith(f"{name} ")]
    return said[:1]


def _overtaken(chronicle: Chronicle, _plan: Plan, protection: Protection) -> list[str]:
    assert protection.pair is not None
    earlier, later = protection.pair
    for told in chronicle.runs.values():
        if told.run in chronicle.halted:
            continue
        story = chronicle.story(told.run)
        for here in story.happenings.values():
            activity = here.activity
            if activity.owner is not activity.frame or activity.op.name != later:
                continue
            before = [
                each
                for each in story.happenings.values()
                if each.activity.frame is activity.frame
                and each.activity.owner is activity.frame
                and each.activity.op.name == earlier
            ]
            if not before and earlier not in {op.name for op in activity.frame.block.ops}:
                continue  # steps of another flow that have the names of these
            if not before or any(each.ended is None or each.ended.seq > here.begun.seq for each in before):
                return [f"{later} begins before {earlier} has ended"]
    return []


def _twice_decided(chronicle: Chronicle, plan: Plan, _protection: Protection) -> list[str]:
    twice = (owner.decided_twice(chronicle, told, plan) for told in chronicle.runs.values())
    return [each.message for found in twice for each in found][:1]


_LOOKS: Final[dict[str, Callable[[Chronicle, Plan, Protection], list[str]]]] = {
    "slots": _beyond,
    "rate": _beyond,
    "require": _overtaken,
    "owns": _twice_decided,
}


def reason_for(protection: Protection, runs: int) -> str:
    """Why nothing was noticed without a protection."""
    if protection.kind == "require" and protection.pair is not None:
        if _is_read(protection):
            return f"{protection.pair[1]} waits for {protection.pair[0]} in any case, so the order stands without it"
        return "no fault that was tried let the second overtake the first"
    if protection.kind == "owns":
        return "the compiler proves that one alone decides; what nothing else decides, no fault decides twice"
    if protection.kind in LOADED:
        return f"{runs} runs that meet, slow and failing, never come up to it"
    return "no fault that was tried needs it"


def _is_read(protection: Protection) -> bool:
    """Whether the plan without the clause has the order all the same."""
    assert protection.pair is not None
    earlier, later = protection.pair
    for flow in protection.plan.flows.values():
        for block in _blocks(flow.body):
            names = [getattr(each, "name", "") for each in block.statements]
            if earlier in names and later in names:
                return _reaches(block.statements, names.index(later), names.index(earlier))
    return False


def _blocks(value: Any) -> Iterator[Any]:
    return (each for each in walk(value) if isinstance(getattr(each, "statements", None), list))


def _reaches(statements: list[Any], late: int, early: int) -> bool:
    seen: set[int] = set()
    left = [late]
    while left:
        at = left.pop()
        for need in statements[at].needs:
            if need == early:
                return True
            if need not in seen:
                seen.add(need)
                left.append(need)
    return False
