"""What a newcomer's word or value most likely stands for: fixes that are guesses, for the checks to attach."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from orchspec.compiler.types import DURATION, MONEY, PERCENT, ListOf, Type
from orchspec.grammar.diagnostics import Edit, Fix
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import Expr, Float, Int, Node, Text

__all__ = ["NOTHING", "SYNONYMS", "insertion", "of_kind", "why_a_list"]

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    # attributes
    "attempts": ("retries", "max_retries", "max_attempts", "retry", "tries", "max_tries"),
    "timeout": ("deadline", "max_time", "time_limit", "ttl_s", "timeout_s", "timeout_seconds", "max_duration"),
    "width": ("parallelism", "concurrency", "max_parallel", "parallel", "batch", "batch_size", "max_concurrency"),
    "slots": ("concurrency", "parallelism", "max_concurrency", "instances", "replicas", "workers", "pool"),
    "after": ("depends_on", "dependson", "needs", "requires", "depends", "wait_for", "dependencies"),
    "only_if": ("when", "condition", "if", "unless", "enabled", "guard"),
    "on_failure": ("on_error", "onerror", "fallback", "catch", "error", "continue_on_error", "on_fail"),
    "need": ("quorum", "min", "min_success", "threshold", "at_least", "minimum"),
    "urgency": ("priority", "weight", "importance"),
    "prefer": ("strategy", "routing", "select", "load_balancing"),
    "models": ("model", "llm", "engine"),
    "tools": ("functions", "plugins", "uses", "tool"),
    "policies": ("policy", "retry_policy"),
    "expects": ("prompt", "description", "instructions", "instruction", "goal", "system", "system_prompt", "expect"),
    "ensures": ("validate", "asserts", "check", "postcondition", "output_schema", "guarantees"),
    "reuse": ("cache", "memoize", "ttl", "cache_ttl"),
    "session": ("memory", "state", "conversation"),
    "given": ("input", "inputs", "args", "arguments", "params", "with", "variables"),
    "key": ("id", "idempotency_key", "idempotency", "dedupe", "unique"),
    "undo": ("rollback", "compensate", "compensation", "revert", "on_undo"),
    "rate": ("rate_limit", "rpm", "rps", "qps", "throttle"),
    "decide": ("by", "strategy", "rule", "how", "policy", "mode"),
    "latency": ("duration", "delay", "response_time"),
    "failure": ("error_rate", "failure_rate", "fail", "errors"),
    # types
    "Text": ("string", "str", "char", "varchar"),
    "Int": ("integer", "number", "long", "int", "int64", "uint"),
    "Float": ("double", "decimal", "real", "float64", "number"),
    "Bool": ("boolean", "bit"),
    "Url": ("uri", "link", "href"),
    "Time": ("datetime", "timestamp", "date", "instant"),
    "Duration": ("timedelta", "interval"),
    "Json": ("any", "object", "dict", "unknown", "anything"),
    "List": ("array", "set", "sequence", "vec", "vector", "tuple"),
    "Map": ("dict", "dictionary", "hashmap", "mapping", "object"),
    # values and functions
    "none": ("null", "nil", "undefined", "nothing"),
    "true": ("yes",),
    "false": ("no",),
    "len": ("length", "size", "count", "strlen"),
    "lower": ("tolower", "lowercase", "to_lower", "casefold"),
    "upper": ("toupper", "uppercase", "to_upper"),
    "text": ("str", "string", "tostring", "to_string"),
    "distinct": ("unique", "set", "dedupe", "uniq"),
    "avg": ("mean", "average"),
    "completed": ("success", "succeeded", "ok", "done", "passed", "finished"),
    "failed": ("failure", "error", "errored"),
    "cancelled": ("canceled", "aborted"),
}  # fmt: skip


def _inverted() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for meant, words in _WORDS.items():
        for word in words:
            found.setdefault(word, []).append(meant)
    return {word: tuple(meanings) for word, meanings in found.items()}


SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = _inverted()
"""By a word in small letters, the words of Orch that do what it does elsewhere."""

NOTHING: Final = frozenset({"none", "null", "nil", "undefined"})
"""In small letters, what other languages call `none`."""

_DURATION = re.compile(r"\d+(\.\d+)?(ms|s|min|h|d)")


def of_kind(expr: Expr, kinds: Collection[Type]) -> Fix | None:
    """The fix of a number or a text that stands where a duration, money or a share is wanted."""
    if isinstance(expr, Text) and DURATION in kinds and _DURATION.fullmatch(expr.value):
        return Fix(f"write `{expr.value}`", (Edit(expr.span, expr.value),), "machine-applicable")
    if not isinstance(expr, Int | Float) or expr.value < 0:
        return None
    written = expr.span.text
    if written.startswith("."):  # a slip of its own, told already
        written = f"0{written}"
    if DURATION in kinds and written[-1].isdigit():
        meant = f"{written}s"
    elif MONEY in kinds and written[-1].isdigit():
        meant = f"${written}"
    elif PERCENT in kinds and written[-1].isdigit():
        meant = f"{expr.value * 100:g}%" if isinstance(expr, Float) and expr.value <= 1 else f"{written}%"
    else:
        return None
    return Fix(f"write `{meant}`", (Edit(expr.span, meant),))


def why_a_list(found: Type, expected: Type) -> tuple[str, ...]:
    """The note for a list where one of its items is wanted."""
    if isinstance(found, ListOf) and found.item == expected:
        return ("several were asked, so there is a list: `arbitrate` makes one of it, `[0]` takes the first",)
    return ()


def insertion(after: Node | Span, text: str, title: str, *, placeholders: bool = False) -> Fix:
    """The fix that writes something behind a node; with placeholders `…` in it, for the author to fill."""
    span = after if isinstance(after, Span) else after.span
    edit = Edit(Span(span.source, span.end, span.end), text)
    return Fix(title, (edit,), "has-placeholders" if placeholders else "maybe-incorrect")
