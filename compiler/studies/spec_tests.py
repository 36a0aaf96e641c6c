"""Tests written in a spec: inputs, stubs, faults and what is expected of one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchspec.compiler.codes.declarations import AGENT_DOES_NOT_FULFILL
from orchspec.compiler.codes.studies import WRONG_STUB
from orchspec.compiler.edges import edge_value
from orchspec.compiler.model import AgentInfo, ContractInfo, EffectInfo, FlowInfo, SignalInfo
from orchspec.compiler.names import is_opaque, unknown
from orchspec.compiler.plan import Expectation, Fault, Stub, Test
from orchspec.compiler.report import listed
from orchspec.compiler.studies.context import FAILED, Failed, Study, describe
from orchspec.compiler.studies.facts import check_facts
from orchspec.compiler.studies.injections import check_fault
from orchspec.compiler.studies.scenarios import given_parameters, named_once, study_attributes
from orchspec.compiler.studies.values import check_constraint, inner_value
from orchspec.compiler.types import Nothing, Type, Unknown, show
from orchspec.grammar import syntax
from orchspec.grammar.diagnostics import Label

__all__ = ["check_tests"]


def check_tests(study: Study) -> list[Test]:
    """The tests without mistakes, in the order of the text; mistakes are reported."""
    made = [_test(study, node) for node in named_once(study, study.checked.tests, "test")]
    return [test for test in made if test is not None]


def _test(study: Study, node: syntax.TestDecl) -> Test | None:
    before = len(study.report.diagnostics)
    flow = study.flow(node.target)
    attributes = study_attributes(study, node.body, "a test", ("given",))
    given: dict[str, Any] | Failed = {}
    if attributes is not None and "given" in attributes and flow is not None:
        given = _given(study, attributes["given"].value, flow)
    stubs = _stubs(study, node)
    faults = [check_fault(study, item) for item in node.body if isinstance(item, syntax.Fault)]
    expects: list[Expectation | None] = []
    if flow is not None:
        expects = [check_facts(study, item, flow) for item in node.body if isinstance(item, syntax.Expect)]
    if len(study.report.diagnostics) > before or flow is None or isinstance(given, Failed):
        return None
    return Test(
        node=study.nodes[node],
        name=node.title.value,
        flow=flow.name,
        given=given,
        stubs=stubs,
        faults=[fault for fault in faults if isinstance(fault, Fault)],
        expects=[expect for expect in expects if isinstance(expect, Expectation)],
    )


def _given(study: Study, value: syntax.Expr, flow: FlowInfo) -> dict[str, Any] | Failed:
    entries = given_parameters(study, value, flow)
    if isinstance(entries, Failed):
        return FAILED
    made: dict[str, Any] = {}
    for info, entry in entries:
        inner = inner_value(study, entry.value, info.type, f"`{info.name}`")
        if isinstance(inner, Failed) or not check_constraint(study, info, inner, entry.value):
            return FAILED
        made[info.name] = edge_value(study.checked, inner, info.type)
    return made


# ------------------------------------------------------------------ stubs


def _stubs(study: Study, node: syntax.TestDecl) -> list[Stub]:
    stubs: list[Stub] = []
    named: list[Stub] = []
    seen: dict[str, syntax.Path] = {}
    for item in node.body:
        if not isinstance(item, syntax.Stub):
            continue
        first = seen.setdefault(item.target.text, item.target)
        if first is not item.target and item.target.text:
            labels = [Label(first.span, "the first stub")]
            problem = f"`{item.target.text}` is stubbed twice; give several values in turn with `then`"
            study.report.add(WRONG_STUB, item.target, problem=problem, labels=labels)
            continue
        made = _stub(study, item)
        # What is said of one contract holds over what is said of all that a value fits.
        (named if len(item.target.parts) > 1 and len(made) == 1 else stubs).extend(made)
    apart = {(stub.target, stub.contract) for stub in named}
    return [*(stub for stub in stubs if (stub.target, stub.contract) not in apart), *named]


def _stub(study: Study, node: syntax.Stub) -> list[Stub]:
    """The stub; where its target fulfills contracts with different results, one for each that its values fit."""
    parts = node.target.parts
    # `panel.critic.Vote`: as many parts as name somebody, and what is left names a contract.
    size = next((n for n in range(len(parts), 0, -1) if study.named(node.target, _joined(parts[:n]))), 0)
    if not size:
        imported = len(parts) > 1 and parts[0].text in study.base.module(node).imports
        size = 2 if imported else 1
    at = parts[0] if size == 1 else node.target
    target = study.target(at, _joined(parts[:size]), ("agent", "human", "dispatcher", "effect", "signal"))
    if target is None:
        return []
    name = study.name_of(target)
    contract: ContractInfo | None = None
    if len(parts) > size:
        contract = _contract(study, node.target, target, _joined(parts[size:]))
        if contract is None:
            return []
    results = _results(target, contract)
    if any(isinstance(result, Unknown) for result in results) or (getattr(target, "open", False) and contract is None):
        return []
    signal = isinstance(target, SignalInfo)
    comes = [value for value in node.values if not (signal and isinstance(value, syntax.NoneLit))]
    if comes and any(isinstance(result, Nothing) for result in results):
        study.report.add(WRONG_STUB, node.target, problem=f"`{name}` gives nothing, so there is nothing to stub")
        return []
    if len(results) > 1:
        assert isinstance(target, AgentInfo)
        return _fitting(study, node, target, results)
    # A signal that is none does not come.
    values = [_value(study, value, results[0], name) if value in comes else None for value in node.values]
    if any(isinstance(value, Failed) for value in values):
        return []
    return [Stub(name, None if contract is None else contract.name, values)]


def _fitting(study: Study, node: syntax.Stub, target: AgentInfo, results: list[Type]) -> list[Stub]:
    """Stubs of those contracts whose results the values are."""
    name = study.name_of(target)
    made: dict[int, list[Any]] = {}
    for number, result in enumerate(results):
        with study.report.held_back():
            values = [_value(study, value, result, name) for value in node.values]
        if not any(isinstance(value, Failed) for value in values):
            made[number] = values
    if not made:
        names = listed(f"`{name}.{each.name}`" for each in target.fulfills)
        problem = f"`{name}` fulfills contracts with different results, and this is none of them; stub one of {names}"
        study.report.add(WRONG_STUB, node.target, problem=problem)
    return [
        Stub(name, each.name, made[results.index(each.result)])
        for each in target.fulfills
        if results.index(each.result) in made
    ]


def _joined(parts: Sequence[syntax.Ident]) -> str:
    return ".".join(part.text for part in parts)


def _contract(study: Study, path: syntax.Path, target: object, name: str) -> ContractInfo | None:
    at = path.parts[-1]
    if not isinstance(target, AgentInfo):
        problem = f"`{path.parts[0].text}` is {describe(target)} and fulfills no contract"
        study.report.add(WRONG_STUB, at, problem=problem)
        return None
    known = study.base.find("contracts", path, name)
    found = known if known in target.fulfills else None
    if found is None:  # as it is called in the file of the agent
        found = next((each for each in target.fulfills if each.name.rpartition(".")[2] == name), None)
    if found is None and not is_opaque(study.base, path, name) and not target.open:
        names = [each.name for each in target.fulfills]
        if known is not None:
            labels = [Label(target.node.name.span, "declared here")]
            study.report.add(AGENT_DOES_NOT_FULFILL, at, agent=target.name, contract=name, labels=labels)
        else:
            unknown(study.base, at, "contract", name, names)
    return found


def _results(target: object, contract: ContractInfo | None) -> list[Type]:
    if contract is not None:
        return [contract.result]
    if isinstance(target, EffectInfo | SignalInfo):
        return [target.result]
    assert isinstance(target, AgentInfo)
    results: list[Type] = []
    for each in target.fulfills:
        if each.result not in results:
            results.append(each.result)
    return results


def _value(study: Study, expr: syntax.Expr, want: Type, name: str) -> Any | Failed:
    inner = inner_value(study, expr, want, f"what `{name}` gives ({show(want)})")
    return inner if isinstance(inner, Failed) else edge_value(study.checked, inner, want)
