"""`orch resume`: goes on with what a crash, an interrupt or a person left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import NOT_WELL, WELL, Between, Misuse, Terminal, orch_command
from orchspec.cli.plans import compile_spec, refuse, set_option, settings_of
from orchspec.cli.stores import find_run, opened, store_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchspec.compiler.load import Compiled
    from orchspec.runtime.errors import OrchError
    from orchspec.runtime.journal.records import RunRow
    from orchspec.runtime.result import RunResult

__all__ = ["command"]


@orch_command("resume")
@click.argument("runs", nargs=-1, metavar="[RUN...]")
@store_option
@click.option("--agents", metavar="MODULE[:NAME]", help="Other handlers than the runs were started with.")
@click.option("--stand-ins", is_flag=True, help="Play from its profile whatever has no handler.")
@click.option("--speed", type=Between(0.01, 100_000), help="Of the clock.  [default: as the runs were started]")
@click.option("--upgrade", is_flag=True, help="Go on with the spec as it is now, where what has happened fits it.")
@click.option("--spec", metavar="FILE", help="The spec to upgrade to.  [default: the file each run was started with]")
@set_option
@click.option("--durability", type=click.Choice(["full", "normal"]), default="full", show_default=True)
def command(terminal: Terminal, runs: tuple[str, ...], store: str, **settings: Any) -> int:
    """Carries on with runs that have not ended: all of the store, unless some are named.

    Each goes on with the plan that it was started with, and with the handlers or stand-ins of then. Deadlines that
    have passed meanwhile fire; answers that came before them win. With --upgrade it goes on with the spec as it is now,
    or says which record is the first that does not fit, and nothing is written.
    """
    from orchspec.cli.running import conclude, exit_code, interrupted, under_signals
    from orchspec.runtime.errors import Interrupted, MissingHandlers, OrchError, UpgradeMisfit
    from orchspec.runtime.journal.records import LIVE_STATUSES

    with opened(store) as looked:
        if runs:
            rows = [find_run(looked, run) for run in dict.fromkeys(runs)]
        else:
            rows = [row for row in looked.runs() if row.status in LIVE_STATUSES]
    if not rows:
        if terminal.json:
            terminal.document([])
        else:
            terminal.say(f"nothing to resume: every run in {store} has ended")
        return WELL
    plans = _Plans(settings)
    for row in rows:
        file, compiled = plans.of(row)
        if compiled is not None and compiled.plan is None:
            refuse(terminal, file, compiled)
            return NOT_WELL
    settings["plans"] = plans

    def left() -> int:
        return interrupted(terminal, rows[0].run if len(rows) == 1 else None, store)

    try:
        results = under_signals(lambda: _resume(terminal, rows, store, settings), terminal.say, left)
    except Interrupted:
        return left()
    except MissingHandlers as error:
        raise Misuse(error.message, error.code) from None
    if any(isinstance(result, Interrupted) for result in results):
        return left()
    told = terminal.json and isinstance(results[0], UpgradeMisfit)
    if len(runs) == 1 and isinstance(results[0], OrchError) and not told:
        raise results[0]
    if terminal.json:
        documents = [_document(row, result) for row, result in zip(rows, results, strict=True)]
        terminal.document(documents[0] if len(runs) == 1 else documents)
        return exit_code(results)
    for row, result in zip(rows, results, strict=True):
        if isinstance(result, OrchError):
            terminal.say(f"run {row.run} cannot go on: {result.message}")
        else:
            conclude(terminal, result, store)
    return exit_code(results)


class _Plans:
    """The specs as they are now, each compiled once; none without `--upgrade`."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._wanted: bool = settings.pop("upgrade")
        self._spec: str | None = settings.pop("spec")
        self._settings = settings_of(settings.pop("settings"))
        self._compiled: dict[str, Compiled] = {}
        if not self._wanted and (self._spec is not None or self._settings):
            raise Misuse("--spec and --set say what to upgrade to: add --upgrade")

    def of(self, row: RunRow) -> tuple[str, Compiled | None]:
        """The file and what it compiles to. Raises Misuse."""
        if not self._wanted:
            return "", None
        file = self._spec or _text(row.options.get("file"))
        if file is None:
            raise Misuse(f"run {row.run} was not started from a file: name the spec to upgrade to with --spec FILE")
        if file not in self._compiled:
            self._compiled[file] = compile_spec(file, self._settings)
        return file, self._compiled[file]


def _document(row: RunRow, result: RunResult | OrchError) -> dict[str, Any]:
    from orchspec.runtime.errors import UpgradeMisfit
    from orchspec.runtime.result import RunResult

    if isinstance(result, RunResult):
        return result.as_json()
    error: dict[str, Any] = {"code": result.code, "message": result.message}
    if isinstance(result, UpgradeMisfit):
        error["record"] = result.record
    return {"run": row.run, "error": error}


async def _resume(
    terminal: Terminal, rows: Sequence[RunRow], store: str, settings: dict[str, Any]
) -> list[RunResult | OrchError]:
    from orchspec.cli.running import Narrator
    from orchspec.runtime.app import speed_of
    from orchspec.runtime.driver.hubs import hub_for

    narrator = Narrator(terminal, several=len(rows) > 1)
    speed = settings["speed"] or max(speed_of(row) for row in rows)
    hub = hub_for(
        store,
        durability=settings["durability"],
        create=False,
        speed=speed,
        tell=narrator.tell,
        heard=None if terminal.json else narrator.heard,
    )
    return await hub.resume([_request(terminal, row, narrator, settings) for row in rows])


def _request(terminal: Terminal, row: RunRow, narrator: Any, settings: dict[str, Any]) -> Any:
    from orchspec.cli.running import crew_for
    from orchspec.runtime.driver.live import Request

    named, compiled = settings["plans"].of(row)
    file = named or _text(row.options.get("file"))
    return Request(
        row.run,
        crew_for(row, settings["agents"], stand_ins=settings["stand_ins"], file=file),
        watch=None if terminal.json else narrator.watch,
        upgrade=compiled.plan if compiled is not None else None,
        options={"file": str(Path(file).resolve())} if compiled is not None and file is not None else {},
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
