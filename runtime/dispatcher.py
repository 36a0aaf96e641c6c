"""The dispatcher: who may work, now, across all runs. It routes and holds limits; it never runs a task and is never busy.

A pure object beside the kernel, spoken to by messages: `request`, `release`, `hold`, `wake`. It owns a *pool* for each agent, tool and person: slots, a
token bucket, a breaker, a queue. A grant takes all that a task needs at once (a slot, a token, the session), from one of several candidates.

Rules.
1. Nothing that is free is kept from anyone who waits for it: whatever frees something grants it in the same call.
2. Between runs the queue is fair: runs take turns (start-time fair queueing, Goyal et al. 1996, with unit costs). Within a run urgency comes first, and
   ages: an urgent request counts as if it had been made `AGE_US` earlier for each step of urgency, so nothing starves.
3. A request that names several candidates stands in each of their queues, and leaves all of them with its grant.
4. An open breaker holds requests and consumes no attempt; after its rest it lets one probe through.
5. Rates are token buckets with continuous refill. A bucket starts full, but empty after a crash (nobody knows what was spent).

Whatever becomes possible by time alone (a token, the end of a breaker's rest) is announced by `next_wake_us`: the driver calls `wake` then.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from orchspec.compiler.plan import Breaker, Plan, Rate

__all__ = ["AGE_US", "Dispatcher", "Grant", "PoolObserver", "Request"]

AGE_US: Final = 60_000_000
"""How much earlier a request counts to have been made for each step of urgency."""


class PoolObserver(Protocol):
    """Who measures pools: told of every request and every grant, with times in microseconds.

    `names` are the pools that a request names: who may take the task.
    """

    def requested(self, names: tuple[str, ...], now_us: int) -> None:
        """A request begins to wait, for no time at all if something is free."""

    def granted(self, names: tuple[str, ...], pool: str, made_us: int, now_us: int) -> None:
        """A request made at `made_us` got a slot of `pool`."""

    def withdrawn(self, names: tuple[str, ...], made_us: int, now_us: int) -> None:
        """A request made at `made_us` leaves without a grant."""

    def held(self, pool: str, now_us: int) -> None:
        """After a crash a grant counts as taken again."""

    def released(self, pool: str, taken_us: int, now_us: int) -> None:
        """A slot taken at `taken_us` came free."""


class Request:
    """Something that waits for one of `pools`."""

    __slots__ = ("attempt", "made_us", "names", "place", "pools", "prefer", "rank", "run", "sessions", "waited_for")

    def __init__(
        self,
        run: str,
        place: int,
        attempt: int,
        names: tuple[str, ...],
        pools: tuple[Pool, ...],
        prefer: str,
        rank: int,
        sessions: tuple[str, ...],
        made_us: int,
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


class Grant:
    """What a request got: `pool` for (run, place, attempt), after `waited_us` for `waited_for` (slot, rate, breaker, session, or nothing)."""

    __slots__ = ("attempt", "place", "pool", "run", "waited_for", "waited_us")

    def __init__(self, run: str, place: int, attempt: int, pool: str, waited_us: int, waited_for: str) -> None:
        self.run = run
        self.place = place
        self.attempt = attempt
        self.pool = pool
        self.waited_us = waited_us
        self.waited_for = waited_for


class _Turn:
    """A run's own queue in one pool."""

    __slots__ = ("heap", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.heap: list[tuple[int, int, Request]] = []


class Pool:
    """An agent, a tool or a person: slots, bucket, breaker, queue."""

    __slots__ = (
        "breaker",
        "busy",
        "failures",
        "finish",
        "index",
        "name",
        "open_until_us",
        "order",
        "probing",
        "rate",
        "slots",
        "speed_us",
        "tokens",
        "tokens_at_us",
        "turn",
        "turns",
        "virtual",
        "waiting",
    )

    def __init__(self, name: str, index: int, slots: int | None, rate: Rate | None, breaker: Breaker | None) -> None:
        self.name = name
        self.index = index
        self.slots = slots
        self.rate = rate
        self.breaker = breaker
        self.busy = 0
        self.waiting = 0
        # Tokens are counted in units of 1/per_us of a token, so that refilling is exact in integers.
        self.tokens = rate.count * rate.per_us if rate is not None else 0
        self.tokens_at_us = 0
        self.failures: deque[int] = deque()
        self.open_until_us: int | None = None
        self.probing = False
        self.speed_us = 0
        self.turn = 0
        self.virtual = 0
        self.finish: dict[str, int] = {}
        self.turns: dict[str, _Turn] = {}
        self.order: list[tuple[int, int, str]] = []

    # -------------------------------------------------------------- what is free

    def blocked_by(self, now_us: int) -> str:
        """What keeps this pool from taking one more: slot, breaker, rate, or nothing."""
        if self.slots is not None and self.busy >= self.slots:
            return "slot"
        if self.open_until_us is not None and (now_us < self.open_until_us or self.probing):
            return "breaker"
        rate = self.rate
        if rate is not None:
            self._refill(rate, now_us)
            if self.tokens < rate.per_us:
                return "rate"
        return ""

    def _refill(self, rate: Rate, now_us: int) -> None:
        gained = (now_us - self.tokens_at_us) * rate.count
        if gained > 0:
            self.tokens = min(self.tokens + gained, rate.count * rate.per_us)
        self.tokens_at_us = now_us

    def take(self) -> None:
        """Take a slot, a token, and the probe of a breaker that has rested."""
        self.busy += 1
        if self.rate is not None:
            self.tokens -= self.rate.per_us
        if self.open_until_us is not None:
            self.probing = True

    def drain(self, now_us: int) -> None:
        """After a crash the bucket counts as empty."""
        self.tokens = 0
        self.tokens_at_us = now_us

    def wake_us(self, now_us: int) -> int | None:
        """When time alone frees something here for those who wait (None: it does not)."""
        if not self.waiting or (self.slots is not None and self.busy >= self.slots):
            return None
        at_us = now_us
        if self.open_until_us is not None:
            if self.probing:
                return None
            at_us = max(at_us, self.open_until_us)
        rate = self.rate
        if rate is not None:
            self._refill(rate, now_us)
            lacking = rate.per_us - self.tokens
            if lacking > 0:
                at_us = max(at_us, now_us + -(-lacking // rate.count))
        return at_us if at_us > now_us else None

    def observe(self, outcome: str, now_us: int) -> None:
        """Tell the breaker how a task ended."""
        breaker = self.breaker
        if breaker is None or outcome == "stopped":
            if self.probing and outcome == "stopped":
                self.probing = False
            return
        if outcome == "ok":
            if self.open_until_us is not None and self.probing:
                self.open_until_us = None
                self.probing = False
                self.failures.clear()
            return
        if self.open_until_us is not None:
            if self.probing:
                self.probing = False
                self.open_until_us = now_us + breaker.rest_us
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
        return None

    def advance(self) -> None:
        """The head was granted: its run goes behind those that wait for their turn."""
        start, _, run = heappop(self.order)
        turn = self.turns[run]
        _, sequence, _ = heappop(turn.heap)
        self.virtual = start
        if turn.heap:
            turn.start = start + 1
            heappush(self.order, (turn.start, turn.heap[0][1], run))
        else:
            del self.turns[run]
            if self.order:
                self.finish[run] = start + 1


class Dispatcher:
    """All pools of one engine. Times are integer microseconds; the caller hands in the present."""

    def __init__(self, plan: Plan, observer: PoolObserver | None = None) -> None:
        self.observer = observer
        self.pools: dict[str, Pool] = {}
        self._timed: list[Pool] = []
        self._requests: dict[tuple[str, int, int], Request] = {}
        self._grants: dict[tuple[str, int, int], tuple[Pool, str | None, int]] = {}
        self._sessions: dict[str, tuple[str, int, int]] = {}
        self._parked: dict[str, list[Request]] = {}
        self._sequence = 0
        self.admit(plan)

    def admit(self, plan: Plan) -> None:
        """Learn the pools of one more plan; of a pool that is known already the limits stay as they are."""
        for agent in plan.agents.values():
            slots = agent.slots_max if agent.slots_max is not None else (1 if agent.kind == "human" else None)
            self._add(agent.name, slots, agent.rate, agent.breaker)
        for tool in plan.tools.values():
            self._add(tool.name, tool.slots, tool.rate, None)

    def _add(self, name: str, slots: int | None, rate: Rate | None, breaker: Breaker | None) -> None:
        if name in self.pools:
            return
        pool = Pool(name, len(self.pools), slots, rate, breaker)
        self.pools[name] = pool
        if rate is not None or breaker is not None:
            self._timed.append(pool)

    # -------------------------------------------------------------- messages

    def request(
        self,
        run: str,
        place: int,
        attempt: int,
        candidates: tuple[str, ...],
        now_us: int,
        *,
        prefer: str = "in_order",
        urgency: int = 0,
        sessions: tuple[str, ...] = (),
    ) -> Grant | None:
        """Ask for one of `candidates`; returns the grant if it is there at once, else the request waits."""
        pools = tuple([self.pools[name] for name in candidates])
        rank = now_us - urgency * AGE_US
        request = Request(run, place, attempt, candidates, pools, prefer, rank, sessions, now_us)
        if self.observer is not None:
            self.observer.requested(candidates, now_us)
        chosen = self._choose(request, now_us)
        if chosen is not None:
            return self._grant(request, chosen, now_us)
        self._requests[run, place, attempt] = request
        self._enqueue(request)
        return None

    def release(self, run: str, place: int, attempt: int, outcome: str, now_us: int) -> list[Grant]:
        """Close a grant (`ok`, `failed`, `stopped`) or withdraw a request; returns what that made possible."""
        key = (run, place, attempt)
        request = self._requests.pop(key, None)
        if request is not None:
            self._left(request)
            if self.observer is not None:
                self.observer.withdrawn(request.names, request.made_us, now_us)
            return []
        held = self._grants.pop(key, None)
        if held is None:
            return []
        pool, session, taken_us = held
        pool.busy -= 1
        if outcome == "ok":
            # An exponentially weighted mean, for `prefer = fastest`; integers, so that it is the same everywhere.
            took_us = now_us - taken_us
            pool.speed_us = took_us if pool.speed_us == 0 else (7 * pool.speed_us + took_us) // 8
        if pool.breaker is not None:
            pool.observe(outcome, now_us)
        if self.observer is not None:
            self.observer.released(pool.name, taken_us, now_us)
        grants: list[Grant] = []
        if session is not None:
            self._free_session(session, now_us, grants)
        if pool.waiting:
            self._serve(pool, now_us, grants)
        return grants

    def hold(self, run: str, place: int, attempt: int, agent: str, now_us: int, *, session: bool) -> None:
        """After a crash: a grant that the journal says is open counts as taken again."""
        pool = self.pools[agent]
        pool.busy += 1
        name = f"{run}/{agent}" if session else None
        if name is not None:
            self._sessions[name] = (run, place, attempt)
        self._grants[run, place, attempt] = (pool, name, now_us)
        if self.observer is not None:
            self.observer.held(agent, now_us)

    def recover(self, outcomes: list[tuple[int, str, str]], now_us: int) -> None:
        """After a crash: buckets start empty, breakers fold recent outcomes (time, agent, outcome), oldest first."""
        for pool in self.pools.values():
            if pool.rate is not None:
                pool.drain(now_us)
        for at_us, agent, outcome in sorted(outcomes):
            pool = self.pools[agent]
            if pool.breaker is not None:
                if pool.open_until_us is not None and at_us >= pool.open_until_us:
                    pool.probing = True
                pool.observe(outcome, at_us)

    def forget(self, run: str) -> None:
        """A run has ended: nothing of it waits or is held any more, whatever went wrong with it."""
        for key in [key for key in self._requests if key[0] == run]:
            self.release(*key, "stopped", 0)

    def wake(self, now_us: int) -> list[Grant]:
        """Time has passed: grant what it made possible."""
        grants: list[Grant] = []
        for pool in self._timed:
            if pool.waiting:
                self._serve(pool, now_us, grants)
        return grants

    def next_wake_us(self, now_us: int) -> int | None:
        """When time alone will make something possible, or None."""
        soonest: int | None = None
        for pool in self._timed:
            if pool.waiting:
                at_us = pool.wake_us(now_us)
                if at_us is not None and (soonest is None or at_us < soonest):
                    soonest = at_us
        return soonest

    # -------------------------------------------------------------- choosing

    def _choose(self, request: Request, now_us: int) -> Pool | None:
        best: Pool | None = None
        best_score = 0.0
        for pool in request.pools:
            if pool.waiting and pool.head(self._requests) not in (None, request):
                request.waited_for = request.waited_for or pool.blocked_by(now_us) or "slot"
                continue
            if request.sessions and pool.name in request.sessions and f"{request.run}/{pool.name}" in self._sessions:
                request.waited_for = request.waited_for or "session"
                continue
            blocked = pool.blocked_by(now_us)
            if blocked:
                request.waited_for = request.waited_for or blocked
                continue
            if len(request.pools) == 1 or request.prefer == "in_order":
                return pool
            score = _SCORES[request.prefer](pool)
            if best is None or score < best_score:
                best, best_score = pool, score
        return best

    def _grant(self, request: Request, pool: Pool, now_us: int) -> Grant:
        pool.take()
        pool.turn = self._sequence = self._sequence + 1
        session = f"{request.run}/{pool.name}" if pool.name in request.sessions else None
        key = (request.run, request.place, request.attempt)
        if session is not None:
            self._sessions[session] = key
        self._grants[key] = (pool, session, now_us)
        waited_us = now_us - request.made_us
        if self.observer is not None:
            self.observer.granted(request.names, pool.name, request.made_us, now_us)
        waited_for = request.waited_for if waited_us else ""
        return Grant(request.run, request.place, request.attempt, pool.name, waited_us, waited_for)

    # -------------------------------------------------------------- waiting

    def _enqueue(self, request: Request) -> None:
        # Who waits for a session of its run only must not stand in the way of others: it waits beside the queue.
        busy = [name for name in request.sessions if f"{request.run}/{name}" in self._sessions]
        self._sequence += 1
        for pool in request.pools:
            if pool.name in busy:
                self._parked.setdefault(f"{request.run}/{pool.name}", []).append(request)
            else:
                pool.push(request, self._sequence)

    def _left(self, request: Request) -> None:
        for pool in request.pools:
            parked = self._parked.get(f"{request.run}/{pool.name}")
            if parked is not None and request in parked:
                parked.remove(request)
            else:
                pool.waiting -= 1

    def _free_session(self, session: str, now_us: int, grants: list[Grant]) -> None:
        del self._sessions[session]
        parked = self._parked.pop(session, None)
        if not parked:
            return
        agent = session.rpartition("/")[2]
        pool = self.pools[agent]
        for request in parked:
            self._sequence += 1
            pool.push(request, self._sequence)
        self._serve(pool, now_us, grants)

    def _serve(self, pool: Pool, now_us: int, grants: list[Grant]) -> None:
        while pool.waiting:
            request = pool.head(self._requests)
            if request is None:
                return
            if pool.name in request.sessions and f"{request.run}/{pool.name}" in self._sessions:
                pool.advance()
                pool.waiting -= 1
                self._parked.setdefault(f"{request.run}/{pool.name}", []).append(request)
                continue
            if pool.blocked_by(now_us):
                return
            pool.advance()
            del self._requests[request.run, request.place, request.attempt]
            self._left(request)
            grants.append(self._grant(request, pool, now_us))


def _load(pool: Pool) -> float:
    return pool.busy / pool.slots if pool.slots is not None else float(pool.busy)


_SCORES = {
    "least_busy": _load,
    "fastest": lambda pool: float(pool.speed_us),
    "round_robin": lambda pool: float(pool.turn),
}
