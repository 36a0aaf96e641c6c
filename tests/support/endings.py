"""How attempts of tasks, effects and questions end, as the scripts of a driver say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.plans import S

__all__ = ["Ending", "answers", "done", "failing", "hangs", "lost_reply", "lost_send", "never", "refuses", "silent"]


@dataclass
class Ending:
    """How an attempt of a task, an effect or a question ends: `kind` after `takes` microseconds."""

    kind: str = "done"
    value: Any = 1
    takes: int = S
    code: str = "agent_error"
    cost: int | None = 0
    tokens_in: int | None = 0
    tokens_out: int | None = 0
    sent: bool = True
    retry_after: int = 0
    stops: int | None = 0
    late_cost: int | None = None
    twice: bool = False
    asks: tuple[tuple[str, dict[str, Any]], ...] = ()
    tool_us: int = 0


def done(value: Any = 1, **rest: Any) -> Ending:
    """The agent gives a value; the effect happens."""
    return Ending("done", value, **rest)


def failing(code: str = "agent_error", **rest: Any) -> Ending:
    """The attempt fails."""
    return Ending("fails", code=code, **rest)


def hangs(**rest: Any) -> Ending:
    """Nothing ever comes; once stopped it stops after `stops` (None: never, a zombie), having cost `late_cost`."""
    return Ending("hangs", **rest)


never = hangs


def answers(value: Any, **rest: Any) -> Ending:
    """A person answers."""
    return Ending("done", value, **rest)


def refuses(**rest: Any) -> Ending:
    """The target says that it did not do it."""
    return Ending("refuses", **rest)


def lost_reply(**rest: Any) -> Ending:
    """The effect happens, and nobody learns that it did: in doubt."""
    return Ending("lost reply", **rest)


def lost_send(**rest: Any) -> Ending:
    """The effect does not happen, and nobody learns that it did not: in doubt."""
    return Ending("lost send", **rest)


def silent(**rest: Any) -> Ending:
    """The effect happens; no word comes at all."""
    return Ending("silent", **rest)
