"""Statements of other languages in a flow: branches and loops, calls by a list, settings with a colon."""

from __future__ import annotations

import re
from typing import Final

from orchspec.grammar import codes
from orchspec.grammar.build_statements import HOW_TO_ASK
from orchspec.grammar.diagnostics import Edit, Fix
from orchspec.grammar.idiom_words import STATEMENTS
from orchspec.grammar.idioms import Rewriting, View, idiom
from orchspec.grammar.lexer import Token

__all__: list[str] = []

_ELSE: Final = frozenset({"else", "elif", "elseif", "catch", "except", "finally"})
_SWITCHES: Final = ("switch", "match", "select")
_DEFAULTS: Final = ("default", "otherwise", "_")
_WITH_SETTINGS: Final = frozenset({
    "STEP", "AGENT", "HUMAN", "DISPATCHER", "TOOL", "EFFECT", "POLICY", "CONTRACT", "MODEL", "PROFILE", "ARBITRATE",
    "SUPERVISE", "EVAL", "BUDGET", "SIGNAL", "CHANNEL", "TEST", "SCENARIO", "BY",
})  # fmt: skip
_OTHER_HEADS: Final = frozenset({
    "ROUTE", "SCOPE", "REPEAT", "ELSE", "TYPE", "ENUM", "FLOW", "MACHINE", "STATE", "PEERS", "CASE", "WHEN", "IMPORT",
    "RETURN", "GIVE", "LET", "UNTIL", "FAIL", "WAIT", "SEND", "STUB", "EXPECT", "FAULT",
})  # fmt: skip
_TITLE_CHARS_MAX: Final = 70
_BEFORE_SETTINGS: Final = frozenset({"NAME", "MEMBER", "RPAR", "RSQB", "MORE", "QUESTION", "STRING", "BUDGET"})
_BEFORE_VALUES: Final = frozenset({"EQUAL", "COLON", "COMMA", "LPAR", "LSQB", "ARROW", "PLUS", "EQUALS", "DIFFERS"})


def _in_flow(view: View, index: int) -> bool:
    return view.depths[index] > 0 and view.begins(index)


@idiom("ELSE", words=_ELSE)
def foreign_else(view: View, index: int) -> Rewriting | None:
    """`} else {` behind a foreign block, which was reported."""
    if index - 1 not in view.chained:
        return None
    brace = view.find({"LBRACE"}, index, view.rest(index))
    if brace is None:
        return None
    if brace in view.closing:
        view.chained.add(view.closing[brace])
    return Rewriting(brace, _scope(view, index), None)


@idiom("FOR", words=STATEMENTS)
def foreign_statement(view: View, index: int) -> Rewriting | None:
    """`if x {`, `for t in ts {`, `while x {`, `parallel {`, `try {`, `assert x`, `print(x)`."""
    following = view.kind(index + 1)
    if not _in_flow(view, index) or following in ("EQUAL", "COLON") or view.items[index].kind == "LABEL":
        return None
    end = view.rest(index)
    brace = view.find({"LBRACE"}, index, end)
    if view.kind(index) == "FOR" and not _holds_statements(view, brace):
        return None  # the loop of a step on a line of its own
    word = view.items[index].text
    report = view.report(codes.FOREIGN_STATEMENT, view.span(index, index + 1), notes=[STATEMENTS[word]], found=word)
    if brace is None:
        return Rewriting(end, (), report)
    if brace in view.closing:
        view.chained.add(view.closing[brace])
    return Rewriting(brace, _scope(view, index), report)


def _scope(view: View, index: int) -> tuple[Token, ...]:
    """What is in a foreign block is read as the body of a scope without a name."""
    return view.made("SCOPE", "scope", index), view.made("NAME", "", index)


def _holds_statements(view: View, brace: int | None) -> bool:
    inside = () if brace is None else range(brace + 1, view.closing.get(brace, brace + 1))
    return any(view.kind(each) in ("STEP", "LET", "ARBITRATE", "SCOPE", "GIVE", "ROUTE", "REPEAT") for each in inside)


