"""What a test expects: facts of one run, in expressions like any other.

A fact is a name (`status`, `result`, ...) or a small call (`calls(scout)`); all else is typed as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchspec.compiler.codes.studies import BAD_FACT, NOT_AN_EXPECTATION, UNKNOWN_FACT
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.functions import FUNCTIONS
from orchspec.compiler.lowering.expressions import lower_expression
from orchspec.compiler.lowering.wording import written
from orchspec.compiler.model import FactRef, FlowInfo, Frame
from orchspec.compiler.names import is_opaque
from orchspec.compiler.plan import Expectation
from orchspec.compiler.report import did_you_mean, listed
from orchspec.compiler.studies.context import Study
from orchspec.compiler.studies.kpis import STATUSES
from orchspec.compiler.studies.values import unclear
from orchspec.compiler.types import BOOL, DURATION, INT, MONEY, UNKNOWN, Nothing, Type, optional, show
from orchspec.grammar import syntax

__all__ = ["COUNTED", "FACTS", "IF_ANY", "check_facts"]

FACTS: Mapping[str, Type | None] = {
    "status": None,  # compared with a status, and with nothing else
    "result": None,  # of the flow's type
    "cost": MONEY,
    "tokens": INT,
    "retries": INT,
    "latency": DURATION,
}
"""The facts that stand as names."""

IF_ANY = "?"
"""What `result` is asked for where none is an answer."""

COUNTED: Mapping[str, tuple[str, ...]] = {
    "calls": ("agent", "human", "dispatcher", "effect"),
    "attempts": ("agent", "human", "dispatcher", "effect"),
}
"""The facts that count something of a target, and what it may be."""


def check_facts(study: Study, node: syntax.Expect, flow: FlowInfo) -> Expectation | None:
    """What a test expects, lowered; none after reporting what is wrong with it."""
    before = len(study.report.diagnostics)
    typer = _FactTyper(study, flow)
    found = typer.root(node.condition, Env(Frame(node)))
    if len(study.report.diagnostics) > before or not study.report.is_whole(node) or unclear(study, node.condition):
        return None
    if found != BOOL:
        problem = f"{show(found)} is no expectation; compare it with a value"
        study.report.add(NOT_AN_EXPECTATION, node.condition, problem=problem)
        return None
    expr = lower_expression(study.checked, node.condition)
    return Expectation(study.nodes[node], written(node.condition), expr)


class _FactTyper(Typer):
    """Types expressions in which facts stand."""

    def __init__(self, study: Study, flow: FlowInfo) -> None:
        super().__init__(study.base)
        self.study = study
        self.flow = flow
        self._of_names = self._rules[syntax.Name]
        self._of_calls = self._rules[syntax.Call]
        self._of_pairs = self._rules[syntax.Binary]
        self._rules |= {syntax.Name: self._fact, syntax.Call: self._counted, syntax.Binary: self._pair}

    def _fact(self, node: syntax.Name, env: Env, hint: Type | None) -> Type:
        name = node.text
        if name not in FACTS:
            if is_opaque(self.context, node, name) or self.context.find("params", node, name) is not None:
                return self._of_names(node, env, hint)
            notes = ["a status stands beside `status ==`"] if name in STATUSES else []
            fix = did_you_mean(name, node, [*FACTS, *COUNTED, "reached"])
            self.report.add(UNKNOWN_FACT, node, name=name, notes=notes, fix=fix)
            return UNKNOWN
        if name == "status":
            problem = "`status` is compared with a status, as in `status == completed`"
            self.report.add(BAD_FACT, node, problem=problem)
            return UNKNOWN
        kind = FACTS[name] or self.flow.result
        if isinstance(kind, Nothing):
            self.report.add(BAD_FACT, node, problem=f"the flow `{self.flow.name}` has no result")
            return UNKNOWN
        self.checked.resolved[node] = FactRef(name)
        return kind

    def _pair(self, node: syntax.Binary, env: Env, hint: Type | None) -> Type:
        listed_on_the_right = node.op in ("in", "not in") and isinstance(node.right, syntax.ListLit)
        if listed_on_the_right and isinstance(node.left, syntax.Name) and node.left.text == "status":
            found = [self._status(node.left, item) for item in syntax.children(node.right)]
            return BOOL if found and all(each == BOOL for each in found) else UNKNOWN
        for fact, other in ((node.left, node.right), (node.right, node.left)):
            if not isinstance(fact, syntax.Name):
                continue
            if fact.text == "status":
                return self._status(fact, other) if node.op in ("==", "!=") else self._fact(fact, env, None)
            if fact.text == "result" and isinstance(other, syntax.NoneLit) and node.op in ("==", "!="):
                return self._whether_result(fact, other, env)
            if isinstance(other, syntax.Name) and other.text in STATUSES and fact.text not in FACTS:
                # Compared with a status, so it is `status` misspelt: one mistake, not two.
                return self._fact(fact, env, None)
        return self._of_pairs(node, env, hint)

    def _whether_result(self, fact: syntax.Name, other: syntax.NoneLit, env: Env) -> Type:
        """`result == none`: a run that did not complete has none, whatever the type of the flow."""
        kind = self._fact(fact, env, None)
        if isinstance(self.checked.resolved.get(fact), FactRef):
            self.checked.resolved[fact] = FactRef("result", IF_ANY)
        self.checked.expr_types[fact] = optional(kind)
        self.infer(other, env)
        return BOOL

    def _status(self, fact: syntax.Name, other: syntax.Node) -> Type:
        if isinstance(other, syntax.Name) and other.text in STATUSES:
            self.checked.resolved[fact] = FactRef("status")
            self.checked.resolved[other] = FactRef(other.text, status=True)
            return BOOL
        if not isinstance(other, syntax.Hole):
            text = other.text if isinstance(other, syntax.Name) else other.span.text
            fix = did_you_mean(text, other, STATUSES)
            notes = [f"a status is one of {listed(STATUSES)}"]
            self.report.add(UNKNOWN_FACT, other, name=text, notes=notes, fix=fix)
        return UNKNOWN

    def _counted(self, node: syntax.Call, env: Env, hint: Type | None) -> Type:
        name = syntax.dotted(node.callee) or ""
        if name in FUNCTIONS or name == "missing" or not name:
            return self._of_calls(node, env, hint)
        if name not in COUNTED and name != "reached":
            fix = did_you_mean(name, node.callee, [*COUNTED, "reached", *FUNCTIONS])
            self.report.add(UNKNOWN_FACT, node.callee, name=name, fix=fix)
            return UNKNOWN
        if len(node.args) != 1 or node.args[0].label is not None or node.args[0].key is not None:
            what = "one checkpoint" if name == "reached" else "one agent or effect"
            self.report.add(BAD_FACT, node, problem=f"`{name}` takes {what}")
            return UNKNOWN
        inner = node.args[0].value
        target = syntax.dotted(inner)
        if target is None:
            if not isinstance(inner, syntax.Hole):
                self.report.add(BAD_FACT, inner, problem=f"`{name}` takes a name, found `{inner.span.text}`")
            return UNKNOWN
        if name == "reached":
            return self._reached(node, inner, target)
        found = self.study.target(inner, target, COUNTED[name])
        if found is None:
            return UNKNOWN
        self.checked.resolved[node] = FactRef(name, self.study.name_of(found))
        return INT

    def _reached(self, node: syntax.Call, inner: syntax.Expr, name: str) -> Type:
        known = self.study.checkpoints(self.flow)
        if name not in known:
            notes = [f"its checkpoints are {listed(known)}"] if known else ["it has no checkpoints"]
            problem = f"the flow `{self.flow.name}` has no checkpoint `{name}`"
            self.report.absent(
                BAD_FACT, inner, reach="file", problem=problem, notes=notes, fix=did_you_mean(name, inner, known)
            )
            return UNKNOWN
        self.checked.resolved[node] = FactRef("reached", name)
        return BOOL
