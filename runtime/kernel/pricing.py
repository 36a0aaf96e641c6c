"""What an attempt may cost and what it did cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchspec.compiler.plan import Tier
    from orchspec.runtime.kernel.budget import Account

__all__ = ["clip", "spent", "used"]


def spent(
    tier: Tier,
    reserved_pico: int,
    reserved_tokens: int,
    tokens_in: int | None,
    tokens_out: int | None,
    cost: int | None,
) -> tuple[int, int, bool]:
    """What an attempt cost: (pico-dollars, tokens, whether that is its reservation because nobody said)."""
    silent = tokens_in is None and tokens_out is None
    tokens = reserved_tokens if silent else (tokens_in or 0) + (tokens_out or 0)
    if cost is not None:
        return cost, tokens if not silent else 0, False
    if not silent and (tier.input_pico is not None or tier.output_pico is not None):
        return (tokens_in or 0) * (tier.input_pico or 0) + (tokens_out or 0) * (tier.output_pico or 0), tokens, False
    return reserved_pico, tokens, bool(reserved_pico or (silent and reserved_tokens))


def used(tokens_in: int | None, tokens_out: int | None, *, sent: bool = True) -> int | None:
    """How many tokens an attempt took of its model; None where nobody said."""
    if not sent:
        return 0
    return None if tokens_in is None and tokens_out is None else (tokens_in or 0) + (tokens_out or 0)


def clip(account: Account, pico: int, tokens: int) -> tuple[int, int]:
    """A step's own budget bounds its attempts together.

    The next one may spend what is left of it, as long as something is.
    """
    cap = account.cap
    if cap.cost_pico is not None:
        left = cap.cost_pico - account.charged_pico - account.reserved_pico
        pico = left if 0 < left < pico else pico
    if cap.tokens is not None:
        left = cap.tokens - account.charged_tokens - account.reserved_tokens
        tokens = left if 0 < left < tokens else tokens
    return pico, tokens
