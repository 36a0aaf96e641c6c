"""`orch journal`: every record of a run."""

from __future__ import annotations

import json

import click

from orchspec.cli.common import Terminal, orch_command
from orchspec.cli.stores import find_run, opened, store_option

__all__ = ["command"]


@orch_command("journal")
@click.argument("run")
@store_option
def command(terminal: Terminal, run: str, store: str) -> None:
    """Prints the records of a run, one JSON document a line.

    Each holds its number, its time, what happened, what was decided on it and which commands that caused. With --json
    the records come as one list.
    """
    from orchspec.runtime.journal.records import public_record

    with opened(store) as looked:
        records = [public_record(record) for record in looked.records(find_run(looked, run).run)]
    if terminal.json:
        terminal.document(records)
        return
    for record in records:
        terminal.out(json.dumps(record))
