"""`orch fork`: a run that begins with what another had up to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import Between, Misuse, Terminal, orch_command
from orchspec.cli.stores import find_run, opened, store_option

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import RunRow
    from orchspec.runtime.result import RunResult

__all__ = ["command"]


@orch_command("fork")
@click.argument("run")
@click.option("--at", required=True, metavar="CHECKPOINT", help="A checkpoint that the run passed.")
@click.option("--run-id", metavar="ID", help="The fork's name; the same name twice is one run.  [default: a new one]")
@click.option(
    "--effects",
    type=click.Choice(["join", "again"]),
    default="join",
    show_default=True,
    help="Where the fork asks for what the run did after the checkpoint: get its receipt, or do it anew.",
)
@store_option
@click.option("--agents", metavar="MODULE[:NAME]", help="Other handlers than the run was started with.")
@click.option("--stand-ins", is_flag=True, help="Play from its profile whatever has no handler.")
@click.option("--speed", type=Between(0.01, 100_000), help="Of the clock.  [default: as the run was started]")
@click.option("--durability", type=click.Choice(["full", "normal"]), default="full", show_default=True)
def command(terminal: Terminal, run: str, at: str, store: str, **settings: Any) -> int:
    """Begins a run with what another had up to a checkpoint, and goes on with it by itself.

    What was done before the checkpoint is neither undone by the fork nor sent again. The run itself
    is not touched. After a crash, orch resume goes on with the fork like with any run.
    """
    from orchspec.cli.running import conclude, exit_code, interrupted, under_signals
    from orchspec.runtime.app import new_run_id
    from orchspec.runtime.errors import ForkRefused, Interrupted, MissingHandlers, RunMismatch

    with opened(store) as looked:
        row = find_run(looked, run)
    name = settings["run_id"] or new_run_id(row.flow)
    try:
        result = under_signals(
            lambda: _fork(terminal, row, at, name, store, settings),
            terminal.say,
            lambda: interrupted(terminal, name, store),
        )
    except Interrupted:
        return interrupted(terminal, name, store)
    except (ForkRefused, MissingHandlers, RunMismatch) as error:
        raise Misuse(error.message, error.code) from None
    if terminal.json:
        terminal.document(result.as_json())
    else:
        conclude(terminal, result, store)
    return exit_code([result])


async def _fork(terminal: Terminal, row: RunRow, at: str, name: str, store: str, settings: dict[str, Any]) -> RunResult:
    from orchspec.cli.running import Narrator, crew_for
    from orchspec.runtime.app import check_run_id, speed_of
    from orchspec.runtime.driver.hubs import hub_for
    from orchspec.runtime.forking import request_for

    narrator = Narrator(terminal)
    crew = crew_for(row, settings["agents"], stand_ins=settings["stand_ins"])
    again = settings["effects"] == "again"
    request = request_for(Path(store), row.run, at, check_run_id(name), crew, again=again)
    request.watch = None if terminal.json else narrator.watch
    hub = hub_for(
        store,
        durability=settings["durability"],
        create=False,
        speed=settings["speed"] or speed_of(row),
        tell=narrator.tell,
        heard=None if terminal.json else narrator.heard,
    )
    return await hub.run(request)
