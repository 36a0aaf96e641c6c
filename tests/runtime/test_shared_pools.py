"""The dispatcher under any history of requests, gates, sections, calls, scaling and crashes: S8 and S13."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchspec.compiler.plan import Breaker, Gate, Rate, Tool
from orchspec.runtime.dispatcher import Dispatcher
from tests.support.plans import agent, give, plan

SEC = 1_000_000
PLAN = plan(
    give(1),
    agents=(
        agent("ann", slots_min=1, slots=4),
        agent("bob", slots=1, rate=Rate(2, 5 * SEC)),
        agent("cy", slots=2, breaker=Breaker(2, 60 * SEC, 20 * SEC)),
    ),
    tools=(Tool("ledger"), Tool("stock", 2), Tool("web", 3, Rate(3, 4 * SEC), 1)),
    gates={
        "narrow": Gate(slots_min=1, slots_max=1),
        "paced": Gate(rate=Rate(2, 7 * SEC)),
        "wary": Gate(slots_min=1, slots_max=3, breaker=Breaker(1, 60 * SEC, 9 * SEC)),
    },
)
MOST = {"ann": 4, "bob": 1, "cy": 2, "stock": 2, "web": 3, "narrow": 1, "wary": 3, "eve": 1}
TOOLS = ("ledger", "stock", "web")
PLACES = st.integers(0, 7)


class Pools(RuleBasedStateMachine):
    """What is asked is either granted, once, or waits; what is granted is released, once."""

    def __init__(self):
        super().__init__()
        self.pools = Dispatcher(PLAN)
        self.now = 0
        self.place = 0
        self.waiting = {}
        self.held = {}

    def _grants(self, grants):
        for grant in grants:
            key = (grant.run, grant.place, grant.attempt)
            assert key in self.waiting, "granted to nobody, or twice"
            self._hold(key, self.waiting.pop(key), grant)

    def _hold(self, key, asked, grant):
        assert key not in self.held
        assert grant.pool == ("+".join(asked[1]) if asked[0] == "section" else grant.pool)
        self.held[key] = (*asked, grant.pool)

    def _ask(self, asked, grant, key):
        if grant is not None:
            self._hold(key, asked, grant)
        else:
            self.waiting[key] = asked

    def _key(self, run):
        self.place += 1
        return (f"r{run}", self.place, 1)

    @rule(
        run=st.integers(0, 2),
        names=st.sampled_from([("ann",), ("bob",), ("ann", "bob"), ("cy", "ann"), ("cy",)]),
        gates=st.sampled_from([(), (), ("narrow",), ("paced",), ("wary", "narrow"), ("paced", "wary")]),
    )
    def ask(self, run, names, gates):
        key = self._key(run)
        self._ask(("task", names, gates), self.pools.request(*key, names, self.now, gates=gates), key)

    @rule(
        run=st.integers(0, 2),
        tools=st.sampled_from([("ledger",), ("stock", "ledger"), ("ledger", "stock"), ("web", "stock")]),
        gates=st.sampled_from([(), (), ("narrow",)]),
    )
    def enter(self, run, tools, gates):
        key = self._key(run)
        self._ask(("section", tools, gates), self.pools.enter(*key, tools, self.now, gates=gates), key)

    @rule(run=st.integers(0, 2), tool=st.sampled_from(TOOLS), at=PLACES)
    def call(self, run, tool, at):
        key = self._key(run)
        inside = [key for key, asked in self.held.items() if asked[0] == "section" and tool in asked[1]]
        section = inside[0][1:] if inside and at % 2 else None
        key = (inside[0][0] if section else key[0], *key[1:])
        self._ask(("call", (tool,), section), self.pools.call(*key, tool, self.now, section=section), key)

    @precondition(lambda self: self.held)
    @rule(at=PLACES, outcome=st.sampled_from(["ok", "ok", "failed", "stopped"]))
    def release(self, at, outcome):
        key = sorted(self.held)[at % len(self.held)]
        self._end(key, outcome)

    def _end(self, key, outcome):
        kind = self.held.pop(key)[0]
        if kind == "section":
            # Whatever was called from inside has ended, or is given up, before the section is left.
            for call in [call for call, asked in self.held.items() if asked[0] == "call" and asked[2] == key[1:]]:
                self._end(call, "ok")
            for call in [call for call, asked in self.waiting.items() if asked[0] == "call" and asked[2] == key[1:]]:
                del self.waiting[call]
                self._grants(self.pools.release(*call, "stopped", self.now))
        self._grants(self.pools.release(*key, outcome, self.now))
        assert self.pools.release(*key, outcome, self.now) == [], "it is closed"

    @precondition(lambda self: self.waiting)
    @rule(at=PLACES)
    def withdraw(self, at):
        key = sorted(self.waiting)[at % len(self.waiting)]
        del self.waiting[key]
        self._grants(self.pools.release(*key, "stopped", self.now))

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds):
        until = self.now + seconds * SEC
        while (at_us := self.pools.next_wake_us(self.now)) is not None and at_us <= until:
            self.now = max(self.now, at_us)
            self._grants(self.pools.wake(self.now))
            after = self.pools.next_wake_us(self.now)
            assert after is None or after > self.now, "waking changes nothing, and would go on for ever"
        self.now = until
        self._grants(self.pools.wake(self.now))

    @rule()
    def crash(self):
        """Another engine: what was granted is held again, tool calls died, who waited asks again."""
        self.pools = Dispatcher(PLAN)
        self.held = {key: asked for key, asked in self.held.items() if asked[0] != "call"}
        for key, (kind, names, gates, pool) in self.held.items():
            if kind == "section":
                self.pools.hold_section(*key, names, self.now, gates=gates)
            else:
                self.pools.hold(*key, pool, self.now, session=False, gates=gates)
        self.pools.recover([], self.now)
        again, self.waiting = self.waiting, {}
        for key, asked in again.items():
            kind, names, gates = asked
            if kind == "section":
                self._ask(asked, self.pools.enter(*key, names, self.now, gates=gates), key)
            elif kind == "task":
                self._ask(asked, self.pools.request(*key, names, self.now, gates=gates), key)

    @invariant()
    def limits_hold(self):
        locked = {name for kind, names, *_ in self.held.values() if kind == "section" for name in names}
        for name, pool in self.pools.pools.items():
            assert 0 <= pool.busy <= (pool.slots if pool.slots is not None else pool.busy)
            assert pool.slots is None or pool.slots <= MOST[name]
            assert pool.bucket is None or pool.bucket.tokens >= 0
            assert pool.locked == (name in locked)
            assert not (pool.locked and pool.busy), "somebody is in a section's tool"
        users = [names[0] for kind, names, section, _ in self.held.values() if kind == "call" and section is None]
        for tool in TOOLS:
            assert self.pools.pools[tool].busy == users.count(tool)

    @invariant()
    def nothing_free_is_kept_from_the_head_of_a_queue(self):
        for pool in self.pools.pools.values():
            head = pool.head(self.pools._requests) if pool.waiting else None
            if head is not None and not head.whole and pool.blocked_by(self.now) == "":
                assert self.pools.next_wake_us(self.now) == self.now
        if self.pools._sections:
            first = self.pools._sections[0]
            assert any(each.busy or each.locked for each in first.pools), "its tools are free"

    def teardown(self):
        """Whoever holds something ends in time, and then everybody is served."""
        for _ in range(500):
            if not self.held and not self.waiting:
                break
            if self.held:
                self._end(min(self.held), "ok")
            else:
                at_us = self.pools.next_wake_us(self.now)
                assert at_us is not None, f"{self.waiting} would wait for ever"
                self.now = max(self.now, at_us)
                self._grants(self.pools.wake(self.now))
        assert not self.waiting
        assert not self.pools._requests
        assert not self.pools._grants
        assert not self.pools._sections
        for pool in self.pools.pools.values():
            assert (pool.busy, pool.waiting, pool.locked) == (0, 0, False)


Pools.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPools = Pools.TestCase
