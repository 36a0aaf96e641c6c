"""Faults of scenarios and tests: checked against the table of faults and lowered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchspec.compiler.codes.studies import BAD_FAULT_ARGUMENT, FAULT_TARGET, UNKNOWN_FAULT
from orchspec.compiler.codes.types import TYPE_MISMATCH
from orchspec.compiler.model import AgentInfo
from orchspec.compiler.plan import Fault
from orchspec.compiler.report import did_you_mean, listed
from orchspec.compiler.studies.arguments import Parameter, bind
from orchspec.compiler.studies.context import FAILED, Constant, Failed, Study, describe
from orchspec.compiler.studies.faults import CRASH_POINTS, FAULTS, WINDOW_US, ArgumentKind, FaultKind
from orchspec.compiler.studies.values import constant
from orchspec.compiler.types import DURATION, FLOAT, INT, PERCENT, Type, show
from orchspec.grammar import syntax

__all__ = ["check_fault"]


def check_fault(study: Study, node: syntax.Fault) -> Fault | None:
    """The fault of a scenario or test; none after reporting what is wrong with it."""
    call = node.fault
    if not isinstance(call, syntax.Call):
        if isinstance(call, syntax.Name) and call.text in FAULTS:
            problem = f"`{call.text}` needs its target: `fault {call.text}(target, ...)`"
            study.report.add(BAD_FAULT_ARGUMENT, call, problem=problem)
        elif not isinstance(call, syntax.Hole):
            study.report.add(UNKNOWN_FAULT, call, name=call.span.text)
        return None
    name = syntax.dotted(call.callee) or ""
    kind = FAULTS.get(name)
    if kind is None:
        if name:
            fix = did_you_mean(name, call.callee, FAULTS)
            study.report.add(UNKNOWN_FAULT, call.callee, name=name, fix=fix)
        return None
    return _fault(study, node, call, kind)


def _fault(study: Study, node: syntax.Fault, call: syntax.Call, kind: FaultKind) -> Fault | None:
    unnamed = sum(1 for arg in call.args if arg.label is None) if kind.several else 1
    more = [Parameter(f"target {number}") for number in range(2, unnamed + 1)]
    named = (Parameter(each, optional=True, named=True) for each in kind.arguments)
    bound = bind(study, call, kind.name, [Parameter("target"), *more, *named])
    if bound is None:
        return None
    exprs = [bound.pop(each.name) for each in (Parameter("target"), *more)]
    targets = _targets(study, exprs, kind)
    args: dict[str, Any] = {}
    for name, expr in bound.items():
        value = _argument(study, expr, name, kind.arguments[name], factor="factor" in kind.arguments)
        if isinstance(value, Failed):
            return None
        args[name] = value
    _fill_in(kind, args)
    if kind.name == "crash" and "lasting" in args:
        args.setdefault("down", args.pop("lasting"))
        args.pop("lasting", None)
    struck = [target for target in targets if target is not None]
    if not struck or len(struck) < len(targets) or not _sensible(study, call, kind, args):
        return None
    return Fault(study.nodes[node], kind.name, struck[0], args, struck[1:])


def _fill_in(kind: FaultKind, args: dict[str, Any]) -> None:
    """Adds what holds where nothing of a group of needs was said; a window needs its beginning."""
    for group in kind.needs:
        if any(name in args for name in group):
            continue
        for name, value in kind.unless_said.items():
            if name != "lasting":
                args[name] = value
            elif "every" in args:
                args[name] = _part_of(args["every"])
            elif "at" in args:
                args[name] = WINDOW_US
    if kind.returns and "every" in args:
        args.setdefault("lasting", _part_of(args["every"]))


def _part_of(every_us: int) -> int:
    """How long a window holds of which only is said how often it comes."""
    return max(every_us // 10, 1)


def _targets(study: Study, exprs: list[syntax.Expr], kind: FaultKind) -> list[str | None]:
    """All that a fault strikes: names (lists of them too, where it strikes several), and those who run on a model."""
    found: dict[str | None, None] = {}
    for expr in exprs:
        for item in expr.items if kind.several and isinstance(expr, syntax.ListLit) else (expr,):
            name = syntax.dotted(item)
            lent = name is not None and "agent" in kind.targets and not kind.deeds
            model = study.base.find("models", item, name) if lent and name is not None else None
            if model is None:
                found[_target(study, item, kind)] = None
                continue
            agents = [agent for agent in study.base.checked.agents.values() if model in agent.models]
            found.update((study.name_of(agent), None) for agent in agents)
            if not agents:
                study.report.add(FAULT_TARGET, item, fault=kind.name, target=f"`{name}`, a model that nobody runs on")
                found[None] = None
    return list(found)


def _target(study: Study, expr: syntax.Expr, kind: FaultKind) -> str | None:
    name = syntax.dotted(expr)
    if name is None:
        if not isinstance(expr, syntax.Hole):
            study.report.add(FAULT_TARGET, expr, fault=kind.name, target=f"`{expr.span.text}`")
        return None
    found = study.target(expr, name)
    if found is None:
        return None
    if study.kind_of(found) not in kind.targets:
        notes = [f"it strikes {listed(sorted(kind.targets))}"]
        study.report.add(FAULT_TARGET, expr, fault=kind.name, target=f"`{name}`, {describe(found)}", notes=notes)
        return None
    if kind.deeds and isinstance(found, AgentInfo) and not found.effects and not found.open:
        notes = ["it does no effects: its `effects` name none"]
        study.report.add(FAULT_TARGET, expr, fault=kind.name, target=f"`{name}`, {describe(found)}", notes=notes)
        return None
    return study.name_of(found)


def _sensible(study: Study, call: syntax.Call, kind: FaultKind, args: Mapping[str, Any]) -> bool:
    """Whether the arguments go together; reports the first reason why not."""
    problem = None
    for group in kind.needs:
        if not any(name in args for name in group):
            when = ("at", "every") if "lasting" in kind.unless_said else ()
            problem = f"`{kind.name}` needs one of {listed(f'`{name}:`' for name in (*when, *group))}"
    if "first" in args and "nth" in args:
        problem = "`first` and `nth` are two ways to say which; give one"
    elif "lasting" in args and "at" not in args and "every" not in args:
        problem = "`lasting` says how long after `at` or `every`; give one of them too"
    elif "every" in args and args.get("lasting", 0) >= args["every"]:
        problem = "`lasting` is at least as long as `every`, so it would never end"
        if kind.name == "crash_loop":
            problem += "; the engine dies at each recovery anyway, `down` says how long it is away"
    elif "every" in args and args.get("down", 0) >= args["every"]:
        problem = "`down` is at least as long as `every`, so it would never be up"
    if problem is not None:
        study.report.add(BAD_FAULT_ARGUMENT, call, problem=problem)
    return problem is None


# ------------------------------------------------------------------ arguments


def _argument(study: Study, expr: syntax.Expr, name: str, kind: ArgumentKind, *, factor: bool) -> Any | Failed:
    if kind == "point":
        return _point(study, expr, name)
    found = constant(study, expr, f"`{name}`")
    if found is None:
        return FAILED
    wanted, convert, problem = _KINDS[kind]
    if found.type != wanted and not (wanted == FLOAT and found.type == INT):
        notes = []
        if factor and name == "by" and found.type in (INT, FLOAT):
            notes.append(f"`by` adds a time; what multiplies is `factor: {expr.span.text}`")
        what = f"`{name}`"
        study.report.add(TYPE_MISMATCH, expr, what=what, found=show(found.type), expected=show(wanted), notes=notes)
        return FAILED
    value = convert(found)
    if not problem(value):
        study.report.add(BAD_FAULT_ARGUMENT, expr, problem=f"`{name}` is {_LEAST[kind]}, found {expr.span.text}")
        return FAILED
    return value


def _point(study: Study, expr: syntax.Expr, name: str) -> str | Failed:
    if isinstance(expr, syntax.Name) and expr.text in CRASH_POINTS:
        return expr.text
    if not isinstance(expr, syntax.Hole):
        text = expr.text if isinstance(expr, syntax.Name) else expr.span.text
        fix = did_you_mean(text, expr, CRASH_POINTS)
        problem = f"`{name}` is one of {listed(CRASH_POINTS)}, found {text}"
        study.report.add(BAD_FAULT_ARGUMENT, expr, problem=problem, fix=fix)
    return FAILED


def _as_is(found: Constant) -> Any:
    return found.value


def _as_float(found: Constant) -> float:
    return float(found.value)


_KINDS: Mapping[str, tuple[Type, Callable[[Constant], Any], Callable[[Any], bool]]] = {
    "time": (DURATION, _as_is, lambda value: value >= 0),
    "duration": (DURATION, _as_is, lambda value: value > 0),
    "share": (PERCENT, _as_is, lambda value: 0 <= value <= 1),
    "count": (INT, _as_is, lambda value: value >= 1),
    "number": (FLOAT, _as_float, lambda value: value > 0),
}
_LEAST: Mapping[str, str] = {
    "time": "never negative",
    "duration": "above 0",
    "share": "between 0% and 100%",
    "count": "at least 1",
    "number": "above 0",
}
