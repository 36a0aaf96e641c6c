"""Who could be granted by when: slots, rates and breakers counted from outside, for who asks whether a wait was needed.

It knows what the journal knows: who was granted and let go, and when. Where that does not tell (a gate that somebody
has passed who still waits behind it, the tools of a critical section) nobody is said to have been free.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchspec.compiler.plan import Breaker, Plan, Rate
    from orchspec.runtime.kernel.commands import HoldGrant, RequestGrant

__all__ = ["Turns", "Waiting", "Window"]

_Key = tuple[str, int, int]


class Window:
    """Tokens of a rate, counted from outside: `take` says whether there was one."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._left = rate.count * rate.per_us  # in units of 1 / per_us of a token, so that refilling is exact
        self._at_us = 0

    def _pass(self, at_us: int) -> None:
        rate = self._rate
        if at_us > self._at_us:
            self._left = min(self._left + (at_us - self._at_us) * rate.count, rate.count * rate.per_us)
            self._at_us = at_us

    def take(self, at_us: int) -> bool:
        """Take one."""
        self._pass(at_us)
        self._left -= self._rate.per_us
        return self._left >= 0

    def drain(self, at_us: int) -> None:
        """Whoever begins anew begins with none."""
        self._pass(at_us)
        self._left = min(self._left, 0)

    def next_us(self, at_us: int) -> int:
        """When there is one."""
        self._pass(at_us)
        lacking = self._rate.per_us - self._left
        return at_us if lacking <= 0 else at_us + -(-lacking // self._rate.count)


@dataclass(slots=True)
class _Pool:
    slots: int | None
    window: Window | None
    breaker: Breaker | None
    held: int = 0
    failed_us: int | None = None

    def free_us(self, at_us: int) -> int | None:
        if self.slots is not None and self.held >= self.slots:
            return None
        if self.breaker is not None and self.failed_us is not None:
            if self.held:
                return None  # perhaps a probe
            at_us = max(at_us, self.failed_us + self.breaker.rest_us)
        return at_us if self.window is None else self.window.next_us(at_us)


def _least(each: Any) -> int | None:
    """The slots that there are at least: a person who says nothing of it does one thing at a time."""
    if each.slots_min is not None:
        return int(each.slots_min)
    return 1 if each.slots_max is None and getattr(each, "kind", "") == "human" else each.slots_max


@dataclass(slots=True)
class Waiting:
    """Somebody who asked to be granted: since when they could be, if they could."""

    command: RequestGrant
    free_us: int | None = None


@dataclass(slots=True)
class _Held:
    pools: list[_Pool]
    lock: str
    since_us: int


@dataclass(slots=True)
class Turns:
    """All pools of a plan, as the journal tells of them."""

    pools: dict[str, _Pool]
    waiting: dict[_Key, Waiting] = field(default_factory=dict)
    _held: dict[_Key, _Held] = field(default_factory=dict)
    _locks: dict[str, _Key] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan) -> Turns:
        """Those of a plan, with nobody in them; slots that follow the load count as the least there are."""
        limited: list[tuple[str, Any]] = [*plan.agents.items(), *plan.gates.items()]
        return cls(
            {
                name: _Pool(
                    _least(each),
                    Window(each.rate) if each.rate is not None else None,
                    each.breaker,
                )
                for name, each in limited
            }
        )

    @property
    def remembers(self) -> bool:
        """Whether who is granted depends on those who have let go long ago: on tokens they took, or how they failed."""
        return any(pool.window is not None or pool.breaker is not None for pool in self.pools.values())

    def ask(self, key: _Key, command: RequestGrant) -> None:
        """Somebody asks."""
        self.waiting[key] = Waiting(command)

    def grant(self, key: _Key, name: str, at_us: int) -> Waiting | None:
        """Somebody is granted; gives how they waited."""
        waited = self.waiting.pop(key, None)
        names: tuple[str, ...] = (name,)
        lock = ""
        if waited is not None:
            names = (*waited.command.gates, name)
            if waited.command.sessions:
                lock = next((lock for agent, lock in waited.command.sessions if agent == name), "")
        for pool in self._take(key, names, lock, at_us):
            if pool.window is not None:
                pool.window.take(at_us)
        return waited

    def hold(self, key: _Key, command: HoldGrant) -> None:
        """After a crash: what was granted is granted."""
        self._take(key, (*command.gates, command.agent), command.session, -1)

    def _take(self, key: _Key, names: tuple[str, ...], lock: str, at_us: int) -> list[_Pool]:
        pools = [self.pools[name] for name in names if name in self.pools]
        self._held[key] = _Held(pools, lock, at_us)
        for pool in pools:
            pool.held += 1
        if lock:
            self._locks[lock] = key
        return pools

    def release(self, key: _Key, outcome: str, at_us: int) -> None:
        """A grant is given back, or a request withdrawn."""
        waited = self.waiting.pop(key, None)
        if waited is not None:
            self._overtaken(waited.command, at_us)
        held = self._held.pop(key, None)
        if held is None:
            return
        for pool in held.pools:
            pool.held -= 1
            if outcome == "failed":
                pool.failed_us = at_us
            elif outcome == "ok" and pool.failed_us is not None and held.since_us > pool.failed_us:
                pool.failed_us = None  # whatever the failure opened is closed by what was let through after it
        if held.lock and self._locks.get(held.lock) == key:
            del self._locks[held.lock]

    def _overtaken(self, command: RequestGrant, at_us: int) -> None:
        """Who is withdrawn may have been granted in that instant, which no journal tells: then its token is gone."""
        for name in (*command.gates, *command.candidates):
            pool = self.pools.get(name)
            if pool is not None and pool.window is not None and pool.window.next_us(at_us) <= at_us:
                pool.window.take(at_us)

    def crash(self, at_us: int) -> None:
        """A new engine: nobody holds or waits, and buckets are empty."""
        self.waiting.clear()
        self._held.clear()
        self._locks.clear()
        for pool in self.pools.values():
            pool.held = 0
            if pool.window is not None:
                pool.window.drain(at_us)

    def look(self, at_us: int) -> None:
        """An instant is over: who could have been granted in it, or will be able to by time alone?"""
        for key, each in self.waiting.items():
            free_us = self._free_us(key, each.command, at_us)
            if free_us is None or each.free_us is None or each.free_us >= at_us:
                each.free_us = free_us

    def _free_us(self, key: _Key, command: RequestGrant, at_us: int) -> int | None:
        if command.prefer == "whole" or self._is_vague(key, command):
            return None
        locks = dict(command.sessions)
        times = [
            self.pools[name].free_us(at_us)
            for name in command.candidates
            if name in self.pools and locks.get(name, "") not in self._locks
        ]
        soonest = min((time for time in times if time is not None), default=None)
        for gate in command.gates:
            behind = self.pools[gate].free_us(at_us) if gate in self.pools else at_us
            soonest = None if soonest is None or behind is None else max(soonest, behind)
        return soonest

    def _is_vague(self, key: _Key, command: RequestGrant) -> bool:
        """Whether somebody else waits, of whom it is not told what they hold already, or who stands before it."""
        if command.draws:
            return True  # what others who wait for the model are to take before it is not looked at
        wanted = {*command.gates, *command.candidates}
        for other, each in self.waiting.items():
            if other == key:
                continue
            if wanted.intersection(each.command.gates) or (
                command.gates and wanted.intersection(each.command.candidates)
            ):
                return True
            locked = any(lock in self._locks for _, lock in each.command.sessions)
            if locked and wanted.intersection(each.command.candidates):
                return True
        return False
