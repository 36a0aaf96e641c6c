"""What the checks of studies share: the checked spec, where diagnostics go, and the folder for data files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from orchspec.compiler.codes.names import UNKNOWN_NAME, WRONG_KIND
from orchspec.compiler.context import Context
from orchspec.compiler.expressions import Typer
from orchspec.compiler.lowering.nodes import Nodes
from orchspec.compiler.model import AgentInfo, Checked, EffectInfo, FlowInfo, SignalInfo, ToolInfo
from orchspec.compiler.report import Report, did_you_mean
from orchspec.compiler.types import Type
from orchspec.grammar import syntax
from orchspec.grammar.diagnostics import Code, Label

__all__ = ["FAILED", "ORCHESTRATOR", "Constant", "Failed", "Study", "Target", "describe"]

ORCHESTRATOR: Final = "orchestrator"
"""The name by which profiles and faults mean the engine itself."""


@dataclass(frozen=True, slots=True)
class Failed:
    """In the place of a value that could not be made; why was reported."""


FAILED: Final = Failed()


@dataclass(frozen=True, slots=True)
class Constant:
    """A value known before any run, and its type."""

    type: Type
    value: Any


Target: TypeAlias = AgentInfo | ToolInfo | EffectInfo | SignalInfo | Literal["orchestrator"]

_KINDS = {"agent", "human", "dispatcher", "tool", "effect", "signal", "orchestrator"}


class Study:
    """The spec whose studies are checked, on top of what its checks share."""

    def __init__(self, base: Context, nodes: Nodes, folder: Path | None) -> None:
        self.base = base
        self.checked: Checked = base.checked
        self.report: Report = base.report
        self.typer = Typer(base)
        checked = base.checked
        self._targets: Mapping[str, Target] = {
            **checked.agents,
            **checked.tools,
            **checked.effects,
            **checked.signals,
            ORCHESTRATOR: ORCHESTRATOR,
        }
        self._checkpoints: dict[FlowInfo, list[str]] = {}
        self.nodes = nodes
        self.folder = folder

    # names --------------------------------------------------------------------------------------------------------

    def target(self, expr: syntax.Node, name: str, kinds: Iterable[str] = _KINDS) -> Target | None:
        """Who or what is meant by a name in a profile, fault, KPI or stub; reports one that means nothing."""
        allowed = set(kinds)
        found = self._targets.get(name)
        if found is not None and self.kind_of(found) in allowed:
            return found
        if not name or name in self.checked.opaque:
            return None
        kinds_told = [each for each in ("agent", "human", "tool", "effect", "signal") if each in allowed]
        kind = " or ".join(kinds_told) or ORCHESTRATOR
        known = self._targets.get(name) or self.checked.flows.get(name) or self.checked.contracts.get(name)
        if known is not None:
            expected = f"the name of an {kind}"
            self.report.add(WRONG_KIND, expr, name=name, found=describe(known), expected=expected)
        elif self.report.whole:
            near = (each for each, target in self._targets.items() if self.kind_of(target) in allowed)
            fix = did_you_mean(name, expr, near)
            self.report.absent(UNKNOWN_NAME, expr, kind=kind, name=name, fix=fix)
        return None

    def checkpoints(self, flow: FlowInfo) -> list[str]:
        """The names of the checkpoints of a flow, those in its regions and rounds too."""
        if flow not in self._checkpoints:
            found = [node.name.text for node in syntax.statements_in(flow.node) if isinstance(node, syntax.Checkpoint)]
            self._checkpoints[flow] = found
        return self._checkpoints[flow]

    @staticmethod
    def kind_of(target: Target) -> str:
        """The kind of a target, as the table of faults names it."""
        match target:
            case AgentInfo():
                return target.kind
            case ToolInfo():
                return "tool"
            case EffectInfo():
                return "effect"
            case SignalInfo():
                return "signal"
            case _:
                return ORCHESTRATOR

    def flow(self, path: syntax.Path) -> FlowInfo | None:
        """The flow that a scenario or test is about."""
        found = self.checked.flows.get(path.text)
        if found is None and path.text and path.text not in self.checked.opaque:
            known = self._targets.get(path.text) or self.checked.contracts.get(path.text)
            if known is not None:
                self.report.add(WRONG_KIND, path, name=path.text, found=describe(known), expected="the name of a flow")
            else:
                fix = did_you_mean(path.text, path, self.checked.flows)
                self.report.absent(UNKNOWN_NAME, path, kind="flow", name=path.text, fix=fix)
        return found

    def once(self, code: Code, given: dict[str, syntax.Node], name: syntax.Ident) -> bool:
        """Whether a name is given for the first time; reports the second with `code`."""
        first = given.setdefault(name.text, name)
        if first is not name and name.text:
            self.report.add(code, name, name=name.text, labels=[Label(first.span, "first given here")])
        return first is name and bool(name.text)


def describe(known: Target | FlowInfo | object) -> str:
    """What a declared name is, in words."""
    match known:
        case AgentInfo():
            return f"an {known.kind}" if known.kind == "agent" else f"a {known.kind}"
        case ToolInfo():
            return "a tool"
        case EffectInfo():
            return "an effect"
        case SignalInfo():
            return "a signal"
        case FlowInfo():
            return "a flow"
        case str():
            return "the orchestrator"
        case _:
            return "a contract"
