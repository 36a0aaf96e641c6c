"""`on_failure`: a chain of what to do when a step or a scope has failed for good."""

from __future__ import annotations

from typing import Protocol

from orchspec.compiler.attributes import Settings
from orchspec.compiler.codes import declarations as declaration_codes
from orchspec.compiler.codes import flows as codes
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.model import AgentInfo, CandidateInfo, ContractInfo, OnFailureInfo
from orchspec.compiler.names import find
from orchspec.compiler.plan import Budget
from orchspec.compiler.report import did_you_mean
from orchspec.compiler.reservations import tiers_of
from orchspec.compiler.types import ListOf, Type
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Binary, Call, Expr, Hole, Name, Node

__all__ = ["Failing", "links_of", "read_ask", "read_on_failure"]


class Failing(Protocol):
    """What can fail: a step or a scope."""

    on_failure: tuple[OnFailureInfo, ...]


def links_of(chain: Expr) -> list[Expr]:
    """The links of a chain `a or b or c`, in order."""
    links: list[Expr] = []
    while isinstance(chain, Binary) and chain.op == "or":
        links.append(chain.right)
        chain = chain.left
    links.append(chain)
    return links[::-1]


def read_on_failure(
    typer: Typer, info: Failing, settings: Settings, env: Env, base: Type, asked: ContractInfo | None
) -> bool:
    """Reads the chain into `info`; gives whether the failure may be skipped.

    `base` is the type of one result, `asked` the contract that `ask` can hand to somebody else, if there is one.
    """
    chain = settings.expr("on_failure")
    if chain is None:
        return False
    pattern = getattr(info, "pattern", "one")
    wanted: Type = ListOf(base) if pattern in ("all", "some") else base
    found: list[OnFailureInfo] = []
    settled: Expr | None = None
    for link in links_of(chain):
        if settled is not None:
            before = Label(settled.span, "always settles it")
            typer.report.add(
                codes.UNREACHABLE_LINK, link, link=link.span.text, before=settled.span.text, labels=[before]
            )
            break
        read = _link(typer, link, settings, env, wanted, asked)
        if read is not None:
            found.append(read)
            settled = None if read.kind == "ask" else link
    info.on_failure = tuple(found)
    return any(link.kind == "skip" for link in found)


def _link(
    typer: Typer, link: Expr, settings: Settings, env: Env, wanted: Type, asked: ContractInfo | None
) -> OnFailureInfo | None:
    callee = link.callee if isinstance(link, Call) else link
    word = callee.text if isinstance(callee, Name) else None
    if isinstance(link, Hole) or word == "":
        return None
    if isinstance(link, Name) and word in ("stop", "skip"):
        return OnFailureInfo("stop" if word == "stop" else "skip")
    if isinstance(link, Call) and word == "use" and len(link.args) == 1 and link.args[0].label is None:
        value = link.args[0].value
        typer.root(value, env, wanted, "what `use` gives")
        return OnFailureInfo("use", value=value)
    if isinstance(link, Call) and word == "ask":
        if asked is None:
            detail = ": there is no one agent's work here that somebody else could do"
            typer.report.add(codes.WRONG_LINK, link, found="`ask`", detail=detail)
            return None
        who, within, rest = read_ask(typer, link, settings, asked)
        if rest:
            typer.report.add(codes.WRONG_LINK, rest[0], found=f"`{rest[0].span.text}`", detail=" in `ask`")
        return None if who is None else OnFailureInfo("ask", who=who, within_us=within)
    fix = did_you_mean(word or "", callee, ("stop", "skip", "use", "ask")) if word else None
    typer.report.add(codes.WRONG_LINK, link, found=f"`{link.span.text}`", detail="", fix=fix)
    return None


def read_ask(
    typer: Typer, link: Call, settings: Settings, contract: ContractInfo | None
) -> tuple[CandidateInfo | None, int | None, list[Node]]:
    """`ask(WHO, within: TIME)`: who, for how long (microseconds), and the arguments that are neither.

    WHO must fulfill `contract`, if it is given.
    """
    who: AgentInfo | None = None
    within: int | None = None
    rest: list[Node] = []
    asked_first = False
    for place, arg in enumerate(link.args):
        if arg.label is not None and arg.label.text == "within":
            within = settings.duration_of("within", arg.value)
        elif place == 0 and arg.label is None and arg.key is None:
            asked_first = True
            who = find(typer.context, arg.value, AgentInfo)
            if who is not None and contract is not None and contract not in who.fulfills and not who.open:
                typer.report.add(
                    declaration_codes.AGENT_DOES_NOT_FULFILL,
                    arg.value,
                    agent=who.name,
                    contract=contract.name,
                    labels=[Label(who.node.name.span, "declared here")],
                )
                who = None
        else:
            rest.append(arg)
    if not asked_first:
        typer.report.add(codes.WRONG_LINK, link, found="`ask` without anybody", detail=": write `ask(WHO, within: D)`")
    return (None if who is None else CandidateInfo(who, who.policy, tiers_of(who, Budget()))), within, rest
