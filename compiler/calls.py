"""Arguments matched to parameters: positional ones first, then named, optional and defaulted ones may be left out."""

from __future__ import annotations

from collections.abc import Sequence

from orchspec.compiler.codes import types as codes
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.model import Argument, FieldInfo
from orchspec.compiler.report import did_you_mean, listed, word
from orchspec.compiler.types import UNKNOWN, Optional, Unknown, show
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Arg, Call, Expr, Ident

__all__ = ["infer_arguments", "match_arguments"]


def infer_arguments(typer: Typer, call: Call, env: Env) -> None:
    """Types the arguments of a call whose callee is not known, so that what they read counts as read."""
    for arg in call.args:
        typer.root(arg.value, env, UNKNOWN)


def match_arguments(
    typer: Typer, callee: str, declared: Ident, params: Sequence[FieldInfo], call: Call, env: Env
) -> tuple[Argument, ...]:
    """The parameters in their order, each with what it gets; what does not fit is reported.

    Args:
        typer: types the arguments.
        callee: what is called, in words.
        declared: where it is declared, for labels.
        params: its parameters.
        call: the call.
        env: where the arguments are evaluated.
    """
    given: dict[str, Arg] = {}
    strange: list[Arg] = []
    extra: list[Arg] = []
    names = [param.name for param in params]
    named = False
    for place, arg in enumerate(call.args):
        if arg.label is not None:
            named = True
            _by_name(typer, arg, arg.label, names, given, strange)
        elif named:
            typer.report.add(codes.POSITIONAL_AFTER_NAMED, arg)
            strange.append(arg)
        elif place < len(params):
            given[names[place]] = arg
        else:
            extra.append(arg)
    for arg in (*strange, *extra):
        typer.root(arg.value, env, UNKNOWN)
    where = Label(declared.span, "declared here")
    if extra:
        takes = word(len(params), "argument")
        typer.report.add(
            codes.TOO_MANY_ARGUMENTS, extra[0], callee=callee, expected=takes, found=len(call.args), labels=[where]
        )
    unknown = [arg for arg in strange if arg.label is not None and arg.label.text not in names]
    missing = [param for param in params if param.name not in given and _needed(param)]
    for arg in unknown:
        assert arg.label is not None
        fix = did_you_mean(arg.label.text, arg.label, [name for name in names if name not in given])
        note = f"its parameters are {listed(names)}" if names else "it has no parameters"
        typer.report.add(
            codes.UNKNOWN_ARGUMENT, arg.label, callee=callee, name=arg.label.text, notes=[note], labels=[where], fix=fix
        )
    if missing and not strange:
        wanted = listed(f"`{param.name}: {show(param.type)}`" for param in missing)
        typer.report.absent(
            codes.MISSING_ARGUMENT, call, reach="statement", callee=callee, missing=wanted, labels=[where]
        )
    return tuple(_argument(typer, callee, param, given.get(param.name), env) for param in params)


def _by_name(
    typer: Typer, arg: Arg, label: Ident, names: Sequence[str], given: dict[str, Arg], strange: list[Arg]
) -> None:
    if label.text not in names:
        strange.append(arg)
    elif label.text in given:
        first = Label(given[label.text].span, "first given here")
        typer.report.add(codes.DUPLICATE_ARGUMENT, label, name=label.text, labels=[first])
        strange.append(arg)
    else:
        given[label.text] = arg


def _needed(param: FieldInfo) -> bool:
    return not param.has_default and not isinstance(param.type, Optional | Unknown)


def _argument(typer: Typer, callee: str, param: FieldInfo, arg: Arg | None, env: Env) -> Argument:
    if arg is None:
        return Argument(param, None)
    value: Expr = arg.value
    label = Label(param.node.span, f"{callee} takes {show(param.type)}")
    typer.root(value, env, param.type, f"`{param.name}` of {callee}", label)
    return Argument(param, value)
