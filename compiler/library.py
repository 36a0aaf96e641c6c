"""The types that `supervise` and `peers` bring along: what a lead or a peer says, and what it is told.

They are records like any other, written in the language itself. `Delegation` and `Turn` are of a type: each that a
spec names, such as `Delegation<Note>`, is a record of its own, under that name.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from orchspec.compiler.model import Checked, FieldInfo, Frame, RecordInfo
from orchspec.compiler.types import BOOL, JSON, TEXT, ListOf, Optional, RecordOf, Type, optional, required, show
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.syntax import Call, Expr, TypeDecl, dotted

__all__ = ["DONE", "GENERIC", "LOOP_TYPES", "answer_of", "loop_type", "sampled_type", "value_of"]

GENERIC: Final = ("Delegation", "Turn")
"""Those that are of a type."""
LOOP_TYPES: Final = (*GENERIC, "Ask", "Done")

_TEXT: Final = """\
orch 1
/// What a lead says: what is to be done, or the answer.
type Delegation { tasks: List<Ask>  answer: Json? }
/// A task that a lead asks for; without `to`, of any worker who fulfills the contract.
type Ask { contract: Text  to: Text?  input: Json }
/// What came of a task: its result, or why there is none.
type Done { ask: Ask  by: Text  result: Json?  error: Text? }
/// What a peer says, and to whom it hands over; to nobody: that was the last word.
type Turn { value: Json  to: Text? }
"""

ASK: Final = RecordOf("Ask")
DONE: Final = ListOf(RecordOf("Done"))
"""The type of what a lead is told: the parameter `so_far`."""


@lru_cache(maxsize=1)
def _declared() -> dict[str, TypeDecl]:
    file = parse(Source("the types of supervise and peers", _TEXT)).file
    assert file is not None
    return {item.name.text: item for item in file.declarations if isinstance(item, TypeDecl)}


def loop_type(checked: Checked, name: str, of: Type | None) -> Type:
    """The type of that name, of the type `of` where it is generic; its record is there from now on."""
    return _record(checked, name, _fields(name, of), name if of is None else f"{name}<{show(of)}>")


def _fields(name: str, of: Type | None) -> dict[str, Type]:
    if name == "Delegation":
        assert of is not None
        return {"tasks": ListOf(ASK), "answer": optional(of)}
    if name == "Turn":
        assert of is not None
        return {"value": of, "to": Optional(TEXT)}
    if name == "Done":
        return {"ask": ASK, "by": TEXT, "result": Optional(JSON), "error": Optional(TEXT)}
    return {"contract": TEXT, "to": Optional(TEXT), "input": JSON}


def _record(checked: Checked, name: str, types: dict[str, Type], full: str) -> Type:
    if full in checked.records:
        return RecordOf(full)
    node = _declared()[name]
    info = checked.records[full] = RecordInfo(full, node, Frame(node), built_in=True)
    for item in node.fields:
        kind = types[item.name.text]
        info.fields.append(FieldInfo(item.name.text, kind, item, info.frame.add(item.name.text, "field", item, kind)))
    info.frame.given = len(info.frame.slots)
    if name != "Ask":
        _record(checked, "Ask", _fields("Ask", None), "Ask")
    return RecordOf(full)


def answer_of(checked: Checked, result: Type) -> Type | None:
    """What a lead of this result answers with in the end; none if it is no `Delegation`."""
    return _of(checked, result, "Delegation", "answer")


def value_of(checked: Checked, result: Type) -> Type | None:
    """What a turn of this result gives; none if it is no `Turn`."""
    return _of(checked, result, "Turn", "value")


def sampled_type(checked: Checked, info: FieldInfo, expr: Expr) -> Type:
    """What a profile samples for a field: a value of its type, or a chance.

    `chance(…)` of the `answer` of a delegation, or of the `to` of a turn, is how likely it is given at all.
    """
    chance = isinstance(expr, Call) and dotted(expr.callee) == "chance" and info.name in ("answer", "to")
    if chance and any(info in each.fields for each in checked.records.values() if each.built_in and "<" in each.name):
        return BOOL
    return info.type


def _of(checked: Checked, result: Type, name: str, field: str) -> Type | None:
    if not isinstance(result, RecordOf) or not result.name.startswith(f"{name}<"):
        return None
    info = checked.records[result.name].field(field)
    assert info is not None
    return required(info.type) if name == "Delegation" else info.type
