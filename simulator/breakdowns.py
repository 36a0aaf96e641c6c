"""What makes an engine give up what it has in memory, beside crashes: a failing store, and another engine.

| fault | strikes | then |
|---|---|---|
| `store_error` | as a commit is made | nothing of it is durable; the store is opened, and folded, again |
| `disk_full` | as a commit is made while the disk is full | the same; nothing more is durable until there is room |
| `torn` | as a commit is made | the process dies in the middle of a write, and the torn record is not read again |
| `unsynced` | as a commit is made | the power fails, and what was written and not synced is lost |
| `stale_lease` | as a commit is made | another engine has taken over, and refuses what this one writes |
| `crash_loop` | at its date, and at each recovery while it lasts | the engine dies as it comes up |

A commit that was not made is lost as a whole, for the store is one valid copy of the journal; what was acknowledged to
the engine stays. Requests that left before go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from orchspec.runtime.draws import FAULT, uniform

__all__ = ["BREAKDOWNS", "IN_PLACE", "RESTART_US", "STORE_FAILS", "Breakdown"]

BREAKDOWNS: Final[dict[str, str]] = {
    "store_error": "before_commit",
    "disk_full": "before_commit",
    "torn": "before_commit",
    "unsynced": "before_commit",
    "stale_lease": "before_commit",
    "crash_loop": "recovery",
}
"""The point at which each of them strikes."""
IN_PLACE: Final = frozenset({"store_error", "disk_full", "stale_lease"})
"""These end no process: one that is about to leave then leaves, as it would have."""
STORE_FAILS: Final = frozenset({"store_error", "disk_full"})
"""After these the same process opens the store again (`runtime.reopening`)."""
RESTART_US: Final = 100_000
"""How long it takes at least until a process that has ended is started again."""


@dataclass(slots=True)
class Breakdown:
    """One such fault of a scenario, with what has been counted of it."""

    index: int
    name: str
    args: dict[str, Any]
    passed: int = 0
    struck: int = 0

    @property
    def point(self) -> str:
        """Where it strikes."""
        return BREAKDOWNS[self.name]

    def strikes(self, now_us: int, key: int) -> bool:
        """Whether it strikes at this pass of its point."""
        args = self.args
        window_us = self._window_us(now_us)
        if window_us is None:
            return False
        if "first" in args or "nth" in args or "rate" in args:
            self.passed += 1
            if "first" in args and self.passed > args["first"]:
                return False
            if "nth" in args and self.passed != args["nth"]:
                return False
            return "rate" not in args or uniform(key, self.passed, FAULT + self.index) < args["rate"]
        if "lasting" in args:
            return True
        # A date alone: once, at the first pass after it.
        due = 1 + ((now_us - self._from_us()) // args["every"] if "every" in args else 0)
        if self.struck >= due:
            return False
        self.struck = due
        return True

    def down_at(self, now_us: int) -> int:
        """How long the orchestrator is away when it strikes now, µs."""
        least = 0 if self.name == "stale_lease" else RESTART_US
        return max(int(self.args.get("down", 0)), least)

    def room_in_us(self, now_us: int) -> int:
        """In how long there is room on the disk again, µs; 0 if there is room now."""
        return self._window_us(now_us) or 0 if self.name == "disk_full" else 0

    def _from_us(self) -> int:
        return int(self.args.get("at", self.args.get("every", 0)))

    def _window_us(self, now_us: int) -> int | None:
        """How long it still holds, µs (0: nobody said); None if it does not."""
        since_us = now_us - self._from_us()
        if since_us < 0:
            return None
        lasting_us: int | None = self.args.get("lasting")
        if lasting_us is None:
            return 0
        if "every" in self.args:
            since_us %= self.args["every"]
        return lasting_us - since_us if since_us < lasting_us else None
