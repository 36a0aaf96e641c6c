"""The step log: one flat record for each thing that was tried, made from the journal as it is written.

The names are those of the field (trace, step, parent, caused by), so that an exporter maps them one to one: a run is
a trace, an attempt at a task, an effect, or a signal is a step. Whoever wants them hands `StepLog(sink).watch` to
`App.run(watch=…)`; `steps_of` makes them from a journal afterwards. Nothing of a third party is imported here: an
exporter implements `StepSink`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from orchspec.runtime.kernel.commands import AwaitSignal, EndRun, RunTask, StopTask
from orchspec.runtime.kernel.events import (
    CostReported,
    EffectClaimed,
    EffectConfirmed,
    EffectRefused,
    EffectUnknown,
    Event,
    QuestionAnswered,
    ReuseAnswered,
    SignalReceived,
    TaskEnrolled,
    TaskFailed,
    TaskFulfilled,
    TaskStopped,
    TimerFired,
)
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.kernel.pricing import spent
from orchspec.runtime.kernel.seeking import Seeking
from orchspec.runtime.recording import EventRecord, Folding

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.journal.records import Record

__all__ = ["StepKind", "StepLog", "StepRecord", "StepSink", "steps_in", "steps_of"]

StepKind = Literal["task", "person", "effect", "signal", "reuse"]
PICO: Final = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One try.

    Attributes:
        trace_id: the run.
        step_id: the path of its place and the number of its attempt: `draft#2/report@1`.
        parent_step_id: the path of what it stands in (a round, a scope, a called flow), or none.
        agent: who was granted; an effect's or a signal's own name.
        action: the contract, or the effect, or the signal.
        model: the model that the attempt was told to use, or none.
        kind: what it is.
        attempt: from 1.
        status: `ok`, `failed`, `stopped`, `timeout`, `reused`, `in_doubt`.
        error: why it did not end well, or none.
        input_tokens, output_tokens: as reported; 0 where nobody said.
        tool_calls: how many its agent made.
        tool_ms: how long at least one of them was under way, their waits included; 0 where an attempt was cut off.
        cost_usd: what was charged, a decimal text; `cost_estimated` where that is what had been reserved.
        queued_ms: how long it waited for a grant before.
        started_us, latency_ms: when it was granted (microseconds since 1970) and how long it then took.
        caused_by: the step that ended when this one began, or none for the first.
        seq: the number of the record that ended it.
    """

    trace_id: str
    step_id: str
    parent_step_id: str | None
    agent: str
    action: str
    model: str | None
    kind: StepKind
    attempt: int
    status: str
    error: str | None
    input_tokens: int
    output_tokens: int
    tool_calls: int
    tool_ms: float
    cost_usd: str
    cost_estimated: bool
    queued_ms: float
    started_us: int
    latency_ms: float
    caused_by: str | None
    seq: int

    def as_json(self) -> dict[str, Any]:
        """The record as a line of the log."""
        return asdict(self)


class StepSink(Protocol):
    """Who takes step records, one by one, in the order in which they ended."""

    def step(self, record: StepRecord) -> None:
        """A step has ended and is durable. What it raises is told and ends the log, never the run."""


@dataclass(slots=True)
class _Open:
    """A try under way."""

    agent: str
    action: str
    kind: StepKind
    attempt: int
    began_us: int
    queued_us: int
    model: str | None = None


