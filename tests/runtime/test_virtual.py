"""Virtual time: days pass in milliseconds, for the runtime and whatever else awaits; threads and sockets are met."""

import asyncio
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.testing import StandStill, virtual_time

SPEC = """
orch 1
contract Hello(name: Text) -> Text
agent greeter fulfills Hello { timeout = 10min }
human boss fulfills Hello { timeout = 2d }
flow onboarding(name: Text) -> Text {
  step hi = Hello(name) by greeter
  wait 3d
  step bye = Hello(hi) by greeter
  return bye
}
flow asked(name: Text) -> Text {
  step hi = Hello(name) by boss
  return hi
}
"""


@pytest.fixture(scope="module")
def plan():
    made = compile_text(SPEC, "a.orch").plan
    assert made is not None
    return made.sealed()


@pytest.fixture
def app(plan):
    made = orchspec.App(plan)

    @made.agent("greeter")
    async def greeter(task, name):
        await asyncio.sleep(60)
        return f"hi {name}"

    return made


def test_three_days_of_a_run_pass_at_once_and_to_the_microsecond(app):
    with virtual_time() as clock:
        result = clock.run(app.run("onboarding", {"name": "Ann"}))
        assert (result.status, result.result) == ("completed", "hi hi Ann")
        assert clock.elapsed == timedelta(days=3, minutes=2)
        assert clock.now == datetime(2026, 1, 4, 0, 2, tzinfo=UTC)


def test_what_makes_its_own_loop_runs_in_it_too_and_time_goes_on(app, tmp_path):
    with virtual_time() as clock:
        assert app.run_sync("onboarding", {"name": "Ann"}, store=tmp_path / "runs.db").status == "completed"
        assert asyncio.run(app.run("onboarding", {"name": "Bo"}, store=tmp_path / "runs.db")).status == "completed"
        assert clock.elapsed == timedelta(days=6, minutes=4)
    with closing(asyncio.new_event_loop()) as later, closing(clock.loop()) as virtual:
        assert not isinstance(later, type(virtual))


def test_many_runs_on_one_store_on_the_disk_share_the_days(app, tmp_path):
    async def many():
        runs = [app.run("onboarding", {"name": str(n)}, store=tmp_path / "runs.db") for n in range(8)]
        return await asyncio.gather(*runs)

    with virtual_time() as clock:
        assert {result.status for result in clock.run(many())} == {"completed"}
        assert clock.elapsed == timedelta(days=3, minutes=2)


def test_the_journal_has_the_virtual_times(app, tmp_path):
    from orchspec.runtime.journal import SQLiteStore

    with virtual_time(datetime(2030, 5, 1, tzinfo=UTC)) as clock:
        app.run_sync("onboarding", {"name": "Ann"}, store=tmp_path / "runs.db", run_id="r")
        ended_us = SQLiteStore(tmp_path / "runs.db").records("r")[-1].time_us
        assert datetime.fromtimestamp(ended_us / 1e6, UTC) == clock.now


def test_a_parked_run_is_gone_on_with_after_its_deadline(app, tmp_path):
    with virtual_time() as clock:
        assert app.run_sync("asked", {"name": "Ann"}, store=tmp_path / "runs.db", run_id="r").status == "parked"
        clock.advance(timedelta(days=2, seconds=1))
        result = clock.run(app.resume(tmp_path / "runs.db", "r"))
    assert (result.status, result.error["code"]) == ("failed", "timeout")


def test_a_thread_is_waited_for_and_takes_no_virtual_time(plan):
    app = orchspec.App(plan)
    app.agent("greeter")(lambda task, name: f"hi {name}")
    with virtual_time() as clock:
        assert app.run_sync("onboarding", {"name": "Ann"}).result == "hi hi Ann"
        assert clock.elapsed == timedelta(days=3)


