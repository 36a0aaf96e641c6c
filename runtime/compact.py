"""Compact ASCII JSON, as journals have it: what the encoder of the standard library makes, without its detours."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from typing import Any, Final

__all__ = ["json_text", "quoted"]

quoted: Final[Callable[[str], str]] = encoder.encode_basestring_ascii
"""A text as JSON has it."""


def _refuse(value: Any) -> Any:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _encoder() -> Callable[[Any], str]:
    made = getattr(encoder, "c_make_encoder", None)
    if made is None:  # another Python than CPython
        return json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
    # `JSONEncoder.encode` makes one of these for each value, which takes as long as most values do. Values are trees
    # by construction; a cycle ends in RecursionError.
    chunks = made(None, _refuse, quoted, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


_SCALARS: Final[dict[type, Callable[[Any], str]]] = {
    str: quoted,
    int: int.__repr__,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _none: "null",
}
_encode: Final = _encoder()


def json_text(value: Any) -> str:
    """Compact JSON of a value. Raises ValueError, TypeError or RecursionError for what JSON cannot hold."""
    return _SCALARS.get(type(value), _encode)(value)
