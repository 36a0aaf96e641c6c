"""Names: the tables of declarations, and how a path is found in them.

A name means what the file says in which it stands: every look-up goes through `Context.find`, which asks the module of
that file. The tables of `Checked` hold all declarations of the spec under their full names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from orchspec.compiler.codes import names as codes
from orchspec.compiler.context import Context
from orchspec.compiler.library import LOOP_TYPES
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
    Module,
    ParamInfo,
    PolicyInfo,
    RecordInfo,
    SignalInfo,
    ToolInfo,
)
from orchspec.compiler.report import did_you_mean
from orchspec.compiler.types import SCALARS
from orchspec.grammar.diagnostics import Label
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

__all__ = ["collect", "describe", "find", "find_all", "find_any", "is_opaque", "unique", "unknown"]

Info = TypeVar("Info")

_SHAREABLE = frozenset(("records", "enums", "contracts"))
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
    """Fills the tables with one info for each declaration of each file; reports names declared twice.

    What something is bound to is set aside as a stand-in. Tests and scenarios are those of the spec itself: those of an
    imported file stand beside what they test.
    """
    for module in context.checked.modules:
        seen: dict[tuple[str, str], Ident] = {}
        for declaration in module.file.declarations:
            match declaration:
                case Import():
                    pass
                case ProfileDecl():
                    context.checked.profiles.append(declaration)
                case ScenarioDecl():
                    if not module.prefix:
                        context.checked.scenarios.append(declaration)
                case TestDecl():
                    if not module.prefix:
                        context.checked.tests.append(declaration)
                case _:
                    _declare(context, module, declaration, seen)


def _declare(context: Context, module: Module, declaration: Any, seen: dict[tuple[str, str], Ident]) -> None:
    make, table, space = _MAKERS[type(declaration)]
    name: Ident = declaration.name
    if not name.text or not _first(context, seen, space, name):
        return
    if space == "type" and name.text in _BUILTIN_TYPES:
        context.report.add(codes.RESERVED_TYPE, name, name=name.text)
    home = module.shared.get(name.text) if table in _SHAREABLE else None
    if home is not None:
        module.add(table, name.text, home.own(table, name.text))
        return
    full = module.prefix + name.text
    info = make(context, declaration, full)
    binding = module.bindings.get(name.text)
    if binding is not None and binding.declared is declaration:
        binding.stand_in = info
        if table != "params":
            return
    module.add(table, name.text, info)
    getattr(context.checked, table)[full] = info


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


def _enum(context: Context, node: EnumDecl, name: str) -> EnumInfo:
    members = unique(context, node.members, f"the enum {node.name.text}", "members")
    return EnumInfo(name, node, tuple(member.name.text for member in members))


_MAKERS: Mapping[type[Node], tuple[Callable[[Context, Any, str], object], str, str]] = {
    EnumDecl: (_enum, "enums", "type"),
    TypeDecl: (lambda _, node, name: RecordInfo(name, node, Frame(node)), "records", "type"),
    ParamDecl: (lambda _, node, name: ParamInfo(name, node, Frame(node)), "params", "param"),
    ModelDecl: (lambda _, node, name: ModelInfo(name, node), "models", "model"),
    DecisionDecl: (lambda _, node, name: DecisionInfo(name, node), "decisions", "decision"),
    ContractDecl: (lambda _, node, name: ContractInfo(name, node, Frame(node)), "contracts", "contract"),
    PolicyDecl: (lambda _, node, name: PolicyInfo(name, node), "policies", "policy"),
    ToolDecl: (lambda _, node, name: ToolInfo(name, node), "tools", "actor"),
    AgentDecl: (lambda _, node, name: AgentInfo(name, node, node.kind), "agents", "actor"),
    EffectDecl: (lambda _, node, name: EffectInfo(name, node, Frame(node)), "effects", "actor"),
    FlowDecl: (lambda _, node, name: FlowInfo(name, node, Frame(node)), "flows", "actor"),
    MachineDecl: (lambda _, node, name: FlowInfo(name, node, Frame(node)), "flows", "actor"),
    SignalDecl: (lambda _, node, name: SignalInfo(name, node, Frame(node)), "signals", "actor"),
    ChannelDecl: (lambda _, node, name: ChannelInfo(name, node, Frame(node)), "channels", "actor"),
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


def is_opaque(context: Context, at: Node, name: str) -> bool:
    """Whether nothing should be said about a name: a hole, or what was refused or could not be read declares it."""
    return context.module(at).is_opaque(name)


def find(context: Context, at: Path | Expr | Ident, *kinds: type[Info]) -> Info | None:
    """The declaration of one of these kinds that a path or a name in an attribute means, or none.

    What is unknown or of another kind is reported.
    """
    text = at.text if isinstance(at, Path | Ident) else dotted(at)
    if text is None:
        return None
    for kind in kinds:
        info: Info | None = context.find(_TABLES[kind][0], at, text)
        if info is not None:
            context.used.add(info)
            context.checked.resolved[at] = info  # type: ignore[assignment]
            return info
    if is_opaque(context, at, text):
        return None
    word = _TABLES[kinds[0]][1]
    other = find_any(context, at, text)
    if other is not None:
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
    known = context.known(at, *(_TABLES[kind][0] for kind in kinds))
    unknown(context, at, word, text, known)
    return None


def find_any(context: Context, at: Node, text: str) -> Any | None:
    """What a name is declared as, whatever it is; none in silence."""
    found = (context.find(table, at, text) for table, _ in _TABLES.values())
    other = next((info for info in found if info is not None), None)
    if other is not None:
        context.used.add(other)
    return other


def unknown(context: Context, at: Node, kind: str, text: str, known: Iterable[str], notes: Iterable[str] = ()) -> None:
    """Reports a name that nothing is called by, with the nearest of those that are known."""
    alias, dot, _ = text.partition(".")
    notes = list(notes)
    if dot and alias not in context.module(at).imports:
        notes.append(f"no file is imported as `{alias}`")
    fix = did_you_mean(text, at, known)
    context.report.absent(codes.UNKNOWN_NAME, at, reach="name", kind=kind, name=text, notes=notes, fix=fix)


def find_all(context: Context, at: Iterable[Path | Expr], kind: type[Info]) -> tuple[list[Info], bool]:
    """The declarations that a list of names means, each once, and whether all of them could be found."""
    from orchspec.compiler.codes.declarations import REPEATED_IN_LIST

    found: list[Info] = []
    names: list[str] = []
    complete = True
    for item in at:
        info = find(context, item, kind)
        if info is None:
            complete = False
        elif info not in found:
            found.append(info)
            names.append(item.span.text)
        elif item.span.text in names:  # under two aliases it is no slip: both files are meant
            context.report.add(REPEATED_IN_LIST, item, name=getattr(info, "name", ""))
    return found, complete
