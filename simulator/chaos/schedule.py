"""Schedules: the exact faults of one chronicle, as a file that replays it byte for byte."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Fault, canonical_json
from orchspec.runtime.errors import OrchError

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["FORMAT", "BadSchedule", "Schedule", "digest_of", "read_schedule"]

FORMAT: Final = 1
_BYTES_MAX: Final = 1_000_000


class BadSchedule(OrchError):
    """A file that is no schedule of this version."""

    code = "bad_schedule"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What has to be known to see one chronicle again.

    Attributes:
        spec: the path of the spec, as it was given.
        plan_hash: of its plan then.
        flow: which of its flows was run.
        seed: of what agents took and gave.
        runs: how many runs met each other.
        faults: what went wrong.
        broken: the violation that was found, as plain data, or none.
        digest: of all durable records, so that a replay can say whether it is the same.
    """

    spec: str
    plan_hash: str
    flow: str
    seed: int
    runs: int
    faults: tuple[Fault, ...] = ()
    broken: dict[str, Any] | None = None
    digest: str = ""
    given: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        """The text of a `.schedule` file."""
        document = {"schedule": FORMAT, **asdict(self)}
        document["faults"] = [_fault_json(each) for each in self.faults]
        return json.dumps(document, indent=2) + "\n"


def read_schedule(text: str) -> Schedule:
    """The schedule in the text of a file. Raises BadSchedule."""
    if len(text) > _BYTES_MAX:
        raise BadSchedule(f"a schedule has {_BYTES_MAX:,} characters at most, this text has {len(text):,}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadSchedule(f"this is no schedule, as it is not JSON: {error}; orch chaos writes one") from None
    if not isinstance(document, dict) or document.get("schedule") != FORMAT:
        raise BadSchedule(f"this is no schedule of version {FORMAT}; orch chaos writes one where something broke")
    try:
        faults = tuple(
            Fault(
                0, str(each["name"]), str(each["target"]), dict(each["args"]), [str(o) for o in each.get("others", [])]
            )
            for each in document["faults"]
        )
        made = Schedule(
            spec=str(document["spec"]),
            plan_hash=str(document["plan_hash"]),
            flow=str(document["flow"]),
            seed=int(document["seed"]),
            runs=int(document["runs"]),
            faults=faults,
            broken=document.get("broken"),
            digest=str(document.get("digest", "")),
            given=dict(document.get("given") or {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadSchedule(f"it lacks or misspells something: {type(error).__name__}: {error}") from None
    if not 1 <= made.runs <= 1000 or not all(_sound(fault) for fault in faults):
        raise BadSchedule("its runs must be 1 to 1000, and arguments of faults numbers or words")
    return made


def _fault_json(fault: Fault) -> dict[str, Any]:
    said: dict[str, Any] = {"name": fault.name, "target": fault.target, "args": fault.args}
    return {**said, "others": fault.others} if fault.others else said


def _sound(fault: Fault) -> bool:
    return all(isinstance(value, (int, float, str)) and not isinstance(value, bool) for value in fault.args.values())


def digest_of(chronicle: Chronicle) -> str:
    """A hash of all durable records in the order of their commits."""
    digest = hashlib.sha256()
    for commit, record in zip(chronicle.commits, chronicle.order, strict=True):
        line = canonical_json([commit, record.run, record.seq, record.time_us, record.type, record.body])
        digest.update(line.encode() + b"\n")
    return f"sha256:{digest.hexdigest()}"