@idiom(words=_SWITCHES)
def switch(view: View, index: int) -> Rewriting | None:
    """`switch kind {`: a route without its name and `on`."""
    brace = view.find({"LBRACE"}, index, view.rest(index))
    if not _in_flow(view, index) or brace is None or brace == index + 1:
        return None
    word = view.items[index].text
    subject = view.span(index + 1, brace).text
    notes = [f"`route name on {subject} {{ case A.b -> … else -> … }}` chooses, and every member has an arm"]
    fix = Fix("name the route", (view.edit(index, index + 1, "route … on"),), "has-placeholders")
    report = view.report(codes.FOREIGN_STATEMENT, view.span(index, index + 1), notes=notes, fix=fix, found=word)
    made = view.made("ROUTE", "route", index), view.made("NAME", "", index), view.made("ON", "on", index)
    return Rewriting(index + 1, made, report)


@idiom("CASE", words=_DEFAULTS)
def arm_with_colon(view: View, index: int) -> Rewriting | None:
    """`case Kind.billing: …` and `default: …`."""
    if not _in_flow(view, index):
        return None
    is_case = view.kind(index) == "CASE"
    end = view.rest(index)
    colon = view.find({"COLON", "ARROW"}, index + 1, end) if is_case else index + 1
    if colon is None or view.kind(colon) not in ("COLON", "ARROW"):
        return None
    edits, wrong, place = [], "", index
    tokens = [
        view.read(each, "NAME") if view.kind(each) == "LABEL" else view.items[each] for each in range(index, colon)
    ]
    if not is_case:
        tokens = [view.read(index, "ELSE", "else")]
        edits.append(view.edit(index, index + 1, "else"))
        wrong = "else"
    if view.kind(colon) == "COLON":
        edits.append(Edit(view.span(colon, colon + 1), " ->"))
        wrong, place = (wrong, place) if wrong else ("->", colon)
    if not edits:
        return None
    found = f"`{view.items[place].text}`"
    fix = Fix(f"write `{wrong}`", tuple(edits), "machine-applicable")
    report = view.report(codes.WRONG_TOKEN, view.span(place, place + 1), fix=fix, expected=f"`{wrong}`", found=found)
    return Rewriting(colon + 1, (*tokens, view.read(colon, "ARROW", "->")), report)


@idiom("LBRACE")
def settings_with_colons(view: View, index: int) -> Rewriting | None:
    """`{ timeout: 30s, attempts: 3 }` and `budget { cost = $4, tokens = 400k }`."""
    head = _head(view, index)
    if head is None or index not in view.closing:
        return None
    limits = head == "BUDGET"
    form, sign, kind = ("name <= value", "<=", "AT_MOST") if limits else ("name = value", "=", "EQUAL")
    tokens: list[Token] = [view.items[index]]
    edits: list[Edit] = []
    first: int | None = None
    commas = False
    inside, end = index + 1, view.closing[index]
    while inside < end:
        token, following = view.items[inside], view.kind(inside + 1)
        wrong_sign = (token.kind == "LABEL" and following == "COLON") or (
            limits and token.kind == "NAME" and following in ("EQUAL", "LESS")
        )
        if wrong_sign:
            if token.kind == "LABEL" and view.kind(inside + 2) == "LBRACE" and token.text == "budget":
                return None
            tokens += [view.read(inside, "NAME"), view.read(inside + 1, kind, sign)]
            edits.append(view.edit(inside + 1, inside + 2, sign if following != "COLON" else f" {sign}"))
            first = inside + 1 if first is None else first
            inside += 2
        elif token.kind == "COMMA":
            edits.append(view.edit(inside, inside + 1, " "))
            first = inside if first is None else first
            commas = True
            inside += 1
        else:
            last = view.closing.get(inside, inside)
            tokens += view.items[inside : last + 1]
            inside = last + 1
    if first is None:
        return None
    what = "limits of a budget" if limits else "attributes"
    title = re.sub(r"\s*\n\s*", " ", _edited(view, index, end + 1, edits))
    fix = Fix(
        f"write `{title}`" if len(title) <= _TITLE_CHARS_MAX else f"write `{form}`", tuple(edits), "machine-applicable"
    )
    rest = ", without `,` between them" if commas else ""
    report = view.report(codes.FOREIGN_SETTINGS, view.span(first, first + 1), fix=fix, what=what, form=form, rest=rest)
    return Rewriting(end, tuple(tokens), report)


