"""The table of faults: what each may be aimed at, what may be said about it, and what it needs.

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
_PROVIDED: frozenset[TargetKind] = frozenset({"agent", "dispatcher", "tool", "effect"})
_WORKERS: frozenset[TargetKind] = frozenset({"agent", "human", "dispatcher"})
_MODELS: frozenset[TargetKind] = frozenset({"agent", "dispatcher"})
_SENT = _EFFECT | _MODELS
_MAILED: frozenset[TargetKind] = _SENT | {"human", "signal", "tool"}
"""Whatever a message goes to, or comes from."""
_OUTSIDE: frozenset[TargetKind] = frozenset({"human", "signal"})
_ORCHESTRATOR: frozenset[TargetKind] = frozenset({"orchestrator"})
_BY: Mapping[str, ArgumentKind] = {**_WHEN, "by": "duration"}
_LASTING: Mapping[str, ArgumentKind] = {"at": "time", "every": "duration", "lasting": "duration"}
_SECOND = 1_000_000
WINDOW_US = 60 * _SECOND
"""How long a window holds that begins `at` a time and does not say; one of `every` holds for a tenth of it."""
_ONCE = ("at", "every", "rate", "first", "nth")
_AT = ("at", "every")


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What may be said of one fault.

    `needs` are groups of arguments of which at least one must be given; `deeds` says that its target must do effects;
    `several` that it strikes all that it names at once. What agents can suffer may name a model, for all who run on it.
    `unless_said` is what holds where none of a group of `needs` is given; durations in microseconds, 0 for a window of
    its own length. `returns` says that what `every` brings is over before it comes again, after a tenth of it unless
    said.
    """

    name: str
    group: str
    targets: frozenset[TargetKind] = frozenset()
    arguments: Mapping[str, ArgumentKind] = field(default_factory=dict)
    needs: tuple[tuple[str, ...], ...] = ()
    several: bool = False
    deeds: bool = False
    unless_said: Mapping[str, Any] = field(default_factory=dict)
    returns: bool = False


def _kind(
    name: str,
    group: str,
    targets: frozenset[TargetKind],
    arguments: Mapping[str, ArgumentKind] = _WHEN,
    *needs: tuple[str, ...],
    deeds: bool = False,
    several: bool = False,
    returns: bool | None = None,
    **unless_said: float,
) -> FaultKind:
    if returns is None:
        returns = "lasting" in arguments and _ONCE not in needs
    return FaultKind(name, group, targets, arguments, needs, several, deeds, unless_said, returns)


_KINDS = (
    _kind(
        "crash",
        "orchestrator",
        _ORCHESTRATOR,
        {
            "at": "time",
            "every": "duration",
            "rate": "share",
            "first": "count",
            "nth": "count",
            "down": "duration",
            "lasting": "duration",
            "point": "point",
        },
        ("at", "every", "rate", "first", "nth"),
    ),
    _kind("crash_loop", "orchestrator", _ORCHESTRATOR, {**_LASTING, "down": "duration"}, ("lasting",), lasting=0),
    _kind("upgrade", "orchestrator", _ORCHESTRATOR, {"at": "time", "every": "duration", "down": "duration"}, _AT),
    _kind("stale_lease", "orchestrator", _ORCHESTRATOR, _WHEN, _ONCE),
    _kind("fail", "agent", _WORKERS | {"tool", "effect"}),
    _kind("garbage", "output", _WORKERS),
    _kind("truncated", "output", _WORKERS),
    _kind("empty", "output", _WORKERS),
    _kind("oversize", "output", _WORKERS),
    _kind("wrong", "output", _WORKERS),
    _kind("conflicting", "output", _WORKERS),
    _kind("inconsistent", "output", _MODELS),
    _kind("poisoned", "output", _WORKERS),
    _kind(
        "slow",
        "agent",
        _WORKERS | {"tool", "effect"},
        {**_WHEN, "factor": "number", "by": "duration"},
        ("factor", "by"),
        factor=10.0,
    ),
    _kind("hang", "agent", _PROVIDED),
    _kind("zombie", "agent", _MODELS, _BY),
    _kind("capacity", "agent", _MODELS, {**_LASTING, "to": "count"}, ("to",), to=1),
    _kind("outage", "agent", _PROVIDED),
    _kind("server_error", "provider", _PROVIDED),
    _kind(
        "quota", "provider", _PROVIDED, {**_LASTING, "limit": "count"}, ("limit", "lasting"), returns=False, lasting=0
    ),
    _kind("correlated_outage", "provider", _PROVIDED, _LASTING, several=True),
    _kind("throttle", "provider", _PROVIDED, {**_WHEN, "retry_after": "duration"}),
    _kind("crash_before_effect", "agent", frozenset({"agent"}), deeds=True),
    _kind("crash_after_effect", "agent", frozenset({"agent"}), deeds=True),
    _kind("lose", "messages", _MAILED),
    _kind("lose_ack", "messages", _SENT),
    _kind("duplicate", "messages", _MAILED - {"tool"}),
    _kind("delay", "messages", _MAILED, _BY, ("by",), by=10 * _SECOND),
    _kind("reorder", "messages", _MAILED, _BY, ("by",), by=10 * _SECOND),
    _kind("partition", "messages", _SENT, _LASTING, ("lasting",), lasting=0),
    _kind("skew", "time", _ORCHESTRATOR, {**_LASTING, "by": "duration"}, ("by",), by=30 * _SECOND),
    _kind(
        "jump", "time", _ORCHESTRATOR, {"at": "time", "every": "duration", "by": "duration"}, ("by",), by=60 * _SECOND
    ),
    _kind("timer_early", "time", _ORCHESTRATOR, _BY, ("by",), by=_SECOND),
    _kind("timer_late", "time", _ORCHESTRATOR, _BY, ("by",), by=10 * _SECOND),
    _kind("timer_twice", "time", _ORCHESTRATOR),
    _kind("store_error", "store", _ORCHESTRATOR, _WHEN, _ONCE),
    _kind("store_busy", "store", _ORCHESTRATOR, _WHEN, ("lasting", "rate", "first", "nth"), lasting=0),
    _kind("disk_full", "store", _ORCHESTRATOR, _LASTING, ("lasting",), lasting=0),
    _kind("torn", "store", _ORCHESTRATOR, {**_WHEN, "down": "duration"}, _ONCE),
    _kind("unsynced", "store", _ORCHESTRATOR, {**_WHEN, "down": "duration"}, _ONCE),
    _kind("never", "person", _OUTSIDE),
    _kind("late", "person", _OUTSIDE, _BY, ("by",), by=3600 * _SECOND),
    _kind("twice", "person", _OUTSIDE),
    _kind("contradictory", "person", _OUTSIDE),
    _kind("price", "economics", _MODELS, {**_WHEN, "factor": "number"}, ("factor",), factor=2.0),
    _kind("overrun", "economics", _MODELS, {**_WHEN, "factor": "number"}, ("factor",), factor=2.0),
    _kind("retry_storm", "economics", _PROVIDED),
)

FAULTS: Mapping[str, FaultKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
"""Every fault of the language by its name."""
