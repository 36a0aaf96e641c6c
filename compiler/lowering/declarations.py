"""Declarations: types, models, contracts, agents, tools, effects."""

from __future__ import annotations

from collections.abc import Sequence

from orchspec.compiler.lowering.blocks import lower_arguments
from orchspec.compiler.lowering.expressions import lower_default, lower_expression, lower_optional
from orchspec.compiler.lowering.who import lower_gate, lower_policy
from orchspec.compiler.lowering.wording import written
from orchspec.compiler.model import (
    AgentInfo,
    ChannelInfo,
    Checked,
    ContractInfo,
    EffectInfo,
    FieldInfo,
    SignalInfo,
    ToolInfo,
)
from orchspec.compiler.plan import (
    Agent,
    Call,
    Channel,
    Contract,
    Effect,
    EnumType,
    Field,
    Gate,
    Model,
    RecordType,
    Signal,
    Tool,
)
from orchspec.compiler.types import as_plan

__all__ = [
    "lower_agents",
    "lower_channels",
    "lower_contracts",
    "lower_effects",
    "lower_enums",
    "lower_fields",
    "lower_gates",
    "lower_models",
    "lower_records",
    "lower_signals",
    "lower_tools",
]


def lower_fields(checked: Checked, fields: Sequence[FieldInfo]) -> list[Field]:
    """Fields of a record, or parameters; what is optional and has no default is none when left out."""
    return [
        Field(
            item.name,
            as_plan(item.type),
            lower_optional(checked, item.node.where),
            lower_default(checked, item.node.default) if item.has_default else None,
        )
        for item in fields
    ]


def lower_records(checked: Checked) -> dict[str, RecordType]:
    """The record types."""
    return {name: RecordType(name, lower_fields(checked, info.fields)) for name, info in checked.records.items()}


def lower_enums(checked: Checked) -> dict[str, EnumType]:
    """The enums."""
    return {name: EnumType(name, list(info.members)) for name, info in checked.enums.items()}


def lower_models(checked: Checked) -> dict[str, Model]:
    """The models."""
    return {
        name: Model(name, info.input_pico, info.output_pico, info.context_tokens)
        for name, info in checked.models.items()
    }


def lower_contracts(checked: Checked) -> dict[str, Contract]:
    """The contracts."""
    return {name: _contract(checked, info) for name, info in checked.contracts.items()}


def _contract(checked: Checked, info: ContractInfo) -> Contract:
    return Contract(
        name=info.name,
        params=lower_fields(checked, info.params),
        result=as_plan(info.result),
        expects=info.expects,
        ensures=[lower_expression(checked, condition) for condition in info.ensures],
        ensures_text=[written(condition) for condition in info.ensures],
        reuse=info.reuse,
        owns=None if info.owns is None else info.owns.name,
    )


def lower_agents(checked: Checked) -> dict[str, Agent]:
    """Agents, humans and dispatchers."""
    return {name: _agent(info) for name, info in checked.agents.items()}


def _agent(info: AgentInfo) -> Agent:
    return Agent(
        name=info.name,
        kind=info.kind,
        fulfills=[contract.name for contract in info.fulfills],
        models=[model.name for model in info.models],
        slots_min=None if info.policy.slots is None else info.policy.slots[0],
        slots_max=None if info.policy.slots is None else info.policy.slots[1],
        rate=info.policy.rate,
        breaker=info.policy.breaker,
        session=info.session,
        tools=[tool.name for tool in info.tools],
        budget=info.budget,
        skill=info.skill,
    )


def lower_tools(checked: Checked) -> dict[str, Tool]:
    """The tools."""
    return {name: _tool(info) for name, info in checked.tools.items()}


def _tool(info: ToolInfo) -> Tool:
    least, most = info.slots or (None, None)
    return Tool(info.name, most, info.rate, least)


def lower_effects(checked: Checked) -> dict[str, Effect]:
    """The effects."""
    return {name: _effect(checked, info) for name, info in checked.effects.items()}


def _effect(checked: Checked, info: EffectInfo) -> Effect:
    assert info.key is not None, "an effect says how it stays single"
    undo = None
    if info.undo is not None:
        undo = Call(info.undo.effect.name, lower_arguments(checked, info.undo.arguments))
    return Effect(
        name=info.name,
        params=lower_fields(checked, info.params),
        result=as_plan(info.result),
        key=lower_expression(checked, info.key),
        undo=undo,
        policy=lower_policy(info.policy),
        gate=None if lower_gate(info.policy) is None else info.name,
    )


def lower_gates(checked: Checked) -> dict[str, Gate]:
    """The limits of effects, by their names."""
    gates = {name: lower_gate(info.policy) for name, info in checked.effects.items()}
    return {name: gate for name, gate in gates.items() if gate is not None}


def lower_signals(checked: Checked) -> dict[str, Signal]:
    """The signals."""
    return {name: _signal(checked, info) for name, info in checked.signals.items()}


def _signal(checked: Checked, info: SignalInfo) -> Signal:
    return Signal(info.name, lower_fields(checked, info.params), as_plan(info.result))


def lower_channels(checked: Checked) -> dict[str, Channel]:
    """The channels."""
    return {name: _channel(checked, info) for name, info in checked.channels.items()}


def _channel(checked: Checked, info: ChannelInfo) -> Channel:
    senders = [sender.name for sender in info.senders]
    return Channel(info.name, lower_fields(checked, info.params), senders, [agent.name for agent in info.receivers])
