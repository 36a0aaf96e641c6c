"""Both stores pass one contract."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from orchspec.runtime.journal.contract import StoreContract
from orchspec.runtime.journal.durable_contract import DurableStoreContract
from orchspec.runtime.journal.memory import MemoryStore
from orchspec.runtime.journal.sqlite import SQLiteStore
from orchspec.runtime.journal.store import Store


class TestMemoryStore(StoreContract):
    def make_store(self, folder: Path) -> Store:
        return MemoryStore()


class TestEncodingMemoryStore(StoreContract):
    def make_store(self, folder: Path) -> Store:
        return MemoryStore(encode=True)


class TestSQLiteStore(DurableStoreContract):
    def make_store(self, folder: Path) -> Store:
        return SQLiteStore(folder / "runs.db")

    def open_source(self, folder: Path) -> str:
        path = str(folder / "runs.db")
        return f"from orchspec.runtime.journal.sqlite import SQLiteStore; store = SQLiteStore({path!r})"


class TestSQLiteStoreWithNormalDurability(TestSQLiteStore):
    def make_store(self, folder: Path) -> Store:
        return SQLiteStore(folder / "runs.db", "normal")

    def open_source(self, folder: Path) -> str:
        path = str(folder / "runs.db")
        return f"from orchspec.runtime.journal.sqlite import SQLiteStore; store = SQLiteStore({path!r}, 'normal')"


def test_contract_needs_no_pytest() -> None:
    source = "import sys; import orchspec.runtime.journal.durable_contract; assert 'pytest' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", source]).returncode == 0


def test_package_offers_stores_without_loading_them():
    source = (
        "import sys; import orchspec.runtime.journal as journal; assert 'sqlite3' not in sys.modules;"
        "assert all(getattr(journal, name).__name__ == name for name in journal.__all__);"
        "assert not hasattr(journal, 'Nothing')"
    )
    assert subprocess.run([sys.executable, "-c", source]).returncode == 0
