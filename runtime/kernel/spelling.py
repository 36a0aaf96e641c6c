"""Events as journals have them, without a dict in between: the same JSON as an encoder makes of the body.

A record is spelled for each event of each run, so what its kind decides (names, defaults) is prepared once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.compact import json_text, quoted
from orchspec.runtime.kernel.events import EVENT_TYPES, TaskEnrolled, TaskFulfilled

if TYPE_CHECKING:
    from orchspec.runtime.kernel.events import Event

__all__ = ["event_fields"]


def _prepared(kind: type[Event]) -> tuple[Callable[[Any], tuple[Any, ...]], list[tuple[str, Any]]]:
    spelled = [field for field in fields(kind) if field.name not in {"time", "place"}]
    names = [field.name for field in spelled]
    if len(names) == 1:  # a getter of one name gives no tuple
        get = attrgetter(names[0])
        return lambda event: (get(event),), [(f'"{names[0]}":', spelled[0].default)]
    return attrgetter(*names) if names else lambda _event: (), [(f'"{each.name}":', each.default) for each in spelled]


_PREPARED: Final = {kind: _prepared(kind) for kind in EVENT_TYPES.values()}


def _enrolled(event: TaskEnrolled) -> str:
    if event.waited_us or event.waited_for or event.usual_us is not None or event.version or event.tokens:
        return _fields_of(event)
    if event.history is not None or event.dispatch:
        return _fields_of(event)
    return f'"attempt":{event.attempt},"agent":{quoted(event.agent)}'


def _fulfilled(event: TaskFulfilled) -> str:
    if event.tokens_in is not None or event.tokens_out is not None or event.cost_pico is not None:
        return _fields_of(event)
    if event.tool_calls or event.tool_us:
        return _fields_of(event)
    return f'"attempt":{event.attempt},"dispatch":{event.dispatch},"output":{json_text(event.output)}'


_SPELLED: Final[dict[type[Event], Callable[[Any], str]]] = {TaskEnrolled: _enrolled, TaskFulfilled: _fulfilled}
"""The two that every attempt has are written out where they are as usual: granted at once, nothing counted."""


def event_fields(event: Event) -> str:
    """What `event_body` gives, as the members of a JSON object; empty where all are at their defaults."""
    return _SPELLED.get(type(event), _fields_of)(event)


def _fields_of(event: Event) -> str:
    values_of, parts = _PREPARED[type(event)]
    spelled = [
        name + json_text(value)
        for (name, default), value in zip(parts, values_of(event), strict=True)
        if value is not default
    ]
    return ",".join(spelled)
