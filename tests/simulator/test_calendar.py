"""The calendar in SimPy's queue: what it needs of SimPy's private parts, and what is told where they have changed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import simpy

from orchspec.simulator.calendar import Calendar, Due, changed


def test_simpy_keeps_its_queue_as_the_calendar_needs_it():
    told = changed()
    assert not told, (
        f"SimPy {simpy.__version__} has changed what simulator/calendar.py reaches into: {told}. Adapt `Calendar` and "
        "`changed` to it, then raise the bound in pyproject.toml"
    )


class OtherQueue(simpy.Environment):
    """Keeps its events elsewhere."""

    def __init__(self, initial_time=0):
        super().__init__(initial_time)
        self.events = self._queue
        del self._queue


class OtherOrder(simpy.Environment):
    """Numbers its events in another way."""

    def schedule(self, event, priority=simpy.events.NORMAL, delay=0):
        self._queue.append((self._now + delay, len(self._queue), event))


class OtherClock(simpy.Environment):
    """Tells the time by something else."""

    @property
    def now(self):
        return 7


@pytest.mark.parametrize(
    ("environment", "told"), [(OtherQueue, "_queue"), (OtherOrder, "an entry of"), (OtherClock, "_now")]
)
def test_a_simpy_that_keeps_it_otherwise_is_told(environment, told):
    assert told in changed(SimpleNamespace(Environment=environment))


def test_what_is_ours_and_what_is_simpys_happen_in_the_order_of_time_and_then_of_coming():
    calendar = Calendar()
    heard: list[str] = []

    def say(due: Due) -> None:
        heard.append(f"{due.value} at {calendar.env.now}")

    calendar.put(5, Due(say, "late"))
    calendar.env.timeout(3).callbacks.append(lambda _: heard.append("simpy"))
    calendar.put(3, Due(say, "after it"))
    calendar.put(1, Due(say, "early"))
    while (now_us := calendar.next_us()) is not None:
        calendar.pass_instant(now_us)
    assert heard == ["early at 1", "simpy", "after it at 3", "late at 5"]
