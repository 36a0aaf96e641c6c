"""The parse table and the scanner of the grammar, made by lark from `orch.lark` and kept in a cache of our own.

Lark builds the LALR(1) table; what is kept is plain data (JSON: unlike a pickle, a spoilt or planted cache file can
at worst be refused), so that with a warm cache parsing needs no import of lark. The cache lies in the user's cache
directory, is written atomically, is read only when the user owns it and nobody else may write to it, and its name
is a hash of the grammar, of lark's and of Python's version. Where none can be written, the table is built each time.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orchspec.slotted import dataclass

__all__ = ["END", "Tables", "cache_directory", "grammar_text", "load_tables"]

END = "$END"
"""The terminal after the last token."""

_FORMAT = 2
_CACHE_BYTES_MAX = 8_000_000


@dataclass(frozen=True, slots=True)
class Tables:
    """What the parser and the scanner run on.

    `actions[state]` maps a terminal to what to do: a state (>= 0) to shift to, or `-1 - rule` to reduce by; and a
    nonterminal to the state to go to. `rules[i]` is (nonterminal, number of symbols, name of the alternative, empty
    when it passes its one symbol on).
    `accept` is the state in which the whole file has been read. `patterns` are the terminals in the order in which the
    scanner tries them, `keywords` the reserved words. `shortcuts` is what the automaton has learnt of the table.
    """

    actions: tuple[Mapping[str, int], ...]
    rules: tuple[tuple[str, int, str], ...]
    start: int
    accept: int
    patterns: tuple[tuple[str, str], ...]
    ignored: frozenset[str]
    keywords: Mapping[str, str]
    spellings: Mapping[str, str]
    shortcuts: dict[tuple[int, int, str], int] = field(default_factory=dict)


def grammar_text() -> str:
    """The text of `orch.lark`."""
    return Path(__file__).with_name("orch.lark").read_text(encoding="utf-8")


def cache_directory() -> Path | None:
    """`$XDG_CACHE_HOME/orch`, else `~/.cache/orch`; none when neither can be told."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    if Path(root).is_absolute():
        return Path(root) / "orch"
    try:
        return Path.home() / ".cache" / "orch"
    except RuntimeError:  # no home directory
        return None


@functools.lru_cache(maxsize=1)
def load_tables() -> Tables:
    """The tables, from the cache or else built by lark."""
    grammar = grammar_text()
    path = _cache_path(grammar)
    data = None if path is None else _read(path)
    if data is not None:
        try:
            return _restore(data)
        except (KeyError, TypeError, ValueError, IndexError):
            pass  # spoilt: build it again and write it over
    data = _build(grammar)
    if path is not None:
        _write(path, data)
    return _restore(data)


def _cache_path(grammar: str) -> Path | None:
    directory = cache_directory()
    if directory is None:
        return None
    key = "\0".join((str(_FORMAT), grammar, _lark_version(), sys.version))
    return directory / f"grammar-{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def _lark_version() -> str:
    """Lark's version, read from its source: importing lark or `importlib.metadata` would cost more than the table."""
    spec = find_spec("lark")
    if spec is None or spec.origin is None:
        return "none"
    match = re.search(r"__version__[^=\n]*=\s*[\"']([^\"']+)", Path(spec.origin).read_text(encoding="utf-8"))
    return "unknown" if match is None else match[1]


def _read(path: Path) -> Any:
    """The content of a cache file that the user alone could have written, else none."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _CACHE_BYTES_MAX:
                return None
            if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
                return None
            return json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None


def _write(path: Path, data: Any) -> None:
    """Puts the tables into the cache, whole or not at all; a cache that cannot be written is no error."""
    import tempfile  # 10 ms: only when the cache is cold

    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".grammar-", dir=path.parent)  # mode 0600, a name nobody can foretell
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file, separators=(",", ":"))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _build(grammar: str) -> dict[str, Any]:
    """Lets lark make the table, and takes from it what `Tables` holds."""
    from lark import Lark  # 40 ms: only when the cache is cold
    from lark.lexer import PatternStr
    from lark.parsers.lalr_analysis import Shift

    lark = Lark(grammar, parser="lalr", lexer="basic", maybe_placeholders=False)
    table = lark.parser.parser._parse_table  # noqa: SLF001 - lark's own `save` reads it so
    actions, rules, states = _numbered(table, Shift)
    keywords = {t.pattern.value: t.name for t in lark.terminals if t.pattern.value.isalpha()}
    # The order of lark's basic lexer (lark/lexer.py, BasicLexer.__init__).
    ordered = sorted(lark.terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    patterns = [(t.name, t.pattern.to_regexp()) for t in ordered if t.name not in keywords.values()]
    spellings = {t.name: t.pattern.value for t in lark.terminals if isinstance(t.pattern, PatternStr)}
    return {
        "actions": actions,
        "rules": rules,
        "start": states[table.start_states["start"]],
        "accept": states[table.end_states["start"]],
        "patterns": patterns,
        "ignored": sorted(lark.ignore_tokens),
        "keywords": keywords,
        "spellings": spellings,
    }


def _numbered(table: Any, shift: object) -> tuple[list[dict[str, int]], list[tuple[str, int, str]], dict[int, int]]:
    """Actions and rules with numbers of our own: lark's follow the hash seed, ours the grammar.

    Repairs of equal cost are tried in the order of the table, so the same text must meet the same table everywhere.
    States are numbered as they are reached from the start, rules as they are met.
    """
    states = {table.start_states["start"]: 0}
    queue = [table.start_states["start"]]
    rules: list[tuple[str, int, str]] = []
    numbers: dict[Any, int] = {}
    actions: list[dict[str, int]] = []
    for state in queue:
        row: dict[str, int] = {}
        for symbol, (action, argument) in sorted(table.states[state].items()):
            if action is shift:
                if argument not in states:
                    states[argument] = len(states)
                    queue.append(argument)
                row[symbol] = states[argument]
                continue
            if argument not in numbers:
                numbers[argument] = len(rules)
                # `?rule: other` only passes its one symbol on.
                passes_on = argument.options.expand1 and argument.alias is None and len(argument.expansion) == 1
                name = "" if passes_on else argument.alias or argument.origin.name
                rules.append((str(argument.origin.name), len(argument.expansion), str(name)))
            row[symbol] = -1 - numbers[argument]
        actions.append(row)
    return actions, rules, states


def _restore(data: Any) -> Tables:
    """The tables from plain data; raises ValueError, KeyError or TypeError when it cannot be one of ours."""
    actions = tuple({sys.intern(symbol): int(to) for symbol, to in row.items()} for row in data["actions"])
    rules = tuple((sys.intern(origin), int(size), str(name)) for origin, size, name in data["rules"])
    for row in actions:
        for to in row.values():
            if not -len(rules) <= to < len(actions):
                raise ValueError("the cached table points outside of itself")
    patterns = tuple((str(name), str(pattern)) for name, pattern in data["patterns"])
    return Tables(
        actions=actions,
        rules=rules,
        start=int(data["start"]),
        accept=int(data["accept"]),
        patterns=patterns,
        ignored=frozenset(data["ignored"]),
        keywords=dict(data["keywords"]),
        spellings=dict(data["spellings"]),
    )
