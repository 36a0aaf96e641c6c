"""What one replication leaves behind: small enough to send between processes, rich enough for every KPI.

Nothing here grows with journals. Runs leave one slotted object each; pools leave time series of a bounded number of
bins, so that the warm-up can be cut *afterwards*, when it is known. All times are seconds of simulated time since the
start of the replication.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "MAX_BINS",
    "Bar",
    "BarKind",
    "EffectObservation",
    "FaultMark",
    "PoolObservation",
    "Replication",
    "RunObservation",
    "Series",
]

#: Beyond so many bins a series merges neighbours and doubles its bin: memory stays bounded when the end is not known.
MAX_BINS = 512

BarKind = Literal["queue", "model", "tool", "human", "retry", "effect", "orchestration"]


class Series:
    """Sums over equal bins of time, starting at 0 s.

    `bin_s` is the present width of a bin; it doubles whenever more than `MAX_BINS` bins would be needed, so series
    that started with the same width can always be aligned.
    """

    __slots__ = ("bin_s", "sums")

    def __init__(self, bin_s: float) -> None:
        """Start an empty series with bins of `bin_s` seconds (more than 0)."""
        if not (0.0 < bin_s < math.inf):
            raise ValueError(f"the bin of a series must be a positive number of seconds, found {bin_s!r}")
        self.bin_s = bin_s
        self.sums = array("d")

    def add(self, at_s: float, value: float = 1.0) -> None:
        """Add `value` to the bin that holds the instant `at_s` (>= 0)."""
        index = int(at_s / self.bin_s)
        if index >= len(self.sums):
            index = self.reach(at_s)
        self.sums[index] += value

    def spread(self, from_s: float, to_s: float, level: float) -> None:
        """Add the integral of the constant `level` over [from_s, to_s], split exactly among the bins it crosses."""
        if level == 0.0 or to_s <= from_s:
            return
        last = int(to_s / self.bin_s)
        if last >= len(self.sums):
            last = self.reach(to_s)
        width = self.bin_s
        first = int(from_s / width)
        if first == last:
            self.sums[first] += level * (to_s - from_s)
            return
        self.sums[first] += level * ((first + 1) * width - from_s)
        for index in range(first + 1, last):
            self.sums[index] += level * width
        self.sums[last] += level * (to_s - last * width)

    def total(self, from_s: float = 0.0, to_s: float = math.inf) -> float:
        """Return the sum within [from_s, to_s]; a bin cut by an end counts with the share that lies inside."""
        width = self.bin_s
        first = max(0, int(from_s / width))
        stop = len(self.sums) if to_s >= len(self.sums) * width else math.ceil(to_s / width)
        total = math.fsum(self.sums[first:stop])
        if first < stop:
            total -= self.sums[first] * max(0.0, from_s / width - first)
            if to_s < stop * width:
                total -= self.sums[stop - 1] * (stop - to_s / width)
        return total

    def coarsen(self) -> None:
        """Merge neighbouring bins in pairs and double the bin."""
        sums = self.sums
        if len(sums) % 2:
            sums.append(0.0)
        self.sums = array("d", (sums[i] + sums[i + 1] for i in range(0, len(sums), 2)))
        self.bin_s *= 2.0

    def reach(self, at_s: float) -> int:
        """Make room for the bin of `at_s` and return its index, coarsening as often as needed."""
        index = int(at_s / self.bin_s)
        while index >= MAX_BINS:
            self.coarsen()
            index = int(at_s / self.bin_s)
        missing = index + 1 - len(self.sums)
        if missing > 0:
            self.sums.frombytes(bytes(8 * missing))
        return index

    def __getstate__(self) -> tuple[float, array[float]]:
        return self.bin_s, self.sums

    def __setstate__(self, state: tuple[float, array[float]]) -> None:
        self.bin_s, self.sums = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Series) and (self.bin_s, self.sums) == (other.bin_s, other.sums)

    __hash__ = None  # type: ignore[assignment]  # it changes while it is filled

    def __repr__(self) -> str:
        return f"Series(bin_s={self.bin_s!r}, bins={len(self.sums)}, total={math.fsum(self.sums)!r})"


@dataclass(slots=True)
class RunObservation:
    """One run: when it came, how it ended, what it cost. Runs of the warm-up and after the window are kept too."""

    ordinal: int
    arrived_s: float
    #: `math.inf` while it has not ended
    ended_s: float = math.inf
    #: completed, failed, cancelled, budget_exhausted, parked, refused (never let in), halted, or unended
    status: str = "unended"
    #: whether the value that the run returned passed its validators again
    verified: bool = False
    cost_usd: float = 0.0
    tokens: int = 0
    attempts: int = 0
    retries: int = 0
    escalations: int = 0
    wasted_usd: float = 0.0
    wasted_tokens: int = 0
    #: orchestration and journal writes on the path of the run, part of its latency
    overhead_s: float = 0.0
    in_flight_at_crash: bool = False
    #: after a crash: completed with S1 to S3 held; `None` where no crash met it
    resumed_well: bool | None = None
    #: what its evals found: numbers by name; `None` where it was not looked at
    scores: list[tuple[str, float]] | None = None
    #: whether the undisturbed twin completes; `None` where no twin was run
    twin_completed: bool | None = None

    @property
    def latency_s(self) -> float:
        """Completion minus arrival, in seconds; `math.inf` if the run has not ended."""
        return self.ended_s - self.arrived_s


class PoolObservation:
    """What was seen of an agent, tool or person, or of a queue before several agents who may take the same task.

    `members` are the resources whose slots the queue waits for: `("scout",)` for the agent itself, and
    `("scholar", "scout")` for tasks that either may take. The queue side (`enqueue`, `grant`, `withdraw`) belongs to
    the pool in which the task waits, the busy side (`take`, `release`) to the resource that got it; for a single
    agent both are the same object. Waits are booked at the instant the waiting began, holds at the instant the slot
    was taken, so that a window holds whole waits and holds; the integrals are booked as time passes. The two are
    separate accounts of one thing, which is what Little's law and the utilization law compare.
    """

    __slots__ = (
        "_busy_since_s",
        "_capacity_since_s",
        "_queue_since_s",
        "abandoned_s",
        "arrivals",
        "busy",
        "busy_slots",
        "capacity",
        "cut_s",
        "grants",
        "held_s",
        "kind",
        "length",
        "limit",
        "members",
        "name",
        "queue",
        "slots",
        "slots_now",
        "takes",
        "wait_s",
    )  # fmt: skip

    def __init__(self, name: str, kind: str, slots: int | None, bin_s: float, members: tuple[str, ...] = ()) -> None:
        """Start with nothing seen.

        `kind` is agent, dispatcher, human, tool, pool or model; `slots` is `None` if unlimited, and the most if they
        follow the load (then `resize` says how many there are, from the beginning on); `bin_s` is the width of the
        bins in seconds, the same for all pools of a scenario; `members` defaults to the pool's own name.
        """
        self.name = name
        self.kind = kind
        self.slots = slots
        self.members = members or (name,)
        #: of a limit of a model: what it lets through, in words; it is a server with one slot
        self.limit = ""
        self.busy_slots = 0
        self.length = 0
        #: slot-seconds, and task-seconds of waiting, as time passed
        self.busy = Series(bin_s)
        self.queue = Series(bin_s)
        #: counts by the instant of enqueueing; `grants` counts those of them that were granted
        self.arrivals = Series(bin_s)
        self.grants = Series(bin_s)
        self.wait_s = Series(bin_s)
        #: seconds waited in vain, by those that were withdrawn
        self.abandoned_s = Series(bin_s)
        #: those of them that a crash cut short, whose tasks ask again after it
        self.cut_s = Series(bin_s)
        #: by the instant of taking
        self.takes = Series(bin_s)
        self.held_s = Series(bin_s)
        #: slot-seconds that were there to be busy, where their number changes
        self.capacity: Series | None = None
        self.slots_now = slots or 0
        self._busy_since_s = 0.0
        self._capacity_since_s = 0.0
        self._queue_since_s = 0.0

    def enqueue(self, now_s: float) -> None:
        """A task begins to wait for a grant (for no time at all, if a slot is free)."""
        self.arrivals.add(now_s)
        self._count_queue(now_s, 1)

    def grant(self, now_s: float, enqueued_s: float) -> None:
        """A task that has waited since `enqueued_s` is granted."""
        self._count_queue(now_s, -1)
        self.grants.add(enqueued_s)
        self.wait_s.add(enqueued_s, now_s - enqueued_s)

    def withdraw(self, now_s: float, enqueued_s: float) -> None:
        """A task that has waited since `enqueued_s` leaves without a grant (stopped, or lost in a crash)."""
        self._count_queue(now_s, -1)
        self.abandoned_s.add(enqueued_s, now_s - enqueued_s)

    def take(self, now_s: float, slots: int = 1) -> None:
        """Slots of this resource become busy."""
        self._count_busy(now_s, slots)

    def release(self, now_s: float, taken_s: float, slots: int = 1) -> None:
        """Slots that were taken at `taken_s` become free."""
        self._count_busy(now_s, -slots)
        self.takes.add(taken_s, slots)
        self.held_s.add(taken_s, slots * (now_s - taken_s))

    def resize(self, now_s: float, slots: int) -> None:
        """There are so many slots from now on."""
        if self.capacity is None:
            self.capacity = Series(self.busy.bin_s)
        elif self.slots_now:
            self.capacity.spread(self._capacity_since_s, now_s, self.slots_now)
        self._capacity_since_s = now_s
        self.slots_now = slots

    def slot_seconds(self, from_s: float, to_s: float) -> float:
        """How long slots were there to be busy, all together."""
        if self.capacity is None:
            return (self.slots or 0) * (to_s - from_s)
        return self.capacity.total(from_s, to_s)

    def waited(self, from_s: float, to_s: float) -> float:
        """How long tasks waited that began to in this time, before crashes and after, in seconds altogether."""
        return self.wait_s.total(from_s, to_s) + self.cut_s.total(from_s, to_s)

    def close(self, now_s: float) -> None:
        """Book the integrals up to `now_s`: call once when the replication ends."""
        if self.capacity is not None:
            self.resize(now_s, self.slots_now)
        self._count_queue(now_s, 0)
        self._count_busy(now_s, 0)

    def _count_queue(self, now_s: float, change: int) -> None:
        if self.length:
            self.queue.spread(self._queue_since_s, now_s, self.length)
        self._queue_since_s = now_s
        self.length += change
        assert self.length >= 0, f"more left the queue of {self.name} than came"

    def _count_busy(self, now_s: float, change: int) -> None:
        if self.busy_slots:
            self.busy.spread(self._busy_since_s, now_s, self.busy_slots)
        self._busy_since_s = now_s
        self.busy_slots += change
        assert self.busy_slots >= 0, f"more slots of {self.name} were released than taken"

    def __repr__(self) -> str:
        return (
            f"PoolObservation(name={self.name!r}, kind={self.kind!r}, slots={self.slots!r}, members={self.members!r})"
        )


@dataclass(slots=True)
class EffectObservation:
    """Counts of one effect over a whole replication, warm-up included; applications are counted in the world."""

    name: str
    intended: int = 0
    confirmed: int = 0
    applied: int = 0
    #: applications beyond the first for their key
    duplicates: int = 0
    #: confirmed, yet the world lacks them
    lost: int = 0

    def add(self, other: EffectObservation) -> None:
        """Count in what was counted elsewhere."""
        self.intended += other.intended
        self.confirmed += other.confirmed
        self.applied += other.applied
        self.duplicates += other.duplicates
        self.lost += other.lost


@dataclass(slots=True, frozen=True)
class FaultMark:
    """A fault that struck: what, whom, and from when to when (`until_s == at_s` for an instant)."""

    name: str
    target: str
    at_s: float
    until_s: float


@dataclass(slots=True, frozen=True)
class Bar:
    """One stretch of time of one run, for the Gantt. Times are seconds since the run arrived.

    `place` is where in the flow, `agent` who (or the tool, effect or ""), `ok` whether its work was used,
    `critical` whether it lies on the critical path.
    """

    place: str
    agent: str
    kind: BarKind
    start_s: float
    end_s: float
    ok: bool = True
    critical: bool = False


@dataclass(slots=True)
class Replication:
    """All that is kept of one replication.

    `window_s` is `(0 or the stated warm-up, end)`: runs that arrive in it are measured, those after it are only load;
    an automatic warm-up is cut from its start later. `faults` are empty in an undisturbed replication. In the mode of
    isolated runs a replication is a chunk of runs that don't meet, and the window is as long as their lives together.
    """

    index: int
    seed: int
    window_s: tuple[float, float]
    runs: list[RunObservation] = field(default_factory=list)
    pools: list[PoolObservation] = field(default_factory=list)
    effects: list[EffectObservation] = field(default_factory=list)
    faults: list[FaultMark] = field(default_factory=list)
    sample_gantt: list[Bar] | None = None
    #: when the run of that Gantt arrived
    sample_arrived_s: float = 0.0
    #: runs that were halted by a mistake of ours, each with the error
    halted: list[str] = field(default_factory=list)
    #: why runs do not end that are under way, where nobody waited any longer for them
    unending: str = ""
    #: why what is expected of it is not known: its window was not over when it was given up, or too much was under way
    given_up: str = ""
    #: seconds from its beginning to where it was left
    lived_s: float = 0.0
    #: the number of measured runs in the system, summed up as time passed; `None` where it was not counted
    run_seconds: float | None = None