def _edited(view: View, start: int, end: int, edits: list[Edit]) -> str:
    """The text of some tokens with edits applied."""
    span = view.span(start, end)
    text = span.text
    for edit in reversed(edits):
        text = text[: edit.span.start - span.start] + edit.replacement + text[edit.span.end - span.start :]
    return text


def _head(view: View, brace: int) -> str | None:
    """The keyword of the declaration or statement whose settings a brace opens; none when it opens something else."""
    if view.kind(brace - 1) not in _BEFORE_SETTINGS:
        return None
    depth = view.depths[brace]
    for index in range(brace - 1, max(brace - 60, -1), -1):
        if view.depths[index] < depth or view.kind(index) in ("LBRACE", "RBRACE"):
            return None
        if view.depths[index] != depth:
            continue
        if view.kind(index) in _WITH_SETTINGS:
            return view.kind(index)
        if view.kind(index) in _OTHER_HEADS:
            return None
    return None


@idiom("BY")
def by_a_list(view: View, index: int) -> Rewriting | None:
    """`by [a, b]`, `by all [a, b]`, `by a, b` and `by a and b`."""
    following = index + 1
    if view.kind(following) in ("ALL", "ANY", "FIRST") and view.kind(following + 1) == "LSQB":
        word = view.items[following].text
        fix = Fix("insert `of`", (view.edit(following + 1, following + 1, "of "),), "machine-applicable")
        where = f"after `{word}`"
        place = view.span(following + 1, following + 2)
        report = view.report(codes.MISSING_TOKEN, place, fix=fix, expected="`of`", where=where)
        return Rewriting(
            following + 1, (*view.items[index : following + 1], view.made("OF", "of", following + 1)), report
        )
    made = view.made("ALL", "all", following), view.made("OF", "of", following)
    if view.kind(following) == "LSQB":
        fix = Fix("ask all of them", (view.edit(following, following, "all of "),))
        report = view.report(
            codes.BAD_BY,
            view.span(following, view.closing.get(following, following) + 1),
            notes=[HOW_TO_ASK],
            fix=fix,
            found="a list alone",
        )
        return Rewriting(following, (view.items[index], *made), report)
    end = following
    agents = []
    while view.kind(end) == "NAME" and view.kind(end + 1) in ("COMMA", "AND", "OR", "VBAR"):
        agents.append(view.items[end])
        end += 2
    if not agents or view.kind(end) != "NAME":
        return None
    agents.append(view.items[end])
    names = ", ".join(agent.text for agent in agents)
    fix = Fix("ask all of them", (view.edit(following, end + 1, f"all of [{names}]"),))
    report = view.report(codes.BAD_BY, view.span(following, end + 1), notes=[HOW_TO_ASK], fix=fix, found="this")
    listed = [part for agent in agents for part in (agent, view.made("COMMA", ",", end))][:-1]
    brackets = view.made("LSQB", "[", following), view.made("RSQB", "]", end)
    return Rewriting(end + 1, (view.items[index], *made, brackets[0], *listed, brackets[1]), report)


@idiom("NAME")
def step_without_its_word(view: View, index: int) -> Rewriting | None:
    """`draft = Draft(topic) by ann`."""
    if not _in_flow(view, index) or view.kind(index + 1) != "EQUAL" or view.kind(index + 2) != "NAME":
        return None
    if view.kind(index - 1) in ("STEP", "EVAL", "SUPERVISE", "PEERS"):
        return None
    call = index + 3
    while view.kind(call) == "MEMBER":
        call += 1
    if view.kind(call) != "LPAR" or view.kind(view.closing.get(call, call) + 1) != "BY":
        return None
    fix = Fix("insert `step`", (view.edit(index, index, "step "),), "machine-applicable")
    where = f"before `{view.items[index].text}`"
    report = view.report(codes.MISSING_TOKEN, view.span(index, index + 1), fix=fix, expected="`step`", where=where)
    return Rewriting(index + 1, (view.made("STEP", "step", index), view.items[index]), report)


