"""What the commands that simulate share: the options of a study, and its page's way back to the command."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from orchspec.cli.files import NewFile, NewFolder

__all__ = ["again", "fault_option", "study_options", "sweep_option"]

fault_option = click.option(
    "--fault", "faults", multiple=True, metavar="FAULT", help='One more fault: "crash(orchestrator, every: 1h)".'
)
"""`--fault FAULT`, as often as wanted, as a scenario writes it."""


def sweep_option(text: str) -> Callable[[Any], Any]:
    """`--sweep K=A..B`, as often as wanted; `sweeps.combinations` reads them."""
    return click.option("--sweep", "sweeps", multiple=True, metavar="K=A..B", help=text)


def study_options(*, runs: str, charts: str, seed: str = "Same seed, same bytes.") -> Callable[[Any], Any]:
    """The options that say how much is simulated, by how many, and what is left of it; their texts differ a little.

    A command takes `runs seed jobs queue_max resume report charts`; 0 `jobs` are as many as pay.
    """
    refused = "Refuse new runs while N tasks wait, as the runtime does with queue_max."
    options = (
        click.option("--runs", type=click.IntRange(1, 100_000_000), metavar="N", help=runs),
        click.option("--seed", type=int, default=1, show_default=True, metavar="N", help=seed),
        click.option(
            "--jobs", type=click.IntRange(0, 256), default=0, metavar="N", help="Processes.  [default: as it pays]"
        ),
        click.option("--queue-max", type=click.IntRange(1, 1_000_000_000), metavar="N", help=refused),
        click.option("--resume", metavar="F", help="Keep what is done in F, and go on from what is there."),
        click.option("--report", type=NewFile(), metavar="F.html", help="Write one self-contained page."),
        click.option("--charts", type=NewFolder(), metavar="DIR", help=charts),
    )

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def again(words: Iterable[str | None], options: Mapping[str, Any]) -> str:
    """The command that gives the same again; of the options those that are None were not given, a tuple often."""
    line = ["orch", *[word for word in words if word is not None]]
    for option, given in options.items():
        for value in given if isinstance(given, tuple) else (given,):
            line += [] if value is None else [option, str(value)]
    return shlex.join(line)
