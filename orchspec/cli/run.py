"""`orch run`: one durable run of a flow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import NOT_WELL, Between, Misuse, Terminal, did_you_mean, orch_command
from orchspec.cli.files import STDIN
from orchspec.cli.plans import compile_spec, refuse, set_option, settings_of
from orchspec.cli.stores import json_value, store_option

if TYPE_CHECKING:
    from orchspec.compiler.load import Compiled
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.result import RunResult

__all__ = ["command"]


@orch_command("run")
@click.argument("file")
@click.option(
    "--input", "given", default="{}", show_default=True, metavar="JSON|@FILE", help="The flow's parameters, by name."
)
@click.option("--flow", metavar="NAME", help="Which flow; the only one, or the one named like the file, unless said.")
@click.option("--agents", metavar="MODULE[:NAME]", help="Handlers: an orchspec.App (app unless said) of a module here.")
@click.option("--stand-ins", is_flag=True, help="Play from its profile whatever has no handler.")
@click.option(
    "--speed",
    type=Between(0.01, 100_000),
    default=1.0,
    show_default=True,
    help="How many times as fast as the real one the clock goes.",
)
@store_option
@click.option("--run-id", metavar="ID", help="The run's name; the same name twice is one run.  [default: a new one]")
@click.option(
    "--durability",
    type=click.Choice(["full", "normal"]),
    default="full",
    show_default=True,
    help="What it survives: full a loss of power, normal a crash of the process.",
)
@click.option("--seed", type=int, help="Of whatever is drawn: backoffs and stand-ins.  [default: by chance]")
@set_option
def command(terminal: Terminal, file: str, given: str, flow: str | None, **settings: Any) -> int:
    """Runs a flow durably and prints its result.

    What happened is in the store before anything else is done: after a crash, orch resume goes on where it was. Ends
    with 5 once only people are awaited (parked). FILE may be - for standard input.
    """
    compiled = compile_spec(file, settings_of(settings.pop("settings")))
    if compiled.plan is None:
        refuse(terminal, file, compiled)
        return NOT_WELL
    inputs = json_value(given, "--input")
    from orchspec.cli.running import conclude, exit_code, interrupted, under_signals
    from orchspec.runtime.app import new_run_id
    from orchspec.runtime.errors import (
        BadInput,
        Interrupted,
        MissingHandlers,
        OrchError,
        RunMismatch,
        UnknownName,
    )

    chosen = _flow(compiled.plan, flow, file)
    run = settings["run_id"] or new_run_id(chosen)
    options = {
        "file": None if file == STDIN else str(Path(file).resolve()),
        "agents": settings["agents"],
        "folder": str(Path.cwd()),
    }
    try:
        result = under_signals(
            lambda: _run(terminal, compiled, chosen, inputs, run, settings, options),
            terminal.say,
            lambda: interrupted(terminal, run, settings["store"]),
        )
    except Interrupted:
        return interrupted(terminal, run, settings["store"])
    except (BadInput, MissingHandlers, RunMismatch, UnknownName) as error:
        raise Misuse(error.message, error.code) from None
    assert not isinstance(result, OrchError)
    if terminal.json:
        terminal.document(result.as_json())
    else:
        conclude(terminal, result, settings["store"])
    return exit_code([result])


async def _run(
    terminal: Terminal,
    compiled: Compiled,
    flow: str,
    inputs: Any,
    run: str,
    settings: dict[str, Any],
    options: dict[str, Any],
) -> RunResult:
    from orchspec.cli.running import Narrator, handlers_of
    from orchspec.runtime.app import App

    app = App(compiled)
    handlers = handlers_of(settings["agents"])
    if handlers is not None:
        app.handlers = handlers
    narrator = Narrator(terminal)
    return await app.run(
        flow,
        inputs,
        store=settings["store"],
        run_id=run,
        durability=settings["durability"],
        stand_ins=settings["stand_ins"],
        speed=settings["speed"],
        seed=settings["seed"],
        options=options,
        watch=None if terminal.json else narrator.watch,
        tell=narrator.tell,
        heard=None if terminal.json else narrator.heard,
    )


def _flow(plan: Plan, flow: str | None, file: str) -> str:
    listed = ", ".join(sorted(plan.flows)) or "none"
    if flow is not None:
        if flow not in plan.flows:
            raise Misuse(
                f"{file} has no flow {flow}{did_you_mean(flow, plan.flows) or f'; it has {listed}'}", "unknown_name"
            )
        return flow
    # Those of imported files have a dot in their names, and are run when they are asked for.
    own = [each for each in plan.flows if "." not in each] or list(plan.flows)
    if len(own) == 1:
        return own[0]
    stem = Path(file).stem
    if stem in plan.flows:
        return stem
    listed = ", ".join(sorted(own)) or "none"
    raise Misuse(f"{file} has the flows {listed}; name one: --flow NAME", "no_flow")
