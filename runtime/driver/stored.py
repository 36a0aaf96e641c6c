"""What a store says of a run: its pinned plan, its folding, its result, and whether it is the one that is meant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import canonical_json, plan_from_json
from orchspec.runtime.errors import BadInput, CorruptStore, Overloaded, RunHalted, RunMismatch, UnknownName
from orchspec.runtime.journal.records import LIVE_STATUSES, RunRow
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.kernel.values import InvalidValue, Unverified
from orchspec.runtime.recording import Folded, fold
from orchspec.runtime.refit import refit
from orchspec.runtime.result import RunResult, result_of

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.driver.live import LiveRun, Request
    from orchspec.runtime.journal.store import Store

__all__ = [
    "check_inputs",
    "check_same",
    "folded",
    "halted_by",
    "has_ended",
    "new_row",
    "overloaded",
    "pinned_plan",
    "plan_text",
    "reopened",
    "stored_result",
]


def has_ended(row: RunRow) -> bool:
    """Whether a run takes no more events."""
    return row.status not in LIVE_STATUSES


def pinned_plan(store: Store, row: RunRow, known: Plan | None = None) -> Plan:
    """The plan that a run was started with.

    Args:
        store: where it is kept.
        row: of the run.
        known: a plan at hand, used if it is that one.

    Raises:
        CorruptStore: the store does not hold it. PlanError: it is of another format.
    """
    if known is not None and known.hash == row.plan_hash:
        return known
    text = store.plan(row.plan_hash)
    if text is None:
        raise CorruptStore(f"run {row.run}: its plan {row.plan_hash} is not in the store; restore it from a copy")
    return plan_from_json(text)


def folded(store: Store, row: RunRow, plan: Plan) -> Folded:
    """The run as its journal says. Raises ReplayMismatch, CorruptStore; UpgradeMisfit under another plan than its own.

    Under another plan it tells what is to be recorded before the run goes on.
    """
    records = store.records(row.run)
    if plan.hash == row.plan_hash:
        return fold(plan, row.run, records)
    return refit(pinned_plan(store, row), plan, row.run, records)


_TEXTS: Final[dict[str, str]] = {}
_TEXTS_MAX: Final = 16
"""So many plans are remembered as text; runs of a process mostly are of one."""


def plan_text(plan: Plan) -> str:
    """The canonical JSON of a sealed plan, written out once for each hash."""
    text = _TEXTS.get(plan.hash)
    if text is None:
        text = plan.as_json()
        if len(_TEXTS) >= _TEXTS_MAX:
            _TEXTS.clear()
        _TEXTS[plan.hash] = text
    return text


def new_row(request: Request, plan: Plan, now_us: int) -> RunRow:
    """The row of a run that begins now."""
    return RunRow(
        run=request.run,
        flow=request.flow,
        plan_hash=plan.hash,
        input=request.inputs,
        status="running",
        result=None,
        error=None,
        created_us=now_us,
        ended_us=None,
        seed=request.seed,
        options=request.options,
    )


def reopened(store: Store, live: LiveRun, row: RunRow) -> Folded:
    """Fold a run that is to go on, under its plan or, if it fits, under the one that it is upgraded to.

    Errors as of `folded`.
    """
    live.row = row
    state = folded(store, row, live.plan)
    live.kernel = state.kernel
    if state.upgrade is not None:
        store.put_plan(live.plan.hash, plan_text(live.plan))
        live.row = replace(row, plan_hash=live.plan.hash, options={**row.options, **live.options})
    return state


def halted_by(run: str, bug: Exception) -> RunHalted:
    """Why a run goes no further that met a bug of ours."""
    halted = RunHalted(
        f"run {run} was halted by a bug of Orch ({type(bug).__name__}: {bug}); what is durable of it "
        f"stays in the store: please report it with `orch journal {run}`"
    )
    halted.__cause__ = bug
    return halted


def overloaded(run: str, queue_max: int | None) -> Overloaded:
    """Why a run was not let in."""
    return Overloaded(
        f"run {run} was not started: {queue_max} tasks or more wait already, which is all that may "
        f"(queue_max). Nothing of it is kept: ask again later, or give more slots to those who are waited for"
    )


def stored_result(store: Store, row: RunRow, known: Plan | None = None) -> RunResult:
    """The result of a run that is not under way. Errors as of `pinned_plan` and `folded`."""
    return result_of(row, folded(store, row, pinned_plan(store, row, known)).kernel)


def check_same(row: RunRow, flow: str, inputs: dict[str, Any]) -> None:
    """Raises RunMismatch if a run that exists is not the one that is asked for."""
    if row.flow != flow:
        raise RunMismatch(
            f"run {row.run} exists and is one of the flow {row.flow}, not of {flow}; choose another run id"
        )
    if canonical_json(row.input) != canonical_json(inputs):
        raise RunMismatch(
            f"run {row.run} exists with other inputs; a run id stands for one run: choose another, or give the same "
            f"inputs"
        )


def check_inputs(plan: Plan, flow: str, inputs: dict[str, Any]) -> None:
    """Raises UnknownName for a flow that the plan does not have, BadInput for inputs that are not the flow's."""
    found = program_of(plan).flows.get(flow)
    if found is None:
        raise UnknownName(f"there is no flow {flow!r} in {plan.name}; it has {', '.join(sorted(plan.flows)) or 'none'}")
    try:
        found.codec.decode_inputs(inputs)
    except (InvalidValue, Unverified) as error:
        raise BadInput(f"the input of {flow} does not fit: {error}") from None
