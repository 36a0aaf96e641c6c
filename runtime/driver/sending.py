"""Effects on their way: sent once their intent is durable and the store is still ours, and told as events.

A handler that returns says that it was done, one that raises says that it was not; `InDoubt`, a `TimeoutError` of its
own and a cancellation say that nobody knows. What is under way when the engine goes down is in doubt by itself. A
deadline is the kernel's: a handler that is late goes on until its run ends, since what it says in the end may still
settle a doubt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchspec.runtime.crew import leave_by_interrupt
from orchspec.runtime.driver.values import as_json, cost_pico, error_text
from orchspec.runtime.errors import BadOutput, Failed, InDoubt
from orchspec.runtime.failpoints import reached
from orchspec.runtime.kernel.commands import TryEffect
from orchspec.runtime.kernel.events import EffectChecked, EffectConfirmed, EffectRefused, EffectUnknown
from orchspec.runtime.task import EffectCall, Output, moment

if TYPE_CHECKING:
    from orchspec.runtime.crew import Sender
    from orchspec.runtime.driver.live import LiveRun, Loop
    from orchspec.runtime.kernel.commands import CheckEffect
    from orchspec.runtime.kernel.events import Event

__all__ = ["Sending"]


class Sending:
    """The effects that one loop has under way."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.open: dict[asyncio.Task[Any], tuple[str, int | None]] = {}

    @property
    def busy(self) -> bool:
        """Whether an effect is under way that is not late; a late one may never come back."""
        now_us = self._loop.clock.now_us()
        return any(deadline_us is None or now_us < deadline_us for _, deadline_us in self.open.values())

    def forget(self, run: str) -> None:
        """A run has ended: whoever is late for it need not go on."""
        for handle in [handle for handle, (owner, _) in self.open.items() if owner == run]:
            del self.open[handle]
            handle.cancel()

    def handles(self) -> list[asyncio.Task[Any]]:
        """The asyncio tasks of those under way."""
        return list(self.open)

    def carry(self, live: LiveRun, command: TryEffect | CheckEffect) -> None:
        """Send an effect, or ask whether one was done."""
        if isinstance(command, TryEffect):
            self.send(live, command)
        else:
            self.check(live, command)

    def send(self, live: LiveRun, command: TryEffect) -> None:
        """Send an effect whose intent is durable, unless another engine has taken over."""
        loop = self._loop
        sender = live.crew.effect(command.effect)
        place = (command.place, command.attempt, command.dispatch)
        if sender is None:
            loop.post(live.run, EffectRefused(0, *place, _nobody(command.effect)))
            return
        reached("before_effect")
        call, arguments = _call(live, command, command.effect)
        self._spawn(live, command, self._send(live, command, sender, call, arguments))

    def check(self, live: LiveRun, command: CheckEffect) -> None:
        """Ask whether an effect was done; a check changes nothing, so any engine may ask."""
        loop = self._loop
        sender = live.crew.effect(command.check)
        if sender is None:
            place = (command.place, command.attempt, command.dispatch)
            loop.post(live.run, EffectChecked(0, *place, known=False, message=_nobody(command.check)))
            return
        call, arguments = _call(live, command, command.check)
        self._spawn(live, command, self._check(live, command, sender, replace(call, checks=True), arguments))

    def _spawn(self, live: LiveRun, command: TryEffect | CheckEffect, work: Coroutine[Any, Any, None]) -> None:
        handle = self._loop.spawn(work)
        self.open[handle] = (live.run, command.deadline_us)
        handle.add_done_callback(lambda done: self.open.pop(done, None))

    async def _send(
        self, live: LiveRun, command: TryEffect, sender: Sender, call: EffectCall, arguments: dict[str, Any]
    ) -> None:
        place = (command.place, command.attempt, command.dispatch)
        event: EffectConfirmed | EffectRefused | EffectUnknown
        loop = self._loop
        # Here and not where it was spawned: whatever blocked the process meanwhile may have cost it the store.
        if not loop.owns():
            return
        if command.deadline_us is not None and command.deadline_us <= loop.clock.now_us():
            # Too late to be sent: whoever settles doubts counts from the deadline.
            self._tell(live, EffectUnknown(0, *place, f"{command.effect} was not sent before its deadline"))
            return
        try:
            receipt = await sender(call, arguments)
        except (InDoubt, TimeoutError) as error:
            event = EffectUnknown(0, *place, error_text(error))
        except asyncio.CancelledError:
            event = EffectUnknown(0, *place, f"{command.effect} was cancelled while it was under way")
        except Failed as error:
            event = EffectRefused(0, *place, error_text(error), error.retry_after_us)
        except KeyboardInterrupt:  # this process ends: whether it was done shows when the run goes on
            leave_by_interrupt(loop.asyncio_loop)
            return
        except BaseException as error:  # noqa: BLE001 - a handler that raises says that it was not done
            event = EffectRefused(0, *place, error_text(error))
        else:
            event = self._confirmed(command, receipt)
            reached("after_effect")
        self._tell(live, event)

    async def _check(
        self, live: LiveRun, command: CheckEffect, sender: Sender, call: EffectCall, arguments: dict[str, Any]
    ) -> None:
        place = (command.place, command.attempt, command.dispatch)
        try:
            found = as_json(await sender(call, arguments), f"the answer of {command.check}")
        except asyncio.CancelledError:
            event = EffectChecked(0, *place, known=False, message=f"{command.check} was cancelled")
        except KeyboardInterrupt:
            leave_by_interrupt(self._loop.asyncio_loop)
            return
        except BaseException as error:  # noqa: BLE001 - a check that fails is asked again
            event = EffectChecked(0, *place, known=False, message=error_text(error))
        else:
            event = EffectChecked(0, *place, known=True, receipt=found)
        self._tell(live, event)

    def _tell(self, live: LiveRun, event: Event) -> None:
        # Before the event is handled: the loop asks whether anything is under way.
        current = asyncio.current_task()
        if current is not None:
            self.open.pop(current, None)
        if not self._loop.closed:
            self._loop.post(live.run, event)

    def _confirmed(self, command: TryEffect, given: Any) -> EffectConfirmed:
        cost = 0
        if isinstance(given, Output):
            try:
                cost = cost_pico(given.cost_usd) or 0
            except BadOutput as error:
                self._loop.tell(f"{command.effect} was done, but what it cost is not known: {error.message}")
            given = given.value
        receipt = self._receipt(command, given)
        return EffectConfirmed(0, command.place, command.attempt, command.dispatch, receipt, cost)

    def _receipt(self, command: TryEffect, receipt: Any) -> Any:
        # It was done, whatever came back: the kernel refuses a receipt that is none, and the ledger knows.
        try:
            return as_json(receipt, f"the receipt of {command.effect}")
        except BadOutput as error:
            self._loop.tell(f"{command.effect} was done, but gave back no receipt: {error.message}")
            return None


def _nobody(effect: str) -> str:
    return f"nobody does the effect {effect}: give a handler with @app.effect({effect!r})"


def _call(live: LiveRun, command: TryEffect | CheckEffect, effect: str) -> tuple[EffectCall, dict[str, Any]]:
    kernel = live.kernel
    assert kernel is not None
    call = EffectCall(
        key=command.target_key,
        effect=effect,
        run=live.run,
        step=kernel.path(command.place),
        attempt=command.attempt,
        deadline=moment(command.deadline_us),
        inner=command.args,
        draw_key=kernel.draw_key(command.place),
    )
    return call, kernel.program.effects[effect].codec.encode_inputs(command.args)
