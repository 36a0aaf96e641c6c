"""Grants: what a request got, what is held for it, and who is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from orchspec.runtime.pools import Pool

__all__ = ["Grant", "Held", "Outcome", "PoolObserver"]

Outcome: TypeAlias = tuple[int, str, str, int, str]
"""A grant that a journal says was closed: when (us), of which pool, how (`ok` or `failed`), how long it was held (us),
-1 for a gate on the way to an agent, and the contract if hedges want to know how long such work takes, else "".
"""


class PoolObserver(Protocol):
    """Who measures pools: told of every request and every grant, with times in microseconds.

    `names` are the pools that a request names: who may take the task. Gates are not measured: who waits for one waits
    for the agents behind it.
    """

    def requested(self, names: tuple[str, ...], now_us: int) -> None:
        """A request begins to wait, for no time at all if something is free."""

    def granted(self, names: tuple[str, ...], pool: str, made_us: int, now_us: int) -> None:
        """A request made at `made_us` got a slot of `pool`."""

    def taken(self, pool: str, now_us: int) -> None:
        """A request for this pool alone got a slot of it at once."""

    def withdrawn(self, names: tuple[str, ...], made_us: int, now_us: int) -> None:
        """A request made at `made_us` leaves without a grant."""

    def held(self, pool: str, now_us: int) -> None:
        """A slot is taken that nobody had asked for: again, after a crash, or with the others of a whole tool."""

    def released(self, pool: str, taken_us: int, now_us: int) -> None:
        """A slot taken at `taken_us` came free."""

    def drew(self, limit: str, since_us: int, now_us: int) -> None:
        """An attempt got what it may take of a limit of its model, which it had waited for since `since_us`."""

    def spent(self, limit: str, amount: int, now_us: int) -> None:
        """An attempt has ended that took so much of a limit of its model: tokens, or 1 of a rate."""

    def resized(self, pool: str, slots: int, now_us: int) -> None:
        """A pool that scales with the load has so many slots from now on."""


class Grant:
    """What a request got.

    `pool` for (run, place, attempt), after `waited_us` for `waited_for` (slot, rate, breaker, session, section, model
    rate, model tokens, or nothing). `usual_us` is the quantile that was asked for of the times that such work takes,
    where it is known.
    """

    __slots__ = ("attempt", "place", "pool", "run", "usual_us", "waited_for", "waited_us")

    def __init__(
        self,
        run: str,
        place: int,
        attempt: int,
        pool: str,
        waited_us: int,
        waited_for: str,
        usual_us: int | None = None,
    ) -> None:
        self.run = run
        self.place = place
        self.attempt = attempt
        self.pool = pool
        self.waited_us = waited_us
        self.waited_for = waited_for
        self.usual_us = usual_us


_NO_POOLS: Final[dict[str, Pool]] = {}


class Held:
    """What a grant holds: a slot of `pool`, a session, and the gates it passed. `contract` where times are watched.

    A critical section holds `whole` pools instead (then `pool` is None), and has pools of its own within them.
    """

    __slots__ = ("contract", "gates", "inner", "pool", "session", "taken_us", "whole")

    def __init__(self, pool: Pool | None, taken_us: int, gates: tuple[Pool, ...] = ()) -> None:
        self.pool = pool
        self.taken_us = taken_us
        self.gates = gates
        self.session: str | None = None
        self.contract: str | None = None
        self.whole: tuple[Pool, ...] = ()
        self.inner = _NO_POOLS
