"""Limits of models: tokens and requests are shared by all who draw on them, nobody overtakes, nothing free is kept."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.compiler.plan import Model, Rate
from orchspec.runtime.dispatcher import Dispatcher
from tests.support.plans import S, agent, give, plan

MINUTE = 60 * S


A_HUNDRED = Rate(100, MINUTE)


def dispatcher(*agents, token_rate=A_HUNDRED, rate=None, observer=None):
    spec = plan(give(1), agents=agents or (agent("ann"), agent("bob")))
    models = {
        "large": Model("large", rate=rate, token_rate=token_rate),
        "small": Model("small", token_rate=Rate(1000, MINUTE)),
    }
    return Dispatcher(replace(spec, models=models).sealed(), observer)


def ask(pools, place, tokens, now=0, who="ann", model="large", run="r", **how):
    names = (who,) if isinstance(who, str) else who
    drawn = ((model, tokens),) * len(names) if isinstance(model, str) else tuple((each, tokens) for each in model)
    return pools.request(run, place, 1, names, now, draws=drawn, **how)


def end(pools, place, used, now, run="r"):
    return [grant.place for grant in pools.release(run, place, 1, "ok", now, used)]


def woken(pools):
    """When who is granted by time alone, until nobody is."""
    found, now = [], 0
    while (at := pools.next_wake_us(now)) is not None:
        now = at
        found += [(now / S, grant.place, grant.waited_for) for grant in pools.wake(now)]
    return found


def test_two_agents_share_the_tokens_of_their_model_and_who_waits_is_told_what_for():
    pools = dispatcher()
    assert ask(pools, 1, 60, who="ann") is not None
    assert ask(pools, 2, 60, who="bob") is None
    assert woken(pools) == [(12.0, 2, "model tokens")]  # 20 are lacking, at 100 a minute


def test_what_an_attempt_did_not_use_is_given_back_at_its_end_and_never_beyond_what_the_bucket_holds():
    pools = dispatcher()
    ask(pools, 1, 90)
    assert ask(pools, 2, 50) is None
    assert end(pools, 1, 30, now=0) == [2]
    assert ask(pools, 3, 20) is not None  # 100 - 30 - 50
    assert ask(pools, 4, 1) is None
    end(pools, 2, 0, now=10 * MINUTE)
    end(pools, 3, 0, now=10 * MINUTE)
    assert ask(pools, 5, 100, now=10 * MINUTE) is not None
    assert ask(pools, 6, 1, now=10 * MINUTE) is None


def test_without_a_word_of_what_it_used_an_attempt_used_all_that_it_took():
    pools = dispatcher()
    ask(pools, 1, 100)
    ask(pools, 2, 10)
    assert end(pools, 1, None, now=0) == []
    assert woken(pools) == [(6.0, 2, "model tokens")]


def test_what_was_used_beyond_is_owed():
    pools = dispatcher()
    ask(pools, 1, 50)
    end(pools, 1, 150, now=0)
    ask(pools, 2, 10)
    assert woken(pools) == [(36.0, 2, "model tokens")]


def test_no_more_is_owed_than_the_bucket_can_hold():
    pools = dispatcher()
    ask(pools, 1, 50)
    end(pools, 1, 10_000, now=0)
    ask(pools, 2, 100)
    assert woken(pools) == [(120.0, 2, "model tokens")]


def test_an_attempt_that_is_larger_than_the_bucket_waits_for_a_full_one_and_takes_it_whole():
    pools = dispatcher()
    ask(pools, 1, 10)
    assert ask(pools, 2, 500) is None
    assert woken(pools) == [(6.0, 2, "model tokens")]
    assert ask(pools, 3, 1, now=6 * S) is None
    assert end(pools, 2, 40, now=6 * S) == [3]


def test_what_is_small_does_not_overtake_what_is_large():
    pools = dispatcher()
    ask(pools, 1, 60)
    assert ask(pools, 2, 80, who="ann") is None
    assert ask(pools, 3, 10, who="bob") is None
    assert [place for _, place, _ in woken(pools)] == [2, 3]


def test_who_waits_for_one_model_does_not_stand_in_the_way_of_those_who_want_another():
    pools = dispatcher()
    ask(pools, 1, 100)
    assert ask(pools, 2, 50) is None
    assert ask(pools, 3, 50, model="small").pool == "ann"


def test_of_two_candidates_the_one_whose_model_has_tokens_is_taken_and_nobody_waits_behind_who_left():
    pools = dispatcher(agent("ann"), agent("bob", slots=1))
    ask(pools, 1, 60)
    ask(pools, 2, 10, who="bob", model="small")
    assert ask(pools, 3, 90, who=("ann", "bob"), model=("large", "small")) is None
    assert ask(pools, 4, 30, who="ann") is None  # behind 3, though there is enough for it
    assert end(pools, 2, 10, now=0) == [3, 4]


def test_a_request_that_is_withdrawn_lets_those_behind_it_go_on():
    pools = dispatcher()
    ask(pools, 1, 60)
    ask(pools, 2, 90)
    ask(pools, 3, 30)
    assert [grant.place for grant in pools.release("r", 2, 1, "stopped", 0)] == [3]


def test_whose_agent_is_taken_when_the_tokens_come_waits_for_that_and_lets_others_have_them():
    pools = dispatcher(agent("ann", slots=1), agent("bob"))
    ask(pools, 1, 100)
    assert pools.release("r", 1, 1, "ok", 0, 100) == []
    assert ask(pools, 2, 50) is None
    ask(pools, 3, 1, model="small")  # takes the only slot of ann
    assert ask(pools, 4, 50, who="bob") is None
    assert woken(pools) == [(30.0, 4, "model tokens")]
    assert end(pools, 3, 1, now=61 * S) == [2]


def test_requests_a_minute_are_counted_beside_tokens():
    pools = dispatcher(rate=Rate(2, MINUTE))
    assert ask(pools, 1, 1) is not None
    assert ask(pools, 2, 1) is not None
    assert ask(pools, 3, 1) is None
    assert end(pools, 1, 0, now=0) == []  # the end of an attempt gives no request back
    assert woken(pools) == [(30.0, 3, "model rate")]


def test_runs_take_turns_at_a_model():
    pools = dispatcher()
    ask(pools, 1, 100)
    for place in (2, 3, 4):
        ask(pools, place, 10, run="many")
    ask(pools, 5, 10, run="one")
    assert [place for _, place, _ in woken(pools)][:2] == [2, 5]


def test_after_a_crash_the_bucket_is_empty_and_what_is_sent_again_draws_again():
    pools = dispatcher()
    pools.recover([], 0)
    pools.hold("r", 1, 1, "ann", 0, session="", draws=(("large", 50),))
    ask(pools, 2, 10)
    assert woken(pools) == [(36.0, 2, "model tokens")]
    assert end(pools, 1, 20, now=36 * S) == []


def test_a_model_without_limits_is_drawn_on_by_nobody():
    pools = dispatcher(token_rate=None)
    assert all(ask(pools, place, 10_000) is not None for place in range(1, 50))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "end", "withdraw", "wait"]),
        st.integers(1, 140),
        st.sampled_from([("ann", "large"), ("ann", "small"), ("bob", "large"), ("both", "large"), ("both", "mixed")]),
        st.sampled_from(["one", "two", "three"]),
    ),
    max_size=60,
)


class _Watched:
    """The bucket, counted from outside: what attempts may take less what they gave back, and who is open."""

    def __init__(self):
        self.left, self.at, self.open, self.waiting = 100.0, 0, {}, {}

    def pass_to(self, now):
        self.left = min(100.0, self.left + (now - self.at) * 100 / MINUTE)
        self.at = now

    def granted(self, grants, now):
        for grant in grants:
            tokens, drawn = self.waiting.pop((grant.run, grant.place))
            model = drawn[grant.pool]
            self.open[grant.run, grant.place] = tokens, model
            if model == "large":
                self.left -= min(tokens, 100)
                assert self.left >= -1e-6, "more is let through than there is"


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_no_more_is_let_through_than_the_bucket_has_and_whoever_waits_is_served_in_the_end(steps):
    pools = dispatcher(agent("ann", slots=2), agent("bob", slots=2))
    told, now, place = _Watched(), 0, 0
    for what, size, (who, model), run in steps:
        if what == "ask":
            place += 1
            names = ("ann", "bob") if who == "both" else (who,)
            models = ("large", "small") if model == "mixed" else (model,) * len(names)
            told.waiting[run, place] = size, dict(zip(names, models, strict=True))
            drawn = tuple((each, size) for each in models)
            grant = pools.request(run, place, 1, names, now, prefer="least_busy", draws=drawn)
            told.granted([grant] if grant else [], now)
        elif what == "end" and told.open:
            key = sorted(told.open)[size % len(told.open)]
            taken, of = told.open.pop(key)
            used = size % (taken + 1)
            if of == "large":
                told.left = min(100.0, told.left + max(0, min(taken, 100) - used))
            told.granted(pools.release(*key, 1, "ok", now, used), now)
        elif what == "withdraw" and told.waiting:
            key = sorted(told.waiting)[size % len(told.waiting)]
            del told.waiting[key]
            told.granted(pools.release(*key, 1, "stopped", now), now)
        elif what == "wait":
            now += size * S // 4
            told.pass_to(now)
            told.granted(pools.wake(now), now)
    for _ in range(400):
        if not told.waiting:
            break
        for key in sorted(told.open):
            taken, _ = told.open.pop(key)
            told.granted(pools.release(*key, 1, "ok", now, min(taken, 100)), now)
        at = pools.next_wake_us(now)
        assert at is not None or not told.waiting or told.open, "somebody waits for ever"
        now = max(now + 1, at or now)
        told.pass_to(now)
        told.granted(pools.wake(now), now)
    assert not told.waiting
    assert all(pool.waiting == 0 for pool in (*pools.pools.values(), *pools._quotas.values()))
