"""A journal in short lines, for people: when, where, what happened, and what was decided on it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.events import TaskEnrolled, TimerFired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchspec.runtime.recording import EventRecord

__all__ = ["line_of", "tail_of"]

SECOND: Final = 1_000_000
LINES: Final = 8
_DETAIL: Final = 90


def tail_of(records: Sequence[EventRecord], lines: int = LINES) -> list[str]:
    """The last lines of a journal; how many came before is said first. Grants are left out."""
    told = [line_of(record) for record in records if not isinstance(record.event, TaskEnrolled)]
    if len(told) <= lines:
        return told
    return [f"… {len(told) - lines} earlier", *told[-lines:]]


def line_of(record: EventRecord) -> str:
    """One record in a line, such as `12.3s  found[0]  task failed: injected failure → retry`; times from 0."""
    event: Any = record.event
    what = re.sub(r"(?<!^)(?=[A-Z])", " ", record.type).lower()
    if isinstance(event, TimerFired):
        what += f" ({event.timer})"
    detail = getattr(event, "message", None) or getattr(event, "reason", None)
    if detail:
        what += f": {_clipped(str(detail))}"
    path = record.kernel.path(event.place)
    decided = ", ".join(dict.fromkeys(_decision(str(word), about, path, detail) for word, about in record.decided))
    where = f"{path}  " if path else ""
    return f"{event.time / SECOND:.1f}s  {where}{what}" + (f" → {decided}" if decided else "")


def _decision(word: str, about: str | None, path: str, detail: str | None) -> str:
    """A decision without what the line says already."""
    if about is None or about == path or (detail and about.endswith(detail)):
        return word
    return f"{word} {_clipped(about)}"


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _DETAIL else f"{line[: _DETAIL - 1]}…"
