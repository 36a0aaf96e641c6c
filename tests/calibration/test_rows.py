"""Rows of traces: columns found by their names, and what is left out of hostile ones."""

from __future__ import annotations

import json

import pytest

from orchspec.calibration import NotCalibrated, calibrate_sources
from orchspec.calibration.rows import Columns, column_of, flat


def read(row, **said):
    columns = Columns(dict(column_of(f"{name}={column}") for name, column in said.items()))
    return columns.read(flat(row))


@pytest.mark.parametrize(
    ("row", "latency_s"),
    [
        ({"agent": "a", "latency": "1.5"}, 1.5),
        ({"agent": "a", "latency_ms": 1500}, 1.5),
        ({"agent": "a", "durationMs": 1500}, 1.5),
        ({"Agent": "a", "Response Time (ms)": 1500}, 1.5),
        ({"agent": "a", "elapsed_us": 1_500_000}, 1.5),
        ({"agent": "a", "started_at": "2024-05-01 10:00:00.5", "ended_at": "2024-05-01T10:00:02Z"}, 1.5),
        ({"agent": "a", "start_ms": 1000, "end_ms": 2500}, 1.5),
        ({"agent": "a", "meta": {"timing": {"latency_s": 1.5}}, "cost": 0}, None),
    ],
)
def test_a_latency_is_found_by_its_name_in_its_unit(row, latency_s):
    assert read(row).latency_s == (None if latency_s is None else pytest.approx(latency_s))


def test_what_is_said_goes_before_what_is_known():
    row = {"agent": "a", "who": "b", "latency": 3, "took": 250, "meta": {"in": 7}}
    found = read(row, agent="who", latency="took:ms", tokens_in="meta.in")
    assert (found.target, found.latency_s, found.tokens_in) == ("b", 0.25, 7)


def test_usage_of_providers_is_found_within_its_object():
    found = read({"agent": "a", "usage": {"prompt_tokens": 12, "completion_tokens": 3}, "total_cost": "$0.02"})
    assert (found.tokens_in, found.tokens_out, found.cost_usd) == (12, 3, 0.02)


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("ok", "ok"), (True, "ok"), ("True", "ok"), (200, "ok"), ("COMPLETED", "ok"), ("error", "failed"),
        (False, "failed"), (500, "failed"), ("timed_out", "timeout"), (504, "timeout"), ("cancelled", "stopped"),
        ("invalid", "garbage"), (429, "refused"), ("rate-limited", "refused"),
    ],
)  # fmt: skip
def test_ends_are_told_in_many_words(status, ended):
    assert read({"agent": "a", "latency": 1, "status": status}).ended == ended


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("latency", "'abc'"), ("latency", "'nan0'"), ("latency", "1_0"), ("latency", "9" * 400),
        ("tokens_in", "x" * 5_000), ("status", "'maybe'"), ("status", "٣٣٣"),
    ],
)  # fmt: skip
def test_what_is_no_value_is_said_shortly(cell, why):
    with pytest.raises(ValueError, match="expected") as told:
        read({"agent": "a", "latency": 1, cell: why})
    assert len(str(told.value)) < 200


def test_bad_rows_are_left_out_counted_and_told_with_their_lines(tmp_path):
    good = [f"a,{latency}" for latency in range(1, 41)]
    bad = ["a,x", "a", "a,-1", "a,inf", ",3", "a,1,2", "a,1e400"]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["agent,latency", *good, *bad]) + "\n")
    found = calibrate_sources([path])
    assert found.left_out == len(bad)
    assert found.told[0] == "7 rows left out"
    assert found.told[1] == "  t.csv, line 42: latency is 'x', expected a number"
    assert found.told[-1] == "  and 2 more"
    assert found.profiles[0].tries == 40


def test_lines_of_json_are_rows_too_and_so_is_a_list_of_them(tmp_path):
    rows = [{"agent": "a", "latency_ms": 10 * n, "status": "ok"} for n in range(1, 31)]
    lines, whole = tmp_path / "t.jsonl", tmp_path / "t.json"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n[1]\n" + "[" * 100_000 + "\n")
    whole.write_text(json.dumps(rows))
    first, second = calibrate_sources([lines]), calibrate_sources([whole])
    assert first.left_out == 3
    assert first.document()["profiles"] == second.document()["profiles"]


def test_semicolons_and_byte_order_marks_are_understood(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffagent;latency_s\n".encode() + b"".join(b"a;%d\n" % n for n in range(1, 31)))
    assert calibrate_sources([path]).profiles[0].fits[0].fitted.sample.n == 30


@pytest.mark.parametrize(
    ("text", "said", "told"),
    [
        ("", {}, "is empty"),
        ("a,b\n1,2\n", {}, "--agent NAME"),
        ("agent,b\n1,2\n", {}, "--column latency=COLUMN"),
        ("agent,latency\n", {"latency": "took"}, "has no column 'took'"),
        ("agent,latency\n", {"speed": "took"}, "QUANTITY is one of"),
        ("[{]", {}, "is not JSON"),
        ("\xff\xfe,latency\n", {}, "--agent NAME"),
    ],
)
def test_a_file_that_is_no_trace_is_told_with_what_to_do(tmp_path, text, said, told):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(NotCalibrated, match=told):
        calibrate_sources([path], columns=said)


def test_a_file_that_is_no_text_or_not_there_is_told(tmp_path):
    noise = tmp_path / "noise"
    noise.write_bytes(b"\xff\xfe\x00\x01" * 50)
    for path, told in ((noise, "not UTF-8"), (tmp_path / "none", "there is no file"), (tmp_path, "cannot be read")):
        with pytest.raises(NotCalibrated, match=told):
            calibrate_sources([path])


def test_too_many_names_are_a_wrong_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("agent,latency\n" + "".join(f"a{n},1\n" for n in range(1_200)))
    with pytest.raises(NotCalibrated, match="is the column right"):
        calibrate_sources([path])


def test_names_of_files_columns_and_agents_cannot_write_a_spec_or_steer_a_terminal(tmp_path):
    path = tmp_path / "t.csv\nprofile evil { latency = fixed(1s) }\n//"
    path.write_text("agent,latency,\x1b[2J\n" + "\x1b[31mred\r,1,2\n" * 30 + "ann,1,2\n" * 30)
    found = calibrate_sources([path])
    assert "\x1b" not in "".join(found.told)
    assert [line for line in found.text.splitlines() if line.startswith("profile")] == ["profile ann {"]
    with pytest.raises(NotCalibrated) as told:
        calibrate_sources([path], columns={"cost": "none"})
    assert "\x1b" not in str(told.value)


def test_failures_are_not_claimed_where_nothing_tells_of_them(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("agent,latency\n" + "".join(f"a,{n}\n" for n in range(1, 40)))
    assert calibrate_sources([path]).profiles[0].shares == {}
