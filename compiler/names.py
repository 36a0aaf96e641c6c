"""Names: the tables of declarations, and how a path is found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from orchspec.compiler.codes import names as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import (
    AgentInfo,
    ChannelInfo,
    ContractInfo,
    DecisionInfo,
    EffectInfo,
    EnumInfo,
    FlowInfo,
    Frame,
    ModelInfo,
    ParamInfo,
    PolicyInfo,
    RecordInfo,
    SignalInfo,
    ToolInfo,
)
from orchspec.compiler.report import did_you_mean
from orchspec.compiler.types import SCALARS
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import (
    AgentDecl,
    ChannelDecl,
    ContractDecl,
    DecisionDecl,
    EffectDecl,
    EnumDecl,
    EnumMember,
    Expr,
    FieldDecl,
    FlowDecl,
    Ident,
    Import,
    MachineDecl,
    ModelDecl,
    Node,
    ParamDecl,
    Parameter,
    Path,
    PolicyDecl,
    ProfileDecl,
    ScenarioDecl,
    SignalDecl,
    TestDecl,
    ToolDecl,
    TypeDecl,
    dotted,
)

__all__ = ["LOOP_TYPES", "collect", "describe", "find", "find_all", "is_opaque", "unique"]

Info = TypeVar("Info")

LOOP_TYPES = ("Delegation", "Ask", "Done", "Turn")
"""The types that `supervise` and `peers` bring along."""

_BUILTIN_TYPES = frozenset((*SCALARS, "List", "Map", *LOOP_TYPES))
_KIND_WORDS = {
    RecordInfo: "a type",
    EnumInfo: "an enum",
    ParamInfo: "a param",
    ModelInfo: "a model",
    DecisionInfo: "a decision",
    ContractInfo: "a contract",
    PolicyInfo: "a policy",
    ToolInfo: "a tool",
    AgentInfo: "an agent",
    EffectInfo: "an effect",
    FlowInfo: "a flow",
    SignalInfo: "a signal",
    ChannelInfo: "a channel",
}


def describe(info: object) -> str:
    """What a declaration is, in words: `an agent`, `a human`."""
    if isinstance(info, AgentInfo):
        return "an agent" if info.kind == "agent" else f"a {info.kind}"
    return _KIND_WORDS.get(type(info), "something else")


# ------------------------------------------------------------------ collecting


def collect(context: Context) -> None:
    """Fills the tables of `context.checked` with one info for each declaration; reports names declared twice."""
    seen: dict[tuple[str, str], Ident] = {}
    for declaration in context.checked.file.declarations:
        kind = type(declaration)
        match declaration:
            case Import():
                context.unbuilt("import", _head(declaration))
                context.checked.opaque.add(declaration.alias.text)
            case ProfileDecl():
                context.checked.profiles.append(declaration)
            case ScenarioDecl():
                context.checked.scenarios.append(declaration)
            case TestDecl():
                context.checked.tests.append(declaration)
            case _:
                make, table, space = _MAKERS[kind]
                name = declaration.name
                if not name.text or not _first(context, seen, space, name):
                    continue
                if space == "type" and name.text in _BUILTIN_TYPES:
                    context.report.add(codes.RESERVED_TYPE, name, name=name.text)
                getattr(context.checked, table)[name.text] = make(context, declaration)


def _head(declaration: Import) -> Span:
    """The keyword and the path: the smallest place that shows an import."""
    return declaration.path.span.source.span(declaration.span.start, declaration.path.span.end)


def _first(context: Context, seen: dict[tuple[str, str], Ident], space: str, name: Ident) -> bool:
    first = seen.setdefault((space, name.text), name)
    if first is name:
        return True
    context.report.add(
        codes.DUPLICATE_DECLARATION, name, name=name.text, labels=[Label(first.span, "first declared here")]
    )
    return False


def unique(context: Context, items: Iterable[FieldDecl | Parameter | EnumMember], where: str, what: str) -> list[Any]:
    """The items without those whose name stands twice, which are reported."""
    seen: dict[str, Ident] = {}
    kept: list[Any] = []
    for item in items:
        if not item.name.text:
            continue
        first = seen.setdefault(item.name.text, item.name)
        if first is item.name:
            kept.append(item)
        else:
            context.report.add(
                codes.DUPLICATE_MEMBER,
                item.name,
                where=where,
                what=what,
                name=item.name.text,
                labels=[Label(first.span, "first given here")],
            )
    return kept


def _enum(context: Context, node: EnumDecl) -> EnumInfo:
    members = unique(context, node.members, f"the enum {node.name.text}", "members")
    return EnumInfo(node.name.text, node, tuple(member.name.text for member in members))


_MAKERS: Mapping[type[Node], tuple[Callable[[Context, Any], object], str, str]] = {
    EnumDecl: (_enum, "enums", "type"),
    TypeDecl: (lambda _, node: RecordInfo(node.name.text, node, Frame(node)), "records", "type"),
    ParamDecl: (lambda _, node: ParamInfo(node.name.text, node, Frame(node)), "params", "param"),
    ModelDecl: (lambda _, node: ModelInfo(node.name.text, node), "models", "model"),
    DecisionDecl: (lambda _, node: DecisionInfo(node.name.text, node), "decisions", "decision"),
    ContractDecl: (lambda _, node: ContractInfo(node.name.text, node, Frame(node)), "contracts", "contract"),
    PolicyDecl: (lambda _, node: PolicyInfo(node.name.text, node), "policies", "policy"),
    ToolDecl: (lambda _, node: ToolInfo(node.name.text, node), "tools", "actor"),
    AgentDecl: (lambda _, node: AgentInfo(node.name.text, node, node.kind), "agents", "actor"),
    EffectDecl: (lambda _, node: EffectInfo(node.name.text, node, Frame(node)), "effects", "actor"),
    FlowDecl: (lambda _, node: FlowInfo(node.name.text, node, Frame(node)), "flows", "actor"),
    MachineDecl: (lambda _, node: FlowInfo(node.name.text, node, Frame(node)), "flows", "actor"),
    SignalDecl: (lambda _, node: SignalInfo(node.name.text, node, Frame(node)), "signals", "actor"),
    ChannelDecl: (lambda _, node: ChannelInfo(node.name.text, node, Frame(node)), "channels", "actor"),
}
_TABLES: Mapping[type[object], tuple[str, str]] = {
    RecordInfo: ("records", "type"),
    EnumInfo: ("enums", "enum"),
    ParamInfo: ("params", "param"),
    ModelInfo: ("models", "model"),
    DecisionInfo: ("decisions", "decision"),
    ContractInfo: ("contracts", "contract"),
    PolicyInfo: ("policies", "policy"),
    ToolInfo: ("tools", "tool"),
    AgentInfo: ("agents", "agent"),
    EffectInfo: ("effects", "effect"),
    FlowInfo: ("flows", "flow"),
    SignalInfo: ("signals", "signal"),
    ChannelInfo: ("channels", "channel"),
}


# ------------------------------------------------------------------ finding


def is_opaque(context: Context, name: str) -> bool:
    """Whether nothing should be said about a name: a hole, or what a construct not built yet declares."""
    return not name or name.partition(".")[0] in context.checked.opaque


def find(context: Context, at: Path | Expr | Ident, *kinds: type[Info]) -> Info | None:
    """The declaration of one of these kinds that a path or a name in an attribute means, or none.

    What is unknown or of another kind is reported.
    """
    text = at.text if isinstance(at, Path | Ident) else dotted(at)
    if text is None or is_opaque(context, text):
        return None
    for kind in kinds:
        table: Mapping[str, Info] = getattr(context.checked, _TABLES[kind][0])
        info = table.get(text)
        if info is not None:
            context.used.add(info)
            context.checked.resolved[at] = info  # type: ignore[assignment]
            return info
    word = _TABLES[kinds[0]][1]
    for table_name, _ in _TABLES.values():
        other = getattr(context.checked, table_name).get(text)
        if other is not None:
            context.used.add(other)
            article = "an" if word[0] in "aeiou" else "a"
            context.report.add(
                codes.WRONG_KIND,
                at,
                name=text,
                found=describe(other),
                expected=f"{article} {word}",
                labels=[Label(other.node.name.span, "declared here")],
            )
            return None
    known = (name for kind in kinds for name in getattr(context.checked, _TABLES[kind][0]))
    context.report.absent(codes.UNKNOWN_NAME, at, kind=word, name=text, fix=did_you_mean(text, at, known))
    return None


def find_all(context: Context, at: Iterable[Path | Expr], kind: type[Info]) -> tuple[list[Info], bool]:
    """The declarations that a list of names means, each once, and whether all of them could be found."""
    from orchspec.compiler.codes.declarations import REPEATED_IN_LIST

    found: list[Info] = []
    complete = True
    for item in at:
        info = find(context, item, kind)
        if info is None:
            complete = False
        elif info in found:
            context.report.add(REPEATED_IN_LIST, item, name=getattr(info, "name", ""))
        else:
            found.append(info)
    return found, complete
