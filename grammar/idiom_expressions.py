"""Expressions of other languages: conditions in values, comprehensions, placeholders in strings, `is`."""

from __future__ import annotations

from typing import Final

from orchspec.grammar import codes
from orchspec.grammar.diagnostics import Fix
from orchspec.grammar.idioms import Rewriting, View, idiom

__all__: list[str] = []

_VALUE_ENDS: Final = frozenset({
    "NAME", "MEMBER", "RPAR", "RSQB", "RBRACE", "INT", "FLOAT", "DURATION", "MONEY", "PERCENT", "STRING", "TRUE",
    "FALSE", "NONE",
})  # fmt: skip
_VALUES_STAND_IN: Final = ("LET", "RETURN", "GIVE", "FAIL", "UNTIL", "STEP", "EXPECT")
_CHOICE: Final = (
    "`route name { when CONDITION -> give A  else -> give B }` chooses between values; `a ?? b` is for what may be none"
)
_LISTS: Final = (
    "`.field` on a list gives the field of each; `count`, `any`, `all`, `sum` and `distinct` look at all of one; "
    "a `scope … for x in xs { give … }` makes a list of others"
)


def _inside_a_line(view: View, index: int) -> bool:
    return view.kind(index - 1) in _VALUE_ENDS and not view.starts_line(index)


@idiom(words=("is",))
def identity(view: View, index: int) -> Rewriting | None:
    """`x is none` and `x is not none`."""
    if not _inside_a_line(view, index):
        return None
    end = index + 2 if view.kind(index + 1) == "NOT" else index + 1
    kind, sign = ("DIFFERS", "!=") if end == index + 2 else ("EQUALS", "==")
    fix = Fix(f"write `{sign}`", (view.edit(index, end, sign),), "machine-applicable")
    span = view.span(index, end)
    report = view.report(codes.FOREIGN_OPERATOR, span, fix=fix, found=span.text, expected=sign)
    return Rewriting(end, (view.read(index, kind, sign),), report)


@idiom(words=("if",))
def conditional(view: View, index: int) -> Rewriting | None:
    """`a if x else b`."""
    end = view.rest(index)
    if not _inside_a_line(view, index) or view.find({"ELSE"}, index, end) is None:
        return None
    report = view.report(codes.FOREIGN_EXPRESSION, view.span(index, index + 1), notes=[_CHOICE], what="`if … else`")
    return Rewriting(end, (), report)


@idiom("QUESTION")
def question_mark(view: View, index: int) -> Rewriting | None:
    """`x ? a : b`."""
    end = view.rest(index)
    if not _inside_a_line(view, index) or view.items[index].start == view.items[index - 1].end:
        return None
    if view.find({"COLON"}, index, end) is None or view.kind(view.line_head(index)) not in _VALUES_STAND_IN:
        return None  # an optional type, in a loose hand
    report = view.report(codes.FOREIGN_EXPRESSION, view.span(index, index + 1), notes=[_CHOICE], what="`? :`")
    return Rewriting(end, (), report)


@idiom("LSQB")
def comprehension(view: View, index: int) -> Rewriting | None:
    """`[f(x) for x in xs if x]`."""
    closing = view.closing.get(index)
    loop = None if closing is None else view.find({"FOR"}, index + 1, closing)
    if closing is None or loop is None:
        return None
    report = view.report(
        codes.FOREIGN_EXPRESSION, view.span(loop, loop + 1), notes=[_LISTS], what="`for`: there are no comprehensions"
    )
    return Rewriting(closing, (view.items[index],), report)


@idiom(words=("f", "r", "b"))
def prefixed_string(view: View, index: int) -> Rewriting | None:
    """`f"about {topic}"`."""
    following = index + 1
    if view.kind(following) not in ("STRING", "LONG_STRING") or view.items[following].start != view.items[index].end:
        return None
    notes = ['`+` joins texts: `"about " + topic`; `text(x)` makes a text of what is none']
    report = view.report(
        codes.FOREIGN_EXPRESSION, view.span(index, following + 1), notes=notes, what="placeholders in strings"
    )
    return Rewriting(following, (), report)


@idiom(words=("lambda",))
def function(view: View, index: int) -> Rewriting | None:
    """`lambda x: x.score`."""
    end = view.rest(index)
    if view.starts_line(index) or view.kind(index + 1) not in ("NAME", "LABEL"):
        return None
    notes = ["where a rule looks at candidates, `it` is the one looked at: `highest(it.score)`"]
    report = view.report(codes.FOREIGN_EXPRESSION, view.span(index, index + 1), notes=notes, what="functions as values")
    return Rewriting(end, (view.made("NAME", "", index),), report)


@idiom("PLUS", "MINUS")
def assignment(view: View, index: int) -> Rewriting | None:
    """`n += 1`."""
    following = index + 1
    if view.kind(following) != "EQUAL" or view.items[following].start != view.items[index].end:
        return None
    sign = f"`{view.items[index].text}=`"
    notes = ["a name is given once; what changes from round to round of a `repeat` is read from `prev`"]
    report = view.report(codes.FOREIGN_EXPRESSION, view.span(index, following + 1), notes=notes, what=sign)
    return Rewriting(following + 1, (view.read(following, "EQUAL"),), report)