def test_a_socket_is_met_before_time_goes_on():
    async def met():
        here, there = socket.socketpair()
        here.setblocking(False)
        loop = asyncio.get_running_loop()
        said = asyncio.ensure_future(loop.sock_recv(here, 5))
        await asyncio.sleep(0)
        there.send(b"hello")
        slept = asyncio.ensure_future(asyncio.sleep(3600, "slept"))
        first, _ = await asyncio.wait([said, slept], return_when=asyncio.FIRST_COMPLETED)
        slept.cancel()
        here.close(), there.close()
        return first.pop().result()

    with virtual_time() as clock:
        assert clock.run(met()) == b"hello"
        assert clock.elapsed == timedelta(0)


def test_where_nothing_will_happen_it_says_so():
    async def stuck():
        await asyncio.get_running_loop().create_future()

    with virtual_time() as clock, pytest.raises(StandStill, match="nobody will do"):
        clock.run(stuck())


def test_what_is_due_at_one_moment_comes_in_the_order_in_which_it_was_asked_for():
    async def main(came):
        loop = asyncio.get_running_loop()
        for number in range(20):
            loop.call_later(0.1, came.append, number)
        loop.call_at(loop.time() + 0.1 + 1e-9, came.append, 20)
        loop.call_later(0.1, came.append, 21)
        await asyncio.sleep(1)

    came = []
    with virtual_time() as clock:
        clock.run(main(came))
    assert came == list(range(22))


def test_time_does_not_go_back():
    with virtual_time() as clock, pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)


# ------------------------------------------------------------------ failures that say what they spent


def run_once(plan, handler):
    app = orchspec.App(plan)
    app.agent("greeter")(handler)
    from orchspec.runtime.journal import MemoryStore

    store = MemoryStore()
    with virtual_time() as clock:
        result = clock.run(app.run("once", {"name": "Ann"}, store=store, run_id="r"))
        return result, clock.elapsed, [record.body for record in store.records("r") if record.type == "TaskFailed"]


@pytest.fixture(scope="module")
def tried():
    text = """
orch 1
contract Hello(name: Text) -> Text
agent greeter fulfills Hello { attempts = 2  backoff = fixed(1s)  timeout = 1h }
flow once(name: Text) -> Text { step hi = Hello(name) by greeter  return hi }
"""
    made = compile_text(text, "a.orch").plan
    assert made is not None, compile_text(text, "a.orch")
    return made.sealed()


def test_a_failed_attempt_is_charged_what_it_says(tried):
    async def handler(task, name):
        if task.attempt == 1:
            raise orchspec.Failed("no such person", tokens_in=100, tokens_out=7, cost_usd="0.25")
        assert task.previous_error == "no such person"
        return orchspec.Output(name, 1, 1, "0")

    result, elapsed, failed = run_once(tried, handler)
    assert (result.status, result.tokens, str(result.cost_usd)) == ("completed", 109, "0.25")
    assert failed[0]["code"] == "agent_error"
    assert elapsed == timedelta(seconds=1)


def test_who_is_throttled_is_asked_again_when_they_said(tried):
    async def handler(task, name):
        if task.attempt == 1:
            raise orchspec.Throttled("429", retry_after=90)
        return orchspec.Output(name, 1, 1, "0")

    result, elapsed, failed = run_once(tried, handler)
    assert (result.status, result.tokens) == ("completed", 2)
    assert (failed[0]["code"], failed[0]["sent"]) == ("throttled", False)
    assert elapsed == timedelta(seconds=90)


def test_nonsense_about_what_was_spent_is_no_bug_of_ours(tried):
    async def handler(task, name):
        raise orchspec.Failed("no", tokens_in=-3)

    result, _, failed = run_once(tried, handler)
    assert (result.status, len(failed)) == ("failed", 2)


@pytest.mark.parametrize("rest", [-1, float("nan"), float("inf"), timedelta(days=31)])
def test_impossible_rests_are_refused_where_they_are_said(rest):
    with pytest.raises(ValueError, match="retry_after"):
        orchspec.Throttled(retry_after=rest)
