"""Batches without searches for garbage in their middle."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

__all__ = ["uncollected"]

P = ParamSpec("P")
S = TypeVar("S")
R = TypeVar("R")


def uncollected(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """A method during which nobody searches for garbage.

    A turn of an engine with a thousand runs allocates what lives on; Python would walk all of it again and again, and
    find nothing. Whoever has switched the search off finds it off.
    """

    def calm(self: S, /, *args: P.args, **named: P.kwargs) -> R:
        if not gc.isenabled():
            return method(self, *args, **named)
        gc.disable()
        try:
            return method(self, *args, **named)
        finally:
            gc.enable()

    return cast("Callable[Concatenate[S, P], R]", wraps(method)(calm))
