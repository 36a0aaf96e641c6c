"""Where the time and the money of a run went, from its step log.

Time is that of the critical path: walked backwards from the step that ended last, from each step to the one that it was
caused by. What lies between two steps is orchestration, or rest before another try. Money is that of all steps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from orchspec.runtime.steplog import StepRecord

__all__ = ["KINDS", "Attribution", "attribute"]

KINDS: Final = ("model", "tool", "human", "effect", "signal", "queue", "retry", "orchestration")
"""What time is attributed to. That of a tool is within that of the agent that called it, and is not the model's."""

_KIND: Final = {"task": "model", "person": "human", "effect": "effect", "signal": "signal", "reuse": "orchestration"}
_LOST: Final = frozenset({"failed", "timeout", "stopped"})


@dataclass(frozen=True, slots=True)
class Attribution:
    """Seconds by kind, their sum being the latency; dollars by step, agent and model; and what of them was wasted.

    `path` are the steps of the critical path, the first one first.
    """

    latency_s: dict[str, float]
    path: list[str]
    cost_by_step: dict[str, Decimal]
    cost_by_agent: dict[str, Decimal]
    cost_by_model: dict[str, Decimal]
    wasted: Decimal

    def as_json(self) -> dict[str, Any]:
        """The attribution as `orch status --attribution --json` shows it: decimal texts for money."""
        return {
            "latency_s": self.latency_s,
            "critical_path": self.path,
            "cost_usd": {
                "by_step": _texts(self.cost_by_step),
                "by_agent": _texts(self.cost_by_agent),
                "by_model": _texts(self.cost_by_model),
                "wasted": format(self.wasted, "f"),
            },
        }


def _texts(table: dict[str, Decimal]) -> dict[str, str]:
    return {name: format(value, "f") for name, value in table.items()}


def attribute(steps: Iterable[StepRecord], began_us: int, ended_us: int) -> Attribution:
    """Attribute a run.

    Args:
        steps: its step log, whole.
        began_us: when the run was started, microseconds.
        ended_us: when it ended, or until when it is looked at.
    """
    records = list(steps)
    by_step: dict[str, Decimal] = defaultdict(Decimal)
    by_agent: dict[str, Decimal] = defaultdict(Decimal)
    by_model: dict[str, Decimal] = defaultdict(Decimal)
    wasted = Decimal(0)
    for record in records:
        cost = Decimal(record.cost_usd)
        if not cost:
            continue
        by_step[record.step_id.rpartition("@")[0]] += cost
        by_agent[record.agent] += cost
        by_model[record.model or "none"] += cost
        if record.status in _LOST:
            wasted += cost
    latency_s, path = _critical(records, began_us, ended_us)
    return Attribution(latency_s, path, _sorted(by_step), _sorted(by_agent), _sorted(by_model), wasted)


def _sorted(table: dict[str, Decimal]) -> dict[str, Decimal]:
    return dict(sorted(table.items(), key=lambda item: (-item[1], item[0])))


def _critical(records: Sequence[StepRecord], began_us: int, ended_us: int) -> tuple[dict[str, float], list[str]]:
    """Seconds by kind along the critical path, and its steps."""
    spent = dict.fromkeys(KINDS, 0.0)
    path: list[str] = []
    known = {record.step_id: record for record in records}
    at_us = ended_us
    later: StepRecord | None = None
    here = max(records, key=lambda each: (_end_us(each), each.seq), default=None)
    while here is not None and here.step_id not in path:
        rests = later is not None and later.attempt > 1 and _place(later) == _place(here)
        spent["retry" if rests else "orchestration"] += (at_us - _end_us(here)) / 1e6
        lost = here.status in ("failed", "timeout")
        took_s = (_end_us(here) - here.started_us) / 1e6
        tool_s = 0.0 if lost else min(here.tool_ms / 1e3, took_s)
        spent["tool"] += tool_s
        spent["retry" if lost else _KIND[here.kind]] += took_s - tool_s
        spent["queue"] += here.queued_ms / 1e3
        path.append(here.step_id)
        at_us = round(here.started_us - here.queued_ms * 1000)
        later, here = here, known.get(here.caused_by or "")
    spent["orchestration"] += (at_us - began_us) / 1e6
    return {kind: round(seconds, 6) for kind, seconds in spent.items()}, path[::-1]


def _place(record: StepRecord) -> str:
    return record.step_id.rpartition("@")[0]


def _end_us(record: StepRecord) -> int:
    return round(record.started_us + record.latency_ms * 1000)
