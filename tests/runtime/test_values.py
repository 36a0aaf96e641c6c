"""The edge: what each type accepts and gives back, how errors name the place, and how results are verified."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchspec.compiler.plan import Block, Contract, Effect, EnumType, Field, Flow, Plan, PlanError, RecordType
from orchspec.runtime.kernel.arithmetic import DURATION_MAX_US, ITEMS_MAX, MONEY_MAX_PICO, TEXT_MAX
from orchspec.runtime.kernel.values import Codecs, InvalidValue, Unverified, codec_of

CONFIDENCE = ["in", ["ref", 0, 2], ["range", ["const", 0.0], ["const", 1.0]]]
SOURCES = ["ge", ["call", "len", [["ref", 0, 1]]], ["const", 2]]
FINDING = [
    Field("claim", "Text"),
    Field("sources", ["List", "Url"], where=SOURCES),
    Field("confidence", "Float", where=CONFIDENCE),
]
PLAN = Plan(
    "values",
    types={
        "Finding": RecordType("Finding", FINDING),
        "Bill": RecordType(
            "Bill",
            [
                Field("total", "Money"),
                Field("due", ["Option", "Time"]),
                Field("parts", ["Map", "Money"], default=["const", {}]),
                Field("tip", "Money", default=["ref", 0, 0]),
            ],
        ),
        "Tree": RecordType("Tree", [Field("name", "Text"), Field("kids", ["List", ["Record", "Tree"]])]),
        "Odd": RecordType("Odd", [Field("even", ["Option", ["Record", "Even"]])]),
        "Even": RecordType("Even", [Field("odd", ["Option", ["Record", "Odd"]])]),
    },
    enums={"Verdict": EnumType("Verdict", ["accept", "revise"])},
    contracts={
        "Research": Contract(
            "Research",
            [
                Field("topic", "Text"),
                Field("most", "Int", where=["gt", ["ref", 0, 1], ["const", 0]], default=["const", 3]),
                Field("notes", ["Option", "Text"]),
            ],
            ["Record", "Finding"],
            ensures=[
                ["ge", ["field", ["ref", 0, 3], "confidence"], ["const", 0.3]],
                ["le", ["call", "len", [["field", ["ref", 0, 3], "sources"]]], ["ref", 0, 1]],
            ],
            ensures_text=["result.confidence >= 0.3"],
        ),
        "Divide": Contract(
            "Divide", [], "Int", ensures=[["eq", ["div", "Float", ["const", 6], ["ref", 0, 0]], ["const", 2]]]
        ),
    },
    effects={"retract": Effect("retract", [Field("url", "Url")], "Nothing", key=["ref", 0, 0])},
    flows={"pay": Flow("pay", [Field("amount", "Money")], ["Record", "Bill"], Block([], ["amount"], 1))},
)
CODECS = Codecs(PLAN)
GOOD = {"claim": "x", "sources": ["https://a.org/1", "https://b.org/2"], "confidence": 0.5}


@pytest.mark.parametrize(
    ("type_", "edge", "inner"),
    [
        ("Text", "naïve ☂", "naïve ☂"),
        ("Int", -(2**63), -(2**63)),
        ("Int", 3.0, 3),
        ("Float", 2, 2.0),
        ("Float", -0.25, -0.25),
        ("Percent", 1, 1.0),
        ("Rate", 0.5, 0.5),
        ("Bool", False, False),
        ("Url", "https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
        ("Url", "mailto:a@example.org", "mailto:a@example.org"),
        ("Url", "file:///etc/hosts", "file:///etc/hosts"),
        ("Money", "4.00", 4 * 10**12),
        ("Money", "-0.000000000001", -1),
        ("Money", "1.50000000000000000000", 15 * 10**11),
        ("Money", 0.1, 10**11),
        ("Money", 12, 12 * 10**12),
        ("Duration", 1.5, 1_500_000),
        ("Duration", -2, -2_000_000),
        ("Duration", 0.0000005, 0),
        ("Time", "1970-01-01T00:00:00Z", 0),
        ("Time", "1969-12-31T23:59:59.5Z", -500_000),
        ("Time", "2024-02-29T12:30:00.123456789+01:30", 1_709_204_400_123_457),
        ("Time", "0001-01-01t00:00:00z", -62_135_596_800_000_000),
        ("Json", {"a": [1, None, True, "x", 0.5]}, {"a": [1, None, True, "x", 0.5]}),
        ("Json", None, None),
        ("Nothing", None, None),
        (["Enum", "Verdict"], "revise", "revise"),
        (["Option", "Money"], None, None),
        (["Option", "Money"], "1", 10**12),
        (["List", "Duration"], [1, 2], [1_000_000, 2_000_000]),
        (["Map", "Money"], {"a": 1}, {"a": 10**12}),
        (["Record", "Bill"], {"total": 2}, {"total": 2 * 10**12, "due": None, "parts": {}, "tip": 2 * 10**12}),
    ],
)
def test_each_type_takes_its_values(type_, edge, inner):
    found = CODECS.of(type_).decode(edge)
    assert found == inner
    assert type(found) is type(inner)


@pytest.mark.parametrize(
    ("type_", "edge", "message"),
    [
        ("Text", 1, "value: expected Text, found 1"),
        ("Text", "\ud800", "half a surrogate pair"),
        ("Text", "x" * (TEXT_MAX + 1), "at most 1048576 characters, found 1048577"),
        ("Int", True, "expected Int, found true"),
        ("Int", 1.5, "expected Int, found 1.5"),
        ("Int", 2.0**60, "expected Int, found"),
        ("Int", 2**63, "expected Int of 64 bits"),
        ("Float", float("nan"), "expected Float, found nan"),
        ("Float", float("inf"), "expected Float, found inf"),
        ("Float", 10**400, "expected Float, found an integer"),
        ("Float", True, "expected Float, found true"),
        ("Percent", 75, "a share, 0 to 1.*found 75"),
        ("Rate", -1, "0 or more.*found -1"),
        ("Bool", 1, "expected Bool, found 1"),
        ("Url", "example.org", 'expected Url, found "example.org"'),
        ("Url", "https://", "expected Url"),
        ("Url", "https:example.org", "expected Url"),
        ("Url", "https://a b", "expected Url"),
        ("Url", "https://a.org\n", "expected Url"),
        ("Url", 12, "expected Url, found 12"),
        ("Money", "4.0000000000001", "expected Money"),
        ("Money", "$4", "expected Money"),
        ("Money", "1e3", "expected Money"),
        ("Money", "٤", "expected Money"),
        ("Money", True, "expected Money.*found true"),
        ("Money", 10**16, "at most 10\\^15 USD"),
        ("Money", 1e300, "at most 10\\^15 USD"),
        ("Duration", "5s", "expected Duration"),
        ("Duration", 1e300, "at most 142 years"),
        ("Duration", float("nan"), "expected Duration"),
        ("Time", "2023-02-29T00:00:00Z", "expected Time"),
        ("Time", "1900-02-29T00:00:00Z", "expected Time"),
        ("Time", "2023-04-31T00:00:00Z", "expected Time"),
        ("Time", "2023-01-01T24:00:00Z", "expected Time"),
        ("Time", "2023-01-01T23:59:60Z", "expected Time"),
        ("Time", "2023-01-01T00:00:00", "expected Time"),
        ("Time", "0000-01-01T00:00:00Z", "years 0001 to 9999"),
        ("Time", "9999-12-31T23:59:59-00:01", "years 0001 to 9999"),
        ("Time", 5, "expected Time"),
        ("Json", {1: 2}, "expected Text, found 1"),
        ("Json", [float("inf")], "found inf"),
        ("Json", [object()], "a Python object"),
        ("Json", [2**64], "64 bits"),
        ("Json", [[0] * 1000] * 100, "at most 100000 values"),
        ("Nothing", 0, "expected null, found 0"),
        (["Enum", "Verdict"], "maybe", 'expected Verdict \\(accept, revise\\), found "maybe"'),
        (["Enum", "Verdict"], ["accept"], "found a list of 1"),
        (["List", "Int"], [1, "x"], 'value: expected Int|\\[1\\]: expected Int, found "x"'),
        (["List", "Int"], (1,), "found a list of 1"),
        (["List", "Int"], [0] * (ITEMS_MAX + 1), "at most 100000 items, found 100001"),
        (["Map", "Int"], {"a": "x"}, '\\["a"\\]: expected Int'),
        (["Map", "Int"], {1: 1}, "\\[1\\]: expected Text"),
        (["Record", "Finding"], [], "expected Finding, found an empty list"),
        (["Record", "Finding"], {"claim": "x"}, "sources: expected a value, found nothing"),
        (["Record", "Finding"], {**GOOD, "extra": 1}, "only the fields of Finding .* found the unknown field"),
        (["Record", "Finding"], {**GOOD, 3: 1}, "the unknown field 3"),
        (["Record", "Finding"], {**GOOD, "confidence": 2}, "confidence: expected confidence in 0.0..1.0, found 2.0"),
        (["Record", "Finding"], {**GOOD, "sources": ["https://a.org"]}, "len\\(sources\\) >= 2, found a list of 1"),
        (["Record", "Finding"], {**GOOD, "sources": ["https://a.org", 12]}, "sources\\[1\\]: expected Url, found 12"),
    ],
)
def test_what_is_no_value_of_its_type_is_refused_with_its_place(type_, edge, message):
    with pytest.raises(InvalidValue, match=message):
        CODECS.of(type_).decode(edge)


def test_nothing_is_copied_where_nothing_changes():
    for type_, edge in (
        (["Record", "Finding"], GOOD),
        (["List", ["Record", "Finding"]], [GOOD, GOOD]),
        (["Map", "Int"], {"a": 1}),
        ("Json", {"a": [1]}),
    ):
        codec = CODECS.of(type_)
        assert codec.decode(edge) is edge
        assert codec.identity is True
        assert codec.encode(edge) is edge


def test_values_given_are_never_changed_in_place():
    edge = [{"total": 2}]
    CODECS.of(["List", ["Record", "Bill"]]).decode(edge)
    assert edge == [{"total": 2}]


def scalars():
    return {
        "Text": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        "Int": st.integers(-(2**63), 2**63 - 1),
        "Float": st.floats(allow_nan=False, allow_infinity=False),
        "Bool": st.booleans(),
        "Money": st.integers(-MONEY_MAX_PICO, MONEY_MAX_PICO),
        "Duration": st.integers(-DURATION_MAX_US, DURATION_MAX_US),
        "Time": st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
        "Percent": st.floats(0, 1),
    }


def typed():
    """A type, and the strategy of its inner values."""
    leaves = st.sampled_from(sorted(scalars())).map(lambda name: (name, scalars()[name]))
    return st.recursive(
        leaves,
        lambda inner: (
            inner.map(lambda pair: (["List", pair[0]], st.lists(pair[1], max_size=3)))
            | inner.map(lambda pair: (["Option", pair[0]], st.none() | pair[1]))
            | inner.map(lambda pair: (["Map", pair[0]], st.dictionaries(scalars()["Text"], pair[1], max_size=3)))
        ),
        max_leaves=4,
    )


@given(st.data(), typed())
def test_decoding_what_was_encoded_gives_the_value_back(data, pair):
    type_, values = pair
    inner = data.draw(values)
    codec = codec_of(type_, PLAN)
    assert codec.decode(codec.encode(inner)) == inner
    if codec.identity:
        assert codec.encode(inner) is inner


@given(st.data(), typed(), typed())
def test_records_give_their_values_back_too(data, first, second):
    fields = [Field("a", first[0]), Field("b", second[0])]
    plan = Plan("made", types={"R": RecordType("R", fields)})
    inner = {"a": data.draw(first[1]), "b": data.draw(second[1])}
    codec = codec_of(["Record", "R"], plan)
    assert codec.decode(codec.encode(inner)) == inner


@given(st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)))  # noqa: DTZ001 - made aware below
def test_times_are_those_of_the_standard_library(moment):
    moment = moment.replace(tzinfo=dt.UTC)
    us = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    codec = CODECS.of("Time")
    assert codec.decode(moment.isoformat()) == us
    assert dt.datetime.fromisoformat(codec.encode(us)) == moment


@given(st.decimals(-(10**14), 10**14, places=12))
def test_money_is_exact_decimal(usd):
    pico = CODECS.of("Money").decode(f"{usd:f}")
    assert pico == int(usd * 10**12)
    assert Decimal(CODECS.of("Money").encode(pico)) == usd


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=10))
def test_any_value_is_decoded_or_refused_by_any_type(value):
    for type_ in (*scalars(), "Url", "Rate", "Json", "Nothing", ["List", "Money"], ["Record", "Finding"]):
        assert len(refusal(type_, value)) < 600


def refusal(type_, value):
    try:
        CODECS.of(type_).decode(value)
    except InvalidValue as error:
        return str(error)
    return ""


def test_an_integer_that_python_would_not_print_is_refused_in_words():
    assert refusal("Int", 10**6000) == "value: expected Int of 64 bits, found an integer of 19932 bits"


def nested(levels, empty, wrap):
    value = empty
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    ("type_", "empty", "wrap"),
    [
        (["Record", "Tree"], {"name": "leaf", "kids": []}, lambda kid: {"name": "x", "kids": [kid]}),
        (["Record", "Odd"], {}, lambda inner: {"even": {"odd": inner}}),
        (["Record", "Even"], {}, lambda inner: {"odd": {"even": inner}}),
        ("Json", 0, lambda inner: [inner]),
    ],
)
def test_values_that_contain_themselves_are_read_to_a_depth(type_, empty, wrap):
    codec = codec_of(type_, PLAN)
    edge = nested(60, empty, wrap)
    assert codec.decode(codec.encode(codec.decode(edge))) == codec.decode(edge)
    for levels in (66, 50_000):
        with pytest.raises(InvalidValue, match="at most 64 levels"):
            codec.decode(nested(levels, empty, wrap))
    assert codec.decode(edge), "a refused value leaves no level counted"


@pytest.mark.parametrize(
    "type_",
    ["Number", ["Record", "Nobody"], ["Enum", "Nothing"], ["Set", "Int"], ["List"], 5, None, ["List", 5], [1, 2]],
)
def test_a_type_that_no_compiler_writes_is_refused(type_):
    with pytest.raises(PlanError):
        CODECS.of(type_)


def test_a_type_too_deep_is_refused():
    with pytest.raises(PlanError, match="deeper than 64"):
        CODECS.of(nested(100_000, "Int", lambda inner: ["List", inner]))


# ------------------------------------------------------------------ handoffs


def test_inputs_come_in_the_order_of_the_parameters_with_defaults():
    codec = CODECS.contract("Research")
    assert codec.decode_inputs({"notes": "n", "topic": "t"}) == ["t", 3, "n"]
    assert codec.decode_inputs({"topic": "t"}) == ["t", 3, None]
    assert codec.encode_inputs(["t", 3, None]) == {"topic": "t", "most": 3, "notes": None}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "expected the inputs of Research by name, found an empty list"),
        ({}, "topic: expected a value, found nothing"),
        ({"topic": 1}, "topic: expected Text, found 1"),
        ({"topic": "t", "most": 0}, "most: expected most > 0, found 0"),
        ({"topic": "t", "more": 1}, "unknown field"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs, message):
    with pytest.raises(InvalidValue, match=message):
        CODECS.contract("Research").decode_inputs(inputs)


def test_a_computed_argument_is_checked_where_it_crosses():
    with pytest.raises(InvalidValue, match="most: expected most > 0, found -1"):
        CODECS.contract("Research").encode_inputs(["t", -1, None])


def test_a_verified_output_is_the_value_itself():
    assert CODECS.contract("Research").verify(["t", 3, None], GOOD) is GOOD


@pytest.mark.parametrize(
    ("output", "most", "reason"),
    [
        ({**GOOD, "confidence": 0.1}, 3, "ensures result.confidence >= 0.3 does not hold (result.confidence is 0.1)"),
        (GOOD, 1, "ensures len(result.sources) <= most does not hold (len(result.sources) is 2, most is 1)"),
        ({**GOOD, "claim": 7}, 3, "result.claim: expected Text, found 7"),
        ("sorry", 3, 'result: expected Finding, found "sorry"'),
    ],
)
def test_an_unverified_output_says_why_to_the_next_attempt(output, most, reason):
    with pytest.raises(Unverified) as caught:
        CODECS.contract("Research").verify(["t", most, None], output)
    assert caught.value.reason == reason


def test_an_ensures_that_cannot_be_evaluated_leaves_the_output_unverified():
    codec = CODECS.contract("Divide")
    assert codec.verify([], 3) == 3
    with pytest.raises(Unverified, match="ensures 6 / result == 2 cannot be evaluated: division by zero: 6 / 0"):
        codec.verify([], 0)


def test_flows_and_effects_cross_in_the_same_manner():
    flow, effect = CODECS.flow("pay"), CODECS.effect("retract")
    assert flow.decode_inputs({"amount": "2.50"}) == [2_500_000_000_000]
    result = flow.decode_result({"total": 1, "due": "2026-01-01T00:00:00Z"})
    assert flow.encode_result(result) == {"total": "1", "due": "2026-01-01T00:00:00Z", "parts": {}, "tip": "1"}
    assert effect.encode_inputs(["https://a.org"]) == {"url": "https://a.org"}
    assert effect.decode_result(None) is None
    with pytest.raises(InvalidValue, match="result: expected null, found 1"):
        effect.decode_result(1)


def test_codecs_are_compiled_once():
    assert CODECS.contract("Research") is CODECS.contract("Research")
    assert CODECS.flow("pay") is CODECS.flow("pay")
    assert CODECS.effect("retract") is CODECS.effect("retract")
    assert CODECS.of(["List", "Int"]) is CODECS.of(["List", "Int"])
