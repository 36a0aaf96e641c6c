"""`supervise` and `peers`: loops that a model drives, and the bounds that the spec sets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchspec.compiler.attributes import Settings
from orchspec.compiler.calls import infer_arguments, match_arguments
from orchspec.compiler.codes import declarations as declaration_codes
from orchspec.compiler.codes import loops as codes
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.failures import read_on_failure
from orchspec.compiler.library import DONE, answer_of, value_of
from orchspec.compiler.loops import width_of
from orchspec.compiler.model import (
    AgentInfo,
    Argument,
    CandidateInfo,
    ContractInfo,
    Frame,
    HandoffInfo,
    PeersInfo,
    StepInfo,
    SuperviseInfo,
)
from orchspec.compiler.names import find, find_all, is_opaque
from orchspec.compiler.places import PEERS, SUPERVISE
from orchspec.compiler.plan import DEPTH_MAX, SO_FAR, Budget
from orchspec.compiler.policies import read_policy
from orchspec.compiler.report import word
from orchspec.compiler.steps import PREFER, agents_of, candidate, fulfills
from orchspec.compiler.types import INT, UNKNOWN, Type, is_unknown, optional, show
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import (
    Attribute,
    Binary,
    ByAgent,
    ByAny,
    Call,
    Expr,
    Handoff,
    Hole,
    ListLit,
    NoneLit,
    Path,
    Peers,
    Supervise,
    dotted,
)
from orchspec.grammar.syntax import Budget as BudgetNode

__all__ = ["check_peers", "check_supervise"]


def _wants_so_far(typer: Typer, contract: ContractInfo) -> Type | None:
    """The type that `so_far` of a lead or a peer has; none for a contract of neither, unknown where it is unclear."""
    if is_unknown(contract.result):
        return UNKNOWN
    if answer_of(typer.checked, contract.result) is not None:
        return DONE
    value = value_of(typer.checked, contract.result)
    return None if value is None else optional(value)


# ------------------------------------------------------------------ supervise


def check_supervise(typer: Typer, node: Supervise, env: Env) -> SuperviseInfo:
    """Checks a `supervise` of a block; the info stands in the tables, with the type that its name has."""
    info = SuperviseInfo(node)
    typer.checked.steps[node] = info
    settings = Settings(typer, SUPERVISE, node.settings, env=env)
    inner = _only_if(typer, info, settings, env)
    answer = _work(typer, node, info, inner, "supervise", answer_of)
    leads = _leads(typer, node, info.contract)
    info.rounds = _bound(settings, node, "rounds", "at most so often the lead is asked") or 1
    info.depth = settings.count("depth") or 1
    expr = settings.expr("depth")
    if info.depth > DEPTH_MAX and expr is not None:
        settings.out_of_range("depth", expr, str(info.depth), f"at most {DEPTH_MAX}")
    workers = _workers(typer, node, info, settings)
    info.width = width_of(typer, settings, env)
    info.prefer = settings.one_of("prefer", PREFER) or "least_busy"
    policy = info.own = read_policy(settings)
    info.leads = tuple(candidate(agent, policy, Budget()) for agent in leads)
    info.workers = tuple(candidate(agent, policy, Budget()) for agent in workers)
    _finish(typer, info, settings, inner, answer, (*info.leads, *info.workers))
    return info


def _leads(typer: Typer, node: Supervise, contract: ContractInfo | None) -> list[AgentInfo]:
    by = node.by
    if isinstance(by, ByAgent | ByAny):
        return agents_of(typer, by, contract)
    found = "nobody" if by is None else "several at once"
    typer.report.absent(codes.WRONG_LEAD, by if by is not None else node.name, name=node.name.text, found=found)
    return []


def _fulfill(typer: Typer, paths: Sequence[Path], contract: ContractInfo | None) -> None:
    resolved = ((path, typer.checked.resolved.get(path)) for path in paths)
    fulfills(typer, [(path, agent) for path, agent in resolved if isinstance(agent, AgentInfo)], contract)


def _workers(typer: Typer, node: Supervise, info: SuperviseInfo, settings: Settings) -> list[AgentInfo]:
    if not settings.has("workers"):
        why = "the lead can ask only those whom the spec names"
        typer.report.absent(codes.NEEDED_SETTING, node.name, name=node.name.text, setting="workers", why=why)
        return []
    items = settings.names("workers", "[scout, coder]")
    agents, _ = find_all(typer.context, items, AgentInfo)
    expr = settings.expr("workers")
    if isinstance(expr, ListLit) and not items:
        settings.out_of_range("workers", expr, "an empty list", "at least one worker")
    for item in items:
        agent = typer.checked.resolved.get(item)
        if not isinstance(agent, AgentInfo) or agent.open or not agent.fulfills:
            continue
        if info.depth < 2 and all(answer_of(typer.checked, each.result) is not None for each in agent.fulfills):
            why = f"{agent.name} only leads, and `depth` is {info.depth}"
            label = Label(agent.node.name.span, "declared here")
            typer.report.add(codes.IDLE_WORKER, item, agent=agent.name, why=why, labels=[label])
    return agents


# ------------------------------------------------------------------ peers


def check_peers(typer: Typer, node: Peers, env: Env) -> PeersInfo:
    """Checks a `peers` of a block; the info stands in the tables, with the type that its name has."""
    info = PeersInfo(node)
    typer.checked.steps[node] = info
    items = [item for item in node.body if isinstance(item, Attribute | BudgetNode)]
    settings = Settings(typer, PEERS, items, env=env)
    inner = _only_if(typer, info, settings, env)
    value = _work(typer, node, info, inner, "peers", value_of)
    peers, complete = find_all(typer.context, node.among, AgentInfo)
    _fulfill(typer, node.among, info.contract)
    hops = _bound(settings, node, "hops", "at most so often it is handed on")
    info.hops = hops or 1
    _start(typer, node, info, settings, peers)
    for item in node.body:
        if isinstance(item, Handoff):
            complete = _handoff(typer, node, info, item, peers, env, value) and complete
    policy = info.own = read_policy(settings)
    candidates = tuple(candidate(agent, policy, Budget()) for agent in peers)
    _finish(typer, info, settings, inner, value, candidates)
    if complete and info.start is not None:
        _reach(typer, node, info, peers, hops)
    return info


def _start(typer: Typer, node: Peers, info: PeersInfo, settings: Settings, peers: Sequence[AgentInfo]) -> None:
    if not settings.has("start"):
        why = "somebody has the first turn"
        typer.report.absent(codes.NEEDED_SETTING, node.name, name=node.name.text, setting="start", why=why)
        return
    expr = settings.expr("start")
    if expr is not None:
        info.start = _peer(typer, node, expr, peers)


def _peer(typer: Typer, node: Peers, at: Path | Expr, peers: Sequence[AgentInfo]) -> AgentInfo | None:
    if not isinstance(at, Path) and dotted(at) is None:
        found = f"`{at.span.text}`"
        typer.report.add(
            declaration_codes.ATTRIBUTE_VALUE, at, name="start", expected="the name of a peer", found=found
        )
        return None
    agent = find(typer.context, at, AgentInfo)
    if agent is None or agent in peers:
        return agent
    labels = [Label(path.span, "a peer") for path in node.among]
    notes = [f"the peers are {', '.join(peer.name for peer in peers)}"] if peers else []
    typer.report.absent(codes.NOT_A_PEER, at, agent=agent.name, name=node.name.text, labels=labels[:3], notes=notes)
    return None


def _handoff(
    typer: Typer,
    node: Peers,
    info: PeersInfo,
    item: Handoff,
    peers: Sequence[AgentInfo],
    env: Env,
    value: Type,
) -> bool:
    """Takes in a handoff; gives whether both of its ends are known."""
    frame = Frame(item, env.frame)
    frame.add("result", "result", item, value)
    frame.given = 1
    if item.when is not None:
        typer.condition(item.when, env.within(frame), "the condition of a handoff")
    source = _peer(typer, node, item.source, peers)
    targets = [_peer(typer, node, path, peers) for path in item.targets]
    known = tuple(target for target in targets if target is not None)
    if source is None or len(known) < len(targets):
        return False
    info.handoffs.append(HandoffInfo(item, source, known))
    return True


def _reach(typer: Typer, node: Peers, info: PeersInfo, peers: Sequence[AgentInfo], hops: int | None) -> None:
    """Reports peers that no chain of handoffs reaches from the one who starts, or only with too many."""
    assert info.start is not None
    away = {info.start: 0}
    pending = [info.start]
    for here in pending:
        for handoff in info.handoffs:
            for target in handoff.targets if handoff.source is here else ():
                if target not in away:
                    away[target] = away[here] + 1
                    pending.append(target)
    for path in node.among:
        agent = typer.checked.resolved.get(path)
        if not isinstance(agent, AgentInfo) or agent not in peers:
            continue
        far = away.get(agent)
        if far is None or (hops is not None and far > hops):
            within = "" if far is None else f" within {word(hops or 0, 'hop')}, it takes {far}"
            typer.report.absent(codes.UNREACHABLE_PEER, path, agent=agent.name, within=within)


# ------------------------------------------------------------------ both


def _only_if(typer: Typer, info: StepInfo, settings: Settings, env: Env) -> Env:
    only_if = settings.expr("only_if")
    if only_if is None:
        return env
    info.only_if = only_if
    return env.knowing(typer.condition(only_if, env, "`only_if`"))


def _bound(settings: Settings, node: Supervise | Peers, name: str, why: str) -> int | None:
    if settings.has(name):
        return settings.count(name)
    settings.context.report.absent(codes.NEEDED_SETTING, node.name, name=node.name.text, setting=name, why=why)
    return None


def _work(
    typer: Typer,
    node: Supervise | Peers,
    info: SuperviseInfo | PeersInfo,
    env: Env,
    kind: str,
    gives: Callable[..., Type | None],
) -> Type:
    """The contract and its arguments; gives the type of what the loop gives."""
    work = node.work
    if isinstance(work, Hole):
        return UNKNOWN
    text = dotted(work.callee)
    contract = (
        None
        if text is None or is_opaque(typer.context, work.callee, text)
        else find(typer.context, work.callee, ContractInfo)
    )
    if contract is None:
        infer_arguments(typer, work, env)
        return UNKNOWN
    found = gives(typer.checked, contract.result)
    problem = _problem(typer, contract, kind, found)
    if problem is not None:
        if not is_unknown(contract.result):
            label = Label(contract.node.name.span, "the contract")
            typer.report.absent(
                codes.NOT_FOR_THIS_LOOP, work.callee, name=contract.name, word=kind, problem=problem, labels=[label]
            )
        infer_arguments(typer, work, env)
        return UNKNOWN
    info.contract = contract
    info.so_far = next(place for place, param in enumerate(contract.params) if param.name == SO_FAR)
    info.arguments = _arguments(typer, contract, work, env)
    _can_end(typer, node, contract, kind)
    assert found is not None
    return found


def _problem(typer: Typer, contract: ContractInfo, kind: str, found: Type | None) -> str | None:
    form = "Delegation<T>" if kind == "supervise" else "Turn<T>"
    if found is None:
        return f"it gives {show(contract.result)}, not a {form}"
    wanted = _wants_so_far(typer, contract)
    given = next((param.type for param in contract.params if param.name == SO_FAR), None)
    assert wanted is not None
    if given is None:
        return f"it has no parameter `so_far: {show(wanted)}`"
    if given != wanted and not is_unknown(given):
        return f"its `so_far` is {show(given)}, not {show(wanted)}"
    return None


def _arguments(typer: Typer, contract: ContractInfo, work: Call, env: Env) -> tuple[Argument, ...]:
    told = [arg for arg in work.args if arg.label is not None and arg.label.text == SO_FAR]
    for arg in told:
        assert arg.label is not None
        typer.report.add(codes.SO_FAR_GIVEN, arg.label, contract=contract.name)
        typer.root(arg.value, env, UNKNOWN)
    kept = work if not told else Call(work.callee, tuple(arg for arg in work.args if arg not in told), work.span)
    params = [param for param in contract.params if param.name != SO_FAR]
    return match_arguments(typer, f"`{contract.name}`", contract.node.name, params, kept, env)


def _can_end(typer: Typer, node: Supervise | Peers, contract: ContractInfo, kind: str) -> None:
    """Reports a contract that rules out how the loop ends, where that can be told."""
    pending = list(contract.ensures)
    for expr in pending:
        if not isinstance(expr, Binary):
            continue
        if expr.op == "and":
            pending += [expr.left, expr.right]
        elif isinstance(expr.right, NoneLit):
            if kind == "peers" and expr.op == "!=" and dotted(expr.left) == "result.to":
                what = "`to` is never none"
            elif kind == "supervise" and expr.op == "==" and dotted(expr.left) == "result.answer":
                what = "`answer` is none"
            else:
                continue
            label = Label(expr.span, "ensured here")
            typer.report.add(
                codes.CANNOT_END, node.name, name=node.name.text, contract=contract.name, what=what, labels=[label]
            )
            return


def _finish(
    typer: Typer,
    info: SuperviseInfo | PeersInfo,
    settings: Settings,
    env: Env,
    value: Type,
    candidates: tuple[CandidateInfo, ...],
) -> None:
    """What the two have in common: who may be asked, their limits, what happens on failure, the type of the name."""
    seen = {each.agent: each for each in reversed(candidates)}
    info.candidates = tuple(reversed(seen.values()))
    typer.context.candidates += len(candidates)
    info.budget = settings.budget
    urgency = settings.expr("urgency")
    if urgency is not None:
        typer.root(urgency, env, INT, "`urgency`")
        info.urgency = urgency
    skips = read_on_failure(typer, info, settings, env, value, None)
    info.result = optional(value) if info.only_if is not None or skips else value
