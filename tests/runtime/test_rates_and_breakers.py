"""Rates and breakers of agents: what is let through in any window, and who is left alone for how long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.compiler.plan import Breaker, Rate, Tool
from tests.support.dispatchers import dispatcher, places
from tests.support.plans import S, agent

# ------------------------------------------------------------------ rates


def test_a_bucket_starts_full_and_refills_to_the_microsecond():
    pools = dispatcher(tools=(Tool("search", rate=Rate(2, S)),))
    now = 1_000 * S
    assert [pools.request("r", place, 1, ("search",), now) is not None for place in (1, 2, 3)] == [True, True, False]
    assert pools.next_wake_us(now) == now + S // 2
    assert pools.wake(now + S // 2 - 1) == []
    (grant,) = pools.wake(now + S // 2)
    assert (grant.place, grant.waited_for) == (3, "rate")


def test_what_time_has_freed_is_announced_until_it_is_served():
    pools = dispatcher(tools=(Tool("search", rate=Rate(1, S)),))
    for place in (1, 2, 3):
        pools.request("r", place, 1, ("search",), 0)
    assert pools.next_wake_us(S) == S, "possible now and nobody was served yet"
    assert pools.request("r", 4, 1, ("search",), S) is None, "who comes now stands behind"
    assert places(pools.wake(S)) == [("r", 2)]


def test_a_clock_that_is_set_back_gains_no_tokens():
    pools = dispatcher(tools=(Tool("search", rate=Rate(1, S)),))
    assert pools.request("r", 1, 1, ("search",), 100 * S) is not None
    assert pools.request("r", 2, 1, ("search",), 50 * S) is None
    assert pools.wake(100 * S) == []
    assert places(pools.wake(101 * S)) == [("r", 2)]


@settings(max_examples=200)
@given(
    st.integers(1, 4),
    st.integers(1, 7),
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40),
)
def test_in_any_window_no_more_is_granted_than_burst_and_rate_allow(count, per, steps):
    pools = dispatcher(tools=(Tool("search", rate=Rate(count, per)),))
    now, granted = 1_000, []
    for place, (wait, ask) in enumerate(steps):
        now += wait
        if ask and pools.request("r", place, 1, ("search",), now) is not None:
            granted.append(now)
        granted += [now] * len(pools.wake(now))
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            assert (last - first + 1 - count) * per <= count * (granted[last] - granted[first])


def test_after_a_crash_buckets_start_empty():
    pools = dispatcher(tools=(Tool("search", rate=Rate(1, S)),))
    pools.recover([], 100 * S)
    assert pools.request("r", 1, 1, ("search",), 100 * S) is None
    assert pools.next_wake_us(100 * S) == 101 * S


# ------------------------------------------------------------------ breakers


def broken(failures=2, slots=None):
    """An agent whose breaker has just opened, at time 2, until 12."""
    pools = dispatcher(agent("ann", slots=slots, breaker=Breaker(failures, 5, 10)))
    for place in range(1, failures + 1):
        pools.request("r", place, 1, ("ann",), 1)
    for place in range(1, failures + 1):
        pools.release("r", place, 1, "failed", 2)
    return pools


def test_so_many_failures_within_the_time_open_the_breaker_and_hold_tasks():
    pools = broken()
    assert pools.request("r", 9, 1, ("ann",), 3) is None
    assert pools.next_wake_us(3) == 12


def test_failures_further_apart_do_not():
    pools = dispatcher(agent("ann", breaker=Breaker(2, 5, 10)))
    for now in (0, 5, 10, 15):
        assert pools.request("r", now, 1, ("ann",), now) is not None
        pools.release("r", now, 1, "failed", now)


def test_what_was_stopped_counts_for_nothing():
    pools = dispatcher(agent("ann", breaker=Breaker(1, 5, 10)))
    pools.request("r", 1, 1, ("ann",), 0)
    pools.release("r", 1, 1, "stopped", 0)
    assert pools.request("r", 2, 1, ("ann",), 0) is not None


def test_after_its_rest_one_probe_goes_through_and_its_success_closes_the_breaker():
    pools = broken()
    for place in (5, 6, 7):
        pools.request("r", place, 1, ("ann",), 3)
    (probe,) = pools.wake(12)
    assert probe.waited_for == "breaker"
    assert pools.next_wake_us(13) is None, "while the probe is out nothing happens by time"
    assert len(pools.release("r", probe.place, 1, "ok", 14)) == 2


def test_a_probe_that_fails_opens_it_again():
    pools = broken()
    pools.request("r", 5, 1, ("ann",), 3)
    pools.request("r", 6, 1, ("ann",), 3)
    (probe,) = pools.wake(12)
    assert pools.release("r", probe.place, 1, "failed", 14) == []
    assert pools.next_wake_us(14) == 24


def test_a_probe_that_is_stopped_lets_another_one_through():
    pools = broken()
    pools.request("r", 5, 1, ("ann",), 3)
    pools.request("r", 6, 1, ("ann",), 3)
    (probe,) = pools.wake(12)
    assert [grant.place for grant in pools.release("r", probe.place, 1, "stopped", 14)] == [6]


@pytest.mark.parametrize("outcome", ["ok", "failed", "stopped"])
def test_tasks_from_before_it_opened_say_nothing_about_the_probe(outcome):
    pools = dispatcher(agent("ann", breaker=Breaker(2, 5, 10)))
    for place in (1, 2, 3):
        pools.request("r", place, 1, ("ann",), 1)
    pools.release("r", 1, 1, "failed", 2)
    pools.release("r", 2, 1, "failed", 2)
    pools.request("r", 5, 1, ("ann",), 3)
    pools.request("r", 6, 1, ("ann",), 3)
    (probe,) = pools.wake(12)
    assert pools.release("r", 3, 1, outcome, 13) == [], "one probe at a time"
    assert [grant.place for grant in pools.release("r", probe.place, 1, "ok", 14)] == [6]


def test_after_a_crash_breakers_fold_recent_outcomes():
    pools = dispatcher(agent("ann", breaker=Breaker(2, 5, 10)))
    pools.recover([(2, "ann", "failed", 1, ""), (1, "ann", "failed", 1, "")], 3)
    assert pools.request("r", 1, 1, ("ann",), 3) is None
    pools = dispatcher(agent("ann", breaker=Breaker(2, 5, 10)))
    pools.recover([(1, "ann", "failed", 1, ""), (2, "ann", "failed", 1, ""), (13, "ann", "ok", 1, "")], 14)
    assert pools.request("r", 1, 1, ("ann",), 14) is not None


def test_after_a_crash_who_was_the_fastest_is_still_known():
    pools = dispatcher(agent("ann"), agent("bob"))
    pools.recover([(2, "ann", "ok", 9, ""), (3, "bob", "ok", 4, ""), (4, "bob", "failed", 90, "")], 5)
    assert pools.request("r", 1, 1, ("ann", "bob"), 5, prefer="fastest").pool == "bob"
