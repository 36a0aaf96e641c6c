"""Searching for cyclic garbage seldom, while a simulation makes what lives.

A live run is a graph of some thousand objects, and looking through the young ones after each 700 of them finds that
they live: that took up to a third of the time. What is over is taken apart where it ends, so little waits for a search.
A chronicle keeps all that it makes until it was looked at, so a search during it finds nothing at all.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["CHRONICLE", "seldom_collecting"]

CHRONICLE: Final = 10_000_000
"""More objects than a chronicle may be of."""


@contextmanager
def seldom_collecting(after: int = 100_000) -> Iterator[None]:
    """Search only when so many more objects have been made than have come free; by default a hundred times as many."""
    thresholds = gc.get_threshold()
    gc.set_threshold(max(after, thresholds[0]) if thresholds[0] else 0, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
