"""Effects that users write: their key and receipt, refusals, and doubt."""

from __future__ import annotations

import pytest

import orchspec
from orchspec.compiler import compile_text
from tests.runtime.app.writing import GOOD, SPEC, run


def test_an_effect_gets_its_key_and_its_receipt_counts(app):
    calls = []
    app.agent("writer")(lambda task, topic: GOOD)

    @app.effect("publish")
    async def publish(call: orchspec.EffectCall, draft):
        calls.append((call.key, call.step, call.attempt, draft))
        return "https://example.org/a"

    result = run(app, "post")
    assert (result.status, result.result, result.steps) == ("completed", "https://example.org/a", 2)
    assert [(len(key), *rest) for key, *rest in calls] == [(64, "url", 1, GOOD)]


def test_an_effect_that_raises_was_not_done_and_the_run_fails(app):
    app.agent("writer")(lambda task, topic: GOOD)

    @app.effect("publish")
    def publish(call, draft):
        raise RuntimeError("closed")

    result = run(app, "post")
    assert (result.status, result.error["code"]) == ("failed", "effect_refused")
    assert "closed" in result.error["message"]


@pytest.mark.parametrize("doubt", [orchspec.InDoubt("who knows"), orchspec.InDoubt, TimeoutError("late")])
def test_an_effect_in_doubt_is_sent_again_with_the_same_key(app, doubt):
    keys = []
    app.agent("writer")(lambda task, topic: GOOD)

    @app.effect("publish")
    async def publish(call, draft):
        keys.append(call.key)
        if len(keys) == 1:
            raise doubt
        return "https://example.org/a"

    assert run(app, "post", speed=100).status == "completed"
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_arguments_that_an_effect_does_not_take_are_not_sent(plan):
    text = SPEC.replace("effect publish(draft: Draft)", "effect publish(draft: Draft where draft.score > 2.0)")
    compiled = compile_text(text, "spec.orch")
    assert compiled.plan is not None, compiled.errors
    app = orchspec.App(compiled.plan)
    sent = []
    app.agent("writer")(lambda task, topic: GOOD)
    app.effect("publish")(lambda call, draft: sent.append(draft))
    result = run(app, "post")
    assert (result.status, result.error["code"], sent) == ("failed", "bad_input", [])


def test_a_receipt_that_is_none_fails_the_step_though_it_was_done(app):
    told = []
    app.agent("writer")(lambda task, topic: GOOD)
    app.effect("publish")(lambda call, draft: object())
    result = run(app, "post", tell=told.append)
    assert (result.status, result.error["code"]) == ("failed", "bad_receipt")
    assert "was done" in told[0]
