"""Searching for cyclic garbage seldom, while a simulation makes what lives.

A live run is a graph of some thousand objects, and looking through the young ones after each 700 of them finds that
they live: that took up to a third of the time. What is over is taken apart where it ends, so little waits for a search.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["seldom_collecting"]


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Search a hundred times as seldom."""
    thresholds = gc.get_threshold()
    gc.set_threshold(max(100_000, thresholds[0]) if thresholds[0] else 0, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
