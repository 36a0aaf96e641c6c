"""Tree back to text: the formatter, without options.

The tokens and comments of the text are laid out anew, none is lost or added, so the meaning stays. Rules:

- Two spaces of indentation for each block. What stood on one line stays on one line while it fits `WIDTH` columns;
  blocks that do not are opened, one entry a line; then calls and lists; then conditions break before `and` and `or`,
  and what has no brackets (`fulfills A, B`) behind a `,`.
- A block that spans lines in the text has its braces at the ends of lines; its attributes keep their grouping in
  lines, statements have a line each. Two entries on a line are two spaces apart.
- One blank line at most, none at the edges of a block. Columns that were aligned with padding stay aligned.
- Formatting twice changes nothing more.
"""

from __future__ import annotations

from orchspec.grammar import layout
from orchspec.grammar.alignment import WIDTH, Line, Piece, align
from orchspec.grammar.diagnostics import Diagnostic
from orchspec.grammar.layout import Group, Marks
from orchspec.grammar.lexer import scan
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.tables import END

__all__ = ["WIDTH", "format_source"]

_INDENT = 2
_CONTINUED = 4


def format_source(source: Source) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """The formatted text of a spec; none, and why, when it has syntax errors (a text half understood is left alone)."""
    result = parse(source)
    if result.file is None or not result.file.sound:
        return None, result.diagnostics
    formatter = _Formatter(source, layout.marks_of(result.file))
    return formatter.text(), result.diagnostics


class _Formatter:
    def __init__(self, source: Source, marks: Marks) -> None:
        self._source = source
        self._marks = marks
        tokens = scan(source)
        pieces = [Piece(token.kind, token.text, token.start, token.end) for token in tokens.items if token.kind != END]
        pieces += [Piece("COMMENT", item.text, item.span.start, item.span.end) for item in tokens.comments]
        self._pieces = sorted(pieces, key=lambda piece: piece.start)
        for piece in self._pieces:
            piece.line, piece.column = source.position(piece.start)
            piece.end_line = source.position(piece.end)[0]
        self._groups = layout.groups_of(self._pieces)
        self._gaps = [self._gap(index) for index in range(len(self._pieces))]
        self._breaks: set[int] = set()  # where a condition breaks before `and` or `or`
        self._listed: set[int] = set()  # those behind a `,`: what follows belongs to the line that they continue

    def text(self) -> str:
        while True:
            lines = self._lines()
            if not self._open_more(lines):
                break
        align(lines)
        return "".join(line.render() for line in lines)

    # ---- between two pieces of one line

    def _gap(self, index: int) -> int:
        """How many spaces stand before a piece that does not begin a line."""
        if index == 0:
            return 0
        before, piece = self._pieces[index - 1], self._pieces[index]
        if piece.kind == "COMMENT":
            return 2
        if before.kind == "LBRACE":
            return 0 if piece.kind == "RBRACE" else 1
        if piece.start in self._marks.items and before.kind != "COMMA":
            return 2
        two_before = self._pieces[index - 2] if index > 1 else None
        return layout.spaces_between(two_before, before, piece, self._marks)

    # ---- lines

    def _starts_line(self, index: int) -> bool:
        piece = self._pieces[index]
        if index == 0:
            return True
        before = self._pieces[index - 1]
        fresh = piece.line > before.end_line
        if before.kind == "COMMENT" or index in self._breaks:
            return True
        if piece.kind == "COMMENT":
            return fresh
        closed = self._groups.closing.get(index)
        if closed is not None:
            return closed.opened
        around = self._groups.around[index]
        if around is None:
            return piece.start in self._marks.items
        if not around.opened:
            return False
        if index == around.first:
            return True
        if around.kind != "LBRACE" or piece.start in self._marks.members:
            return before.kind == "COMMA" and (around.kind != "LBRACE" or fresh or around.forced)
        if piece.start in self._marks.statements:
            return True
        return piece.start in self._marks.items and (fresh or around.forced)

    def _lines(self) -> list[Line]:
        lines: list[Line] = []
        bases: dict[int, int] = {}  # the indentation of the line on which each open group begins
        for index, piece in enumerate(self._pieces):
            if self._starts_line(index):
                lines.append(Line(self._indent(index, bases), self._blank_before(index)))
            line = lines[-1]
            line.add(index, piece, self._gaps[index])
            group = self._groups.opening.get(index)
            if group is not None:
                bases[index] = line.indent - (_CONTINUED if line.indices[0] in self._listed else 0)
        return lines

    def _indent(self, index: int, bases: dict[int, int]) -> int:
        piece = self._pieces[index]
        closed = self._groups.closing.get(index)
        if closed is not None:
            return bases[closed.start]
        around = self._groups.around[index]
        # What stands in a group that is not opened hangs on the nearest one that is.
        while around is not None and not around.opened:
            around = around.outer
        base = 0 if around is None else bases[around.start] + _INDENT
        begins = (
            piece.kind == "COMMENT"
            or piece.start in self._marks.items
            or piece.start in self._marks.members
            or (around is not None and (index == around.first or around.kind != "LBRACE"))
        )
        return base if begins and index not in self._breaks else base + _CONTINUED

    def _blank_before(self, index: int) -> bool:
        piece = self._pieces[index]
        if index == 0 or piece.line - self._pieces[index - 1].end_line < 2:
            return False
        if index in self._groups.closing or self._pieces[index - 1].kind in ("LBRACE", "LPAR", "LSQB"):
            return False
        return piece.kind == "COMMENT" or piece.start in self._marks.items

    # ---- what does not fit

    def _open_more(self, lines: list[Line]) -> bool:
        """Opens one group, or breaks one condition, in each line that is too long; false when none is or can be."""
        changed = False
        for line in lines:
            if line.width() <= WIDTH:
                continue
            group = self._group_to_open(line)
            if group is not None:
                group.opened = group.forced = changed = True
                continue
            found = self._conditions(line)
            if found - self._breaks:
                self._breaks |= found
                changed = True
        return changed

    def _group_to_open(self, line: Line) -> Group | None:
        """The outermost closed group that crosses the limit, else the last one, blocks before calls and lists."""
        first, last = line.indices[0], line.indices[-1]
        groups = [
            group
            for index in line.indices
            if (group := self._groups.opening.get(index)) is not None
            and not group.opened
            and group.end <= last
            and group.end > group.start + 1
            and (group.outer is None or group.outer.opened or group.outer.start < first)
        ]
        crossing = [group for group in groups if line.column_of(group.end) >= WIDTH]
        blocks = [group for group in groups if group.kind == "LBRACE"]
        for choice in (crossing[:1], blocks[-1:], groups[-1:]):
            if choice:
                return choice[0]
        return None

    def _conditions(self, line: Line) -> set[int]:
        """Where a line breaks outside of its groups: before `or`, else `and`, else behind the last `,` that fits."""
        first = line.indices[0]
        depths: dict[str, set[int]] = {"OR": set(), "AND": set(), "COMMA": set()}
        starts = line.starts()
        for index in line.indices[1:]:
            kind = self._pieces[index].kind
            around = self._groups.around[index]
            if kind not in depths or not (around is None or around.opened or around.start < first):
                continue
            if kind == "COMMA" and index < line.indices[-1] and starts[index - first] < WIDTH:
                depths[kind] = {index + 1}
            elif kind != "COMMA":
                depths[kind].add(index)
        found = depths["OR"] - self._breaks or depths["AND"] - self._breaks
        if not found:
            found = depths["COMMA"] - self._breaks
            self._listed |= found
        return found
