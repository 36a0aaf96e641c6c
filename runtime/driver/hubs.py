"""The open hubs of this process: one for each store and event loop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchspec.runtime.driver.hub import Hub
from orchspec.runtime.journal import MemoryStore, SQLiteStore

if TYPE_CHECKING:
    from orchspec.runtime.driver.live import Heard, Tell
    from orchspec.runtime.journal.schema import Durability
    from orchspec.runtime.journal.store import Store

__all__ = ["hub_for", "interrupt_all"]

_HUBS: Final[dict[tuple[int, str], Hub]] = {}
"""By event loop and store."""


def hub_for(
    store: Store | str | Path | None,
    *,
    durability: Durability = "full",
    create: bool = True,
    speed: float = 1.0,
    tell: Tell | None = None,
    heard: Heard | None = None,
    queue_max: int | None = None,
) -> Hub:
    """The hub of a store in this event loop, opened if there is none; whoever asks first decides how.

    Args:
        store: the path of an SQLite file, a store, or None for one in memory that goes with its hub.
        durability: of a store that is opened by its path.
        create: whether to make a missing file.
        speed: of the clock.
        tell: see `Hub`.
        heard: see `Hub`.
        queue_max: see `Hub`.

    Raises:
        StoreError: the store cannot be opened.
    """
    loop = asyncio.get_running_loop()
    if store is None:
        return Hub(MemoryStore(), speed=speed, tell=tell, heard=heard, queue_max=queue_max)
    owned = isinstance(store, (str, Path))
    key = (id(loop), os.path.realpath(store) if isinstance(store, (str, Path)) else f"store {id(store)}")
    hub = _HUBS.get(key)
    if hub is None or hub.asyncio_loop is not loop:  # a loop that died may have left its hub, and its number
        opened = SQLiteStore(store, durability, create=create) if isinstance(store, (str, Path)) else store
        hub = Hub(
            opened,
            speed=speed,
            owned=owned,
            left=lambda: _leave(key),
            tell=tell,
            heard=heard,
            queue_max=queue_max,
        )
        _HUBS[key] = hub
    return hub


def _leave(key: tuple[int, str]) -> None:
    _HUBS.pop(key, None)


async def interrupt_all() -> None:
    """Interrupt every hub of this event loop."""
    loop_id = id(asyncio.get_running_loop())
    for hub in [hub for key, hub in _HUBS.items() if key[0] == loop_id]:
        await hub.interrupt()
