"""Sessions: who remembers what, how a persistent mind is told from others, and what summarizes what it outgrows."""

from __future__ import annotations

from typing import Final, get_args

from orchspec.compiler.attributes import Settings
from orchspec.compiler.codes import declarations as declaration_codes
from orchspec.compiler.codes import messages as codes
from orchspec.compiler.context import Context, Env
from orchspec.compiler.model import AgentInfo, ContractInfo, Reference
from orchspec.compiler.names import find
from orchspec.compiler.plan import Expr as PlanExpr
from orchspec.compiler.plan import SessionKind
from orchspec.compiler.types import JSON, TEXT, ListOf, Optional, Type, is_unknown, show
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Attribute, Call, Expr, Ident, Name, walk

__all__ = ["folds", "raced_minds", "read_context", "read_session"]

_KINDS: Final[tuple[SessionKind, ...]] = get_args(SessionKind)
_FORM = "`fresh`, `per_run`, `persistent` or `persistent(by: EXPR)`"


def read_session(settings: Settings, info: AgentInfo) -> None:
    """The session of an agent, with what tells one mind of a persistent one from another."""
    expr = settings.expr("session")
    if not isinstance(expr, Call):
        info.session = settings.one_of("session", _KINDS) or "fresh"
        return
    named = isinstance(expr.callee, Name) and expr.callee.text == "persistent"
    label = expr.args[0].label if len(expr.args) == 1 else None
    if not named or label is None or label.text != "by":
        settings.wrong("session", expr, _FORM)
        return
    info.session = "persistent"
    by = expr.args[0].value
    found: Type | None = None
    # What summarizes a session is asked for beside it, with a new mind.
    for contract in [contract for contract in info.fulfills if contract is not info.fold]:
        kind = _key(settings, contract, by, first=found is None)
        if kind is None:
            return
        if found is not None and kind != found:
            why = f"it is {show(found)} by one contract and {show(kind)} by `{contract.name}`"
            _wrong_key(settings, by, contract, why)
            return
        found = kind
        info.session_by[contract.name] = _lowered(settings, by)


def _key(settings: Settings, contract: ContractInfo, by: Expr, *, first: bool) -> Type | None:
    """The type of what tells minds apart, over the parameters of one contract; none if it is wrong (reported)."""
    typer = settings.typer
    env = Env(contract.frame, seen=len(contract.params), seeing="a session is told apart by the contract's parameters")
    before = len(typer.report.diagnostics)
    found = typer.root(by, env)
    if len(typer.report.diagnostics) > before:
        if not first:
            del typer.report.diagnostics[before:]
            _wrong_key(settings, by, contract, f"`{contract.name}` does not have what it reads")
        return None
    if is_unknown(found):
        return None
    if isinstance(found, Optional):
        _wrong_key(settings, by, contract, f"it is {show(found)}, and a session is always somebody's")
        return None
    if not any(isinstance(typer.checked.resolved.get(part), Reference) for part in walk(by)):
        _wrong_key(settings, by, contract, "it reads no parameter, so that all minds would be one: leave `by` out")
        return None
    return found


def _wrong_key(settings: Settings, by: Expr, contract: ContractInfo, why: str) -> None:
    label = Label(contract.node.name.span, "one of the contracts of this agent")
    settings.context.report.add(codes.SESSION_KEY, by, why=why, labels=[label])


def _lowered(settings: Settings, by: Expr) -> PlanExpr:
    # At once: the same text is read again in the frame of the next contract.
    from orchspec.compiler.lowering.expressions import lower_expression

    return lower_expression(settings.context.checked, by)


def read_context(settings: Settings, info: AgentInfo) -> None:
    """How much an agent can take in, and the contract that summarizes what it outgrows."""
    info.context_tokens = settings.count("context")
    fold = settings.expr("fold")
    if fold is not None:
        info.fold = find(settings.context, fold, ContractInfo)


def folds(context: Context) -> None:
    """Reports contracts that cannot summarize a session, folds of agents that remember nothing, and of nobody."""
    from orchspec.compiler.model import PolicyValues
    from orchspec.compiler.plan import Budget
    from orchspec.compiler.steps import candidate

    for agent in context.checked.agents.values():
        if agent.fold is None:
            continue
        at = next(item for item in agent.node.settings if isinstance(item, Attribute) and item.name.text == "fold")
        if agent.session == "fresh":
            context.report.add(codes.IDLE_FOLD, at.name, name=agent.name)
        problem = _no_summary(agent.fold)
        if problem is not None:
            label = Label(agent.fold.node.name.span, "the contract")
            context.report.add(codes.FOLD_SIGNATURE, at.value, name=agent.fold.name, problem=problem, labels=[label])
            continue
        able = [other for other in context.checked.agents.values() if agent.fold in other.fulfills]
        context.used.update(able)
        able = [other for other in able if other.kind == "agent"] or [o for o in able if o.kind != "human"]
        if not able and not any(other.open for other in context.checked.agents.values()):
            label = Label(agent.fold.node.name.span, "the contract")
            context.report.absent(
                declaration_codes.NOBODY_FULFILLS, at.value, reach="file", contract=agent.fold.name, labels=[label]
            )
        agent.folders = tuple(candidate(other, PolicyValues(), Budget()) for other in able)


def _no_summary(contract: ContractInfo) -> str | None:
    """Why a contract cannot be handed a session, or none."""
    needed = [param for param in contract.params if not param.has_default and not isinstance(param.type, Optional)]
    if len(needed) != 1:
        return f"has {len(needed)} parameters that must be given"
    if needed[0].type not in (ListOf(JSON), JSON, TEXT) and not is_unknown(needed[0].type):
        return f"takes {show(needed[0].type)}"
    return None


def raced_minds(context: Context) -> None:
    """Reports races of agents with a persistent mind: a loser would remember what nobody asked for."""
    for step in context.checked.steps.values():
        if step.pattern != "first" or step.node.by is None:
            continue
        for who in step.candidates:
            if who.agent.session == "persistent":
                at: Ident = who.agent.node.name
                label = Label(at.span, "its mind is persistent")
                context.report.add(codes.RACED_MIND, step.node.by, name=who.agent.name, labels=[label])
                break
