"""Hedges: an attempt that takes unusually long is doubled, and whoever is verified first wins.

The second one is a task of its own below the first (`draft~1`): with a request, a reservation, a deadline and draws of
its own, one attempt, and no hedge. Each attempt of the first may have one, one at a time. The first goes on by its
policy meanwhile; when all its attempts have failed, it waits for the hedge. What the hedge waits for is told with the
grant of the attempt (what such work took lately), else it is the profile's, else what the policy says; it is in the
journal either way. A hedge for which there is no room in the budget is not sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.commands import ArmTimer, DropTimer, KeepReuse
from orchspec.runtime.kernel.frames import Activity, Failure
from orchspec.runtime.kernel.pricing import clip
from orchspec.runtime.kernel.seeking import Asking, Seeking
from orchspec.runtime.kernel.table import HEDGED, SETTLING

if TYPE_CHECKING:
    from orchspec.runtime.kernel.program import Seat

__all__ = ["Hedging"]

_ORDINAL = 0x48_0000
"""Hedges are told from whatever else stands below a task."""


class Hedging(Seeking):
    """A task that may have a hedge."""

    __slots__ = ()

    @property
    def is_hedge(self) -> bool:
        """Whether it is the second one."""
        return isinstance(self.owner, Hedging)

    def _read_along(self, agent: str) -> None:
        """What the first was told is told to the hedge too, if the same agent does it; no message is taken for it."""
        if self.inbox is not None and self.inbox[0] != agent:
            self.inbox = None

    def _leave(self) -> None:
        raise NotImplementedError

    def _arm_hedge(self, seat: Seat, usual_us: int | None) -> None:
        """The attempt is sent: when is it unusually late?"""
        after_us = usual_us if usual_us is not None else seat.hedge_us
        if after_us is None or self.hedge is not None or self.asking.within_us is not None:
            return
        if seat.timeout_us is not None and after_us >= seat.timeout_us:
            return
        self.hedge_after_us = after_us
        self.kernel.out.append(ArmTimer(self.place, "hedge", self.kernel.now + after_us, self.attempt))

    def _drop_hedge_timer(self) -> None:
        if self.hedge_after_us is not None:
            self.hedge_after_us = None
            self.kernel.out.append(DropTimer(self.place, "hedge"))

    def _send_hedge(self) -> None:
        """The attempt is late: send another one beside it, if there is room for it."""
        self.hedge_after_us = None
        asking, kernel = self.asking, self.kernel
        seats = tuple([seat.double for seat in asking.seats if seat.double is not None])
        if not any(self._has_room(seat) for seat in seats):
            kernel.decide("not hedged", "no room in the budget")
            return
        again = Asking(
            asking.contract,
            seats,
            prefer=asking.prefer,
            gates=asking.gates,
            watched=True,
            vetting=asking.vetting,
        )
        ordinal = _ORDINAL + self.attempt
        hedge = type(self)(self.frame, self.op, self, 0, ordinal, f"~{self.attempt}", again, self.inputs, self.urgency)
        hedge.account = self.account
        hedge.inbox = self.inbox
        self.hedge = hedge
        kernel.decide("hedged", hedge.path())
        hedge.start()

    def _has_room(self, seat: Seat) -> bool:
        account = self.account
        tier = seat.tiers[account.tier(len(seat.tiers))]
        pico, tokens = tier.reserve_cost_pico, tier.reserve_tokens
        if account.frame is None:
            pico, tokens = clip(account, pico, tokens)
        return account.blocking(pico, tokens) is None

    def _call_off(self) -> None:
        """Nobody waits for the hedge any more."""
        if self.hedge is not None:
            self.hedge.stop()

    # -------------------------------------------------------------- as the owner of the hedge

    def child_done(self, child: Activity, value: Any) -> None:
        """The hedge won."""
        assert isinstance(child, Hedging)
        kernel = self.kernel
        kernel.decide("hedge won", child.path())
        kernel.steps -= 1  # two attempts, and one task fulfilled
        self.hedge = None
        self._leave()
        self.seat = child.seat
        if self.reuse_key is not None:
            contract = kernel.program.contracts[self.asking.contract]
            ttl = kernel.program.ttl[self.asking.contract]
            kept_us = ttl if isinstance(ttl, int) else None
            kernel.out.append(KeepReuse(self.place, self.reuse_key, True, contract.encode_result(value), kept_us))
            self.reuse_key = None
        self._finish(value)

    def child_skipped(self, child: Activity) -> None:
        """A hedge has no chain that could skip it."""
        raise AssertionError("a hedge was skipped")

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """The hedge failed: if the attempts have too, that is the end."""
        self.hedge = None
        if self.state == HEDGED:
            assert self.failure is not None
            self._exhausted(self.failure)

    def child_stopped(self, child: Activity) -> None:
        """Stopped, as it was told to; what it did is undone."""
        self.hedge = None
        if self.state == SETTLING and self.requests is not None:
            self.requests.go_on()
