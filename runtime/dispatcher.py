"""The dispatcher: who may work, now, across all runs. It routes and holds limits.

It never runs a task and is never busy.

A pure object beside the kernel, spoken to by messages: `request`, `release`, `hold`, `wake`. It owns a *pool* for
each agent, tool and person: slots, a token bucket, a breaker, a queue. A grant takes all that a task needs at once (a
slot, a token, the session), from one of several candidates.

Rules.
1. Nothing that is free is kept from anyone who waits for it: whatever frees something grants it in the same call.
2. Between runs the queue is fair: runs take turns (start-time fair queueing, Goyal et al. 1996, with unit costs).
   Within a run urgency comes first, and ages: an urgent request counts as if it had been made `AGE_US` earlier for
   each step of urgency, so nothing starves.
3. A request that names several candidates stands in each of their queues, and leaves all of them with its grant.
4. An open breaker holds requests and consumes no attempt; after its rest it lets one probe through.
5. Rates are token buckets with continuous refill. A bucket starts full, but empty after a crash (nobody knows what
   was spent).

Whatever becomes possible by time alone (a token, the end of a breaker's rest) is announced by `next_wake_us`: the
driver calls `wake` then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from orchspec.runtime.pools import Pool, Request

if TYPE_CHECKING:
    from orchspec.compiler.plan import Breaker, Plan, Rate

__all__ = ["AGE_US", "Dispatcher", "Grant", "PoolObserver"]

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


class Grant:
    """What a request got.

    `pool` for (run, place, attempt), after `waited_us` for `waited_for` (slot, rate, breaker, session, or nothing).
    """

    __slots__ = ("attempt", "place", "pool", "run", "waited_for", "waited_us")

    def __init__(self, run: str, place: int, attempt: int, pool: str, waited_us: int, waited_for: str) -> None:
        self.run = run
        self.place = place
        self.attempt = attempt
        self.pool = pool
        self.waited_us = waited_us
        self.waited_for = waited_for


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
            pool.observe(outcome, now_us, key)
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
                    pool.probe = _FOLDED
                pool.observe(outcome, at_us, _FOLDED)

    def forget(self, run: str, now_us: int) -> list[Grant]:
        """A run was halted: nothing of it waits or is held any more; returns what that made possible for others."""
        grants: list[Grant] = []
        for key in [key for key in self._requests if key[0] == run]:
            self.release(*key, "stopped", now_us)
        for key in [key for key in self._grants if key[0] == run]:
            grants += self.release(*key, "stopped", now_us)
        return grants

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
        key = (request.run, request.place, request.attempt)
        pool.take(key)
        pool.turn = self._sequence = self._sequence + 1
        session = f"{request.run}/{pool.name}" if pool.name in request.sessions else None
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


_FOLDED: Final = ("", 0, 0)
"""Stands for the probe of a breaker while recent outcomes are folded, which do not say whose they were."""


def _load(pool: Pool) -> float:
    return pool.busy / pool.slots if pool.slots is not None else float(pool.busy)


_SCORES: Final[dict[str, Callable[[Pool], float]]] = {
    "least_busy": _load,
    "fastest": lambda pool: float(pool.speed_us),
    "round_robin": lambda pool: float(pool.turn),
}
