"""Attempts, timeouts, urgency and limits of called flows and scopes."""

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.check import check
from orchspec.compiler.codes.budgets import BELOW_BEST_CASE
from orchspec.grammar.source import Source
from orchspec.runtime.kernel.commands import RunTask, TryEffect
from orchspec.runtime.kernel.events import TimerFired
from tests.support.driver import Driver, done, failing, hangs
from tests.support.invariants import assert_closed
from tests.support.plans import S
from tests.support.running import run

HEAD = """orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft { timeout = 30s }
agent bob fulfills Draft { timeout = 30s }
effect publish(note: Text) -> Text { key = note  undo = retract(url: result) }
effect retract(url: Text) { key = url }
flow sub(topic: Text) -> Text {
  step url = publish(note: topic)
  step draft = Draft(topic) by ann { after = [url] }
  return draft
}
flow deeper(topic: Text) -> Text { step it_was = sub(topic: topic)  return it_was }
machine loop(topic: Text) -> Text {
  budget { transitions <= 9 }
  initial state work { visits = 5  step draft = Draft(topic) by ann  on done when draft == "ok" -> over  on done -> work  on exhausted -> over }
  final state over { return topic }
}
"""  # noqa: E501


def compiled(*lines, result="Text"):
    body = "\n".join(('let topic = "a"', *lines))
    found = check(Source("spec.orch", f"{HEAD}flow main() -> {result} {{\n{body}\n}}\n"))
    # A budget that no run can keep is refused, but for here, where it is seen what it does.
    errors = [item for item in found.diagnostics if item.severity == "error" and item.code is not BELOW_BEST_CASE]
    assert not errors, errors
    assert found.plan is not None
    return found.plan


def effects(driver):
    return [command.effect for command in driver.tried(TryEffect)]


CALLED = "step got = sub(topic: topic)"
SCOPED = "scope got { step url = publish(note: topic)  step draft = Draft(topic) by ann { after = [url] }  give draft"


def both(settings):
    """The same work, as a called flow and as a scope, with the same settings."""
    return [compiled(f"{CALLED} {{ {settings} }}", "return got"), compiled(f"{SCOPED}  {settings} }}", "return got")]


@pytest.mark.parametrize("made", both("attempts = 3  backoff = fixed(2s)"))
def test_an_attempt_that_failed_has_unwound_before_the_next_one_begins_anew(made):
    driver = Driver(made, ann=[failing(), failing(), done("x")])
    end = run(driver)
    assert end.result == "x"
    assert effects(driver) == ["publish", "retract"] * 2 + ["publish"]
    assert driver.world.standing() == ["a"]
    assert [driver.kernels["r"].path(command.place) for command in driver.tried(RunTask)] == [
        "got/draft", "got!2/draft", "got!3/draft",
    ]  # fmt: skip
    assert len({driver.kernels["r"].draw_key(command.place) for command in driver.tried(RunTask)}) == 3
    assert end.ended_us - 1000 * S == 3 * 2 * S + 2 * S + 2 * 2 * S, "three attempts, two undos, two rests"


@pytest.mark.parametrize("made", both("attempts = 2  on_failure = use(topic)"))
def test_when_its_attempts_are_used_up_the_chain_decides(made):
    driver = Driver(made, ann=[failing()])
    assert run(driver).result == "a"
    assert len(driver.tried(RunTask)) == 2
    assert driver.world.standing() == []


@pytest.mark.parametrize("made", both("timeout = 5s  attempts = 2"))
def test_a_timeout_holds_for_each_attempt(made):
    driver = Driver(made, ann=[hangs(), done("x")])
    end = run(driver)
    assert end.result == "x"
    assert end.decided("retry") == ["timeout: got took too long"]
    assert end.ended_us - 1000 * S == 5 * S + S + 2 * S


@pytest.mark.parametrize("made", both("timeout = 5s"))
def test_a_timeout_without_another_attempt_fails_it(made):
    end = run(Driver(made, ann=hangs()))
    assert (end.status, end.error["code"]) == ("failed", "timeout")


