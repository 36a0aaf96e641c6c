"""A Hypothesis strategy of sound specs: derivations of `orch.lark` itself, spelt out with odd spacing and comments."""

from __future__ import annotations

import functools
from collections import defaultdict
from random import Random

from hypothesis import strategies as st
from lark import Lark

from orchspec.grammar.tables import grammar_text, load_tables

__all__ = ["specs"]

DEPTH = 9
_SAMPLES = {
    "NAME": ["a", "b2", "long_name_of_something", "x"],
    "LABEL": ["a", "step", "long_label"],
    "MEMBER": [".a", ".state"],
    "INT": ["1", "400_000", "3k"],
    "FLOAT": ["0.25", "1.5M"],
    "DURATION": ["45s", "1.5h"],
    "MONEY": ["$4.00", "$1"],
    "PERCENT": ["75%", "0.5%"],
    "STRING": ['""', '"a \\" // b"', '"' + "long text " * 6 + '"'],
    "LONG_STRING": ['"""two\n  lines"""'],
}
# What the grammar admits more widely than the language, and the builder narrows.
_FIXED = {
    "by": ["", "by a", "by any", "by all of [a, b.c]", "by 3 of a", "by first of [a, b]"],
    "peers": ["peers p = D(a) among [a, b] { start = a  hops = 3  handoff a -> b | a when x > 1 }"],
    "until": ["let u = 1"],
    "every": ["checkpoint c"],
    "on_event": ["wait 3s"],
}
# What stands only where the derivation does not put it; now and then it is taken in the place of a derivation.
_WHOLE = {
    "repeat": [
        "repeat r 3 times { every 30s  step s = D(a) by a  until s > 1 and prev.s != none  give s } else { give a }",
        "repeat r n + 1 times { let a = past  until a }",
    ],
    "peers": [
        "peers p = D(t: a) among [a, b.c] { start = a  budget { cost <= $1 }  handoff a -> b.c  handoff b.c -> a }"
    ],
    "state_decl": [
        "state s { visits = 3  step d = D(a) by a  on done when d > 1 -> t  on done -> u  on exhausted -> u }",
        "initial state s { timeout = 1h  on done -> t  on timeout -> u  on paid(o.id) as p when p.ok -> t }",
        "final state s { return a.b ?? none }",
    ],
    "test_item": ["stub a.B = 1 then none then { x: [] }", "expect p95(latency) <= 8min", "fault fail(a, first: 1)"],
}
_LOOSE = ["\n", "\n\n", "\n\n\n", "  ", "   ", "\t", " // note\n", "\n// alone\n", "\n/// doc\n", "\n      "]


@functools.lru_cache(maxsize=1)
def _grammar() -> tuple[dict[str, list[list[str]]], dict[str, int]]:
    """The alternatives of each rule, and the least depth of a derivation from each symbol."""
    lark = Lark(grammar_text(), parser="lalr", lexer="basic", maybe_placeholders=False)
    rules: dict[str, list[list[str]]] = defaultdict(list)
    for rule in lark.rules:
        rules[str(rule.origin.name)].append([str(symbol.name) for symbol in rule.expansion])
    # Comparisons do not chain; the builder says so, not the grammar.
    rules["comparison"] = [["coalescing"], ["coalescing", "comparator", "coalescing"]]
    depths = dict.fromkeys(load_tables().spellings, 0) | dict.fromkeys(_SAMPLES, 0) | dict.fromkeys(_FIXED, 1)
    changed = True
    while changed:
        changed = False
        for origin, alternatives in rules.items():
            known = [
                1 + max((depths[name] for name in names), default=0)
                for names in alternatives
                if all(name in depths for name in names)
            ]
            if known and min(known) < depths.get(origin, 10**6):
                depths[origin] = min(known)
                changed = True
    return dict(rules), depths


def _derive(symbol: str, depth: int, random: Random, words: list[str]) -> None:
    rules, depths = _grammar()
    if symbol in _WHOLE and random.random() < 0.4:
        words.extend(random.choice(_WHOLE[symbol]).split(" "))
    elif symbol in _FIXED:
        words.extend(random.choice(_FIXED[symbol]).split(" "))
    elif symbol in rules:
        fitting = [names for names in rules[symbol] if max((depths[name] for name in names), default=0) < depth]
        least = min(rules[symbol], key=lambda names: max((depths[name] for name in names), default=0))
        for name in random.choice(fitting) if fitting else least:
            _derive(name, depth - 1, random, words)
    else:
        words.append(random.choice(_SAMPLES.get(symbol) or [load_tables().spellings[symbol]]))


def _spelt(words: list[str], looseness: float, random: Random) -> str:
    text = ""
    for index, word in enumerate(words):
        # A label knows itself by the colon that follows: nothing but space may stand between.
        following = words[index + 1] if index + 1 < len(words) else ""
        text += word + (" " if following == ":" or random.random() >= looseness else random.choice(_LOOSE))
    return text


@st.composite
def specs(draw: st.DrawFn) -> str:
    """The text of a sound spec."""
    random = draw(st.randoms(use_true_random=False))
    words: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        _derive("declaration", draw(st.integers(4, DEPTH)) + 6, random, words)
    spelt = _spelt([word for word in words if word], draw(st.sampled_from([0.0, 0.1, 0.4])), random)
    return f"orch 1\n{spelt}"
