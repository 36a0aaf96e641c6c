"""Bulkheads and backpressure: one agent's trouble is its own, runs take turns, and who is too many is told so."""

import asyncio

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime.dispatcher import AGE_US
from orchspec.runtime.journal.memory import MemoryStore
from orchspec.runtime.kernel.commands import RunTask
from orchspec.simulator.kpis import Measures
from orchspec.simulator.replicate import Stage
from orchspec.simulator.study import simulate
from tests.support.driver import Driver, done, failing, hangs
from tests.support.plans import S

SPEC = """orch 1
contract Look(n: Int) -> Int
agent ann fulfills Look { slots = 1 }
agent bob fulfills Look { slots = 1 }
agent cy fulfills Look { slots = 2  breaker = breaker(failures: 2, within: 1min, rest: 10min) }
flow by_ann(n: Int) -> Int { step a = Look(n) by ann  return a }
flow by_bob(n: Int) -> Int { step b = Look(n) by bob  return b }
flow by_cy(n: Int) -> Int { step c = Look(n) by cy { attempts = 3 }  return c }
flow many(n: Int) -> Int { step all_of_it = Look(i) by ann for i in [1, 2, 3, 4, 5, 6]  return n }
profile ann { latency = fixed(1s) }
profile bob { latency = fixed(1s) }
"""


def planned(extra="", text=SPEC):
    found = compile_text(text + extra, "a.orch")
    assert found.plan is not None, found.errors
    return found.plan


# ------------------------------------------------------------------ bulkheads


def test_an_agent_that_hangs_with_a_full_queue_slows_no_run_of_another():
    driver = Driver(planned(), ann=[hangs()], bob=[done(2)])
    for number in range(50):
        driver.begin({"n": number}, f"a{number}", "by_ann")
    began = driver.now
    for number in range(3):
        driver.begin({"n": number}, f"b{number}", "by_bob")
    driver.drain()
    assert [driver.ended_at[f"b{number}"] - began for number in range(3)] == [S, 2 * S, 3 * S]
    assert set(driver.ended) == {"b0", "b1", "b2"}, "who waits for the stuck one goes on waiting"


def test_a_breaker_that_is_open_holds_its_own_agents_tasks_and_nobody_elses():
    driver = Driver(planned(), cy=[failing()], bob=[done(2)])
    driver.begin({"n": 1}, "c", "by_cy")
    driver.drain(until=driver.now + 10 * S)
    assert "c" not in driver.ended, "it rests"
    began = driver.now
    driver.begin({"n": 1}, "b", "by_bob")
    driver.drain(until=began + 10 * S)
    assert driver.ended_at["b"] == began + S


def test_runs_take_turns_however_many_tasks_one_of_them_has():
    driver = Driver(planned(), ann=[done(1)])
    driver.begin({"n": 1}, "large", "many")
    driver.drain(until=driver.now)
    driver.begin({"n": 1}, "small", "by_ann")
    driver.drain()
    order = [run for _, run, command in driver.told if isinstance(command, RunTask)]
    assert order.index("small") <= 2, "it did not wait for the six of the other"
    assert len(order) == 7


def test_what_waits_long_enough_goes_before_what_is_urgent():
    plan = planned()
    for waited, first in ((S, "soon"), (AGE_US + S, "late")):
        dispatcher = Driver(plan).engine.dispatcher
        assert dispatcher.request("r", 1, 1, ("ann",), 0) is not None
        assert dispatcher.request("r", 2, 1, ("ann",), 0) is None
        assert dispatcher.request("r", 3, 1, ("ann",), waited, urgency=1) is None
        (grant,) = dispatcher.release("r", 1, 1, "ok", waited)
        assert {2: "late", 3: "soon"}[grant.place] == first


STUCK = """
flow both(n: Int) -> Int {
  step stuck = Look(n) by ann { timeout = 20s  on_failure = use(0) }
  step well = Look(n) by bob
  return stuck + well
}
scenario "all is well" for both { arrivals = every(2s)  duration = 40s  given = { n: 1 } }
scenario "one is stuck" for both {
  arrivals = every(2s)  duration = 40s  given = { n: 1 }  fault hang(ann, rate: 100%)
}
"""


def test_in_simulation_too_who_is_stuck_keeps_no_other_from_working():
    plan = planned(STUCK)
    waits = {}
    for number in (0, 1):
        measures = Measures([Stage(plan, plan.scenarios[number], 7, None, 1).replicate(0).disturbed])
        waits[number] = {who: measures.estimate("wait", None, who).value for who in ("ann", "bob")}
    assert waits[0] == {"ann": 0, "bob": 0}
    assert waits[1]["bob"] == 0
    assert waits[1]["ann"] > 60


SHARED = """orch 1
contract Look(n: Int) -> Int
tool web { slots = 3 }
agent ann fulfills Look { tools = [web] }
profile ann { latency = fixed(1s)  calls = { web: fixed(1) } }
profile web { latency = fixed(1s) }
flow main(n: Int) -> Int { step a = Look(n) by ann for i in [1, 2]  return n }
scenario "wide" for main { arrivals = closed(20, think: fixed(0s))  duration = 100s  given = { n: 1 } }
"""