@pytest.mark.parametrize("made", both("attempts = 9  backoff = fixed(4s)  budget { time <= 8s }"))
def test_the_time_of_the_budget_holds_for_all_attempts_and_their_rests(made):
    end = run(Driver(made, ann=[failing()]))
    assert (end.status, end.error["code"]) == ("budget_exhausted", "budget_exhausted")
    assert end.ended_us - 1000 * S == 8 * S + S, "it was at its second attempt, which is undone"


@pytest.mark.parametrize("made", both("attempts = 9  budget { attempts <= 2 }"))
def test_a_budget_that_is_used_up_is_not_tried_again(made):
    driver = Driver(made, ann=[failing()])
    end = run(driver)
    assert (end.status, len(driver.tried(RunTask))) == ("budget_exhausted", 2)


@pytest.mark.parametrize("made", both("attempts = 9  budget { retries <= 1 }"))
def test_trying_again_is_a_retry_of_every_budget_around(made):
    driver = Driver(made, ann=[failing()])
    assert run(driver).status == "failed"
    assert len(driver.tried(RunTask)) == 2
    assert driver.kernels["r"].account.retries == 1


@pytest.mark.parametrize("made", both("attempts = 3  backoff = fixed(5s)"))
def test_while_it_rests_it_can_be_cancelled(made):
    driver = Driver(made, ann=[failing()])
    driver.begin()
    driver.cancel(4 * S)
    driver.drain()
    assert driver.ending().status == "cancelled"
    assert_closed(driver)
    assert driver.ending().ended_us == 1004 * S


@pytest.mark.parametrize("made", both("attempts = 3  timeout = 20s  backoff = fixed(2s)  budget { time <= 1min }"))
@pytest.mark.parametrize("point", range(36))
def test_a_crash_at_any_point_changes_no_attempt(made, point):
    driver = Driver(made, ann=lambda path, _attempt: done("x") if "!2" in path else failing(), crashes=[point])
    assert run(driver).result == "x"
    assert driver.world.count("publish") == 2
    assert driver.world.standing() == ["a"]


@pytest.mark.parametrize("made", both("attempts = 3  timeout = 20s  backoff = fixed(2s)"))
def test_a_timer_that_fires_again_does_nothing(made):
    driver = Driver(made, ann=[failing(), done("x", takes=9 * S)])
    driver.begin()
    for after in (5, 7, 8):
        for timer in ("backoff", "attempt"):
            driver.at(after * S, "r", TimerFired(0, 2, timer, 2 if timer == "backoff" else 1))
    driver.drain()
    assert driver.ending().result == "x"
    assert len(driver.tried(RunTask)) == 2


@pytest.mark.parametrize("name", ["sub", "scope"])
def test_what_its_condition_rules_out_is_none(name):
    call = f'{CALLED} {{ only_if = topic == "z" }}' if name == "sub" else f'{SCOPED}  only_if = topic == "z" }}'
    driver = Driver(compiled(call, 'return got ?? "none"'))
    assert run(driver).result == "none"
    assert driver.tried(TryEffect) == []


# ------------------------------------------------------------------ urgency


def test_tasks_are_as_urgent_as_what_is_around_them_unless_they_say_so_themselves():
    found = compile_text(
        HEAD
        + """flow main() -> List<Text> {
  step low = Draft("a") by ann
  scope high { urgency = 3
    step one = Draft("b") by ann
    step two = Draft("c") by ann { urgency = 7  after = [one] }
    step three = deeper(topic: "d") { after = [two] }
    step four = deeper(topic: "e") { urgency = 9  after = [three] }
    give four
  }
  return [low, high]
}
""",
        "spec.orch",
    )
    assert not found.errors, found.errors
    seen = {}

    class Watching(Driver):
        def _act(self, run, command):
            if isinstance(command, RunTask):
                activity = self.engine.kernels[run].places[command.place]
                seen[activity.path()] = activity.urgency
            super()._act(run, command)

    assert run(Watching(found.plan, ann=[done("x")])).status == "completed"
    assert seen == {
        "low": 0, "high/one": 3, "high/two": 7, "high/three/it_was/draft": 3, "high/four/it_was/draft": 9,
    }  # fmt: skip


