"""Quotas: what the provider of a model lets through, for all agents and runs that use it.

A quota has a bucket of requests (`rate`), a bucket of tokens (`token_rate`), or both, and a queue of those who wait for
them: fair between runs, as that of a pool is. An attempt takes what it may take when it is granted, and gives back what
it did not take when it ends, as providers count that take `max_tokens` for what will come and correct it at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchspec.runtime.pools import Bucket, Pool

if TYPE_CHECKING:
    from orchspec.compiler.plan import Model

__all__ = ["Quota", "limits_of"]


def limits_of(model: Model) -> dict[str, str]:
    """The names under which the limits of a model are measured, as they are set: `large.rate`, `large.token_rate`."""
    given = {"rate": model.rate, "token_rate": model.token_rate}
    return {attribute: f"{model.name}.{attribute}" for attribute, rate in given.items() if rate is not None}


class Tokens(Bucket):
    """A bucket from which many are taken at once: no more than it holds, and only if they are there.

    It may come to hold less than nothing: when an attempt has taken more than it said, or after a crash, when attempts
    that are under way are sent again. It owes no more than it can hold, so nobody waits longer for it than twice the
    span of its rate, and what others take.
    """

    __slots__ = ()

    def short(self, amount: int, now_us: int) -> int:
        """What is missing for so many, or for a full bucket, in its units: nothing, or less, if they are there."""
        self.lacking(now_us)
        return min(amount, self.count) * self.per_us - self.tokens

    def take(self, amount: int) -> None:
        """So many are taken, or all that it holds."""
        full = self.count * self.per_us
        self.tokens = max(self.tokens - min(amount, self.count) * self.per_us, -full)

    def settle(self, amount: int, used: int, now_us: int) -> None:
        """Whoever took so many used so many: the rest is given back, what was more is taken too."""
        self.lacking(now_us)
        full = self.count * self.per_us
        self.tokens = max(-full, min(self.tokens + (min(amount, self.count) - used) * self.per_us, full))


_REQUESTS: Final = "model rate"
_TOKENS: Final = "model tokens"


class Quota(Pool):
    """The limits of one model, and who waits for them. A queue like that of a pool, without slots."""

    __slots__ = ("limits", "spend")

    def __init__(self, model: Model, index: int) -> None:
        Pool.__init__(self, model.name, index, None, Bucket(model.rate) if model.rate else None, None, observed=False)
        self.spend = Tokens(model.token_rate) if model.token_rate else None
        self.limits = limits_of(model)

    def short_of(self, tokens: int, now_us: int) -> str:
        """What is missing for an attempt that may take so many tokens, or nothing."""
        if self.bucket is not None and self.bucket.lacking(now_us) > 0:
            return _REQUESTS
        if self.spend is not None and self.spend.short(tokens, now_us) > 0:
            return _TOKENS
        return ""

    def ready_us(self, tokens: int, now_us: int) -> int:
        """When there is enough for such an attempt, if nobody else takes any."""
        at_us = now_us
        if self.bucket is not None:
            at_us = max(at_us, now_us + -(-self.bucket.lacking(now_us) // self.bucket.count))
        if self.spend is not None:
            at_us = max(at_us, now_us + -(-self.spend.short(tokens, now_us) // self.spend.count))
        return at_us

    def draw(self, tokens: int) -> None:
        """An attempt is granted."""
        if self.bucket is not None:
            self.bucket.tokens -= self.bucket.per_us
        if self.spend is not None:
            self.spend.take(tokens)

    def settle(self, tokens: int, used: int, now_us: int) -> None:
        """An attempt that took so many tokens has ended, and used so many."""
        if self.spend is not None:
            self.spend.settle(tokens, used, now_us)

    def drain(self, now_us: int) -> None:
        """After a crash nobody knows what was spent: it counts as empty."""
        for bucket in (self.bucket, self.spend):
            if bucket is not None:
                bucket.drain(now_us)

    @property
    def behind(self) -> str:
        """What one waits for behind others who wait."""
        return _TOKENS if self.spend is not None else _REQUESTS

    def limit(self, short: str) -> str:
        """The name of the limit that is short, as it is measured."""
        return self.limits["rate" if short == _REQUESTS else "token_rate"]
