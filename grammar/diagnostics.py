"""Diagnostics as data: codes, labels, edits, fixes, and the registry of all codes.

A code is declared once, by the module that owns its family, with `define(...)`; ids are grouped by hundreds and never
reused. E00xx (characters and tokens) and E01xx (structure) belong to the grammar; later hundreds to the compiler.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

from orchspec.grammar.source import Span
from orchspec.slotted import dataclass

__all__ = [
    "Applicability",
    "Code",
    "Diagnostic",
    "Edit",
    "Fix",
    "Label",
    "Severity",
    "all_codes",
    "define",
    "find_code",
    "sorted_diagnostics",
]

Severity = Literal["error", "warning", "advice"]
Applicability = Literal["machine-applicable", "maybe-incorrect", "has-placeholders"]

_ID = re.compile(r"[EWA]\d{4}")
_SLUG = re.compile(r"[a-z][a-z0-9-]*")
_LETTER: Mapping[Severity, str] = {"error": "E", "warning": "W", "advice": "A"}


@dataclass(frozen=True, slots=True)
class Code:
    """What kind of mistake a diagnostic is about.

    `summary` is a `str.format` template over the diagnostic's named arguments; `bad` and `good` are sample specs (or
    fragments of one), of which the first shows the code and the second does not.
    """

    id: str
    slug: str
    severity: Severity
    summary: str
    explanation: str
    bad: str
    good: str


@dataclass(frozen=True, slots=True)
class Label:
    """A remark on another place that matters."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the characters of `span`; an empty span inserts, an empty replacement deletes."""

    span: Span
    replacement: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A suggested repair, and how far it can be trusted, in rustc's words.

    `machine-applicable` is what was meant and may be applied unseen. `maybe-incorrect` is the best guess, and needs a
    look. `has-placeholders` shows the form, with `…` where only the author knows what belongs there.
    """

    title: str
    edits: tuple[Edit, ...]
    applicability: Applicability = "maybe-incorrect"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake, warning or piece of advice, with the smallest span that shows it."""

    code: Code
    span: Span
    args: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    fix: Fix | None = None

    @property
    def message(self) -> str:
        """The summary of the code with this diagnostic's arguments filled in."""
        return self.code.summary.format_map(self.args)

    @property
    def severity(self) -> Severity:
        """`error`, `warning` or `advice`, as the code says."""
        return self.code.severity

    @property
    def sort_key(self) -> tuple[str, int, int, str]:
        """The order of reports: file, place, code."""
        return self.span.source.name, self.span.start, self.span.end, self.code.id

    def as_json(self) -> dict[str, Any]:
        """The item that `orch check --format json` lists for this diagnostic."""
        return {
            "code": self.code.id,
            "severity": self.severity,
            "message": self.message,
            "span": self.span.as_json(),
            "labels": [{"span": label.span.as_json(), "text": label.text} for label in self.labels],
            "notes": list(self.notes),
            "fix": None if self.fix is None else _fix_json(self.fix),
        }


def _fix_json(fix: Fix) -> dict[str, Any]:
    return {
        "title": fix.title,
        "edits": [{"span": edit.span.as_json(), "replacement": edit.replacement} for edit in fix.edits],
        "applicability": fix.applicability,
    }


_registry: dict[str, Code] = {}
_slugs: set[str] = set()


def define(
    code_id: str,
    slug: str,
    summary: str,
    *,
    explanation: str,
    bad: str,
    good: str,
    severity: Severity = "error",
) -> Code:
    """Declares a code and registers it.

    Raises `ValueError` when the id or the slug is taken or malformed, or when the id's letter (E, W, A) does not say
    the severity: all are mistakes of the declaring module, found when it is imported.
    """
    if _ID.fullmatch(code_id) is None or code_id[0] != _LETTER[severity]:
        raise ValueError(f"code id {code_id!r} of severity {severity}: expected {_LETTER[severity]} and four digits")
    if _SLUG.fullmatch(slug) is None:
        raise ValueError(f"slug {slug!r} of {code_id}: expected lower case words joined by hyphens")
    if code_id in _registry or slug in _slugs:
        raise ValueError(f"code {code_id} ({slug}) is declared twice: ids and slugs are never reused")
    code = Code(code_id, slug, severity, summary, explanation.strip(), bad.strip("\n"), good.strip("\n"))
    _registry[code_id] = code
    _slugs.add(slug)
    return code


def find_code(code_id: str) -> Code | None:
    """The code with this id, in any case, or none."""
    return _registry.get(code_id.upper())


def all_codes() -> Sequence[Code]:
    """Every code declared by the modules imported so far, sorted by its number."""
    return sorted(_registry.values(), key=lambda code: (code.id[1:], code.id))


def sorted_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics in the order of reports, without exact repetitions of one code at one span."""
    seen: set[tuple[str, int, int, str, str]] = set()
    result: list[Diagnostic] = []
    for diagnostic in sorted(diagnostics, key=lambda item: item.sort_key):
        key = (*diagnostic.sort_key, diagnostic.message)
        if key not in seen:
            seen.add(key)
            result.append(diagnostic)
    return result
