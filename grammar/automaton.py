"""The LALR(1) automaton: shifts tokens, reduces by rules, and calls the builder for each rule.

It works on explicit stacks, so that no input, however deep, meets Python's recursion limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        states, values, items = self.states, self.values, self.items
        position = self.position
        while True:
            token = items[position]
            action = actions[states[-1]].get(token.kind)
            if action is None:
                self.position = position
                return None
            if action >= 0:
                states.append(action)
                values.append(token)
                builder.end = token.end
                position += 1
                continue
            origin, size, method = rules[-1 - action]
            if size:
                if method is None:
                    value = values.pop()
                    states.pop()
                else:
                    arguments = values[-size:]
                    del values[-size:], states[-size:]
                    value = method(*arguments)
            else:
                assert method is not None, "an empty alternative makes a value"
                value = method()
            state = actions[states[-1]][origin]
            if state == accept and token.kind == END:
                self.position = position
                assert isinstance(value, File)
                return value
            states.append(state)
            values.append(value)


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
