"""Record bodies to text and back, with large values kept apart by content hash.

A value directly in a body, or one level deeper, whose JSON is above ``PAYLOAD_BYTES_MIN`` is stored once under the
SHA-256 of its text and replaced by ``{"$payload": hash}``. User data of that very shape is escaped: in any object
with the single key ``$payload``, ``$$payload``, …, the key gets one more ``$`` on the way in and loses it on the
way out. Text is ASCII JSON, so that its length is its size in bytes and lone surrogates survive.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from orchspec.runtime.compact import json_text
from orchspec.runtime.errors import CorruptStore, PayloadTooLarge, StoreError
from orchspec.runtime.journal.records import RESERVED_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "PAYLOAD_BYTES_MAX",
    "PAYLOAD_BYTES_MIN",
    "PAYLOAD_MARK",
    "content_hash",
    "decode_body",
    "decode_value",
    "encode_body",
    "encode_value",
]

PAYLOAD_BYTES_MIN = 16 * 1024
PAYLOAD_BYTES_MAX = 16 * 1024 * 1024

PAYLOAD_MARK = '$payload"'
_REFERENCE = "$payload"


def content_hash(text: str) -> str:
    """The SHA-256 of an ASCII text, in hexadecimal."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def encode_value(value: Any, what: str) -> str:
    """Compact JSON of one value. ``what`` names it in errors.

    Raises ``StoreError`` for what JSON cannot hold, ``PayloadTooLarge`` above ``PAYLOAD_BYTES_MAX``.
    """
    text = _to_json(value, what)
    _check_size(text, what)
    return text


def decode_value(text: Any, what: str) -> Any:
    """The value of a JSON text read from a store. Raises ``CorruptStore`` naming ``what``."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        found = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        message = f"{what} is not JSON ({found}); expected what was written: restore the store from a copy"
        raise CorruptStore(message) from error


def encode_body(body: dict[str, Any], run: str, seq: int) -> tuple[str, dict[str, str] | None]:
    """The text of a record's body, and the payloads it refers to (hash to text; None without any).

    Raises ``StoreError`` for what JSON cannot hold and for reserved keys, ``PayloadTooLarge`` above the cap.
    """
    if not RESERVED_KEYS.isdisjoint(body):
        found = ", ".join(sorted(RESERVED_KEYS & body.keys()))
        raise StoreError(f"record {seq} of run {run}: its body has the reserved key {found}; name that field otherwise")
    try:
        text = json_text(body)
    except (ValueError, TypeError, RecursionError):
        text = _to_json(body, f"record {seq} of run {run}")
    # Small, and nothing to escape: the way of nearly every record.
    if len(text) <= PAYLOAD_BYTES_MIN and PAYLOAD_MARK not in text:
        return text, None
    what = f"record {seq} of run {run}"
    payloads: dict[str, str] = {}
    escaped = _escape(body) if PAYLOAD_MARK in text else body
    split = {
        name: _set_apart(_set_apart_within(value, payloads, what), payloads, what) for name, value in escaped.items()
    }
    return encode_value(split, what), payloads or None


def decode_body(text: Any, fetch: Callable[[str], str | None], run: str, seq: int) -> dict[str, Any]:
    """The body of record ``seq`` of ``run``; ``fetch`` gives the text of a payload by its hash.

    Raises ``CorruptStore`` for text that is no JSON object, and for payloads that are missing or fail their hash.
    """
    what = f"record {seq} of run {run}"
    found = decode_value(text, what)
    if type(text) is not str or type(found) is not dict:
        raise CorruptStore(f"{what} holds {type(found).__name__} in {type(text).__name__}; expected an object in JSON")
    body: dict[str, Any] = found
    if PAYLOAD_MARK in text:
        body = {name: _resolve(value, fetch, what) for name, value in body.items()}
        # The body itself may have had the shape of a reference: only its keys are escaped then, never replaced.
        body = _unescape_keys(body)
    return body


def _to_json(value: Any, what: str) -> str:
    try:
        return json_text(value)
    except RecursionError as error:
        message = f"{what} cannot be stored: it is nested too deeply or contains itself; expected a plain JSON value"
        raise StoreError(message) from error
    except (ValueError, TypeError) as error:
        message = f"{what} cannot be stored: {error}; expected a JSON value (finite numbers, string keys)"
        raise StoreError(message) from error


def _check_size(text: str, what: str) -> None:
    if len(text) > PAYLOAD_BYTES_MAX:
        raise PayloadTooLarge(
            f"{what} holds a value of {len(text)} bytes of JSON; expected at most {PAYLOAD_BYTES_MAX}: "
            f"keep it elsewhere and pass a reference to it"
        )


def _set_apart_within(value: Any, payloads: dict[str, str], what: str) -> Any:
    if type(value) is dict:
        return {name: _set_apart(item, payloads, what) for name, item in value.items()}
    if type(value) is list:
        return [_set_apart(item, payloads, what) for item in value]
    return value


def _set_apart(value: Any, payloads: dict[str, str], what: str) -> Any:
    if not isinstance(value, str | dict | list | tuple):
        return value
    text = _to_json(value, what)
    if len(text) <= PAYLOAD_BYTES_MIN:
        return value
    _check_size(text, what)
    digest = content_hash(text)
    payloads[digest] = text
    return {_REFERENCE: digest}


def _is_marked(value: dict[str, Any]) -> bool:
    """Whether an object is a reference, or could be taken for one."""
    if len(value) != 1:
        return False
    (key,) = value
    return isinstance(key, str) and key.endswith(_REFERENCE) and key.lstrip("$") == "payload"


def _escape(value: Any) -> Any:
    if isinstance(value, dict):
        escaped = {name: _escape(item) for name, item in value.items()}
        return {f"${name}": item for name, item in escaped.items()} if _is_marked(value) else escaped
    if isinstance(value, list | tuple):
        return [_escape(item) for item in value]
    return value


def _unescape_keys(value: dict[str, Any]) -> dict[str, Any]:
    return {name[1:]: item for name, item in value.items()} if _is_marked(value) else value


def _resolve(value: Any, fetch: Callable[[str], str | None], what: str) -> Any:
    if type(value) is list:
        return [_resolve(item, fetch, what) for item in value]
    if type(value) is not dict:
        return value
    if len(value) == 1 and _REFERENCE in value:
        return _resolve(_fetch(value[_REFERENCE], fetch, what), fetch, what)
    return _unescape_keys({name: _resolve(item, fetch, what) for name, item in value.items()})


def _fetch(digest: Any, fetch: Callable[[str], str | None], what: str) -> Any:
    text = fetch(digest) if isinstance(digest, str) else None
    if text is None:
        raise CorruptStore(f"{what} refers to payload {digest}, which is missing: restore the store from a copy")
    if not text.isascii() or content_hash(text) != digest:
        raise CorruptStore(f"{what}: payload {digest} does not have that content: restore the store from a copy")
    return decode_value(text, f"payload {digest} of {what}")
