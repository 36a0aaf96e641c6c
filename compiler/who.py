"""Models, policies, tools, agents, humans and dispatchers: who works, with what, within which limits."""

from __future__ import annotations

from dataclasses import replace

from orchspec.compiler.attributes import Settings
from orchspec.compiler.codes import declarations as codes
from orchspec.compiler.expressions import Typer
from orchspec.compiler.model import AgentInfo, ContractInfo, EffectInfo, ModelInfo, ToolInfo
from orchspec.compiler.names import find_all
from orchspec.compiler.places import AGENT, MODEL, TOKENS_OF_MODELS, Place
from orchspec.compiler.plan import Budget
from orchspec.compiler.policies import POLICY_ATTRIBUTES, read_policy, read_slots
from orchspec.compiler.sessions import read_context, read_session
from orchspec.compiler.types import MONEY
from orchspec.grammar.syntax import Budget as BudgetNode
from orchspec.grammar.syntax import Setting

__all__ = ["AGENT_ATTRIBUTES", "HUMAN_ATTRIBUTES", "MODEL_ATTRIBUTES", "TOOL_ATTRIBUTES", "check_who"]

MODEL_ATTRIBUTES = ("input", "output", "context", "rate", "token_rate")
TOOL_ATTRIBUTES = ("rate", "slots")


def check_who(typer: Typer) -> None:
    """Checks the declarations of models, policies, tools and of all who fulfill contracts."""
    checked = typer.checked
    for model in checked.models.values():
        before = len(typer.report.diagnostics)
        _model(typer, model)
        if len(typer.report.diagnostics) > before:
            typer.context.vague.add(model)
    for policy in checked.policies.values():
        at = Place("a policy", without=TOKENS_OF_MODELS)
        settings = Settings(typer, at, policy.node.settings, POLICY_ATTRIBUTES)
        policy.values = read_policy(settings, policies=False)
    for tool in checked.tools.values():
        settings = Settings(typer, Place("a tool", without=TOKENS_OF_MODELS), tool.node.settings, TOOL_ATTRIBUTES)
        tool.rate = settings.rate("rate")
        tool.slots = read_slots(settings)
    for agent in checked.agents.values():
        _agent(typer, agent)


def _model(typer: Typer, info: ModelInfo) -> None:
    settings = Settings(typer, MODEL, info.node.settings, MODEL_ATTRIBUTES)
    prices = []
    for name in ("input", "output"):
        expr = settings.expr(name)
        price = None if expr is None else settings.constant(name, expr, (MONEY,), "a price such as `$3 / 1M`")
        if price is not None and expr is not None and price < 0:
            settings.out_of_range(name, expr, "negative", "at least $0")
            price = None
        prices.append(price)
        if price is None and settings.has(name):
            typer.context.vague.add(info)
    info.input_pico, info.output_pico = prices
    info.context_tokens = settings.count("context")
    info.rate = settings.rate("rate")
    info.token_rate = settings.rate("token_rate")


AGENT_ATTRIBUTES = ("models", "session", "context", "fold", "tools", "effects", "policies", "skill", *POLICY_ATTRIBUTES)
HUMAN_ATTRIBUTES = ("policies", "skill", "timeout", "attempts", "backoff", "breaker", "rate", "slots")
_NOT_HUMAN = {
    "models": "a person runs on no model",
    "session": "a person remembers without it",
    "tools": "a person takes no slot of a tool",
    "effects": "a person's effects are steps of the flow",
    "context": "a person has no context to outgrow",
    "fold": "a person has no context to outgrow",
    "hedge": "a person is asked once",
}


def _agent(typer: Typer, info: AgentInfo) -> None:
    context = typer.context
    info.fulfills, complete = find_all(context, info.node.fulfills, ContractInfo)
    info.open = not complete
    items = _allowed(typer, info)
    place = "an agent" if info.kind == "agent" else f"a {info.kind}"
    if info.kind == "human":
        settings = Settings(typer, place, items, HUMAN_ATTRIBUTES)
    else:
        before = len(typer.report.diagnostics)
        settings = Settings(typer, replace(AGENT, name=place), items, AGENT_ATTRIBUTES)
        if len(typer.report.diagnostics) > before:
            context.vague.add(info)
    info.policy = read_policy(settings)
    if info.kind == "human" and info.policy.slots is None:
        info.policy = type(info.policy)(slots=(1, 1)).over(info.policy)
    before = len(typer.report.diagnostics)
    info.models, known = find_all(context, settings.names("models", "[large, small]"), ModelInfo)
    if not known or len(typer.report.diagnostics) > before or context.vague.intersection(info.models):
        context.vague.add(info)
    info.tools, _ = find_all(context, settings.names("tools", "[search]"), ToolInfo)
    info.effects, _ = find_all(context, settings.names("effects", "[refund]"), EffectInfo)
    if info.kind != "human":
        read_context(settings, info)
        read_session(settings, info)
    skill = settings.share("skill")
    info.skill = 1.0 if skill is None else skill
    info.budget = settings.budget or Budget()


def _allowed(typer: Typer, info: AgentInfo) -> list[Setting]:
    """The settings without those that this kind cannot have, which are reported."""
    kept: list[Setting] = []
    for item in info.node.settings:
        name = "budget" if isinstance(item, BudgetNode) else item.name.text
        if info.kind == "dispatcher" and name in ("tools", "effects"):
            at = item.span.source.span(item.span.start, item.span.start + len(name))
            typer.report.add(codes.DISPATCHER_EXECUTES, at, name=info.name, what=f"have `{name}`")
        elif info.kind == "human" and (name in _NOT_HUMAN or name == "budget"):
            at = item.span.source.span(item.span.start, item.span.start + len(name))
            why = _NOT_HUMAN.get(name, "a person's time is not paid by the attempt")
            typer.report.add(codes.HUMAN_RESTRICTION, at, name=info.name, attribute=name, why=why)
        else:
            kept.append(item)
    return kept
