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
