"""The step log and the attribution that is made of it: nothing is charged or spent that no step accounts for."""

from decimal import Decimal

from orchspec.compiler import compile_text
from orchspec.runtime.attribution import attribute
from orchspec.runtime.steplog import StepLog, steps_of
from tests.support.driver import Driver, answers, done, failing, hangs
from tests.support.plans import S

SPEC = """orch 1
model large { input = $1 / 1M  output = $2 / 1M  context = 100k }
contract Look(topic: Text) -> Int
contract Judge(found: Int) -> Int
agent ann fulfills Look { models = [large]  slots = 1  attempts = 3  backoff = fixed(5s)  timeout = 60s }
human eve fulfills Judge { slots = 1 }
effect post(n: Int) -> Int { key = n }
flow main(topic: Text) -> Int {
  budget { cost <= $9 }
  repeat draft 2 times {
    step one = Look(topic) by ann
    step two = Look("more") by ann
    until one == two
    give one
  }
  step judged = Judge(draft) by eve
  step receipt = post(judged)
  return receipt
}
"""


def driven(**scripts):
    plan = compile_text(SPEC, "a.orch").plan
    assert plan is not None
    driver = Driver(plan, **scripts)
    driver.run({"topic": "x"})
    return plan, driver


def log_of(plan, driver):
    return list(steps_of(plan, "r", driver.records()))


def test_each_try_is_one_step_with_who_did_what_and_what_it_was_caused_by():
    plan, driver = driven(ann=[done(1)], eve=[answers(4)], post=[done(9)])
    log = log_of(plan, driver)
    assert [(step.step_id, step.agent, step.action, step.kind, step.status) for step in log] == [
        ("draft#1/one@1", "ann", "Look", "task", "ok"),
        ("draft#1/two@1", "ann", "Look", "task", "ok"),
        ("judged@1", "eve", "Judge", "person", "ok"),
        ("receipt@1", "post", "post", "effect", "ok"),
    ]
    assert [step.caused_by for step in log] == [None, None, "draft#1/two@1", "judged@1"]
    assert log[0].parent_step_id == "draft#1"
    assert log[0].model == "large"
    assert log[1].queued_ms == 1_000, "ann has one slot, so the second one waited for it"


def test_a_retry_is_a_step_of_its_own_and_is_caused_by_the_try_before():
    plan, driver = driven(ann=[failing(), done(1)], eve=[answers(4)], post=[done(9)])
    first, *rest = log_of(plan, driver)
    assert (first.status, first.error) == ("failed", "agent_error: it failed")
    again = next(step for step in rest if step.step_id == "draft#1/one@2")
    assert (again.caused_by, again.status) == ("draft#1/one@1", "ok")


def test_what_steps_cost_is_what_the_run_was_charged_a_timeout_its_reservation():
    plan, driver = driven(
        ann=[hangs(), done(1, cost=None, tokens_in=1_000_000, tokens_out=10)], eve=[answers(4)], post=[done(9)]
    )
    log = log_of(plan, driver)
    account = driver.engine.kernels["r"].account if "r" in driver.engine.kernels else None
    charged = account.charged_pico if account is not None else driver.ending().kernel.account.charged_pico
    assert sum(Decimal(step.cost_usd) for step in log) == Decimal(charged) / 10**12
    late = next(step for step in log if step.status == "timeout")
    assert late.cost_estimated
    assert late.latency_ms == 60_000


def test_one_that_stops_late_ends_its_own_step_and_not_that_of_the_next_attempt():
    spec = SPEC.replace("slots = 1  attempts = 3  backoff = fixed(5s)", "slots = 4  attempts = 3")
    plan = compile_text(spec, "a.orch").plan
    driver = Driver(plan, ann=[hangs(stops=2 * S), done(1), done(1, takes=9 * S)], eve=[answers(4)], post=[done(9)])
    driver.run({"topic": "x"})
    ended = [(step.step_id, step.status) for step in log_of(plan, driver) if step.agent == "ann"]
    assert sorted(status for _, status in ended) == ["ok", "ok", "timeout"], ended


def test_time_is_attributed_along_the_critical_path_and_adds_up_to_the_latency():
    plan, driver = driven(
        ann=[failing(takes=3 * S), done(1, takes=4 * S)], eve=[answers(4, takes=7 * S)], post=[done(9)]
    )
    log = log_of(plan, driver)
    records = driver.records()
    told = attribute(log, records[0].time_us, records[-1].time_us)
    assert sum(told.latency_s.values()) == (records[-1].time_us - records[0].time_us) / 1e6
    assert told.latency_s["human"] == 7
    assert told.latency_s["effect"] == 1
    assert told.latency_s["retry"] == 3 + 5
    assert told.latency_s["model"] == 4
    assert told.path[-2:] == ["judged@1", "receipt@1"]


