"""What someone else may do to the file of a store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

__all__ = ["tamper"]


def tamper(path: Path, statement: str, *parameters: object) -> None:
    """Change one row of a store behind its back, past its constraints."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        assert connection.execute(statement, parameters).rowcount == 1
    connection.close()
