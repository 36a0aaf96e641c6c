"""Arguments of the small calls in studies: laws, arrivals, faults."""

from __future__ import annotations

from collections.abc import Sequence

from orchspec.compiler.codes.types import (
    DUPLICATE_ARGUMENT,
    MISSING_ARGUMENT,
    POSITIONAL_AFTER_NAMED,
    TOO_MANY_ARGUMENTS,
    UNKNOWN_ARGUMENT,
)
from orchspec.compiler.report import did_you_mean, listed, word
from orchspec.compiler.studies.context import Study
from orchspec.grammar import syntax
from orchspec.slotted import dataclass

__all__ = ["Parameter", "bind"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a call takes: by its place or by its name; `optional` ones may be left out, `named` ones have no place."""

    name: str
    optional: bool = False
    named: bool = False


def bind(
    study: Study, call: syntax.Call, callee: str, parameters: Sequence[Parameter]
) -> dict[str, syntax.Expr] | None:
    """The arguments of a call by the parameters they are for, or none after reporting what is wrong with them."""
    report, places = study.report, [parameter.name for parameter in parameters if not parameter.named]
    names = [parameter.name for parameter in parameters]
    bound: dict[str, syntax.Expr] = {}
    positional, sound, label_seen = 0, True, False
    for arg in call.args:
        if arg.label is None:
            if label_seen:
                report.add(POSITIONAL_AFTER_NAMED, arg)
                sound = False
                continue
            positional += 1
            if positional > len(places) or arg.key is not None:
                continue
            bound[places[positional - 1]] = arg.value
            continue
        label_seen = True
        name = arg.label.text
        if name not in names:
            fix = did_you_mean(name, arg.label, names)
            notes = [f"{callee} takes {listed(names)}"] if fix is None else []
            report.add(UNKNOWN_ARGUMENT, arg.label, callee=callee, name=name, fix=fix, notes=notes)
            sound = False
        elif name in bound:
            report.add(DUPLICATE_ARGUMENT, arg.label, name=name)
            sound = False
        else:
            bound[name] = arg.value
    if positional > len(places) or any(arg.key is not None for arg in call.args):
        expected = word(len(places), "argument") + (" by place" if len(places) < len(names) else "")
        report.add(TOO_MANY_ARGUMENTS, call, callee=callee, expected=expected, found=len(call.args))
        sound = False
    missing = [f"`{each.name}`" for each in parameters if not each.optional and each.name not in bound]
    if missing and sound:
        report.absent(MISSING_ARGUMENT, call, reach="statement", callee=callee, missing=listed(missing))
    return bound if sound and not missing else None
