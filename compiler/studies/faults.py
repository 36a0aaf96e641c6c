"""The table of faults: what each may be aimed at, what may be said about it, and whether this version carries it out.

To add a fault, give it an entry here and a function of its name in the simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, Literal

from orchspec.slotted import dataclass

__all__ = ["CRASH_POINTS", "FAULTS", "WINDOW_US", "ArgumentKind", "FaultKind", "TargetKind"]

TargetKind = Literal["agent", "human", "dispatcher", "tool", "effect", "signal", "orchestrator"]

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


_MODELS: frozenset[TargetKind] = frozenset({"agent", "dispatcher"})
_SENT = _EFFECT | _MODELS
_OUTSIDE: frozenset[TargetKind] = frozenset({"human", "signal"})
_ORCHESTRATOR: frozenset[TargetKind] = frozenset({"orchestrator"})
_BY: Mapping[str, ArgumentKind] = {**_WHEN, "by": "duration"}
_LASTING: Mapping[str, ArgumentKind] = {"at": "time", "every": "duration", "lasting": "duration"}
_SECOND = 1_000_000
WINDOW_US = 60 * _SECOND
"""How long a window holds that begins `at` a time and does not say; one of `every` holds for a tenth of it."""
_ONCE = ("at", "every", "rate", "first", "nth")


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What may be said of one fault.

    `needs` are groups of arguments of which at least one must be given; `built` says whether this version carries it
    out (one that is not built has no targets and arguments yet); `deeds` that its target must do effects; `several`
    that it strikes all that it names at once, and may name a model, for all who run on it. `unless_said` is what holds
    where none of a group of `needs` is given; durations in microseconds, 0 for a window of a length of its own.
    """

    name: str
    group: str
    built: bool = False
    targets: frozenset[TargetKind] = frozenset()
    arguments: Mapping[str, ArgumentKind] = field(default_factory=dict)
    needs: tuple[tuple[str, ...], ...] = ()
    several: bool = False
    deeds: bool = False
    unless_said: Mapping[str, Any] = field(default_factory=dict)


def _built(
    name: str,
    group: str,
    targets: frozenset[TargetKind],
    arguments: Mapping[str, ArgumentKind] = _WHEN,
    *needs: tuple[str, ...],
    deeds: bool = False,
    several: bool = False,
    **unless_said: float,
) -> FaultKind:
    return FaultKind(name, group, True, targets, arguments, needs, several, deeds, unless_said)


_BUILT = (
    _built(
        "crash",
        "orchestrator",
        _ORCHESTRATOR,
        {
            "at": "time",
            "every": "duration",
            "first": "count",
            "nth": "count",
            "down": "duration",
            "lasting": "duration",
            "point": "point",
        },
        ("at", "every", "first", "nth"),
    ),
    _built("crash_loop", "orchestrator", _ORCHESTRATOR, {**_LASTING, "down": "duration"}, ("lasting",), lasting=0),
    _built("stale_lease", "orchestrator", _ORCHESTRATOR, _WHEN, _ONCE),
    _built("fail", "agent", _WORKERS | {"tool", "effect"}),
    _built("garbage", "output", _WORKERS),
    _built("truncated", "output", _WORKERS),
    _built("empty", "output", _WORKERS),
    _built("oversize", "output", _WORKERS),
    _built("wrong", "output", _WORKERS),
    _built("conflicting", "output", _WORKERS),
    _built("inconsistent", "output", _MODELS),
    _built(
        "slow",
        "agent",
        _WORKERS | {"tool", "effect"},
        {**_WHEN, "factor": "number", "by": "duration"},
        ("factor", "by"),
        factor=10.0,
    ),
    _built("hang", "agent", _PROVIDED),
    _built("zombie", "agent", _MODELS, _BY),
    _built("capacity", "agent", _MODELS, {**_LASTING, "to": "count"}, ("to",), to=1),
    _built("outage", "agent", _PROVIDED),
    _built("server_error", "provider", _PROVIDED),
    _built("quota", "provider", _PROVIDED, {**_LASTING, "limit": "count"}, ("limit", "lasting"), lasting=0),
    _built("correlated_outage", "provider", _PROVIDED, _LASTING, several=True),
    _built("throttle", "provider", _PROVIDED, {**_WHEN, "retry_after": "duration"}),
    _built("crash_before_effect", "agent", frozenset({"agent"}), deeds=True),
    _built("crash_after_effect", "agent", frozenset({"agent"}), deeds=True),
    _built("lose", "messages", _SENT),
    _built("lose_ack", "messages", _SENT),
    _built("duplicate", "messages", _EFFECT),
    _built("delay", "messages", _SENT, _BY, ("by",), by=10 * _SECOND),
    _built("reorder", "messages", _EFFECT, _BY, ("by",), by=10 * _SECOND),
    _built("partition", "messages", _EFFECT, _LASTING, ("lasting",), lasting=0),
    _built(
        "skew", "time", _ORCHESTRATOR, {"at": "time", "lasting": "duration", "by": "duration"}, ("by",), by=30 * _SECOND
    ),
    _built("jump", "time", _ORCHESTRATOR, {"at": "time", "by": "duration"}, ("by",), by=60 * _SECOND),
    _built("timer_early", "time", _ORCHESTRATOR, _BY, ("by",), by=_SECOND),
    _built("timer_late", "time", _ORCHESTRATOR, _BY, ("by",), by=10 * _SECOND),
    _built("timer_twice", "time", _ORCHESTRATOR),
    _built("store_error", "store", _ORCHESTRATOR, _WHEN, _ONCE),
    _built("store_busy", "store", _ORCHESTRATOR, _WHEN, ("lasting", "rate", "first", "nth"), lasting=0),
    _built("disk_full", "store", _ORCHESTRATOR, _LASTING, ("lasting",), lasting=0),
    _built("torn", "store", _ORCHESTRATOR, {**_WHEN, "down": "duration"}, _ONCE),
    _built("unsynced", "store", _ORCHESTRATOR, {**_WHEN, "down": "duration"}, _ONCE),
    _built("never", "person", _OUTSIDE),
    _built("late", "person", _OUTSIDE, _BY, ("by",), by=3600 * _SECOND),
    _built("twice", "person", _OUTSIDE),
    _built("contradictory", "person", _OUTSIDE),
    _built("price", "economics", _MODELS, {**_WHEN, "factor": "number"}, ("factor",), factor=2.0),
    _built("overrun", "economics", _MODELS, {**_WHEN, "factor": "number"}, ("factor",), factor=2.0),
    _built("retry_storm", "economics", _PROVIDED),
)

_PLANNED = {
    "orchestrator": ("upgrade",),
}

FAULTS: Mapping[str, FaultKind] = MappingProxyType(
    {kind.name: kind for kind in _BUILT}
    | {name: FaultKind(name, group) for group, names in _PLANNED.items() for name in names}
)
"""Every fault of the language by its name."""
