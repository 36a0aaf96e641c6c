"""Which faults chaos knows, at whom each is aimed, and what a target must have to survive it.

To add a kind: its line in `KINDS`. What it does is `simulator.faults`, or for crashes `simulator.crashes`; where it can
strike is read off an undisturbed chronicle by `simulator.chaos.places`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["DOWN_US", "KINDS", "Aim", "Kind", "Need"]

SECOND: Final = 1_000_000
DOWN_US: Final = 5 * SECOND
"""How long the orchestrator is down after a crash."""

Aim = Literal["agent", "person", "signal", "effect", "tool", "deed", "model", "timer", "commit", "clock"]
"""At what: an attempt of an agent, a question to a person, a signal that is waited for, a request to a target, a call
of a tool, an effect that an agent asks for, several at once (all agents of a model, all effects, all tools); of the
orchestrator a timer, a commit, its clock."""

Need = Literal["deadline", "repeats"]
"""`deadline`: somebody must stop waiting for an answer that never comes. `repeats`: the target must drop a request that
it has seen, or what a spec says of `settles` must not be broken by a request that is kept for long."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: at what it is aimed, the arguments that it needs besides, and how it is said when it strikes.

    `dated`: it holds for a time, from a moment on (`at`, `lasting`), or for ever where it does not `last`; any other
    strikes attempts (`nth`, `first`, `rate`). `persists`: it is also tried from the beginning, for a while.
    """

    name: str
    aim: Aim
    args: Mapping[str, int | float] = field(default_factory=lambda: MappingProxyType({}))
    needs: frozenset[Need] = frozenset()
    dated: bool = False
    lasts: bool = True
    persists: bool = True


_AT_ONCE: Final = frozenset({"jump", "upgrade"})


def _kind(name: str, aim: Aim, *needs: Need, dated: bool = False, persists: bool = True, **args: float) -> Kind:
    return Kind(name, aim, MappingProxyType(args), frozenset(needs), dated, name not in _AT_ONCE, persists)


KINDS: Final = (
    # What fails, or comes late, or never.
    _kind("fail", "agent"),
    _kind("slow", "agent", factor=50),
    _kind("hang", "agent", "deadline"),
    _kind("zombie", "agent"),
    _kind("outage", "agent", dated=True),
    _kind("capacity", "agent", dated=True, to=1),
    _kind("fail", "tool"),
    _kind("fail", "person"),
    _kind("slow", "person", factor=50),
    _kind("slow", "tool", factor=50),
    _kind("hang", "tool", "deadline"),
    _kind("outage", "tool", dated=True),
    _kind("fail", "effect"),
    _kind("slow", "effect", "repeats", factor=50),
    _kind("hang", "effect", "deadline"),
    _kind("outage", "effect", dated=True),
    _kind("crash_before_effect", "deed"),
    _kind("crash_after_effect", "deed"),
    # What is sent, and what comes back.
    _kind("lose", "agent", "deadline"),
    _kind("lose_ack", "agent", "deadline"),
    _kind("delay", "agent", by=40 * SECOND),
    _kind("duplicate", "agent"),
    _kind("reorder", "agent", by=40 * SECOND),
    _kind("partition", "agent", "deadline", dated=True),
    _kind("lose", "tool", "deadline"),
    _kind("delay", "tool", by=40 * SECOND),
    _kind("reorder", "tool", by=40 * SECOND),
    _kind("lose", "effect"),
    _kind("lose_ack", "effect"),
    _kind("duplicate", "effect", "repeats"),
    _kind("delay", "effect", "repeats", by=40 * SECOND),
    _kind("reorder", "effect", "repeats", by=40 * SECOND),
    _kind("partition", "effect", dated=True),
    # What is said.
    _kind("garbage", "agent"),
    _kind("truncated", "agent"),
    _kind("empty", "agent"),
    _kind("oversize", "agent"),
    _kind("wrong", "agent"),
    _kind("conflicting", "agent"),
    _kind("inconsistent", "agent"),
    _kind("poisoned", "agent"),
    # Who provides it, and what it costs.
    _kind("throttle", "agent", retry_after=5 * SECOND),
    _kind("server_error", "agent"),
    _kind("quota", "agent", dated=True, limit=1),
    _kind("correlated_outage", "model", dated=True),
    _kind("throttle", "effect"),
    _kind("server_error", "effect"),
    _kind("quota", "effect", dated=True, limit=1),
    _kind("throttle", "tool"),
    _kind("server_error", "tool"),
    _kind("quota", "tool", dated=True, limit=1),
    _kind("price", "agent", factor=10),
    _kind("overrun", "agent", factor=10),
    _kind("retry_storm", "agent"),
    _kind("retry_storm", "effect"),
    _kind("retry_storm", "tool"),
    # People, and signals.
    _kind("never", "person", "deadline"),
    _kind("late", "person", by=48 * 3600 * SECOND),
    _kind("twice", "person"),
    _kind("contradictory", "person"),
    _kind("lose", "person", "deadline"),
    _kind("delay", "person", by=40 * SECOND),
    _kind("reorder", "person", by=40 * SECOND),
    _kind("duplicate", "person"),
    _kind("garbage", "person", persists=False),
    _kind("truncated", "person", persists=False),
    _kind("empty", "person", persists=False),
    _kind("oversize", "person", persists=False),
    _kind("wrong", "person"),
    _kind("conflicting", "person"),
    _kind("poisoned", "person"),
    _kind("never", "signal", "deadline"),
    _kind("late", "signal", by=48 * 3600 * SECOND),
    _kind("twice", "signal"),
    _kind("contradictory", "signal"),
    _kind("lose", "signal", "deadline"),
    _kind("delay", "signal", by=40 * SECOND),
    _kind("reorder", "signal", by=40 * SECOND),
    _kind("duplicate", "signal"),
    # The orchestrator's time, its store, and other engines.
    _kind("timer_early", "timer", by=10 * SECOND),
    _kind("timer_late", "timer", by=30 * SECOND),
    _kind("timer_twice", "timer"),
    _kind("skew", "clock", dated=True, by=45 * SECOND),
    _kind("jump", "clock", dated=True, persists=False, by=60 * SECOND),
    _kind("store_error", "commit", persists=False),
    _kind("store_busy", "commit"),
    _kind("torn", "commit", persists=False, down=DOWN_US),
    _kind("unsynced", "commit", persists=False, down=DOWN_US),
    _kind("stale_lease", "commit", persists=False),
    _kind("disk_full", "clock", dated=True),
    _kind("crash_loop", "clock", dated=True, persists=False, down=1 * SECOND),
    _kind("upgrade", "clock", dated=True, persists=False, down=1 * SECOND),
)
"""Every kind but crashes, which strike at points instead of attempts."""
