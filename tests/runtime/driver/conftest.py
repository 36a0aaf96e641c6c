"""An app whose agents and effects are bound, and a store in memory that encodes as a file would."""

from __future__ import annotations

import pytest

import orchspec
from orchspec.runtime.journal import MemoryStore
from tests.runtime.driver.posting import DRAFT, compiled


@pytest.fixture(scope="module")
def plan():
    return compiled()


@pytest.fixture
def app(plan):
    made = orchspec.App(plan)
    made.sent = []
    made.agent("writer")(lambda task, topic: orchspec.Output(DRAFT, cost_usd="0.1"))

    @made.effect("publish")
    async def publish(call, draft):
        made.sent.append(("publish", call.key))
        return "https://example.org/d"

    @made.effect("retract")
    async def retract(call, url):
        made.sent.append(("retract", call.key))

    return made


@pytest.fixture
def store():
    return MemoryStore(encode=True)
