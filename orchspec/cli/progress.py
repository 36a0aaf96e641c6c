"""How far long work is: a bar on standard error, where that is a terminal; it leaves nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from orchspec.cli.common import Terminal

__all__ = ["Bar", "shown"]


class Bar:
    """What is worked at, and how much of it is done; without a terminal nothing is shown."""

    def __init__(self, progress: Progress | None, told: str) -> None:
        self._progress = progress
        self._task = progress.add_task(told, total=None) if progress is not None else None

    def tell(self, told: str) -> None:
        """Something else is worked at from now on."""
        if self._progress is not None and self._task is not None:
            self._progress.reset(self._task, description=told, total=None)

    def __call__(self, done: int, planned: int) -> None:
        """So much is done, of so much that is planned so far."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=planned)


@contextmanager
def shown(terminal: Terminal, told: str) -> Iterator[Bar]:
    """A bar, as long as the work lasts."""
    if not sys.stderr.isatty():
        yield Bar(None, told)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, no_color=not terminal.colored(err=True))
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress, told)
