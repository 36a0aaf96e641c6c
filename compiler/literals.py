"""Literals that take their type from where they stand: records, lists and texts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from orchspec.compiler.codes import names as name_codes
from orchspec.compiler.codes import types as codes
from orchspec.compiler.context import Env
from orchspec.compiler.model import FieldInfo, MemberRef, RecordInfo
from orchspec.compiler.report import did_you_mean, listed, replace
from orchspec.compiler.types import (
    FLOAT,
    INT,
    JSON,
    TEXT,
    TIME,
    UNKNOWN,
    URL,
    EnumOf,
    ListOf,
    MapOf,
    Optional,
    RecordOf,
    Type,
    Unknown,
    is_unknown,
    required,
    show,
    unify,
)
from orchspec.grammar.diagnostics import Fix, Label
from orchspec.grammar.syntax import Expr, ListLit, RecordEntry, RecordLit, Text

if TYPE_CHECKING:
    from orchspec.compiler.expressions import Typer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")

__all__ = ["list_literal", "record", "text"]


def text(typer: Typer, node: Text, hint: Type | None) -> Type:
    """A string: a Url or a member of an enum where one is expected, else Text."""
    wanted = TEXT if hint is None else required(hint)
    if wanted == URL:
        return URL
    if wanted == TIME and typer.moments:
        return _moment(typer, node)
    if not isinstance(wanted, EnumOf):
        return TEXT
    enum = typer.checked.enums[wanted.name]
    if node.value in enum.members:
        typer.checked.resolved[node] = MemberRef(enum, node.value)
    else:
        typer.report.add(
            name_codes.UNKNOWN_MEMBER,
            node,
            type=enum.name,
            name=node.value,
            notes=[f"its members are {listed(enum.members)}"],
            fix=_member_meant(node, list(enum.members)),
        )
    return wanted


def _moment(typer: Typer, node: Text) -> Type:
    """A Time as it comes in: inputs of studies are written as those of runs."""
    said = None
    if _RFC_3339.fullmatch(node.value):
        with contextlib.suppress(ValueError, OverflowError):
            said = datetime.fromisoformat(node.value).astimezone(UTC)
    if said is None:
        typer.report.add(
            codes.TYPE_MISMATCH,
            node,
            what=f'"{node.value}"',
            found="Text",
            expected="a Time",
            notes=['in the inputs of a test or a scenario a Time is written as "2026-01-31T09:30:00Z"'],
        )
        return UNKNOWN
    typer.checked.moments[node] = (said - _EPOCH) // timedelta(microseconds=1)
    return TIME


def _member_meant(node: Text, members: Sequence[str]) -> Fix | None:
    """The fix of a text that is nearly the name of a member."""
    found = did_you_mean(node.value, node, members)
    if found is None:
        return None
    (edit,) = found.edits
    return replace(node, f'"{edit.replacement}"', f"did you mean `{edit.replacement}`?")


def list_literal(typer: Typer, node: ListLit, env: Env, hint: Type | None) -> Type:
    """A list: of what is expected, else of the one type that all items fit."""
    wanted = None if hint is None else required(hint)
    if isinstance(wanted, ListOf):
        for item in node.items:
            typer.check(item, env, wanted.item, "an item")
        return wanted if not isinstance(wanted.item, Unknown) else _unified(typer, node, env)
    if wanted == JSON:
        for item in node.items:
            _within_json(typer, item, env)
        return JSON
    return _unified(typer, node, env)


def _unified(typer: Typer, node: ListLit, env: Env) -> Type:
    kind: Type = UNKNOWN
    for item in node.items:
        found = typer.checked.expr_types.get(item) or typer.infer(item, env)
        both = unify(kind, found)
        if both is None:
            typer.report.add(codes.MIXED_LIST, item, first=show(kind), second=show(found))
            return UNKNOWN
        kind = both
    if required(kind) == FLOAT:
        typer.checked.floats.update(item for item in node.items if typer.checked.expr_types[item] == INT)
    return ListOf(kind)


def record(typer: Typer, node: RecordLit, env: Env, hint: Type | None) -> Type:
    """A record literal, of the type that is expected."""
    wanted = None if hint is None else required(hint)
    entries = _distinct(typer, node)
    if isinstance(wanted, RecordOf):
        return _record_of(typer, node, entries, env, typer.checked.records[wanted.name])
    if isinstance(wanted, MapOf):
        for entry in entries.values():
            typer.check(entry.value, env, wanted.value, f"`{entry.name.text}`")
        return wanted
    if wanted == JSON:
        for entry in entries.values():
            _within_json(typer, entry.value, env)
        return JSON
    for entry in entries.values():
        typer.infer(entry.value, env, UNKNOWN)
    if wanted is None or not is_unknown(wanted) or isinstance(wanted, Optional):
        detail = "" if wanted is None else f": {show(wanted)} is"
        typer.report.add(codes.UNTYPED_RECORD, node, detail=detail)
    return UNKNOWN


def _within_json(typer: Typer, node: Expr, env: Env) -> None:
    """What stands in a value of type Json becomes JSON of the edge, whatever its type is."""
    if typer.infer(node, env, JSON) != JSON:
        typer.checked.edged.add(node)


def _distinct(typer: Typer, node: RecordLit) -> dict[str, RecordEntry]:
    entries: dict[str, RecordEntry] = {}
    for entry in node.entries:
        first = entries.setdefault(entry.name.text, entry)
        if first is not entry and entry.name.text:
            typer.report.add(
                codes.DUPLICATE_ENTRY,
                entry.name,
                name=entry.name.text,
                labels=[Label(first.name.span, "first given here")],
            )
    return entries


def _record_of(typer: Typer, node: RecordLit, entries: dict[str, RecordEntry], env: Env, info: RecordInfo) -> Type:
    fields = {field.name: field for field in info.fields}
    missing: list[str] = []
    parts: list[tuple[FieldInfo, Expr | None]] = []
    for field in info.fields:
        entry = entries.pop(field.name, None)
        parts.append((field, None if entry is None else entry.value))
        if entry is not None:
            typer.check(entry.value, env, field.type, f"`{field.name}`")
        elif not field.has_default and not isinstance(field.type, Optional | Unknown):
            missing.append(f"`{field.name}: {show(field.type)}`")
    misspelt = False
    for name, entry in entries.items():
        typer.infer(entry.value, env, UNKNOWN)
        if name:
            misspelt = True
            typer.report.add(
                name_codes.UNKNOWN_FIELD,
                entry.name,
                type=info.name,
                name=name,
                notes=[f"its fields are {listed(fields)}"],
                fix=did_you_mean(name, entry.name, [known for known in fields if f"`{known}:" in " ".join(missing)]),
            )
    if missing and not misspelt:
        typer.report.absent(
            codes.MISSING_ENTRY,
            node,
            reach="statement",
            type=info.name,
            missing=listed(missing),
            labels=[Label(info.node.name.span, "the type is declared here")],
        )
    typer.checked.literals[node] = tuple(parts)
    return RecordOf(info.name)
