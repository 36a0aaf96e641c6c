"""Functions become a crew: what is refused when it is bound, and before anything starts."""

from __future__ import annotations

import asyncio

import pytest

import orchspec
from orchspec.runtime.errors import BadInput, MissingHandlers, UnknownName
from orchspec.runtime.handlers import BadHandler
from tests.runtime.app.writing import GOOD, SPEC, run


def test_an_unknown_name_is_refused_when_it_is_bound_with_the_nearest(app):
    with pytest.raises(UnknownName, match="no agent 'writter'; did you mean 'writer'"):
        app.agent("writter")(lambda task, topic: None)
    with pytest.raises(UnknownName, match="editor is a person"):
        app.agent("editor")(lambda task, draft: None)
    with pytest.raises(UnknownName, match="no effect 'x'; it has publish"):
        app.effect("x")(lambda call: None)
    with pytest.raises(UnknownName, match="no human"):
        app.human("writer")(lambda task, topic: None)
    with pytest.raises(UnknownName, match="no contract"):
        app.contract("write_")(lambda task, topic: None)


def test_a_function_that_cannot_take_the_parameters_is_refused_when_it_is_bound(app):
    with pytest.raises(BadHandler, match=r"cannot be called with \(task, topic\)"):
        app.agent("writer")(lambda task, title: None)
    with pytest.raises(BadHandler, match=r"cannot be called with \(call, draft\)"):
        app.effect("publish")(lambda draft: None)


def test_all_who_are_missing_are_named_before_anything_starts(app):
    with pytest.raises(MissingHandlers) as caught:
        run(app, "post")
    assert "the agent writer (for Write)" in caught.value.message
    assert "the effect publish" in caught.value.message
    assert "--stand-ins" in caught.value.message


def test_a_contract_s_function_serves_all_agents_but_those_with_their_own(app):
    asked = []

    @app.contract("Write")
    def write(task, topic):
        asked.append(("contract", task.agent))
        return GOOD

    @app.agent("poet")
    async def poet(task, topic):
        asked.append(("agent", task.agent))
        return GOOD

    assert run(app, "two").result == 2
    assert sorted(asked) == [("agent", "poet"), ("contract", "writer")]


def test_inputs_that_do_not_fit_are_refused_before_anything_starts(app):
    app.contract("Write")(lambda task, topic: GOOD)
    with pytest.raises(BadInput, match="topic"):
        run(app, inputs={})
    with pytest.raises(BadInput, match="no JSON"):
        run(app, inputs={"topic": object()})
    with pytest.raises(BadInput, match="by name"):
        run(app, inputs=["t"])
    with pytest.raises(UnknownName, match="no flow 'wite'"):
        run(app, "wite")
    with pytest.raises(BadInput, match="no name of a run"):
        run(app, run_id="a b")


def test_no_store_is_made_for_a_run_that_cannot_start(app, tmp_path):
    with pytest.raises(MissingHandlers):
        run(app, store=tmp_path / "runs.db")
    assert list(tmp_path.iterdir()) == []


def test_run_sync_within_a_loop_says_what_to_write(app):
    async def inside():
        run(app)

    with pytest.raises(RuntimeError, match=r"await app\.run"):
        asyncio.run(inside())


def test_app_takes_what_load_gives_and_nothing_else(tmp_path):
    path = tmp_path / "spec.orch"
    path.write_text(SPEC, "utf-8")
    spec = orchspec.load(path)
    assert orchspec.App(spec).plan.hash == spec.plan.hash
    with pytest.raises(TypeError, match="not a str"):
        orchspec.App("spec.orch")


def test_load_raises_all_that_is_wrong(tmp_path):
    path = tmp_path / "spec.orch"
    path.write_text(SPEC.replace("by writer {", "by writr {").replace("len(both)", "lenn(both)"), "utf-8")
    with pytest.raises(orchspec.SpecError) as caught:
        orchspec.load(path)
    assert len([each for each in caught.value.diagnostics if each.severity == "error"]) >= 2
    assert "writr" in str(caught.value)
