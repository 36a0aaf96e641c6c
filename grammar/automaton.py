"""The LALR(1) automaton: shifts tokens, reduces by rules, and calls the builder for each rule.

It works on explicit stacks, so that no input, however deep, meets Python's recursion limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypeAlias

from orchspec.grammar.build import TreeBuilder
from orchspec.grammar.declarations import File
from orchspec.grammar.lexer import Token, Tokens
from orchspec.grammar.tables import END, Tables

__all__ = ["Automaton", "Stacks", "feed"]

Stacks: TypeAlias = tuple[list[int], list[Any]]


class Automaton:
    """One pass over the tokens of one source; `states` and `values` are its stacks, `position` the next token."""

    def __init__(self, tables: Tables, tokens: Tokens) -> None:
        self.tables = tables
        self.items: list[Token] = tokens.items
        self.builder = TreeBuilder(tokens)
        methods = self.builder.actions([name for _, _, name in tables.rules])
        self.rules: list[tuple[str, int, Callable[..., Any] | None]] = [
            (origin, size, method) for (origin, size, _), method in zip(tables.rules, methods, strict=True)
        ]
        self.states: list[int] = [tables.start]
        self.values: list[Any] = []
        self.position = 0

    def run(self) -> File | None:
        """Reads on from `position` up to the end and gives the file, or stops at the token that does not fit."""
        actions, rules, builder, accept = self.tables.actions, self.rules, self.builder, self.tables.accept
        states, values, shortcuts = self.states, self.values, self.tables.shortcuts
        for position, token in enumerate(islice(self.items, self.position, None), self.position):
            kind = token.kind
            action = actions[states[-1]].get(kind)
            while action is not None and action < 0:
                origin, size, method = rules[-1 - action]
                if method is None:  # the rule passes its one symbol on, so only the state changes
                    place = states[-2], states[-1], kind
                    state = shortcuts.get(place) or _passed_on(self.tables, *place)
                    states[-1] = state
                elif size:
                    arguments = values[-size:]
                    del values[-size:], states[-size:]
                    value = method(*arguments)
                    state = actions[states[-1]][origin]
                    if state == accept and kind == END:
                        self.position = position
                        assert isinstance(value, File)
                        return value
                    states.append(state)
                    values.append(value)
                else:
                    state = actions[states[-1]][origin]
                    states.append(state)
                    values.append(method())
                action = actions[state].get(kind)
            if action is None:
                self.position = position
                return None
            states.append(action)
            values.append(token)
            builder.end = token.end
        raise AssertionError("the last token is the end of the file, which is accepted or does not fit")


def _passed_on(tables: Tables, below: int, state: int, kind: str) -> int:
    """The state in the place of `state` once all rules that only pass a symbol on have been reduced by.

    An atom becomes an expression by ten of them, so that is remembered. No state below another is the start: never 0.
    """
    actions, rules = tables.actions, tables.rules
    passed = state
    while (action := actions[passed].get(kind)) is not None and action < 0 and not rules[-1 - action][2]:
        passed = actions[below][rules[-1 - action][0]]
    tables.shortcuts[below, state, kind] = passed
    return passed


def feed(tables: Tables, states: list[int], kinds: Sequence[str]) -> int:
    """How many of the kinds of tokens can be read from these states, which are changed; values are not made."""
    actions, rules, accept = tables.actions, tables.rules, tables.accept
    for count, kind in enumerate(kinds):
        while True:
            action = actions[states[-1]].get(kind)
            if action is None:
                return count
            if action >= 0:
                states.append(action)
                break
            origin, size, _ = rules[-1 - action]
            if size:
                del states[-size:]
            state = actions[states[-1]][origin]
            if state == accept and kind == END:
                return count + 1
            states.append(state)
    return len(kinds)
