"""Productions to nodes, part one: lists, names, types, expressions, attributes and budgets.

The parser calls, for each alternative of `orch.lark`, the method of its name with one value for each symbol: a
`Token`, a node, a list of nodes, or none. A node's span ends with the last token that was read when it was made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from orchspec.grammar import codes, literals
from orchspec.grammar.diagnostics import Code, Diagnostic, Edit, Fix
from orchspec.grammar.lexer import Token, Tokens
from orchspec.grammar.source import Source, Span
from orchspec.grammar.syntax import (
    Arg,
    Attribute,
    Binary,
    Bool,
    Budget,
    Call,
    DurationLit,
    Expr,
    Field,
    Float,
    Hole,
    Ident,
    Index,
    Int,
    Limit,
    ListLit,
    MoneyLit,
    Name,
    Node,
    NoneLit,
    Not,
    OptionalType,
    Path,
    PercentLit,
    Range,
    RecordEntry,
    RecordLit,
    Text,
    TypeExpr,
    TypeName,
    Unary,
)

__all__ = ["ExpressionBuilder"]

_T = TypeVar("_T")
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "not in"})


def _escape_fix(rest: Span) -> Fix | None:
    """What is written for an escape of other languages at the start of this; else a backslash was meant by itself."""
    meant = literals.foreign_escape(rest.text)
    if meant is not None:
        edit = Edit(Span(rest.source, rest.start, rest.start + len(meant[0])), meant[1])
        return Fix(f"write `{meant[1]}`", (edit,), "machine-applicable")
    if len(rest.text) < 2 or not rest.text[1].isprintable():
        return None
    return Fix("write `\\\\` for a backslash", (Edit(Span(rest.source, rest.start, rest.start), "\\"),))


class ExpressionBuilder:
    """Makes nodes; `end` is the offset behind the last token read, which the parser keeps up to date."""

    def __init__(self, tokens: Tokens) -> None:
        self.source: Source = tokens.source
        self.diagnostics: list[Diagnostic] = []
        self.end = 0
        self._docs = tokens.docs
        # Parentheses leave no node; where one opened is remembered for the spans and for `a < (b < c)`.
        self._opened: dict[Node, int] = {}

    def span_from(self, start: int) -> Span:
        """The span from `start` up to the last token read."""
        return Span(self.source, start, max(start, self.end))

    def doc(self, start: int) -> str | None:
        """The doc comment above the token at `start`."""
        return self._docs.get(start)

    def report(self, code: Code, span: Span, fix: Fix | None = None, **args: Any) -> None:
        """Adds a diagnostic."""
        self.diagnostics.append(Diagnostic(code, span, args, fix=fix))

    def _token_span(self, token: Token) -> Span:
        return Span(self.source, token.start, token.end)

    def _start(self, node: Node) -> int:
        return self._opened.get(node, node.span.start)

    # ---- lists and what may be missing

    def none_yet(self) -> list[Any]:
        return []

    def none_between(self, _opening: Token, _closing: Token) -> list[Any]:
        return []

    def nothing(self) -> None:
        return None

    def one(self, item: _T) -> list[_T]:
        return [item]

    def append(self, items: list[_T], item: _T, _comma: Token | None = None) -> list[_T]:
        items.append(item)
        return items

    def append_third(self, items: list[_T], _between: Token, item: _T) -> list[_T]:
        items.append(item)
        return items

    def first(self, value: _T, _rest: Token | None = None) -> _T:
        return value

    def second(self, _before: Token, value: _T, *_after: Token) -> _T:
        return value

    def third(self, _first: Token, _second: Token, value: _T, *_after: Token) -> _T:
        return value

    # ---- names and types

    def ident(self, token: Token) -> Ident:
        """The name that a token stands for; empty when recovery made it up."""
        return Ident("" if token.made else token.text, self._token_span(token))

    def _member(self, token: Token) -> Ident:
        return Ident(
            "" if token.made else token.text[1:], Span(self.source, min(token.start + 1, token.end), token.end)
        )

    def path(self, name: Token) -> Path:
        ident = self.ident(name)
        return Path((ident,), ident.span)

    def longer_path(self, path: Path, member: Token) -> Path:
        return Path((*path.parts, self._member(member)), self.span_from(path.span.start))

    def plain_type(self, path: Path) -> TypeName:
        return TypeName(path, (), path.span)

    def type_with_args(self, path: Path, _less: Token, args: list[TypeExpr], _more: Token) -> TypeName:
        return TypeName(path, tuple(args), self.span_from(path.span.start))

    def optional_type(self, inner: TypeExpr, _question: Token) -> OptionalType:
        return OptionalType(inner, self.span_from(inner.span.start))

    def doubly_optional_type(self, inner: TypeExpr, sign: Token) -> OptionalType:
        return OptionalType(self.optional_type(inner, sign), self.span_from(inner.span.start))

    # ---- literals

    def name(self, token: Token) -> Name | Hole:
        return Hole(self._token_span(token)) if token.made else Name(token.text, self._token_span(token))

    def _number(self, token: Token, read: Callable[[str], _T]) -> _T | None:
        """The value of a numeric token, or none after reporting that it is too long to be read."""
        digits = literals.digits_in(token.text)
        if digits <= literals.DIGITS_MAX:
            return read(token.text)
        span = self._token_span(token)
        self.report(codes.LITERAL_TOO_LARGE, span, digits=digits, limit=literals.DIGITS_MAX)
        return None

    def int(self, token: Token) -> Int | Float | Hole:
        value = self._number(token, literals.int_or_float)
        if value is None:
            return Hole(self._token_span(token))
        if isinstance(value, float):
            return Float(value, self._token_span(token))
        return Int(value, self._token_span(token))

    float = int

    def duration(self, token: Token) -> DurationLit | Hole:
        value = self._number(token, literals.duration_us)
        return Hole(self._token_span(token)) if value is None else DurationLit(value, self._token_span(token))

    def money(self, token: Token) -> MoneyLit | Hole:
        value = self._number(token, literals.money_pico_usd)
        return Hole(self._token_span(token)) if value is None else MoneyLit(value, self._token_span(token))

    def percent(self, token: Token) -> PercentLit | Hole:
        value = self._number(token, literals.percent_share)
        return Hole(self._token_span(token)) if value is None else PercentLit(value, self._token_span(token))

    def true(self, token: Token) -> Bool:
        return Bool(True, self._token_span(token))

    def false(self, token: Token) -> Bool:
        return Bool(False, self._token_span(token))

    def none(self, token: Token) -> NoneLit:
        return NoneLit(self._token_span(token))

    def text(self, token: Token, quotes: str = '"') -> Text:
        width = len(quotes)
        value, unknown = literals.unquote(token.text[width:-width])
        for offset, escape in unknown:
            start = min(token.start + width + offset, token.end)
            span = Span(self.source, start, min(start + len(escape), token.end))
            found = f"`{escape}`" if escape.isprintable() else "this"
            self.report(
                codes.BAD_ESCAPE,
                span,
                found=found,
                fix=_escape_fix(Span(self.source, start, max(start, token.end - width))),
            )
        return Text(value, self._token_span(token))

    def long_text(self, token: Token) -> Text:
        return self.text(token, '"""')

    # ---- composite expressions

    def paren(self, opening: Token, value: Expr, _closing: Token) -> Expr:
        self._opened[value] = opening.start
        return value

    def list_empty(self, opening: Token, _closing: Token) -> ListLit:
        return ListLit((), self.span_from(opening.start))

    def list_of(self, opening: Token, items: list[Expr], _closing: Token) -> ListLit:
        return ListLit(tuple(items), self.span_from(opening.start))

    def list_comma(self, opening: Token, items: list[Expr], _comma: Token, _closing: Token) -> ListLit:
        return ListLit(tuple(items), self.span_from(opening.start))

    def record(self, opening: Token, entries: list[RecordEntry], _closing: Token) -> RecordLit:
        return RecordLit(tuple(entries), self.span_from(opening.start))

    def entry(self, label: Token, _colon: Token, value: Expr) -> RecordEntry:
        return RecordEntry(self.ident(label), value, False, self.span_from(label.start))

    def quoted_entry(self, key: Text, _colon: Token, value: Expr) -> RecordEntry:
        name = Ident(key.value, key.span)
        return RecordEntry(name, value, True, self.span_from(key.span.start))

    def field_of(self, base: Expr, member: Token) -> Field:
        return Field(base, self._member(member), self.span_from(self._start(base)))

    def index(self, base: Expr, _opening: Token, index: Expr, _closing: Token) -> Index:
        return Index(base, index, self.span_from(self._start(base)))

    def call_of(self, callee: Expr, _opening: Token, args: list[Arg], _closing: Token) -> Call:
        return Call(callee, tuple(args), self.span_from(self._start(callee)))

    def named_call(self, path: Path, _opening: Token, args: list[Arg], _closing: Token) -> Call | Hole:
        span = self.span_from(path.span.start)
        head = path.parts[0]
        if not head.text:
            return Hole(span)
        callee: Expr = Name(head.text, head.span)
        for part in path.parts[1:]:
            callee = Field(callee, part, head.span.to(part.span))
        return Call(callee, tuple(args), span)

    def positional_arg(self, value: Expr) -> Arg:
        return Arg(None, None, value, self.span_from(self._start(value)))

    def named_arg(self, label: Token, _colon: Token, value: Expr) -> Arg:
        return Arg(self.ident(label), None, value, self.span_from(label.start))

    def weighted_arg(self, key: Expr, _colon: Token, value: Expr) -> Arg:
        return Arg(None, key, value, self.span_from(self._start(key)))

    def unary(self, minus: Token, operand: Expr) -> Unary:
        return Unary("-", operand, self.span_from(minus.start))

    def not_(self, word: Token, operand: Expr) -> Not:
        return Not(operand, self.span_from(word.start))

    def binary(self, left: Expr, op: Token, right: Expr) -> Binary:
        return Binary(op.text, left, right, self._token_span(op), self.span_from(self._start(left)))

    def range(self, low: Expr, _to: Token, high: Expr) -> Range:
        return Range(low, high, self.span_from(self._start(low)))

    def not_in(self, word: Token, in_: Token) -> Token:
        return Token("NOT_IN", "not in", word.start, in_.end)

    def comparison(self, left: Expr, op: Token, right: Expr) -> Binary:
        node = self.binary(left, op, right)
        if isinstance(left, Binary) and left.op in _COMPARISONS and left not in self._opened:
            self.report(codes.CHAINED_COMPARISON, node.span)
        return node

    # ---- attributes and budgets

    def attribute(self, name: Token, _equal: Token, value: Expr) -> Attribute:
        return Attribute(self.ident(name), value, self.doc(name.start), self.span_from(name.start))

    def limit(self, name: Token, _at_most: Token, value: Expr) -> Limit:
        return Limit(self.ident(name), value, self.span_from(name.start))

    def budget(self, word: Token, _opening: Token, limits: list[Limit], _closing: Token) -> Budget:
        return Budget(tuple(limits), self.doc(word.start), self.span_from(word.start))
