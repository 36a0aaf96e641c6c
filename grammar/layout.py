"""What the formatter knows of a text: where entries begin, how brackets nest, and what stands close together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from orchspec.grammar import syntax
from orchspec.grammar.alignment import Piece
from orchspec.slotted import dataclass

__all__ = ["Group", "Groups", "Marks", "groups_of", "marks_of", "spaces_between"]

_CLOSERS = {"RBRACE": "LBRACE", "RPAR": "LPAR", "RSQB": "LSQB"}
_OPENERS = frozenset(_CLOSERS.values())
_SETTINGS = (syntax.Attribute, syntax.Budget, syntax.Limit, syntax.FieldDecl, syntax.RecordEntry)
_STATEMENTS = (
    syntax.Step, syntax.Arbitrate, syntax.Scope, syntax.Route, syntax.Arm, syntax.Repeat, syntax.Until, syntax.Every,
    syntax.Supervise, syntax.Handoff, syntax.Peers, syntax.Eval, syntax.Let, syntax.Revert, syntax.Checkpoint,
    syntax.Wait, syntax.Send, syntax.Return, syntax.Require, syntax.On, syntax.State, syntax.Stub, syntax.Fault,
    syntax.Expect, syntax.Import, syntax.ParamDecl, syntax.EnumDecl, syntax.TypeDecl, syntax.ModelDecl,
    syntax.DecisionDecl, syntax.ContractDecl, syntax.AgentDecl, syntax.ToolDecl, syntax.EffectDecl, syntax.PolicyDecl,
    syntax.SignalDecl, syntax.ChannelDecl, syntax.ProfileDecl, syntax.FlowDecl, syntax.MachineDecl, syntax.TestDecl,
    syntax.ScenarioDecl, syntax.Edition,
)  # fmt: skip
_NAMES = frozenset({"NAME", "MEMBER"})
_WORDS_AS_NAMES = frozenset({"ANY", "ALL", "FIRST", "EVERY", "WAIT", "FAIL"})
_VALUES_END = frozenset({
    "NAME", "MEMBER", "RPAR", "RSQB", "RBRACE", "INT", "FLOAT", "DURATION", "MONEY", "PERCENT", "STRING", "LONG_STRING",
    "TRUE", "FALSE", "NONE", *_WORDS_AS_NAMES,
})  # fmt: skip


@dataclass(slots=True)
class Group:
    """Pieces between brackets: `start` and `end` are the indices of the brackets, `first` that of what follows `start`.

    `opened`: the brackets stand at the ends of lines; `forced`: every entry has a line, since they did not fit on one.
    """

    kind: str
    start: int
    outer: Group | None
    end: int = 0
    opened: bool = False
    forced: bool = False

    @property
    def first(self) -> int:
        """The index of the first piece inside."""
        return self.start + 1


@dataclass(slots=True)
class Groups:
    """The groups by the index of their brackets, and for each piece the innermost group around it."""

    opening: dict[int, Group] = field(default_factory=dict)
    closing: dict[int, Group] = field(default_factory=dict)
    around: list[Group | None] = field(default_factory=list)


@dataclass(slots=True)
class Marks:
    """Offsets that the tree knows: where entries begin, which of them are statements, members of enums; type signs."""

    items: set[int] = field(default_factory=set)
    statements: set[int] = field(default_factory=set)
    members: set[int] = field(default_factory=set)
    types: set[int] = field(default_factory=set)


def marks_of(file: syntax.File) -> Marks:
    """The marks of a tree."""
    marks = Marks()
    inline: set[int] = set()
    for node in syntax.walk(file):
        start, end = node.span.start, node.span.end
        if isinstance(node, syntax.Arm) and node.body.body and node.body.span.start == node.body.body[0].span.start:
            inline.add(node.body.span.start)  # without braces, what an arm does stands behind its `->`
        if isinstance(node, syntax.Every) and node.ahead:
            inline.add(start)
        if isinstance(node, _STATEMENTS):
            marks.statements.add(start)
            marks.items.add(start)
        elif isinstance(node, _SETTINGS):
            marks.items.add(start)
        elif isinstance(node, syntax.EnumMember):
            marks.members.add(start)
        elif isinstance(node, syntax.TypeName | syntax.OptionalType):
            marks.types.update(range(start, end))
        for child in syntax.children(node):
            if isinstance(child, syntax.Give | syntax.Fail):
                marks.statements.add(child.span.start)
                marks.items.add(child.span.start)
    marks.statements -= inline
    marks.items -= inline
    return marks


def groups_of(pieces: Sequence[Piece]) -> Groups:
    """The nesting of brackets, each group opened or not as it stands in the text."""
    groups = Groups()
    stack: list[Group] = []
    for index, piece in enumerate(pieces):
        if piece.kind in _CLOSERS:
            group = stack.pop()
            group.end = index
            groups.closing[index] = group
            groups.around.append(stack[-1] if stack else None)
            inside = pieces[group.start + 1]
            if index == group.start + 1:
                group.opened = False
            elif group.kind == "LBRACE":
                group.opened = piece.line > pieces[group.start].line
            else:
                group.opened = group.opened or inside.line > pieces[group.start].line
            continue
        groups.around.append(stack[-1] if stack else None)
        if piece.kind in _OPENERS:
            group = Group(piece.kind, index, stack[-1] if stack else None)
            groups.opening[index] = group
            stack.append(group)
        elif piece.kind == "COMMENT" and stack:
            # A comment ends its line, so what it stands in has lines.
            stack[-1].opened = True
    return groups


def spaces_between(two_before: Piece | None, before: Piece, piece: Piece, marks: Marks) -> int:
    """How many spaces stand between two pieces inside of one entry."""
    left, right = before.kind, piece.kind
    if right in ("COMMA", "COLON", "MEMBER", "RPAR", "RSQB", "QUESTION", "TO") or left in ("LPAR", "LSQB", "TO"):
        return 0
    if right in ("LESS", "MORE", "COALESCE") and piece.start in marks.types:
        return 0
    if left == "LESS" and before.start in marks.types:
        return 0
    if left == "MINUS" and (two_before is None or two_before.kind not in _VALUES_END or _is_word(two_before, marks)):
        return 0
    if right in ("LPAR", "LSQB"):
        callable_word = left in _WORDS_AS_NAMES and not _is_word(before, marks)
        return 0 if left in _NAMES or left in ("RPAR", "RSQB") or callable_word else 1
    return 1


def _is_word(piece: Piece, marks: Marks) -> bool:
    """Whether a word that may be a name begins a statement here."""
    return piece.kind in _WORDS_AS_NAMES and piece.start in marks.statements
