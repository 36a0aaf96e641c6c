"""Pools: an agent, a tool, a person or a gate with its slots, its token bucket, its breaker and its queue.

A gate is the pool of a step or an effect that has limits of its own. Between runs the queue is fair: runs take turns
(start-time fair queueing, Goyal et al. 1996, with unit costs). Within a run the order is that of `rank`.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchspec.compiler.plan import Breaker, Rate
    from orchspec.runtime.elastic import Elastic
    from orchspec.runtime.quotas import Quota

__all__ = ["Bucket", "Parked", "Pool", "Request"]

_FINISH_LEAST: Final = 64
"""So many runs whose turn has passed are remembered before it is looked which of them matter."""


_NO_DRAWS: Final[dict[str, tuple[Quota, int]]] = {}
_NOWHERE: Final[dict[Quota, Parked]] = {}


class Parked:
    """That a request waits for a quota: since when, for which limit of it, and on behalf of which of its pools."""

    __slots__ = ("limit", "pools", "since_us")

    def __init__(self, since_us: int, limit: str) -> None:
        self.since_us = since_us
        self.limit = limit
        self.pools: list[Pool] = []


class Request:
    """Something that waits for one of `pools`; for a gate first, and then for the pools of its `later` stages.

    `sessions`: the session that it needs besides, by the pool whose it is.

    `passed` are the gates behind it, which it holds. `section`: what it wants behind them is all of `pools` at once,
    `whole`, with nobody else in them. `watch`: what is asked, and for each candidate which quantile of its times is
    wanted. `draws`: the quota that it draws on in each of `pools`, by name, and how many tokens it may take; `parked`
    are the quotas that it waits for, in their queues and not in those of their pools.
    """

    __slots__ = (
        "attempt",
        "draws",
        "later",
        "made_us",
        "names",
        "observed",
        "parked",
        "passed",
        "place",
        "pools",
        "prefer",
        "rank",
        "run",
        "section",
        "sessions",
        "waited_for",
        "watch",
    )

    def __init__(
        self,
        run: str,
        place: int,
        attempt: int,
        names: tuple[str, ...],
        pools: tuple[Pool, ...],
        prefer: str,
        rank: int,
        sessions: dict[str, str],
        made_us: int,
        watch: tuple[str, tuple[float, ...]] | None = None,
    ) -> None:
        self.run = run
        self.place = place
        self.attempt = attempt
        self.names = names
        self.pools = pools
        self.prefer = prefer
        self.rank = rank
        self.sessions = sessions
        self.made_us = made_us
        self.waited_for = ""
        self.watch = watch
        self.later: tuple[tuple[Pool, ...], ...] = ()
        self.passed: tuple[Pool, ...] = ()
        self.section = False
        self.draws = _NO_DRAWS
        self.parked = _NOWHERE
        self.observed = pools[0].observed

    @property
    def whole(self) -> bool:
        """Whether it waits for all of `pools` by now."""
        return self.section and not self.later


class _Turn:
    """A run's own queue in one pool."""

    __slots__ = ("heap", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.heap: list[tuple[int, int, Request]] = []


class Bucket:
    """The tokens of a rate. Counted in units of 1/per_us of a token, so that refilling is exact in integers."""

    __slots__ = ("at_us", "count", "per_us", "tokens")

    def __init__(self, rate: Rate) -> None:
        self.count = rate.count
        self.per_us = rate.per_us
        self.tokens = rate.count * rate.per_us
        self.at_us = 0

    def lacking(self, now_us: int) -> int:
        """What is missing for one more token, in its units: nothing, or less, if there is one."""
        # A clock that was set back gains nothing, now or when it has caught up.
        if now_us > self.at_us:
            self.tokens = min(self.tokens + (now_us - self.at_us) * self.count, self.count * self.per_us)
            self.at_us = now_us
        return self.per_us - self.tokens

    def drain(self, now_us: int) -> None:
        """After a crash it counts as empty."""
        self.tokens = 0
        self.at_us = now_us


class Pool:
    """An agent, a tool, a person or a gate: slots, bucket, breaker, queue.

    `slots` is what it has now (None: no limit); where that changes with the load, `elastic` says how. `observed`:
    whether those who measure are told of it. `locked`: a critical section has it to itself. `plain`: slots are all that
    limits it.
    """

    __slots__ = (
        "breaker",
        "bucket",
        "busy",
        "elastic",
        "failures",
        "finish",
        "finish_most",
        "guess_us",
        "index",
        "locked",
        "name",
        "observed",
        "open_until_us",
        "order",
        "plain",
        "probe",
        "slots",
        "speed_us",
        "turn",
        "turns",
        "virtual",
        "waiting",
    )

    def __init__(
        self,
        name: str,
        index: int,
        slots: int | None,
        bucket: Bucket | None,
        breaker: Breaker | None,
        *,
        observed: bool = True,
    ) -> None:
        self.name = name
        self.index = index
        self.slots = slots
        self.bucket = bucket
        self.breaker = breaker
        self.observed = observed
        self.plain = bucket is None and breaker is None
        self.elastic: Elastic | None = None
        self.locked = False
        self.busy = 0
        self.waiting = 0
        self.failures: deque[int] = deque()
        self.open_until_us: int | None = None
        # Whose outcome decides, once the breaker has rested; tasks from before it opened say nothing about that.
        self.probe: tuple[str, int, int] | None = None
        self.speed_us = 0
        # What `fastest` goes by until there is a measured time: half of the attempts take longer, says the profile.
        self.guess_us = 0
        self.turn = 0
        self.virtual = 0
        self.finish: dict[str, int] = {}
        self.finish_most = _FINISH_LEAST
        self.turns: dict[str, _Turn] = {}
        self.order: list[tuple[int, int, str]] = []

    # -------------------------------------------------------------- what is free

    def blocked_by(self, now_us: int) -> str:
        """What keeps this pool from taking one more: section, slot, breaker, rate, or nothing."""
        if self.locked:
            return "section"
        if self.slots is not None and self.busy >= self.slots:
            return "slot"
        if self.open_until_us is not None and (now_us < self.open_until_us or self.probe is not None):
            return "breaker"
        if self.bucket is not None and self.bucket.lacking(now_us) > 0:
            return "rate"
        return ""

    def take(self, key: tuple[str, int, int]) -> None:
        """Take a slot, a token, and the probe of a breaker that has rested."""
        self.busy += 1
        if self.bucket is not None:
            self.bucket.tokens -= self.bucket.per_us
        if self.open_until_us is not None:
            self.probe = key
        if self.elastic is not None:
            self.elastic.taken(self)

    def free(self, outcome: str, key: tuple[str, int, int], now_us: int) -> None:
        """A slot comes free; the breaker learns how the work ended."""
        self.busy -= 1
        if self.elastic is not None:
            self.elastic.freed(self, now_us)
        if self.breaker is not None:
            self.observe(outcome, now_us, key)

    def wake_us(self, now_us: int) -> int | None:
        """When time alone frees something here for those who wait: now, or later (None: it does not)."""
        if not self.waiting or self.locked or (self.slots is not None and self.busy >= self.slots):
            return None
        at_us = now_us
        if self.open_until_us is not None:
            if self.probe is not None:
                return None
            at_us = max(at_us, self.open_until_us)
        bucket = self.bucket
        if bucket is not None:
            lacking = bucket.lacking(now_us)
            if lacking > 0:
                at_us = max(at_us, now_us + -(-lacking // bucket.count))
        return at_us

    def observe(self, outcome: str, now_us: int, key: tuple[str, int, int]) -> None:
        """Tell the breaker how the task of `key` ended."""
        breaker = self.breaker
        if breaker is None:
            return
        if self.open_until_us is not None:
            if key != self.probe:
                return
            self.probe = None
            if outcome == "ok":
                self.open_until_us = None
                self.failures.clear()
            elif outcome == "failed":
                self.open_until_us = now_us + breaker.rest_us
            return
        if outcome != "failed":
            return
        self.failures.append(now_us)
        while self.failures and self.failures[0] <= now_us - breaker.within_us:
            self.failures.popleft()
        if len(self.failures) >= breaker.failures:
            self.failures.clear()
            self.open_until_us = now_us + breaker.rest_us

    # -------------------------------------------------------------- the queue

    def push(self, request: Request, sequence: int) -> None:
        """Queue a request in its run's turn."""
        self.waiting += 1
        turn = self.turns.get(request.run)
        if turn is None:
            turn = _Turn(max(self.virtual, self.finish.get(request.run, 0)))
            self.turns[request.run] = turn
            heappush(self.order, (turn.start, sequence, request.run))
        heappush(turn.heap, (request.rank, sequence, request))

    def head(self, live: dict[tuple[str, int, int], Request]) -> Request | None:
        """The request whose turn it is, skipping what has left the queue."""
        while self.order:
            run = self.order[0][2]
            turn = self.turns[run]
            while turn.heap:
                request = turn.heap[0][2]
                if live.get((request.run, request.place, request.attempt)) is request:
                    return request
                heappop(turn.heap)
            heappop(self.order)
            del self.turns[run]
        self.finish.clear()
        self.finish_most = _FINISH_LEAST
        return None

    def advance(self) -> None:
        """The head was granted: its run goes behind those that wait for their turn."""
        start, _, run = heappop(self.order)
        turn = self.turns[run]
        heappop(turn.heap)
        self.virtual = start
        if len(self.finish) > self.finish_most:  # those whose turn has come anyway need not be remembered
            self.finish = {run: at for run, at in self.finish.items() if at > start}
            # Twice what is left, so that looking through them stays cheap however few of them can go.
            self.finish_most = _FINISH_LEAST + 2 * max(len(self.finish), len(self.order))
        if turn.heap:
            turn.start = start + 1
            heappush(self.order, (turn.start, turn.heap[0][1], run))
        else:
            del self.turns[run]
            if self.order:
                self.finish[run] = start + 1
