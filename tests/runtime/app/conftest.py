"""The app that the tests of `App` bind functions to: nobody is bound yet."""

from __future__ import annotations

import pytest

import orchspec
from orchspec.compiler import compile_text
from tests.runtime.app.writing import SPEC


@pytest.fixture(scope="module")
def plan():
    compiled = compile_text(SPEC, "spec.orch")
    assert compiled.plan is not None, compiled.errors
    return compiled.plan


@pytest.fixture
def app(plan):
    return orchspec.App(plan)
