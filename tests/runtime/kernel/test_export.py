"""Exporting and restoring a kernel (that a restored one goes on as the original did: test_properties)."""

import json

import pytest

from orchspec.compiler.plan import PlanError, plan_from_json
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.recording import event_of
from tests.support.driver import Driver, done, hangs, lost_reply
from tests.support.plans import S, arbitrate, effect, fail, give, plan, repeat, rule, scope, skip, task, until, v

PLAN = plan(
    scope("s", effect("u", 1), task("a", after=("u",)), fail("no", after=("a",)), on_failure=(skip,)),
    repeat("r", 3, task("b", of="bob"), until(["gt", v("b"), 2]), give(v("b")), kept=("b",)),
    task("c", by="all", of=("ann", "bob", "cy")),
    arbitrate("d", "c", rule("highest", v("it")), rule("first")),
    give(v("d")),
)


def test_a_document_is_plain_json_and_restores_to_the_same_document():
    driver = Driver(PLAN, ann=hangs())
    driver.begin()
    driver.drain(driver.now + 3 * S)
    document = driver.kernels["r"].export()
    text = json.dumps(document, allow_nan=False)
    assert Kernel.restore(PLAN, json.loads(text)).export() == document


def test_a_state_is_restored_under_the_plan_that_was_read_back():
    driver = Driver(PLAN, ann=done(1, takes=5 * S), publish=lost_reply())
    driver.begin()
    driver.drain(driver.now + 2 * S)
    again = plan_from_json(PLAN.as_json())
    document = driver.kernels["r"].export()
    assert Kernel.restore(again, document).export() == document


def test_a_document_is_as_large_as_what_is_live():
    body = (task("a"), effect("u", ["call", "len", [v("past")]], after=("a",)), until(["const", False]), give(v("a")))
    sizes = []
    for rounds in (2, 40):
        driver = Driver(plan(repeat("r", rounds, *body, kept=()), give(v("r"))), ann=done(1))
        driver.run()
        sizes.append((len(json.dumps(driver.kernels["r"].export())), len(driver.kernels["r"].places)))
    (small, few), (large, many) = sizes
    assert large - small < 800 * (many - few), "a closed place is a line, not the state it had"
    live = [item for item in driver.kernels["r"].export()["objects"] if item["class"] == "Frame"]
    assert live == []


def test_another_plan_another_format_and_nonsense_are_refused():
    driver = Driver(PLAN)
    driver.begin()
    driver.drain(driver.now)
    document = driver.kernels["r"].export()
    with pytest.raises(PlanError, match="another plan"):
        Kernel.restore(plan(give(1)), document)
    with pytest.raises(PlanError, match="format"):
        Kernel.restore(PLAN, {**document, "format": 0})
    for broken in ({**document, "objects": []}, {**document, "state": {}}, {**document, "objects": [{"class": "os"}]}):
        with pytest.raises(PlanError):
            Kernel.restore(PLAN, broken)


def test_user_data_with_the_marks_of_a_document_survives():
    odd = {"$o": 0, "x": {"$a": 1}, "$": [{"$s": True}]}
    driver = Driver(plan(task("a", v("x")), give(v("x")), given=("x",)), ann=hangs())
    driver.begin({"x": odd})
    driver.drain(driver.now)
    document = json.loads(json.dumps(driver.kernels["r"].export()))
    restored = Kernel.restore(driver.plan, document)
    assert restored.root.values[0] == odd
    assert restored.export() == document


def test_every_record_of_a_run_folds_to_a_state_that_restores():
    driver = Driver(PLAN, ann=[done(5), done(1)], bob=[done(1), done(3)])
    driver.run()
    kernel = Kernel(PLAN, "r")
    for record in driver.records():
        kernel.handle(event_of(record))
        document = kernel.export()
        assert Kernel.restore(PLAN, document).export() == document
