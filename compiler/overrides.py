"""`--set scout.slots=4`: another value for an attribute of a declaration, or of its profile.

The declaration is taken with the attribute that it would have had if the file said so; everything after this is the
same, so whatever is wrong with the value is told as of any other. `NAME.ATTRIBUTE` means the declaration of that name
(an agent, a tool, an effect, a model, …), and its profile for what only a profile says, or what its profile gives.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchspec.compiler.codes import names as codes
from orchspec.compiler.model import Checked, Module
from orchspec.compiler.report import Report
from orchspec.compiler.studies.profiles import FIELDS
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.spelling import nearest
from orchspec.grammar.syntax import Attribute, ProfileDecl, ToolDecl

__all__ = ["override"]


def override(checked: Checked, report: Report) -> None:
    """Takes the settings of the form `name.attribute` from the spec's settings, and gives the attributes."""
    kept = {}
    for name, value in checked.settings.items():
        owner, dot, attribute = name.rpartition(".")
        if not dot:
            kept[name] = value
            continue
        module = _module(checked, owner)
        if module is None:
            kept[name] = value  # the params of an import have such names too
            continue
        declarations: list[Any] = list(module.file.declarations)
        owner = owner[len(module.prefix) :]
        place = _place(declarations, owner, attribute)
        if place is None:
            known = sorted({_name(each) for each in declarations if hasattr(each, "settings")})
            near = nearest(owner, known)
            problem = f"the spec declares no `{owner}`" + (f"; did you mean `{near}`?" if near else "")
            at = checked.file.span.source.span(0, 0)
            report.absent(codes.UNKNOWN_SETTING, at, reach="name", name=name, problem=problem)
            continue
        given = _parsed(name, attribute, value)
        if given is None:
            problem = f"`{value}` is no value as a spec writes it"
            report.add(codes.UNKNOWN_SETTING, _span(declarations[place]), name=name, problem=problem)
            continue
        declarations[place] = _with(declarations[place], given)
        module.file = replace(module.file, declarations=tuple(declarations))
        checked.module_of[given.span.source] = module
        if not module.prefix:
            checked.file = module.file
    checked.settings = kept


def _module(checked: Checked, owner: str) -> Module | None:
    """The module that declares a name as the spec itself would say it; None for what only an import can mean."""
    inner = [each for each in checked.modules[1:] if owner.startswith(each.prefix)]
    if inner:
        return max(inner, key=lambda each: len(each.prefix))
    is_import = any(f"{owner}." == each.prefix for each in checked.modules[1:])
    return None if is_import else checked.modules[0]


def _name(declaration: Any) -> str:
    node = declaration.target if isinstance(declaration, ProfileDecl) else declaration.name
    return str(node.text)


def _span(declaration: Any) -> Any:
    return (declaration.target if isinstance(declaration, ProfileDecl) else declaration.name).span


def _place(declarations: list[Any], owner: str, attribute: str) -> int | None:
    """Where the declaration stands that the attribute belongs to."""
    named = [place for place, each in enumerate(declarations) if hasattr(each, "settings") and _name(each) == owner]
    having = [place for place in named if _gives(declarations[place], attribute)]
    profiles = [place for place in named if isinstance(declarations[place], ProfileDecl)]
    if having:
        return having[0]
    if profiles and (len(profiles) == len(named) or any(attribute in fields for fields in FIELDS.values())):
        return profiles[0]
    return named[0] if named else None


def _gives(declaration: Any, attribute: str) -> bool:
    return any(isinstance(each, Attribute) and each.name.text == attribute for each in declaration.settings)


def _parsed(name: str, attribute: str, value: str) -> Attribute | None:
    """`attribute = value`, read as if it stood in a spec; one line, so that a report of it shows just that."""
    parsed = parse(Source(f"--set {name}", f"orch 1\ntool it {{\n{attribute} = {value}\n}}\n"))
    if not parsed.ok or parsed.file is None or len(parsed.file.declarations) != 1:
        return None
    (only,) = parsed.file.declarations
    if not isinstance(only, ToolDecl) or len(only.settings) != 1 or not isinstance(only.settings[0], Attribute):
        return None
    return only.settings[0]


def _with(declaration: Any, given: Attribute) -> Any:
    kept = []
    for each in declaration.settings:
        if isinstance(each, Attribute) and each.name.text == given.name.text:
            if given not in kept:
                kept.append(given)
        else:
            kept.append(each)
    if given not in kept:
        kept.append(given)
    return replace(declaration, settings=tuple(kept))
