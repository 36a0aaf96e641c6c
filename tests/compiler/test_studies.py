"""Profiles, scenarios and tests: each mistake once, with its code and place, and what a sound one is lowered to."""

import math

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.studies.faults import CRASH_POINTS, FAULTS
from orchspec.compiler.studies.kpis import KPIS, STATISTICS

SECOND = 1_000_000
DOLLAR = 10**12

PRELUDE = """orch 1
enum Verdict { accept, revise }
type Part { weight: Float  kind: Verdict }
type Note {
  text: Text  score: Float where score in 0.0..1.0  count: Int  price: Money  took: Duration  share: Percent
  good: Bool  verdict: Verdict  tags: List<Text>  part: Part  link: Url?
}
model large { input = $3 / 1M  output = $15 / 1M  context = 200k }
tool search { slots = 2 }
tool archive { slots = 2 }
contract Draft(topic: Text) -> Note
contract Count(topic: Text) -> Int
agent ann fulfills Draft { models = [large]  tools = [search]  timeout = 30s }
agent bob fulfills Draft, Count { timeout = 30s }
human eve fulfills Draft { timeout = 1h }
effect publish(note: Note) -> Url { key = note.text }
effect log(note: Note) { key = note.text }
param think: Duration = 5s
flow work(topic: Text, size: Int?) -> Note {
  step draft = Draft(topic) by ann
  step second = Draft(topic) by eve { only_if = size != none }
  step third = Count(topic) by bob
  fail "few" when third < 0 and second != none
  checkpoint drafted
  step url = publish(draft)
  step logged = log(draft)
  return draft
}
"""
NOTE = (
    '{ text: "a", score: 0.5, count: 1, price: $2.50, took: 90s, share: 5%, good: true, verdict: Verdict.accept, '
    'tags: ["x"], part: { weight: 1, kind: "revise" } }'
)


def found(text, folder=None):
    """(code, text of the span) of each error."""
    compiled = compile_text(PRELUDE + text, "spec.orch", folder=folder)
    return [(each.code.id, each.span.text) for each in compiled.errors]


def plan_of(text, folder=None):
    compiled = compile_text(PRELUDE + text, "spec.orch", folder=folder)
    assert compiled.plan is not None, [(each.code.id, each.message) for each in compiled.diagnostics]
    return compiled.plan


def scenario(items):
    return f'scenario "s" for work {{ {items} }}'


def spec_test(items):
    return f'test "t" for work {{ {items} }}'


# ------------------------------------------------------------------ distributions


