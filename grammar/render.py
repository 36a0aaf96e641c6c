"""Diagnostics as text for a terminal, in the manner of rustc.

Safe for a terminal whatever the spec holds: control and invisible characters are shown escaped, tabs as spaces, and
long lines are clipped around what is marked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from orchspec.grammar.diagnostics import Diagnostic, Fix
from orchspec.grammar.source import Source, Span
from orchspec.slotted import dataclass

__all__ = ["WIDTH", "render", "render_all", "safe"]

WIDTH = 160
"""Columns of a source line that are shown at most."""

_TAB = "    "
_BEFORE_MARK = 60  # columns kept before the mark when a line is clipped
_RESET = "\x1b[0m"
_BOLD = "\x1b[1m"
_BLUE = "\x1b[1;34m"
_SEVERITY = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "advice": "\x1b[1;36m"}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})


def safe(text: str) -> str:
    r"""The text with tabs as spaces, and control and invisible characters written `\u{...}`."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character == "\t":
        return _TAB
    if character.isascii() and character.isprintable():
        return character
    return f"\\u{{{ord(character):x}}}" if unicodedata.category(character) in _HIDDEN else character


def _columns(text: str) -> int:
    """How many columns of a terminal a safe text takes: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


@dataclass(frozen=True, slots=True)
class _Mark:
    span: Span
    text: str
    sign: str


class _Paint:
    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, style: str, text: str) -> str:
        return f"{style}{text}{_RESET}" if self._colour and text else text


def render_all(diagnostics: Iterable[Diagnostic], *, colour: bool = False) -> str:
    """All diagnostics, each followed by an empty line."""
    return "".join(render(diagnostic, colour=colour) + "\n" for diagnostic in diagnostics)


def render(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """One diagnostic: header, source lines with what is marked in them, notes and help; ends with a line end.

    Labels in other files have their own ` ::: file:line:column` line.
    """
    paint = _Paint(colour)
    style = _SEVERITY[diagnostic.severity]
    head = paint(style, f"{diagnostic.severity}[{diagnostic.code.id}]") + paint(_BOLD, f": {safe(diagnostic.message)}")
    marks = [_Mark(diagnostic.span, "", "^")]
    marks += [_Mark(label.span, safe(label.text), "-") for label in diagnostic.labels]
    width = len(str(max(_last_line(mark.span) for mark in marks)))
    bar = " " * width + paint(_BLUE, " |")
    lines = [head]
    for number, (source, group) in enumerate(_by_source(marks)):
        arrow = "-->" if number == 0 else ":::"
        lines.append(" " * width + paint(_BLUE, arrow) + f" {safe(str(group[0].span))}")
        lines.append(bar)
        lines += _source_lines(source, group, width, paint, style)
    equals = " " * width + paint(_BLUE, " =")
    if diagnostic.notes or diagnostic.fix is not None:
        lines.append(bar)
    lines += [f"{equals} {paint(_BOLD, 'note')}: {safe(note)}" for note in diagnostic.notes]
    if diagnostic.fix is not None:
        lines.append(f"{equals} {paint(_BOLD, 'help')}: {safe(diagnostic.fix.title)}{_at(diagnostic.fix, diagnostic)}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _at(fix: Fix, diagnostic: Diagnostic) -> str:
    """Where a fix applies, if that is on another line than the one shown."""
    if not fix.edits or fix.edits[0].span.line == diagnostic.span.line:
        return ""
    return f" (line {fix.edits[0].span.line})"


def _last_line(span: Span) -> int:
    return span.line if span.end_line == span.line else max(span.line, _shown_end(span)[0])


def _shown_end(span: Span) -> tuple[int, int]:
    """The line and column where a span ends, a line end at its end left out."""
    text = span.source.text
    end = span.end
    while end > span.start and text[end - 1] in "\r\n":
        end -= 1
    return span.source.position(end)


def _by_source(marks: list[_Mark]) -> list[tuple[Source, list[_Mark]]]:
    groups: list[tuple[Source, list[_Mark]]] = []
    for mark in marks:
        for source, group in groups:
            if source is mark.span.source:
                group.append(mark)
                break
        else:
            groups.append((mark.span.source, [mark]))
    return groups


def _source_lines(source: Source, marks: list[_Mark], width: int, paint: _Paint, style: str) -> list[str]:
    lines: list[str] = []
    by_line: dict[int, list[_Mark]] = {}
    for mark in marks:
        by_line.setdefault(mark.span.line, []).append(mark)
    previous: int | None = None
    for number in sorted(by_line):
        if previous is not None and number > previous + 1:
            lines.append(paint(_BLUE, "..."))
        previous = number
        group = sorted(by_line[number], key=lambda mark: mark.span.start)
        text = source.line_text(number)
        first, last = _window(text, min(mark.span.column for mark in group) - 1)
        clipped = ("..." if first else "") + safe(text[first:last]) + ("..." if last < len(text) else "")
        lines.append(paint(_BLUE, f"{number:>{width}} |") + f" {clipped}")
        for mark in group:
            before, under = _underline(mark, number, text, first, last)
            # The label stands at its mark, as `^^^ text`.
            body = paint(style if mark.sign == "^" else _BLUE, (mark.sign * under + " " + mark.text).rstrip())
            lines.append(" " * width + paint(_BLUE, " |") + " " * (before + 1) + body)
    return lines


def _window(text: str, column: int) -> tuple[int, int]:
    """The part of a line that is shown: all, or `WIDTH` characters around the mark."""
    if len(text) <= WIDTH:
        return 0, len(text)
    first = max(0, min(column - _BEFORE_MARK, len(text) - WIDTH))
    return first, first + WIDTH


def _underline(mark: _Mark, number: int, text: str, first: int, last: int) -> tuple[int, int]:
    """Columns before the mark, and columns that it takes, at least one, on the first line of its span."""
    start = min(max(mark.span.column - 1, first), last)
    end_line, end_column = _shown_end(mark.span)
    end = end_column - 1 if end_line == number else len(text.rstrip())
    end = min(max(end, start), last)
    before = (3 if first else 0) + _columns(safe(text[first:start]))
    return before, max(_columns(safe(text[start:end])), 1)
