"""The shape of a block: one value, one `until`, nothing below its end, nothing that belongs elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from orchspec.compiler.codes import flows as codes
from orchspec.compiler.model import BlockInfo
from orchspec.compiler.report import Report
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import (
    Arbitrate,
    Block,
    Checkpoint,
    Eval,
    Every,
    Fail,
    Give,
    Let,
    Node,
    On,
    Peers,
    Repeat,
    Return,
    Revert,
    Route,
    Scope,
    Send,
    State,
    Statement,
    Step,
    Supervise,
    Until,
    Wait,
)

__all__ = ["RUNNING", "check_shape", "is_inner", "line_end"]

RUNNING = (
    Step,
    Arbitrate,
    Scope,
    Repeat,
    Route,
    Supervise,
    Peers,
    Let,
    Fail,
    Checkpoint,
    Wait,
    Send,
    Eval,
    Revert,
    Until,
    Return,
    Give,
)
"""The statements that run."""


def check_shape(report: Report, block: BlockInfo, body: Sequence[Statement]) -> None:
    """One value, one until, nothing below the end, nothing that belongs elsewhere."""
    rounds = isinstance(block.node, Repeat)
    place = _place(block.node)
    seen: dict[str, Statement] = {}
    ended: Statement | None = None
    for statement in body:
        word = _word(statement)
        if isinstance(statement, On) or (isinstance(statement, Until | Every) and not rounds):
            continue  # the parser told where these belong
        if _misplaced(statement, block.node):
            report.add(codes.MISPLACED, _head(statement, word), word=word, place=place)
            continue
        if ended is not None and isinstance(statement, RUNNING) and not _may_follow(ended, statement):
            after = f"`{_word(ended)}`"
            label = Label(ended.span, "the block ends here")
            report.add(codes.UNREACHABLE, _head(statement, word), after=after, labels=[label])
            break
        if isinstance(statement, Return | Give | Until | Every):
            first = seen.setdefault(word, statement)
            if first is not statement:
                _second(report, statement, first, word, place)
                continue
        if isinstance(statement, Return | Give) or (isinstance(statement, Fail) and statement.when is None):
            ended = statement
    if isinstance(block.node, Repeat) and "until" not in seen:
        report.absent(codes.NO_UNTIL, block.node.name, name=block.node.name.text)


def _misplaced(statement: Statement, node: Node) -> bool:
    match statement:
        case Return():
            return is_inner(node)
        case Give():
            return not isinstance(node, Scope | Repeat | Block)
        case _:
            return False


def _second(report: Report, statement: Statement, first: Statement, word: str, place: str) -> None:
    label = Label(first.span, "the first one")
    if isinstance(statement, Until | Every):
        report.add(codes.SECOND_UNTIL, _head(statement, word), word=word, labels=[label])
    else:
        report.add(codes.SECOND_VALUE, _head(statement, word), place=place, word=word, labels=[label])


def is_inner(node: Node) -> bool:
    """Whether a block is inside of a flow or a machine, so that it does not return."""
    return isinstance(node, Scope | Repeat | Block) or (isinstance(node, State) and node.kind != "final")


def _place(node: Node) -> str:
    match node:
        case Scope():
            return f"the scope `{node.name.text}`"
        case Repeat():
            return f"the rounds of `{node.name.text}`"
        case Block():
            return "an arm or `else`"
        case State():
            return f"the state `{node.name.text}`"
        case _:
            return "a flow"


def _word(statement: Statement) -> str:
    """The keyword that a statement starts with."""
    return statement.span.text.split(maxsplit=1)[0] if statement.span.text.split() else type(statement).__name__.lower()


def _head(statement: Statement, word: str) -> Span:
    start = statement.span.start
    return statement.span.source.span(start, start + len(word))


def line_end(statement: Statement) -> int:
    """The offset at which the first line of a statement ends."""
    text = statement.span.text.split("\n", 1)[0].rstrip()
    return statement.span.start + len(text)


def _may_follow(ended: Statement, statement: Statement) -> bool:
    """A `give` says the value and leaves the round open for its `until`; a second value has a code of its own."""
    return (
        isinstance(statement, Until | Give | Return)
        if isinstance(ended, Give)
        else isinstance(statement, Return | Give)
    )
