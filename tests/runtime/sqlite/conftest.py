"""A store in a file, and the ownership of it."""

from __future__ import annotations

import pytest

from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.samples import LEASE_US, NOW_US
from orchspec.runtime.journal.sqlite import SQLiteStore


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.db"


@pytest.fixture
def owned(path):
    store = SQLiteStore(path)
    yield store, store.acquire(this_process(), NOW_US, LEASE_US)
    store.close()
