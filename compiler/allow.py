"""Warnings and advice silenced in place: `// allow CODE: reason`, on the same line or on the line before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from orchspec.compiler.codes import names as codes
from orchspec.grammar.diagnostics import Diagnostic, find_code
from orchspec.grammar.syntax import Comment, File

__all__ = ["silence"]

_ALLOW = re.compile(r"//+\s*allow\s+(?P<code>[A-Za-z]\d{4})\b\s*(?P<rest>.*)")


def silence(file: File, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics without those that the file allows; an `allow` without a reason, or of an error, is reported."""
    allowed: set[tuple[str, int]] = set()
    found: list[Diagnostic] = []
    comments = _alone(file.comments)
    for comment in file.comments:
        match = _ALLOW.match(comment.text)
        if match is None:
            continue
        name = match["code"].upper()
        problem = _problem(name, match["rest"])
        if problem is not None:
            found.append(Diagnostic(codes.ALLOW_WITHOUT_REASON, comment.span, {"name": name, "problem": problem}))
            continue
        line = comment.span.line
        allowed.add((name, line))
        if line in comments:  # what follows a comment of its own line, other comments skipped
            while line + 1 in comments:
                line += 1
            allowed.add((name, line + 1))
    here = file.span.source
    found.extend(
        item for item in diagnostics if item.span.source is not here or (item.code.id, item.span.line) not in allowed
    )
    return found


def _alone(comments: Sequence[Comment]) -> set[int]:
    """The lines that hold nothing but a comment."""
    lines: set[int] = set()
    for comment in comments:
        before = comment.span.source.line_text(comment.span.line)[: comment.span.column - 1]
        if not before.strip():
            lines.add(comment.span.line)
    return lines


def _problem(name: str, rest: str) -> str | None:
    code = find_code(name)
    if code is None:
        return "names no code"
    if code.severity == "error":
        return "has no effect: errors cannot be allowed"
    return None if rest.startswith(":") and rest[1:].strip() else "gives no reason: write `// allow CODE: why`"