@idiom("LET")
def let_with_a_type(view: View, index: int) -> Rewriting | None:
    """`let n: Int = 1`."""
    end = view.rest(index)
    equal = view.find({"EQUAL"}, index, end)
    if view.kind(index + 1) != "LABEL" or view.kind(index + 2) != "COLON" or equal is None or equal == index + 3:
        return None
    fix = Fix("leave the type out", (view.edit(index + 2, equal, ""),), "machine-applicable")
    found = f"`: {view.span(index + 3, equal).text}`"
    report = view.report(
        codes.UNEXPECTED_TOKEN,
        view.span(index + 2, equal),
        notes=["a `let` has the type of its value"],
        fix=fix,
        found=found,
    )
    return Rewriting(equal, (view.items[index], view.read(index + 1, "NAME")), report)


@idiom("REPEAT")
def repeat_without_a_bound(view: View, index: int) -> Rewriting | None:
    """`repeat draft {`: the loop has no bound."""
    if view.kind(index + 1) != "NAME" or view.kind(index + 2) != "LBRACE":
        return None
    place = index + 2
    fix = Fix("say how often at most", (view.edit(place, place, "… times "),), "has-placeholders")
    notes = ["every loop has its bound in the text: `repeat draft 3 times { … }`"]
    report = view.report(
        codes.MISSING_TOKEN,
        view.span(place, place + 1),
        notes=notes,
        fix=fix,
        expected="the number of rounds",
        where=f"after `{view.items[index + 1].text}`",
    )
    bound = view.made("INT", "1", place), view.made("TIMES", "times", place)
    return Rewriting(place, (*view.items[index:place], *bound), report)


@idiom("ARBITRATE")
def arbitrate_by(view: View, index: int) -> Rewriting | None:
    """`arbitrate best = drafts by majority`."""
    end = view.rest(index)
    by = view.find({"BY", "WITH", "LPAR"}, index, end)
    if by is None or view.kind(by) == "LPAR" or view.find({"LBRACE"}, index, end) is not None:
        return None
    notes = ["how it is decided stands in braces: `{ decide = majority(it.verdict) or first }`"]
    found = f"`{view.items[by].text}`"
    fix = Fix("write the rule", (view.edit(by, end, "{ decide = … or first }"),), "has-placeholders")
    report = view.report(
        codes.WRONG_TOKEN, view.span(by, by + 1), notes=notes, fix=fix, expected="`{ decide = … }`", found=found
    )
    return Rewriting(end, tuple(view.items[index:by]), report)


_ATTRIBUTES: Final = {
    "AGENT": "who does a step stands behind `by`",
    "BUDGET": "a budget is a block: `budget { cost <= $4.00  time <= 6h }`",
    "CHANNEL": "channels are declared, and `send channel(…)` sends",
    "CONTRACT": "an agent says behind `fulfills` what it does, and a step calls the contract",
    "EFFECT": "an agent lists what it may do in `effects = [refund]`",
    "FOR": "`for x in xs` stands behind `by`",
    "MODEL": "an agent lists the models it may use in `models = [large, small]`; each is declared, `model large { … }`",
    "ON": "`after = [a]` orders steps; `on done -> state` leads on from a state of a machine",
    "POLICY": "policies are listed: `policies = [patient]`",
    "TOOL": "an agent lists its tools in `tools = [web_search]`",
    "TYPE": "a type is declared: `type Note { text: Text }`",
    "UNTIL": "`until CONDITION` is a statement of a `repeat`",
    "WHEN": "`only_if = CONDITION` leaves a step out",
}


@idiom(*_ATTRIBUTES)
def keyword_as_attribute(view: View, index: int) -> Rewriting | None:
    """`model = "gpt-4"`, `budget = $4`, `when = x`: keywords where an attribute should stand."""
    if view.kind(index + 1) != "EQUAL" or view.depths[index] == 0 or view.kind(index - 1) in _BEFORE_VALUES:
        return None
    word = view.items[index].text
    report = view.report(
        codes.RESERVED_WORD, view.span(index, index + 1), notes=[_ATTRIBUTES[view.kind(index)]], found=word
    )
    return Rewriting(index + 1, (view.made("NAME", "", index),), report)
