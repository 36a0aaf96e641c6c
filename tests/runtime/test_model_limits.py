"""The runtime waits for the tokens of a model as the simulator does, over agents and runs, to the microsecond."""

import asyncio
from datetime import timedelta

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.testing import virtual_time

SPEC = """orch 1
contract Read(page: Text) -> Text
model large { rate = 100 / 1min  token_rate = 12k / 1min }
agent ann fulfills Read { models = [large]  timeout = 1min  budget { tokens <= 8k } }
agent bob fulfills Read { models = [large]  timeout = 1min  budget { tokens <= 8k } }
flow f(page: Text) -> List<Text> {
  step one = Read(page) by ann
  step two = Read(page) by bob
  return [one, two]
}
"""


@pytest.mark.parametrize(
    ("used", "seconds"),
    [
        (2_000, 2),  # 10k are back when the first ends, and 8k are wanted
        (8_000, 21),  # 4k are left, and 4k more take 20 s at 200 a second
        (None, 21),  # nobody says: all of it
        (12_000, 41),  # 4k more than it might: after a second 200 are there, and 8k are wanted
    ],
)
def test_the_second_agent_waits_for_what_the_first_has_used(used, seconds):
    app = orchspec.App(compile_text(SPEC, "limits.orch").plan.sealed())

    @app.contract("Read")
    async def read(task, page):
        await asyncio.sleep(1)
        return orchspec.Output(page, tokens_in=used, tokens_out=0) if used is not None else page

    with virtual_time() as clock:
        result = clock.run(app.run("f", {"page": "a"}))
        assert (result.status, result.result) == ("completed", ["a", "a"])
        assert clock.elapsed == timedelta(seconds=seconds)


def test_runs_share_the_tokens_of_a_model(tmp_path):
    app = orchspec.App(compile_text(SPEC, "limits.orch").plan.sealed())

    @app.contract("Read")
    async def read(task, page):
        await asyncio.sleep(1)
        return orchspec.Output(page, tokens_in=6_000, tokens_out=0)

    async def many():
        return await asyncio.gather(*[app.run("f", {"page": str(n)}, store=tmp_path / "runs.db") for n in range(4)])

    with virtual_time() as clock:
        assert {result.status for result in clock.run(many())} == {"completed"}
        # Eight attempts of 6k: the last begins when 12k + 200 a second have covered seven of them and its own 8k.
        assert clock.elapsed == timedelta(seconds=(7 * 6_000 + 8_000 - 12_000) / 200 + 1)
