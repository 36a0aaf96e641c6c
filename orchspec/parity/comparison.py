"""Two journals of one story, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import canonical_json
from orchspec.parity.lives import Job, live_through, without_store_time

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import Record
    from orchspec.simulator.chaos.chronicle import Chronicler

__all__ = ["Difference", "compare", "differs"]

_OWN: Final = frozenset({"epoch"})
"""What a record says of one engine alone."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first record in which the journals of a run differ; None: one side has no such record.

    `index` is from 0; a record is (seq, microseconds, type, body as canonical JSON).
    """

    run: str
    index: int
    simulated: tuple[int, int, str, str] | None
    real: tuple[int, int, str, str] | None

    def __str__(self) -> str:
        sides = f"  simulated {_shown(self.simulated)}\n  real      {_shown(self.real)}"
        return f"{self.run}, record {self.index + 1}:\n{sides}"


def _shown(line: tuple[int, int, str, str] | None) -> str:
    return "has none" if line is None else f"{line[1] / 1e6:.6f} s {line[2]} {line[3]}"


def compare(job: Job) -> Difference | None:
    """Play a story to the simulator and to the real engine.

    Args:
        job: the story.

    Returns:
        The first difference of the first run that has one, or None: the journals are the same, record by record.
    """
    job = replace(job, plan=without_store_time(job.plan))
    return differs(job, job.chronicler())


def differs(job: Job, chronicler: Chronicler) -> Difference | None:
    """What `compare` does, where many schedules of one story are compared: its chronicler is made once.

    The orchestrator of its plan has a store whose commits take no time (`lives.without_store_time`).
    """
    chronicle = chronicler.chronicle(job.faults)
    lived = live_through(job, chronicler)
    for told in chronicle.runs.values():
        simulated = [_line(record) for record in told.records]
        real = [_line(record) for record in lived.records.get(told.run, [])]
        for index in range(max(len(simulated), len(real))):
            one = simulated[index] if index < len(simulated) else None
            other = real[index] if index < len(real) else None
            if one != other:
                return Difference(told.run, index, one, other)
    return None


def _line(record: Record | Any) -> tuple[int, int, str, str]:
    body = {name: value for name, value in record.body.items() if name not in _OWN}
    if record.type == "EngineRecovered":  # by which epoch is its own, too
        body["decided"] = [each if each[0] != "recovered" else ["recovered"] for each in body["decided"]]
    return record.seq, record.time_us, record.type, canonical_json(body)
