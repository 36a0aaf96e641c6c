import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, NOT_WELL, UNDECIDED, WELL, Misuse
from orchspec.cli.sweeps import VALUES_MAX, parse_sweep
from orchspec.simulator import study
from orchspec.simulator.replicate import Stage

SPEC = """
orch 1
param seats: Int = 3 where seats in 1..50
contract Answer(question: Text) -> Text
agent clerk fulfills Answer { slots = seats }
flow desk(question: Text) -> Text {
  step answer = Answer(question) by clerk
  return answer
}
profile clerk { latency = exponential(mean: 10s) }
scenario "a day" for desk {
  arrivals = poisson(2 / 10s)
  duration = 20min  warmup = 5min
  expect completion >= 99%
}
"""


@pytest.fixture
def orch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.orch").write_text(SPEC, encoding="utf-8")
    return lambda *arguments: CliRunner().invoke(main, ["simulate", *arguments])


def test_json_holds_the_document_alone_and_the_same_bytes_twice(orch):
    first, again = (orch("a.orch", "--seed", "7", "--json") for _ in range(2))
    assert first.exit_code == WELL
    assert first.stdout == again.stdout
    document = json.loads(first.stdout)
    assert (document["scenario"], document["flow"], document["seed"]) == ("a day", "desk", 7)
    assert document["expectations"][0]["verdict"] == "passed"
    assert json.loads(orch("a.orch", "--seed", "8", "--json").stdout)["kpis"] != document["kpis"]


def test_the_table_is_for_people(orch):
    result = orch("a.orch", "a day")
    assert result.exit_code == WELL
    assert "latency" in result.stdout
    assert "passed  completion >= 99%" in result.stdout


@pytest.mark.parametrize(
    ("expected", "code"),
    [("wait(clerk) <= 1ms", NOT_WELL), ("wait(clerk) <= 4.45s", UNDECIDED), ("wait(clerk) <= 1h", WELL)],
)
def test_the_exit_code_says_what_became_of_the_expectations(orch, expected, code):
    Path("a.orch").write_text(SPEC.replace("completion >= 99%", expected), encoding="utf-8")
    assert orch("a.orch").exit_code == code


def test_without_a_name_the_only_scenario_else_all_are_listed(orch):
    Path("b.orch").write_text(SPEC + SPEC[SPEC.index("scenario") :].replace("a day", "a night"), encoding="utf-8")
    result = orch("b.orch")
    assert result.exit_code == MISUSE
    assert '"a day", "a night"' in result.stderr
    result = orch("b.orch", "noon", "--json")
    assert result.exit_code == MISUSE
    assert json.loads(result.stdout)["error"]["code"] == "no_scenario"


def test_a_spec_with_errors_is_reported_as_check_does(orch):
    Path("a.orch").write_text(SPEC.replace("by clerk", "by clrk"), encoding="utf-8")
    result = orch("a.orch", "--json")
    assert result.exit_code == NOT_WELL
    assert json.loads(result.stdout)["error"]["code"] == "spec_errors"
    assert orch("missing.orch").exit_code == MISUSE


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--set", "nope=3"), "--set nope: the spec has no param of this name"),
        (("--set", "clerk.slots=many"), "--set clerk.slots: there is no name called `many`"),
        (("--sweep", "nope=1..3"), "--sweep nope: the spec has no param of this name"),
        (("--sensitivity", "nope=1..3"), "--sensitivity nope: the spec has no param of this name"),
        (("--sensitivity", "clerk.slos=1..3"), "an agent has no attribute `slos`"),
    ],
)
def test_what_is_set_and_means_nothing_is_misuse(orch, option, words):
    result = orch("a.orch", *option)
    assert (result.exit_code, result.stdout) == (MISUSE, "")
    assert words in result.stderr


def test_params_can_be_set_and_swept(orch):
    one = json.loads(orch("a.orch", "--set", "seats=4", "--json").stdout)
    assert one["parameters"] == {"seats": "4"}
    assert one["pools"]["clerk"]["slots"] == 4
    swept = json.loads(orch("a.orch", "--sweep", "seats=3..5", "--json").stdout)
    assert [document["parameters"]["seats"] for document in swept] == ["3", "4", "5"]
    waits = [document["resources"]["clerk"]["wait_s"]["value"] for document in swept]
    assert waits == sorted(waits, reverse=True)
    assert swept[1]["kpis"] == one["kpis"]
    assert isinstance(json.loads(orch("a.orch", "--sweep", "seats=3", "--json").stdout), list)
    table = orch("a.orch", "--sweep", "seats=3,4")
    assert "seats=3" in table.stdout
    assert "seats=4" in table.stdout


