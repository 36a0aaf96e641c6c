"""`orch prune`: removes runs that ended long ago."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import Misuse, Terminal, orch_command
from orchspec.cli.stores import opened, store_option
from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import RunRow

__all__ = ["command"]

_DURATION = re.compile(r"\d{1,6}(?:\.\d{1,6})?(?:ms|s|min|h|d)", re.ASCII)
_STATUSES = ("completed", "failed", "cancelled", "budget_exhausted")


@orch_command("prune")
@click.option("--older-than", required=True, metavar="DURATION", help="How long ago they ended at least: 30d, 12h.")
@click.option("--keep", type=click.IntRange(min=0), default=0, help="So many of those that ended last stay.")
@click.option("--status", "statuses", type=click.Choice(_STATUSES), multiple=True, help="Only those that ended so.")
@click.option("--dry-run", is_flag=True, help="Say which would go, and remove none.")
@store_option
def command(
    terminal: Terminal, older_than: str, keep: int, statuses: tuple[str, ...], dry_run: bool, store: str
) -> None:
    """Removes runs that ended long ago, whole; what they did stays in the effect ledger.

    Each goes with its journal, its mail and its payloads in one transaction. A run that has not ended never goes, nor
    do effects, reusable values and sessions: what was done once is not done again. No engine may be at work.
    """
    from orchspec.runtime.retention import prunable, prune

    age_us = _duration_us(older_than)
    with opened(store) as looked:
        rows = prunable(looked, age_us, keep=keep, statuses=statuses)
        removed = 0 if dry_run else prune(looked, rows)
        left = len(looked.runs())
    if terminal.json:
        document: dict[str, Any] = {
            "store": store,
            "dry_run": dry_run,
            "removed": removed,
            "left": left,
            "runs": [_document(row) for row in rows],
        }
        terminal.document(document)
        return
    for row in rows:
        told = _document(row)
        terminal.out(safe(f"{row.run}  {row.status}  {told['ended']}"))
    terminal.say(f"{len(rows)} would go, none went" if dry_run else f"{removed} removed, {left} left in {store}")


def _duration_us(text: str) -> int:
    from orchspec.grammar.literals import duration_us

    if not _DURATION.fullmatch(text):
        raise Misuse(
            f"--older-than {text!r} is no duration; write a number and a unit: 30d, 12h, 45min", "bad_duration"
        )
    return duration_us(text)


def _document(row: RunRow) -> dict[str, Any]:
    from orchspec.runtime.journal.records import format_time

    ended = format_time(row.ended_us) if row.ended_us is not None else None
    return {"run": row.run, "flow": row.flow, "status": row.status, "ended": ended}