class StepLog:
    """Makes step records of journal records. One for each run or for many: runs are told apart."""

    def __init__(self, sink: StepSink) -> None:
        self._sink = sink
        self._open: dict[tuple[str, int], _Open] = {}
        self._causes: dict[tuple[str, int], str | None] = {}
        self._last: dict[tuple[str, int], str] = {}
        self._cut: dict[tuple[str, int, int], StepRecord] = {}

    def watch(self, record: EventRecord) -> None:
        """Take a record; it fits `App.run(watch=…)`."""
        event, run = record.event, record.run
        self._take(record, record.kernel, event, run)
        # The kernel may be ahead of what is durable, so what a record began is told from its commands, not from there.
        cause = self._last.get((run, event.place)) if event.place else None
        for command in record.commands:
            at = (run, command.place)
            self._causes.setdefault(at, cause)
            if isinstance(command, AwaitSignal) and at not in self._open:
                self._open[at] = _Open(command.signal, command.signal, "signal", 1, record.time_us, 0)
            elif isinstance(command, RunTask):
                if at in self._open:  # a step log that begins in mid-run has not seen who was granted
                    self._open[at].model = command.model
            elif isinstance(command, EndRun):
                self._forget(run)

    def close(self) -> None:
        """No record follows: attempts that ran out of time and have not stopped are told as they are."""
        for key in list(self._cut):
            self._sink.step(self._cut.pop(key))

    def _forget(self, run: str) -> None:
        for cut in [cut for cut in self._cut if cut[0] == run]:
            self._sink.step(self._cut.pop(cut))
        tables: tuple[dict[tuple[str, int], Any], ...] = (self._open, self._last, self._causes)
        for table in tables:
            for key in [key for key in table if key[0] == run]:
                del table[key]

    def _take(self, record: EventRecord, kernel: Kernel, event: Event, run: str) -> None:
        said = {str(what): detail for what, detail in record.decided}
        key = (run, event.place)
        if "ignored" in said:
            return
        match event:
            case TaskEnrolled():
                task = kernel.places[event.place]
                action = task.asking.contract if isinstance(task, Seeking) else ""
                kind: StepKind = "person" if kernel.program.plan.agents[event.agent].kind == "human" else "task"
                self._open[key] = _Open(event.agent, action, kind, event.attempt, event.time, event.waited_us)
            case TaskFulfilled() | QuestionAnswered():
                why = said.get("retry") or said.get("failed")
                self._end(record, "failed" if why else "ok", why)
            case TaskFailed():
                self._end(record, "failed", f"{event.code}: {event.message}")
            case TaskStopped():
                self._stopped(record, event)
            case TimerFired() if event.timer.startswith("grace:"):
                self._stopped(record, event)
            case CostReported():
                self._told(record, event)
            case TimerFired() if event.timer in ("attempt", "within"):
                self._end(record, "timeout", said.get("retry") or said.get("failed") or "no answer in time")
            case ReuseAnswered() if "reused" in said:
                task = kernel.places[event.place]
                action = task.asking.contract if isinstance(task, Seeking) else ""
                self._open[key] = _Open("", action, "reuse", 1, event.time, 0)
                self._end(record, "reused", None)
            case EffectClaimed() if event.standing == "own":
                activity = kernel.places[event.place]
                name = getattr(getattr(activity, "effect", None), "name", "") or getattr(activity, "label", "")
                self._open[key] = _Open(name, name, "effect", 1, event.time, 0)
            case EffectConfirmed():
                self._end(record, "ok", None)
            case EffectRefused():
                self._end(record, "failed", event.message)
            case EffectUnknown():
                self._end(record, "in_doubt", event.message, keep=True)
            case SignalReceived() if "signal" in said:
                self._end(record, "ok", None)
            case _:
                pass

    def _stopped(self, record: EventRecord, event: TaskStopped | TimerFired) -> None:
        cut = self._cut.pop((record.run, event.place, event.attempt), None)
        if cut is None:
            if isinstance(event, TaskStopped):
                self._end(record, "stopped", None)
        elif isinstance(event, TaskStopped):
            self._sink.step(replace(cut, tool_calls=event.tool_calls, tool_ms=event.tool_us / 1000))
        else:
            self._sink.step(cut)

    def _told(self, record: EventRecord, event: CostReported) -> None:
        at = (record.run, event.place, event.attempt)
        if at in self._cut:
            pico, estimated = _charged(record.kernel, event)
            self._cut[at] = replace(
                self._cut[at],
                input_tokens=event.tokens_in or 0,
                output_tokens=event.tokens_out or 0,
                cost_usd=format((Decimal(pico) / PICO).normalize(), "f"),
                cost_estimated=estimated,
            )

    def _end(self, record: EventRecord, status: str, error: str | None, *, keep: bool = False) -> None:
        event, kernel, run = record.event, record.kernel, record.run
        key = (run, event.place)
        opened = self._open.get(key) if keep else self._open.pop(key, None)
        if opened is None:
            return
        path = kernel.path(event.place)
        parent, slash, _ = path.rpartition("/")
        pico, estimated = _charged(kernel, event)
        step = f"{path}@{opened.attempt}"
        made = StepRecord(
            trace_id=run,
            step_id=step,
            parent_step_id=parent if slash else None,
            agent=opened.agent,
            action=opened.action,
            model=opened.model,
            kind=opened.kind,
            attempt=opened.attempt,
            status=status,
            error=error,
            input_tokens=getattr(event, "tokens_in", None) or 0,
            output_tokens=getattr(event, "tokens_out", None) or 0,
            tool_calls=getattr(event, "tool_calls", 0),
            tool_ms=getattr(event, "tool_us", 0) / 1000,
            cost_usd=format((Decimal(pico) / PICO).normalize(), "f"),
            cost_estimated=estimated,
            queued_ms=opened.queued_us / 1000,
            started_us=opened.began_us,
            latency_ms=(event.time - opened.began_us) / 1000,
            caused_by=self._last.get(key) or self._causes.get(key),
            seq=record.seq,
        )
        self._last[key] = step
        stops = any(isinstance(command, StopTask) and not command.person for command in record.commands)
        if status == "timeout" and stops:
            self._cut[run, event.place, opened.attempt] = made  # what it did until it has stopped is its own
        else:
            self._sink.step(made)


