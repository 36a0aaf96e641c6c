"""What a run is made of: the records of its journal, and the state machines of its places."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields

from generating.writing import fenced, flat, page

__all__ = ["journal", "state_machines"]


def journal() -> Iterator[tuple[str, str]]:
    """The records of a journal: events and the commands that they cause."""
    from orchspec.runtime.kernel import commands as command_module
    from orchspec.runtime.kernel.events import EVENT_TYPES

    parts = [_JOURNAL, "## Events"]
    parts += [_class(kind, {"time", "place"}) for kind in EVENT_TYPES.values()]
    parts += ["## Commands", _COMMAND_LINES]
    named = [getattr(command_module, name) for name in command_module.__all__]
    parts += [_class(kind, {"place"}) for kind in named if inspect.isclass(kind)]
    source = "`runtime/kernel/events.py` and `runtime/kernel/commands.py`"
    yield "reference/journal.md", page("Records of the journal", source, *parts)


_JOURNAL = """
`orch journal RUN` prints a record a line, as JSON: `seq` (from 1, without a gap), `time` (RFC 3339, UTC), `type` (the
event), `place` (its path in the run; `at` is its number), the fields of the event that are not at their default,
`decided` (what the kernel decided on it: pairs of what and detail), and `commands` (a line for each that it caused).
Times in fields are microseconds since 1970, money is pico-dollars (10⁻¹² USD).
"""

_COMMAND_LINES = """
A record names its commands by a line each: the command, the place, and what a replay must reproduce. *Outward*
commands can be seen from outside, so they wait for the commit of the record that caused them; *inner* ones (grants,
timers, the ledger) act at once, since a crash undoes them together with their cause.
"""


def _class(kind: type, hidden: set[str]) -> str:
    outward = getattr(kind, "outward", None)
    mark = "" if outward is None else " (outward)" if outward else " (inner)"
    shown = [field for field in fields(kind) if field.name not in hidden]
    said = ", ".join(f"`{field.name}`" for field in shown) or "none of its own"
    return f"### {kind.__name__}{mark}\n\n{flat(kind.__doc__)}\n\nFields: {said}."


def state_machines() -> Iterator[tuple[str, str]]:
    """The tables of the kernel as diagrams."""
    from orchspec.runtime.kernel import table

    parts = [_MACHINES]
    for title, rows, about in (
        ("A task", table.TASK_TABLE, "One asking of one agent or person."),
        ("An effect", table.EFFECT_TABLE, "Or the undoing of one."),
        ("A region", table.REGION_TABLE, "A repeat, a scope, a flow, a fan-out or an arbitration."),
    ):
        parts += [f"## {title}", about, fenced(_mermaid(rows, table.STATE_NAMES), "mermaid")]
    yield "reference/state-machines.md", page("State machines", "`runtime/kernel/table.py`", *parts)


_MACHINES = """
A row of a table says which event a place may take in which state, and where that may lead. The handler of the event
picks among the successors, and an assertion holds it to the row. An event for a closed place is late: it is recorded
as ignored, and only its costs count. An event without a row is a bug of Orch: it raises before anything is recorded,
and halts that run alone.
"""


def _mermaid(rows: dict[tuple[int, type], frozenset[int]], names: dict[int, str]) -> str:
    edges: dict[tuple[int, int], list[str]] = {}
    for (state, event), successors in rows.items():
        for successor in sorted(successors):
            edges.setdefault((state, successor), []).append(event.__name__)
    states = sorted({state for edge in edges for state in edge})
    lines = ["stateDiagram-v2"]
    lines += [f"    s{state}: {names[state]}" for state in states]
    lines += [f"    s{start} --> s{end}: {', '.join(events)}" for (start, end), events in sorted(edges.items())]
    return "\n".join(lines)
