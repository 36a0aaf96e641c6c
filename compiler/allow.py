"""Warnings and advice silenced in place: `// allow CODE: reason`, on the same line or on the line before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from orchspec.compiler.codes import names as codes
from orchspec.grammar.diagnostics import Code, Diagnostic, Edit, Fix, all_codes, find_code
from orchspec.grammar.source import Span
from orchspec.grammar.spelling import nearest
from orchspec.grammar.syntax import Comment, File

__all__ = ["silence"]

_ALLOW = re.compile(r"//+\s*allow\s+(?P<code>[A-Za-z]\d{4})\b\s*(?P<rest>.*)")


def silence(file: File, diagnostics: Iterable[Diagnostic], *, complete: bool) -> list[Diagnostic]:
    """The diagnostics without those that the file allows.

    An `allow` without a reason, or of an error, is reported; so is one that silences nothing, if the diagnostics are
    `complete`: of a spec with errors the advice is not looked for.
    """
    allowed: dict[tuple[str, int], Comment] = {}
    found: list[Diagnostic] = []
    reasoned: dict[Comment, str] = {}
    alone = _alone(file.comments)
    for comment in file.comments:
        match = _ALLOW.match(comment.text)
        if match is None:
            continue
        name = match["code"].upper()
        problem = _problem(comment, name, match)
        if problem is not None:
            found.append(problem)
            continue
        reasoned[comment] = name
        line = comment.span.line
        allowed[name, line] = comment
        if line in alone:  # what follows a comment of its own line, other comments skipped
            while line + 1 in alone:
                line += 1
            allowed[name, line + 1] = comment
    needed: set[Comment] = set()
    here = file.span.source
    for item in diagnostics:
        comment_for_it = allowed.get((item.code.id, item.span.line)) if item.span.source is here else None
        if comment_for_it is None:
            found.append(item)
        else:
            needed.add(comment_for_it)
    if complete:
        found.extend(_not_needed(comment, name) for comment, name in reasoned.items() if comment not in needed)
    return found


def _alone(comments: Sequence[Comment]) -> set[int]:
    """The lines that hold nothing but a comment."""
    lines: set[int] = set()
    for comment in comments:
        before = comment.span.source.line_text(comment.span.line)[: comment.span.column - 1]
        if not before.strip():
            lines.add(comment.span.line)
    return lines


def _problem(comment: Comment, name: str, match: re.Match[str]) -> Diagnostic | None:
    """What is wrong with an `allow` itself."""
    code = find_code(name)
    fix: Fix | None = None
    if code is None:
        problem = "names no code"
        meant = nearest(name, (each.id for each in all_codes() if each.severity != "error"))
        if meant is not None:
            start = comment.span.start + match.start("code")
            fix = Fix(f"did you mean `{meant}`?", (Edit(Span(comment.span.source, start, start + len(name)), meant),))
    elif code.severity == "error":
        problem = "has no effect: errors cannot be allowed"
        fix = _deletion(comment)
    elif match["rest"].startswith(":") and match["rest"][1:].strip():
        return None
    else:
        problem = "gives no reason: write `// allow CODE: why`"
        end = comment.span.start + match.end("code")
        place = Span(comment.span.source, end, comment.span.end)
        fix = Fix("say why", (Edit(place, ": …"),), "has-placeholders")
    return Diagnostic(codes.ALLOW_WITHOUT_REASON, comment.span, {"name": name, "problem": problem}, fix=fix)


def _not_needed(comment: Comment, name: str) -> Diagnostic:
    code: Code | None = find_code(name)
    assert code is not None, "what names no code is reported as such"
    notes = (f"{name} is {code.slug.replace('-', ' ')}: neither this line nor the next has it",)
    return Diagnostic(codes.ALLOW_NOT_NEEDED, comment.span, {"name": name}, (), notes, _deletion(comment))


def _deletion(comment: Comment) -> Fix:
    """Deletes a comment with the space before it, and its line when nothing else stands there."""
    source, span = comment.span.source, comment.span
    start, end = span.start, span.end
    while start and source.text[start - 1] in " \t":
        start -= 1
    if start == source.line_start(span.line):
        newline = re.compile(r"\r\n|\n|\r").match(source.text, end)
        end = end if newline is None else newline.end()
    return Fix("delete it", (Edit(Span(source, start, end), ""),), "machine-applicable")
