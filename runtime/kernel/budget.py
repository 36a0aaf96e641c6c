"""Accounts: what a scope may still spend.

Rules. Money and tokens are *reserved* before an attempt is sent and *settled* after it; `charged + reserved <= cap`
holds at every reservation, for the account of the attempt and for each one around it. A reservation is given back
only if provably nothing was sent. What was really spent is always charged, also above the cap (an overrun) and also
late. Attempts, retries and the transitions of machines are counted over the tree of a scope; depth is how far below it
flows call flows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchspec.compiler.plan import Budget
    from orchspec.runtime.kernel.frames import Failure

__all__ = ["Account"]


class Failing(Protocol):
    """What fails when its account is exhausted: a frame, or a step that calls a flow for each item."""

    def fail(self, failure: Failure) -> None:
        """Stop what is under way, unwind, and report the failure."""


class Account:
    """The account of one scope. `frame` is the scope that fails when the account is exhausted (None.

    The attempts of one agent). `depth` is how many flow calls stand above it in the run. `bounded`: whether it, or one
    around it, bounds what attempts may spend, or how many there are.
    """

    __slots__ = (
        "attempts",
        "bounded",
        "cap",
        "charged_pico",
        "charged_tokens",
        "depth",
        "economy",
        "estimated_pico",
        "frame",
        "open",
        "parent",
        "reserved_pico",
        "reserved_tokens",
        "retries",
        "transitions",
        "wasted_pico",
    )

    def __init__(
        self, cap: Budget, parent: Account | None, frame: Failing | None, economy: float | None = None
    ) -> None:
        self.cap = cap
        bounds = cap.cost_pico is not None or cap.tokens is not None or cap.attempts is not None
        self.bounded: bool = bounds or (parent is not None and parent.bounded)
        self.parent = parent
        self.frame = frame
        self.economy = economy
        self.charged_pico = 0
        self.charged_tokens = 0
        self.reserved_pico = 0
        self.reserved_tokens = 0
        self.open = 0
        self.attempts = 0
        self.retries = 0
        self.transitions = 0
        self.depth: int = parent.depth if parent is not None else 0
        self.wasted_pico = 0
        self.estimated_pico = 0

    def blocking(self, pico: int, tokens: int) -> Account | None:
        """The innermost account without room for one more attempt of this size, or None."""
        account: Account | None = self
        while account is not None:
            cap = account.cap
            if cap.cost_pico is not None and account.charged_pico + account.reserved_pico + pico > cap.cost_pico:
                return account
            if cap.tokens is not None and account.charged_tokens + account.reserved_tokens + tokens > cap.tokens:
                return account
            if cap.attempts is not None and account.attempts >= cap.attempts:
                return account
            account = account.parent
        return None

    def reserve(self, pico: int, tokens: int) -> None:
        """Set aside what the next attempt may spend."""
        account: Account | None = self
        while account is not None:
            account.reserved_pico += pico
            account.reserved_tokens += tokens
            account.open += 1
            account.attempts += 1
            account = account.parent

    def give_back(self, pico: int, tokens: int) -> None:
        """Close a reservation of an attempt that was never made: it counts for nothing."""
        account: Account | None = self
        while account is not None:
            account.reserved_pico -= pico
            account.reserved_tokens -= tokens
            account.open -= 1
            account.attempts -= 1
            account = account.parent

    def shrink(self, pico: int, tokens: int) -> None:
        """Give back the part of a reservation that the agent who was granted does not need."""
        account: Account | None = self
        while account is not None:
            account.reserved_pico -= pico
            account.reserved_tokens -= tokens
            account = account.parent

    def settle(self, reserved_pico: int, reserved_tokens: int, pico: int, tokens: int) -> None:
        """Close a reservation and charge what was really spent."""
        account: Account | None = self
        while account is not None:
            account.reserved_pico -= reserved_pico
            account.reserved_tokens -= reserved_tokens
            account.charged_pico += pico
            account.charged_tokens += tokens
            account.open -= 1
            account = account.parent

    def close(self) -> None:
        """Close a reservation of nothing, of an attempt that cost nothing."""
        account: Account | None = self
        while account is not None:
            account.open -= 1
            account = account.parent

    def charge(self, pico: int, tokens: int) -> None:
        """Charge late costs."""
        account: Account | None = self
        while account is not None:
            account.charged_pico += pico
            account.charged_tokens += tokens
            account = account.parent

    def waste(self, pico: int) -> None:
        """Note that so much was spent on an attempt that was not used."""
        account: Account | None = self
        while account is not None:
            account.wasted_pico += pico
            account = account.parent

    def estimate(self, pico: int) -> None:
        """Note that so much of what was charged is a reservation, since nobody reported the real cost."""
        account: Account | None = self
        while account is not None:
            account.estimated_pico += pico
            account = account.parent

    def may_retry(self) -> bool:
        """Whether every scope around allows one more retry."""
        account: Account | None = self
        while account is not None:
            if account.cap.retries is not None and account.retries >= account.cap.retries:
                return False
            account = account.parent
        return True

    def count_retry(self) -> None:
        """Count one retry in every scope around."""
        account: Account | None = self
        while account is not None:
            account.retries += 1
            account = account.parent

    def too_deep(self, depth: int) -> Account | None:
        """The innermost account around that does not allow a call at this depth of the run, or None."""
        account: Account | None = self
        while account is not None:
            if account.cap.depth is not None and depth - account.depth > account.cap.depth:
                return account
            account = account.parent
        return None

    def move(self) -> Account | None:
        """Count a transition of a machine in every scope around; the innermost one that it is too many for, or None."""
        blocking: Account | None = None
        account: Account | None = self
        while account is not None:
            account.transitions += 1
            if blocking is None and account.cap.transitions is not None:
                blocking = account if account.transitions > account.cap.transitions else None
            account = account.parent
        return blocking

    def tier(self, tiers: int) -> int:
        """Which of `tiers` models an attempt gets.

        The best one, and past `economy` of a budget the cheaper ones, in equal shares of what is left.
        """
        if tiers == 1:
            return 0
        chosen = 0
        account: Account | None = self
        while account is not None:
            economy = account.economy
            if economy is not None:
                used = account.used()
                if used >= economy:
                    span = 1.0 - economy
                    step = int((used - economy) / span * (tiers - 1)) if span > 0.0 else tiers - 1
                    chosen = max(chosen, min(1 + step, tiers - 1))
            account = account.parent
        return chosen

    def used(self) -> float:
        """The charged share of the cap, of cost or tokens, whichever is further gone."""
        cap = self.cap
        cost = self.charged_pico / cap.cost_pico if cap.cost_pico else 0.0
        tokens = self.charged_tokens / cap.tokens if cap.tokens else 0.0
        return max(cost, tokens)
