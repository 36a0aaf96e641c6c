"""Declarations of other languages: blocks behind a colon, YAML, Python's imports, agents without contracts."""

from __future__ import annotations

from typing import Final

from orchspec.grammar import codes
from orchspec.grammar.diagnostics import Edit, Fix
from orchspec.grammar.idiom_words import DECLARATIONS, GENERICS
from orchspec.grammar.idioms import Rewriting, View, idiom
from orchspec.grammar.lexer import Token
from orchspec.grammar.source import Span
from orchspec.grammar.tables import END

__all__: list[str] = []

_HEADS: Final = frozenset({
    "IMPORT", "PARAM", "ENUM", "TYPE", "MODEL", "DECISION", "CONTRACT", "AGENT", "HUMAN", "DISPATCHER", "TOOL",
    "EFFECT", "POLICY", "SIGNAL", "CHANNEL", "PROFILE", "FLOW", "MACHINE", "TEST", "SCENARIO", END,
})  # fmt: skip
_WITH_BLOCKS: Final = (
    "FLOW",
    "MACHINE",
    "TYPE",
    "ENUM",
    "SCOPE",
    "STATE",
    "TEST",
    "SCENARIO",
    "TOOL",
    "POLICY",
    "PROFILE",
)
_AGENT: Final = "an agent says which contracts it fulfills: `agent scout fulfills Research { timeout = 30s }`"
_IMPORT: Final = 'write `import "std/panel.orch" as panel`'
_FULFILLS: Final = (
    "fulfills", "implements", "does", "handles", "performs", "provides", "can", "for", "of", "is", "extends",
)  # fmt: skip


def _at_top(view: View, index: int) -> bool:
    return view.depths[index] == 0 and view.begins(index)


@idiom("LABEL", "MINUS")
def yaml(view: View, index: int) -> Rewriting | None:
    """`agents:` and `- name: scout` where a declaration should stand."""
    item = view.kind(index) == "MINUS"
    if not _at_top(view, index) or view.lines[index][1] != 1 or view.kind(index - 1) == "PARAM":
        return None
    if item and view.kind(index + 1) != "LABEL":
        return None
    if view.kind(index) == "LABEL" and view.items[index].text in DECLARATIONS:
        return None
    end = index + 1
    while view.kind(end) not in _HEADS:
        end = view.closing.get(end, end) + 1
    notes = ["a declaration begins with its keyword, as in `agent scout fulfills Research { timeout = 30s }`"]
    report = view.report(codes.FOREIGN_DECLARATION, view.span(index, index + 1), notes=notes)
    return Rewriting(end, (), report)


@idiom("IMPORT", words=("from",))
def python_import(view: View, index: int) -> Rewriting | None:
    """`from std import panel`, `import std.panel` and `import "std/panel.orch"`."""
    if not _at_top(view, index):
        return None
    end = view.rest(index)
    if view.kind(index) == "IMPORT" and view.kind(index + 1) in ("STRING", "LONG_STRING"):
        if view.kind(index + 2) == "AS":
            return None
        fix = Fix("name it", (Edit(_behind(view, index + 1), " as …"),), "has-placeholders")
        place, found = view.span(index + 1, index + 2), view.items[index + 1].text
        report = view.report(
            codes.MISSING_TOKEN, place, notes=[_IMPORT], fix=fix, expected="`as` and a name", where=f"after {found}"
        )
        return Rewriting(max(end, index + 2), (), report)
    report = view.report(codes.FOREIGN_DECLARATION, view.span(index, end), notes=[_IMPORT])
    return Rewriting(end, (), report)


def _behind(view: View, index: int) -> Span:
    return Span(view.source, view.items[index].end, view.items[index].end)


@idiom(words=DECLARATIONS)
def foreign_keyword(view: View, index: int) -> Rewriting | None:
    """`def f(…)`, `class Note {`, `function`, `variable`, `bot`."""
    if (
        not _at_top(view, index)
        or view.kind(index) != "NAME"
        or view.kind(index + 1) not in ("NAME", "LABEL", "STRING")
    ):
        return None
    found = view.items[index].text
    meant = DECLARATIONS[found]
    fix = Fix(f"write `{meant}`", (view.edit(index, index + 1, meant),))
    report = view.report(codes.MISSPELT_KEYWORD, view.span(index, index + 1), fix=fix, found=found, expected=meant)
    name = view.read(index + 1, "NAME") if view.kind(index + 1) == "STRING" else view.items[index + 1]
    return Rewriting(index + 2, (view.read(index, meant.upper(), meant), name), report)


