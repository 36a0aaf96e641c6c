"""A clock that leaps: where a process would wait for a timer, its time is at once that of the timer.

Everything else is as it is: the store, the kills, the order of handle, append, commit and act. So a run takes the time
of its commits, however long its agents take, and two runs of one seed do the same however slow the machine is: nothing
times out because a core was busy. Work of threads is done in place, since time must not leap while it is under way.
"""

import asyncio
import selectors
from dataclasses import replace

from orchspec.runtime.driver.clock import pace_of

BEGIN_US = 1_767_225_600_000_000  # 2026-01-01


class _Leaping(selectors.DefaultSelector):
    gone_s = 0.0

    def select(self, timeout=None):
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            _Leaping.gone_s += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__(_Leaping())
        self.pace = replace(pace_of(self), wall=lambda: BEGIN_US + int(_Leaping.gone_s * 1_000_000))

    def time(self):
        return _Leaping.gone_s

    def run_in_executor(self, executor, work, *arguments):
        done = self.create_future()
        try:
            done.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001 - it is handed on
            done.set_exception(error)
        return done


class _Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = _Loop


def leap():
    """From here on this process does not wait."""
    asyncio.set_event_loop_policy(_Policy())