def test_however_many_work_a_tool_that_they_share_is_the_ceiling():
    plan = planned(text=SHARED.replace("Look(n) by ann for", "Look(i) by ann for"))
    for slots in (3, 6):
        wider = planned(text=SHARED.replace("Look(n) by ann for", "Look(i) by ann for").replace("= 3", f"= {slots}"))
        made = Stage(wider, wider.scenarios[0], 7, None, 1).replicate(0).disturbed
        done_by_then = sum(run.status == "completed" and run.ended_s <= 100 for run in made.runs)
        assert slots * 100 / 2 * 0.9 <= done_by_then <= slots * 100 / 2, "two calls of a second for each run"
    assert plan.hash != wider.hash


# ------------------------------------------------------------------ backpressure


def test_a_full_queue_refuses_new_runs_and_drops_nothing():
    driver = Driver(planned(), ann=[done(1)])
    engine = driver.engine
    engine.dispatcher.queue_max = 3
    let_in = []
    for number in range(6):
        before = dict(engine.kernels)
        try:
            driver.begin({"n": number}, f"r{number}", "by_ann")
            let_in.append(number)
        except KeyError:
            assert engine.kernels == before, "nothing is kept of who was refused"
    assert let_in == [0, 1, 2], "each that has asked for nothing yet counts as one that waits"
    driver.drain(until=driver.now)
    driver.begin({"n": 6}, "r6", "by_ann")  # one of the three is at work, so two wait
    with pytest.raises(KeyError):
        driver.begin({"n": 7}, "r7", "by_ann")
    driver.drain()
    assert set(driver.ended) == {"r0", "r1", "r2", "r6"}
    assert {end.status for end in driver.ended.values()} == {"completed"}
    driver.begin({"n": 8}, "r8", "by_ann")
    driver.drain()
    assert driver.ended["r8"].status == "completed", "once the queue is empty, everybody is let in again"


def test_a_run_that_exists_is_never_refused_when_its_engine_comes_back():
    driver = Driver(planned(), ann=[done(1)], crashes={9})
    for number in range(5):
        driver.begin({"n": number}, f"r{number}", "by_ann")
    driver.drain(until=driver.now)
    driver.engine.dispatcher.queue_max = 1
    driver.drain()
    assert driver.recoveries == 1
    assert len(driver.ended) == 5


def test_the_runtime_refuses_with_what_to_do_and_the_run_can_be_asked_for_again():
    app = orchspec.App(planned())
    store = MemoryStore()

    async def work():
        inside, let_go = asyncio.Event(), asyncio.Event()

        @app.agent("ann")
        async def ann(task, n):
            inside.set()
            await let_go.wait()
            return n

        def ask(name):
            return app.run("by_ann", {"n": 1}, store=store, run_id=name, queue_max=2)

        working = [asyncio.ensure_future(ask("r0"))]
        await inside.wait()
        working += [asyncio.ensure_future(ask(f"r{number}")) for number in (1, 2)]
        await asyncio.sleep(0)
        refused = await asyncio.gather(ask("r3"), ask("r4"), return_exceptions=True)
        again = asyncio.ensure_future(ask("r1"))  # it exists: whoever asks for it again waits for it
        let_go.set()
        ended = [*await asyncio.gather(*working), await again]
        late = await ask("r3")
        return refused, ended, late

    refused, ended, late = asyncio.run(work())
    for error in refused:
        assert isinstance(error, orchspec.Overloaded)
        assert error.code == "overloaded"
        for said in ("was not started", "2 tasks", "queue_max", "ask again later"):
            assert said in error.message
    assert {result.status for result in ended} == {"completed"}
    assert late.status == "completed"
    assert [row.run for row in store.runs()] == ["r0", "r1", "r2", "r3"], "nothing is kept of who was refused"


def test_a_bound_below_one_is_no_bound():
    app = orchspec.App(planned())
    app.agent("ann")(lambda task, n: n)
    with pytest.raises(ValueError, match="queue_max is 0; expected a whole number of at least 1"):
        app.run_sync("by_ann", {"n": 1}, queue_max=0)


LOADED = 'scenario "too much" for by_ann { arrivals = every(500ms)  duration = 100s  given = { n: 1 } }\n'


def test_the_simulator_refuses_by_the_same_rule_and_completion_counts_it():
    plan = planned(LOADED)
    seen = {}
    for bound in (None, 4):
        made = Stage(plan, plan.scenarios[0], 7, None, 1, bound).replicate(0).disturbed
        measures = Measures([made])
        seen[bound] = (
            [run.status for run in made.runs].count("refused"),
            measures.estimate("completion").value,
            measures.estimate("latency", "max").value,
        )
    assert seen[None][:2] == (0, 1.0)
    refused, completion, slowest = seen[4]
    assert 90 <= refused <= 110, "the agent does half of what comes"
    assert completion == pytest.approx(1 - refused / 200)
    assert slowest <= 6, "who is let in waits for no more than four before it"
    assert seen[None][2] > 90


def test_the_document_of_a_simulation_says_what_bound_it_had():
    document = simulate(planned(LOADED), runs=50, queue_max=4).document
    assert document["parameters"] == {"queue_max": 4}
    assert simulate(planned(LOADED), runs=50).document["parameters"] == {}


def test_users_who_are_refused_and_do_not_think_come_back_and_time_goes_on():
    closed = (
        'scenario "closed" for by_ann { arrivals = closed(5, think: fixed(0s))  duration = 20s  given = { n: 1 } }\n'
    )
    plan = planned(closed)
    made = Stage(plan, plan.scenarios[0], 7, None, 1, 1).replicate(0).disturbed
    statuses = [run.status for run in made.runs]
    assert statuses.count("completed") >= 19
    assert statuses.count("refused") >= 19
