"""`asyncio.run`, but for handlers that do not hear that they are to stop: they are not waited for, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

__all__ = ["run_to_end"]

T = TypeVar("T")
_DEAF_S: Final = 1.0
"""How long what was cancelled has until it has ended."""


def run_to_end(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own. Raises what it raises."""
    with asyncio.Runner() as runner:
        try:
            return runner.run(main)
        finally:
            runner.run(_leave())


async def _leave() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        _, deaf = await asyncio.wait(others, timeout=_DEAF_S)
        for task in deaf:  # nobody waits for it, nor complains that it is destroyed while it is pending
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
            asyncio._unregister_task(task)  # noqa: SLF001
