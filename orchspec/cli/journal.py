"""`orch journal`: every record of a run."""

from __future__ import annotations

import json

import click

from orchspec.cli.common import Terminal, orch_command
from orchspec.cli.stores import find_run, opened, store_option

__all__ = ["command"]


@orch_command("journal")
@click.argument("run")
@click.option("--steps", is_flag=True, help="The step log instead: a line for each try, with its cost and its cause.")
@store_option
def command(terminal: Terminal, run: str, *, steps: bool, store: str) -> None:
    """Prints the records of a run, one JSON document a line.

    Each holds its number, its time, what happened, what was decided on it and which commands that caused. With --json
    the records come as one list.
    """
    from orchspec.runtime.driver.stored import pinned_plan
    from orchspec.runtime.journal.records import public_record
    from orchspec.runtime.steplog import steps_of

    with opened(store) as looked:
        row = find_run(looked, run)
        kept = looked.records(row.run)
        if steps:
            records = [step.as_json() for step in steps_of(pinned_plan(looked, row), row.run, kept)]
        else:
            records = [public_record(record) for record in kept]
    if terminal.json:
        terminal.document(records)
        return
    for record in records:
        terminal.out(json.dumps(record))
