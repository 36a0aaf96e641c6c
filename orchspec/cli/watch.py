"""`orch watch`: runs, live."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.boundary import INTERRUPTED
from orchspec.cli.common import NOT_WELL, PARKED, WELL, Between, Terminal, orch_command
from orchspec.cli.stores import find_run, opened, store_option
from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from orchspec.runtime.watching import RunView, StepView

__all__ = ["command"]

_FOLLOWED_S = 300
"""Runs that ended longer ago are not shown unless they are asked for."""


@orch_command("watch")
@click.argument("run", required=False)
@click.option("--once", is_flag=True, help="Look once, and end.")
@click.option("--every", type=Between(0.05, 3600), default=0.5, show_default=True, metavar="SECONDS")
@store_option
def command(terminal: Terminal, run: str | None, *, once: bool, every: float, store: str) -> int:
    """Shows runs as they go: what is under way, by whom and since when, what it cost so far.

    A step whose agent tells of its progress shows how far it is, at what, and how long ago it said so.

    With RUN it ends when that run has ended (0 completed, 1 not, 5 parked); else with Ctrl-C. With --json it looks
    once. Where standard output is no terminal, a line is printed for each change.
    """
    from orchspec.runtime.watching import Watcher

    with opened(store) as looked:
        if run is not None:
            find_run(looked, run)
        watcher = Watcher(looked)
        if terminal.json:
            terminal.document([view.as_json() for view in watcher.look(run)])
            return WELL
        if once or not sys.stdout.isatty():
            return _lines(terminal, lambda: watcher.look(run), every, once=once, one=run is not None)
        return _live(lambda: watcher.look(run), every, one=run is not None)


def _code(views: list[RunView]) -> int | None:
    """The exit code once the one run that is watched goes no further; None while it does."""
    status = views[0].status if views else "running"
    if status == "running":
        return None
    return {"completed": WELL, "parked": PARKED}.get(status, NOT_WELL)


def _lines(terminal: Terminal, look: Callable[[], list[RunView]], every_s: float, *, once: bool, one: bool) -> int:
    told: dict[str, str] = {}
    while True:
        views = look()
        for view in views:
            line = _line(view)
            if told.get(view.run) != line:
                told[view.run] = line
                terminal.out(safe(line))
        code = _code(views) if one else None
        if once:
            return code if code is not None else WELL
        if code is not None:
            return code
        try:
            time.sleep(every_s)
        except KeyboardInterrupt:
            return INTERRUPTED


def _line(view: RunView) -> str:
    under_way = ", ".join(f"{step.step} ({_at_work(step)})" for step in view.open[:4])
    more = f" and {len(view.open) - 4} more" if len(view.open) > 4 else ""
    tail = f"  {under_way}{more}" if under_way else ""
    problem = f"  {view.problem}" if view.problem else ""
    spent = f"{view.steps_done} steps, ${view.cost_usd}, {view.tokens:,} tokens"
    return f"{view.run:<28} {view.flow:<16} {view.status:<10} {spent}{tail}{problem}"


def _at_work(step: StepView) -> str:
    who = step.agent or step.state
    return who if step.share is None else f"{who} {step.share:.0%} {step.note}".rstrip()


def _live(look: Callable[[], list[RunView]], every_s: float, *, one: bool) -> int:
    from rich.console import Console
    from rich.live import Live

    views = look()
    with Live(_table(views, one=one), console=Console(), auto_refresh=False) as live:
        try:
            while True:
                views = look()
                live.update(_table(views, one=one), refresh=True)
                code = _code(views) if one else None
                if code is not None:
                    return code
                time.sleep(every_s)
        except KeyboardInterrupt:
            return INTERRUPTED


def _table(views: list[RunView], *, one: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    now_us = time.time_ns() // 1000
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, options in _COLUMNS.items():
        table.add_column(name, **options)
    for view in views:
        if not one and view.ended_us is not None and now_us - view.ended_us > _FOLLOWED_S * 1_000_000:
            continue
        age = _age((view.ended_us or now_us) - view.created_us)
        cells = (view.run, view.status, "", age, str(view.steps_done), f"${view.cost_usd}", f"{view.tokens:,}")
        table.add_row(*(Text(safe(cell), style="bold") for cell in cells))
        for step in view.open:
            who = step.agent or ""
            tries = f"{step.state}, attempt {step.attempt}" if step.attempt and step.attempt > 1 else step.state
            if step.share is not None and step.silent_s is not None:
                tries += f", {step.share:.0%} {step.note}".rstrip() + f" ({_age(int(step.silent_s * 1e6))} ago)"
            row = (f"  {step.step}", tries, who, _age(now_us - step.since_us), "", "", "")
            table.add_row(*(Text(safe(cell)) for cell in row))
        if view.problem:
            table.add_row(Text(safe(f"  {view.problem}"), style="red"))
    return table


_COLUMNS: dict[str, dict[str, Any]] = {
    "run": {"no_wrap": True},
    "state": {},
    "by": {},
    "for": {"justify": "right"},
    "steps": {"justify": "right"},
    "cost": {"justify": "right", "no_wrap": True},
    "tokens": {"justify": "right", "no_wrap": True},
}


def _age(us: int) -> str:
    seconds = max(0, us) / 1_000_000
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
