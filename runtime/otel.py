"""Steps as spans of OpenTelemetry, in the JSON form of OTLP, by the names of its conventions for generative AI.

Nothing of OpenTelemetry is imported: a span is a dict, and `OtelSink` hands each to a function, one document for each
(the form of the file exporter, which the collector's `otlpjsonfile` receiver reads). It is also the example of a
`StepSink`. Ids are hashes of run and step, so that exporting twice gives the same spans.

What is told: who was asked, for what, with which model, what it took and cost. Inputs and outputs are not: they may be
anybody's secrets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import RunRow
    from orchspec.runtime.steplog import StepRecord

__all__ = ["OtelSink", "run_span", "span"]

_INTERNAL: Final = 1
_OK, _ERROR = 1, 2

# The operation by the kind of a step, and the attribute that says of whom. What has no operation there has none here.
_OPERATIONS: Final[dict[str, tuple[str, str]]] = {
    "task": ("invoke_agent", "gen_ai.agent.name"),
    "effect": ("execute_tool", "gen_ai.tool.name"),
}
_NAMES: Final = {"person": "ask", "signal": "await", "reuse": "reuse"}
_WELL: Final = frozenset({"ok", "reused"})


class OtelSink:
    """A `StepSink` that hands each step on as a document of OTLP/JSON.

    Args:
        write: called with each document, a dict that JSON holds.
        service: the `service.name` of the resource.
    """

    def __init__(self, write: Callable[[dict[str, Any]], None], service: str = "orchspec") -> None:
        self._write = write
        self._service = service

    def step(self, record: StepRecord) -> None:
        """See `StepSink`."""
        self._write(self._document(span(record)))

    def run(self, row: RunRow) -> None:
        """The run has ended: the span that all its steps stand in."""
        self._write(self._document(run_span(row)))

    def _document(self, told: dict[str, Any]) -> dict[str, Any]:
        resource = {"attributes": _attributes({"service.name": self._service})}
        scopes = [{"scope": {"name": "orchspec"}, "spans": [told]}]
        return {"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}


def span(record: StepRecord) -> dict[str, Any]:
    """A step as a span of the trace of its run; what caused it is a link."""
    operation, named = _OPERATIONS.get(record.kind, (None, ""))
    about = record.agent or record.action
    attributes: dict[str, Any] = {}
    if operation is not None:
        attributes["gen_ai.operation.name"] = operation
        attributes[named] = record.agent
    if record.kind == "task":
        attributes["gen_ai.request.model"] = record.model
        attributes["gen_ai.usage.input_tokens"] = record.input_tokens
        attributes["gen_ai.usage.output_tokens"] = record.output_tokens
    if record.status not in _WELL:
        attributes["error.type"] = _error_type(record)
    attributes |= {
        "orch.run": record.trace_id,
        "orch.step": record.step_id,
        "orch.parent_step": record.parent_step_id,
        "orch.kind": record.kind,
        "orch.agent": record.agent,
        "orch.action": record.action,
        "orch.attempt": record.attempt,
        "orch.status": record.status,
        "orch.cost_usd": float(record.cost_usd),
        "orch.cost_estimated": record.cost_estimated,
        "orch.queued_ms": record.queued_ms,
        "orch.tool_calls": record.tool_calls,
        "orch.tool_ms": record.tool_ms,
        "orch.seq": record.seq,
    }
    trace = _id(32, record.trace_id)
    told = {
        "traceId": trace,
        "spanId": _id(16, record.trace_id, record.step_id),
        "parentSpanId": _id(16, record.trace_id, ""),
        "name": f"{operation or _NAMES[record.kind]} {about}",
        "kind": _INTERNAL,
        "startTimeUnixNano": str(record.started_us * 1000),
        "endTimeUnixNano": str((record.started_us + round(record.latency_ms * 1000)) * 1000),
        "attributes": _attributes(attributes),
        "status": _status(None if record.status in _WELL else record.error or record.status),
    }
    if record.caused_by is not None:
        told["links"] = [{"traceId": trace, "spanId": _id(16, record.trace_id, record.caused_by)}]
    return told


def run_span(row: RunRow) -> dict[str, Any]:
    """A run that has ended as the root of its trace; while it has not, it ends when it began."""
    error = row.error or {}
    ended_us = row.created_us if row.ended_us is None else row.ended_us
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": row.flow,
        "error.type": error.get("code"),
        "orch.run": row.run,
        "orch.status": row.status,
        "orch.plan_hash": row.plan_hash,
    }
    return {
        "traceId": _id(32, row.run),
        "spanId": _id(16, row.run, ""),
        "name": f"invoke_workflow {row.flow}",
        "kind": _INTERNAL,
        "startTimeUnixNano": str(row.created_us * 1000),
        "endTimeUnixNano": str(ended_us * 1000),
        "attributes": _attributes(attributes),
        "status": _status(str(error.get("message", row.status)) if row.error else None),
    }


def _error_type(record: StepRecord) -> str:
    """The code of a failure, which is of a few values, and never its message."""
    code, colon, _ = (record.error or "").partition(":")
    return code if colon and code.isidentifier() else record.status


def _status(problem: str | None) -> dict[str, Any]:
    return {"code": _OK} if problem is None else {"code": _ERROR, "message": problem}


def _id(digits: int, *parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:digits]


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP/JSON has them: whole numbers of 64 bits are texts; what is None is left out."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}
