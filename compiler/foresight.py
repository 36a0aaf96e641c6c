"""What a statement gives, before it is checked: by `prev` and `past` it may read itself of an earlier round.

A step gives what its contract says, whatever it is handed; and a block gives what its `give` names. So the type of most
statements is known without a look at what they read. Nothing is reported here: the statement is checked by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orchspec.compiler.context import Context
from orchspec.compiler.library import answer_of, value_of
from orchspec.compiler.types import UNKNOWN, ListOf, RecordOf, Type, is_unknown, optional, required, unify
from orchspec.grammar.syntax import (
    Arm,
    Binary,
    ByAll,
    ByCount,
    Call,
    Expr,
    Fail,
    Field,
    Give,
    Name,
    Node,
    Peers,
    Repeat,
    Route,
    Scope,
    Statement,
    Step,
    Supervise,
    attribute,
    dotted,
    walk,
)

__all__ = ["foreseen", "foreseen_of_work"]

_TABLES: Final = ("contracts", "effects", "flows", "signals")


def foreseen(context: Context, statement: Node) -> Type:
    """The type that the name of a statement will have, as far as that can be told without checking it."""
    return _Foresight(context).statement(statement, ())


def foreseen_of_work(step: Step, result: Type) -> Type:
    """The type of a step's name, by what one asking gives."""
    kind = ListOf(result) if step.loop is not None or isinstance(step.by, ByAll | ByCount) else result
    return _absent(step.settings, kind, skipped=step.loop is None)


def _absent(settings: Sequence[Node], kind: Type, *, skipped: bool) -> Type:
    """With `only_if`, or where it may be skipped as a whole, it may be none."""
    chain = attribute(settings, "on_failure")
    skips = chain is not None and any(isinstance(part, Name) and part.text == "skip" for part in walk(chain.value))
    return optional(kind) if attribute(settings, "only_if") is not None or (skips and skipped) else kind


def _fails(arm: Arm) -> bool:
    return any(isinstance(item, Fail) and item.when is None for item in arm.body.body)


class _Foresight:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._under_way: set[Node] = set()

    def statement(self, node: Node, around: Sequence[Sequence[Statement]]) -> Type:
        """What a statement gives that stands in these blocks, the innermost last."""
        if node in self._under_way:
            return UNKNOWN
        self._under_way.add(node)
        found = self._given(node, around)
        self._under_way.discard(node)
        return found

    def _given(self, node: Node, around: Sequence[Sequence[Statement]]) -> Type:
        match node:
            case Step():
                return foreseen_of_work(node, self._work(node.work))
            case Scope():
                inner = self._block(node.body, around)
                kind = inner if node.loop is None else ListOf(inner)
                return _absent(node.body, kind, skipped=node.loop is None)
            case Repeat():
                return self._block(node.body, around)
            case Route():
                arms = [self._arm(arm, around) for arm in node.arms if not _fails(arm)]
                return self._both(*arms)
            case Supervise():
                answer = answer_of(self._context.checked, self._work(node.work))
                return UNKNOWN if answer is None else _absent(node.settings, answer, skipped=True)
            case Peers():
                value = value_of(self._context.checked, self._work(node.work))
                return UNKNOWN if value is None else _absent(node.body, value, skipped=True)
            case _:
                return UNKNOWN

    def _work(self, work: Node) -> Type:
        text = dotted(work.callee) if isinstance(work, Call) else None
        if text is None:
            return UNKNOWN
        found = (self._context.find(table, work, text) for table in _TABLES)
        return next((info.result for info in found if info is not None), UNKNOWN)

    def _arm(self, arm: Arm, around: Sequence[Sequence[Statement]]) -> Type:
        body = arm.body.body
        only = body[0] if len(body) == 1 else None
        return self.statement(only, around) if isinstance(only, Step) else self._block(body, around)

    def _block(self, body: Sequence[Statement], around: Sequence[Sequence[Statement]]) -> Type:
        given = next((item for item in body if isinstance(item, Give)), None)
        return UNKNOWN if given is None else self._expr(given.value, (*around, body))

    def _expr(self, node: Expr, around: Sequence[Sequence[Statement]]) -> Type:
        match node:
            case Name():
                for at in range(len(around), 0, -1):
                    for item in around[at - 1]:
                        name = getattr(item, "name", None)
                        if name is not None and name.text == node.text:
                            return self.statement(item, around[:at])
                return UNKNOWN
            case Field():
                return self._field(self._expr(node.base, around), node.name.text)
            case Binary(op="??"):
                left, right = self._expr(node.left, around), self._expr(node.right, around)
                return self._both(required(left), right)
            case _:
                return UNKNOWN

    def _field(self, base: Type, name: str) -> Type:
        if not isinstance(base, RecordOf):
            return UNKNOWN
        fields = self._context.checked.records[base.name].fields
        return next((field.type for field in fields if field.name == name), UNKNOWN)

    @staticmethod
    def _both(*kinds: Type) -> Type:
        """What fits all of them, or nothing is known: where one is not, it may be something else."""
        found: Type | None = kinds[0] if kinds else None
        for kind in kinds[1:]:
            found = None if found is None or is_unknown(kind) or is_unknown(found) else unify(found, kind)
        return UNKNOWN if found is None else found
