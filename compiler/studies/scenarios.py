"""Scenarios: load, faults and expectations of a flow."""

from __future__ import annotations

from typing import Any

from orchspec.compiler.codes.declarations import ATTRIBUTE_TWICE, UNKNOWN_ATTRIBUTE
from orchspec.compiler.codes.names import DUPLICATE_DECLARATION
from orchspec.compiler.codes.studies import IMPOSSIBLE_LOAD, NO_END
from orchspec.compiler.codes.types import DUPLICATE_ENTRY, TYPE_MISMATCH, UNKNOWN_ARGUMENT
from orchspec.compiler.model import FieldInfo, FlowInfo
from orchspec.compiler.plan import Dist, Expectation, Fault, Scenario
from orchspec.compiler.report import did_you_mean, listed
from orchspec.compiler.studies.arrivals import check_arrivals
from orchspec.compiler.studies.context import FAILED, Failed, Study
from orchspec.compiler.studies.distributions import distribution
from orchspec.compiler.studies.expectations import check_expectation
from orchspec.compiler.studies.injections import check_fault
from orchspec.compiler.studies.values import constant, spoken
from orchspec.compiler.types import DURATION, INT, Type, show
from orchspec.grammar import syntax
from orchspec.grammar.diagnostics import Label

__all__ = ["ATTRIBUTES", "check_scenarios", "given_parameters", "named_once", "study_attributes"]

ATTRIBUTES = ("arrivals", "duration", "runs", "warmup", "given")
"""What a scenario may say beside its faults and expectations."""


def check_scenarios(study: Study) -> list[Scenario]:
    """The scenarios without mistakes, in the order of the text; mistakes are reported."""
    made = [_scenario(study, node) for node in named_once(study, study.checked.scenarios, "scenario")]
    return [scenario for scenario in made if scenario is not None]


def named_once(study: Study, nodes: list[syntax.ScenarioDecl] | list[syntax.TestDecl], kind: str) -> list[Any]:
    """The scenarios or tests, after reporting titles that stand twice."""
    seen: dict[str, syntax.Text] = {}
    for node in nodes:
        first = seen.setdefault(node.title.value, node.title)
        if first is not node.title:
            label = Label(first.span, "first declared here")
            study.report.add(DUPLICATE_DECLARATION, node.title, name=f"{kind} {node.title.span.text}", labels=[label])
    return list(nodes)


def study_attributes(
    study: Study, body: tuple[syntax.TestItem, ...], place: str, known: tuple[str, ...]
) -> dict[str, syntax.Attribute] | None:
    """The attributes of a scenario or test by name; none after reporting unknown ones and repetitions."""
    given: dict[str, syntax.Node] = {}
    found: dict[str, syntax.Attribute] = {}
    sound = True
    for item in body:
        if isinstance(item, syntax.Budget):
            notes = ["budgets belong to flows, scopes, steps and agents"]
            study.report.add(UNKNOWN_ATTRIBUTE, item, place=place, name="budget", notes=notes)
            sound = False
        elif isinstance(item, syntax.Attribute):
            name = item.name.text
            if name and name not in known:
                fix = did_you_mean(name, item.name, known)
                notes = [f"it has {listed(known)}"]
                study.report.add(UNKNOWN_ATTRIBUTE, item.name, place=place, name=name, notes=notes, fix=fix)
                sound = False
            elif study.once(ATTRIBUTE_TWICE, given, item.name):
                found[name] = item
            else:
                sound = False
    return found if sound else None


def _scenario(study: Study, node: syntax.ScenarioDecl) -> Scenario | None:
    before = len(study.report.diagnostics)
    flow = study.flow(node.target)
    attributes = study_attributes(study, node.body, "a scenario", ATTRIBUTES)
    said = None if attributes is None else _load(study, node, attributes)
    given: dict[str, Dist] | Failed = {}
    if attributes is not None and "given" in attributes and flow is not None:
        given = _given(study, attributes["given"].value, flow)
    faults = [check_fault(study, item) for item in node.body if isinstance(item, syntax.Fault)]
    expects = [check_expectation(study, item) for item in node.body if isinstance(item, syntax.Expect)]
    if len(study.report.diagnostics) > before or flow is None or said is None or isinstance(given, Failed):
        return None
    return Scenario(
        node=study.nodes[node],
        name=node.title.value,
        flow=flow.name,
        given=given,
        faults=[fault for fault in faults if isinstance(fault, Fault)],
        expects=[expect for expect in expects if isinstance(expect, Expectation)],
        **said,
    )


# ------------------------------------------------------------------ load


