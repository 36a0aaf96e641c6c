"""Columns are read exactly, from inside a folder only, and what is wrong is named with its line."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from orchspec.runtime import tables
from orchspec.runtime.distributions import compile_count, compile_dist
from orchspec.runtime.draws import uniform
from orchspec.runtime.errors import OrchError
from orchspec.runtime.tables import TableError, locate, read_column, read_columns, read_times

TRACES = Path(__file__).resolve().parents[2] / "specs" / "data" / "azure-llm-2023"


@pytest.fixture
def table(tmp_path):
    def write(text, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


# ------------------------------------------------------------------ the published traces

FACTS = {
    "conv.csv": {
        "rows": 19_366,
        "rate": 5.53,
        "scv": 1.2,
        "ContextTokens": (1020, 4083, 4142),
        "GeneratedTokens": (129, 451, 601),
    },
    "code.csv": {
        "rows": 8_819,
        "rate": 2.567,
        "scv": 173,
        "ContextTokens": (1469, 7302, 7436),
        "GeneratedTokens": (13, 90, 249),
    },
}


@pytest.mark.parametrize("file", FACTS)
def test_the_arrivals_of_a_published_trace_have_its_rate_and_burstiness(file):
    times = read_times(locate(TRACES, file), "TIMESTAMP")
    facts = FACTS[file]
    assert len(times) == facts["rows"]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1)
    assert 1e6 / mean == pytest.approx(facts["rate"], rel=1e-3)
    assert variance / mean**2 == pytest.approx(facts["scv"], rel=0.04)
    assert times[0] == 0
    assert min(gaps) >= 0


def test_the_peak_minute_of_the_code_trace_is_four_times_its_mean():
    times = read_times(TRACES / "code.csv", "TIMESTAMP")
    minutes = [0] * (times[-1] // 60_000_000 + 1)
    for time in times:
        minutes[time // 60_000_000] += 1
    assert max(minutes) / (len(times) / (times[-1] / 60_000_000)) == pytest.approx(4.18, rel=0.03)


@pytest.mark.parametrize("file", FACTS)
@pytest.mark.parametrize("column", ["ContextTokens", "GeneratedTokens"])
def test_sampling_a_published_column_meets_its_quantiles(file, column):
    data = read_columns(TRACES, {(file, column)})
    dist = ["empirical", file, column]
    expected = FACTS[file][column]
    rows = sorted(data[file, column])
    places = [int(u * (len(rows) - 1)) for u in (0.5, 0.95, 0.99)]
    assert tuple(rows[place] for place in places) == expected  # the published facts are order statistics
    exact = compile_dist(dist, data)
    for u, place in zip((0.5, 0.95, 0.99), places, strict=True):
        assert rows[place] <= exact(u) <= rows[place + 1]
    tokens = compile_count(dist, data)
    sample = sorted(tokens(uniform(2023, i, 2)) for i in range(60_000))
    found = [sample[int(u * len(sample))] for u in (0.5, 0.95, 0.99)]
    assert found == pytest.approx(expected, rel=0.03)


# ------------------------------------------------------------------ numbers and times


def test_seven_digits_of_a_second_are_kept(table):
    path = table("t,x\n2023-11-16 18:17:03.9799600,1\n2023-11-16 18:17:04.0319601,2\n2023-11-17 18:17:03.9799599,3\n")
    assert read_column(path, "t") == [0.0, 0.0520001, 86_399.9999999]
    assert read_times(path, "t") == [0, 52_000, 86_400_000_000]


def test_zones_are_taken_off(table):
    path = table(
        "t\n2024-02-29T23:30:00Z\n2024-03-01T01:30:00.5+02:00\n2024-02-29T18:30:01-05:00\n2024-03-01 00:00:00\n"
    )
    assert read_column(path, "t") == [0.0, 0.5, 1.0, 1800.0]


def test_arrivals_are_sorted_and_start_at_the_earliest(table):
    path = table("t\n2024-01-01 00:00:02\n2024-01-01 00:00:00\n2024-01-01 00:00:01\n")
    assert read_times(path, "t") == [0, 1_000_000, 2_000_000]
    assert read_column(path, "t") == [0.0, -2.0, -1.0]


def test_arrivals_in_seconds_lose_no_microsecond(table):
    path = table("t\n1700000000.000001\n1700000000.123456\n1700000001.\n1.7000000015e9\n")
    assert read_times(path, "t") == [0, 123_455, 999_999, 1_499_999]
    assert read_times(table("t\n-1.5\n-0.25\n0\n"), "t") == [0, 1_250_000, 1_500_000]


def test_numbers_are_read_in_the_order_of_rows(table):
    path = table(b'\xef\xbb\xbfname, latency ,n\r\na,1.5,1\r\n\r\n"b, c",-2e3,2\r\nd, 3 ,3')
    assert read_column(path, "latency") == [1.5, -2000.0, 3.0]
    assert read_column(path, "n") == [1.0, 2.0, 3.0]


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["'x'", "an empty file"]),
        ("a,b\n1,2\n", ["'x'", "'a', 'b'"]),
        ("x,x\n1,2\n", ["'x'", "more than once"]),
        ("x\n", ["no rows"]),
        ("x\n1\n2\nthree\n", ["line 4", "'x'", "'three'", "a number"]),
        ("x\n1\n\n\n", None),
        ("x\nnan\n", ["line 2", "'nan'", "a number"]),
        ("x\n1\ninf\n", ["line 3", "'inf'"]),
        ("x\n1_000\n", ["'1_000'"]),
        ("x\n٣\n", ["a number"]),
        ("x\n1e999\n", ["a number"]),
        ("x\n" + "1" * 100 + "\n", ["a number"]),
        ("a,x\n1,2\n3\n", ["line 3", "1 cells", "at least 2"]),
        ("x\n2024-01-01 00:00:00\n5\n", ["line 3", "'5'", "a timestamp"]),
        ("x\n5\n2024-01-01 00:00:00\n", ["line 3", "a number"]),
        ("x\n2023-02-29 00:00:00\n", ["line 2", "a day of the calendar"]),
        ("x\n2023-02-28 24:00:00\n", ["a time of a day"]),
        (b"x\n\xff\xfe\n", ["not UTF-8"]),
        ('x\n"' + "a" * 200_000, ["not CSV"]),
    ],
)
def test_what_is_wrong_with_a_column_is_named(table, text, parts):
    path = table(text)
    if parts is None:
        assert read_column(path, "x") == [1.0]
        return
    with pytest.raises(TableError) as raised:
        read_column(path, "x")
    assert raised.value.code == "bad_table"
    assert isinstance(raised.value, OrchError)
    for part in ["t.csv", *parts]:
        assert part in raised.value.message
    assert len(raised.value.message) < 400


def test_seconds_beyond_any_clock_are_no_arrivals(table):
    with pytest.raises(TableError, match=r"line 3.*seconds between"):
        read_times(table("x\n1\n1e300\n"), "x")


def test_files_and_rows_beyond_the_caps_are_refused(table, monkeypatch):
    path = table("x\n" + "1\n" * 20)
    monkeypatch.setattr(tables, "ROWS_MAX", 19)
    with pytest.raises(TableError, match="more than 19 rows"):
        read_column(path, "x")
    monkeypatch.setattr(tables, "BYTES_MAX", 41)
    with pytest.raises(TableError, match="has 42 bytes; at most 41"):
        read_column(path, "x")


def test_files_of_one_folder_are_found_also_below_it(tmp_path, table):
    path = table("x\n1\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "link.csv").symlink_to(path)
    assert locate(tmp_path, "t.csv") == path.resolve()
    assert locate(tmp_path, "sub/../t.csv") == path.resolve()
    assert read_columns(tmp_path, [("sub/link.csv", "x")]) == {("sub/link.csv", "x"): [1.0]}


@pytest.mark.parametrize("file", ["", "/etc/passwd", "\\\\host\\x.csv", "C:\\x.csv", "C:x.csv", "a\0b"])
def test_names_that_are_not_relative_are_refused(tmp_path, file):
    with pytest.raises(TableError, match="no relative path"):
        locate(tmp_path, file)


def test_nothing_outside_the_folder_is_reached(tmp_path, table):
    table("x\n1\n", "secret.csv")
    inside = tmp_path / "specs"
    inside.mkdir()
    (inside / "link.csv").symlink_to(tmp_path / "secret.csv")
    (inside / "folder").symlink_to(tmp_path)
    for file in ("../secret.csv", "link.csv", "folder/secret.csv"):
        with pytest.raises(TableError, match="leads out of"):
            locate(inside, file)


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for file, why in {
        "gone.csv": "does not exist",
        ".": "no regular file",
        "loop": "cannot be found",
        "pipe": "no regular file",
        "x" * 5000: "cannot be found",
    }.items():
        with pytest.raises(TableError, match=why):
            locate(tmp_path, file)
    with pytest.raises(TableError, match="no regular file"):
        read_column(tmp_path / "pipe", "x")
    with pytest.raises(TableError, match="cannot be read"):
        read_column(tmp_path / "gone.csv", "x")
