"""How the dispatcher grants: choosing among candidates, gates, critical sections, and who waits where.

The rules are at the head of `dispatcher`, which is spoken to; this is what it does about it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from orchspec.runtime.grants import Grant, Held, PoolObserver
from orchspec.runtime.latencies import Latencies
from orchspec.runtime.pools import Parked, Pool

if TYPE_CHECKING:
    from orchspec.runtime.pools import Request
    from orchspec.runtime.quotas import Quota

__all__ = ["Granting", "queues_of"]


class Granting:
    """The pools of an engine, what is held of them, and who waits."""

    def __init__(self, observer: PoolObserver | None) -> None:
        self.observer = observer
        self.pools: dict[str, Pool] = {}
        self._timed: list[Pool] = []
        self._quotas: dict[str, Quota] = {}
        self._draws: dict[tuple[str, int, int], tuple[Quota, int]] = {}
        self._requests: dict[tuple[str, int, int], Request] = {}
        self._grants: dict[tuple[str, int, int], Held] = {}
        self._sessions: dict[str, tuple[str, int, int]] = {}
        self._parked: dict[str, list[tuple[Pool, Request]]] = {}
        self._latencies = Latencies()
        self._sections: list[Request] = []
        self._sequence = 0

    # -------------------------------------------------------------- choosing

    def _ask(self, request: Request, now_us: int) -> Grant | None:
        """Grant it at once, or let it wait."""
        if self.observer is not None and request.observed:
            for names in queues_of(request):
                self.observer.requested(names, now_us)
        return self._go_on(request, now_us)

    def _go_on(self, request: Request, now_us: int) -> Grant | None:
        """Pass gates as far as they are open, and take what is behind them; else wait where it is stopped."""
        while True:
            chosen = self._choose(request, now_us)
            if chosen is None:
                self._requests[request.run, request.place, request.attempt] = request
                self._enqueue(request, now_us)
                return None
            if not request.later:
                return self._grant(request, chosen, now_us)
            self._pass(request, chosen)

    @staticmethod
    def _pass(request: Request, gate: Pool) -> None:
        gate.take((request.run, request.place, request.attempt))
        request.passed = (*request.passed, gate)
        request.pools, request.later = request.later[0], request.later[1:]

    def _choose(self, request: Request, now_us: int) -> Pool | None:
        if request.whole:
            return self._choose_whole(request)
        best: Pool | None = None
        best_score = 0.0
        for pool in request.pools:
            if pool.waiting and pool.head(self._requests) not in (None, request):
                request.waited_for = request.waited_for or pool.blocked_by(now_us) or "slot"
                continue
            if request.sessions and request.sessions.get(pool.name) in self._sessions:
                request.waited_for = request.waited_for or "session"
                continue
            blocked = pool.blocked_by(now_us)
            if blocked:
                request.waited_for = request.waited_for or blocked
                continue
            if request.draws and not request.later:
                short = self._short(request, pool, now_us)
                if short:
                    request.waited_for = request.waited_for or short
                    continue
            if len(request.pools) == 1 or request.prefer == "in_order":
                return pool
            score = _SCORES[request.prefer](pool)
            if best is None or score < best_score:
                best, best_score = pool, score
        return best

    def _choose_whole(self, request: Request) -> Pool | None:
        if _unused(request) and not any(_overlap(request, other) for other in self._sections):
            return request.pools[0]
        request.waited_for = request.waited_for or "section"
        return None

    def _grant(self, request: Request, pool: Pool, now_us: int) -> Grant:
        key = (request.run, request.place, request.attempt)
        waited_us = now_us - request.made_us
        waited_for = request.waited_for if waited_us else ""
        if request.whole:
            if self.observer is not None:
                for each in request.pools:
                    self.observer.granted((each.name,), each.name, request.made_us, now_us)
            self._enter_section(key, request.pools, request.passed, now_us)
            return Grant(*key, "+".join(request.names), waited_us, waited_for)
        pool.take(key)
        pool.turn = self._sequence = self._sequence + 1
        if request.draws:
            self._draw(request, pool, now_us)
        held = Held(pool, now_us, request.passed)
        if request.sessions:
            held.session = request.sessions.get(pool.name)
            if held.session is not None:
                self._sessions[held.session] = key
        self._grants[key] = held
        if self.observer is not None and request.observed:
            self.observer.granted(request.names, pool.name, request.made_us, now_us)
        usual_us = None
        if request.watch is not None:
            held.contract, shares = request.watch
            share = shares[request.names.index(pool.name)]
            usual_us = self._latencies.quantile(pool.name, held.contract, share) if share else None
        return Grant(*key, pool.name, waited_us, waited_for, usual_us)

    def _resized(self, pool: Pool, now_us: int) -> None:
        if self.observer is not None and pool.observed:
            assert pool.slots is not None
            self.observer.resized(pool.name, pool.slots, now_us)

    # -------------------------------------------------------------- sections

    def _enter_section(
        self, key: tuple[str, int, int], pools: tuple[Pool, ...], gates: tuple[Pool, ...], now_us: int
    ) -> None:
        held = Held(None, now_us, gates)
        held.whole = pools
        held.inner = {}
        for pool in pools:
            pool.locked = True
            inner = Pool(pool.name, pool.index, pool.slots, pool.bucket, None, observed=False)
            held.inner[pool.name] = inner
            if inner.bucket is not None:
                self._timed.append(inner)
            if self.observer is not None:
                for _ in range((pool.slots or 1) - 1):
                    self.observer.held(pool.name, now_us)
        self._grants[key] = held

    def _leave_section(self, held: Held, now_us: int, grants: list[Grant]) -> None:
        for pool in held.whole:
            pool.locked = False
            inner = held.inner[pool.name]
            if inner.bucket is not None:
                self._timed.remove(inner)
            if self.observer is not None:
                for _ in range(pool.slots or 1):
                    self.observer.released(pool.name, held.taken_us, now_us)
        for pool in held.whole:
            self._serve(pool, now_us, grants)

    def _serve_sections(self, now_us: int, grants: list[Grant]) -> None:
        """Let in who waits for a section and finds its tools unused; who waits longer goes first."""
        before: list[Request] = []
        for request in self._sections:
            if _unused(request) and not any(_overlap(request, other) for other in before):
                del self._requests[request.run, request.place, request.attempt]
                self._left(request)
                grants.append(self._grant(request, request.pools[0], now_us))
            else:
                before.append(request)
        self._sections = before

    # -------------------------------------------------------------- waiting

    def _enqueue(self, request: Request, now_us: int) -> None:
        # Who waits for a session must not stand in the way of others: it waits beside the queue.
        sessions = request.sessions
        self._sequence += 1
        if request.whole:
            self._sections.append(request)
        for pool in request.pools:
            if sessions and sessions.get(pool.name) in self._sessions:
                self._parked.setdefault(sessions[pool.name], []).append((pool, request))
            elif request.draws and not request.later and not pool.waiting and not pool.blocked_by(now_us):
                self._park(request, pool, self._short(request, pool, now_us), now_us)
            else:
                pool.push(request, self._sequence)
                if pool.elastic is not None:
                    pool.elastic.wanted(pool, now_us)

    def _left(self, request: Request) -> None:
        elsewhere = [pool for each in request.parked.values() for pool in each.pools] if request.parked else ()
        for pool in request.pools:
            if pool in elsewhere:
                continue
            parked = self._parked.get(request.sessions.get(pool.name, "")) if request.sessions else None
            if parked is not None and (pool, request) in parked:
                parked.remove((pool, request))
            else:
                pool.waiting -= 1

    def _free_session(self, session: str, now_us: int, grants: list[Grant]) -> None:
        del self._sessions[session]
        parked = self._parked.pop(session, None)
        if not parked:
            return
        for pool, request in parked:
            self._sequence += 1
            pool.push(request, self._sequence)
        for pool in dict.fromkeys(pool for pool, _ in parked):
            self._serve(pool, now_us, grants)

    def _serve(self, pool: Pool, now_us: int, grants: list[Grant]) -> None:
        while pool.waiting:
            request = pool.head(self._requests)
            if request is None:
                return
            if request.sessions and request.sessions.get(pool.name) in self._sessions:
                pool.advance()
                pool.waiting -= 1
                self._parked.setdefault(request.sessions[pool.name], []).append((pool, request))
                continue
            if request.whole:
                return  # nobody overtakes it; `_serve_sections` lets it in
            if pool.blocked_by(now_us):
                if pool.elastic is not None:
                    pool.elastic.wanted(pool, now_us)
                return
            if request.draws and not request.later:
                short = self._short(request, pool, now_us)
                if short:  # it must not stand in the way of those who draw on another model, or on none
                    request.waited_for = request.waited_for or short
                    pool.advance()
                    pool.waiting -= 1
                    self._park(request, pool, short, now_us)
                    continue
            pool.advance()
            del self._requests[request.run, request.place, request.attempt]
            self._left(request)
            if request.later:
                self._pass(request, pool)
                grant = self._go_on(request, now_us)
            else:
                grant = self._grant(request, pool, now_us)
            if grant is not None:
                grants.append(grant)
            if request.parked:
                self._serve_behind(request, None, now_us, grants)

    # -------------------------------------------------------------- quotas of models

    def _short(self, request: Request, pool: Pool, now_us: int) -> str:
        """What the model that `pool` would work on lacks for this request: nothing, if it may draw on it now."""
        drawn = request.draws.get(pool.name)
        if drawn is None:
            return ""
        quota, tokens = drawn
        short = quota.short_of(tokens, now_us)
        if not short and quota.waiting and quota.head(self._requests) not in (None, request):
            return quota.behind  # nobody overtakes, so that what is large finds its tokens, too
        return short

    def _park(self, request: Request, pool: Pool, short: str, now_us: int) -> None:
        """Let it wait for the model that `pool` would work on, beside the queue of that pool."""
        quota, _ = request.draws[pool.name]
        parked = request.parked.get(quota)
        if parked is None:
            parked = Parked(now_us, quota.limit(short))
            request.parked = {**request.parked, quota: parked}
            self._sequence += 1
            quota.push(request, self._sequence)
            if self.observer is not None:
                self.observer.requested((parked.limit,), now_us)
        parked.pools.append(pool)

    def _unpark(self, request: Request, drawn: Quota | None, now_us: int) -> None:
        """It waits for no model any more; of that which it has `drawn` on it got what it waited for."""
        for quota, parked in request.parked.items():
            quota.waiting -= 1
            if self.observer is not None and quota is not drawn:
                self.observer.withdrawn((parked.limit,), parked.since_us, now_us)

    def _draw(self, request: Request, pool: Pool, now_us: int) -> None:
        """Take of a model what the attempt may take of it."""
        quota, tokens = request.draws.get(pool.name, (None, 0))
        self._unpark(request, quota, now_us)
        if quota is None:
            return
        quota.draw(tokens)
        self._draws[request.run, request.place, request.attempt] = quota, tokens
        if self.observer is not None:
            waited = request.parked.get(quota)
            for limit in quota.limits.values():
                since_us = waited.since_us if waited is not None and waited.limit == limit else now_us
                if since_us == now_us and (waited is None or waited.limit != limit):
                    self.observer.requested((limit,), now_us)
                self.observer.drew(limit, since_us, now_us)

    def _settle_draw(self, key: tuple[str, int, int], used: int | None, now_us: int, grants: list[Grant]) -> None:
        """An attempt has ended: its model gets back what it did not use, and whoever waits for that may go on."""
        drawn = self._draws.pop(key, None)
        if drawn is None:
            return
        quota, tokens = drawn
        spent = tokens if used is None else used
        quota.settle(tokens, spent, now_us)
        if self.observer is not None:
            for attribute, limit in quota.limits.items():
                self.observer.spent(limit, 1 if attribute == "rate" else spent, now_us)
        self._serve_quota(quota, now_us, grants)

    def _serve_quota(self, quota: Quota, now_us: int, grants: list[Grant]) -> None:
        """Grant those who wait for a model, in turn, as long as there is enough of it.

        Who finds its agent taken goes to the queue of that agent, where it is older than those who came later.
        """
        while quota.waiting:
            request = quota.head(self._requests)
            if request is None:
                return
            pools = request.parked[quota].pools
            rich = [pool for pool in pools if not quota.short_of(request.draws[pool.name][1], now_us)]
            if not rich:
                return
            free = [pool for pool in rich if not self._sent_back(request, pool, pools, now_us)]
            if free:
                score = _SCORES.get(request.prefer)
                chosen = min(free, key=score) if score is not None else free[0]
                quota.advance()
                del self._requests[request.run, request.place, request.attempt]
                self._left(request)
                grants.append(self._grant(request, chosen, now_us))
                self._serve_behind(request, quota, now_us, grants)
            elif pools:
                return
            else:
                quota.advance()
                parked = request.parked[quota]
                request.parked = {each: where for each, where in request.parked.items() if each is not quota}
                quota.waiting -= 1
                if self.observer is not None:
                    self.observer.withdrawn((parked.limit,), parked.since_us, now_us)

    def _serve_behind(self, request: Request, but: Quota | None, now_us: int, grants: list[Grant]) -> None:
        """A request has left the queues of models, where it may have kept others waiting; `but` is being served."""
        for quota in request.parked:
            if quota is not but:
                self._serve_quota(quota, now_us, grants)

    def _sent_back(self, request: Request, pool: Pool, pools: list[Pool], now_us: int) -> bool:
        """Whether an agent, or its session, is taken by now: then it is waited for that first."""
        session = request.sessions.get(pool.name)
        if session in self._sessions:
            pools.remove(pool)
            self._parked.setdefault(str(session), []).append((pool, request))
            return True
        if not pool.blocked_by(now_us):
            return False
        pools.remove(pool)
        self._sequence += 1
        pool.push(request, self._sequence)
        if pool.elastic is not None:
            pool.elastic.wanted(pool, now_us)
        return True


def queues_of(request: Request) -> list[tuple[str, ...]]:
    """The queues that a request is measured in: one of all candidates, or that of each tool of a section."""
    return [(name,) for name in request.names] if request.section else [request.names]


def _unused(request: Request) -> bool:
    """Whether nobody uses any of the pools that a section wants."""
    return not any(pool.busy or pool.locked for pool in request.pools)


def _overlap(one: Request, other: Request) -> bool:
    """Whether two sections want the same tool."""
    return any(pool in other.pools for pool in one.pools)


def _load(pool: Pool) -> float:
    return pool.busy / pool.slots if pool.slots is not None else float(pool.busy)


_SCORES: Final[dict[str, Callable[[Pool], float]]] = {
    "least_busy": _load,
    "fastest": lambda pool: float(pool.speed_us or pool.guess_us),
    "round_robin": lambda pool: float(pool.turn),
}
