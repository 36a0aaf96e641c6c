"""Diagnostics as SARIF 2.1.0 (OASIS), which code hosts show beside the lines of a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from orchspec import __version__

if TYPE_CHECKING:
    from orchspec.grammar.diagnostics import Diagnostic
    from orchspec.grammar.source import Span

__all__ = ["as_sarif"]

_LEVELS: Final = {"error": "error", "warning": "warning", "advice": "note"}


def as_sarif(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """One SARIF log with one run; columns are counted in characters, as everywhere in Orch."""
    codes = {diagnostic.code.id: diagnostic.code for diagnostic in diagnostics}
    rules = [
        {
            "id": code.id,
            "name": code.slug,
            "shortDescription": {"text": code.slug.replace("-", " ")},
            "fullDescription": {"text": code.explanation},
            "help": {"text": f"orch explain {code.id}"},
            "defaultConfiguration": {"level": _LEVELS[code.severity]},
        }
        for _, code in sorted(codes.items())
    ]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "orch", "semanticVersion": __version__, "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(diagnostic) for diagnostic in diagnostics],
            }
        ],
    }


def _result(diagnostic: Diagnostic) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": diagnostic.code.id,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": "\n".join((diagnostic.message, *diagnostic.notes))},
        "locations": [{"physicalLocation": _place(diagnostic.span)}],
    }
    if diagnostic.labels:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _place(label.span), "message": {"text": label.text}}
            for number, label in enumerate(diagnostic.labels)
        ]
    if diagnostic.fix is not None:
        # A change of SARIF belongs to one file.
        by_file: dict[str, list[dict[str, Any]]] = {}
        for edit in diagnostic.fix.edits:
            replacement = {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.replacement}}
            by_file.setdefault(edit.span.source.name, []).append(replacement)
        changes = [{"artifactLocation": _file(name), "replacements": edits} for name, edits in by_file.items()]
        result["fixes"] = [
            {
                "description": {"text": diagnostic.fix.title},
                "artifactChanges": changes,
                "properties": {"applicability": diagnostic.fix.applicability},
            }
        ]
    return result


def _place(span: Span) -> dict[str, Any]:
    return {"artifactLocation": _file(span.source.name), "region": _region(span)}


def _file(name: str) -> dict[str, str]:
    return {"uri": quote(name.replace("\\", "/"))}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