@idiom("AGENT", "HUMAN", "DISPATCHER")
def agent_without_contracts(view: View, index: int) -> Rewriting | None:
    """`agent scout { … }`, `agent scout(Research)`, `agent scout: Research`, `agent scout implements Research`."""
    name = index + 1
    if not view.begins(index) or view.kind(name) not in ("NAME", "LABEL") or view.kind(name + 1) == "FULFILLS":
        return None
    label, end = view.kind(name) == "LABEL", name + 1
    head: tuple[Token, ...] = view.items[index], view.read(name, "NAME")
    contracts: tuple[Token, ...] = (view.made("NAME", "", end),)
    edit = view.edit(name + 1, name + 1, "fulfills … ")
    if view.kind(end) == "LPAR" and end in view.closing:
        contracts, end = tuple(view.items[end + 1 : view.closing[end]]) or contracts, view.closing[end] + 1
        edit = view.edit(name + 1, end, f" fulfills {''.join(token.text for token in contracts)}")
    elif label and not view.starts_line(end + 1):
        contracts, end = (), end + 1
        edit = view.edit(name + 1, end, " fulfills")
    elif label:
        report = view.report(codes.INDENTED_BLOCK, view.span(end, end + 1), notes=[_AGENT])
        return Rewriting(_dedented(view, index), (*head, view.made("FULFILLS", "fulfills", end), *contracts), report)
    elif view.kind(end) in ("NAME", "FOR", "OF") and view.items[end].text in _FULFILLS:
        contracts, end = (), end + 1
        edit = view.edit(name + 1, end, "fulfills")
    elif view.kind(end) == "NAME":
        return None  # a misspelt or a missing word, as everywhere
    missing = contracts[:1] and contracts[0].made
    fix = Fix("say what it fulfills", (edit,), "has-placeholders" if missing else "maybe-incorrect")
    place = view.span(name, name + 1) if view.starts_line(end) else view.span(end - 1, end)
    report = view.report(
        codes.MISSING_TOKEN,
        place if not missing else view.span(name, name + 1),
        notes=[_AGENT],
        fix=fix,
        expected="`fulfills`",
        where=f"after `{view.items[name].text}`",
    )
    return Rewriting(end, (*head, view.made("FULFILLS", "fulfills", end), *contracts), report)


def _dedented(view: View, index: int) -> int:
    """The first token on a later line that stands no further in than the line of `index`."""
    column = view.lines[view.line_head(index)][1]
    end = index + 1
    while view.kind(end) != END and not (view.starts_line(end) and view.lines[end][1] <= column):
        end += 1
    return end


@idiom("COLON", "LABEL")
def block_behind_a_colon(view: View, index: int) -> Rewriting | None:
    """`flow f(a: Int) -> Int:` with an indented block."""
    colon = index + 1 if view.kind(index) == "LABEL" else index
    if not view.starts_line(colon + 1) or view.starts_line(index):
        return None
    head = view.line_head(index)
    if view.depths[head] != view.depths[index]:
        return None
    if view.kind(head) not in _WITH_BLOCKS and view.items[head].text not in DECLARATIONS:
        return None
    fix = Fix("write `{`, and `}` behind the block", (Edit(view.span(colon, colon + 1), " {"),))
    report = view.report(codes.INDENTED_BLOCK, view.span(colon, colon + 1), fix=fix)
    before = (view.read(index, "NAME"),) if colon > index else ()
    return Rewriting(colon + 1, (*before, view.read(colon, "LBRACE", "{")), report, _dedented(view, index))


@idiom("ENUM")
def enum_with_bars(view: View, index: int) -> Rewriting | None:
    """`enum Verdict = accept | revise`, and members in quotes."""
    end = view.rest(index)
    start = index + 3
    if view.kind(index + 1) != "NAME" or view.kind(index + 2) not in ("EQUAL", "LBRACE"):
        return None
    if view.kind(index + 2) == "LBRACE":
        end = view.closing.get(index + 2, start)
        if not any(view.kind(each) == "STRING" for each in range(start, end)):
            return None
    words = [token.text.strip('"') for token in view.items[start:end] if token.kind not in ("VBAR", "COMMA")]
    if not words or not all(word.isidentifier() for word in words):
        return None
    members = [
        part
        for each in range(start, end)
        if view.kind(each) not in ("VBAR", "COMMA")
        for part in (view.read(each, "NAME", view.items[each].text.strip('"')), view.made("COMMA", ",", each))
    ]
    closing = view.closing.get(index + 2, end - 1) if view.kind(index + 2) == "LBRACE" else end - 1
    form = f"{{ {', '.join(words)} }}"
    fix = Fix(f"write `{form}`", (view.edit(index + 2, closing + 1, form),), "machine-applicable")
    wrong = index + 2 if view.kind(index + 2) == "EQUAL" else start
    report = view.report(
        codes.WRONG_TOKEN,
        view.span(wrong, wrong + 1),
        fix=fix,
        expected="names in braces",
        found=f"`{view.items[wrong].text}`",
    )
    braces = view.made("LBRACE", "{", index + 2), view.made("RBRACE", "}", closing)
    return Rewriting(closing + 1, (*view.items[index : index + 2], braces[0], *members, braces[1]), report)


@idiom("NAME")
def generic_in_brackets(view: View, index: int) -> Rewriting | None:
    """`list[Text]`."""
    opening = index + 1
    meant = GENERICS.get(view.items[index].text)
    if meant is None or view.kind(opening) != "LSQB" or opening not in view.closing:
        return None
    if view.kind(index - 1) not in ("COLON", "ARROW", "LESS", "LSQB", "COMMA"):
        return None
    closing = view.closing[opening]
    inner = view.items[opening + 1 : closing]
    if any(token.kind not in ("NAME", "MEMBER", "COMMA", "QUESTION") for token in inner):
        return None
    text = f"{meant}<{view.span(opening + 1, closing).text if inner else '…'}>"
    edits = (view.edit(index, closing + 1, text),)
    fix = Fix(f"write `{text}`", edits, "maybe-incorrect" if inner else "has-placeholders")
    found = f"`{view.span(index, closing + 1).text}`"
    report = view.report(
        codes.WRONG_TOKEN, view.span(index, closing + 1), fix=fix, expected=f"`{meant}<…>`", found=found
    )
    brackets = view.read(opening, "LESS", "<"), view.read(closing, "MORE", ">")
    return Rewriting(closing + 1, (view.read(index, "NAME", meant), brackets[0], *inner, brackets[1]), report)
