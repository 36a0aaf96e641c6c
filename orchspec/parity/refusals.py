"""What an agent of a schedule raises, with what it has spent until then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.errors import Failed, Throttled

if TYPE_CHECKING:
    from orchspec.runtime.sampling import Sampled

__all__ = ["Died", "ServerError", "ToolError", "ToolThrottled", "Unavailable", "spent", "usd"]


class Unavailable(Throttled):
    """Nobody answers."""

    code = "unavailable"


class ServerError(Failed):
    """The provider failed."""

    code = "server_error"


class Died(Failed):
    """The agent died."""

    code = "agent_crashed"


class ToolError(Failed):
    """A tool failed."""

    code = "tool_error"


class ToolThrottled(Failed):
    """A tool does not serve now."""

    code = "throttled"


def usd(pico: int | None) -> str | None:
    """Pico-dollars as a decimal text."""
    return None if pico is None else f"{pico / 10**12:.12f}"


def spent(kind: type[Failed], message: str, sampled: Sampled, share: float) -> Failed:
    """The error, with what that share of an attempt has cost."""
    read, written, cost = sampled.spent(share)
    return kind(message, tokens_in=read, tokens_out=written, cost_usd=usd(cost))
