"""The `orch` command: a table of commands, each a module that is imported when it is asked for.

To add a command: `orchspec/cli/<name>.py` with `command = ...` (see `common.orch_command`), and its line in
`COMMANDS`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from orchspec import __version__
from orchspec.cli.boundary import guard
from orchspec.cli.common import did_you_mean

__all__ = ["COMMANDS", "main"]

# One line each, held here so that `orch --help` imports none of them; a test compares them with the commands' own.
COMMANDS: Final = {
    "demo": "Gives a tour: checks, tests, simulates, runs, kills and resumes a spec.",
    "new": "Makes a working starter: a spec, stand-in agents, a test.",
    "check": "Reports every mistake in spec files.",
    "fmt": "Formats spec files.",
    "explain": "Says what a diagnostic code means, with a bad and a good example.",
    "compile": "Compiles a spec to its plan.",
    "graph": "Draws the flows of a spec.",
    "bounds": "Shows what each flow takes at least and at most, and why.",
    "simulate": "Simulates a scenario of a spec, and judges what it expects.",
    "calibrate": "Fits profiles to what was measured.",
    "size": "Finds the least setting under which a scenario meets its target.",
    "compare": "Compares flows under the same load and the same draws.",
    "chaos": "Injects faults into the flows of a spec and holds what happens against S1 to S14 and L1.",
    "replay": "Replays a .schedule file, and says what breaks and whether it is byte for byte what was recorded.",
    "test": "Runs the tests written in spec files.",
    "run": "Runs a flow durably and prints its result.",
    "resume": "Carries on with runs that have not ended: all of the store, unless some are named.",
    "fork": "Begins a run with what another had up to a checkpoint, and goes on with it by itself.",
    "status": "Shows the runs of a store, or how one of them stands.",
    "watch": "Shows runs as they go: what is under way, by whom and since when, what it cost so far.",
    "journal": "Prints the records of a run, one JSON document a line.",
    "why": "Says why STEP ran when it did: what it needed, what it waited for, and the causes back to the start.",
    "doctor": "Looks for what is wrong with a store, and says what to do about it.",
    "prune": "Removes runs that ended long ago, whole; what they did stays in the effect ledger.",
    "inbox": "Shows the questions that wait for people, oldest first.",
    "answer": "Answers a question of the inbox, once.",
    "signal": "Sends a signal to whichever run waits for it, now or within seven days.",
    "cancel": "Cancels a run: what is under way is stopped, what it did is undone.",
}


class _Commands(click.Group):
    """A click group that knows its commands by name alone until one is called, and fails in one place."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found = import_module(f"orchspec.cli.{cmd_name}").command
        assert isinstance(found, click.Command), f"orchspec.cli.{cmd_name}.command is no click command"
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            hint = did_you_mean(name, COMMANDS) or "; orch --help lists the commands"
            raise click.UsageError(f"there is no command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs a command line in place of click's own `main`, whose error handling knows other exit codes."""
        arguments = sys.argv[1:] if args is None else list(args)
        name = prog_name or "orch"
        self._main_shell_completion(extra, name, complete_var)

        def run() -> Any:
            with self.make_context(name, list(arguments), **extra) as ctx:
                return self.invoke(ctx)

        code = guard(arguments, run)
        if standalone_mode:
            running = sys.modules.get("orchspec.cli.running")
            if running is not None and running.handlers_left():
                # Python waits for every thread, and there is no telling one to stop: all that was to be said is said.
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
            sys.exit(code)
        return code


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 well, 1 not well, 2 misuse, 3 liveness broken, 4 undecided, 5 parked on a person.",
)
@click.version_option(__version__, prog_name="orch", message="%(prog)s %(version)s")
def main() -> None:
    """Orchestrates many agents from one spec: checks it, simulates it, runs it durably."""