@pytest.mark.parametrize(
    ("latency", "dist"),
    [
        ("5s", ["fixed", 5 * SECOND]),
        ("think", ["fixed", 5 * SECOND]),
        ("fixed(2 * think)", ["fixed", 10 * SECOND]),
        ("uniform(1s, 3s)", ["uniform", SECOND, 3 * SECOND]),
        ("normal(mean: 2s, sd: 500ms)", ["normal", 2 * SECOND, SECOND // 2]),
        ("lognormal(p50: 4s, p95: 11s)", ["lognormal", 4 * SECOND, 11 * SECOND]),
        ("exponential(mean: 10s)", ["exponential", 10 * SECOND]),
        ("gamma(shape: 2, scale: 3s)", ["gamma", 2.0, 3 * SECOND]),
        ("pareto(min: 1s, alpha: 1.5)", ["pareto", SECOND, 1.5]),
        ("choice(1s, 2s)", ["choice", [[SECOND, 0.5], [2 * SECOND, 0.5]]]),
        ("choice(25%: 1s, 75%: 2s)", ["choice", [[SECOND, 0.25], [2 * SECOND, 0.75]]]),
        (
            "mixture(90%: fixed(1s), 10%: exponential(mean: 1min))",
            ["mixture", [[0.9, ["fixed", SECOND]], [0.1, ["exponential", 60 * SECOND]]]],
        ),
    ],
)
def test_a_time_is_sampled_in_microseconds(latency, dist):
    assert plan_of(f"profile ann {{ latency = {latency} }}").profiles["ann"].latency == dist


@pytest.mark.parametrize(
    ("field", "dist"),
    [
        ("score: uniform(0.4, 0.9)", ["uniform", 0.4, 0.9]),
        ("score: uniform(0, 1)", ["uniform", 0.0, 1.0]),
        ("count: uniform(1, 4)", ["uniform", 1.0, 4.0]),
        ("count: choice(1, 2)", ["choice", [[1, 0.5], [2, 0.5]]]),
        ("price: lognormal(p50: $1, p95: $3)", ["lognormal", DOLLAR, 3 * DOLLAR]),
        ("took: exponential(mean: 1min)", ["exponential", 60 * SECOND]),
        ("share: uniform(5%, 10%)", ["uniform", 0.05, 0.1]),
        ("good: chance(30%)", ["chance", 0.3]),
        ("good: true", ["fixed", True]),
        ("verdict: choice(accept: 85%, revise: 15%)", ["choice", [["accept", 0.85], ["revise", 0.15]]]),
        ("verdict: Verdict.revise", ["fixed", "revise"]),
        ("tags: size(uniform(3, 8))", ["size", ["uniform", 3.0, 8.0]]),
        ("tags: size(2)", ["size", ["fixed", 2]]),
        ('text: choice("a", "b")', ["choice", [["a", 0.5], ["b", 0.5]]]),
        ("link: none", ["fixed", None]),
        ('link: "https://a.example"', ["fixed", "https://a.example"]),
        (
            "part: { weight: uniform(1, 2), kind: choice(accept: 100%) }",
            ["record", {"weight": ["uniform", 1.0, 2.0], "kind": ["choice", [["accept", 1.0]]]}],
        ),
    ],
)
def test_a_field_is_sampled_in_its_inner_form(field, dist):
    name = field.partition(":")[0]
    assert plan_of(f"profile ann {{ output = {{ {field} }} }}").profiles["ann"].output == {name: dist}


def test_a_profile_says_all_that_an_agent_does():
    profile = plan_of(
        """profile ann {
  tokens_in = normal(4k, 1k)  tokens_out = fixed(300)  cost = $0.02
  failure = 2%  garbage = 0.5%  never = 1%  calls = { search: uniform(1, 4) }
}
profile orchestrator { journal_write = fixed(2ms) }
"""
    ).profiles
    ann = profile["ann"]
    assert (ann.tokens_in, ann.tokens_out, ann.cost) == (
        ["normal", 4000.0, 1000.0],
        ["fixed", 300],
        ["fixed", DOLLAR // 50],
    )
    assert (ann.failure, ann.garbage, ann.never) == (0.02, 0.005, 0.01)
    assert ann.calls == {"search": ["uniform", 1, 4]}
    # Ends that are whole stay whole, or the ends would be drawn half as often as what lies between.
    assert {type(end) for end in ann.calls["search"][1:]} == {int}
    assert ann.latency == ["fixed", SECOND]
    assert profile["orchestrator"].journal_write == ["fixed", 2000]


def test_a_result_that_is_no_record_is_sampled_as_a_whole():
    assert plan_of("profile bob { output = uniform(1, 9) }").profiles["bob"].output == {"": ["uniform", 1.0, 9.0]}


@pytest.mark.parametrize(
    ("body", "code", "at"),
    [
        ("latency = lognorml(p50: 1s, p95: 2s)", "E0901", "lognorml"),
        ("latency = chance(3%)", "E0902", "chance(3%)"),
        ("latency = size(3)", "E0902", "size(3)"),
        ("output = { good: uniform(0, 1) }", "E0902", "uniform(0, 1)"),
        ("output = { verdict: uniform(0, 1) }", "E0902", "uniform(0, 1)"),
        ("output = { score: choice(accept: 100%) }", "E0902", "choice(accept: 100%)"),
        ("latency = lognormal(p50: 5s, p95: 2s)", "E0903", "lognormal(p50: 5s, p95: 2s)"),
        ("latency = uniform(3s, 1s)", "E0903", "uniform(3s, 1s)"),
        ("latency = exponential(mean: 0s)", "E0903", "exponential(mean: 0s)"),
        ("latency = gamma(shape: 0, scale: 1s)", "E0903", "gamma(shape: 0, scale: 1s)"),
        ("latency = pareto(min: 1s, alpha: 0.01)", "E0903", "pareto(min: 1s, alpha: 0.01)"),
        ("latency = fixed(-1s)", "E0903", "fixed(-1s)"),
        ("latency = mixture(50%: 1s, 40%: 2s)", "E0903", "mixture(50%: 1s, 40%: 2s)"),
        ("latency = mixture(1s, 2s)", "E0903", "1s"),
        ("output = { verdict: choice(accept: 85%, revise: 10%) }", "E0903", "choice(accept: 85%, revise: 10%)"),
        ("output = { verdict: choice(accept: 85%, revize: 15%) }", "E0208", "revize"),
        ("latency = lognormal(p50: 1s)", "E0308", "lognormal(p50: 1s)"),
        ("latency = lognormal(p50: 1s, p99: 2s)", "E0309", "p99"),
        ("latency = lognormal(p50: $1, p95: $2)", "E0301", "$1"),
        ("latency = 3", "E0301", "3"),
        ("tokens_in = 3s", "E0301", "3s"),
        ("failure = 0.02", "E0301", "0.02"),
        ("failure = 120%", "E0903", "120%"),
        ("latency = fixed(thinc)", "E0201", "thinc"),
        ("speed = 1s", "E0401", "speed"),
        ("latency = 1s  latency = 2s", "E0402", "latency"),
        ("journal_write = 1s", "E0401", "journal_write"),
        ("calls = { serch: 2 }", "E0201", "serch"),
        ("calls = { archive: 2 }", "E0906", "archive"),
        ("calls = { ann: 2 }", "E0203", "ann"),
        ("calls = 3", "E0301", "3"),
        ("output = { scores: uniform(0, 1) }", "E0905", "scores"),
        ("output = uniform(0, 1)", "E0905", "uniform(0, 1)"),
        ("output = { part: { weigth: 2 } }", "E0207", "weigth"),
        ("output = { score: 1.5 }", "E0318", "1.5"),
        ("output = { score: uniform(0.5, 1.5) }", "E0318", "uniform(0.5, 1.5)"),
    ],
)
def test_a_mistake_in_a_profile_is_told_once(body, code, at):
    assert found(f"profile ann {{ {body} }}") == [(code, at)]


def test_profiles_are_for_something_that_can_have_one_and_only_once():
    assert found("profile anne { latency = 1s }") == [("E0201", "anne")]
    assert found("profile work { latency = 1s }") == [("E0203", "work")]
    assert found("profile ann { latency = 1s } profile ann { latency = 2s }") == [("E0202", "ann")]
    assert found("profile search { tokens_in = 3 }") == [("E0401", "tokens_in")]
    assert found("profile orchestrator { latency = 1s }") == [("E0401", "latency")]


# ------------------------------------------------------------------ data files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "times.csv").write_text("WHEN,seconds,word\n2023-11-16 18:15:46.6805900,1.5,a\n", "utf-8")
    (tmp_path / "data" / "empty.csv").write_text("seconds\n", "utf-8")
    (tmp_path / "data" / "bytes.csv").write_bytes(b"seconds\n\xff\xfe\n")
    return tmp_path


def test_columns_of_files_beside_the_spec_are_taken(folder):
    plan = plan_of(
        'profile ann { latency = empirical("data/times.csv", seconds) }'
        + scenario('arrivals = trace("data/times.csv", "WHEN")'),
        folder,
    )
    assert plan.profiles["ann"].latency == ["empirical", "data/times.csv", "seconds"]
    assert plan.scenarios[0].arrivals == ["trace", "data/times.csv", "WHEN"]


@pytest.mark.parametrize(
    ("file", "column", "said"),
    [
        ("data/none.csv", "seconds", "no file"),
        ("data/times.csv", "second", 'did you mean "seconds"'),
        ("data/times.csv", "word", "not a number"),
        ("data/times.csv", "WHEN", "not a number"),
        ("data/empty.csv", "seconds", "no rows"),
        ("data/bytes.csv", "seconds", "not UTF-8"),
        ("../times.csv", "seconds", "outside"),
        ("/etc/passwd", "seconds", "outside"),
        ("C:\\\\times.csv", "seconds", "outside"),
        ("data", "seconds", "no file"),
    ],
)
def test_a_data_file_that_cannot_be_used_is_refused(folder, file, column, said):
    compiled = compile_text(
        PRELUDE + f'profile ann {{ latency = empirical("{file}", {column}) }}', "spec.orch", folder=folder
    )
    errors = [each for each in compiled.diagnostics if each.severity == "error"]
    assert [each.code.id for each in errors] == ["E0904"]
    assert said in errors[0].message


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.csv"
    outside.write_text("seconds\n1\n", "utf-8")
    (folder / "link.csv").symlink_to(outside)
    assert found('profile ann { latency = empirical("link.csv", seconds) }', folder) == [
        ("E0904", 'empirical("link.csv", seconds)')
    ]


def test_a_text_without_a_folder_has_no_data_files():
    assert [code for code, _ in found('profile ann { latency = empirical("a.csv", b) }')] == ["E0904"]


# ------------------------------------------------------------------ scenarios


@pytest.mark.parametrize(
    ("arrivals", "lowered"),
    [
        ("poisson(30 / 1min)", ["poisson", 0.5]),
        ("every(10s)", ["every", 10 * SECOND]),
        (
            "burst(calm: 1 / 1s, peak: 5 / 1s, every: 1h, lasting: 5min)",
            ["burst", 1.0, 5.0, 3600 * SECOND, 300 * SECOND],
        ),
        ("closed(users: 10, think: exponential(mean: 3s))", ["closed", 10, ["exponential", 3 * SECOND]]),
    ],
)
def test_arrivals_are_lowered_to_rates_a_second_and_microseconds(arrivals, lowered):
    plan = plan_of(scenario(f"arrivals = {arrivals}  duration = 2h  warmup = auto"))
    made = plan.scenarios[0]
    assert (made.arrivals, made.duration_us, made.runs, made.warmup) == (lowered, 7200 * SECOND, None, "auto")


def test_given_values_are_distributions():
    made = plan_of(scenario('runs = 10  given = { topic: "a", size: uniform(1, 3) }')).scenarios[0]
    assert made.given == {"topic": ["fixed", "a"], "size": ["uniform", 1.0, 3.0]}
    assert (made.arrivals, made.runs, made.warmup) == (None, 10, 0)


@pytest.mark.parametrize(
    ("items", "code", "at"),
    [
        ("arrivals = poison(1 / 1s)  duration = 1h", "E0908", "poison"),
        ("arrivals = poisson  duration = 1h", "E0908", "poisson"),
        ("arrivals = poisson(3)  duration = 1h", "E0301", "3"),
        ("arrivals = poisson(0 / 1s)  duration = 1h", "E0909", "0 / 1s"),
        ("arrivals = every(1min, 2min)  duration = 1h", "E0311", "every(1min, 2min)"),
        (
            "arrivals = burst(calm: 1 / 1s, peak: 5 / 1s, every: 1min, lasting: 2min)  duration = 1h",
            "E0909",
            "burst(calm: 1 / 1s, peak: 5 / 1s, every: 1min, lasting: 2min)",
        ),
        ("arrivals = every(1min)", "E0910", '"s"'),
        ("expect completion == 100%", "E0910", '"s"'),
        ("arrivals = every(1min)  duration = 1h  runs = 3", "E0909", "runs = 3"),
        ("arrivals = every(1min)  duration = 1h  warmup = 1h", "E0909", "warmup = 1h"),
        ("duration = 1h  runs = 3", "E0909", "duration = 1h"),
        ("runs = 0", "E0909", "0"),
        ("runs = 1h", "E0301", "1h"),
        ("run = 3", "E0401", "run"),
        ("runs = 3  given = { topics: 3 }", "E0309", "topics"),
        ("runs = 3  given = { topic: 3 }", "E0301", "3"),
        ("runs = 3  given = 3", "E0301", "3"),
    ],
)
def test_a_mistake_in_a_load_is_told_once(items, code, at):
    assert found(scenario(items)) == [(code, at)]


def test_a_study_is_of_a_flow():
    assert found('scenario "s" for wrok { runs = 3 }') == [("E0201", "wrok")]
    assert found('test "t" for ann { expect status == completed }') == [("E0203", "ann")]


def test_two_studies_do_not_share_a_title():
    assert found(scenario("runs = 3") + scenario("runs = 4")) == [("E0202", '"s"')]


# ------------------------------------------------------------------ faults


def test_faults_are_lowered_with_times_shares_and_counts():
    made = plan_of(
        scenario(
            """runs = 3
  fault crash(orchestrator, every: 20min, down: 30s)
  fault crash(orchestrator, nth: 2, point: after_effect)
  fault garbage(ann, rate: 5%)
  fault slow(search, factor: 4, at: 1min, lasting: 10s)
  fault slow(ann, by: 2s)
  fault throttle(search, at: 30min, lasting: 5min, retry_after: 1s)
  fault fail(publish, first: 1)"""
        )
    ).scenarios[0]
    assert [(fault.name, fault.target, fault.args) for fault in made.faults] == [
        ("crash", "orchestrator", {"every": 1200 * SECOND, "down": 30 * SECOND}),
        ("crash", "orchestrator", {"nth": 2, "point": "after_effect"}),
        ("garbage", "ann", {"rate": 0.05}),
        ("slow", "search", {"factor": 4.0, "at": 60 * SECOND, "lasting": 10 * SECOND}),
        ("slow", "ann", {"by": 2 * SECOND}),
        ("throttle", "search", {"at": 1800 * SECOND, "lasting": 300 * SECOND, "retry_after": SECOND}),
        ("fail", "publish", {"first": 1}),
    ]


@pytest.mark.parametrize(
    ("fault", "code", "at"),
    [
        ("fale(ann)", "E0911", "fale"),
        ("fail", "E0913", "fail"),
        ("fail()", "E0308", "fail()"),
        ("fail(anne)", "E0201", "anne"),
        ("fail(work)", "E0203", "work"),
        ("fail(3)", "E0912", "3"),
        ("crash(ann, at: 1s)", "E0912", "ann"),
        ("garbage(search)", "E0912", "search"),
        ("throttle(eve)", "E0912", "eve"),
        ("crash(orchestrator)", "E0913", "crash(orchestrator)"),
        ("slow(ann, factor: 0)", "E0913", "0"),
        ("fail(ann, rate: 5)", "E0301", "5"),
        ("fail(ann, rate: 120%)", "E0913", "120%"),
        ("fail(ann, first: 0)", "E0913", "0"),
        ("fail(ann, frist: 1)", "E0309", "frist"),
        ("fail(ann, first: 1, nth: 2)", "E0913", "fail(ann, first: 1, nth: 2)"),
        ("fail(ann, lasting: 1s)", "E0913", "fail(ann, lasting: 1s)"),
        ("fail(ann, every: 1s, lasting: 2s)", "E0913", "fail(ann, every: 1s, lasting: 2s)"),
        ("crash(orchestrator, every: 10s, down: 10s)", "E0913", "crash(orchestrator, every: 10s, down: 10s)"),
        ("crash(orchestrator, at: 1s, point: after_efect)", "E0913", "after_efect"),
        ("fail(ann, 3)", "E0311", "fail(ann, 3)"),
        ("upgrade(orchestrator)", "E0913", "upgrade(orchestrator)"),
        ("upgrade(ann, at: 1s)", "E0912", "ann"),
    ],
)
def test_a_mistake_in_a_fault_is_told_once(fault, code, at):
    assert found(spec_test(f"fault {fault}  expect status == completed")) == [(code, at)]


def test_the_simulator_carries_out_every_fault():
    faults = pytest.importorskip("orchspec.simulator.faults")
    assert tuple(faults.CRASH_POINTS) == CRASH_POINTS
    assert FAULTS.keys() == faults.BUILT


# ------------------------------------------------------------------ what a scenario expects


LATENCY_P95 = ["kpi", "latency", "p95", None]


@pytest.mark.parametrize(
    ("expect", "lowered"),
    [
        ("p95(latency) <= 8min", ["le", LATENCY_P95, ["const", 480.0]]),
        ("mean(cost) <= $1.50", ["le", ["kpi", "cost", "mean", None], ["const", 1.5]]),
        ("cost <= $1.50", ["le", ["kpi", "cost", "mean", None], ["const", 1.5]]),
        ("duplicate_effects == 0", ["eq", ["kpi", "duplicate_effects", None, None], ["const", 0.0]]),
        ("resume_success == 100%", ["eq", ["kpi", "resume_success", None, None], ["const", 1.0]]),
        ("utilization(ann) <= 80%", ["le", ["kpi", "utilization", None, "ann"], ["const", 0.8]]),
        ("wait(search) < think", ["lt", ["kpi", "wait", None, "search"], ["const", 5.0]]),
        ("queue(eve) <= 2", ["le", ["kpi", "queue", None, "eve"], ["const", 2.0]]),
        ("throughput >= 3", ["ge", ["kpi", "throughput", None, None], ["const", 3.0]]),
        ("throughput >= 3 / 1h", ["ge", ["kpi", "throughput", None, None], ["const", 3 / 3600]]),
        (
            "p95(latency) in 1min..8min",
            ["and", ["ge", LATENCY_P95, ["const", 60.0]], ["le", LATENCY_P95, ["const", 480.0]]],
        ),
        ("p95(tokens) <= 2 * 10k", ["le", ["kpi", "tokens", "p95", None], ["const", 20_000.0]]),
        (
            "not p95(latency) > 2 * mean(latency)",
            ["not", ["gt", LATENCY_P95, ["mul", "Float", ["const", 2.0], ["kpi", "latency", "mean", None]]]],
        ),
        (
            "p95(latency) / mean(latency) < 3 or wasted < 10%",
            [
                "or",
                ["lt", ["div", "Float", LATENCY_P95, ["kpi", "latency", "mean", None]], ["const", 3.0]],
                ["lt", ["kpi", "wasted", None, None], ["const", 0.1]],
            ],
        ),
    ],
)
def test_an_expectation_is_lowered_to_the_units_of_the_kpis(expect, lowered):
    made = plan_of(scenario(f"runs = 3  expect {expect}")).scenarios[0].expects[0]
    assert (made.text, made.expr) == (expect, lowered)


@pytest.mark.parametrize(
    ("expect", "code", "at"),
    [
        ("p95(latency) <= $1", "E0916", "p95(latency) <= $1"),
        ("mean(cost) <= 3", "E0916", "mean(cost) <= 3"),
        ("completion >= 5s", "E0916", "completion >= 5s"),
        ("p95(latency) + mean(cost) <= 3s", "E0916", "p95(latency) + mean(cost)"),
        ("throughput >= $3", "E0916", "throughput >= $3"),
        ("p95(latensy) <= 1s", "E0914", "latensy"),
        ("p96(latency) <= 1s", "E0914", "p96"),
        ("complete >= 95%", "E0914", "complete"),
        ("utilization <= 80%", "E0915", "utilization"),
        ("p95(completion) <= 80%", "E0915", "p95(completion)"),
        ("latency(ann) <= 3s", "E0915", "latency(ann)"),
        ("utilization(anne) <= 80%", "E0201", "anne"),
        ("utilization(publish) <= 80%", "E0203", "publish"),
        ("p95(latency)", "E0917", "p95(latency)"),
        ("1 < 2", "E0917", "1 < 2"),
        ('completion == "all"', "E0917", '"all"'),
    ],
)
def test_a_mistake_in_an_expectation_is_told_once(expect, code, at):
    assert found(scenario(f"runs = 3  expect {expect}")) == [(code, at)]


def test_the_simulator_computes_every_kpi_in_the_unit_it_is_typed_with():
    simulated = pytest.importorskip("orchspec.simulator.kpis")
    units = {"Duration": "s", "Money": "USD", "Share": "share", "Rate": "1/s"}
    for kpi in KPIS.values():
        theirs = simulated.KPIS[kpi.name]
        assert theirs.shape == kpi.shape
        assert theirs.unit == units.get(kpi.unit, theirs.unit)
    assert tuple(simulated.STATISTICS) == STATISTICS


# ------------------------------------------------------------------ tests


@pytest.mark.parametrize(
    ("expect", "lowered"),
    [
        ("status == completed", ["eq", ["fact", "status", None], ["const", "completed"]]),
        ("failed != status", ["ne", ["const", "failed"], ["fact", "status", None]]),
        (
            "status in [completed, parked]",
            ["in", ["fact", "status", None], ["list", [["const", "completed"], ["const", "parked"]]]],
        ),
        ("cost <= $2", ["le", ["fact", "cost", None], ["const", 2 * DOLLAR]]),
        ("latency < 5s", ["lt", ["fact", "latency", None], ["const", 5 * SECOND]]),
        ("calls(publish) == 1", ["eq", ["fact", "calls", "publish"], ["const", 1]]),
        ("attempts(ann) >= 2", ["ge", ["fact", "attempts", "ann"], ["const", 2]]),
        ("reached(drafted)", ["fact", "reached", "drafted"]),
        ("not reached(drafted)", ["not", ["fact", "reached", "drafted"]]),
        (
            'len(result.tags) >= 1 and result.text == "a"',
            [
                "and",
                ["ge", ["call", "len", [["field", ["fact", "result", None], "tags"]]], ["const", 1]],
                ["eq", ["field", ["fact", "result", None], "text"], ["const", "a"]],
            ],
        ),
        (
            "result.verdict == Verdict.accept",
            ["eq", ["field", ["fact", "result", None], "verdict"], ["const", "accept"]],
        ),
    ],
)
def test_a_fact_is_lowered_to_a_leaf(expect, lowered):
    made = plan_of(spec_test(f"expect {expect}")).tests[0].expects[0]
    assert (made.text, made.expr) == (expect, lowered)


@pytest.mark.parametrize(
    ("expect", "code", "at"),
    [
        ("status == complete", "E0918", "complete"),
        ("stats == completed", "E0918", "stats"),
        ("status in [completed, faild]", "E0918", "faild"),
        ("status < completed", "E0919", "status"),
        ("calls == 1", "E0918", "calls"),
        ("outcome == 3", "E0918", "outcome"),
        ("calls() == 1", "E0919", "calls()"),
        ("calls(3) == 1", "E0919", "3"),
        ("calls(search) == 1", "E0203", "search"),
        ("calls(anne) == 1", "E0201", "anne"),
        ("call(ann) == 1", "E0918", "call"),
        ("reached(draftd)", "E0919", "draftd"),
        ("cost <= 3", "E0304", "cost <= 3"),
        ("status == completed and retries", "E0302", "retries"),
        ("cost", "E0917", "cost"),
        ("result.txt == 3", "E0207", "txt"),
    ],
)
def test_a_mistake_in_what_a_test_expects_is_told_once(expect, code, at):
    codes = found(spec_test(f"expect {expect}"))
    assert [each[0] for each in codes] == [code]
    assert at in codes[0][1] or codes[0][1] in at


def test_stubs_and_inputs_are_json_of_the_edge():
    made = plan_of(
        spec_test(f'given = {{ topic: "t" }}  stub ann = {NOTE}  stub bob.Count = 3 then 4  expect status == completed')
    ).tests[0]
    assert made.given == {"topic": "t"}
    assert made.stubs[0].values == [
        {
            "text": "a",
            "score": 0.5,
            "count": 1,
            "price": "2.5",
            "took": 90,
            "share": 0.05,
            "good": True,
            "verdict": "accept",
            "tags": ["x"],
            "part": {"weight": 1.0, "kind": "revise"},
            "link": None,
        }
    ]
    assert (made.stubs[1].target, made.stubs[1].contract, made.stubs[1].values) == ("bob", "Count", [3, 4])
    assert math.isclose(made.stubs[0].values[0]["part"]["weight"], 1.0)


@pytest.mark.parametrize(
    ("stub", "code", "at"),
    [
        ("anne = 3", "E0201", "anne"),
        ("search = 3", "E0203", "search"),
        ("ann.Count = 3", "E0408", "Count"),
        ("ann.Darft = 3", "E0201", "Darft"),
        ('bob = "neither"', "E0920", "bob"),
        ("log = 3", "E0920", "log"),
        ("publish.Draft = 3", "E0920", "Draft"),
        ("bob.Count = 3s", "E0301", "3s"),
        ("bob.Count = 3 then none", "E0301", "none"),
        ('ann = { text: "a" }', "E0313", '{ text: "a" }'),
        ("bob.Count = topic", "E0201", "topic"),
        (f"ann = {NOTE.replace('0.5', '1.5')}", "E0318", NOTE.replace("0.5", "1.5")),
    ],
)
def test_a_mistake_in_a_stub_is_told_once(stub, code, at):
    assert found(spec_test(f"stub {stub}  expect status == completed")) == [(code, at)]


def test_a_stub_stands_once():
    twice = "stub bob.Count = 3  stub bob.Count = 4  expect status == completed"
    assert found(spec_test(twice)) == [("E0920", "bob.Count")]


def test_a_test_gives_only_its_inputs():
    assert found(spec_test("runs = 3  expect status == completed")) == [("E0401", "runs")]
    assert found(spec_test("given = { topics: 3 }  expect status == completed")) == [("E0309", "topics")]


# ------------------------------------------------------------------ recovery and constructs not built yet


def test_what_no_profile_can_describe_is_said_to_be_something_else():
    text = "channel paid(order: Text) { from = [ann]  to = all }\nprofile paid { latency = 1s }\n"
    assert [code for code, _ in found(text)] == ["E0203"]


def test_a_signal_has_a_profile_and_a_stub_of_its_own_type():
    head = "signal paid(order: Text) -> Int\nprofile paid { latency = 1s  never = 30%  output = uniform(1, 3) }\n"
    flow = "flow g(o: Text) -> Int {\n  step n = paid(o) { timeout = 1h }\n  return n\n}\n"
    assert found(head + flow + 'test "t" for g { stub paid = none then 3  expect status == completed }') == []
    wrong = 'test "t" for g { stub paid = "x"  expect cost == $0 }'
    assert [code for code, _ in found(head + flow + wrong)] == ["E0301"]
    assert [code for code, _ in found(head.replace("never = 30%", "tokens_in = 3") + flow)] == ["E0401"]


def test_mistakes_of_several_studies_are_told_in_one_go():
    text = (
        "profile ann { latency = lognorml(p50: 1s, p95: 2s)  failure = 3 }\n"
        + scenario("runs = 3  fault fale(ann)  expect p95(latency) <= $1")
        + spec_test("stub bob.Count = 3s  expect status == complete")
    )
    assert sorted(code for code, _ in found(text)) == ["E0301", "E0301", "E0901", "E0911", "E0916", "E0918"]


def test_a_stub_speaks_for_the_contracts_that_its_values_fit_and_one_that_is_named_over_it():
    plan = plan_of(spec_test("stub bob = 3  stub bob.Draft = " + NOTE + "  expect status == completed"))
    assert [(stub.target, stub.contract) for stub in plan.tests[0].stubs] == [("bob", "Count"), ("bob", "Draft")]
    twice = plan_of(spec_test("stub bob.Count = 4  stub bob = 3  expect status == completed"))
    assert [(stub.contract, stub.values) for stub in twice.tests[0].stubs] == [("Count", [4])]


TIMES = """orch 1
flow late(at: Time) -> Time { wait at  return at }
test "one" for late { given = { at: GIVEN }  expect result == result }
scenario "two" for late { runs = 1  given = { at: GIVEN } }
"""


def times(given):
    return compile_text(TIMES.replace("GIVEN", given), "late.orch")


def test_a_time_in_inputs_is_written_as_at_the_edge():
    plan = times('"1970-01-03T02:00:00.5+02:00"').plan
    assert plan.tests[0].given == {"at": "1970-01-03T00:00:00.500000Z"}
    assert plan.scenarios[0].given == {"at": ["fixed", 172_800_500_000]}


@pytest.mark.parametrize(
    "given", ["1970-13-03T00:00:00Z", "1970-01-03", "1970-01-03T00:00:00", "now", "0001-01-01T00:00:00+09:00"]
)
def test_what_is_no_time_is_told_how_one_is_written(given):
    first, second = times(f'"{given}"').errors
    assert (first.code.id, second.code.id) == ("E0301", "E0301")
    assert '"2026-01-31T09:30:00Z"' in first.notes[0]


def test_a_text_in_a_flow_is_no_time():
    assert compile_text('orch 1\nflow f() -> Int { wait "1970-01-03T00:00:00Z"  return 1 }', "f.orch").errors