# ------------------------------------------------------------------ depth, transitions, time of steps


def test_a_call_below_the_depth_of_a_budget_exhausts_it():
    lines = ("scope inner { budget { depth <= 1 }  step it_was = deeper(topic: topic)  give it_was }", "return inner")
    driver = Driver(compiled(*lines))
    end = run(driver)
    assert (end.status, end.error["message"]) == ("budget_exhausted", "no depth is left for inner/it_was/it_was")
    assert driver.tried(RunTask) == []
    assert run(Driver(compiled(lines[0].replace("<= 1", "<= 2"), lines[1]), ann=[done("x")])).status == "completed"


def test_the_depth_of_a_step_counts_from_where_the_step_stands():
    call = "step got = deeper(topic: topic) {{ budget {{ depth <= {} }}  on_failure = use(topic) }}"
    assert run(Driver(compiled(call.format(1), "return got"))).result == "a"
    assert run(Driver(compiled(call.format(2), "return got"), ann=[done("x")])).result == "x"


def test_the_transitions_of_a_budget_are_those_of_all_machines_in_it():
    lines = (
        "scope both {{ budget {{ transitions <= {} }}  on_failure = use(topic)",
        "step one = loop(topic: topic)  step two = loop(topic: one)  give two }}",
        "return both",
    )
    scripts = {"ann": lambda path, _attempt: done("ok" if "#2" in path else "again")}
    text = " ".join(lines[:2])
    few = run(Driver(compiled(text.format(3), lines[2]), **scripts))
    assert few.result == "a"
    assert few.decided("budget exhausted") == ["both/two/work"]
    enough = run(Driver(compiled(text.format(4), lines[2]), **scripts))
    assert enough.decided("budget exhausted") == []


def test_the_time_of_a_step_counts_its_queue_and_its_rests():
    made = compiled(
        "step got = Draft(topic) by ann { attempts = 9  backoff = fixed(2s)  budget { time <= 5s } }", "return got"
    )
    driver = Driver(made, ann=[failing()])
    end = run(driver)
    assert (end.status, end.error["message"]) == ("budget_exhausted", "got used up its time budget")
    assert end.ended_us == 1005 * S
    assert [driver.kernels["r"].path(command.place) for command in driver.tried(RunTask)] == ["got", "got"]


def test_the_time_of_an_effect_step_waits_for_what_was_sent():
    made = compiled("step url = publish(note: topic) { budget { time <= 5s }  on_failure = use(topic) }", "return url")
    driver = Driver(made, publish=[done("x", takes=9 * S)])
    end = run(driver)
    assert (end.result, end.ended_us) == ("a", 1009 * S)


@pytest.mark.parametrize("point", range(16))
def test_a_crash_adds_nothing_to_the_time_of_a_step(point):
    made = compiled("step got = Draft(topic) by ann { budget { time <= 5s }  on_failure = use(topic) }", "return got")
    driver = Driver(made, ann=hangs(), crashes=[point])
    assert run(driver).result == "a"


def test_a_step_in_time_is_the_step_without_one():
    timed = compiled("step got = Draft(topic) by ann { budget { time <= 5s } }", "return got")
    plain = compiled("step got = Draft(topic) by ann", "return got")
    drivers = [Driver(made, ann=[done("x")]) for made in (timed, plain)]
    assert [run(driver).result for driver in drivers] == ["x", "x"]
    places = [driver.tried(RunTask)[0].place for driver in drivers]
    kernels = [driver.kernels["r"] for driver in drivers]
    assert len({kernel.draw_key(place) for kernel, place in zip(kernels, places, strict=True)}) == 1
    assert {kernel.path(place) for kernel, place in zip(kernels, places, strict=True)} == {"got"}
