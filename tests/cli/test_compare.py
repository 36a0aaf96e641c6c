import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import orchspec
from orchspec.cli import main
from orchspec.cli.common import MISUSE, WELL
from orchspec.contest import _as_long
from orchspec.simulator.comparing import Contender
from orchspec.simulator.replicate import Stage

SPEC = """
orch 1
param n: Int = 4 where n in 1..8
contract Answer(question: Text, part: Int) -> Text
agent clerk fulfills Answer { slots = 12 }
flow chain(question: Text) -> List<Text> {
  step parts = Answer(question, part) by clerk for part in 1..n { width = 1 }
  return parts
}
flow fan_out(question: Text) -> List<Text> {
  step parts = Answer(question, part) by clerk for part in 1..n
  return parts
}
flow other(title: Text) -> Text {
  step answer = Answer(question: title, part: 1) by clerk
  return answer
}
profile clerk { latency = exponential(mean: 10s)  cost = $0.01 }
scenario "a chain" for chain {
  given = { question: "Why?" }
  arrivals = poisson(1 / 20s)
  duration = 4min
}
scenario "a fan-out" for fan_out { runs = 60 }
"""


@pytest.fixture
def orch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.orch").write_text(SPEC, encoding="utf-8")
    Path("b.orch").write_text(SPEC.replace("chain", "row"), encoding="utf-8")
    return lambda *arguments: CliRunner().invoke(main, ["compare", *arguments])


def line(document, kpi, statistic):
    return next(each for each in document["kpis"] if (each["kpi"], each["statistic"]) == (kpi, statistic))


def test_flows_have_the_same_load_and_their_differences_intervals(orch):
    result = orch("a.orch", "chain", "fan_out", "--json", "--charts", "pictures", "--resume", "done")
    assert result.exit_code == WELL
    document = json.loads(result.stdout)
    assert document["scenario"] == "a chain"
    chain, fan_out = (each["document"] for each in document["contenders"])
    assert chain["runs"] == fan_out["runs"]
    latency = line(document, "latency", "mean")
    assert latency["best"] == ["fan_out"]
    (verdict,) = (each for each in latency["differences"] if each["of"] == "fan_out")
    assert verdict["verdict"] == "better"
    assert verdict["interval"][1] < 0
    values = latency["values"]
    assert verdict["value"] == pytest.approx(values["fan_out"]["value"] - values["chain"]["value"], rel=1e-6)
    cost = line(document, "cost", "mean")
    # The same work at the same places: not a cent of difference is left to chance.
    assert {each["verdict"] for each in cost["differences"]} == {"same"}
    assert document["pareto"] == ["fan_out"]
    assert {path.stem for path in Path("pictures").iterdir()} == {
        f"compare-{name}" for name in ("latency", "cost", "pareto")
    }
    assert document["kpis"] == orchspec.compare("a.orch", ["chain", "fan_out"], resume="done")["kpis"]


def test_people_read_a_table_and_a_scenario_among_the_words_is_the_load(orch):
    result = orch("a.orch", "a fan-out", "--flow", "fan_out", "--flow", "chain")
    assert result.exit_code == WELL
    assert result.stdout.startswith("a fan-out")
    assert "differences are from fan_out" in result.stdout


def test_a_flow_of_another_file_and_other_settings_take_part(orch):
    result = orch("a.orch", "chain", "b.orch:row", "--with", "clerk.slots=11, n=2", "--json")
    document = json.loads(result.stdout)
    names = [each["name"] for each in document["contenders"]]
    assert names == ["chain", "b.orch:row", "chain (clerk.slots=11, n=2)"]
    assert line(document, "latency", "mean")["best"] == [names[2]]
    (same,) = (
        each
        for each in line(document, "latency", "p95")["differences"]
        if each["of"] == names[1] and each["from"] == names[0]
    )
    assert same["verdict"] == "same"


def test_a_sweep_compares_once_for_each_value(orch):
    result = orch("a.orch", "fan_out", "chain", "--sweep", "n=1,4", "--json", "--charts", "curves", "--runs", "20")
    one, four = json.loads(result.stdout)
    assert (one["parameters"], four["parameters"]) == ({"n": "1"}, {"n": "4"})
    assert line(one, "latency", "mean")["differences"][0]["verdict"] == "same"
    assert line(four, "latency", "mean")["best"] == ["fan_out"]
    assert Path("curves/sweep-latency.png").exists()


