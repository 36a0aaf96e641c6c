"""The journal: records of runs, the stores that keep them, and the contract that every store passes.

Names are loaded when they are asked for: who only needs records does not load SQLite.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchspec.runtime.journal.contract import StoreContract
    from orchspec.runtime.journal.durable_contract import DurableStoreContract
    from orchspec.runtime.journal.memory import MemoryStore
    from orchspec.runtime.journal.sqlite import SQLiteStore
    from orchspec.runtime.journal.store import Store

__all__ = ["DurableStoreContract", "MemoryStore", "SQLiteStore", "Store", "StoreContract"]

_HOMES = {
    "DurableStoreContract": "orchspec.runtime.journal.durable_contract",
    "MemoryStore": "orchspec.runtime.journal.memory",
    "SQLiteStore": "orchspec.runtime.journal.sqlite",
    "Store": "orchspec.runtime.journal.store",
    "StoreContract": "orchspec.runtime.journal.contract",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name]), name)
