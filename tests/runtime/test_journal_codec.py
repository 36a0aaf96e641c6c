"""Bodies survive their text, whatever they look like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchspec.runtime.errors import CorruptStore
from orchspec.runtime.journal import codec
from orchspec.runtime.journal.codec import content_hash, decode_body, encode_body

KEYS = st.sampled_from(["$payload", "$$payload", "$$$payload", "payload", "a$payload", "a", "b"]) | st.text(max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=15,
)


@given(body=st.dictionaries(KEYS.filter(lambda key: key not in codec.RESERVED_KEYS), VALUES, max_size=4))
def test_any_body_comes_back_wherever_its_values_are_kept(body):
    limit = codec.PAYLOAD_BYTES_MIN
    try:
        for codec.PAYLOAD_BYTES_MIN in (10, 40, limit):
            text, payloads = encode_body(body, "r", 1)
            assert text.isascii()
            assert all(content_hash(kept) == digest for digest, kept in (payloads or {}).items())
            assert decode_body(text, (payloads or {}).get, "r", 1) == body
    finally:
        codec.PAYLOAD_BYTES_MIN = limit


def test_small_bodies_stay_in_one_piece_and_large_values_do_not():
    text, payloads = encode_body({"event": {"output": "x" * 1000}}, "r", 1)
    assert payloads is None
    text, payloads = encode_body({"event": {"output": "x" * 17_000, "n": 1}, "decided": ["d"]}, "r", 1)
    (digest,) = payloads
    assert text == f'{{"event":{{"output":{{"$payload":"{digest}"}},"n":1}},"decided":["d"]}}'


def test_many_small_values_are_kept_apart_together():
    body = {"event": {"found": [{"n": number} for number in range(5_000)]}}
    text, payloads = encode_body(body, "r", 1)
    assert len(text) < 200
    assert len(payloads) == 1
    assert decode_body(text, payloads.get, "r", 1) == body


def test_text_is_the_same_for_the_same_body():
    body = {"b": 1, "a": {"$payload": [1.5, "é", None]}}
    assert encode_body(body, "r", 1) == encode_body(dict(body), "r", 1)


@pytest.mark.parametrize("text", ['{"a":{"$payload":7}}', '{"a":{"$payload":"0123"}}', '{"a":{"$payload":null}}'])
def test_reference_to_nothing_is_corrupt(text):
    with pytest.raises(CorruptStore, match="record 4 of run r"):
        decode_body(text, {}.get, "r", 4)
