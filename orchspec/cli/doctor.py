"""`orch doctor`: whether a store is sound."""

from __future__ import annotations

from typing import Any

import click

from orchspec.cli.common import NOT_WELL, WELL, Terminal, orch_command
from orchspec.cli.stores import opened
from orchspec.grammar.render import safe

__all__ = ["command"]


@orch_command("doctor")
@click.argument("store", default="runs.db")
def command(terminal: Terminal, store: str) -> int:
    """Looks for what is wrong with a store, and says what to do about it.

    Every journal is folded and held against its plan, its hashes and its row; questions and effects against the runs
    they belong to. Nothing is written. Ends with 1 when something is broken.
    """
    from orchspec.runtime.doctor import examine

    with opened(store) as looked:
        found = list(examine(looked))
        runs, effects, epoch = len(looked.runs()), len(looked.ledger()), looked.epoch()
    broken = sum(each.severity == "broken" for each in found)
    if terminal.json:
        document: dict[str, Any] = {
            "store": store,
            "runs": runs,
            "effects": effects,
            "epoch": epoch,
            "sound": not broken,
            "findings": [each.as_json() for each in found],
        }
        terminal.document(document)
        return NOT_WELL if broken else WELL
    for each in found:
        terminal.out(safe(f"{each.severity:<8} {each.subject}: {each.message}"))
        terminal.out(safe(f"{'':<8} {each.advice}"))
    verdict = f"{broken} broken" if broken else "sound"
    terminal.out(safe(f"{store}: {verdict} ({runs} runs, {effects} effects, epoch {epoch})"))
    return NOT_WELL if broken else WELL
