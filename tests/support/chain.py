"""The whole chain that a text may go through before anything runs, for tests that only ask that it comes to an end."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

from orchspec.compiler.check import check
from orchspec.compiler.lower import lower
from orchspec.compiler.plan import Plan, plan_from_json
from orchspec.grammar.format import format_source
from orchspec.grammar.render import render_all
from orchspec.grammar.source import Source
from orchspec.graph.build import graph_of
from orchspec.graph.dot import as_dot
from orchspec.graph.mermaid import as_mermaid
from orchspec.graph.svg import as_svg

__all__ = ["SPECS", "goes_through", "mutated", "spoilt"]

ROOT = Path(__file__).resolve().parents[2]
SPECS = sorted({*ROOT.glob("specs/**/*.orch"), *ROOT.glob("tests/**/*.orch")})

_TOKEN = re.compile(r'"[^"\n]*"|//[^\n]*|\w+|[^\s\w]')
_WORDS = (
    "none", "first", "it", "prev", "past", "result", "3", "0", "-1", "$1", "2s", "50%", "[]", "{}", "??", "and", "1..3",
    "ask", "true", "?", "all", "any", "of", "by", "for", "in", "stop", "skip", "use(", ")", "9223372036854775807",
    "1.5M", "step", "scope", "repeat", "until", "give", "return", "route", "else", "->", "case", "when", "fail", "over",
)  # fmt: skip


def goes_through(text: str) -> Plan | None:
    """Checks, formats, renders, lowers and draws a text; gives its plan if it has one.

    Raises AssertionError where something came out that must not; anything else that is raised is a bug as well.
    """
    source = Source("fuzz.orch", text)
    result = check(source)
    for item in result.diagnostics:
        assert item.message
        assert 0 <= item.span.start <= item.span.end <= len(item.span.source.text)
        item.as_json()
    rendered = render_all(result.diagnostics)
    assert all(character == "\n" or character.isprintable() for character in rendered)
    formatted, why_not = format_source(source)
    assert formatted is not None or why_not
    if not result.ok:
        assert result.diagnostics
        return None
    assert formatted is not None
    assert result.checked is not None
    assert result.studies is not None
    plan = lower(result.checked, result.studies)
    assert plan_from_json(plan.as_json()).hash == plan.hash
    graphs = [graph_of(plan, flow) for flow in plan.flows]
    as_mermaid(graphs), as_dot(graphs), as_svg(graphs)
    return plan


def mutated(text: str, draw: Random) -> str:
    """A text with a few of its tokens dropped, doubled, swapped or replaced."""
    for _ in range(draw.choice((1, 1, 2, 4))):
        tokens = list(_TOKEN.finditer(text))
        if not tokens:
            return text
        one, other = draw.choice(tokens), draw.choice(tokens)
        new = draw.choice(("", other.group(), draw.choice(_WORDS), f"{one.group()} {other.group()}"))
        text = text[: one.start()] + new + text[one.end() :]
    return text


def spoilt(text: str, draw: Random) -> str:
    """A text some of whose bytes are others."""
    data = bytearray(text.encode())
    for _ in range(draw.choice((1, 2, 5, 30))):
        place = draw.randrange(len(data) or 1)
        data[place : place + draw.choice((0, 1, 1, 4))] = bytes(draw.choices(range(256), k=draw.choice((0, 1, 1, 3))))
    return bytes(data).decode("utf-8", draw.choice(("replace", "surrogateescape", "ignore")))
