"""The command `orch`, called in this process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from orchspec.cli import main

__all__ = ["orch"]


def orch(*arguments: object) -> Result:
    """What `orch` with these arguments says, and its exit code."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])
