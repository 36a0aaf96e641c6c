"""What is wrong with a store, if anything: each part is read as a run that resumes would read it, and held together.

Nothing is written and nothing is mended: a damaged journal is restored from a copy, and what is in doubt is settled by
resuming. Any store that keeps the protocol can be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from orchspec.compiler.plan import PlanError
from orchspec.runtime.driver.clock import wall_us
from orchspec.runtime.driver.stored import folded, has_ended, pinned_plan
from orchspec.runtime.errors import CorruptStore, OrchError
from orchspec.runtime.journal.owner import is_gone
from orchspec.runtime.journal.records import format_time

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.journal.records import RunRow
    from orchspec.runtime.journal.store import Store
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["Finding", "examine", "replay"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be (`broken`), or that waits for somebody (`waiting`), and what to do."""

    severity: Literal["broken", "waiting"]
    what: str
    subject: str
    message: str
    advice: str

    def as_json(self) -> dict[str, Any]:
        """The finding as `orch doctor --json` shows it."""
        return asdict(self)


def examine(store: Store) -> Iterator[Finding]:
    """Look through a store.

    Yields what it finds, the file first, then run by run, then what spans them. Raises StoreError only where the store
    cannot be read at all.
    """
    probe = getattr(store, "integrity", None)
    if probe is not None:
        for problem in probe():
            yield Finding("broken", "file", "the file", problem, "restore the store from a copy")
    yield from _lease(store)
    kernels: dict[str, Kernel] = {}
    rows = store.runs()
    for row in rows:
        yield from _run(store, row, kernels)
    yield from _questions(store, {row.run: row for row in rows}, kernels)
    yield from _ledger(store, kernels)


def replay(store: Store, plan: Plan) -> Iterator[tuple[RunRow, OrchError | None]]:
    """Fold every kept journal of a spec under the plan that the spec has now.

    Yields each run of the spec, with what keeps its journal from fitting, if anything. Runs of other specs are left
    out. Nothing is written.
    """
    for row in store.runs():
        try:
            then = pinned_plan(store, row)
            if then.name != plan.name:
                continue
            folded(store, row, plan)
        except OrchError as error:
            yield row, error
        except PlanError as error:
            yield row, CorruptStore(str(error))
        else:
            yield row, None


def _lease(store: Store) -> Iterator[Finding]:
    """An owner that is gone, or silent: a store that can say whose it is has a method `lease`."""
    asked = getattr(store, "lease", None)
    held = asked() if asked is not None else None
    if held is None:
        return
    owner, expires_us = held
    subject = f"process {owner.pid} on host {owner.host}"
    if is_gone(owner):
        said = "it was killed while the store was its own"
        yield Finding("waiting", "lease", subject, said, "orch resume takes the store over at once")
    elif wall_us() > expires_us:
        said = f"the store is its own, and it has said nothing since before {format_time(expires_us)}"
        advice = "look whether it hangs, and stop it; orch resume takes the store over, and it can write no more"
        yield Finding("waiting", "lease", subject, said, advice)


def _run(store: Store, row: RunRow, kernels: dict[str, Kernel]) -> Iterator[Finding]:
    subject = f"run {row.run}"
    try:
        state = folded(store, row, pinned_plan(store, row))
    except (OrchError, PlanError) as error:
        yield Finding(
            "broken", "journal", subject, str(error), "resume it with the version that wrote it, or restore a copy"
        )
        return
    kernel = kernels[row.run] = state.kernel
    if has_ended(row) and kernel.status != row.status:
        told = kernel.status or "not over"
        yield Finding(
            "broken", "status", subject, f"its row says {row.status}, its journal {told}", "restore it from a copy"
        )
    elif not has_ended(row):
        if kernel.status is not None:
            said = f"its row says {row.status}, its journal that it is {kernel.status}"
            yield Finding("broken", "status", subject, said, "restore it from a copy")
        elif row.status == "running":
            yield Finding(
                "waiting", "unfinished", subject, "it has not ended and is not parked", f"orch resume {row.run}"
            )
    for path, why in kernel.stuck:
        yield Finding("waiting", "stuck", subject, f"{path} could not be undone: {why}", "undo it by hand")


def _questions(store: Store, rows: dict[str, RunRow], kernels: dict[str, Kernel]) -> Iterator[Finding]:
    for question in store.questions():
        subject = f"question {question.run} {question.place}"
        row = rows.get(question.run)
        if row is None or has_ended(row):
            yield Finding("broken", "question", subject, "its run is over or gone", "restore the store from a copy")
            continue
        kernel = kernels.get(question.run)
        if kernel is None:
            continue
        if question.place not in {kernel.path(place) for place in kernel.open_places()}:
            said = "nothing in its run waits for it"
            yield Finding("broken", "question", subject, said, "restore the store from a copy")
        else:
            yield Finding(
                "waiting",
                "question",
                subject,
                f"{question.who} is asked",
                f"orch answer {question.run} {question.place}",
            )


def _ledger(store: Store, kernels: dict[str, Kernel]) -> Iterator[Finding]:
    seen: dict[tuple[str, str], int] = {}
    for row in store.ledger():
        subject = f"effect {row.effect} of {row.owner_run} {row.owner_place}"
        last = seen.get((row.effect, row.key))
        if last is not None and row.generation <= last:
            said = f"generation {row.generation} stands after {last}"
            yield Finding("broken", "ledger", subject, said, "restore the store from a copy")
        seen[row.effect, row.key] = row.generation
        kernel = kernels.get(row.owner_run)
        if kernel is None:
            continue  # Its run is gone, which an effect outlives; or its journal is broken, which was said.
        if row.state in ("intended", "sent", "in_doubt") and kernel.quiet():
            said = f"it is {row.state}, and its run is over: whether it happened is not known"
            yield Finding("broken", "ledger", subject, said, "ask its target, by the key of the effect")
