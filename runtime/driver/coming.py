"""Signals that a crew sends: those of stand-ins, which come after a while, as their profiles say, or never.

Whoever sends a signal stands outside: it goes into the store's mailbox, as `orch signal` puts it there, and is taken
from there once, whatever crashes meanwhile. When it comes is counted from when it was waited for first, so a crash
makes it neither earlier nor later: one that came meanwhile did so before a deadline that has passed since. What has
come before the crash is not sent again, whether the mailbox still holds it or the engine that took over has taken it
first of all. One whose place waits no more is not sent, as in a simulation: whoever would have sent it is part of the
same story.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from orchspec.runtime.errors import StoreBusy, StoreError
from orchspec.runtime.kernel.commands import AwaitSignal
from orchspec.runtime.kernel.signals import Awaiting

if TYPE_CHECKING:
    from orchspec.runtime.driver.live import LiveRun, Loop
    from orchspec.runtime.journal.store import Store
    from orchspec.runtime.kernel.commands import WithdrawSignal

__all__ = ["Coming"]

_BUSY_S: Final = 0.05


class Coming:
    """The signals that are on their way to one loop.

    By (run, place) that waits for them, which need not be the one who takes them: others with equal arguments may have
    waited longer. Without a handle it never comes, and a deadline will.
    """

    def __init__(self, loop: Loop, store: Store) -> None:
        self._loop = loop
        self._store = store
        self._open: dict[tuple[str, int], tuple[asyncio.TimerHandle | None, AwaitSignal]] = {}
        self._sent: set[tuple[str, int]] = set()

    def carry(self, live: LiveRun, command: AwaitSignal | WithdrawSignal) -> None:
        """A place waits for a signal, or no more."""
        if isinstance(command, AwaitSignal):
            self.wait(live, command)
        else:
            self.withdraw(live, command)

    def wait(self, live: LiveRun, command: AwaitSignal) -> None:
        """A place waits for a signal: it sets out, if the crew has somebody who sends it."""
        kernel = live.kernel
        key = (live.run, command.place)
        player = live.crew.signal(command.signal)
        if self._loop.draining or player is None or kernel is None or key in self._open:
            return
        if key in self._sent:  # one whose value was refused is not sent again: it would be the same
            self._waits_in_vain(live, command)
            return
        sent = player(command.inputs, kernel.draw_key(command.place))
        if sent is None:
            if command.deadline_us is not None:
                self._open[key] = (None, command)
            return
        latency_us, value = sent
        clock = self._loop.clock
        delay_us = command.since_us + latency_us - clock.now_us()
        if delay_us > 0 or not self._has_come(live, command):
            self._send_in(max(0.0, clock.seconds(delay_us)), live, command, value)

    def resume(self) -> None:
        """What came while no engine was there is put in as of then, before timers are looked at."""
        loop = self._loop
        loop.poll(first=True)
        if loop.engine.signals.waiting:
            loop.poll()
        found: list[tuple[int, str, int, LiveRun, AwaitSignal, object]] = []
        for run in list(loop.engine.signals.waiting):
            live = loop.lives[run]
            for place in loop.engine.signals.places(run):
                assert live.kernel is not None
                activity = live.kernel.places[place]
                assert isinstance(activity, Awaiting)
                player = live.crew.signal(activity.signal)
                sent = player(activity.inputs, live.kernel.draw_key(place)) if player is not None else None
                if sent is not None:
                    at_us = activity.since_us + sent[0]
                    found.append((at_us, run, place, live, activity.command(), sent[1]))
        for at_us, _, _, live, command, value in sorted(found, key=lambda each: each[:3]):
            if at_us < loop.clock.now_us() and not loop.closed:
                self._send(live, command, value, at_us)

    def _has_come(self, live: LiveRun, command: AwaitSignal) -> bool:
        """Whether a signal that is due as soon as it is waited for came before a crash."""
        if not self._loop.engine.signals.waits(live.run, command.place):
            return True
        try:
            return any(mail.by == _sender(live, command) for mail in self._store.pending_mail())
        except (StoreBusy, StoreError):
            return False  # whoever sends it looks again

    def withdraw(self, live: LiveRun, command: WithdrawSignal) -> None:
        """A place waits no more, so the signal that set out for it does not come."""
        handle, _ = self._open.pop((live.run, command.place), (None, None))
        if handle is not None:
            handle.cancel()

    def _send_in(self, delay_s: float, live: LiveRun, command: AwaitSignal, value: object) -> None:
        handle = self._loop.asyncio_loop.call_later(delay_s, self._send, live, command, value)
        self._open[live.run, command.place] = (handle, command)

    def _send(self, live: LiveRun, command: AwaitSignal, value: object, at_us: int | None = None) -> None:
        loop = self._loop
        self._open.pop((live.run, command.place), None)
        loop.poll()  # what somebody else has put in is taken first
        if loop.closed or not loop.engine.signals.awaits(command.signal, command.key):
            return
        sender = _sender(live, command)
        try:
            if all(mail.by != sender for mail in self._store.pending_mail()):
                posted_us = loop.clock.now_us() if at_us is None else at_us
                self._store.post_mail(
                    "signal", posted_us=posted_us, name=command.signal, key=command.key, value=value, by=sender
                )
        except StoreBusy:
            self._send_in(_BUSY_S, live, command, value)
            return
        except StoreError as error:
            loop.tell(f"the signal {command.signal} could not be sent: {error}")
            return
        self._sent.add((live.run, command.place))
        loop.poll()
        if loop.engine.signals.waits(live.run, command.place):  # somebody else has waited longer, and took it
            self._waits_in_vain(live, command)

    def _waits_in_vain(self, live: LiveRun, command: AwaitSignal) -> None:
        if command.deadline_us is not None:
            self._open[live.run, command.place] = (None, command)

    @property
    def busy(self) -> bool:
        """Whether a signal is on its way that somebody waits for, or a deadline that will pass without one."""
        awaits = self._loop.engine.signals.awaits
        busy = False
        for key, (handle, command) in list(self._open.items()):
            if awaits(command.signal, command.key):
                busy = True
            elif handle is None:
                del self._open[key]
            # One on its way comes all the same for whoever waits for its like by then.
        return busy

    def close(self) -> None:
        """Nobody waits any more."""
        for handle, _ in self._open.values():
            if handle is not None:
                handle.cancel()
        self._open.clear()


def _sender(live: LiveRun, command: AwaitSignal) -> str:
    assert live.kernel is not None
    return f"stand-in for {live.run} {live.kernel.path(command.place)}"