def _charged(kernel: Kernel, event: Event) -> tuple[int, bool]:
    """What the attempt was charged: as the kernel settles it, from what was reported and what was reserved."""
    task = kernel.places[event.place]
    if isinstance(event, EffectConfirmed):
        return event.cost_pico, False
    if not isinstance(task, Seeking) or task.tier is None or isinstance(event, TaskEnrolled):
        return 0, False
    if task.seat is not None and task.seat.person and not isinstance(event, QuestionAnswered | TaskFailed):
        return 0, False
    if getattr(event, "sent", True) is False:
        return 0, False
    told = (getattr(event, "tokens_in", None), getattr(event, "tokens_out", None), getattr(event, "cost_pico", None))
    pico, _, estimated = spent(task.tier, task.pico, task.tokens, *told)
    return pico, estimated


class _Gathered:
    def __init__(self) -> None:
        self.records: list[StepRecord] = []

    def step(self, record: StepRecord) -> None:
        self.records.append(record)


def steps_of(plan: Plan, run: str, records: Iterable[Record | EventRecord]) -> Iterator[StepRecord]:
    """The step records of a journal.

    Args:
        plan: the one that rules the run.
        run: its id.
        records: its journal.

    Raises:
        CorruptStore: a record is none of ours. ReplayMismatch: the plan is another one.
    """
    return steps_in(lambda _: plan, [(run, record) for record in records])


def steps_in(plan_of: Callable[[str], Plan], woven: Iterable[tuple[str, Record | EventRecord]]) -> Iterator[StepRecord]:
    """The step records of many runs, in the order in which they became durable.

    Args:
        plan_of: the plan of a run.
        woven: their journals in one, each from its beginning: the run and its record.

    Raises:
        CorruptStore: a record is none of ours. ReplayMismatch: the plan is another one.
    """
    kept = list(woven)  # how a run began, and whether it was upgraded, is known by its whole journal
    journals: dict[str, list[Record | EventRecord]] = {}
    for run, record in kept:
        journals.setdefault(run, []).append(record)
    foldings = {run: Folding(plan_of(run), run, journal) for run, journal in journals.items()}
    gathered = _Gathered()
    log = StepLog(gathered)
    for run, record in kept:
        folding = foldings[run]
        event = folding.event(record)
        commands = folding.step(record, event)
        log.watch(EventRecord(run, record.seq, event, folding.kernel, commands))
        yield from gathered.records
        gathered.records.clear()
    log.close()
    yield from gathered.records
