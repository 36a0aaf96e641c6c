"""`orch demo`: the tour."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchspec.cli.common import NOT_WELL, WELL, Terminal, orch_command
from orchspec.cli.files import NewFolder

if TYPE_CHECKING:
    from orchspec.demo.tour import Step, Tour

__all__ = ["command"]

_NAMES = {
    "check": "checking a spec of the gallery",
    "mistake": "planting a mistake in it",
    "test": "running the test that is written in it",
    "simulate": "simulating a quiet day, and a rush hour with crashes",
    "crash": "running it durably, killing it twice, resuming it",
    "report": "drawing what was seen",
}


@orch_command("demo")
@click.option(
    "--out",
    type=NewFolder(),
    default="orch-demo",
    show_default=True,
    metavar="DIR",
    help="Where to leave what it made.",
)
def command(terminal: Terminal, out: str) -> int:
    """Gives a tour: checks, tests, simulates, runs, kills and resumes a spec.

    It works offline and needs no agents. What it leaves in DIR can be looked at and played with: a report, charts, the
    spec, a journal. Run again, it makes its own files anew and touches no others.
    """
    from orchspec.demo.tour import take

    def begin(name: str) -> None:
        if not terminal.json:
            terminal.out(click.style(f"{list(_NAMES).index(name) + 1}. {_NAMES[name]} ...", bold=True))

    def tell(step: Step) -> None:
        if not terminal.json:
            sign = click.style("ok", fg="green") if step.well else click.style("not well", fg="red", bold=True)
            terminal.out(f"   {sign}  {step.told} ({step.took_s:.1f} s)")
            for line in step.shown:
                terminal.out(f"       {line}")

    tour = take(Path(out), tell, begin)
    if terminal.json:
        report = str(tour.folder.path / "report.html")
        terminal.document({"well": tour.well, "steps": [step.as_json() for step in tour.steps], "report": report})
    else:
        _conclude(terminal, tour)
    return WELL if tour.well else NOT_WELL


def _conclude(terminal: Terminal, tour: Tour) -> None:
    from orchspec.demo.page import commands

    terminal.out("")
    terminal.out(f"Look at  {click.style(str((tour.folder.path / 'report.html').resolve()), bold=True)}")
    terminal.out("         and beside it at the charts, the graph, the plan, a journal")
    terminal.out(f"Then     cd {shlex.quote(str(tour.folder.path))}")
    for line in commands():
        terminal.out(f"         {line}")
