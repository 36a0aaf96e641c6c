"""Menus: what the lead of a `supervise` or a peer may choose from; they go along with an attempt, and are not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Asks", "Handoffs", "Menu"]


class Asks:
    """What a lead may ask for: `contracts` and who of the workers does each; `rounds_left` counts this one too."""

    __slots__ = ("contracts", "rounds_left", "width")

    def __init__(self, contracts: dict[str, list[str]], rounds_left: int, width: int | None) -> None:
        self.contracts = contracts
        self.rounds_left = rounds_left
        self.width = width


class Handoffs:
    """To whom a peer may hand over: `targets` at all, `permitted` after a turn of this value (in its inner form)."""

    __slots__ = ("hops_left", "permitted", "targets")

    def __init__(self, targets: list[str], hops_left: int, permitted: Callable[[Any], list[str]]) -> None:
        self.targets = targets
        self.hops_left = hops_left
        self.permitted = permitted


Menu: TypeAlias = Asks | Handoffs
