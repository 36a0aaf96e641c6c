"""Types, params, contracts and effects: what their declarations mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchspec.compiler.attributes import Settings
from orchspec.compiler.codes import declarations as codes
from orchspec.compiler.codes import types as type_codes
from orchspec.compiler.constants import NotConstant, evaluate, written
from orchspec.compiler.context import Context, Env
from orchspec.compiler.effects import check_effects
from orchspec.compiler.expressions import Typer
from orchspec.compiler.library import GENERIC, LOOP_TYPES, loop_type
from orchspec.compiler.model import (
    ChannelInfo,
    ContractInfo,
    DecisionInfo,
    EffectInfo,
    EnumInfo,
    FieldInfo,
    FlowInfo,
    Frame,
    RecordInfo,
    SignalInfo,
    SlotKind,
)
from orchspec.compiler.names import describe, find, is_opaque, unique, unknown
from orchspec.compiler.types import (
    NOTHING,
    SCALARS,
    TEXT,
    UNKNOWN,
    EnumOf,
    ListOf,
    MapOf,
    RecordOf,
    Scalar,
    Type,
    is_unknown,
    optional,
)
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import (
    Expr,
    FieldDecl,
    ListLit,
    Name,
    Node,
    OptionalType,
    Parameter,
    TypeExpr,
    TypeName,
)

__all__ = [
    "CONTRACT_ATTRIBUTES",
    "check_bodies",
    "constrain",
    "resolve_signatures",
]

CONTRACT_ATTRIBUTES = ("expects", "ensures", "reuse", "owns")

_FOREIGN = {
    "string": "Text",
    "str": "Text",
    "number": "Float",
    "integer": "Int",
    "boolean": "Bool",
    "double": "Float",
    "array": "List",
    "dict": "Map",
    "datetime": "Time",
    "any": "Json",
}


# ------------------------------------------------------------------ types


def _resolve_type(context: Context, node: TypeExpr) -> Type:
    """The type that a type expression means; what is wrong with it is reported."""
    if isinstance(node, OptionalType):
        return optional(_resolve_type(context, node.inner))
    name = node.path.text
    args = [_resolve_type(context, arg) for arg in node.args]
    if name in ("List", "Map"):
        return _container(context, node, name, args)
    if not name:
        return UNKNOWN
    if name in LOOP_TYPES:
        return _loop_type(context, node, name, args)
    found = _named_type(context, node, name)
    if node.args and found != UNKNOWN:
        context.report.add(type_codes.BAD_TYPE, node, problem=f"{name} takes no types between `<` and `>`")
    return found


def _container(context: Context, node: TypeName, name: str, args: list[Type]) -> Type:
    if name == "List" and len(args) == 1:
        return ListOf(args[0])
    if name == "Map" and len(args) == 2 and (args[0] == TEXT or args[0] == UNKNOWN):
        return MapOf(args[1])
    form = "List<T>" if name == "List" else "Map<Text, T>"
    context.report.add(type_codes.BAD_TYPE, node, problem=f"{name} is written `{form}`")
    return UNKNOWN


def _loop_type(context: Context, node: TypeName, name: str, args: list[Type]) -> Type:
    if name not in GENERIC and not args:
        return loop_type(context.checked, name, None)
    if name in GENERIC and len(args) == 1:
        return UNKNOWN if is_unknown(args[0]) else loop_type(context.checked, name, args[0])
    form = f"{name}<T>" if name in GENERIC else name
    context.report.add(type_codes.BAD_TYPE, node, problem=f"{name} is written `{form}`")
    return UNKNOWN


def _named_type(context: Context, node: TypeName, name: str) -> Type:
    if name in SCALARS:
        return Scalar(name)
    bound: Type | None = context.find("types", node.path, name)
    if bound is not None:
        return bound
    info: RecordInfo | EnumInfo | None = context.find("records", node.path, name) or context.find(
        "enums", node.path, name
    )
    if info is not None:
        context.used.add(info)
        context.checked.resolved[node.path] = info
        return RecordOf(info.name) if isinstance(info, RecordInfo) else EnumOf(info.name)
    if is_opaque(context, node.path, name):
        return UNKNOWN
    if any(context.find(table, node.path, name) is not None for table in ("contracts", "agents")):
        find(context, node.path, RecordInfo)
        return UNKNOWN
    foreign = _FOREIGN.get(name.lower())
    known = [foreign] if foreign and foreign.lower() != name.lower() else _types(context, node)
    unknown(context, node.path, "type", name, known, [f"in Orch it is called {foreign}"] if foreign else [])
    return UNKNOWN


def _types(context: Context, node: Node) -> list[str]:
    return [*SCALARS, "List", "Map", *LOOP_TYPES, *context.known(node, "records", "enums", "types")]


def _declare_fields(
    context: Context, items: Sequence[FieldDecl | Parameter], frame: Frame, where: str, kind: SlotKind
) -> list[FieldInfo]:
    """The fields or parameters with their types, each in a slot of the frame."""
    what = "fields" if kind == "field" else "parameters"
    fields: list[FieldInfo] = []
    for item in unique(context, items, where, what):
        type_ = _resolve_type(context, item.type)
        slot = frame.add(item.name.text, kind, item, type_)
        fields.append(FieldInfo(item.name.text, type_, item, slot))
    frame.given = len(frame.slots)
    return fields


def resolve_signatures(context: Context) -> None:
    """Resolves the types of fields, params, parameters and results of all declarations, stand-ins included."""
    checked = context.checked
    stand_ins = [binding.stand_in for module in checked.modules for binding in module.bindings.values()]
    for record in (*checked.records.values(), *(item for item in stand_ins if isinstance(item, RecordInfo))):
        record.fields = _declare_fields(context, record.node.fields, record.frame, f"the type {record.name}", "field")
    for param in checked.params.values():
        param.type = _resolve_type(context, param.node.type)
        param.frame.add(param.node.name.text, "param", param.node, param.type)
    called = (checked.contracts, checked.effects, checked.signals, checked.channels, checked.flows)
    infos = [info for table in called for info in table.values()]
    for info in (*infos, *(item for item in stand_ins if isinstance(item, _CALLED))):
        _signature(context, info)
    _refuse_endless(context)


_CALLED = (ContractInfo, EffectInfo, SignalInfo, ChannelInfo, FlowInfo)


def _signature(context: Context, info: ContractInfo | EffectInfo | SignalInfo | ChannelInfo | FlowInfo) -> None:
    """The parameters and the result of what is called; where a later condition reads `result`, its frame has it."""
    kind = describe(info).partition(" ")[2]
    info.params = _declare_fields(context, info.node.params, info.frame, f"the {kind} {info.name}", "parameter")
    if isinstance(info, ChannelInfo):
        return
    info.result = NOTHING if info.node.result is None else _resolve_type(context, info.node.result)
    if isinstance(info, ContractInfo | EffectInfo):
        info.frame.add("result", "result", info.node, info.result)


def _refuse_endless(context: Context) -> None:
    """Reports records that contain themselves: no value of such a type could be written."""
    inside: Mapping[str, list[tuple[str, FieldInfo]]] = {
        name: [(field.type.name, field) for field in record.fields if isinstance(field.type, RecordOf)]
        for name, record in context.checked.records.items()
    }
    done: set[str] = set()
    for start in inside:
        path: list[str] = []
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            name, place = stack.pop()
            if place == 0:
                if name in done:
                    continue
                path.append(name)
            if place < len(inside[name]):
                stack.append((name, place + 1))
                target, field = inside[name][place]
                if target in path:
                    context.report.add(type_codes.RECURSIVE_TYPE, field.node.type, type=target)
                elif target not in done:
                    stack.append((target, 0))
            else:
                done.add(name)
                path.pop()


# ------------------------------------------------------------------ params, where and defaults


def _check_fields(typer: Typer, fields: Sequence[FieldInfo], frame: Frame) -> None:
    """Checks the `where` and the default of each field or parameter."""
    for field in fields:
        what = "a constraint sees its own field and earlier ones"
        if field.node.where is not None:
            env = Env(frame, seen=field.slot.index + 1, seeing=what)
            typer.condition(field.node.where, env, f"the constraint of `{field.name}`")
        if field.node.default is not None:
            env = Env(frame, seen=0, seeing="a default is known before a run")
            _default(typer, field, field.node.default, env)


def _default(typer: Typer, field: FieldInfo, default: Expr, env: Env) -> None:
    before = len(typer.report.diagnostics)
    typer.root(default, env, field.type, f"the default of `{field.name}`")
    if len(typer.report.diagnostics) > before or is_unknown(field.type):
        return
    try:
        value = evaluate(default, typer.checked)
    except NotConstant as error:
        typer.report.add(type_codes.NOT_CONSTANT, default, what=f"the default of `{field.name}`", problem=str(error))
        return
    constrain(typer, field.name, field.node.where, {field.slot: value}, value, field.type, default)


def constrain(
    typer: Typer, name: str, where: Expr | None, values: Mapping[Any, Any], value: Any, type_: Type, at: Node
) -> None:
    """Reports a constant that breaks the constraint of what it is for; `values` are those of the known slots."""
    if where is None:
        return
    try:
        holds = evaluate(where, typer.checked, values)
    except NotConstant:
        return  # it reads other fields too
    if holds is False:
        typer.report.add(
            type_codes.CONSTRAINT_BROKEN,
            at,
            value=written(value, type_),
            condition=" ".join(where.span.text.split()),
            name=name,
            labels=[Label(where.span, "the constraint")],
        )


# ------------------------------------------------------------------ contracts and effects


def check_bodies(typer: Typer) -> None:
    """Checks what stands inside of types, contracts, effects and the parameters of flows."""
    checked = typer.checked
    for record in checked.records.values():
        _check_fields(typer, record.fields, record.frame)
    owners: dict[DecisionInfo, ContractInfo] = {}
    for contract in checked.contracts.values():
        _check_fields(typer, contract.params, contract.frame)
        _contract(typer, contract, owners)
    for effect in checked.effects.values():
        _check_fields(typer, effect.params, effect.frame)
    check_effects(typer)
    for signal in checked.signals.values():
        _check_fields(typer, signal.params, signal.frame)
        Settings(typer, "a signal", signal.node.settings, ())
    for channel in checked.channels.values():
        _check_fields(typer, channel.params, channel.frame)
    for flow in checked.flows.values():
        _check_fields(typer, flow.params, flow.frame)


def _contract(typer: Typer, info: ContractInfo, owners: dict[DecisionInfo, ContractInfo]) -> None:
    settings = Settings(typer, "a contract", info.node.settings, CONTRACT_ATTRIBUTES)
    expects = settings.expr("expects")
    if expects is not None:
        info.expects = settings.constant("expects", expects, (TEXT,), "a text") or ""
    ensures = settings.expr("ensures")
    if ensures is not None:
        info.ensures = list(ensures.items) if isinstance(ensures, ListLit) else [ensures]
        env = Env(info.frame)
        for condition in info.ensures:
            env = env.knowing(typer.condition(condition, env, "`ensures`"))
    reuse = settings.expr("reuse")
    if isinstance(reuse, Name) and reuse.text == "run":
        info.reuse = "run"
    elif reuse is not None:
        info.reuse = settings.duration("reuse")
    owns = settings.expr("owns")
    if owns is None:
        return
    info.owns = find(typer.context, owns, DecisionInfo)
    if info.owns is None:
        return
    if reuse is not None:
        label = Label(settings.attributes["owns"].name.span, "the decision is taken here, each time anew")
        typer.report.add(codes.REUSED_DECISION, settings.attributes["reuse"].name, name=info.name, labels=[label])
    first = owners.setdefault(info.owns, info)
    if first is not info:
        typer.report.add(
            codes.SECOND_OWNER,
            owns,
            decision=info.owns.name,
            first=first.name,
            labels=[Label(first.node.name.span, "the first owner")],
        )