def test_money_of_failed_tries_is_wasted():
    plan, driver = driven(ann=[failing(cost=5 * 10**11), done(1, cost=10**11)], eve=[answers(4)], post=[done(9)])
    log = log_of(plan, driver)
    told = attribute(log, 0, 1)
    assert told.wasted == Decimal("0.5")
    assert told.cost_by_agent["ann"] == sum(told.cost_by_step.values())
    assert set(told.cost_by_model) == {"large"}


def test_a_log_that_listens_to_a_run_tells_what_its_journal_tells():
    plan, driver = driven(ann=[failing(), done(1)], eve=[answers(4)], post=[done(9)])

    class Sink:
        def __init__(self):
            self.steps = []

        def step(self, record):
            self.steps.append(record)

    sink = Sink()
    log = StepLog(sink)
    from orchspec.runtime.kernel.kernel import Kernel
    from orchspec.runtime.recording import EventRecord, event_of

    kernel = Kernel(plan, "r")
    batch = []
    for record in driver.records():
        event = event_of(record)
        batch.append(EventRecord("r", record.seq, event, kernel, kernel.handle(event)))
    for record in batch:  # the kernel is at the end already, as it is ahead of what is durable
        log.watch(record)
    assert [step.step_id for step in sink.steps] == [step.step_id for step in log_of(plan, driver)]
    assert [step.caused_by for step in sink.steps] == [step.caused_by for step in log_of(plan, driver)]
    assert not log._open
    assert not log._causes


# ------------------------------------------------------------------ tools


def test_the_time_at_tools_is_told_with_its_waits_and_is_not_the_models():
    plan, driver = driven(ann=[done(1, takes=10 * S, tool_us=4 * S)], eve=[answers(4)], post=[done(9)])
    log = log_of(plan, driver)
    assert [step.tool_ms for step in log] == [4_000, 4_000, 0, 0]
    records = driver.records()
    told = attribute(log, records[0].time_us, records[-1].time_us)
    tasks = [step for step in log if step.kind == "task" and step.step_id in told.path]
    assert told.latency_s["tool"] == 4 * len(tasks)
    assert told.latency_s["model"] == 6 * len(tasks)
    assert sum(told.latency_s.values()) == (records[-1].time_us - records[0].time_us) / 1e6


TOOLS = """orch 1
contract Look(topic: Text) -> Text
tool web { slots = 1 }
tool file { slots = 1 }
agent ann fulfills Look { tools = [web, file] }
agent bob fulfills Look { tools = [web] }
profile ann { latency = fixed(10s)  calls = { web: fixed(2) } }
profile bob { latency = fixed(10s)  calls = { web: fixed(2) } }
profile web { latency = fixed(3s) }
flow main() -> Text { step one = Look("a") by ann  step two = Look("b") by bob  return one + two }
scenario "s" for main { arrivals = every(60s)  duration = 50s }
"""


def simulated(text):
    from orchspec.runtime.kernel.program import program_of
    from orchspec.simulator.cast import Cast
    from orchspec.simulator.clock import Clock
    from orchspec.simulator.faults import Faults
    from orchspec.simulator.observe import RunObservation
    from orchspec.simulator.visits import Visit
    from orchspec.simulator.world import World

    plan = compile_text(text, "a.orch").plan
    assert plan is not None
    ended = []
    world = World(program_of(plan))
    clock = Clock(plan, "main", Cast(plan, {}), world, None, Faults([], frozenset()), 7, ended.append, 1)
    clock.arrive(Visit("r", 7, {}, RunObservation(0, 0.0), 0))
    clock.begin()
    clock.run(lambda: bool(ended), 10**12)
    return list(steps_of(plan, "r", clock.watched["r"]))


def test_an_attempt_that_is_cut_by_its_timeout_tells_the_time_it_was_at_tools():
    steps = simulated(
        TOOLS.replace("tools = [web]", "tools = [web]  timeout = 9s  attempts = 1").replace(
            "latency = fixed(3s)", "latency = fixed(30s)"
        )
    )
    assert {step.agent: step.status for step in steps} == {"ann": "stopped", "bob": "timeout"}
    assert all(0 < step.tool_ms <= step.latency_ms == 9_000 for step in steps), steps


