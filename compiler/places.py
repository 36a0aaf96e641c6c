"""Which attributes and limits each statement takes, and why it does not take the others.

What means nothing at a place is refused there with the reason; what no place knows is an unknown attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from orchspec.slotted import dataclass

__all__ = [
    "AGENT",
    "BLOCK",
    "EFFECT_STEP",
    "FAN_OUT",
    "FLOW",
    "FLOW_STEP",
    "MACHINE",
    "MODEL",
    "PEERS",
    "SCOPE",
    "SIGNAL_STEP",
    "STATE",
    "STEP",
    "SUPERVISE",
    "TOKENS_OF_MODELS",
    "Place",
]


@dataclass(frozen=True, slots=True)
class Place:
    """A place with settings: `name` in messages; `attributes` and `limits` that it takes; why it takes no others."""

    name: str
    attributes: tuple[str, ...] = ()
    limits: tuple[str, ...] | None = None
    without: Mapping[str, str] = field(default_factory=dict)
    unlimited: Mapping[str, str] = field(default_factory=dict)


TOKENS_OF_MODELS: Final[Mapping[str, str]] = {
    "token_rate": "tokens are counted for a model, over all agents that use it; say it at the `model`"
}
"""Where a limit of tokens is looked for, and does not stand."""

_ALWAYS = ("only_if", "after", "on_failure")
_POLICY = ("timeout", "attempts", "backoff", "breaker", "rate", "slots", "hedge", "policies")
_ALL = ("cost", "tokens", "time", "retries", "attempts", "depth", "transitions")

FAN_OUT: Final[Mapping[str, str]] = {
    "width": "it bounds the items of a `for`",
    "need": "it is the floor of a `for` or a fan-out",
    "prefer": "it chooses among several agents, under `by any`",
}
"""What goes only with several items or agents."""

_NO_AGENT = {"prefer": "it chooses among several agents, under `by any`"}
_NO_QUEUE = {"urgency": "it orders tasks that wait for an agent, and nobody waits for one here"}
_NO_CALL = "it counts calls of flows, and no flow is called here"
_NO_MACHINE = "it counts what machines do, and none runs here"
_OF_ONE = "the budget of an agent caps one attempt"

FLOW: Final = Place("a flow", ("economy",), _ALL)
MACHINE: Final = Place("a machine", ("economy",), _ALL)
STEP: Final = Place(
    "a step",
    (*_POLICY, "width", "need", "prefer", "urgency", *_ALWAYS),
    ("cost", "tokens", "time", "retries", "attempts"),
    TOKENS_OF_MODELS,
    unlimited={"depth": _NO_CALL, "transitions": _NO_MACHINE},
)
FLOW_STEP: Final = Place("a step with a flow", (*_POLICY, "width", "need", "urgency", *_ALWAYS), _ALL, _NO_AGENT)
EFFECT_STEP: Final = Place(
    "a step with an effect",
    (*_POLICY, "width", "need", *_ALWAYS),
    ("time", "retries"),
    {**_NO_AGENT, **_NO_QUEUE},
    {
        "cost": "an effect costs nothing",
        "tokens": "an effect takes no tokens",
        "attempts": "it counts attempts of agents; the attribute `attempts` bounds those of the effect",
        "depth": _NO_CALL,
        "transitions": _NO_MACHINE,
    },
)
SIGNAL_STEP: Final = Place(
    "a step with a signal",
    ("timeout", "policies", "width", "need", *_ALWAYS),
    ("time",),
    {
        **_NO_AGENT,
        **_NO_QUEUE,
        "attempts": "a signal is waited for, not tried; a longer `timeout` waits longer",
        **dict.fromkeys(("backoff", "breaker", "rate", "slots", "hedge"), "a signal is waited for, not tried"),
    },
    {
        "cost": "to wait costs nothing",
        "tokens": "to wait takes no tokens",
        "attempts": "a signal is waited for, not tried",
        "retries": "a signal is waited for, not tried",
        "depth": _NO_CALL,
        "transitions": _NO_MACHINE,
    },
)
SCOPE: Final = Place("a scope", (*_POLICY, "tools", "width", "need", "urgency", *_ALWAYS), _ALL, _NO_AGENT)
SUPERVISE: Final = Place(
    "a supervise",
    ("workers", "rounds", "width", "depth", "prefer", "urgency", *_POLICY, *_ALWAYS),
    ("cost", "tokens", "time", "retries", "attempts", "depth"),
    {"need": "a task that failed is told to the lead, which decides"},
    {"transitions": _NO_MACHINE},
)
PEERS: Final = Place(
    "a peers",
    ("start", "hops", "urgency", *_POLICY, *_ALWAYS),
    ("cost", "tokens", "time", "retries", "attempts"),
    {"need": "one peer speaks at a time", "width": "one peer speaks at a time", **_NO_AGENT},
    {"depth": _NO_CALL, "transitions": _NO_MACHINE},
)
BLOCK: Final = Place(
    "an arm, a round or an `else`",
    without=dict.fromkeys(
        (*_POLICY, "width", "need", "prefer", "urgency", *_ALWAYS, "budget"),
        "it is no scope of its own; put a `scope` into it",
    ),
)
STATE: Final = Place(
    "a state",
    ("visits",),
    without={
        "timeout": "its steps have one each, and a `scope` around them one for all; in a state that only waits for "
        "signals, `wait 3d` and `on done -> …` end it",
        **dict.fromkeys(
            (
                *(name for name in _POLICY if name != "timeout"),
                "width",
                "need",
                "prefer",
                "urgency",
                *_ALWAYS,
                "budget",
            ),
            "put it at its steps, or at a `scope` around them",
        ),
    },
)
AGENT: Final = Place(
    "an agent",
    limits=("cost", "tokens"),
    without=TOKENS_OF_MODELS,
    unlimited={
        "time": f"{_OF_ONE}, and `timeout` bounds the time of one",
        "retries": _OF_ONE,
        "attempts": _OF_ONE,
        "depth": _OF_ONE,
        "transitions": _OF_ONE,
    },
)
_BY_AGENT = "how many work at once is said of each agent, or of a policy"
MODEL: Final = Place(
    "a model",
    without={
        "slots": _BY_AGENT,
        "breaker": _BY_AGENT,
        "tpm": "tokens a minute are `token_rate = 200k / 1min`",
        "rpm": "requests a minute are `rate = 500 / 1min`",
    },
)
