"""Steps: what they ask for, who does it, for which items, and what happens when it fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, get_args

from orchspec.compiler.attributes import Settings
from orchspec.compiler.calls import infer_arguments, match_arguments
from orchspec.compiler.codes import declarations as declaration_codes
from orchspec.compiler.codes import flows as codes
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.failures import read_on_failure
from orchspec.compiler.foresight import foreseen_of_work
from orchspec.compiler.functions import FUNCTIONS
from orchspec.compiler.loops import item_env, read_loop
from orchspec.compiler.model import (
    AgentInfo,
    CandidateInfo,
    ContractInfo,
    EffectInfo,
    FlowInfo,
    PolicyValues,
    SignalInfo,
    StepInfo,
)
from orchspec.compiler.names import describe, find, find_all, is_opaque, unknown
from orchspec.compiler.places import EFFECT_STEP, FAN_OUT, FLOW_STEP, SIGNAL_STEP, STEP
from orchspec.compiler.plan import Budget, Prefer
from orchspec.compiler.policies import read_policy
from orchspec.compiler.reservations import tiers_of
from orchspec.compiler.suggestions import insertion
from orchspec.compiler.types import INT, UNKNOWN, ListOf, Type, optional
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import (
    By,
    ByAgent,
    ByAll,
    ByAny,
    ByCount,
    ByFirst,
    Call,
    Hole,
    Path,
    Step,
    dotted,
)

__all__ = ["CANDIDATES_MAX", "PREFER", "agents_of", "candidate", "check_step", "fulfills", "refuse_fan_out"]

CANDIDATES_MAX = 200_000
"""How many pairs of a step and an agent that may take it a spec can have, so that its tables stay bounded."""

PREFER: Final[tuple[Prefer, ...]] = get_args(Prefer)

_PATTERNS: Final[Mapping[type[By], Literal["one", "any", "all", "some", "first"]]] = {
    ByAgent: "one",
    ByAny: "any",
    ByAll: "all",
    ByCount: "some",
    ByFirst: "first",
}


_TARGETS: Mapping[str, type[ContractInfo | EffectInfo | FlowInfo | SignalInfo]] = {
    "contracts": ContractInfo,
    "effects": EffectInfo,
    "flows": FlowInfo,
    "signals": SignalInfo,
}
"""What a step can ask for, by its table."""

_NO_WORK = ("agents", "tools", "records", "enums", "models", "policies")


def check_step(typer: Typer, node: Step, env: Env) -> StepInfo:
    """Checks a step of a block; the info stands in the tables, with the type that its name has."""
    info = StepInfo(node)
    typer.checked.steps[node] = info
    target = _target(typer, node)
    settings = _settings(typer, node, target, env)
    slot = typer.checked.slots.get(node)
    if slot is not None:
        slot.type = UNKNOWN if target is None else foreseen_of_work(node, target.result)
    only_if = settings.expr("only_if")
    if only_if is not None:
        info.only_if = only_if
        env = env.knowing(typer.condition(only_if, env, "`only_if`"))
    if node.loop is not None:
        info.loop = read_loop(typer, node, node.loop, settings, env)
        inner = item_env(env, info.loop)
    else:
        inner = env
    base = _work(typer, node, target, info, inner)
    _dispatch(typer, node, info, target, settings)
    _limits(typer, info, settings, env)
    skips = read_on_failure(typer, info, settings, inner, base, _asked(info))
    info.result = _result(info, base, skips=skips)
    return info


# ------------------------------------------------------------------ the work


def _target(typer: Typer, node: Step) -> ContractInfo | EffectInfo | FlowInfo | SignalInfo | None:
    work = node.work
    text = dotted(work.callee) if isinstance(work, Call) else None
    if isinstance(work, Hole) or text is None:
        return None
    context = typer.context
    for table, kind in _TARGETS.items():
        if context.find(table, work.callee, text) is not None:
            return find(context, work.callee, kind)
    if is_opaque(context, work.callee, text):
        return None
    others = (context.find(table, work.callee, text) for table in _NO_WORK)
    other = next((info for info in others if info is not None), None)
    if other is not None or text in FUNCTIONS:
        what = f"`{text}`, {describe(other)}," if other is not None else f"the function `{text}`"
        if other is not None:
            context.used.add(other)
        notes = [] if other is not None else [f"a value is named by `let {node.name.text} = {text}(...)`"]
        if isinstance(other, AgentInfo):
            done = next((path.text for path in other.node.fulfills), "Contract")
            notes = [f"a step names the work and then who does it: `{done}(…) by {text}`"]
        typer.report.add(codes.NOTHING_TO_DO, work.callee, what=what, notes=notes)
        return None
    unknown(context, work.callee, "contract, effect, flow or signal", text, context.known(work.callee, *_TARGETS))
    return None


def _settings(typer: Typer, node: Step, target: object, env: Env) -> Settings:
    match target:
        case EffectInfo():
            place = EFFECT_STEP
        case FlowInfo():
            place = FLOW_STEP
        case SignalInfo():
            place = SIGNAL_STEP
        case _:
            place = STEP
    settings = Settings(typer, place, node.settings, env=env)
    if isinstance(target, EffectInfo | FlowInfo | SignalInfo) and node.loop is None:
        refuse_fan_out(settings, ("width", "need"), f"this is {describe(target)}, and ")
    return settings


def refuse_fan_out(settings: Settings, names: Iterable[str], before: str = "") -> None:
    """Reports attributes that go only with several items or agents, where there is one."""
    for name in names:
        if settings.has(name):
            why = f"{before}{FAN_OUT[name]}"
            settings.context.report.add(codes.WITHOUT_FAN_OUT, settings.attributes[name].name, name=name, why=why)


def _work(typer: Typer, node: Step, target: object, info: StepInfo, env: Env) -> Type:
    work = node.work
    if isinstance(work, Hole):
        return UNKNOWN
    if not isinstance(target, ContractInfo | EffectInfo | FlowInfo | SignalInfo):
        infer_arguments(typer, work, env)
        return UNKNOWN
    info.arguments = match_arguments(typer, f"`{target.name}`", target.node.name, target.params, work, env)
    match target:
        case ContractInfo():
            info.contract = target
        case EffectInfo():
            info.effect = target
        case FlowInfo():
            info.flow = target
        case SignalInfo():
            info.signal = target
    return target.result


def _result(info: StepInfo, base: Type, *, skips: bool) -> Type:
    kind = ListOf(base) if info.loop is not None or info.pattern in ("all", "some") else base
    # With `for`, a skipped item is left out of the list; only the whole step can be missing.
    return optional(kind) if info.only_if is not None or (skips and info.loop is None) else kind


# ------------------------------------------------------------------ who


def _dispatch(typer: Typer, node: Step, info: StepInfo, target: object, settings: Settings) -> None:
    by = node.by
    if isinstance(target, EffectInfo | FlowInfo | SignalInfo):
        if by is not None:
            kind = describe(target)
            typer.report.add(codes.BY_UNWANTED, by, name=target.name, kind=kind)
        return
    contract = target if isinstance(target, ContractInfo) else None
    if by is None:
        if contract is not None and isinstance(node.work, Call):
            where = Label(contract.node.name.span, "the contract")
            fix = insertion(node.work, " by any", f"let whoever is free do it: `{contract.name}(…) by any`")
            typer.report.absent(
                codes.BY_MISSING, node.work.callee, reach="statement", name=contract.name, labels=[where], fix=fix
            )
        return
    agents = agents_of(typer, by, contract)
    info.pattern = _PATTERNS[type(by)]
    if isinstance(by, ByCount):
        info.copies = settings.count_of("N of", by.count) or 1
    if node.loop is not None and info.pattern in ("all", "some", "first"):
        pattern = {"all": "all of", "some": "N of", "first": "first of"}[info.pattern]
        label = Label(node.loop.span, "the items")
        instead = "put the step into a `scope … for` and `give` its result there"
        typer.report.add(codes.WRONG_LOOP, by, pattern=pattern, labels=[label], notes=[instead])
    info.own = read_policy(settings)
    budget = settings.budget or Budget()
    typer.context.candidates += len(agents)
    if typer.context.candidates > CANDIDATES_MAX:
        if typer.context.candidates - len(agents) <= CANDIDATES_MAX:  # told once
            typer.report.add(declaration_codes.TOO_MANY_CANDIDATES, by, limit=CANDIDATES_MAX)
        return
    info.candidates = tuple(candidate(agent, info.own, budget) for agent in agents)


def candidate(agent: AgentInfo, policy: PolicyValues, budget: Budget) -> CandidateInfo:
    """An agent at a place that says this policy and this budget."""
    return CandidateInfo(agent, policy.over(agent.policy), tiers_of(agent, budget))


def fulfills(typer: Typer, agents: Iterable[tuple[Path, AgentInfo]], contract: ContractInfo | None) -> None:
    """Reports who of these agents does not fulfill the contract."""
    for path, agent in agents:
        if contract is None or contract in agent.fulfills or agent.open:
            continue
        able = [other.name for other in typer.checked.agents.values() if contract in other.fulfills]
        notes = [f"it is fulfilled by {', '.join(able)}"] if able else [f"nobody fulfills {contract.name}"]
        typer.report.add(
            declaration_codes.AGENT_DOES_NOT_FULFILL,
            path,
            agent=agent.name,
            contract=contract.name,
            labels=[Label(agent.node.name.span, "declared here")],
            notes=notes,
        )


def agents_of(typer: Typer, by: By, contract: ContractInfo | None) -> list[AgentInfo]:
    """Who is named or meant after `by`; who does not fulfill the contract is reported."""
    context = typer.context
    if isinstance(by, ByAgent | ByCount):
        paths: Sequence[Path] | None = (by.agent,)
    else:
        paths = by.agents
    if paths is None:
        return _everybody(typer, by, contract)
    if not paths:
        word = by.span.text.partition("[")[0].strip()
        typer.report.absent(
            declaration_codes.OUT_OF_RANGE, by, name=word, found="of nobody", expected="at least one agent"
        )
    found, _ = find_all(context, paths, AgentInfo)
    resolved = ((path, context.checked.resolved.get(path)) for path in paths)
    fulfills(typer, [(path, agent) for path, agent in resolved if isinstance(agent, AgentInfo)], contract)
    return found


def _everybody(typer: Typer, by: By, contract: ContractInfo | None) -> list[AgentInfo]:
    """Who fulfills a contract; under `any`, humans and dispatchers only where no agent does.

    Whoever is free must not be a person by accident: people and desks are named.
    """
    if contract is None:
        return []
    able = [agent for agent in typer.checked.agents.values() if contract in agent.fulfills]
    if isinstance(by, ByAny):
        able = [agent for agent in able if agent.kind == "agent"] or able
    typer.context.used.update(able)
    if not able and not any(agent.open for agent in typer.checked.agents.values()):
        typer.report.absent(
            declaration_codes.NOBODY_FULFILLS,
            by,
            reach="file",
            contract=contract.name,
            labels=[Label(contract.node.name.span, "the contract")],
        )
    return able


# ------------------------------------------------------------------ limits


def _limits(typer: Typer, info: StepInfo, settings: Settings, env: Env) -> None:
    info.budget = settings.budget
    urgency = settings.expr("urgency")
    if urgency is not None:
        typer.root(urgency, env, INT, "`urgency`")
        info.urgency = urgency
    if info.effect is not None or info.signal is not None or info.flow is not None:
        own = info.own = read_policy(settings)
        # Of the policies that a signal names it takes the timeout: the rest is about trying.
        if info.signal is not None:
            own = info.own = PolicyValues(timeout_us=own.timeout_us)
        info.policy = own
        if info.effect is not None:
            info.policy = own.over(info.effect.policy)
        if info.node.loop is not None:
            info.need = settings.need()
        return
    several = info.pattern in ("all", "some")
    allowed = {
        "width": info.node.loop is not None,
        "need": info.node.loop is not None or several,
        "prefer": info.pattern == "any",
    }
    if info.node.by is not None:
        refuse_fan_out(settings, [name for name, fits in allowed.items() if not fits])
    if several or info.node.loop is not None:
        info.need = settings.need()
        asked = info.copies if info.pattern == "some" else len(info.candidates)
        expr = settings.expr("need")
        if several and info.need is not None and (info.need.count or 0) > asked > 0 and expr is not None:
            settings.out_of_range("need", expr, str(info.need.count), f"at most the {asked} that are asked")
    if info.pattern == "any":
        info.prefer = settings.one_of("prefer", PREFER) or "least_busy"


def _asked(info: StepInfo) -> ContractInfo | None:
    """The contract that `ask` could hand to somebody else, if this is the work of one agent."""
    return info.contract if info.pattern in ("one", "any", "first") else None
