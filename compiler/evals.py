"""`eval`: who looks at the quality of what, and how often. Nothing in a flow may depend on what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from orchspec.compiler.attributes import Settings
from orchspec.compiler.calls import infer_arguments, match_arguments
from orchspec.compiler.codes import flows as flow_codes
from orchspec.compiler.codes import messages as codes
from orchspec.compiler.context import Context, Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.model import ContractInfo, EvalInfo
from orchspec.compiler.names import find
from orchspec.compiler.plan import Budget
from orchspec.compiler.policies import POLICY_ATTRIBUTES, read_policy
from orchspec.compiler.steps import PREFER, agents_of, candidate
from orchspec.compiler.types import UNKNOWN, Type
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import By, ByAgent, ByAll, ByAny, ByCount, ByFirst, Call, Eval

__all__ = ["EVAL_ATTRIBUTES", "check_eval", "read_evals"]

EVAL_ATTRIBUTES = ("sample", *POLICY_ATTRIBUTES, "policies", "prefer", "after")

_PATTERNS: Final[Mapping[type[By], Literal["one", "any", "all", "some"]]] = {
    ByAgent: "one",
    ByAny: "any",
    ByAll: "all",
    ByCount: "some",
}


def check_eval(typer: Typer, node: Eval, env: Env) -> Type:
    """Checks an eval of a block. Its name has no value, and an unknown type, so that reading it is told once."""
    info = EvalInfo(node)
    typer.checked.evals[node] = info
    settings = Settings(typer, "an eval", node.settings, EVAL_ATTRIBUTES, env=env)
    call = node.work
    contract = find(typer.context, call.callee, ContractInfo) if isinstance(call, Call) else None
    if isinstance(call, Call):
        if contract is None:
            infer_arguments(typer, call, env)
        else:
            name, params = f"`{contract.name}`", contract.params
            info.contract = contract
            info.arguments = match_arguments(typer, name, contract.node.name, params, call, env)
    _who(typer, info, contract, settings)
    sample = settings.share("sample")
    info.sample = 1.0 if sample is None else sample
    share = settings.expr("sample")
    if share is not None and sample == 0:
        settings.out_of_range("sample", share, "0%", "more than 0%, or nobody ever looks")
    return UNKNOWN


def _who(typer: Typer, info: EvalInfo, contract: ContractInfo | None, settings: Settings) -> None:
    by = info.node.by
    if by is None:
        if contract is not None and isinstance(info.node.work, Call):
            where = Label(contract.node.name.span, "the contract")
            typer.report.absent(
                flow_codes.BY_MISSING, info.node.work.callee, reach="statement", name=contract.name, labels=[where]
            )
        return
    agents = agents_of(typer, by, contract)
    if isinstance(by, ByFirst):
        typer.report.add(codes.EVAL_RACE, by, name=info.node.name.text)
        return
    info.pattern = _PATTERNS[type(by)]
    if isinstance(by, ByCount):
        info.copies = settings.count_of("N of", by.count) or 1
    if info.pattern == "any":
        info.prefer = settings.one_of("prefer", PREFER) or "least_busy"
    elif settings.has("prefer"):
        why = "it chooses among several agents, under `by any`"
        typer.report.add(flow_codes.WITHOUT_FAN_OUT, settings.attributes["prefer"].name, name="prefer", why=why)
    info.own = read_policy(settings)
    info.candidates = tuple(candidate(agent, info.own, Budget()) for agent in agents)


def read_evals(context: Context) -> None:
    """Reports where something reads an eval."""
    for reads in list(context.reads.values()):
        for read in reads:
            if isinstance(read.slot.declared, Eval):
                label = Label(read.slot.declared.name.span, "it looks on")
                context.report.add(codes.EVAL_READ, read.node, name=read.slot.name, labels=[label])