def test_an_interrupt_leaves_what_is_done_for_later(orch, monkeypatch):
    words = ("a.orch", "fan_out", "chain", "--runs", "20", "--json", "--resume", "done", "--jobs", "1")
    replicate = Stage.replicate
    made = []

    def interrupted(self, index):
        if len(made) == 12:
            raise KeyboardInterrupt
        made.append(index)
        return replicate(self, index)

    whole = orch(*words[:-4], "--jobs", "1").stdout
    monkeypatch.setattr(Stage, "replicate", interrupted)
    stopped = json.loads(orch(*words).stdout)
    assert stopped["replications"] == 2
    assert any("interrupted" in note for note in stopped["notes"])
    made[:] = []
    assert orch(*words).stdout == whole
    assert len(made) == 8


@pytest.mark.parametrize("raises", [True, False])
def test_an_interrupt_while_loads_are_made_as_long_ends_it_and_is_told(raises):
    workers, asked = SimpleNamespace(stopping=False), []

    def longer(name):
        def make(size):
            asked.append((name, size))
            if raises:
                raise KeyboardInterrupt
            return SimpleNamespace(size=size, interrupted=True)

        return make

    sizes = {"a": 400, "b": 100, "c": 100}
    contenders = [Contender(name, {}, SimpleNamespace(size=size, interrupted=False)) for name, size in sizes.items()]
    found = _as_long(contenders, [longer(name) for name in sizes], lambda _name: None, workers)
    assert asked == [("b", 400)]
    assert workers.stopping
    assert [each.name for each in found] == (["a"] if raises else ["a", "b"])
    assert {each.study.size for each in found} == {400}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("chain",), "two flows at least"),
        (("chain", "fan_uot"), "fan_out"),
        (("chain", "other"), "takes no `question`"),
        (("chain", "fan_out", "--scenario", "noon"), "a chain"),
        (("chain", "b.orch:chain"), "no flow chain"),
        (("chain", "c.orch:chain"), "no file c.orch"),
        (("chain", "fan_out", "--set", "n=2", "--sweep", "n=1..2"), "both give n"),
    ],
)
def test_misuse_is_told(orch, words, told):
    result = orch("a.orch", *words)
    assert result.exit_code == MISUSE
    assert told in result.stderr


def test_a_setting_that_the_spec_refuses_is_misuse(orch):
    result = orch("a.orch", "chain", "--with", "n=9")
    assert result.exit_code == MISUSE
    assert "--with n" in result.stderr


def test_a_report_holds_who_is_best_by_how_much_the_load_and_the_way_back(orch):
    result = orch(
        "a.orch", "chain", "fan_out", "--runs", "100", "--fault", "fail(clerk, rate: 5%)", "--report", "out.html"
    )
    assert result.exit_code == WELL, result.stderr
    assert "out.html: the report" in result.stderr
    page = Path("out.html").read_text("utf-8")
    assert "orch compare a.orch chain fan_out --fault &#x27;fail(clerk, rate: 5%)&#x27; --runs 100 --seed 1" in page
    for heading in ("What was asked", "How they differ", "What was seen", "The flows", "How sure this is"):
        assert f">{heading}</h2>" in page
    assert page.count("<summary>chain</summary>") == page.count("<summary>fan_out</summary>") == 2
    assert "In p95(latency) fan_out is seen to be best" in page
    assert "fail(clerk" in page
    assert "<script" not in page


def test_a_report_of_a_sweep_has_a_table_for_each_value(orch):
    result = orch("a.orch", "chain", "fan_out", "--runs", "60", "--sweep", "clerk.slots=2,4", "--report", "out.html")
    assert result.exit_code == WELL, result.stderr
    page = Path("out.html").read_text("utf-8")
    assert ">How they differ, clerk.slots=2</h2>" in page
    assert ">How they differ, clerk.slots=4</h2>" in page
    assert "--sweep clerk.slots=2,4" in page
