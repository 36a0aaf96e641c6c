"""Calls of tools, as whoever listens to the dispatcher hears of them: no journal tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Calls"]


class Calls:
    """A `PoolObserver`: for each tool when a call took a slot (1), gave it back (-1), or a crash freed all (0)."""

    def __init__(self, tools: Iterable[str]) -> None:
        self.of: dict[str, list[tuple[int, int]]] = {name: [] for name in tools}

    def requested(self, names: tuple[str, ...], now_us: int) -> None:
        """Whoever waits has nothing yet."""

    def granted(self, names: tuple[str, ...], pool: str, made_us: int, now_us: int) -> None:
        """A call took a slot."""
        if pool in self.of:
            self.of[pool].append((now_us, 1))

    def taken(self, pool: str, now_us: int) -> None:
        """A call took a slot at once."""
        self.granted((pool,), pool, now_us, now_us)

    def withdrawn(self, names: tuple[str, ...], made_us: int, now_us: int) -> None:
        """Whoever left without a grant had nothing."""

    def held(self, pool: str, now_us: int) -> None:
        """Only critical sections hold tools, and who is inside is not told."""

    def released(self, pool: str, taken_us: int, now_us: int) -> None:
        """A call gave its slot back."""
        if pool in self.of:
            self.of[pool].append((now_us, -1))

    def drew(self, limit: str, since_us: int, now_us: int) -> None:
        """Limits of models are in the journal."""

    def spent(self, limit: str, amount: int, now_us: int) -> None:
        """Limits of models are in the journal."""

    def resized(self, pool: str, slots: int, now_us: int) -> None:
        """The most that there may be is in the plan."""

    def crash(self, now_us: int) -> None:
        """The dispatcher is gone: whatever was taken is free."""
        for calls in self.of.values():
            calls.append((now_us, 0))
