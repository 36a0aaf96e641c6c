"""The public form of records."""

from __future__ import annotations

import pytest

from orchspec.runtime.journal.records import Record, format_time, public_record


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_700_000_000_000_001, "2023-11-14T22:13:20.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_time_is_rfc_3339_in_utc_to_the_microsecond(time_us, text):
    assert format_time(time_us) == text


def test_public_record_begins_with_number_time_and_type():
    public = public_record(Record("r", 3, 1_500_000, "TimerFired", {"event": {"timer": 1}, "commands": []}))
    assert list(public.items()) == [
        ("seq", 3),
        ("time", "1970-01-01T00:00:01.500000Z"),
        ("type", "TimerFired"),
        ("event", {"timer": 1}),
        ("commands", []),
    ]
