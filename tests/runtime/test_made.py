"""Made outputs: what is made is what the contract accepts, and what is broken is broken for sure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchspec.compiler.plan import Block, Contract, Effect, EnumType, Field, Flow, Plan, PlanError, Profile, RecordType
from orchspec.runtime.draws import INPUT, uniform
from orchspec.runtime.kernel.expressions import equal
from orchspec.runtime.kernel.values import Codecs, InvalidValue, Unverified
from orchspec.runtime.made import InputMaker, Maker, broken, make_inputs

RESULT = ["ref", 0, 0]
FIRST = ["ref", 0, 0]


def const(value):
    return ["const", value]


def field(name, of=RESULT):
    return ["field", of, name]


def length(expr):
    return ["call", "len", [expr]]


def among(expr, low, high):
    return ["in", expr, ["range", const(low), const(high)]]


# What the gallery's briefing and desk say, by hand, since nothing here may know the compiler.
TYPES = {
    "Outline": RecordType("Outline", [Field("topics", ["List", "Text"], where=among(length(FIRST), 1, 12))]),
    "Finding": RecordType(
        "Finding",
        [
            Field("claim", "Text"),
            Field("sources", ["List", "Url"], where=["ge", length(["ref", 0, 1]), const(2)]),
            Field("confidence", "Float", where=among(["ref", 0, 2], 0.0, 1.0)),
        ],
    ),
    "Report": RecordType("Report", [Field("id", "Text"), Field("body", "Text"), Field("cites", ["List", "Url"])]),
    "Review": RecordType(
        "Review", [Field("verdict", ["Enum", "Verdict"]), Field("notes", "Text"), Field("confidence", "Float")]
    ),
    "Brief": RecordType("Brief", [Field("question", "Text"), Field("audience", ["Option", "Text"])]),
    "Everything": RecordType(
        "Everything",
        [
            Field("money", "Money"),
            Field("duration", "Duration"),
            Field("time", "Time"),
            Field("percent", "Percent"),
            Field("rate", "Rate"),
            Field("int", "Int"),
            Field("bool", "Bool"),
            Field("json", "Json"),
            Field("map", ["Map", ["List", "Money"]]),
            Field("maybe", ["Option", ["Record", "Brief"]]),
            Field("tree", ["Record", "Tree"]),
        ],
    ),
    "Tree": RecordType(
        "Tree",
        [
            Field("name", "Text"),
            Field("kids", ["List", ["Record", "Tree"]]),
            Field("up", ["Option", ["Record", "Tree"]]),
        ],
    ),
    "Span": RecordType(
        "Span",
        [
            Field("low", "Int", where=among(["ref", 0, 0], -5, 100)),
            Field("high", "Int", where=["gt", ["ref", 0, 1], ["ref", 0, 0]]),
        ],
    ),
    "Sums": RecordType(
        "Sums",
        [
            Field("total", "Money", where=["eq", ["ref", 0, 0], ["add", "Money", ["ref", 0, 1], ["ref", 0, 2]]]),
            Field("net", "Money", where=["ge", ["ref", 0, 1], const(0)]),
            Field("tax", "Money", where=["lt", ["ref", 0, 2], ["ref", 0, 1]]),
        ],
    ),
    "Check": RecordType("Check", [Field("passed", "Bool"), Field("span", ["Record", "Span"])]),
    "Checks": RecordType("Checks", [Field("checks", ["List", ["Record", "Check"]]), Field("note", ["Option", "Text"])]),
    "Endless": RecordType("Endless", [Field("again", ["Record", "Endless"])]),
}
ENUMS = {"Verdict": EnumType("Verdict", ["accept", "revise"]), "Kind": EnumType("Kind", ["a", "b", "c"])}


def contract(result, *ensures, params=()):
    return Contract("C", list(params), result, ensures=list(ensures))


CONTRACTS = {
    "Plan": contract(["Record", "Outline"]),
    "Research": contract(["Record", "Finding"], ["ge", field("confidence"), const(0.3)]),
    "Write": contract(
        ["Record", "Report"],
        ["ge", length(field("cites", ["ref", 0, 1])), length(["ref", 0, 0])],
        params=[Field("facts", ["List", ["Record", "Finding"]])],
    ),
    "Judge": contract(["Record", "Review"]),
    "Everything": contract(["Record", "Everything"]),
    "Sums": contract(["Record", "Sums"], ["gt", field("net"), const(10**12)]),
    "Checks": contract(
        ["Record", "Checks"],
        ["and", ["call", "all", [["project", field("checks"), "passed"]]], ["eq", length(field("checks")), const(3)]],
        ["ne", field("note"), const(None)],
    ),
    "Nested": contract(
        ["Record", "Check"],
        ["and", ["not", field("passed")], ["ge", field("low", field("span")), const(7)]],
        ["le", field("high", field("span")), ["add", "Int", field("low", field("span")), const(2)]],
    ),
    "Score": contract("Float", ["lt", ["float", RESULT], const(0.25)], ["gt", RESULT, const(0.2)]),
    "Number": contract("Int", among(RESULT, 3, 5), ["ne", RESULT, const(4)]),
    "Kind": contract(["Enum", "Kind"], ["ne", RESULT, const("b")]),
    "OneOf": contract(["Enum", "Kind"], ["in", RESULT, ["list", [const("b"), const("c")]]]),
    "Yes": contract("Bool", RESULT),
    "No": contract("Bool", ["not", RESULT]),
    "Either": contract("Int", ["or", ["eq", ["call", "hash", [RESULT]], const("")], ["ge", RESULT, const(50)]]),
    "Short": contract("Text", among(length(RESULT), 3, 5)),
    "Long": contract("Text", ["ge", length(RESULT), const(100)]),
    "Exact": contract("Text", ["eq", length(RESULT), const(40)]),
    "Says": contract("Text", ["in", const("please"), RESULT]),
    "Link": contract("Url"),
    "Page": contract("Url", ["in", const("docs"), RESULT], ["in", const("https"), RESULT]),
    "Small": contract("Text", ["in", const("refund"), ["call", "lower", [RESULT]]]),
    "Part": contract("Text", ["in", RESULT, const("end of it")]),
    "Pick": contract("Text", ["in", ["ref", 0, 1], ["ref", 0, 0]], params=[Field("names", ["List", "Text"])]),
    "Same": contract(
        ["Record", "Finding"], ["eq", ["ref", 0, 1], ["ref", 0, 0]], params=[Field("f", ["Record", "Finding"])]
    ),
    "None": contract("Nothing"),
    "Any": contract("Json"),
    "Maybe": contract(["Option", ["Record", "Finding"]]),
    "Lists": contract(["List", ["Enum", "Kind"]], ["in", length(RESULT), ["range", const(2), const(4)]]),
    "Empty": contract(["List", "Text"], ["le", length(RESULT), const(0)]),
}
PLAN = Plan(
    "made",
    types=TYPES,
    enums=ENUMS,
    contracts={name: Contract(name, c.params, c.result, ensures=c.ensures) for name, c in CONTRACTS.items()},
    effects={"publish": Effect("publish", [], "Url", key=const("k"))},
    flows={
        "brief": Flow("brief", [Field("brief", ["Record", "Brief"])], "Url", Block([], ["brief"], 1)),
        "pay": Flow(
            "pay",
            [
                Field("amount", "Money", where=["ge", ["ref", 0, 0], ["ref", 0, 2]]),
                Field("by", ["Option", "Text"]),
                Field("least", "Money", default=const(5 * 10**12)),
            ],
            "Nothing",
            Block([], ["amount", "by", "least"], 3),
        ),
    },
)
CODECS = Codecs(PLAN)
KEYS = st.integers(0, 2**64 - 1)


def draws(key, attempt=0):
    return lambda purpose: uniform(key, attempt, purpose)


FACT = {"claim": "c", "sources": ["https://a.org", "https://b.org"], "confidence": 0.5}
INPUTS = {"Write": [[FACT] * 3], "Pick": [["ann", "bob"]], "Same": [FACT]}


@given(KEYS)
def test_what_is_made_is_verified_by_its_contract(key):
    for name in PLAN.contracts:
        inputs = INPUTS.get(name, [])
        CODECS.contract(name).verify(inputs, Maker(PLAN, name, codecs=CODECS).make(inputs, draws(key)))


@given(KEYS, st.floats(-2, 2), st.floats(0, 2))
def test_a_profile_is_cut_off_where_the_contract_ends(key, low, width):
    profile = Profile(
        "x",
        output={
            "confidence": ["uniform", low, low + width],
            "sources": ["size", ["uniform", 0, 4]],
            "": ["normal", low, 10],
        },
    )
    for name in ("Research", "Score", "Number"):
        CODECS.contract(name).verify([], Maker(PLAN, name, profile, codecs=CODECS).make([], draws(key)))


def values_of(name, output, of, runs=2000):
    maker = Maker(PLAN, name, Profile("x", output=output), codecs=CODECS)
    return [of(maker.make([], draws(key))) for key in range(runs)]


def test_a_profile_says_how_fields_are_spread():
    verdicts = values_of("Judge", {"verdict": ["choice", [["accept", 0.85], ["revise", 0.15]]]}, lambda v: v["verdict"])
    assert 0.82 < verdicts.count("accept") / len(verdicts) < 0.88
    sizes = values_of("Plan", {"topics": ["size", ["uniform", 3, 8]]}, lambda v: len(v["topics"]))
    assert set(sizes) == {3, 4, 5, 6, 7, 8}
    lows = values_of("Nested", {"span": ["record", {"low": ["fixed", 50]}]}, lambda v: v["span"]["low"], 20)
    assert set(lows) == {50}
    money = values_of("Everything", {"money": ["fixed", 3 * 10**12], "bool": ["chance", 1.0]}, lambda v: v, 20)
    assert {(v["money"], v["bool"]) for v in money} == {("3", True)}


def test_what_nothing_is_said_about_is_readable_and_distinct():
    outlines = [Maker(PLAN, "Plan").make([], draws(key)) for key in range(3000)]
    topics = [topic for outline in outlines for topic in outline["topics"]]
    assert len(set(topics)) == len(topics) == 3000
    assert topics[0].startswith("topic ")
    found = Maker(PLAN, "Research").make([], draws(1))
    assert len(set(found["sources"])) == 2
    assert all(source.startswith("https://example.org/") for source in found["sources"])
    briefs = [make_inputs(PLAN, "brief", {}, draws(key))["brief"]["audience"] for key in range(1000)]
    assert 430 < briefs.count(None) < 570


def test_one_key_gives_one_value_and_each_place_has_its_own_uniform():
    for name in PLAN.contracts:
        inputs = INPUTS.get(name, [])
        maker, asked = Maker(PLAN, name, Profile("x", output={"sources": ["size", ["fixed", 9]]})), []
        first = maker.make(inputs, lambda purpose: asked.append(purpose) or uniform(7, 0, purpose))  # noqa: B023
        assert len(set(asked)) == len(asked), name
        assert all(0 < purpose < 2**32 for purpose in asked)
        assert equal(maker.make(inputs, draws(7)), first)


def test_a_change_of_one_field_leaves_the_draws_of_the_others_alone():
    plain = Maker(PLAN, "Judge").make([], draws(5))
    other = Maker(PLAN, "Judge", Profile("x", output={"verdict": ["fixed", "revise"]})).make([], draws(5))
    assert (plain["notes"], plain["confidence"]) == (other["notes"], other["confidence"])


@given(KEYS)
def test_garbage_is_refused_by_every_contract(key):
    for name in PLAN.contracts:
        inputs = INPUTS.get(name, [])
        garbage = Maker(PLAN, name, codecs=CODECS).broken("garbage", inputs, draws(key))
        with pytest.raises(Unverified):
            CODECS.contract(name).verify(inputs, garbage)


@given(KEYS)
def test_mistaken_values_are_valid_but_others(key):
    for kind in ("wrong", "conflicting"):
        for name in PLAN.contracts:
            inputs = INPUTS.get(name, [])
            maker = Maker(PLAN, name, codecs=CODECS)
            CODECS.contract(name).verify(inputs, maker.broken(kind, inputs, draws(key)))
        right, mistaken = (Maker(PLAN, "Judge").make([], draws(key)), Maker(PLAN, "Judge").broken(kind, [], draws(key)))
        assert right["verdict"] != mistaken["verdict"]
        assert right["notes"] != mistaken["notes"]
        assert right["confidence"] != mistaken["confidence"]


def test_other_faults_of_outputs():
    codec = CODECS.contract("Judge")
    review = {"verdict": "accept", "notes": "n", "confidence": 0.5}
    assert broken("truncated", review, codec) == '{"verdict": "accept", "note'
    assert broken("truncated", "abcdef", codec) == "abc"
    assert [broken("empty", value, codec) for value in (review, [1], "a", 3)] == [{}, [], "", None]
    for kind in ("truncated", "empty", "oversize"):
        with pytest.raises(Unverified):
            codec.verify([], broken(kind, review, codec))
    with pytest.raises(Unverified, match="at most 1048576 characters"):
        CODECS.contract("Says").verify([], broken("oversize", "please", codec))
    with pytest.raises(PlanError, match="'wrong'"):
        broken("wrong", review, codec)


def test_receipts_of_effects_are_made_too():
    maker = Maker(PLAN, "publish", codecs=CODECS)
    assert maker.make([], draws(3)).startswith("https://example.org/")
    with pytest.raises(InvalidValue):
        CODECS.effect("publish").decode_result(maker.broken("garbage", [], draws(3)))


@given(KEYS)
def test_inputs_of_flows_are_given_or_made(key):
    inputs = InputMaker(PLAN, "pay", codecs=CODECS).make(draws(key))
    assert set(inputs) == {"amount", "by"}, "what has a default keeps it"
    assert CODECS.flow("pay").decode_inputs(inputs)[0] >= 5 * 10**12
    brief = make_inputs(PLAN, "brief", {"brief": ["record", {"question": ["fixed", "Why?"]}]}, draws(key))
    assert brief["brief"]["question"] == "Why?"
    CODECS.flow("brief").decode_inputs(brief)


def test_a_parameter_is_drawn_at_its_own_number():
    asked = []
    make_inputs(PLAN, "pay", {"least": ["fixed", 1]}, lambda purpose: asked.append(purpose) or 0.5)
    assert {INPUT, INPUT + 1, INPUT + 2} <= set(asked)


def test_what_cannot_be_made_is_said_when_it_is_compiled():
    plan = Plan("bad", types=TYPES, contracts={"Endless": Contract("Endless", [], ["Record", "Endless"])})
    with pytest.raises(PlanError, match="always contains another"):
        Maker(plan, "Endless")
    with pytest.raises(PlanError, match="no contract, effect or signal called Nobody"):
        Maker(plan, "Nobody")
    with pytest.raises(PlanError, match="no flow called nobody"):
        InputMaker(plan, "nobody")
    with pytest.raises(PlanError):
        Maker(PLAN, "Judge", Profile("x", output={"confidence": ["unknown", 1]}))


def test_conditions_that_are_not_understood_demand_nothing():
    conditions = [
        ["or", ["eq", ["call", "hash", [RESULT]], const("x")], ["eq", ["call", "text", [RESULT]], const("y")]],
        ["eq", ["div", "Float", const(1), const(0)], RESULT],
        ["le", RESULT, ["index", ["ref", 0, 0], const(0)]],
    ]
    for condition in conditions:
        plan = Plan("odd", contracts={"Odd": Contract("Odd", [], "Int", ensures=[condition])})
        made = Maker(plan, "Odd").make([], draws(1))
        assert made is None or type(made) is int
