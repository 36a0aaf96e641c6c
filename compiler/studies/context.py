"""What the checks of studies share: the checked spec, where diagnostics go, and the folder for data files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from orchspec.compiler.codes.names import WRONG_KIND
from orchspec.compiler.context import Context
from orchspec.compiler.expressions import Typer
from orchspec.compiler.lowering.nodes import Nodes
from orchspec.compiler.model import AgentInfo, Checked, EffectInfo, FlowInfo, SignalInfo, ToolInfo
from orchspec.compiler.names import describe as describe_any
from orchspec.compiler.names import find_any, is_opaque, unknown
from orchspec.compiler.profiled import ORCHESTRATOR, TARGETS, Target
from orchspec.compiler.report import Report
from orchspec.compiler.types import Type
from orchspec.grammar import syntax
from orchspec.grammar.diagnostics import Code, Label
from orchspec.slotted import dataclass

__all__ = ["FAILED", "ORCHESTRATOR", "Constant", "Failed", "Study", "Target", "describe"]


@dataclass(frozen=True, slots=True)
class Failed:
    """In the place of a value that could not be made; why was reported."""


FAILED: Final = Failed()


@dataclass(frozen=True, slots=True)
class Constant:
    """A value known before any run, and its type."""

    type: Type
    value: Any


_KINDS = {"agent", "human", "dispatcher", "tool", "effect", "signal", "orchestrator"}


class Study:
    """The spec whose studies are checked, on top of what its checks share."""

    def __init__(self, base: Context, nodes: Nodes, folder: Path | None) -> None:
        self.base = base
        self.checked: Checked = base.checked
        self.report: Report = base.report
        self.typer = Typer(base, moments=True)
        self._checkpoints: dict[FlowInfo, list[str]] = {}
        self.nodes = nodes
        self.folder = folder

    # names --------------------------------------------------------------------------------------------------------

    def named(self, at: syntax.Node, name: str) -> Target | None:
        """Who or what a name means in a profile, fault, KPI or stub; none in silence where it means nothing."""
        if name == ORCHESTRATOR:
            return ORCHESTRATOR
        if isinstance(at, syntax.Ident | syntax.Path) and at in self.checked.targets:
            target: Target = self.checked.targets[at]
            return target
        found: Iterator[Target | None] = (self.base.find(table, at, name) for table in TARGETS)
        return next((target for target in found if target is not None), None)

    def target(self, expr: syntax.Node, name: str, kinds: Iterable[str] = _KINDS) -> Target | None:
        """Who or what is meant by a name in a profile, fault, KPI or stub; reports one that means nothing."""
        allowed = set(kinds)
        found = self.named(expr, name)
        if found is not None and self.kind_of(found) in allowed:
            return found
        if is_opaque(self.base, expr, name):
            return None
        kinds_told = [each for each in ("agent", "human", "tool", "effect", "signal") if each in allowed]
        kind = " or ".join(kinds_told) or ORCHESTRATOR
        known = found or find_any(self.base, expr, name)
        if known is not None:
            expected = f"the name of an {kind}"
            self.report.add(WRONG_KIND, expr, name=name, found=describe(known), expected=expected)
        else:
            near = (each for each in self._near(expr) if self.kind_of(self.named(expr, each)) in allowed)
            unknown(self.base, expr, kind, name, near)
        return None

    def _near(self, at: syntax.Node) -> Iterator[str]:
        yield from self.base.known(at, *TARGETS)
        yield ORCHESTRATOR

    @staticmethod
    def name_of(target: Target) -> str:
        """The full name of a target, as it stands in the plan."""
        return target if isinstance(target, str) else target.name

    def checkpoints(self, flow: FlowInfo) -> list[str]:
        """The names of the checkpoints of a flow, those in its regions and rounds too."""
        if flow not in self._checkpoints:
            found = [node.name.text for node in syntax.statements_in(flow.node) if isinstance(node, syntax.Checkpoint)]
            self._checkpoints[flow] = found
        return self._checkpoints[flow]

    @staticmethod
    def kind_of(target: Target | None) -> str:
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
        found: FlowInfo | None = self.base.find("flows", path, path.text)
        if found is None and not is_opaque(self.base, path, path.text):
            known = self.named(path, path.text) or self.base.find("contracts", path, path.text)
            if known is not None:
                self.report.add(WRONG_KIND, path, name=path.text, found=describe(known), expected="the name of a flow")
            else:
                unknown(self.base, path, "flow", path.text, self.base.known(path, "flows"))
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
            return describe_any(known)
