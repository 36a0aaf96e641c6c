"""The dispatcher: who may work, now, across all runs. It routes and holds limits.

It never runs a task and is never busy.

A pure object beside the kernel, spoken to by messages: `request`, `release`, `hold`, `wake`. It owns a *pool* for
each agent, tool and person: slots, a token bucket, a breaker, a queue. A grant takes all that a task needs at once (a
slot, a token, the session), from one of several candidates. Steps and effects with limits of their own have a pool
too, a *gate*.

Rules.
1. Nothing that is free is kept from anyone who waits for it: whatever frees something grants it in the same call.
2. Between runs the queue is fair: runs take turns (start-time fair queueing, Goyal et al. 1996, with unit costs).
   Within a run urgency comes first, and ages: an urgent request counts as if it had been made `AGE_US` earlier for
   each step of urgency, so nothing starves.
3. A request that names several candidates stands in each of their queues, and leaves all of them with its grant.
4. An open breaker holds requests and consumes no attempt; after its rest it lets one probe through.
5. Rates are token buckets with continuous refill. A bucket starts full, but empty after a crash (nobody knows what
   was spent).
6. Gates are passed before one stands in the queue of an agent, always in the order in which they were named, and what
   was passed is held meanwhile. Nobody waits for a gate while holding an agent, so there is no circle.
7. A critical section takes all its tools at once, each whole: nobody else uses one of them until it is released. At
   the head of a queue it keeps those behind waiting, so it cannot starve; it is let in as soon as all its tools are
   unused, wherever it stands in their queues. Of two that want the same tool, who asked first goes first.
8. What the provider of a model lets through (`quotas`) is taken together with the agent, for the attempt that is
   granted. Who has to wait for it waits beside the queue of its agent, in a queue of the model, where nobody overtakes.
9. Slots that scale with the load change by the rule in `elastic`.
10. Nothing that waits is ever dropped. Where `queue_max` is set, no new run is let in while so many requests wait.

Whatever becomes possible by time alone (a token, the end of a breaker's rest, a slot that has started) is announced by
`next_wake_us`: the driver calls `wake` then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchspec.runtime.distributions import quantile_us
from orchspec.runtime.elastic import Elastic
from orchspec.runtime.granting import Granting, queues_of
from orchspec.runtime.grants import Grant, Held, Outcome, PoolObserver
from orchspec.runtime.pools import Bucket, Pool, Request
from orchspec.runtime.quotas import Quota, limits_of

if TYPE_CHECKING:
    from orchspec.compiler.plan import Breaker, Plan, Rate

__all__ = ["AGE_US", "Dispatcher", "Grant", "PoolObserver", "limits_of"]

_NO_SESSIONS: Final[dict[str, str]] = {}
AGE_US: Final = 60_000_000
"""How much earlier a request counts to have been made for each step of urgency."""


class Dispatcher(Granting):
    """All pools of one engine. Times are integer microseconds; the caller hands in the present."""

    def __init__(self, plan: Plan, observer: PoolObserver | None = None, queue_max: int | None = None) -> None:
        Granting.__init__(self, observer)
        self.queue_max = queue_max
        self._newest: Plan | None = None
        self.admit(plan)

    def admit(self, plan: Plan) -> None:
        """Learn the pools of one more plan; of a pool that is known already the limits stay as they are."""
        if plan is self._newest:  # each run comes with its plan, and most come with the same
            return
        self._newest = plan
        for agent in plan.agents.values():
            most = agent.slots_max if agent.slots_max is not None else (1 if agent.kind == "human" else None)
            self._add(agent.name, agent.slots_min, most, agent.rate, agent.breaker)
            profile = plan.profiles.get(agent.name)
            if profile is not None:
                self.pools[agent.name].guess_us = quantile_us(profile.latency, 0.5) or 0
        for tool in plan.tools.values():
            self._add(tool.name, tool.slots_min, tool.slots, tool.rate, None)
        for model in plan.models.values():
            if (model.rate or model.token_rate) and model.name not in self._quotas:
                self._quotas[model.name] = Quota(model, len(self._quotas))
        for name, gate in plan.gates.items():
            self._add(name, gate.slots_min, gate.slots_max, gate.rate, gate.breaker, observed=False)

    def _add(
        self,
        name: str,
        least: int | None,
        most: int | None,
        rate: Rate | None,
        breaker: Breaker | None,
        *,
        observed: bool = True,
    ) -> None:
        if name in self.pools:
            return
        bucket = Bucket(rate) if rate is not None else None
        pool = Pool(name, len(self.pools), most, bucket, breaker, observed=observed)
        if most is not None and least is not None and least < most:
            pool.elastic = Elastic(least, most)
            pool.slots = least
            pool.plain = False
        self.pools[name] = pool
        if rate is not None or breaker is not None or pool.elastic is not None:
            self._timed.append(pool)

    def is_full(self, coming: int) -> bool:
        """Whether as many requests wait, in all queues together, as may.

        `coming` are runs that were let in and have asked for nothing yet: each counts as one that waits.
        """
        return self.queue_max is not None and len(self._requests) + coming >= self.queue_max

    # -------------------------------------------------------------- messages

    def take(self, run: str, place: int, attempt: int, name: str, now_us: int) -> bool:
        """Take a slot of one pool, if it is free and nobody waits for it; False, and nothing of it, else.

        As `request` for a single candidate and nothing besides; most of what is asked for is that, and is there.
        """
        pool = self.pools[name]
        key = (run, place, attempt)
        if pool.plain:
            if pool.waiting or pool.locked or (pool.slots is not None and pool.busy >= pool.slots):
                return False
            pool.busy += 1
        elif pool.waiting or pool.blocked_by(now_us):
            return False
        else:
            pool.take(key)
        pool.turn = self._sequence = self._sequence + 1
        self._grants[key] = Held(pool, now_us)
        if self.observer is not None and pool.observed:
            self.observer.taken(name, now_us)
        return True

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
        sessions: tuple[tuple[str, str], ...] = (),
        gates: tuple[str, ...] = (),
        watch: tuple[str, tuple[float, ...]] | None = None,
        draws: tuple[tuple[str, int], ...] = (),
    ) -> Grant | None:
        """Ask for one of `candidates`; returns the grant if it is there at once, else the request waits.

        `sessions` are pairs of a candidate and the session that is taken with them, by one grant at a time across all
        runs. `gates` are passed first. `watch` is what the work is, and for each candidate which quantile of its times
        the grant is to tell (0: none). `draws` are, for each candidate, its model and what it may take of it.
        """
        pools = tuple([self.pools[name] for name in candidates])
        rank = now_us - urgency * AGE_US
        taken = dict(sessions) if sessions else _NO_SESSIONS
        request = Request(run, place, attempt, candidates, pools, prefer, rank, taken, now_us, watch)
        if draws:
            quotas = self._quotas
            drawn = zip(candidates, draws, strict=True)
            request.draws = {name: (quotas[model], tokens) for name, (model, tokens) in drawn if model in quotas}
        self._before(request, gates)
        return self._ask(request, now_us)

    def enter(
        self,
        run: str,
        place: int,
        attempt: int,
        tools: tuple[str, ...],
        now_us: int,
        *,
        gates: tuple[str, ...] = (),
    ) -> Grant | None:
        """Ask for a critical section: all of `tools` at once, and for nobody else until it is released."""
        pools = tuple([self.pools[name] for name in tools])
        request = Request(run, place, attempt, tools, pools, "in_order", now_us, _NO_SESSIONS, now_us)
        request.section = True
        self._before(request, gates)
        return self._ask(request, now_us)

    def _before(self, request: Request, gates: tuple[str, ...]) -> None:
        """Let a request pass these gates first."""
        if gates:
            stages = [(self.pools[name],) for name in gates]
            request.later = (*stages[1:], request.pools)
            request.pools = stages[0]

    def call(
        self, run: str, place: int, attempt: int, tool: str, now_us: int, *, section: tuple[int, int] | None = None
    ) -> Grant | None:
        """Ask for one call of a tool; within the critical section that holds it (place and attempt), from its hands."""
        held = self._grants.get((run, *section)) if section is not None else None
        pool = held.inner[tool] if held is not None else self.pools[tool]
        request = Request(run, place, attempt, (tool,), (pool,), "in_order", now_us, _NO_SESSIONS, now_us)
        return self._ask(request, now_us)

    def release(
        self, run: str, place: int, attempt: int, outcome: str, now_us: int, used: int | None = None
    ) -> list[Grant]:
        """Close a grant (`ok`, `failed`, `stopped`) or withdraw a request; returns what that made possible.

        `used` are the tokens that it took of a model with limits; None: nobody knows, so it may have taken all.
        """
        key = (run, place, attempt)
        grants: list[Grant] = []
        held = self._grants.pop(key, None)
        if held is None:
            request = self._requests.pop(key, None)
            if request is not None:
                self._withdraw(request, now_us, grants)
                if self._sections:
                    self._serve_sections(now_us, grants)
            return grants
        pool = held.pool
        if pool is None:
            self._leave_section(held, now_us, grants)
            self._free_gates(held, outcome, key, now_us, grants)
            if self._sections:
                self._serve_sections(now_us, grants)
            return grants
        if outcome == "ok":
            # An exponentially weighted mean, for `prefer = fastest`; integers, so that it is the same everywhere.
            took_us = now_us - held.taken_us
            pool.speed_us = took_us if pool.speed_us == 0 else (7 * pool.speed_us + took_us) // 8
            if held.contract is not None:
                self._latencies.add(pool.name, held.contract, took_us)
        if pool.plain:
            pool.busy -= 1
        else:
            pool.free(outcome, key, now_us)
        if self.observer is not None and pool.observed:
            self.observer.released(pool.name, held.taken_us, now_us)
        if held.session is not None:
            self._free_session(held.session, now_us, grants)
        if self._draws:
            self._settle_draw(key, used, now_us, grants)
        if pool.waiting:
            self._serve(pool, now_us, grants)
        if held.gates:
            self._free_gates(held, outcome, key, now_us, grants)
        if self._sections:
            self._serve_sections(now_us, grants)
        return grants

    def _free_gates(
        self, held: Held, outcome: str, key: tuple[str, int, int], now_us: int, grants: list[Grant]
    ) -> None:
        for gate in held.gates:
            gate.free(outcome, key, now_us)
            self._serve(gate, now_us, grants)

    def _withdraw(self, request: Request, now_us: int, grants: list[Grant]) -> None:
        self._left(request)
        if request.parked:
            self._unpark(request, None, now_us)
            self._serve_behind(request, None, now_us, grants)
        if self.observer is not None and request.observed:
            for names in queues_of(request):
                self.observer.withdrawn(names, request.made_us, now_us)
        for gate in request.passed:
            gate.free("stopped", (request.run, request.place, request.attempt), now_us)
            self._serve(gate, now_us, grants)
        if request.whole:  # and past its gates
            # It may have kept others waiting, at the head of each of its queues.
            self._sections.remove(request)
            for pool in request.pools:
                self._serve(pool, now_us, grants)

    def hold(
        self,
        run: str,
        place: int,
        attempt: int,
        agent: str,
        now_us: int,
        *,
        session: str,
        gates: tuple[str, ...] = (),
        draws: tuple[tuple[str, int], ...] = (),
    ) -> None:
        """After a crash: a grant that the journal says is open counts as taken again, and draws on its model again."""
        pool = self.pools[agent]
        held = Held(pool, now_us, tuple([self.pools[name] for name in gates]))
        if session:
            held.session = session
            self._sessions[session] = (run, place, attempt)
        self._grants[run, place, attempt] = held
        for model, tokens in draws:
            quota = self._quotas.get(model)
            if quota is not None:
                quota.draw(tokens)
                self._draws[run, place, attempt] = quota, tokens
        for each in (pool, *held.gates):
            self._hold_slot(each, now_us)
        if self.observer is not None and pool.observed:
            self.observer.held(agent, now_us)

    def _hold_slot(self, pool: Pool, now_us: int) -> None:
        pool.busy += 1
        if pool.elastic is not None and pool.elastic.held(pool):
            self._resized(pool, now_us)

    def hold_section(
        self, run: str, place: int, attempt: int, tools: tuple[str, ...], now_us: int, *, gates: tuple[str, ...] = ()
    ) -> None:
        """After a crash: a critical section that the journal says is open has its tools again."""
        pools = tuple([self.pools[name] for name in tools])
        passed = tuple([self.pools[name] for name in gates])
        self._enter_section((run, place, attempt), pools, passed, now_us)
        for gate in passed:
            self._hold_slot(gate, now_us)
        if self.observer is not None:
            for pool in pools:
                self.observer.held(pool.name, now_us)

    def recover(self, outcomes: list[Outcome], now_us: int) -> None:
        """After a crash: buckets start empty; breakers, and what is known of how long work takes, fold outcomes."""
        for pool in self.pools.values():
            if pool.bucket is not None:
                pool.bucket.drain(now_us)
        for quota in self._quotas.values():
            quota.drain(now_us)
        for at_us, name, outcome, took_us, contract in sorted(outcomes):
            known = self.pools.get(name)
            if known is None:  # a critical section has no pool of its own
                continue
            if outcome == "ok" and took_us >= 0:  # as in `release`, where a call would cost
                known.speed_us = took_us if known.speed_us == 0 else (7 * known.speed_us + took_us) // 8
                if contract:
                    self._latencies.add(name, contract, took_us)
            if known.breaker is not None:
                if known.open_until_us is not None and at_us >= known.open_until_us:
                    known.probe = _FOLDED
                known.observe(outcome, at_us, _FOLDED)

    def forget(self, run: str, now_us: int) -> list[Grant]:
        """A run was halted: nothing of it waits or is held any more; returns what that made possible for others."""
        grants: list[Grant] = []
        for key in [key for key in self._requests if key[0] == run]:
            grants += self.release(*key, "stopped", now_us)
        for key in [key for key in self._grants if key[0] == run]:
            grants += self.release(*key, "stopped", now_us)
        return [grant for grant in grants if grant.run != run]

    def wake(self, now_us: int) -> list[Grant]:
        """Time has passed: grant what it made possible."""
        grants: list[Grant] = []
        for pool in list(self._timed):
            if pool.elastic is not None and pool.elastic.pass_time(pool, now_us):
                self._resized(pool, now_us)
            if pool.waiting:
                self._serve(pool, now_us, grants)
        for quota in self._quotas.values():
            if quota.waiting:
                self._serve_quota(quota, now_us, grants)
        if self._sections:
            self._serve_sections(now_us, grants)
        return grants

    def next_wake_us(self, now_us: int) -> int | None:
        """When time alone will make something possible, or None."""
        soonest: int | None = None
        for pool in self._timed:
            if pool.elastic is not None:
                at_us = pool.elastic.wake_us(pool)
                if at_us is not None and (soonest is None or at_us < soonest):
                    soonest = at_us
            if pool.waiting:
                at_us = pool.wake_us(now_us)
                if at_us is not None and (soonest is None or at_us < soonest) and not self._kept(pool):
                    soonest = at_us
        for quota in self._quotas.values():
            head = quota.head(self._requests) if quota.waiting else None
            if head is not None:
                pools = head.parked[quota].pools
                at_us = min(quota.ready_us(head.draws[pool.name][1], now_us) for pool in pools)
                soonest = at_us if soonest is None else min(soonest, at_us)
        return soonest

    def _kept(self, pool: Pool) -> bool:
        """Whether a section is next, which no time alone lets in."""
        head = pool.head(self._requests)
        return head is not None and head.whole


_FOLDED: Final = ("", 0, 0)
"""Stands for the probe of a breaker while recent outcomes are folded, which do not say whose they were."""
