"""Params: the constants of a spec, from `--set`, or from their defaults, which may be computed from each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchspec.compiler.codes import names as name_codes
from orchspec.compiler.codes import types as codes
from orchspec.compiler.constants import NotConstant, evaluate
from orchspec.compiler.context import Context, Env
from orchspec.compiler.declarations import constrain
from orchspec.compiler.expressions import Typer
from orchspec.compiler.model import Frame, ParamInfo
from orchspec.compiler.report import Report
from orchspec.compiler.types import TEXT, UNKNOWN, Optional, is_unknown, required
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.spelling import nearest
from orchspec.grammar.syntax import Expr, Field, Name, ParamDecl, Text, dotted, walk

__all__ = ["check_params"]


def check_params(typer: Typer) -> None:
    """Finds the value of each param: its setting, else what its importer binds, else its default."""
    checked = typer.checked
    known = checked.modules[0]
    # A setting names a param as the spec itself would; imported twice over, it may have several names.
    checked.settings = {
        name if (param := known.find("params", name)) is None else param.name: text
        for name, text in checked.settings.items()
    }
    for param in _in_order(typer):
        _param(typer, param)
    _strangers(typer)


def _in_order(typer: Typer) -> list[ParamInfo]:
    """The params, each after those that its default reads; reports defaults that are computed from themselves."""
    order: list[ParamInfo] = []
    done: dict[ParamInfo, bool] = {}
    for start in typer.checked.params.values():
        stack = [start]
        while stack:
            param = stack[-1]
            if done.setdefault(param, False):
                stack.pop()
                continue
            waits = []
            for name, other in _read_by(typer, param):
                if other not in done:
                    waits.append(other)
                elif not done[other] and other in stack:
                    if is_unknown(other.type):
                        continue
                    what = f"the default of `{param.name}`"
                    typer.report.add(codes.NOT_CONSTANT, name, what=what, problem="it is computed from itself")
                    other.type = UNKNOWN
            if waits:
                stack.append(waits[0])
                continue
            done[param] = True
            order.append(stack.pop())
    return order


def _read_by(typer: Typer, param: ParamInfo) -> Iterator[tuple[Expr, ParamInfo]]:
    for expr in (param.node.default, param.bound):
        for part in walk(expr) if expr is not None else ():
            text = dotted(part) if isinstance(part, Name | Field) else None
            other = typer.context.find("params", part, text) if text is not None else None
            if other is not None:
                assert isinstance(part, Name | Field)
                yield part, other


def _param(typer: Typer, param: ParamInfo) -> None:
    default = param.node.default
    if default is not None:
        value = _value(typer, param, default)
        param.known, param.value = value is not None, None if value is None else value[0]
    elif isinstance(param.type, Optional):
        param.known = True
    _constraint(typer, param)
    if param.bound is not None:
        _bind(typer, param, param.bound)
    if param.name in typer.checked.settings:
        _set(typer, param, typer.checked.settings[param.name])  # before what is computed from it
    elif default is None and param.bound is None and not param.known and not is_unknown(param.type):
        what = f"the param `{param.name}`"
        typer.report.absent(
            codes.NOT_CONSTANT, param.node.name, what=what, problem="it has no default, write `= VALUE`"
        )
    if not param.known:
        param.type = UNKNOWN  # it was told why, and whatever reads it has no other mistake


def _bind(typer: Typer, param: ParamInfo, bound: Expr) -> None:
    """Gives a param what its importer binds, which is checked where the importer says it."""
    before = len(typer.report.diagnostics)
    value = _value(typer, param, bound, f"the param `{param.name}`", Label(param.node.name.span, "the param"))
    param.known = value is not None
    if value is None:
        return
    param.value = value[0]
    slot = param.frame.slots[0]
    constrain(typer, param.name, param.node.where, {slot: value[0]}, value[0], param.type, bound)
    param.known = len(typer.report.diagnostics) == before


def _constraint(typer: Typer, param: ParamInfo) -> None:
    default = param.node.default
    where = param.node.where
    if where is None:
        return
    typer.condition(where, Env(param.frame), f"the constraint of `{param.name}`")
    if param.known and default is not None:
        constrain(typer, param.name, where, {param.frame.slots[0]: param.value}, param.value, param.type, default)


def _value(typer: Typer, param: ParamInfo, expr: Expr, what: str = "", label: Label | None = None) -> tuple[Any] | None:
    """The value of an expression for a param, in a tuple, since it may be none; or none when something is wrong."""
    before = len(typer.report.diagnostics)
    what = what or f"the default of `{param.name}`"
    typer.root(expr, Env(Frame(param.node)), param.type, what, label)
    if len(typer.report.diagnostics) > before or is_unknown(param.type) or _half_known(typer, expr):
        return None
    try:
        return (evaluate(expr, typer.checked),)
    except NotConstant as error:
        typer.report.add(codes.NOT_CONSTANT, expr, what=what, problem=str(error))
        return None


def _half_known(typer: Typer, expr: Expr) -> bool:
    """Whether some part of an expression was reported already."""
    return any(is_unknown(typer.checked.expr_types.get(part, TEXT)) for part in walk(expr))


# ------------------------------------------------------------------ settings


def _strangers(typer: Typer) -> None:
    checked = typer.checked
    for name in checked.settings:
        if name in checked.params:
            continue
        near = nearest(name, checked.modules[0].names("params"))
        problem = "the spec has no param of this name" + (f"; did you mean `{near}`?" if near else "")
        at = checked.file.span.source.span(0, 0)
        typer.report.absent(name_codes.UNKNOWN_SETTING, at, reach="name", name=name, problem=problem)


def _set(typer: Typer, param: ParamInfo, text: str) -> None:
    """Gives a param the value that `--set` says; whatever is wrong with it is one diagnostic at the param."""
    typer.context.used.add(param)
    problem = None
    expr = _parsed(param, text)
    if expr is None:
        problem = f"`{text}` is no value as a spec writes it"
    else:
        # What is wrong inside of the setting is told with its own report, and handed on as one problem.
        context = Context(typer.checked, Report())
        inner = Typer(context)
        value = _value(inner, param, expr, f"`{param.name}`")
        if value is not None:
            slot = param.frame.slots[0]
            constrain(inner, param.name, param.node.where, {slot: value[0]}, value[0], param.type, param.node.name)
        if context.report.diagnostics:
            problem = context.report.diagnostics[0].message
        elif value is not None:
            param.known, param.value = True, value[0]
    if problem is not None:
        typer.report.add(name_codes.UNKNOWN_SETTING, param.node.name, name=param.name, problem=problem)


def _parsed(param: ParamInfo, text: str) -> Expr | None:
    if required(param.type) == TEXT and not text.lstrip().startswith('"'):
        span = param.node.name.span
        return Text(text, span)
    parsed = parse(Source("--set", f"orch 1\nparam value: Int = {text}\n"))
    if not parsed.ok or parsed.file is None or len(parsed.file.declarations) != 1:
        return None
    (only,) = parsed.file.declarations
    if not isinstance(only, ParamDecl) or only.where is not None:
        return None
    return only.default
