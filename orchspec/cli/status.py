"""`orch status`: how runs stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import Terminal, orch_command
from orchspec.cli.stores import find_run, opened, store_option
from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from orchspec.runtime.journal import SQLiteStore
    from orchspec.runtime.journal.records import BeatRow, MatterRow, RunRow
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["command"]


@orch_command("status")
@click.argument("run", required=False)
@click.option("--attribution", is_flag=True, help="Where the time and the money of RUN went, and what was wasted.")
@store_option
def command(terminal: Terminal, run: str | None, *, attribution: bool, store: str) -> None:
    """Shows the runs of a store, or how one of them stands.

    For one run: what it cost, what is open in it and how far that is, and whom it waits for. `running` is also a run
    that a crash left: it goes on with orch resume.
    """
    if attribution and run is None:
        raise click.UsageError("--attribution is of one run: orch status RUN --attribution")
    with opened(store) as looked:
        if run is not None:
            row = find_run(looked, run)
            document = _one(looked, row)
            if attribution:
                document["attribution"] = _attribution(looked, row)
            if terminal.json:
                terminal.document(document)
            else:
                _show(terminal, document)
            return
        rows = looked.runs()
        waiting = [question.run for question in looked.questions()]
    if terminal.json:
        terminal.document([_summary(row, waiting.count(row.run)) for row in rows])
        return
    if not rows:
        terminal.say(f"{store} holds no runs")
    for row in rows:
        asked = waiting.count(row.run)
        note = f"  waits for {asked} answer{'s' if asked > 1 else ''}" if asked else ""
        why = f"  {row.error['code']}: {row.error['message']}" if row.error else ""
        created = _summary(row, 0)["created"]
        terminal.out(safe(f"{row.run:<28} {row.flow:<20} {row.status:<16} {created[:19]}{note}{why}"))


def _summary(row: RunRow, asked: int) -> dict[str, Any]:
    from orchspec.runtime.journal.records import format_time

    return {
        "run": row.run,
        "flow": row.flow,
        "status": row.status,
        "error": row.error,
        "questions": asked,
        "created": format_time(row.created_us),
        "ended": None if row.ended_us is None else format_time(row.ended_us),
        "plan_hash": row.plan_hash,
        "seed": row.seed,
    }


def _one(store: SQLiteStore, row: RunRow) -> dict[str, Any]:
    from orchspec.runtime.driver.stored import folded, pinned_plan
    from orchspec.runtime.result import result_of, usd_text

    state = folded(store, row, pinned_plan(store, row))
    asked = sum(question.run == row.run for question in store.questions())
    result = result_of(row, state.kernel)
    return {
        **_summary(row, asked),
        "result": row.result,
        "cost_usd": result.cost_usd,
        "reserved_usd": result.reserved_usd,
        "tokens": result.tokens,
        "steps": result.steps,
        "records": state.seq,
        "evals": [{"name": name, "step": path, "value": value} for name, path, _, value in state.kernel.verdicts],
        "evals_usd": usd_text(state.kernel.looked_pico),
        "open": _open(state.kernel, {beat.place: beat for beat in store.beats() if beat.run == row.run}),
        "left": [_left(matter) for matter in _matters(store) if matter.run == row.run],
    }


def _matters(store: SQLiteStore) -> list[MatterRow]:
    return [*store.matters(), *store.matters(closed=True)]


def _left(matter: MatterRow) -> dict[str, Any]:
    return {"step": matter.place, "why": matter.why, "closed_by": matter.closed_by, "value": matter.value}


def _attribution(store: SQLiteStore, row: RunRow) -> dict[str, Any]:
    from orchspec.runtime.attribution import attribute
    from orchspec.runtime.driver.stored import pinned_plan
    from orchspec.runtime.steplog import steps_of

    records = list(store.records(row.run))
    steps = steps_of(pinned_plan(store, row), row.run, records)
    ended_us = records[-1].time_us if row.ended_us is None else row.ended_us
    return attribute(steps, row.created_us, ended_us).as_json()


def _open(kernel: Kernel, beats: dict[str, BeatRow]) -> list[dict[str, Any]]:
    from orchspec.runtime.kernel.table import STATE_NAMES

    found = []
    for place in kernel.open_places():
        activity = kernel.places[place]
        if activity is not None:
            path = kernel.path(place)
            state = STATE_NAMES.get(activity.state, "open")
            found.append({"step": path, "state": state, "progress": _progress(beats.get(path))})
    return found


def _progress(beat: BeatRow | None) -> dict[str, Any] | None:
    from orchspec.runtime.journal.records import format_time
    from orchspec.runtime.watching import silent_s

    if beat is None:
        return None
    heard = format_time(beat.time_us)
    return {"share": beat.share, "note": beat.note, "heard": heard, "silent_s": silent_s(beat)}


def _show(terminal: Terminal, document: dict[str, Any]) -> None:
    import json

    for name in ("run", "flow", "status", "created", "ended", "steps", "cost_usd", "tokens", "records", "questions"):
        if document[name] is not None:
            terminal.out(safe(f"{name:<10} {document[name]}"))
    if document["reserved_usd"] != "0":
        terminal.out(f"{'reserved':<10} {document['reserved_usd']} of the cost: attempts did not report what they used")
    if document["error"]:
        terminal.out(safe(f"{'error':<10} {document['error']['code']}: {document['error']['message']}"))
    if document["result"] is not None:
        terminal.out(f"{'result':<10} {json.dumps(document['result'])}")
    for each in document["evals"]:
        terminal.out(f"{'eval':<10} {safe(each['step'])} {json.dumps(each['value'])}")
    for each in document["open"]:
        told = each["progress"]
        far = f" {told['share']:.0%} {told['note']}".rstrip() + f", {told['silent_s']:.0f} s ago" if told else ""
        if each["step"] or far:  # the flow itself is open as long as anything is
            terminal.out(safe(f"{'open':<10} {each['step']} ({each['state']}){far}"))
    for each in document["left"]:
        terminal.out(safe(f"{'left':<10} {each['step']}: {each['why']}"))
        if each["closed_by"] is not None:
            terminal.out(safe(f"{'closed':<10} {each['step']} by {each['closed_by']}: {json.dumps(each['value'])}"))
    if "attribution" in document:
        _show_attribution(terminal, document["attribution"])


def _show_attribution(terminal: Terminal, told: dict[str, Any]) -> None:
    whole = sum(told["latency_s"].values()) or 1.0
    for kind, seconds in told["latency_s"].items():
        if seconds:
            terminal.out(f"{'time':<10} {kind:<16} {seconds:>12,.3f} s  {seconds / whole:>5.0%}")
    for by in ("by_agent", "by_model", "by_step"):
        for name, cost in told["cost_usd"][by].items():
            terminal.out(safe(f"{'cost':<10} {by[3:]:<6} {name:<28} ${cost}"))
    terminal.out(f"{'wasted':<10} ${told['cost_usd']['wasted']}")
    terminal.out(safe(f"{'path':<10} {' > '.join(told['critical_path'])}"))
