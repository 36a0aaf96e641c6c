"""`orch doctor`: whether a store is sound."""

from __future__ import annotations

from typing import Any

import click

from orchspec.cli.common import NOT_WELL, WELL, Misuse, Terminal, orch_command
from orchspec.cli.plans import compile_spec, refuse, set_option, settings_of
from orchspec.cli.stores import opened, store_option
from orchspec.grammar.render import safe

__all__ = ["command"]


@orch_command("doctor")
@click.argument("place", metavar="[STORE]", required=False)
@store_option
@click.option("--spec", metavar="FILE", help="Also fold the journals of this spec under the spec as it is now.")
@set_option
def command(terminal: Terminal, place: str | None, store: str, spec: str | None, settings: tuple[str, ...]) -> int:
    """Looks for what is wrong with a store, and says what to do about it.

    Every journal is folded and held against its plan, its hashes and its row; questions and effects against the runs
    they belong to. Nothing is written. Ends with 1 when something is broken. With --spec each journal of that spec is
    held against the spec as it is now too: the first record that no longer fits is named, for a test of changes.
    """
    from orchspec.runtime.doctor import Finding, examine, replay

    store = store if place is None else place
    if settings and spec is None:
        raise Misuse("--set says how to read a spec: add --spec FILE")
    compiled = compile_spec(spec, settings_of(settings)) if spec is not None else None
    if spec is not None and compiled is not None and compiled.plan is None:
        refuse(terminal, spec, compiled)
        return NOT_WELL
    replayed = 0
    with opened(store) as looked:
        found = list(examine(looked))
        for row, error in replay(looked, compiled.plan) if compiled is not None and compiled.plan is not None else ():
            replayed += 1
            if error is not None:
                advice = "it goes on under the plan of then; to upgrade it, keep what the record needs"
                found.append(Finding("broken", "replay", f"run {row.run}", error.message, advice))
        runs, effects, epoch = len(looked.runs()), len(looked.ledger()), looked.epoch()
    broken = sum(each.severity == "broken" for each in found)
    if terminal.json:
        document: dict[str, Any] = {
            "store": store,
            "runs": runs,
            "effects": effects,
            "epoch": epoch,
            "replayed": replayed,
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
