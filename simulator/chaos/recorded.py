"""A chronicle of what really happened: journals of a store, and the deliveries that a world outside of it saw.

The checkers read it as they read one of a simulation. Two things a store does not tell: when a commit was durable (the
time of its event stands for it), and when a delivery landed (it counts as landed at the end). So of S12 a store tells
only that each delivery has a cause; whether that was durable first, a witness beside the target tells, who looks into
the store before whatever lands (`tests/crash`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.applying import target_key
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.recording import EventRecord, event_of
from orchspec.simulator.chaos.told import Applied, Chronicle, RunTold
from orchspec.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchspec.compiler.plan import Plan
    from orchspec.runtime.journal.records import LedgerRow, Record, RunRow

__all__ = ["chronicle_of"]


def chronicle_of(
    plan: Plan,
    rows: Sequence[RunRow],
    records: Mapping[str, Sequence[Record]],
    ledger: Sequence[LedgerRow],
    deliveries: Iterable[Mapping[str, Any]],
) -> Chronicle:
    """A chronicle of runs of one plan.

    Args:
        plan: that all of them are pinned to.
        rows: the runs; one that has ended counts as told.
        records: their journals, by run. They must fold: `runtime.recording.fold` says where one does not.
        ledger: of their store.
        deliveries: in the order in which they arrived, each with `key`, `effect`, `args` (JSON by parameter) and
            `receipt`, as stand-ins write them.
    """
    chronicle = Chronicle(plan, rows[0].flow if rows else "", ())
    chronicle.ledger = list(ledger)
    for row in rows:
        told = chronicle.runs[row.run] = RunTold(row.run, row.input or {})
        _refold(plan, told, records[row.run])
        if row.ended_us is not None:
            told.told.append((row.ended_us, row.status, row.result))
        chronicle.ended_us = max(chronicle.ended_us, *told.durable_us, row.ended_us or 0)
    together = [record for told in chronicle.runs.values() for record in told.records]
    together.sort(key=lambda record: record.time_us)
    chronicle.order = together
    chronicle.commits = list(range(1, len(together) + 1))
    _land(chronicle, deliveries)
    return chronicle


def _refold(plan: Plan, told: RunTold, records: Sequence[Record]) -> None:
    kernel = Kernel(plan, told.run)
    for record in records:
        event = event_of(record)
        commands = kernel.handle(event)
        told.records.append(EventRecord(told.run, record.seq, event, kernel, commands))
        told.durable_us.append(event.time)


def _land(chronicle: Chronicle, deliveries: Iterable[Mapping[str, Any]]) -> None:
    program = program_of(chronicle.plan)
    world = World(program)
    owners = {target_key(row.key, row.generation): row.owner_run for row in chronicle.ledger}
    bad = "?"
    for line in deliveries:
        effect, key = line["effect"], line["key"]
        again = world.find(key)[0]
        args = program.effects[effect].codec.decode_inputs(line["args"])
        world.apply(bad, effect, args, key, line["receipt"])
        twice = world.did_wrong_by(bad)
        run = owners.get(key, next(iter(chronicle.runs), ""))
        chronicle.applied.append(Applied(chronicle.ended_us, run, effect, key, again, twice))
        if twice:
            bad += "?"
