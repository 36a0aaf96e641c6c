"""What handlers give back, made JSON: copied, held to limits, and with the usage that they tell.

Handlers are not trusted: whatever comes back is JSON of at most 16 MiB and 64 levels, or a `BadOutput` that says where
it is not. Models of pydantic, dataclasses, decimals, times and enums become what they are at the edge of a spec.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final
from uuid import UUID

from orchspec.runtime.errors import BadOutput, OrchError

__all__ = [
    "DEPTH_MAX",
    "MESSAGE_MAX",
    "OUTPUT_BYTES_MAX",
    "as_json",
    "copied",
    "cost_pico",
    "error_text",
    "token_count",
]

DEPTH_MAX: Final = 64
OUTPUT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of ASCII JSON: what a store keeps of one value."""
MESSAGE_MAX: Final = 500
"""Characters of an error message that go into a journal and to the next attempt."""
_INT_BITS_MAX: Final = 64
_TOKENS_MAX: Final = 10**12
_USD_MAX: Final = 10**6
_PICO: Final = 10**12
_CERTAIN_BYTES: Final = 12
"""A character is at most so many bytes of ASCII JSON (a pair of surrogates); what is below the cap even so needs no
counting."""


def as_json(value: Any, what: str) -> Any:
    """A copy of a value as JSON: dicts with text keys, lists, texts, finite numbers, booleans and null.

    Args:
        value: what a handler gave.
        what: names it in errors.

    Raises:
        BadOutput: it is no JSON, nests deeper than 64 levels, or is larger than 16 MiB.
    """
    size = [0]
    try:
        copied = _quick(value, 0, size)
        if size[0] > OUTPUT_BYTES_MAX:
            raise _OddError
    except _OddError:
        size = [0]
        copied = _copy(value, what, what, 0, size)
    if size[0] * _CERTAIN_BYTES > OUTPUT_BYTES_MAX:
        length = len(json.dumps(copied, separators=(",", ":")))
        if length > OUTPUT_BYTES_MAX:
            raise BadOutput(
                f"{what} is {length} bytes of JSON; at most {OUTPUT_BYTES_MAX} may cross: keep it elsewhere and give a "
                f"reference to it"
            )
    return copied


class _OddError(Exception):
    """A value is not plain JSON: it is something that becomes JSON, or it is refused, with the place where it is."""


def _quick(value: Any, depth: int, size: list[int]) -> Any:
    """A copy of plain JSON, as nearly all outputs are. Raises _OddError for anything else."""
    kind = type(value)
    if kind is dict:
        length = 8 + 8 * len(value)
        pairs: Any = value.items()
        for name in value:
            if type(name) is not str:
                raise _OddError
            length += len(name)
    elif kind is list:
        length = 8 + 8 * len(value)
        pairs = enumerate(value)
    elif kind is str or _is_plain(value, kind):
        size[0] += len(value) if kind is str else 8
        return value
    else:
        raise _OddError
    if depth >= DEPTH_MAX or size[0] > OUTPUT_BYTES_MAX:
        raise _OddError
    copy = value.copy()
    for name, item in pairs:
        inner = type(item)
        if inner is str:
            length += len(item)
        elif (inner is not float or not math.isfinite(item)) and not _is_plain(item, inner):
            copy[name] = _quick(item, depth + 1, size)
    size[0] += length
    return copy


def _is_plain(value: Any, kind: type) -> bool:
    if kind is int:
        return bool(value.bit_length() <= _INT_BITS_MAX)
    return kind is bool or value is None or (kind is float and math.isfinite(value))


def copied(value: Any) -> Any:
    """A copy of JSON, for whoever may change what he is given."""
    kind = type(value)
    if kind is dict:
        return {name: copied(item) for name, item in value.items()}
    if kind is list:
        return [copied(item) for item in value]
    return value


