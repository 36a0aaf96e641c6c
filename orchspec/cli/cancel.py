"""`orch cancel`: stops a run, and undoes what it did."""

from __future__ import annotations

import click

from orchspec.cli.common import Terminal, orch_command
from orchspec.cli.stores import find_run, opened, store_option

__all__ = ["command"]


@orch_command("cancel")
@click.argument("run")
@click.option("--by", metavar="NAME", help="Who cancels.")
@store_option
def command(terminal: Terminal, run: str, by: str | None, store: str) -> None:
    """Cancels a run: what is under way is stopped, what it did is undone.

    The request is durable when this ends. A run that is under way takes it at once; another one when it is resumed.
    """
    from orchspec.runtime.driver.clock import wall_us

    with opened(store) as looked:
        row = find_run(looked, run)
        looked.post_mail("cancel", posted_us=wall_us(), run=row.run, by=by)
    if terminal.json:
        terminal.document({"run": run, "status": row.status, "cancel": "requested"})
    else:
        terminal.say(
            f"run {run} is to be cancelled: it stops at once if it is under way, else with orch resume {run} "
            f"--store {store}"
        )
