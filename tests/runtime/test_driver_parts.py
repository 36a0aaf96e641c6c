"""The parts of the driver: the clock, the timers, what may cross, whom a flow needs, failpoints, stand-ins' world."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchspec.runtime.driver.clock import Clock
from orchspec.runtime.driver.values import as_json, cost_pico, error_text, token_count
from orchspec.runtime.errors import BadOutput, InDoubt
from orchspec.runtime.failpoints import POINTS
from orchspec.runtime.result import usd_text
from orchspec.runtime.standins import World
from orchspec.runtime.timers import TimerQueue

# ------------------------------------------------------------------ the clock


class Wall:
    def __init__(self, now=1_000):
        self.now = now

    def __call__(self):
        return self.now


def test_time_never_goes_backwards():
    wall = Wall()
    clock = Clock(wall=wall)
    wall.now = 2_000
    assert clock.now_us() == 2_000
    wall.now = 500
    assert clock.now_us() == 2_000
    wall.now = 2_001
    assert clock.now_us() == 2_001


def test_a_fast_clock_runs_ahead_by_its_speed_and_says_how_long_a_span_lasts():
    wall = Wall()
    clock = Clock(60.0, wall)
    wall.now += 10
    assert clock.now_us() == 1_600
    assert clock.seconds(60_000_000) == 1.0


def test_a_journal_from_the_future_is_caught_up_with():
    wall = Wall()
    clock = Clock(2.0, wall)
    clock.not_before(9_000)
    assert clock.now_us() == 9_000
    wall.now += 5
    assert clock.now_us() == 9_010
    clock.not_before(9_001)
    assert clock.now_us() == 9_010


# ------------------------------------------------------------------ timers


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["arm", "drop", "due"]),
            st.integers(0, 3),
            st.sampled_from(["attempt", "backoff", "every"]),
            st.integers(0, 50),
        ),
        max_size=60,
    )
)
def test_timers_fire_once_each_at_the_time_of_their_last_arming(steps):
    timers = TimerQueue(lambda grant: None)
    model: dict[tuple[int, str], int] = {}
    now = 0
    for what, place, timer, at in steps:
        if what == "arm":
            timers.arm("r", place, timer, at, 1)
            model[place, timer] = at
        elif what == "drop":
            timers.drop("r", place, timer)
            model.pop((place, timer), None)
        else:
            now = max(now, at)
            fired = [(due.place, due.timer) for due in timers.due(now)]
            assert sorted(fired) == sorted(key for key, at_us in model.items() if at_us <= now)
            assert [model[key] for key in fired] == sorted(model[key] for key in fired)
            for key in fired:
                del model[key]
        assert timers.next_us() == min(model.values(), default=None)
        assert timers.active == sum(timer != "attempt" for _, timer in model)


def test_the_timers_of_a_run_are_forgotten_with_it():
    timers = TimerQueue(lambda grant: None)
    timers.arm("r", 1, "backoff", 5, 1)
    timers.arm("s", 1, "backoff", 6, 1)
    timers.forget("r")
    assert (timers.next_us(), timers.active) == (6, 1)


def test_dropped_timers_are_not_kept_until_they_would_have_come_due():
    timers = TimerQueue()
    timers.arm("r", 0, "time", 10**9, 1)
    for place in range(1, 5_000):
        timers.arm("r", place, "attempt", 10**8, 1)
        timers.drop("r", place, "attempt")
    assert timers.armed == 1
    assert len(timers) <= 100
    assert [due.place for due in timers.due(10**9)] == [0]


# ------------------------------------------------------------------ what may cross


class Colour(Enum):
    red = 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_crosses_as_it_is_and_as_a_copy(value):
    copied = as_json(value, "it")
    assert copied == value
    assert not isinstance(value, (dict, list)) or copied is not value
    assert json.loads(json.dumps(copied)) == copied


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1.50"), "1.50"),
        (Colour.red, "red"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00Z"),
        (timedelta(minutes=1), 60.0),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ((1, 2), [1, 2]),
    ],
)
def test_what_has_a_form_at_the_edge_takes_it(value, expected):
    assert as_json({"a": [value]}, "it") == {"a": [expected]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, r"it\.a is of type set, which is no JSON"),
        (2**70, "71 bits"),
        (float("inf"), "inf"),
        (b"raw", "bytes"),
        ({1: 2}, "text keys"),
        (as_json, "function"),
    ],
)
def test_what_is_no_json_is_named_with_its_place(value, message):
    with pytest.raises(BadOutput, match=message):
        as_json({"a": value}, "it")


def test_a_value_that_holds_itself_is_refused():
    value: list = []
    value.append(value)
    with pytest.raises(BadOutput, match="nests deeper"):
        as_json(value, "it")


def test_what_is_too_large_is_refused_by_its_size_in_a_store():
    as_json("ä" * (2 << 20), "it")
    with pytest.raises(BadOutput, match="at most 16777216 may cross"):
        as_json("ä" * (3 << 20), "it")
    with pytest.raises(BadOutput, match="far larger"):
        as_json(["x" * (1 << 20)] * 100, "it")


@pytest.mark.parametrize(
    ("said", "pico"), [(None, None), ("0.011", 11 * 10**9), (0.1, 10**11), (2, 2 * 10**12), (Decimal("1e-12"), 1)]
)
def test_a_cost_is_a_decimal(said, pico):
    assert cost_pico(said) == pico


@pytest.mark.parametrize("said", ["", "nan", -1, "1e9", True, [], "Infinity", b"1"])
def test_a_cost_that_is_none_is_refused(said):
    with pytest.raises(BadOutput, match="cost_usd"):
        cost_pico(said)


@pytest.mark.parametrize("said", [-1, 1.0, True, "5", 10**13])
def test_tokens_that_are_none_are_refused(said):
    assert token_count(5, "tokens_in") == 5
    with pytest.raises(BadOutput, match="tokens_in"):
        token_count(said, "tokens_in")


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError


def test_what_an_exception_says_is_clipped_and_never_fails():
    assert error_text(ValueError("a\n  b")) == "ValueError: a b"
    assert error_text(InDoubt("who knows")) == "who knows"
    assert error_text(ValueError()) == "ValueError"
    assert error_text(Unspeakable()) == "Unspeakable"
    assert len(error_text(ValueError("x" * 10_000))) == 500


@given(st.integers(-(10**20), 10**20))
def test_money_is_told_exactly(pico):
    assert Decimal(usd_text(pico)) == Decimal(pico).scaleb(-12)


# ------------------------------------------------------------------ failpoints


@pytest.mark.parametrize("name", POINTS)
def test_a_failpoint_kills_the_nth_time_and_is_traced(name, tmp_path):
    code = f"from orchspec.runtime.failpoints import reached\nfor n in range(3):\n    reached({name!r})\n    print(n)"
    trace = tmp_path / "trace"
    import os

    env = {**os.environ, "ORCH_FAILPOINT": f"{name}:2", "ORCH_FAILPOINT_TRACE": str(trace)}
    done = subprocess.run([sys.executable, "-uc", code], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-9, "0\n")
    assert trace.read_text().split() == [name, name]


# ------------------------------------------------------------------ the world of stand-ins


@pytest.mark.parametrize("kept", [False, True])
def test_a_world_applies_a_key_once_and_gives_repeats_the_first_receipt(tmp_path, kept):
    path = tmp_path / "world" if kept else None
    world = World(path)
    assert world.find("k") == (False, None)
    assert world.deliver("k", "publish", {"a": 1}, "first") == "first"
    again = World(path) if kept else world
    assert again.find("k") == (True, "first")
    assert again.deliver("k", "publish", {"a": 1}, "second") == "first"
    if path is not None:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["applied"] for line in lines] == [True, False]


def test_a_line_that_a_crash_tore_is_nothing_that_was_applied(tmp_path):
    path = tmp_path / "world"
    World(path).deliver("k", "publish", {}, "first")
    with path.open("a") as file:
        file.write('{"key": "torn", "rec')
    world = World(path)
    assert world.find("torn") == (False, None)
    world.deliver("next", "publish", {}, "second")
    assert World(path).find("next") == (True, "second")