def _load(study: Study, node: syntax.ScenarioDecl, attributes: dict[str, syntax.Attribute]) -> dict[str, Any] | None:
    """Arrivals, duration, runs and warm-up, and whether they go together."""
    said: dict[str, Any] = {}
    if "arrivals" in attributes:
        said["arrivals"] = check_arrivals(study, attributes["arrivals"].value)
    if "duration" in attributes:
        said["duration_us"] = _above_zero(study, attributes["duration"], DURATION)
    if "runs" in attributes:
        said["runs"] = _above_zero(study, attributes["runs"], INT)
    if "warmup" in attributes:
        said["warmup"] = _warmup(study, attributes["warmup"])
    if any(isinstance(value, Failed) for value in said.values()):
        return None
    problem, at = _impossible(said, attributes)
    if problem is not None:
        study.report.add(IMPOSSIBLE_LOAD, at or node, problem=problem)
        return None
    law = said.get("arrivals")
    if "duration_us" not in said and "runs" not in said and (law is None or law[0] != "trace"):
        study.report.absent(NO_END, node.title, title=node.title.value)
        return None
    if law is not None and "runs" in said:
        said.setdefault("warmup", "auto")  # so many runs of a system that goes on; a duration begins where it begins
    return said


def _impossible(
    said: dict[str, Any], attributes: dict[str, syntax.Attribute]
) -> tuple[str | None, syntax.Attribute | None]:
    if "arrivals" not in said:
        for name in ("duration", "warmup"):
            if name in attributes:
                return f"isolated runs have no `{name}`: give `arrivals`, or `runs` alone", attributes[name]
    if "duration_us" in said and "runs" in said:
        return "`duration` and `runs` both say when the scenario ends; give one", attributes["runs"]
    warmup = said.get("warmup", 0)
    if warmup != "auto" and "duration_us" in said and warmup >= said["duration_us"]:
        return "the warm-up is as long as the scenario, so nothing would be measured", attributes["warmup"]
    return None, None


def _above_zero(study: Study, attribute: syntax.Attribute, want: Type) -> int | Failed:
    name = attribute.name.text
    found = constant(study, attribute.value, f"`{name}`")
    if found is None:
        return FAILED
    if found.type != want:
        study.report.add(TYPE_MISMATCH, attribute.value, what=f"`{name}`", found=show(found.type), expected=show(want))
        return FAILED
    if found.value <= 0:
        text = attribute.value.span.text
        study.report.add(IMPOSSIBLE_LOAD, attribute.value, problem=f"`{name}` must be above 0, found {text}")
        return FAILED
    return int(found.value)


def _warmup(study: Study, attribute: syntax.Attribute) -> int | str | Failed:
    value = attribute.value
    if isinstance(value, syntax.Name) and value.text == "auto":
        return "auto"
    found = constant(study, value, "`warmup`")
    if found is None:
        return FAILED
    if found.type != DURATION:
        study.report.add(TYPE_MISMATCH, value, what="`warmup`", found=show(found.type), expected="Duration or `auto`")
        return FAILED
    if found.value < 0:
        study.report.add(IMPOSSIBLE_LOAD, value, problem="`warmup` is never negative")
        return FAILED
    return int(found.value)


# ------------------------------------------------------------------ inputs


def given_parameters(
    study: Study, value: syntax.Expr, flow: FlowInfo
) -> list[tuple[FieldInfo, syntax.RecordEntry]] | Failed:
    """The entries of `given = { parameter: value }` with the parameters of the flow that they are for."""
    if not isinstance(value, syntax.RecordLit):
        if not isinstance(value, syntax.Hole):
            expected = "`{ parameter: value, ... }`"
            study.report.add(TYPE_MISMATCH, value, what="`given`", found=spoken(value), expected=expected)
        return FAILED
    params = {info.name: info for info in flow.params}
    given: dict[str, syntax.Node] = {}
    found: list[tuple[FieldInfo, syntax.RecordEntry]] = []
    sound = True
    for entry in value.entries:
        name = entry.name.text
        if name and name not in params:
            fix = did_you_mean(name, entry.name, params)
            labels = [Label(flow.node.name.span, "the flow is declared here")]
            study.report.add(UNKNOWN_ARGUMENT, entry.name, callee=flow.name, name=name, fix=fix, labels=labels)
            sound = False
        elif study.once(DUPLICATE_ENTRY, given, entry.name):
            found.append((params[name], entry))
        else:
            sound = False
    return found if sound else FAILED


def _given(study: Study, value: syntax.Expr, flow: FlowInfo) -> dict[str, Dist] | Failed:
    entries = given_parameters(study, value, flow)
    if isinstance(entries, Failed):
        return FAILED
    made = {info.name: distribution(study, entry.value, info.type, f"`{info.name}`") for info, entry in entries}
    return FAILED if any(isinstance(part, Failed) for part in made.values()) else made
