"""What a study asks of a scenario beside what stands in the spec: other expectations, more faults, another load.

`orch size --for "p95(latency) <= 60s"` and `--set "scenario.arrivals=poisson(2 / 1s)"` are read as if the scenario said
so. So they mean what they would mean there, params and all, and what is wrong with them is told as of any other text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from orchspec.compiler.codes import names as codes
from orchspec.compiler.model import Checked
from orchspec.compiler.report import Report
from orchspec.grammar.diagnostics import Diagnostic
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.syntax import Attribute, Declaration, Expect, Fault, ScenarioDecl, TestItem

__all__ = ["SCENARIO", "Asked", "ask"]

SCENARIO = "scenario"
"""The owner of a setting that is meant for the scenario: a keyword, so nothing that is declared is called so."""


_Item = TypeVar("_Item", Attribute, Fault, Expect)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a scenario.

    `scenario` is its title (None: of every scenario of the file), `targets` take the place of its expectations where
    there are some, `faults` strike beside its own. Both are written as in a spec: `p95(latency) <= 60s`,
    `crash(orchestrator, every: 1h)`.
    """

    scenario: str | None = None
    targets: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def ask(checked: Checked, report: Report, asked: Asked) -> Sequence[Diagnostic]:
    """Gives the scenario what is asked of it, and takes its attributes from the settings; syntax errors come back."""
    errors: list[Diagnostic] = []
    expects: list[TestItem] = []
    faults: list[TestItem] = []
    attributes: list[Attribute] = []
    for text in asked.targets:
        expects += _items(checked, report, errors, "--for", f"expect {text}", Expect)
    for text in asked.faults:
        faults += _items(checked, report, errors, "--fault", f"fault {text}", Fault)
    kept = {}
    for name, value in checked.settings.items():
        owner, _, attribute = name.partition(".")
        if owner != SCENARIO or not attribute:
            kept[name] = value
            continue
        attributes += _items(checked, report, errors, f"--set {name}", f"{attribute} = {value}", Attribute)
    checked.settings = kept
    if not (expects or faults or attributes):
        return errors
    declarations: list[Declaration] = []
    named = False
    for each in checked.file.declarations:
        if isinstance(each, ScenarioDecl) and asked.scenario in (None, each.title.value):
            named = True
            declarations.append(replace(each, body=_body(each, expects, faults, attributes)))
        else:
            declarations.append(each)
    if not named and attributes:
        at = checked.file.span.source.span(0, 0)
        name = f"{SCENARIO}.{attributes[0].name.text}"
        report.absent(codes.UNKNOWN_SETTING, at, reach="name", name=name, problem="the spec has no such scenario")
    checked.modules[0].file = checked.file = replace(checked.file, declarations=tuple(declarations))
    return errors


def _body(
    scenario: ScenarioDecl, expects: list[TestItem], faults: list[TestItem], attributes: list[Attribute]
) -> tuple[TestItem, ...]:
    given = {each.name.text for each in attributes}
    kept = [
        item
        for item in scenario.body
        if not (isinstance(item, Attribute) and item.name.text in given) and not (expects and isinstance(item, Expect))
    ]
    return (*attributes, *kept, *faults, *expects)


def _items(
    checked: Checked, report: Report, errors: list[Diagnostic], name: str, text: str, kind: type[_Item]
) -> list[_Item]:
    """Items of a scenario, read as if they stood in one; nothing after keeping what is wrong with them."""
    source = Source(name, f'orch 1\nscenario "it" for it {{\n{text}\n}}\n')
    parsed = parse(source)
    if not parsed.ok or parsed.file is None:
        errors.extend(parsed.diagnostics)
        return []
    only = parsed.file.declarations[0] if len(parsed.file.declarations) == 1 else None
    items = only.body if isinstance(only, ScenarioDecl) else ()
    checked.module_of[source] = checked.modules[0]
    found = [item for item in items if isinstance(item, kind)]
    if not found or len(found) < len(items):
        said = name.removeprefix("--set ")
        report.absent(
            codes.UNKNOWN_SETTING,
            source.span(0, 0),
            reach="name",
            name=said,
            problem=f"`{text}` is not one of its kind",
        )
    return found
