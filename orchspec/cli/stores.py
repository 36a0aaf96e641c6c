"""What the commands on runs share: the store they look into, and values that are given as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import Misuse, did_you_mean
from orchspec.cli.files import read_text

if TYPE_CHECKING:
    from orchspec.runtime.journal import SQLiteStore
    from orchspec.runtime.journal.records import RunRow

__all__ = ["find_run", "json_value", "opened", "store_option"]

store_option = click.option(
    "--store", default="runs.db", show_default=True, metavar="FILE", help="The SQLite file that holds the runs."
)
"""`--store runs.db`."""


@contextmanager
def opened(path: str, *, create: bool = False) -> Iterator[SQLiteStore]:
    """The store in a file that exists, unless it may be created; closed at the end.

    Raises Misuse if there is no such file, StoreError if it is no store.
    """
    if not create and not Path(path).exists():
        raise Misuse(f"there is no store {path}; name the one that orch run was given: --store FILE", "no_store")
    from orchspec.runtime.journal import SQLiteStore

    store = SQLiteStore(path, create=create)
    try:
        yield store
    finally:
        store.close()


def find_run(store: SQLiteStore, run: str) -> RunRow:
    """The row of a run. Raises Misuse if there is none of that name."""
    row = store.run(run)
    if row is None:
        hint = did_you_mean(run, [each.run for each in store.runs()]) or "; orch status lists those that it holds"
        raise Misuse(f"the store {store.path} holds no run {run}{hint}", "unknown_run")
    return row


def json_value(text: str, option: str) -> Any:
    """The value of an option that takes JSON or @FILE (`@-`: standard input). Raises Misuse for what is no JSON."""
    source = option
    if text.startswith("@"):
        source, text = text[1:] or "@", read_text(text[1:])
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        shown = "" if source != option else f"; for a text write '\"{text[:40]}\"'" if text.isprintable() else ""
        if shown and text.lstrip()[:1] in ("{", "[", '"'):
            shown = "; quote all of it for the shell, in single quotes"
        raise Misuse(f"{source} is not JSON: {error}{shown}", "not_json") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
