"""What an agent is told and what may come back: models, usage, exceptions, and values that cannot cross."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from decimal import Decimal

import pydantic
import pytest

import orchspec
from orchspec.runtime.errors import NotAllowed
from tests.runtime.app.writing import GOOD, run


def test_a_task_says_what_an_agent_may_want_to_know(app):
    seen = []

    @app.agent("writer")
    async def writer(task: orchspec.Task, topic: str):
        seen.append(task)
        return GOOD

    result = run(app, "timed", run_id="r")
    assert result.status == "completed"
    (task,) = seen
    assert (task.run, task.step, task.agent, task.contract, task.attempt) == ("r", "draft", "writer", "Write", 1)
    assert (task.expects, task.model, task.tools) == ("Write it.", "small", ("press",))
    assert (task.previous_error, task.history, task.inbox) == (None, [], [])
    assert isinstance(task.deadline, datetime)
    assert task.inputs == {"topic": "t"}
    assert task.budget_left.tokens is None or task.budget_left.tokens > 0
    assert len(task.key) == 64


def test_usage_is_charged_as_told_else_priced_by_the_model(app):
    app.agent("writer")(lambda task, topic: orchspec.Output(GOOD, 100, 10, "0.5"))
    assert (run(app).cost_usd, run(app).tokens) == ("0.5", 110)
    app.agent("writer")(lambda task, topic: orchspec.Output(GOOD, 1000, 500))
    assert run(app).cost_usd == "0.002"


@dataclasses.dataclass
class DataDraft:
    id: str
    score: Decimal | float


class ModelDraft(pydantic.BaseModel):
    id: str
    score: float


@pytest.mark.parametrize("output", [DataDraft("a", 0.9), ModelDraft(id="a", score=0.9)])
def test_models_and_dataclasses_become_json(app, output):
    app.agent("writer")(lambda task, topic: output)
    assert run(app).result == GOOD


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"id": "a", "score": float("nan")}, "nan"),
        ({"id": object(), "score": 1.0}, "is no JSON"),
        ({1: "a"}, "text keys"),
        (nested(70), "nests deeper than 64"),
        ({"id": "x" * (17 << 20), "score": 1.0}, "16777216"),
        (orchspec.Output(GOOD, tokens_in=-1), "tokens_in"),
        (orchspec.Output(GOOD, tokens_out=True), "tokens_out"),
        (orchspec.Output(GOOD, cost_usd="free"), "cost_usd"),
        (orchspec.Output(GOOD, cost_usd=-1), "cost_usd"),
        ({"id": "a", "score": 0.1}, "ensures"),
        ({"id": "a"}, "score"),
    ],
)
def test_an_output_that_cannot_cross_fails_the_attempt_and_the_next_is_told_why(app, output, message):
    told = []

    @app.agent("writer")
    def writer(task, topic):
        told.append(task.previous_error)
        return output if task.attempt == 1 else GOOD

    assert run(app).status == "completed"
    assert told[0] is None
    assert message in told[1]


def test_an_exception_fails_the_attempt_with_its_type_and_a_clipped_message(app):
    @app.agent("writer")
    async def writer(task, topic):
        raise ValueError("nothing " * 200)

    result = run(app)
    assert (result.status, result.error["code"], result.error["step"]) == ("failed", "agent_error", "draft")
    assert result.error["message"].startswith("ValueError: nothing")
    assert len(result.error["message"]) < 600


@pytest.mark.parametrize("ending", [SystemExit(3), StopIteration(), KeyError()])
def test_an_agent_that_wants_to_end_the_process_ends_its_attempt(app, ending):
    @app.contract("Write")
    def write(task, topic):
        raise ending

    @app.agent("poet")
    async def poet(task, topic):
        raise ending

    for flow, code in (("write", "agent_error"), ("two", "need")):
        result = run(app, flow)
        assert (result.status, result.error["code"]) == ("failed", code)


def test_what_no_spec_declares_is_refused_with_what_to_do(app):
    refused = []

    @app.agent("writer")
    async def writer(task, topic):
        for ask in (lambda: task.effect("publish", draft=GOOD), lambda: task.send("news"), lambda: task.tool("web")):
            with pytest.raises(NotAllowed) as caught:
                ask()
            refused.append(caught.value.message)
        with pytest.raises(NotAllowed, match="async with"), task.tool("press"):
            pass
        return GOOD

    assert run(app).status == "completed"
    assert ["give it `effects" in refused[0], "channel" in refused[1], "it has press" in refused[2]] == [True] * 3
