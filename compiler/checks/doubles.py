"""What sends work twice, or stops it half-way, is safe for that work: hedges and early ends."""

from __future__ import annotations

from orchspec.compiler.codes import shared as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, ArbitrateInfo, GiverRef, MissingRef, PolicyInfo, Reference
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Attribute, Node, walk

__all__ = ["early_ends", "hedged_work"]

_SENT_AGAIN = "it is done to the outside world, where it is only ever sent again"
_WHOLE = "it is tried as a whole; hedge the steps inside"
_BEST = frozenset({"highest", "lowest"})


def hedged_work(context: Context) -> None:
    """Reports hedges of what must not be sent twice."""
    checked = context.checked
    for agent in checked.agents.values():
        if agent.policy.hedge is not None:
            _refuse(context, agent.node.settings, agent.name, _bars_twice(context, agent))
    for effect in checked.effects.values():
        if effect.policy.hedge is not None:
            _refuse(context, effect.node.settings, effect.name, _SENT_AGAIN)
    for look in checked.evals.values():
        if look.own.hedge is not None:
            _refuse(context, look.node.settings, look.node.name.text, "nobody waits for an eval")
    for scope in checked.scopes.values():
        if scope.policy.hedge is not None:
            _refuse(context, scope.node.body, scope.node.name.text, _WHOLE)
    for step in checked.steps.values():
        if step.own.hedge is None:
            continue
        if step.effect is not None:
            _refuse(context, step.node.settings, step.shown, _SENT_AGAIN)
        elif step.flow is not None:
            _refuse(context, step.node.settings, step.shown, _WHOLE)
        for candidate in step.candidates:
            why_not = _bars_twice(context, candidate.agent)
            if why_not is not None:
                _refuse(context, step.node.settings, candidate.agent.name, why_not)
                break


def _refuse(context: Context, items: tuple[Node, ...], name: str, why: str | None) -> None:
    """Reports a hedge where it stands, or where a policy brings it along."""
    if why is None:
        return
    written = {item.name.text: item for item in items if isinstance(item, Attribute)}
    at = written.get("hedge") or written.get("policies")
    assert at is not None, "a hedge comes from an attribute"
    labels = []
    if at.name.text == "policies":
        for part in walk(at.value):
            policy = context.checked.resolved.get(part)
            if isinstance(policy, PolicyInfo) and policy.values.hedge is not None:
                labels.append(Label(policy.node.name.span, "the hedge comes from here"))
    context.report.add(codes.CANNOT_HEDGE, at.name, name=name, why=why, labels=labels)


def _bars_twice(context: Context, agent: AgentInfo) -> str | None:
    """Why a task of this agent must not be done by two at once, or none."""
    if agent.kind == "human":
        return "a person is asked once"
    if agent.session != "fresh":
        return "its mind remembers, and one mind does one task at a time"
    for channel in context.checked.channels.values():
        if agent in channel.senders:
            return f"it sends on `{channel.name}`, and would say everything twice"
    return _bars_stopping(agent)


def _bars_stopping(agent: AgentInfo) -> str | None:
    """Why a task of this agent must not be stopped for the sake of another one, or none."""
    if agent.session not in ("fresh", "per_run"):
        return f"`{agent.name}` has a persistent mind, which would keep half a thought"
    for effect in agent.effects:
        if effect.key is None:
            return f"`{agent.name}` may apply `{effect.name}`, which has no key"
    return None


def early_ends(context: Context) -> None:
    """Reports `early = true` where the outcome is never certain before all have come, or what is stopped is needed."""
    for info in context.checked.arbitrations.values():
        if info.early:
            why, label = _bars_early(context, info)
            if why is not None:
                labels = [] if label is None else [label]
                at = next(
                    item for item in info.node.settings if isinstance(item, Attribute) and item.name.text == "early"
                )
                context.report.add(codes.CANNOT_END_EARLY, at.name, name=info.node.name.text, why=why, labels=labels)


def _bars_early(context: Context, info: ArbitrateInfo) -> tuple[str | None, Label | None]:
    if info.source is None or info.source_slot is None or info.source_slot.frame is not info.frame.parent:
        return "its candidates are no answers of a step of this block, so there is nobody to stop", None
    if info.group is not None:
        return "with `group` it is known only in the end who belongs together", None
    if info.rules:
        first = info.rules[0]
        if first.kind in _BEST:
            return f"`{first.kind}` is known only when all have come", None
        if first.kind == "ask" and first.contract is not None:
            return "whoever is asked looks at all candidates", None
    for candidate in info.source.candidates:
        why = _bars_stopping(candidate.agent)
        if why is not None:
            return why, None
    reader = _other_reader(context, info)
    if reader is not None:
        name = info.source.node.name.text
        return f"`{name}` is read elsewhere too, where all answers count", Label(reader.span, "read here")
    return None, None


def _other_reader(context: Context, info: ArbitrateInfo) -> Node | None:
    """Where something but the arbitration reads the list of candidates."""
    resolved = context.checked.resolved
    own = info.node.candidates
    for flow in context.checked.flows.values():
        for part in walk(flow.node):
            found = resolved.get(part)
            if (
                part is not own
                and isinstance(found, Reference | GiverRef | MissingRef)
                and found.slot is info.source_slot
            ):
                if any(inner is own for inner in walk(part)):
                    continue
                return part
    return None
