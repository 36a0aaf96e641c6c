"""Declarations: types, models, contracts, agents, tools, effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchspec.compiler.lowering.expressions import lower_arguments, lower_default, lower_expression, lower_optional
from orchspec.compiler.lowering.who import lower_candidate, lower_candidates, lower_gate, lower_policy
from orchspec.compiler.lowering.wording import written
from orchspec.compiler.model import (
    AgentInfo,
    CandidateInfo,
    ChannelInfo,
    Checked,
    ContractInfo,
    EffectInfo,
    FieldInfo,
    PolicyValues,
    SignalInfo,
    ToolInfo,
    UndoInfo,
)
from orchspec.compiler.plan import (
    Agent,
    Budget,
    Call,
    Channel,
    Contract,
    Doubt,
    Effect,
    EnumType,
    Field,
    Fold,
    Gate,
    Model,
    Profile,
    RecordType,
    Signal,
    Tool,
)
from orchspec.compiler.reservations import tiers_of
from orchspec.compiler.types import NOTHING, Optional, as_plan

__all__ = [
    "lower_agents",
    "lower_answers",
    "lower_channels",
    "lower_contracts",
    "lower_effects",
    "lower_enums",
    "lower_fields",
    "lower_gates",
    "lower_models",
    "lower_questions",
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
        name: Model(name, info.input_pico, info.output_pico, info.context_tokens, info.rate, info.token_rate)
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


def lower_agents(checked: Checked, profiles: Mapping[str, Profile]) -> dict[str, Agent]:
    """Agents, humans and dispatchers."""
    return {name: _agent(info, profiles) for name, info in checked.agents.items()}


def _agent(info: AgentInfo, profiles: Mapping[str, Profile]) -> Agent:
    fold = None
    if info.fold is not None:
        fold = Fold(info.fold.name, lower_candidates(info.folders, "least_busy", profiles))
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
        session_by=dict(info.session_by),
        context_tokens=info.context_tokens,
        fold=fold,
        tools=[tool.name for tool in info.tools],
        effects=[effect.name for effect in info.effects],
        budget=info.budget,
        skill=info.skill,
    )


def lower_tools(checked: Checked) -> dict[str, Tool]:
    """The tools."""
    return {name: _tool(info) for name, info in checked.tools.items()}


def _tool(info: ToolInfo) -> Tool:
    least, most = info.slots or (None, None)
    return Tool(info.name, most, info.rate, least)


def lower_effects(checked: Checked, profiles: Mapping[str, Profile]) -> dict[str, Effect]:
    """The effects; the profiles say what those cost who are asked in doubt."""
    return {name: _effect(checked, info, profiles) for name, info in checked.effects.items()}


def _effect(checked: Checked, info: EffectInfo, profiles: Mapping[str, Profile]) -> Effect:
    doubt = None
    if info.doubt_who is not None:
        # Their own timeout is for their tasks: how long they may look is said here.
        who = CandidateInfo(info.doubt_who, PolicyValues(), tiers_of(info.doubt_who, Budget()))
        doubt = Doubt(lower_candidate(who, profiles), question_of(info.name), info.doubt_within_us)
    return Effect(
        name=info.name,
        params=lower_fields(checked, info.params),
        result=as_plan(info.result),
        key=lower_optional(checked, info.key),
        undo=_call(checked, info.undo),
        policy=lower_policy(info.policy),
        gate=None if lower_gate(info.policy) is None else info.name,
        idempotent=info.idempotent,
        check=_call(checked, info.check),
        in_doubt=doubt,
        settles_us=info.settles_us or 0,
        remembers_us=info.remembers_us,
    )


def lower_gates(checked: Checked) -> dict[str, Gate]:
    """The limits of effects, by their names."""
    gates = {name: lower_gate(info.policy) for name, info in checked.effects.items()}
    return {name: gate for name, gate in gates.items() if gate is not None}


def _call(checked: Checked, info: UndoInfo | None) -> Call | None:
    return None if info is None else Call(info.effect.name, lower_arguments(checked, info.arguments))


def question_of(effect: str) -> str:
    """The name of the question whether an effect was done, and of the type of its answer: no spec can write it."""
    return f"{effect}.in_doubt"


def lower_answers(checked: Checked) -> dict[str, RecordType]:
    """What people say of effects in doubt: whether it was done, and the receipt."""
    answers: dict[str, RecordType] = {}
    for info in checked.effects.values():
        if info.doubt_who is not None:
            receipt = as_plan(info.result) if info.result != NOTHING else "Json"
            if isinstance(receipt, str) or receipt[0] != "Option":
                receipt = ["Option", receipt]
            name = question_of(info.name)
            answers[name] = RecordType(name, [Field("done", "Bool"), Field("result", receipt)])
    return answers


def lower_questions(checked: Checked) -> dict[str, Contract]:
    """The questions whether an effect was done: of its parameters, to whoever looks. What was done has its receipt."""
    questions: dict[str, Contract] = {}
    for info in checked.effects.values():
        if info.doubt_who is None:
            continue
        name = question_of(info.name)
        answer = ["ref", 0, len(info.params)]
        needs_receipt = info.result != NOTHING and not isinstance(info.result, Optional)
        given = ["or", ["not", ["field", answer, "done"]], ["ne", ["field", answer, "result"], ["const", None]]]
        questions[name] = Contract(
            name=name,
            params=lower_fields(checked, info.params),
            result=["Record", name],
            expects=f"Nobody knows whether {info.name} was done. Look, and answer "
            + ('{"done": true, "result": …}' if info.result != NOTHING else '{"done": true}')
            + ' or {"done": false}.',
            ensures=[given] if needs_receipt else [],
            ensures_text=["not result.done or result.result != none"] if needs_receipt else [],
        )
    return questions


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
