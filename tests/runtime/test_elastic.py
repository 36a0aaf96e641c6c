"""Slots that follow the load: when they start, when they go, what a crash leaves of them."""

from orchspec.compiler.plan import Gate, Tool
from orchspec.runtime.dispatcher import Dispatcher
from orchspec.runtime.elastic import IDLE_US, START_UP_US
from tests.support.plans import S, agent, give, plan


class Sizes:
    """An observer that notes how many slots a pool has, and when."""

    def __init__(self):
        self.seen = []

    def resized(self, pool, slots, now_us):
        self.seen.append((pool, slots, now_us // S))

    def __getattr__(self, _):
        return lambda *_: None


def swarm(least=1, most=4, observer=None):
    return Dispatcher(plan(give(1), agents=(agent("ann", slots=most, slots_min=least),)), observer)


def ask(pools, place, now=0):
    return pools.request("r", place, 1, ("ann",), now)


def test_one_slot_is_started_for_each_that_waits_and_serves_after_its_start_up():
    pools = swarm()
    assert ask(pools, 1) is not None
    assert [ask(pools, place) for place in (2, 3)] == [None, None]
    assert pools.next_wake_us(0) == START_UP_US
    assert pools.wake(START_UP_US - 1) == []
    assert [grant.place for grant in pools.wake(START_UP_US)] == [2, 3]
    assert pools.pools["ann"].slots == 3


def test_there_are_never_more_than_the_most_however_many_wait():
    pools = swarm(most=3)
    for place in range(1, 9):
        ask(pools, place)
    pools.wake(START_UP_US)
    assert pools.pools["ann"].slots == 3
    pools.wake(9 * START_UP_US)
    assert pools.pools["ann"].slots == 3


def test_what_nobody_needed_for_a_while_is_given_up_down_to_the_least():
    sizes = Sizes()
    pools = swarm(most=4, observer=sizes)
    for place in range(1, 5):
        ask(pools, place)
    pools.wake(START_UP_US)
    for place in (1, 2, 3):
        pools.release("r", place, 1, "ok", 20 * S)
    assert pools.next_wake_us(20 * S) == 20 * S + IDLE_US
    pools.wake(20 * S + IDLE_US)
    pools.wake(20 * S + 2 * IDLE_US)
    assert sizes.seen == [("ann", 4, 10), ("ann", 3, 80), ("ann", 1, 140)], "three were busy as the time began"


def test_a_pool_that_is_full_keeps_its_slots_and_wakes_nobody():
    pools = swarm(most=2)
    for place in (1, 2):
        ask(pools, place)
    pools.wake(START_UP_US)
    assert pools.next_wake_us(START_UP_US) is None


def test_after_a_crash_there_are_as_many_slots_as_are_taken():
    sizes = Sizes()
    pools = swarm(least=2, most=9, observer=sizes)
    for place in range(1, 6):
        pools.hold("r", place, 1, "ann", 7 * S, session=False)
    assert pools.pools["ann"].slots == 5
    assert ask(pools, 6, 7 * S) is None
    assert [grant.place for grant in pools.wake(7 * S + START_UP_US)] == [6]
    assert sizes.seen[-1] == ("ann", 6, 17)


def test_tools_and_gates_scale_too():
    shape = plan(give(1), tools=(Tool("search", 3, None, 1),), gates={"g": Gate(slots_min=1, slots_max=2)})
    pools = Dispatcher(shape)
    assert (pools.pools["search"].slots, pools.pools["g"].slots) == (1, 1)
    pools.request("r", 1, 1, ("ann",), 0, gates=("g",))
    assert pools.request("r", 2, 1, ("ann",), 0, gates=("g",)) is None
    assert [grant.place for grant in pools.wake(START_UP_US)] == [2]