def test_attributes_are_set_and_swept_and_several_sweeps_make_every_combination(orch):
    one = json.loads(orch("a.orch", "--set", "clerk.slots=2", "--json").stdout)
    assert one["pools"]["clerk"]["slots"] == 2
    swept = json.loads(orch("a.orch", "--sweep", "clerk.slots=2,3", "--sweep", "clerk.failure=0%,50%", "--json").stdout)
    assert [document["parameters"] for document in swept] == [
        {"clerk.slots": slots, "clerk.failure": failure} for slots in ("2", "3") for failure in ("0%", "50%")
    ]
    assert swept[0]["kpis"] == one["kpis"]
    assert swept[1]["kpis"]["completion"]["value"] < 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--sweep", "seats=1..3", "--sweep", "seats=4"],
        ["--sweep", "seats=1..50", "--sweep", "clerk.slots=1..50"],
        ["--sweep", "seats"],
        ["--sweep", "seats=5..3"],
        ["--sweep", f"seats=1..{VALUES_MAX + 1}"],
        ["--sweep", "seats=1.5..3"],
        ["--sweep", "seats=1,,3"],
        ["--sweep", "seats=3..4", "--set", "seats=2"],
        ["--runs", "0"],
        ["--seed", "x"],
        ["--jobs", "-1"],
    ],
)
def test_misuse_is_told(orch, arguments):
    result = orch("a.orch", *arguments)
    assert result.exit_code == MISUSE
    assert result.stderr.startswith("error: ")


def test_a_value_that_its_param_refuses_is_misuse(orch):
    assert orch("a.orch", "--sweep", "seats=50..51").exit_code == MISUSE


def test_values_of_a_sweep_are_written_as_in_a_spec():
    assert parse_sweep("width=-1..1") == ("width", ["-1", "0", "1"])
    assert parse_sweep("rest = 30s, 1min ,30s") == ("rest", ["30s", "1min"])
    with pytest.raises(Misuse, match="whole numbers"):
        parse_sweep("rest=30s..1min")


def test_a_report_and_charts_can_be_kept(orch):
    result = orch("a.orch", "--report", "out.html", "--charts", "pictures")
    assert result.exit_code == WELL
    page = Path("out.html").read_text(encoding="utf-8")
    assert "arrivals = poisson(2 / 10s)" in page
    assert "<svg" in page
    assert "src=" not in page
    names = {"latency", "timeline", "utilization", "gantt"}
    assert {path.name for path in Path("pictures").iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("png", "svg")
    }
    assert Path("pictures/gantt.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupt_keeps_what_is_done(orch, monkeypatch):
    replicate = Stage.replicate

    def interrupted(self, index):
        if index == 3:
            raise KeyboardInterrupt
        return replicate(self, index)

    monkeypatch.setattr(Stage, "replicate", interrupted)
    document = json.loads(orch("a.orch", "--json").stdout)
    assert document["replications"] == 3
    result = orch("a.orch", "--sweep", "seats=3..5", "--json", "--jobs", "1")
    assert len(json.loads(result.stdout)) == 1
    assert "1 of 3 values were simulated" in result.stderr
    assert result.exit_code == UNDECIDED


def test_a_bar_is_shown_on_a_terminal_only(orch, monkeypatch):
    assert "simulating" not in orch("a.orch").stderr
    shown = []
    monkeypatch.setattr("rich.progress.Progress.update", lambda self, task, **said: shown.append(said))
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    orch("a.orch", "--color", "never")
    assert shown[-1] == {"completed": 10, "total": 10}


def test_a_sensitivity_says_how_far_a_kpi_moves_with_each_setting_alone(orch):
    result = orch(
        "a.orch", "--sensitivity", "seats=2..5", "--sensitivity", "clerk.failure=0%,20%", "--json", "--runs", "500"
    )
    assert result.exit_code == WELL
    document = json.loads(result.stdout)
    assert document["of"] == "p95(latency)"
    assert [each["name"] for each in document["settings"]] == ["seats", "clerk.failure"]
    seats = document["settings"][0]["ends"]
    assert [end["setting"] for end in seats] == ["2", "5"]
    assert seats[0]["change"]["value"] > 0 > seats[1]["change"]["value"]
    assert document["document"]["parameters"] == {}
    table = orch("a.orch", "--sensitivity", "seats=4", "--of", "wait(clerk)", "--runs", "200")
    assert "what wait(clerk) depends on" in table.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--sensitivity", "seats=2,3", "--sweep", "seats=4"], "give one of them"),
        (["--sensitivity", "seats=2,3", "--set", "seats=4"], "seats"),
        (["--sensitivity", "seats=2", "--sensitivity", "seats=3"], "twice"),
        (["--of", "p95(latency)"], "--sensitivity"),
        (["--sensitivity", "seats=2,3", "--of", "p95(latencyy)"], "latency"),
        (["--sensitivity", "seats=2,3", "--of", "p95(completion)"], "is written completion"),
        (["--sensitivity", "seats=2,3", "--of", "wait"], "wait(NAME)"),
        (["--sensitivity", "seats=2,3", "--of", "((("], "such as"),
    ],
)
def test_misuse_of_a_sensitivity_says_what_to_write(orch, arguments, told):
    result = orch("a.orch", *arguments)
    assert result.exit_code == MISUSE
    assert told in result.stderr


