"""`orch journal`: every record of a run, or of all runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import Misuse, Terminal, orch_command
from orchspec.cli.stores import find_run, opened, store_option

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.journal import SQLiteStore
    from orchspec.runtime.journal.records import Record

__all__ = ["command"]


@orch_command("journal")
@click.argument("run", required=False)
@click.option("--all", "every", is_flag=True, help="The records of all runs in one, in the order of their commits.")
@click.option("--steps", is_flag=True, help="The step log instead: a line for each try, with its cost and its cause.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "otel"]),
    default="json",
    show_default=True,
    help="Of the step log: otel gives spans by the names of OpenTelemetry, as OTLP/JSON.",
)
@store_option
def command(terminal: Terminal, run: str | None, *, every: bool, steps: bool, form: str, store: str) -> None:
    """Prints the records of a run, one JSON document a line.

    Each holds its number, its time, what happened, what was decided on it and which commands that caused; with --all
    its run, too. With --json the records come as one list.
    """
    if every == (run is not None):
        raise Misuse("name a run, or say --all for all runs of the store (orch status lists them)", "usage")
    if form == "otel" and not steps:
        raise Misuse("--format otel is of the step log: add --steps", "usage")
    with opened(store) as looked:
        documents = _steps(looked, run, form) if steps else _records(looked, run)
        if terminal.json:
            terminal.document(list(documents))
            return
        for document in documents:
            terminal.out(json.dumps(document))


def _woven(store: SQLiteStore) -> Iterator[Record]:
    """The records of all runs as they were committed, read in parts."""
    position = 0
    while part := store.weave(position):
        position = part[-1][0]
        for _, record in part:
            yield record


def _records(store: SQLiteStore, run: str | None) -> Iterator[dict[str, Any]]:
    from orchspec.runtime.journal.records import public_record

    if run is None:
        return ({"run": record.run, **public_record(record)} for record in _woven(store))
    return (public_record(record) for record in store.records(find_run(store, run).run))


def _steps(store: SQLiteStore, run: str | None, form: str) -> Iterator[dict[str, Any]]:
    from orchspec.runtime.driver.stored import has_ended, pinned_plan
    from orchspec.runtime.otel import OtelSink
    from orchspec.runtime.steplog import steps_in

    rows = store.runs() if run is None else [find_run(store, run)]
    plans: dict[str, Plan] = {}
    hashes = {row.run: row for row in rows}

    def plan_of(name: str) -> Plan:
        row = hashes[name]
        if row.plan_hash not in plans:
            plans[row.plan_hash] = pinned_plan(store, row)
        return plans[row.plan_hash]

    records = _woven(store) if run is None else store.records(rows[0].run)
    woven = [(each.run, each) for each in records if each.run in hashes]
    if form == "json":
        for step in steps_in(plan_of, woven):
            yield step.as_json()
        return
    made: list[dict[str, Any]] = []
    sink = OtelSink(made.append)
    for step in steps_in(plan_of, woven):
        sink.step(step)
        yield made.pop()
    for row in rows:
        if has_ended(row):
            sink.run(row)
            yield made.pop()
