"""How long work takes: what hedges wait for.

For each agent and contract the times of the last `KEPT` attempts that were verified, from grant to release. From
`LEAST` of them on a quantile of them means something; until then the profile of the plan stands in. After a crash they
are those of the runs that go on, whose journals are folded anyway; those of runs that have ended are not read for it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from math import ceil
from typing import Final

__all__ = ["KEPT", "LEAST", "Latencies"]

KEPT: Final = 200
LEAST: Final = 20


class Latencies:
    """Times by agent and contract, in microseconds."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], tuple[deque[int], list[int]]] = {}

    def add(self, agent: str, contract: str, took_us: int) -> None:
        """An attempt was verified."""
        came, ordered = self._of.setdefault((agent, contract), (deque(), []))
        came.append(took_us)
        insort(ordered, took_us)
        if len(came) > KEPT:
            del ordered[bisect_left(ordered, came.popleft())]

    def quantile(self, agent: str, contract: str, share: float) -> int | None:
        """The time that `share` of the attempts took at most; None while too few are known."""
        found = self._of.get((agent, contract))
        if found is None or len(found[1]) < LEAST:
            return None
        return found[1][min(len(found[1]), max(1, ceil(share * len(found[1])))) - 1]