def test_a_handler_that_is_cut_by_its_timeout_tells_the_time_it_was_at_tools():
    import asyncio

    from orchspec.runtime.app import App
    from orchspec.runtime.journal.memory import MemoryStore

    plan = compile_text(TOOLS.replace("tools = [web]", "tools = [web]  timeout = 9s"), "a.orch").plan
    app = App(plan)

    @app.contract("Look")
    async def look(task, topic):
        async with task.tool("web"):
            await asyncio.Event().wait()

    store = MemoryStore()
    assert app.run_sync("main", {}, store=store, run_id="r", speed=30).status == "failed"
    steps = list(steps_of(plan, "r", store.records("r")))
    assert {step.status for step in steps} <= {"timeout", "stopped"}
    assert all(step.tool_calls == 1 and 0 < step.tool_ms <= step.latency_ms + 1_000 for step in steps), steps


def test_the_simulator_tells_the_time_at_tools_too_and_a_wait_for_a_slot_makes_it_longer():
    steps = simulated(TOOLS)
    assert {step.tool_calls for step in steps} == {2}
    assert min(step.tool_ms for step in steps) >= 6_000, "each is at the web twice, three seconds each"
    late = max(steps, key=lambda step: step.tool_ms)
    assert late.tool_ms > 6_000, "one of them waits for the other"
    assert late.latency_ms > 10_000, "and what it waits is not in its profile"
    assert all(step.tool_ms <= step.latency_ms for step in steps)


async def _ends(store):
    import asyncio

    from orchspec.runtime.app import App

    plan = compile_text(TOOLS, "a.orch").plan
    assert plan is not None
    app = App(plan)
    inside = asyncio.Event()
    let_go = asyncio.Event()

    @app.agent("ann")
    async def ann(task, topic):
        async with task.tool("web"), task.tool("file"):
            inside.set()
            await let_go.wait()
        return topic

    @app.agent("bob")
    async def bob(task, topic):
        await inside.wait()
        asyncio.get_running_loop().call_later(0.02, let_go.set)
        async with task.tool("web"):
            pass
        return topic

    return plan, await app.run("main", {}, store=store, run_id="r")


def test_the_runtime_tells_the_time_at_tools_calls_within_calls_once_and_waits_included():
    import asyncio

    from orchspec.runtime.journal.memory import MemoryStore

    store = MemoryStore()
    plan, result = asyncio.run(_ends(store))
    assert result.status == "completed"
    steps = {step.agent: step for step in steps_of(plan, "r", store.records("r"))}
    assert {name: step.tool_calls for name, step in steps.items()} == {"ann": 2, "bob": 1}
    assert all(0 < step.tool_ms <= step.latency_ms for step in steps.values())


# ------------------------------------------------------------------ spans


def attributes(span):
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_a_step_is_a_span_by_the_names_of_opentelemetry():
    from orchspec.runtime.otel import OtelSink

    plan, driver = driven(
        ann=[failing(), done(1, cost=10**11, tokens_in=70, tokens_out=3)], eve=[answers(4)], post=[done(9)]
    )
    made = []
    sink = OtelSink(made.append, service="shop")
    log = log_of(plan, driver)
    for step in log:
        sink.step(step)
    sink.run(driver.store.run("r"))
    spans = {}
    for document in made:
        (resource,) = document["resourceSpans"]
        assert resource["resource"]["attributes"] == [{"key": "service.name", "value": {"stringValue": "shop"}}]
        (scope,) = resource["scopeSpans"]
        (span,) = scope["spans"]
        spans[attributes(span).get("orch.step", "run")] = span
    again = spans["draft#1/one@2"]
    told = attributes(again)
    assert again["name"] == "invoke_agent ann"
    assert told["gen_ai.operation.name"] == "invoke_agent"
    assert told["gen_ai.agent.name"] == "ann"
    assert told["gen_ai.request.model"] == "large"
    assert told["gen_ai.usage.input_tokens"] == "70", "numbers of 64 bits are texts in OTLP/JSON"
    assert told["gen_ai.usage.output_tokens"] == "3"
    assert told["orch.cost_usd"] == 0.1
    first, root = spans["draft#1/one@1"], spans["run"]
    assert again["links"] == [{"traceId": first["traceId"], "spanId": first["spanId"]}]
    assert attributes(first)["error.type"] == "agent_error"
    assert first["status"] == {"code": 2, "message": "agent_error: it failed"}
    assert spans["receipt@1"]["name"] == "execute_tool post"
    assert attributes(root)["gen_ai.operation.name"] == "invoke_workflow"
    assert "error.type" not in attributes(root)
    assert {span["traceId"] for span in spans.values()} == {root["traceId"]}
    assert len({span["spanId"] for span in spans.values()}) == len(spans)
    for name, span in spans.items():
        assert (len(span["traceId"]), len(span["spanId"])) == (32, 16)
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert (name == "run") == ("parentSpanId" not in span)
        assert name == "run" or span["parentSpanId"] == root["spanId"]
