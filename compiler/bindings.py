"""`with { name = value }`: what stands in for the declarations of an imported file, and whether it can.

An imported file is checked with what is bound to it, as if that had been declared in it. So its flows are checked
against the very types, contracts and agents that they will meet; a declaration in the file says the least that it
needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchspec.compiler.codes import imports as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import (
    AgentInfo,
    Binding,
    ChannelInfo,
    ContractInfo,
    EffectInfo,
    EnumInfo,
    FieldInfo,
    FlowInfo,
    Module,
    RecordInfo,
    SignalInfo,
)
from orchspec.compiler.names import describe, find_any, is_opaque, unknown
from orchspec.compiler.report import listed
from orchspec.compiler.types import (
    SCALARS,
    Optional,
    Scalar,
    Type,
    assignable,
    is_unknown,
    show,
)
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Hole, dotted

__all__ = ["check_bindings", "resolve_bindings"]

_TYPES = ("records", "enums", "types")


def resolve_bindings(context: Context) -> None:
    """Puts what is bound into the tables of the imported files; what means nothing is reported."""
    for module in context.checked.modules:
        for name in module.bindings:
            _resolve(context, module, name)


def _resolve(context: Context, module: Module, name: str) -> None:
    binding = module.bindings[name]
    if binding.done or binding.stand_in is None:
        return
    if binding.under_way:
        _wrong(context, module, binding, "it is bound to itself in a circle")
    elif binding.table == "params":
        binding.stand_in.bound = binding.node.value
    else:
        binding.under_way = True
        table, found = _found(context, module, binding)
        binding.bound = found
        if found is not None:
            module.add(table, name, found)
    binding.done = True
    if binding.bound is None and binding.table != "params":
        module.opaque.add(name)  # reported, so nothing more is said of what the file does with it


def _found(context: Context, module: Module, binding: Binding) -> tuple[str, Any]:
    """The table of what is bound, and itself; none after a report."""
    value = binding.node.value
    text = dotted(value)
    if text is None:
        if not isinstance(value, Hole):
            _wrong(context, module, binding, f"{describe(binding.stand_in)} is bound by its name")
        return "", None
    inner, name = binding.at.reach(text)
    if inner is not None and name in inner.bindings:
        _resolve(context, inner, name)
    tables = _TYPES if binding.table in _TYPES else (binding.table,)
    for table in tables:
        found = context.find(table, value, text)
        if found is not None:
            context.used.add(found)
            return table, found
    if tables is _TYPES and text in SCALARS:
        return "types", Scalar(text)
    if is_opaque(context, value, text):
        return "", None
    other = find_any(context, value, text)
    if other is not None:
        _wrong(context, module, binding, f"that is {describe(other)}, and {describe(binding.stand_in)} is needed")
    else:
        kind = "type" if tables is _TYPES else describe(binding.stand_in).partition(" ")[2]
        unknown(context, value, kind, text, context.known(value, *tables))
        module.misbound = True
    return "", None


# ------------------------------------------------------------------ what is bound must offer


def check_bindings(context: Context) -> None:
    """Reports what is bound and does not offer what the file expects; run once signatures and agents are known."""
    for module in context.checked.modules:
        for binding in module.bindings.values():
            if binding.bound is None or binding.stand_in is None:
                continue
            problem = _problem(binding.stand_in, binding.bound)
            if problem is not None:
                _wrong(context, module, binding, problem)


def _problem(stand_in: Any, bound: Any) -> str | None:
    match stand_in:
        case AgentInfo():
            if bound.open or stand_in.open:
                return None
            missing = [contract.name for contract in stand_in.fulfills if contract not in bound.fulfills]
            return f"it does not fulfill {listed(missing)}" if missing else None
        case ContractInfo() | EffectInfo() | SignalInfo() | FlowInfo() | ChannelInfo():
            return _signature_problem(stand_in, bound)
        case RecordInfo():
            return _record_problem(stand_in, bound)
        case EnumInfo():
            lacking = (
                [member for member in stand_in.members if member not in bound.members]
                if isinstance(bound, EnumInfo)
                else list(stand_in.members)
            )
            return f"it has no members {listed(lacking)}" if lacking else None
        case _:
            return None


def _signature_problem(stand_in: Any, bound: Any) -> str | None:
    params: Sequence[FieldInfo] = bound.params
    for place, wanted in enumerate(stand_in.params):
        if place >= len(params):
            return f"it takes {_written(params)}, and {_written(stand_in.params)} is handed over"
        given = params[place].type
        if given != wanted.type and not is_unknown(given) and not is_unknown(wanted.type):
            return f"`{params[place].name}` is {show(given)}, and `{wanted.name}: {show(wanted.type)}` is handed over"
    for further in params[len(stand_in.params) :]:
        if not further.has_default and not isinstance(further.type, Optional):
            return f"it needs `{further.name}` too, which is not handed over"
    if not isinstance(bound, ChannelInfo) and not assignable(bound.result, stand_in.result):
        return f"it gives {show(bound.result)}, and {show(stand_in.result)} is needed"
    return None


def _written(params: Sequence[FieldInfo]) -> str:
    return f"({', '.join(f'{param.name}: {show(param.type)}' for param in params)})"


def _record_problem(stand_in: RecordInfo, bound: Any) -> str | None:
    if not stand_in.fields:
        return None  # it is passed on and never looked into, so that any type will do
    fields: Mapping[str, Type] = (
        {field.name: field.type for field in bound.fields} if isinstance(bound, RecordInfo) else {}
    )
    for wanted in stand_in.fields:
        found = fields.get(wanted.name)
        if found is None:
            return f"it has no field `{wanted.name}: {show(wanted.type)}`"
        if found != wanted.type and not is_unknown(found) and not is_unknown(wanted.type):
            return f"its field `{wanted.name}` is {show(found)}, and {show(wanted.type)} is needed"
    return None


def _wrong(context: Context, module: Module, binding: Binding, problem: str) -> None:
    module.misbound = True
    declared = getattr(binding.declared, "name", binding.declared)
    labels = [Label(declared.span, "declared here")]
    bound = getattr(binding.bound, "node", None)
    if bound is not None:
        labels.append(Label(bound.name.span, "what is bound"))
    context.report.add(
        codes.WRONG_BINDING,
        binding.node.value,
        name=binding.node.name.text,
        file=module.file.span.source.name,
        found=f"`{' '.join(binding.node.value.span.text.split())}`",
        problem=problem,
        labels=labels,
    )
