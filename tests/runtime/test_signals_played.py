"""Signals of stand-ins come as their profiles say; those that were sent before any run knew them are kept for it."""

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime.driver.clock import wall_us
from orchspec.runtime.driver.mailbox import UnfitSignal, resolved_key, unresolved_key
from orchspec.runtime.journal import MemoryStore
from orchspec.runtime.kernel.program import program_of

SPEC = """orch 1
signal paid(order: Text, part: Int = 1) -> Int
signal late(order: Text)
flow sell(order: Text) -> Int {
  step amount = paid(order)
  step never = late(order) { timeout = 2h  on_failure = skip }
  return amount
}
flow twice(orders: List<Text>) -> Int {
  step amounts = paid(o, part: 2) for o in orders
  return sum(amounts)
}
flow patient(order: Text) -> Int {
  step soon = paid(order) { timeout = 40min  on_failure = skip }
  step amount = paid(order) { after = [soon] }
  return amount
}
profile paid { latency = fixed(1h) }
profile late { never = 100% }
"""


@pytest.fixture(scope="module")
def plan():
    compiled = compile_text(SPEC, "spec.orch")
    assert compiled.plan is not None, compiled.errors
    return compiled.plan


def play(plan, flow, given, store=None, **settings):
    store = MemoryStore(encode=True) if store is None else store
    result = orchspec.App(plan).run_sync(
        flow, given, stand_ins=True, seed=4, speed=100_000, store=store, run_id="r", **settings
    )
    return result, store


def test_a_run_with_signals_ends_and_the_signal_comes_when_its_profile_says(plan):
    result, store = play(plan, "sell", {"order": "A"})
    assert result.status == "completed", result.error
    came = next(record for record in store.records("r") if record.type == "SignalReceived")
    assert came.time_us - store.records("r")[0].time_us >= 3600 * 1_000_000
    assert store.pending_mail() == []


def test_each_wait_has_a_signal_of_its_own(plan):
    result, store = play(plan, "twice", {"orders": ["A", "B", "A"]})
    assert result.status == "completed", result.error
    assert [record.type for record in store.records("r")].count("SignalReceived") == 3


def test_a_signal_whose_place_waits_no_more_does_not_come_for_the_next_one_as_in_a_simulation(plan):
    result, store = play(plan, "patient", {"order": "A"})
    assert result.status == "completed", result.error
    records = store.records("r")
    came = next(record for record in records if record.type == "SignalReceived")
    assert came.time_us - records[0].time_us >= 100 * 60 * 1_000_000


def test_what_was_sent_before_any_run_is_taken_by_the_first_that_waits_for_it(plan):
    store = MemoryStore(encode=True)
    store.post_mail("signal", posted_us=wall_us(), name="paid", key=unresolved_key(["A"]), value=41)
    result, _ = play(plan, "sell", {"order": "A"}, store)
    assert result.result == 41
    assert store.pending_mail() == []


def test_its_arguments_are_read_by_the_plan_that_knows_it(plan):
    codec = program_of(plan).codecs.signal("paid")
    key = codec.key(codec.decode_inputs({"order": "A", "part": 1}))
    for args in (["A"], ["A", 1], {"order": "A"}, {"part": 1, "order": "A"}):
        assert resolved_key("paid", unresolved_key(args), [plan]) == key
    assert resolved_key("paid", key, []) == key
    assert resolved_key("other", unresolved_key(["A"]), [plan]) is None
    for args in ([7], ["A", 1, 2], {"orders": "A"}, 7, None):
        with pytest.raises(UnfitSignal):
            resolved_key("paid", unresolved_key(args), [plan])


def test_one_that_fits_no_signal_is_told_of_and_lies_in_nobodys_way(plan):
    store = MemoryStore(encode=True)
    store.post_mail("signal", posted_us=wall_us(), name="paid", key=unresolved_key([7]), value=41)
    told = []
    result, _ = play(plan, "sell", {"order": "A"}, store, tell=told.append)
    assert result.status == "completed"
    assert "is not used: order: expected Text" in told[0]
    assert store.pending_mail() == []
