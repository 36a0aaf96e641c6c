"""The signal table: first in first out, taken once, by the oldest waiter; and how an engine consumes its mail."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchspec.runtime.signals import KEPT_US, Arrival, SignalTable


def table():
    posted, consumed = [], []
    made = SignalTable(consumed.append, lambda run, event, number: posted.append((run, event.place, number)))
    return made, posted, consumed


def arrival(number, *, key="k", posted_us=0):
    return Arrival(number, "paid", key, number, posted_us)


def test_the_oldest_waiter_takes_the_first_signal_once():
    signals, posted, _ = table()
    signals.wait("young", 1, "paid", "k", 20, None)
    signals.wait("old", 2, "paid", "k", 10, None)
    signals.arrive(arrival(1), 30)
    signals.arrive(arrival(2), 30)
    signals.arrive(arrival(3), 30)
    assert posted == [("old", 2, 1), ("young", 1, 2)]
    assert signals.waiting == set()


def test_what_comes_early_is_kept_for_seven_days_and_then_dropped():
    signals, posted, consumed = table()
    signals.arrive(arrival(1), 0)
    signals.arrive(arrival(2, posted_us=5), 5)
    signals.wait("r", 1, "paid", "k", KEPT_US + 3, None)
    signals.match("paid", "k", KEPT_US + 3)
    assert (posted, consumed) == ([("r", 1, 2)], [1])


def test_other_arguments_are_another_signal():
    signals, posted, _ = table()
    signals.wait("r", 1, "paid", "k", 0, None)
    signals.arrive(arrival(1, key="other"), 0)
    assert posted == []


def test_what_was_put_in_after_a_deadline_is_for_the_next_waiter():
    signals, posted, _ = table()
    signals.wait("late", 1, "paid", "k", 0, 10)
    signals.wait("next", 1, "paid", "k", 5, None)
    signals.arrive(arrival(1, posted_us=11), 12)
    assert posted == [("next", 1, 1)]


def test_what_a_run_could_not_use_goes_to_the_next_and_is_consumed_once():
    signals, posted, consumed = table()
    signals.wait("a", 1, "paid", "k", 0, None)
    signals.wait("b", 1, "paid", "k", 1, None)
    signals.arrive(arrival(1), 2)
    signals.settle(signals.handed(1), 2, used=False)
    assert consumed == []
    signals.settle(signals.handed(1), 2, used=True)
    assert (posted, consumed) == ([("a", 1, 1), ("b", 1, 1)], [1])


def test_a_run_that_has_ended_takes_nothing():
    signals, posted, _ = table()
    signals.wait("a", 1, "paid", "k", 0, None)
    signals.forget("a")
    signals.arrive(arrival(1), 2)
    assert posted == []


@given(st.lists(st.sampled_from(["wait", "arrive", "withdraw"]), max_size=30))
def test_whatever_the_order_signals_and_waiters_meet_in_order_and_never_both_stay(steps):
    signals, posted, consumed = table()
    waiting, number, place = [], 0, 0
    for now, step in enumerate(steps):
        if step == "wait":
            place += 1
            signals.wait("r", place, "paid", "k", now, None)
            waiting.append(place)
            signals.match("paid", "k", now)
        elif step == "arrive":
            number += 1
            signals.arrive(replace(arrival(number), posted_us=now), now)
        elif waiting:
            signals.withdraw("r", waiting[0], "paid", "k")
        waiting = [each for each in waiting if each not in [taken for _, taken, _ in posted]]
        if step == "withdraw":
            waiting = waiting[1:]
        assert not (waiting and number > len(posted))
    assert [taken for _, _, taken in posted] == list(range(1, len(posted) + 1))
    assert [where for _, where, _ in posted] == sorted(where for _, where, _ in posted)
    assert consumed == []


def test_a_run_that_ends_touches_none_of_the_others_that_wait():
    looked_up = 0

    class Key(str):
        __slots__ = ()

        def __hash__(self):
            nonlocal looked_up
            looked_up += 1
            return super().__hash__()

    signals, _, _ = table()
    for number in range(500):
        signals.wait(f"r{number}", 1, "paid", Key(number), number, None)
    looked_up = 0
    for number in range(500):
        signals.forget(f"r{number}")
    assert not signals.waiting
    assert looked_up < 10 * 500