def _copy(value: Any, path: str, what: str, depth: int, size: list[int]) -> Any:
    kind = type(value)
    if kind is str:
        size[0] += len(value) + 2
        _bound(size, what)
        return value
    size[0] += 8
    if kind is bool or value is None:
        return value
    if kind is int:
        if value.bit_length() > _INT_BITS_MAX:
            raise BadOutput(f"{path} is an integer of {value.bit_length()} bits; at most {_INT_BITS_MAX} may cross")
        return value
    if kind is float:
        if not math.isfinite(value):
            raise BadOutput(f"{path} is {value}; JSON has only finite numbers: give null, or leave it out")
        return value
    if depth >= DEPTH_MAX:
        raise BadOutput(f"{what} nests deeper than {DEPTH_MAX} levels; give a flatter value")
    if kind is dict:
        return _copy_mapping(value, path, what, depth, size)
    if kind is list or kind is tuple:
        _bound(size, what)
        return [_copy(item, f"{path}[{index}]", what, depth + 1, size) for index, item in enumerate(value)]
    return _copy_other(value, path, what, depth, size)


def _bound(size: list[int], what: str) -> None:
    if size[0] > OUTPUT_BYTES_MAX * 4:
        raise BadOutput(f"{what} is far larger than the {OUTPUT_BYTES_MAX} bytes of JSON that may cross")


def _copy_mapping(value: Mapping[Any, Any], path: str, what: str, depth: int, size: list[int]) -> dict[str, Any]:
    copied: dict[str, Any] = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise BadOutput(f"{path} has the key {str(name)[:40]!r} of type {type(name).__name__}; JSON has text keys")
        size[0] += len(name) + 4
        copied[str(name)] = _copy(item, f"{path}.{name}", what, depth + 1, size)
    _bound(size, what)
    return copied


def _copy_other(value: Any, path: str, what: str, depth: int, size: list[int]) -> Any:
    if isinstance(value, Enum):
        return value.name
    dump = getattr(type(value), "model_dump", None)
    if callable(dump):
        return _copy(dump(value, mode="json"), path, what, depth, size)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return _copy_mapping(fields, path, what, depth, size)
    if isinstance(value, (Decimal, UUID)):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    for base in (str, int, float):
        if isinstance(value, base):
            return _copy(base(value), path, what, depth, size)
    if isinstance(value, Mapping):
        return _copy_mapping(value, path, what, depth, size)
    if isinstance(value, (list, tuple)):
        return _copy(list(value), path, what, depth, size)
    raise BadOutput(
        f"{path} is of type {type(value).__name__}, which is no JSON; give a dict, a list, a text, a number, a boolean "
        f"or None, a dataclass or a pydantic model"
    )


def cost_pico(value: Any) -> int | None:
    """A cost in US dollars as whole pico-dollars (rounded half to even); None stays None.

    Raises BadOutput for what is no number of at least 0 and at most a million dollars.
    """
    if value is None:
        return None
    try:
        usd = Decimal(str(value)) if isinstance(value, (str, int, float, Decimal)) else Decimal("NaN")
    except InvalidOperation:
        usd = Decimal("NaN")
    if isinstance(value, bool) or not usd.is_finite() or not 0 <= usd <= _USD_MAX:
        raise BadOutput(
            f'cost_usd is {str(value)[:40]!r}; expected US dollars of at least 0 as a decimal text, as "0.011"'
        )
    return int((usd * _PICO).to_integral_value())


def token_count(value: Any, name: str) -> int | None:
    """A number of tokens; None stays None. Raises BadOutput for what is no integer of at least 0."""
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= _TOKENS_MAX:
        raise BadOutput(f"{name} is {str(value)[:40]!r}; expected a whole number of tokens, at least 0")
    return value


def error_text(error: BaseException) -> str:
    """What an exception of a handler says, for the journal and for the next attempt: its type and a clipped message."""
    try:
        said = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - an exception of a stranger may fail even at this
        said = ""
    own = isinstance(error, OrchError)  # ours name what they are about
    text = (said if own else f"{type(error).__name__}: {said}") if said else type(error).__name__
    return text if len(text) <= MESSAGE_MAX else text[: MESSAGE_MAX - 1] + "…"
