"""The table of faults: what each may be aimed at, what may be said about it, and whether this version carries it out.

To add a fault, give it an entry here and a function of its name in the simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

__all__ = ["CRASH_POINTS", "FAULTS", "ArgumentKind", "FaultKind", "TargetKind"]

TargetKind = Literal["agent", "human", "dispatcher", "tool", "effect", "orchestrator"]

ArgumentKind = Literal["duration", "time", "share", "count", "number", "point"]
"""What an argument takes: `duration` is longer than 0, `time` since the start may be 0, `share` lies in 0..1, `count`
is an Int of at least 1, `number` is above 0, `point` is one of `CRASH_POINTS`."""

CRASH_POINTS = (
    "before_commit",
    "after_commit",
    "before_effect",
    "after_effect",
    "before_ack",
    "recovery",
)
"""Where a crash may strike: around the write of the journal, around an effect, before the acknowledgement, while
recovering."""

_WHEN: Mapping[str, ArgumentKind] = {
    "at": "time",
    "lasting": "duration",
    "every": "duration",
    "rate": "share",
    "first": "count",
    "nth": "count",
}
_EFFECT: frozenset[TargetKind] = frozenset({"effect"})
_DATED: Mapping[str, ArgumentKind] = {"at": "time", "lasting": "duration", "every": "duration"}
_PROVIDED: frozenset[TargetKind] = frozenset({"agent", "dispatcher", "tool", "effect"})
_WORKERS: frozenset[TargetKind] = frozenset({"agent", "human", "dispatcher"})


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What may be said of one fault.

    `needs` are groups of arguments of which at least one must be given; `built` says whether this version carries it
    out (one that is not built has no targets and arguments yet); `deeds` that its target must do effects; `several`
    that it strikes all that it names at once, and may name a model, for all who run on it.
    """

    name: str
    group: str
    built: bool = False
    targets: frozenset[TargetKind] = frozenset()
    arguments: Mapping[str, ArgumentKind] = field(default_factory=dict)
    needs: tuple[tuple[str, ...], ...] = ()
    several: bool = False
    deeds: bool = False


_BUILT = (
    FaultKind(
        "crash",
        "orchestrator",
        built=True,
        targets=frozenset({"orchestrator"}),
        arguments={
            "at": "time",
            "every": "duration",
            "first": "count",
            "nth": "count",
            "down": "duration",
            "point": "point",
        },
        needs=(("at", "every", "first", "nth"),),
    ),
    FaultKind("fail", "agent", built=True, targets=_WORKERS | {"tool", "effect"}, arguments=_WHEN),
    FaultKind("garbage", "output", built=True, targets=_WORKERS, arguments=_WHEN),
    FaultKind(
        "slow",
        "agent",
        built=True,
        targets=_WORKERS | {"tool", "effect"},
        arguments={**_WHEN, "factor": "number", "by": "duration"},
        needs=(("factor", "by"),),
    ),
    FaultKind("hang", "agent", built=True, targets=_PROVIDED, arguments=_WHEN),
    FaultKind(
        "zombie",
        "agent",
        built=True,
        targets=frozenset({"agent", "dispatcher"}),
        arguments={**_WHEN, "by": "duration"},
    ),
    FaultKind(
        "capacity",
        "agent",
        built=True,
        targets=frozenset({"agent", "dispatcher"}),
        arguments={**_DATED, "to": "count"},
        needs=(("to",),),
    ),
    FaultKind("outage", "agent", built=True, targets=_PROVIDED, arguments=_WHEN),
    FaultKind("server_error", "provider", built=True, targets=_PROVIDED, arguments=_WHEN),
    FaultKind(
        "quota",
        "provider",
        built=True,
        targets=_PROVIDED,
        arguments={**_DATED, "limit": "count"},
        needs=(("limit", "lasting"),),
    ),
    FaultKind("correlated_outage", "provider", built=True, targets=_PROVIDED, arguments=_DATED, several=True),
    FaultKind(
        "throttle",
        "provider",
        built=True,
        targets=_PROVIDED,
        arguments={**_WHEN, "retry_after": "duration"},
    ),
    FaultKind("crash_before_effect", "agent", built=True, targets=frozenset({"agent"}), arguments=_WHEN, deeds=True),
    FaultKind("crash_after_effect", "agent", built=True, targets=frozenset({"agent"}), arguments=_WHEN, deeds=True),
    FaultKind("lose", "messages", built=True, targets=_EFFECT, arguments=_WHEN),
    FaultKind("lose_ack", "messages", built=True, targets=_EFFECT, arguments=_WHEN),
    FaultKind("duplicate", "messages", built=True, targets=_EFFECT, arguments=_WHEN),
    FaultKind(
        "delay", "messages", built=True, targets=_EFFECT, arguments={**_WHEN, "by": "duration"}, needs=(("by",),)
    ),
)

_PLANNED = {
    "orchestrator": ("crash_loop", "stale_lease", "upgrade"),
    "messages": ("reorder", "partition"),
    "time": ("skew", "jump", "timer_early", "timer_late", "timer_twice"),
    "store": ("store_error", "store_busy", "disk_full", "torn", "unsynced"),
    "output": ("truncated", "empty", "oversize", "wrong", "conflicting", "inconsistent"),
    "person": ("never", "late", "twice", "contradictory"),
    "economics": ("price", "overrun", "retry_storm"),
}

FAULTS: Mapping[str, FaultKind] = MappingProxyType(
    {kind.name: kind for kind in _BUILT}
    | {name: FaultKind(name, group) for group, names in _PLANNED.items() for name in names}
)
"""Every fault of the language by its name."""
