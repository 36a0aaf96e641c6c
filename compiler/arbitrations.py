"""Arbitration: the candidates, and a chain of rules that must come to a decision.

The rules stand in one table. To add a rule: its entry here, its kind in the plan, its meaning in the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchspec.compiler.attributes import Settings
from orchspec.compiler.codes import arbitration as codes
from orchspec.compiler.codes import types as type_codes
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.failures import links_of, read_ask
from orchspec.compiler.model import AgentInfo, ArbitrateInfo, ContractInfo, Frame, Reference, RuleInfo
from orchspec.compiler.names import find, find_all
from orchspec.compiler.operators import ORDERED
from orchspec.compiler.report import did_you_mean, listed
from orchspec.compiler.suggestions import insertion
from orchspec.compiler.types import (
    INT,
    UNKNOWN,
    ListOf,
    Optional,
    Type,
    is_unknown,
    show,
)
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Arbitrate, Arg, Bool, Call, Expr, Hole, ListLit, Name
from orchspec.slotted import dataclass

__all__ = ["ATTRIBUTES", "RULES", "check_arbitrate"]

ATTRIBUTES = ("decide", "group", "early", "after")
"""What an arbitration may say."""


@dataclass(slots=True)
class _Deciding:
    """One arbitration while its rules are read; `env` is that of the block, `inner` that of `it`."""

    typer: Typer
    info: ArbitrateInfo
    settings: Settings
    env: Env
    inner: Env
    givers: list[AgentInfo] | None


def check_arbitrate(typer: Typer, node: Arbitrate, env: Env) -> ArbitrateInfo:
    """Checks an arbitration of a block; the info stands in the tables, with the type that its name has."""
    frame = Frame(node, env.frame)
    info = ArbitrateInfo(node, frame)
    typer.checked.arbitrations[node] = info
    info.item = _candidates(typer, node, env)
    frame.add("it", "it", node, info.item)
    frame.given = 1
    givers = _source(typer, info)
    settings = Settings(typer, "an arbitration", node.settings, ATTRIBUTES, env=env)
    inner = env.within(frame)
    group = settings.expr("group")
    info.result = ListOf(info.item) if group is not None else info.item
    slot = typer.checked.slots.get(node)
    if slot is not None:
        slot.type = info.result  # its rules may read it, by `prev`, of an earlier round
    if group is not None:
        typer.root(group, inner)
        info.group = group
    early = settings.expr("early")
    if isinstance(early, Bool):
        info.early = early.value
    elif early is not None:
        settings.wrong("early", early, "`true` or `false`")
    decide = settings.expr("decide")
    if decide is not None:
        _rules(_Deciding(typer, info, settings, env, inner, givers), decide)
    elif not settings.has("decide"):
        typer.report.absent(codes.NO_DECIDE, node.name, name=node.name.text)
    return info


def _candidates(typer: Typer, node: Arbitrate, env: Env) -> Type:
    found = typer.root(node.candidates, env)
    if isinstance(found, ListOf):
        return found.item
    if isinstance(found, Optional) and isinstance(found.inner, ListOf):
        typer.report.add(type_codes.OPTIONAL_OPERAND, node.candidates, what="what is arbitrated", found=show(found))
        return found.inner.item
    if not is_unknown(found):
        typer.report.add(codes.NOT_CANDIDATES, node.candidates, found=show(found))
    return UNKNOWN


def _source(typer: Typer, info: ArbitrateInfo) -> list[AgentInfo] | None:
    """Remembers the fan-out behind the candidates; gives who was asked, where givers differ and are known."""
    found = typer.checked.resolved.get(info.node.candidates)
    if not isinstance(found, Reference):
        return None
    step = typer.fan_out(found.slot)
    if step is None:
        return None
    info.source, info.source_slot = step, found.slot
    if step.pattern != "all" or step.loop is not None:
        return None
    return [candidate.agent for candidate in step.candidates]


# ------------------------------------------------------------------ the chain


def _rules(deciding: _Deciding, decide: Expr) -> None:
    report = deciding.typer.report
    rules: list[RuleInfo] = []
    open_end: str | None = None
    sound = True
    links = links_of(decide)
    for place, link in enumerate(links):
        rule = _rule(deciding, link)
        if rule is None:
            sound = False
            continue
        rules.append(rule)
        open_end = _may_not_decide(deciding, rule, link)
        if open_end is None and place + 1 < len(links):
            after = links[place + 1]
            report.add(
                codes.UNREACHABLE_RULE,
                after,
                rule=after.span.text,
                before=link.span.text,
                labels=[Label(link.span, "always decides")],
            )
            break
    deciding.info.rules = tuple(rules)
    if open_end is not None and sound:
        report.add(
            codes.UNDECIDED,
            links[-1],
            name=deciding.info.node.name.text,
            why=open_end,
            notes=["end the chain in `first`, in a `priority` over everybody who was asked, or in `stop`"],
            fix=insertion(links[-1], " or first", f"decide what is left open: `{links[-1].span.text} or first`"),
        )


def _may_not_decide(deciding: _Deciding, rule: RuleInfo, link: Expr) -> str | None:
    text = f"`{link.span.text}`"
    match rule.kind:
        case "first" | "stop":
            return None
        case "priority":
            left_out = [agent.name for agent in deciding.givers or [] if agent not in rule.order]
            return f"{text} leaves out {listed(left_out)}" if left_out else None
        case "highest" | "lowest":
            return f"{text} leaves ties open"
        case "ask":
            return f"{text} may get no answer"
        case _:
            return f"{text} may find no agreement"


def _rule(deciding: _Deciding, link: Expr) -> RuleInfo | None:
    callee = link.callee if isinstance(link, Call) else link
    word = callee.text if isinstance(callee, Name) else None
    if isinstance(link, Hole) or word == "":
        return None
    entry = RULES.get(word or "")
    if entry is None:
        fix = did_you_mean(word, callee, RULES) if word else None
        deciding.typer.report.add(codes.UNKNOWN_RULE, callee, name=callee.span.text, fix=fix)
        if isinstance(link, Call):
            for arg in link.args:
                deciding.typer.root(arg.value, deciding.inner, UNKNOWN)
        return None
    read, _ = entry
    return read(deciding, link, word or "")


# ------------------------------------------------------------------ the rules


def _wrong(deciding: _Deciding, link: Expr, word: str) -> None:
    deciding.typer.report.add(codes.RULE_ARGUMENTS, link, rule=word, expected=RULES[word][1])


def _values(deciding: _Deciding, link: Expr, word: str, count: int) -> list[Expr] | None:
    """The positional arguments, if there are exactly that many and no others; anything else is reported."""
    if isinstance(link, Call) and len(link.args) == count and all(_plain(arg) for arg in link.args):
        return [arg.value for arg in link.args]
    _wrong(deciding, link, word)
    return None


def _plain(arg: Arg) -> bool:
    return arg.label is None and arg.key is None


def _bare(deciding: _Deciding, link: Expr, word: str) -> RuleInfo | None:
    if not isinstance(link, Name):
        _wrong(deciding, link, word)
        return None
    return RuleInfo("first" if word == "first" else "stop")


def _extreme(deciding: _Deciding, link: Expr, word: str) -> RuleInfo | None:
    values = _values(deciding, link, word, 1)
    if values is None:
        return None
    typer = deciding.typer
    found = typer.root(values[0], deciding.inner)
    if isinstance(found, Optional) and not is_unknown(found):
        typer.report.add(type_codes.OPTIONAL_OPERAND, values[0], what=f"what `{word}` compares", found=show(found))
    elif not is_unknown(found) and found not in ORDERED:
        typer.report.add(codes.UNORDERED, values[0], rule=word, found=show(found))
    return RuleInfo("highest" if word == "highest" else "lowest", expr=values[0])


def _agreement(deciding: _Deciding, link: Expr, word: str) -> RuleInfo | None:
    values = _values(deciding, link, word, 1)
    if values is None:
        return None
    deciding.typer.root(values[0], deciding.inner)
    return RuleInfo("majority" if word == "majority" else "unanimous", expr=values[0])


def _quorum(deciding: _Deciding, link: Expr, word: str) -> RuleInfo | None:
    values = _values(deciding, link, word, 2)
    if values is None:
        return None
    typer = deciding.typer
    typer.root(values[0], deciding.env, INT, "the number of a quorum")
    typer.condition(values[1], deciding.inner, "the predicate of a quorum")
    return RuleInfo("quorum", expr=values[1], n=values[0])


def _priority(deciding: _Deciding, link: Expr, word: str) -> RuleInfo | None:
    values = _values(deciding, link, word, 1)
    if values is None:
        return None
    listing = values[0]
    if not isinstance(listing, ListLit) or not listing.items:
        _wrong(deciding, link, word)
        return None
    typer = deciding.typer
    agents, complete = find_all(typer.context, listing.items, AgentInfo)
    source = deciding.info.source
    if deciding.givers is None:
        if not is_unknown(deciding.info.item):
            if source is None:
                why = "the candidates are no result of a step of this block"
            else:
                why = "all of these are from one agent" if source.pattern == "some" else "each item has one giver only"
            typer.report.add(codes.NO_GIVERS, link, what="`priority`", why=why)
        return None
    for item in listing.items:
        agent = typer.checked.resolved.get(item)
        if isinstance(agent, AgentInfo) and agent not in deciding.givers:
            problem = f"`{agent.name}` was not asked; asked were {listed(giver.name for giver in deciding.givers)}"
            typer.report.add(type_codes.BAD_INDEX, item, problem=problem)
            complete = False
    return RuleInfo("priority", order=tuple(agents)) if complete else None


def _ask(deciding: _Deciding, link: Expr, word: str) -> RuleInfo | None:
    if not isinstance(link, Call):
        _wrong(deciding, link, word)
        return None
    typer = deciding.typer
    named = [arg for arg in link.args if _plain(arg)]
    contract: ContractInfo | None = None
    if len(named) > 1:
        contract = find(typer.context, named[1].value, ContractInfo)
        if contract is None or not _takes_candidates(deciding, contract, named[1].value):
            return None
    else:
        source = deciding.info.source
        if source is None or source.loop is not None:
            if not is_unknown(deciding.info.item):
                why = "each item is other work" if source is not None else "the candidates are no result of a step here"
                typer.report.add(codes.ASK_CONTRACT, link, contract="the candidates' work", why=why)
            return None
        contract = source.contract
    who, within, rest = read_ask(typer, link, deciding.settings, contract)
    strange = [item for item in rest if len(named) < 2 or item is not named[1]]
    if strange:
        _wrong(deciding, link, word)
    if who is None:
        return None
    return RuleInfo("ask", who=who, contract=contract if len(named) > 1 else None, within_us=within)


def _takes_candidates(deciding: _Deciding, contract: ContractInfo, at: Expr) -> bool:
    item = deciding.info.item
    params = [param.type for param in contract.params]
    if is_unknown(item) or any(is_unknown(kind) for kind in (*params, contract.result)):
        return True
    if params == [ListOf(item)] and contract.result == item:
        return True
    form = f"(candidates: {show(ListOf(item))}) -> {show(item)}"
    has = ", ".join(f"{param.name}: {show(param.type)}" for param in contract.params)
    deciding.typer.report.add(
        codes.ASK_CONTRACT,
        at,
        contract=f"`{contract.name}`",
        why=f"it is ({has}) -> {show(contract.result)}, and needs to be {form}",
        labels=[Label(contract.node.name.span, "declared here")],
    )
    return False


_Reader = Callable[[_Deciding, Expr, str], RuleInfo | None]

RULES: Mapping[str, tuple[_Reader, str]] = {
    "first": (_bare, "nothing: write `first`"),
    "highest": (_extreme, "one value of the candidate: `highest(it.score)`"),
    "lowest": (_extreme, "one value of the candidate: `lowest(it.cost)`"),
    "majority": (_agreement, "what must agree: `majority(it.verdict)`"),
    "quorum": (_quorum, "a number and a condition: `quorum(2, it.accepted)`"),
    "unanimous": (_agreement, "what must agree: `unanimous(it.verdict)`"),
    "priority": (_priority, "a list of agents: `priority([ann, bob])`"),
    "ask": (_ask, "who is asked: `ask(editor, within: 30min)`"),
    "stop": (_bare, "nothing: write `stop`"),
}
"""How each rule is read, and what it takes, in words."""
