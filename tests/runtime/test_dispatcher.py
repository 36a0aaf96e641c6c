"""The dispatcher: slots, sessions, fairness; nobody starves, nothing free is kept, in any history."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.compiler.plan import Breaker, Profile, Rate
from orchspec.runtime.dispatcher import AGE_US, Dispatcher
from tests.support.dispatchers import dispatcher, places
from tests.support.plans import S, agent, give, plan


def drain_one_by_one(pools, held, now=0):
    """Release one after another and note who is served."""
    served = []
    while held:
        run, place = held.pop(0)
        grants = pools.release(run, place, 1, "ok", now)
        served += places(grants)
        held += places(grants)
    return served


def test_a_free_slot_is_granted_at_once():
    grant = dispatcher(agent("ann", slots=1)).request("r", 1, 1, ("ann",), 5)
    assert (grant.pool, grant.waited_us, grant.waited_for) == ("ann", 0, "")


@pytest.mark.parametrize(
    "limits", [{"slots": 1}, {"rate": Rate(1, S)}, {"slots": 2, "rate": Rate(1, S)}, {"breaker": Breaker(1, S, S)}, {}]
)
def test_a_slot_is_taken_where_a_request_for_it_would_be_granted_and_the_rest_goes_on_alike(limits):
    asked, taken = dispatcher(agent("ann", **limits)), dispatcher(agent("ann", **limits))
    for place, now in ((1, 0), (2, 1)):
        at_once = asked.request("r", place, 1, ("ann",), now) is not None
        assert taken.take("r", place, 1, "ann", now) is at_once
        if not at_once:
            assert taken.request("r", place, 1, ("ann",), now) is None
    ended = [places(pools.release("r", 1, 1, "failed", 2)) for pools in (asked, taken)]
    woken = [places(pools.wake(S + 2)) for pools in (asked, taken)]
    assert (ended[0], woken[0]) == (ended[1], woken[1])
    assert taken.take("r", 3, 1, "ann", S + 2) is (asked.request("r", 3, 1, ("ann",), S + 2) is not None)


def test_what_waits_for_a_slot_is_granted_with_its_release_and_told_what_for():
    pools = dispatcher(agent("ann", slots=1))
    pools.request("r", 1, 1, ("ann",), 0)
    assert pools.request("r", 2, 1, ("ann",), 3) is None
    (grant,) = pools.release("r", 1, 1, "ok", 10)
    assert (grant.place, grant.waited_us, grant.waited_for) == (2, 7, "slot")


def test_within_a_run_equals_are_served_in_the_order_of_their_asking():
    pools = dispatcher(agent("ann", slots=1))
    for place in range(1, 7):
        pools.request("r", place, 1, ("ann",), 0)
    assert drain_one_by_one(pools, [("r", 1)]) == [("r", place) for place in range(2, 7)]


def test_runs_take_turns_however_much_one_of_them_asks_for():
    pools = dispatcher(agent("ann", slots=1))
    for place in range(1, 8):
        pools.request("greedy", place, 1, ("ann",), 0)
    for place in (1, 2):
        pools.request("modest", place, 1, ("ann",), 1)
    served = [run for run, _ in drain_one_by_one(pools, [("greedy", 1)], 2)]
    assert served[:4].count("modest") == 2
    assert len(served) == 8


def test_a_run_that_keeps_asking_does_not_overtake_one_that_waits():
    pools = dispatcher(agent("ann", slots=1))
    pools.request("a", 1, 1, ("ann",), 0)
    pools.request("b", 1, 1, ("ann",), 0)
    pools.request("a", 2, 1, ("ann",), 0)
    holder, order = ("a", 1), []
    for place in range(3, 12):
        (grant,) = pools.release(*holder, 1, "ok", place)
        order.append(grant.run)
        pools.request("a", place, 1, ("ann",), place)
        holder = (grant.run, grant.place)
    assert "b" in order[:2]


def test_the_urgent_come_first_within_a_run_and_the_others_age():
    pools = dispatcher(agent("ann", slots=1))
    pools.request("r", 1, 1, ("ann",), 0)
    pools.request("r", 2, 1, ("ann",), 0)
    pools.request("r", 3, 1, ("ann",), 10, urgency=1)
    pools.request("r", 4, 1, ("ann",), AGE_US + 1, urgency=1)
    assert drain_one_by_one(pools, [("r", 1)]) == [("r", 3), ("r", 2), ("r", 4)]


def test_a_request_of_several_leaves_all_queues_with_its_grant():
    pools = dispatcher(agent("ann", slots=1), agent("bob", slots=1))
    pools.request("r", 1, 1, ("ann",), 0)
    pools.request("r", 2, 1, ("bob",), 0)
    pools.request("r", 3, 1, ("ann", "bob"), 0)
    pools.request("r", 4, 1, ("ann",), 0)
    assert [(grant.place, grant.pool) for grant in pools.release("r", 2, 1, "ok", 1)] == [(3, "bob")]
    assert [(grant.place, grant.pool) for grant in pools.release("r", 1, 1, "ok", 2)] == [(4, "ann")]
    assert [pool.waiting for pool in pools.pools.values() if pool.name in ("ann", "bob")] == [0, 0]


def test_a_withdrawn_request_is_never_served():
    pools = dispatcher(agent("ann", slots=1), agent("bob", slots=1))
    pools.request("r", 1, 1, ("ann",), 0)
    pools.request("r", 2, 1, ("bob",), 0)
    pools.request("r", 3, 1, ("ann", "bob"), 0)
    assert pools.release("r", 3, 1, "stopped", 1) == []
    assert pools.release("r", 1, 1, "ok", 1) == []
    assert pools.release("r", 2, 1, "ok", 1) == []


def test_releasing_twice_frees_once():
    pools = dispatcher(agent("ann", slots=1))
    pools.request("r", 1, 1, ("ann",), 0)
    pools.release("r", 1, 1, "ok", 1)
    pools.release("r", 1, 1, "ok", 1)
    assert pools.pools["ann"].busy == 0


@pytest.mark.parametrize(
    ("prefer", "chosen"), [("in_order", "ann"), ("least_busy", "bob"), ("round_robin", "bob"), ("fastest", "bob")]
)
def test_preferences_choose_among_those_who_are_free(prefer, chosen):
    pools = dispatcher(agent("ann", slots=4), agent("bob", slots=4))
    pools.request("r", 1, 1, ("ann",), 0)
    pools.request("r", 2, 1, ("ann",), 0)
    pools.request("r", 3, 1, ("bob",), 0)
    pools.release("r", 1, 1, "ok", 9)
    pools.release("r", 3, 1, "ok", 2)
    if prefer == "round_robin":
        pools.request("r", 5, 1, ("ann",), 9)
    assert pools.request("r", 4, 1, ("ann", "bob"), 9, prefer=prefer).pool == chosen


def test_the_fastest_is_at_first_who_is_so_by_profile():
    made = plan(give(1), agents=(agent("ann"), agent("bob")))
    known = {"ann": Profile("ann", ["fixed", 5_000_000]), "bob": Profile("bob", ["fixed", 2_000_000])}
    pools = Dispatcher(dataclasses.replace(made, profiles=known))
    assert pools.request("r", 1, 1, ("ann", "bob"), 0, prefer="fastest").pool == "bob"
    pools.release("r", 1, 1, "ok", 9_000_000)
    assert pools.request("r", 2, 1, ("ann", "bob"), 0, prefer="fastest").pool == "ann"


def test_one_agents_trouble_takes_nobody_elses_slots():
    pools = dispatcher(agent("ann", slots=1), agent("bob", slots=1))
    pools.request("r", 1, 1, ("ann",), 0)
    for place in range(2, 50):
        pools.request("r", place, 1, ("ann",), 0)
    assert pools.request("s", 1, 1, ("bob",), 0) is not None


# ------------------------------------------------------------------ sessions


def minds(slots=None):
    return dispatcher(agent("ann", slots=slots, session="per_run"))


def test_a_session_is_taken_together_with_its_slot():
    pools = minds()
    assert pools.request("r", 1, 1, ("ann",), 0, sessions=(("ann", "r/ann"),)) is not None
    assert pools.request("r", 2, 1, ("ann",), 0, sessions=(("ann", "r/ann"),)) is None
    assert pools.request("s", 1, 1, ("ann",), 0, sessions=(("ann", "s/ann"),)) is not None
    (grant,) = pools.release("r", 1, 1, "ok", 4)
    assert (grant.place, grant.waited_for) == (2, "session")


def test_who_waits_for_a_session_does_not_stand_in_the_way_of_other_runs():
    pools = minds(slots=2)
    pools.request("r", 1, 1, ("ann",), 0, sessions=(("ann", "r/ann"),))
    pools.request("r", 2, 1, ("ann",), 0, sessions=(("ann", "r/ann"),))
    assert pools.request("s", 1, 1, ("ann",), 0, sessions=(("ann", "s/ann"),)) is not None


def test_requests_that_queue_together_for_one_session_get_it_one_after_another():
    pools = minds(slots=1)
    pools.request("x", 1, 1, ("ann",), 0, sessions=(("ann", "x/ann"),))
    for place in (1, 2, 3):
        pools.request("r", place, 1, ("ann",), 0, sessions=(("ann", "r/ann"),))
    order = drain_one_by_one(pools, [("x", 1)])
    assert order == [("r", 1), ("r", 2), ("r", 3)]
    assert not pools._sessions


def test_a_request_with_another_candidate_does_not_wait_for_the_session():
    pools = dispatcher(agent("ann", session="per_run"), agent("bob", slots=1))
    pools.request("r", 1, 1, ("ann",), 0, sessions=(("ann", "r/ann"),))
    pools.request("r", 2, 1, ("bob",), 0)
    assert pools.request("r", 3, 1, ("ann", "bob"), 0, sessions=(("ann", "r/ann"),)) is None
    assert [grant.pool for grant in pools.release("r", 2, 1, "ok", 1)] == ["bob"]
    assert pools.release("r", 1, 1, "ok", 1) == []
    assert pools.pools["ann"].waiting == 0


def test_a_parked_request_can_be_withdrawn():
    pools = minds()
    pools.request("r", 1, 1, ("ann",), 0, sessions=(("ann", "r/ann"),))
    pools.request("r", 2, 1, ("ann",), 0, sessions=(("ann", "r/ann"),))
    pools.release("r", 2, 1, "stopped", 1)
    assert pools.release("r", 1, 1, "ok", 2) == []


# ------------------------------------------------------------------ crashes


def test_a_grant_that_the_journal_says_is_open_is_held_before_anybody_is_served():
    pools = dispatcher(agent("ann", slots=1, session="per_run"))
    pools.hold("r", 1, 1, "ann", 100, session=True)
    assert pools.request("s", 1, 1, ("ann",), 100, sessions=(("ann", "s/ann"),)) is None
    assert places(pools.release("r", 1, 1, "ok", 105)) == [("s", 1)]


def test_a_run_that_was_halted_gives_back_what_it_held_to_those_who_wait():
    pools = dispatcher(agent("ann", slots=1), agent("bob", slots=1))
    pools.request("r", 1, 1, ("ann",), 0)
    pools.request("s", 1, 1, ("ann",), 0)
    pools.request("x", 1, 1, ("bob",), 0)
    pools.request("r", 2, 1, ("bob",), 0)
    assert places(pools.forget("r", 5)) == [("s", 1)]
    assert pools.release("x", 1, 1, "ok", 6) == []


# ------------------------------------------------------------------ any history


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "end", "wait", "withdraw"]),
        st.integers(0, 3),
        st.integers(0, 6),
        st.sampled_from([("ann",), ("bob",), ("ann", "bob"), ("bob", "cy"), ("cy",)]),
        st.sampled_from(["ok", "ok", "failed", "stopped"]),
        st.sampled_from(["in_order", "least_busy", "fastest", "round_robin"]),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(STEPS)
def test_limits_hold_nothing_free_is_kept_and_everybody_is_served(steps):
    pools = dispatcher(
        agent("ann", slots=2, session="per_run"),
        agent("bob", slots=1, rate=Rate(2, 5)),
        agent("cy", slots=3, breaker=Breaker(2, 6, 4)),
    )
    now, held, waiting, place = 10, [], [], 0

    def got(grants):
        for grant in grants:
            waiting.remove((grant.run, grant.place))
            held.append((grant.run, grant.place))

    def check():
        for pool in pools.pools.values():
            assert pool.busy >= 0
            assert pool.slots is None or pool.busy <= pool.slots
            if pool.waiting and pool.head(pools._requests) is not None and pool.blocked_by(now) == "":
                assert pools.next_wake_us(now) == now, "free, wanted, and nobody will be woken"

    for kind, run, wait, candidates, outcome, prefer in steps:
        now += wait
        if kind == "ask":
            place += 1
            sessions = tuple((name, f"r{run}/ann") for name in candidates if name == "ann")
            key = (f"r{run}", place)
            grant = pools.request(*key, 1, candidates, now, prefer=prefer, urgency=wait % 2, sessions=sessions)
            (held if grant is not None else waiting).append(key)
        elif kind == "end" and held:
            key = held.pop(run % len(held))
            got(pools.release(*key, 1, outcome, now))
        elif kind == "withdraw" and waiting:
            key = waiting.pop(run % len(waiting))
            assert pools.release(*key, 1, "stopped", now) == []
        got(pools.wake(now))
        check()
    for _ in range(1_000):
        if not held and not waiting:
            break
        if held:
            got(pools.release(*held.pop(0), 1, "ok", now))
        else:
            at_us = pools.next_wake_us(now)
            assert at_us is not None, f"{waiting} would wait for ever"
            now = max(now, at_us)
        got(pools.wake(now))
    assert not waiting
    assert not pools._sessions
    assert not pools._requests
    assert all(pool.busy == 0 and pool.waiting == 0 for pool in pools.pools.values())


def test_a_pool_of_a_second_plan_keeps_the_limits_it_has():
    pools = dispatcher(agent("ann", slots=1))
    pools.admit(dataclasses.replace(plan(give(1), agents=(agent("ann", slots=9), agent("dora", slots=2)))))
    assert pools.pools["ann"].slots == 1
    assert pools.pools["dora"].slots == 2
