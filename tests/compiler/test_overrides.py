"""Settings of attributes: `--set ann.slots=4` is the spec with that attribute, and nothing else."""

import pytest

from orchspec.compiler import compile_text

SPEC = """orch 1
contract Draft(topic: Text) -> Text
model large { context = 200k  token_rate = 300k / 1min }
tool search { rate = 10 / 1s }
agent ann fulfills Draft { slots = 2  tools = [search]  models = [large] }
flow f(topic: Text) -> Text { step d = Draft(topic) by ann  return d }
profile ann { latency = fixed(2s) }
"""


def compiled(**settings):
    return compile_text(
        SPEC, "spec.orch", settings={name.replace("__", "."): value for name, value in settings.items()}
    )


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("ann__slots", "4", ("slots = 2", "slots = 4")),
        ("ann__timeout", "5s", ("slots = 2", "slots = 2  timeout = 5s")),
        ("ann__latency", "uniform(1s, 3s)", ("latency = fixed(2s)", "latency = uniform(1s, 3s)")),
        ("ann__failure", "5%", ("fixed(2s)", "fixed(2s)  failure = 5%")),
        ("large__token_rate", "400k / 1min", ("300k / 1min", "400k / 1min")),
        ("large__rate", "50 / 1min", ("300k / 1min", "300k / 1min  rate = 50 / 1min")),
        ("search__slots", "3", ("10 / 1s", "10 / 1s  slots = 3")),
    ],
)
def test_it_is_the_plan_of_the_spec_that_says_so(name, value, line):
    found = compiled(**{name: value})
    assert not found.errors, found.errors
    written = compile_text(SPEC.replace(*line), "spec.orch").plan
    assert (found.plan.agents, found.plan.models) == (written.agents, written.models)
    assert (found.plan.profiles, found.plan.tools, found.plan.flows) == (written.profiles, written.tools, written.flows)


def test_several_are_set_at_once():
    plan = compiled(ann__slots="4", ann__skill="50%", search__slots="1").plan
    assert (plan.agents["ann"].slots_max, plan.agents["ann"].skill, plan.tools["search"].slots) == (4, 0.5, 1)


@pytest.mark.parametrize(
    ("name", "value", "code", "words"),
    [
        ("anne__slots", "4", "E0210", "declares no `anne`; did you mean `ann`?"),
        ("ann__slots", "4 }", "E0210", "is no value"),
        ("ann__slots", "4 tools = []", "E0210", "is no value"),
        ("ann__slots", "0", "E0404", "expected at least 1"),
        ("ann__slot", "4", "E0401", "has no attribute `slot`"),
        ("f__slots", "4", "E0210", "declares no `f`"),
        ("Draft__expects", "3", "E0403", "expects"),
    ],
)
def test_what_is_wrong_is_told_once(name, value, code, words):
    found = compiled(**{name: value})
    assert [diagnostic.code.id for diagnostic in found.errors] == [code]
    assert words in found.errors[0].message
