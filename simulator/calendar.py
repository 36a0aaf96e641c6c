"""The calendar of events: SimPy's environment, with callbacks at times, and all of one instant at once.

A simulation of tasks has no use for processes: whatever it waits for is one time, and one callback then. Such a `Due`
goes straight into SimPy's queue, in SimPy's order (time, priority, sequence), without the lists and the event of a
`Timeout`; a tenth of a simulation went there. Events of SimPy's own are processed as ever.

That queue is private to SimPy: `_queue`, `_eid` and `_now` have been what they are since 3.0 (2013), and nothing of
SimPy promises it. So no release but the patches of 4.1 is let in (`pyproject.toml`), and `changed` says what is
different in one that came in nevertheless, before anything is simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

import simpy

from orchspec.runtime.errors import OrchError

__all__ = ["Calendar", "Due", "UnknownSimPy", "changed"]

_NORMAL: Final = 1


class UnknownSimPy(OrchError):
    """The release of SimPy that is installed keeps its queue in another way."""

    code = "unknown_simpy"


class Due:
    """What is called back, with itself, when its time has come; `value` is whatever the callback wants to know."""

    __slots__ = ("callback", "value")

    def __init__(self, callback: Callable[[Any], None], value: Any) -> None:
        self.callback = callback
        self.value = value


class _Numbers:
    """What SimPy tells apart events of one time by: one count for its own and for ours."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last = -1

    def __next__(self) -> Any:
        self.last += 1
        return self.last


class Calendar:
    """What is to come, by its time in whole microseconds from 0, in the queue of a SimPy environment.

    Attributes:
        env: whose queue and clock these are; what is put into it as in any simulation of SimPy happens as well.
        queue: what is to come; the first entry is the next, and begins with its time.
    """

    __slots__ = ("_numbers", "env", "queue")

    def __init__(self) -> None:
        self.env = env = simpy.Environment(initial_time=0)
        self.queue: list[tuple[Any, ...]] = env._queue  # noqa: SLF001
        self._numbers = env._eid = _Numbers()  # type: ignore[assignment]  # noqa: SLF001

    def put(self, at_us: int, due: Any) -> None:
        """Call `due.callback(due)` at a time that has not passed."""
        numbers = self._numbers
        numbers.last = number = numbers.last + 1
        heappush(self.queue, (at_us, _NORMAL, number, due))

    def next_us(self) -> int | None:
        """When something happens next, or None."""
        return self.queue[0][0] if self.queue else None

    def pass_instant(self, now_us: int) -> None:
        """Process all that is due at the time of `next_us`, also what is put there meanwhile."""
        queue = self.queue
        self.env._now = now_us  # noqa: SLF001
        while queue and queue[0][0] == now_us:
            due: Any = queue[0][3]
            try:
                callback = due.callback
            except AttributeError:  # an event of SimPy's own
                self.env.step()
                continue
            heappop(queue)
            callback(due)


def changed(module: Any = simpy) -> str:
    """What of SimPy's private parts is not as a `Calendar` needs it; nothing of the releases that are let in."""
    env = module.Environment(initial_time=0)
    queue = getattr(env, "_queue", None)
    if type(queue) is not list or queue:
        return "`Environment._queue` is no empty list"
    if not hasattr(env, "_eid") or not hasattr(env, "_now"):
        return "`Environment` has no `_eid` and `_now`"
    env._eid = _Numbers()  # noqa: SLF001
    heard: list[Any] = []
    event = env.timeout(3)
    event.callbacks.append(heard.append)
    if queue != [(3, _NORMAL, 0, event)]:
        return "an entry of `Environment._queue` is not (time, priority, what `next(_eid)` gives, event)"
    heappush(queue, (2, _NORMAL, 1, None))
    env._now = 2  # noqa: SLF001
    if env.now != 2 or heappop(queue)[0] != 2:
        return "the time is not `Environment._now`, or the first of `_queue` is not what is next"
    env.step()
    if heard != [event] or queue or env.now != 3:
        return "`Environment.step` does not process the first entry of `_queue`"
    if hasattr(event, "callback"):
        return "events have a `callback`, by which ours are told from them"
    return ""


if _changed := changed():
    raise UnknownSimPy(
        f"simulations cannot use SimPy {simpy.__version__}: {_changed}. Install one that they know: "
        'pip install "simpy>=4.1,<4.2"'
    )
