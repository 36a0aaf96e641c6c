"""Plans of the gallery: they validate, come back from JSON as they went, and do not change with the layout."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.compiler import PlanError, compile_file, compile_text, plan_from_json, plan_schema
from orchspec.compiler.plan import canonical_json
from orchspec.grammar.format import format_source
from orchspec.grammar.source import Source
from orchspec.runtime.kernel.kernel import Kernel

SPECS = Path(__file__).resolve().parents[2] / "specs"
COMPILABLE = ["azure", "briefing", "map", "parallel", "queue", "race", "refund", "vote"]


@pytest.fixture(scope="module")
def plans():
    made = {name: compile_file(SPECS / f"{name}.orch") for name in COMPILABLE}
    assert {name: [str(each.span) + each.message for each in result.errors] for name, result in made.items()} == {
        name: [] for name in COMPILABLE
    }
    return {name: result.plan for name, result in made.items()}


@pytest.fixture(scope="module")
def schema():
    found = plan_schema()
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@pytest.mark.parametrize("name", COMPILABLE)
def test_a_plan_fits_the_published_schema_and_the_kernel(name, plans, schema):
    schema.validate(json.loads(plans[name].as_json()))
    Kernel(plans[name])  # raises PlanError for what no compiler writes


@pytest.mark.parametrize("name", COMPILABLE)
def test_a_plan_comes_back_from_its_json(name, plans):
    text = plans[name].as_json()
    read = plan_from_json(text)
    assert read == plans[name]
    assert read.as_json() == text


@pytest.mark.parametrize("name", COMPILABLE)
def test_the_same_text_gives_the_same_bytes(name, plans):
    assert compile_file(SPECS / f"{name}.orch").plan.as_json() == plans[name].as_json()


@pytest.mark.parametrize("name", COMPILABLE)
def test_formatting_changes_no_hash(name, plans):
    path = SPECS / f"{name}.orch"
    text = path.read_text("utf-8")
    tight = "\n\n".join(line.strip() for line in text.splitlines())
    assert compile_text(tight, str(path), folder=SPECS).plan.hash == plans[name].hash
    formatted, _ = format_source(Source(str(path), text))
    assert formatted is not None
    assert compile_text(formatted, str(path), folder=SPECS).plan.hash == plans[name].hash


@pytest.mark.parametrize("name", COMPILABLE)
def test_a_piece_of_the_gallery_is_a_whole_example(name, plans):
    plan = plans[name]
    assert plan.flows
    assert plan.profiles
    assert plan.scenarios
    assert plan.tests
    assert all(study.expects for study in (*plan.scenarios, *plan.tests))


def test_the_spec_for_the_queueing_formula_says_what_the_formula_needs(plans):
    plan = plans["queue"]
    assert plan.agents["clerk"].slots_max == 3
    assert plan.profiles["clerk"].latency == ["exponential", 10_000_000]
    assert plan.scenarios[0].arrivals == ["poisson", 0.2]


def test_a_changed_plan_is_refused(plans):
    document = json.loads(plans["queue"].as_json())
    document["agents"]["clerk"]["slots_max"] = 30
    with pytest.raises(PlanError, match="hash"):
        plan_from_json(canonical_json(document))
    document["format"] = 99
    with pytest.raises(PlanError, match="format"):
        plan_from_json(canonical_json(document))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.binary(max_size=60)
    | JSON.map(json.dumps)
    | st.dictionaries(st.sampled_from(["format", "hash", "flows"]), JSON).map(json.dumps)
)
@settings(max_examples=150, deadline=None)
def test_garbage_is_refused_with_an_error_of_ours(garbage):
    with pytest.raises(PlanError):
        plan_from_json(garbage)


@given(st.sampled_from(["flows", "agents", "contracts", "scenarios", "types", "edition", "name"]), JSON)
@settings(max_examples=100, deadline=None)
def test_a_plan_with_a_right_hash_and_a_wrong_shape_is_refused_or_read(part, value):
    from orchspec.compiler.plan.document import _hash

    document = json.loads(compile_file(SPECS / "queue.orch").plan.as_json())
    document[part] = value
    document["hash"] = _hash(document)
    try:
        read = plan_from_json(json.dumps(document))
    except PlanError:
        return
    assert getattr(read, part) == value
