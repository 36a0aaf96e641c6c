"""Effects on their way: sent once their intent is durable and the store is still ours, and told as events.

A handler that returns says that it was done, one that raises says that it was not; `InDoubt`, a timeout and a
cancellation say that nobody knows. What is under way when the engine goes down is in doubt by itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from orchspec.runtime.driver.values import as_json, error_text
from orchspec.runtime.errors import BadOutput, InDoubt
from orchspec.runtime.failpoints import reached
from orchspec.runtime.kernel.events import EffectConfirmed, EffectRefused, EffectUnknown
from orchspec.runtime.task import EffectCall, moment

if TYPE_CHECKING:
    from orchspec.runtime.crew import Sender
    from orchspec.runtime.driver.live import LiveRun, Loop
    from orchspec.runtime.kernel.commands import TryEffect

__all__ = ["Sending"]


class Sending:
    """The effects that one loop has under way."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._open: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def handles(self) -> list[asyncio.Task[Any]]:
        """The asyncio tasks of those under way."""
        return list(self._open)

    def send(self, live: LiveRun, command: TryEffect) -> None:
        """Send an effect whose intent is durable, unless another engine has taken over."""
        loop = self._loop
        sender = live.crew.effect(command.effect)
        if sender is None:
            message = f"nobody does the effect {command.effect}: give a handler with @app.effect({command.effect!r})"
            loop.post(live.run, EffectRefused(0, command.place, command.attempt, command.dispatch, message))
            return
        kernel = live.kernel
        assert kernel is not None
        arguments = kernel.program.effects[command.effect].codec.encode_inputs(command.args)
        reached("before_effect")
        if not loop.owns():
            return
        call = EffectCall(
            key=command.target_key,
            effect=command.effect,
            run=live.run,
            step=kernel.path(command.place),
            attempt=command.attempt,
            deadline=moment(command.deadline_us),
            inner=command.args,
            draw_key=kernel.draw_key(command.place),
        )
        handle = loop.spawn(self._send(live, command, sender, call, arguments))
        self._open.add(handle)
        handle.add_done_callback(self._open.discard)

    async def _send(
        self, live: LiveRun, command: TryEffect, sender: Sender, call: EffectCall, arguments: dict[str, Any]
    ) -> None:
        loop = self._loop
        place = (command.place, command.attempt, command.dispatch)
        event: EffectConfirmed | EffectRefused | EffectUnknown
        try:
            async with asyncio.timeout(self._seconds_left(command)):
                receipt = await sender(call, arguments)
        except InDoubt as error:
            event = EffectUnknown(0, *place, error_text(error))
        except TimeoutError as error:
            event = EffectUnknown(0, *place, error_text(error))
        except asyncio.CancelledError:
            event = EffectUnknown(0, *place, f"{command.effect} was cancelled while it was under way")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a handler that raises says that it was not done
            event = EffectRefused(0, *place, error_text(error))
        else:
            event = EffectConfirmed(0, *place, self._receipt(command, receipt))
            reached("after_effect")
        # Before the event is handled: the loop asks whether anything is under way.
        current = asyncio.current_task()
        if current is not None:
            self._open.discard(current)
        if not loop.closed:
            loop.post(live.run, event)

    def _seconds_left(self, command: TryEffect) -> float | None:
        if command.deadline_us is None:
            return None
        clock = self._loop.clock
        return max(clock.seconds(command.deadline_us - clock.now_us()), 0.0)

    def _receipt(self, command: TryEffect, receipt: Any) -> Any:
        # It was done, whatever came back: the kernel refuses a receipt that is none, and the ledger knows.
        try:
            return as_json(receipt, f"the receipt of {command.effect}")
        except BadOutput as error:
            self._loop.tell(f"{command.effect} was done, but gave back no receipt: {error.message}")
            return None