def test_a_page_says_how_to_see_it_again_and_what_was_set_makes_no_path(orch, tmp_path):
    arguments = [
        "a.orch",
        "--sweep",
        "clerk.rate=10 / 1s,5 / 1s",
        "--runs",
        "100",
        "--report",
        "r.html",
        "--charts",
        "c",
    ]
    assert orch(*arguments).exit_code == WELL
    page = Path("r.html").read_text("utf-8")
    assert (
        "orch simulate a.orch &#x27;a day&#x27; --sweep &#x27;clerk.rate=10 / 1s,5 / 1s&#x27; --runs 100 --seed 1"
        in page
    )
    assert sorted(each.name for each in Path("c").iterdir() if each.is_dir()) == [
        "clerk.rate=10 _ 1s",
        "clerk.rate=5 _ 1s",
    ]
    assert Path("c/clerk.rate=5 _ 1s/latency.svg").exists()
    assert Path("c/sweep-latency.png").exists()


def test_an_interrupt_before_anything_can_be_told_names_the_file_that_keeps_what_is_done(orch, monkeypatch):
    def interrupted(self, index):
        raise KeyboardInterrupt

    monkeypatch.setattr(Stage, "replicate", interrupted)
    result = orch("a.orch", "--resume", "done.kept")
    assert result.exit_code == 130
    assert "done.kept keeps what is done" in result.stderr


def test_an_interrupted_sweep_goes_on_where_it_was(orch, monkeypatch):
    replicate = Stage.replicate
    made = []

    def interrupted(self, index):
        if len(made) == 13:
            made.append(None)
            raise KeyboardInterrupt
        made.append(index)
        return replicate(self, index)

    sweep = ("a.orch", "--sweep", "seats=3..4", "--json", "--jobs", "1")
    whole = orch(*sweep).stdout
    monkeypatch.setattr(Stage, "replicate", interrupted)
    stopped = orch(*sweep, "--resume", "done")
    assert [document["replications"] for document in json.loads(stopped.stdout)] == [10, 3]
    made.append(None)
    assert orch(*sweep, "--resume", "done").stdout == whole
    assert made[15:] == [3, 4, 5, 6, 7, 8, 9]


def test_a_load_is_swept_by_the_scenario_itself(orch):
    swept = json.loads(orch("a.orch", "--sweep", "scenario.arrivals=poisson(1 / 10s),every(20s)", "--json").stdout)
    assert swept[0]["runs"] > 1.5 * swept[1]["runs"]
    assert [document["parameters"]["scenario.arrivals"] for document in swept] == ["poisson(1 / 10s)", "every(20s)"]
    assert orch("a.orch", "--set", "scenario.arival=every(1s)").exit_code == MISUSE


@pytest.mark.parametrize(("found", "code"), [(None, WELL), ("run 3: ended_s 1, then 2", NOT_WELL)])
def test_simulated_twice_it_says_whether_it_came_out_the_same(orch, monkeypatch, found, code):
    simulate, asked = study.simulate, []

    def here(*arguments, **how):
        asked.append(how.pop("jobs", 1))
        return simulate(*arguments, **how)

    monkeypatch.setattr(study, "simulate", here)
    if found:
        monkeypatch.setattr("orchspec.simulator.determinism.first_difference", lambda _one, _other: found)
    result = orch("a.orch", "--runs", "20", "--check-determinism", "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout)["determinism"] == {"same": found is None, "first_difference": found}
    assert (f"differs: {found}" if found else "a second simulation gave the same") in result.stderr
    assert asked[1] >= 2  # processes of its own: in each, Python orders sets of texts otherwise
