"""The tour, with its real processes and its real SIGKILL."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import COMMANDS, main
from orchspec.cli.common import NOT_WELL, WELL
from orchspec.compiler import plan_from_json
from orchspec.demo.folder import MANIFEST, DemoFolder, TakenFolder
from orchspec.demo.page import commands

ROOT = Path(__file__).resolve().parents[2]


def demo(folder, *arguments):
    command = [sys.executable, "-m", "orchspec", "demo", *arguments]
    return subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=170
    )


@pytest.fixture(scope="module")
def toured(tmp_path_factory):
    """A folder in which the tour was given, and its output."""
    folder = tmp_path_factory.mktemp("tour")
    done = demo(folder, "--out", "there")
    assert done.returncode == WELL, done.stdout + done.stderr
    return folder / "there", done.stdout


def test_the_tour_says_what_it_did_and_where_to_look(toured):
    folder, said = toured
    assert [line.split(".")[0] for line in said.splitlines() if re.match(r"\d\. ", line)] == list("123456")
    assert said.count("   ok  ") == 6
    assert "error[E0601]" in said
    assert "killed twice, resumed twice: the same result as undisturbed" in said
    assert "publish was delivered twice and happened once" in said
    assert str(folder / "report.html") in said


def test_the_world_saw_publish_twice_and_did_it_once(toured):
    folder, _ = toured
    seen = [json.loads(line) for line in (folder / "killed-world.jsonl").read_text().splitlines()]
    assert [(each["effect"], each["applied"]) for each in seen] == [("publish", True), ("publish", False)]
    assert seen[0]["key"] == seen[1]["key"]


def test_the_journal_tells_of_both_kills(toured):
    folder, _ = toured
    records = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert [record["type"] for record in records].count("EngineRecovered") == 2
    assert records[-1]["decided"][-1][0] == "completed"


class Links(HTMLParser):
    """What a page would fetch, and the ids that stand in it."""

    def __init__(self):
        super().__init__()
        self.fetched, self.ids, self.tags = [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name in {"src", "href", "xlink:href"} and not value.startswith("#"):
                self.fetched.append(value)
            if name == "id":
                self.ids.append(value)


def test_the_report_is_one_page_that_fetches_nothing(toured):
    folder, _ = toured
    text = (folder / "report.html").read_text("utf-8")
    page = Links()
    page.feed(text)
    assert page.fetched == []
    assert "script" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    for words in ("A planted mistake", "Simulated: a quiet day", "Killed twice, resumed twice", "briefing(brief)"):
        assert words in text


def test_what_it_leaves_is_whole(toured):
    folder, _ = toured
    assert plan_from_json((folder / "plan.json").read_text("utf-8")).name == "briefing"
    assert json.loads((folder / "simulations" / "quiet.json").read_text())["runs"] >= 1_000
    charts = sorted(path.name for path in (folder / "charts").iterdir())
    assert {"killed-run.png", "killed-run.svg", "quiet-latency.svg", "rush-timeline.png"} <= set(charts)
    assert (folder / "charts" / "killed-run.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "graph.svg").read_text("utf-8").startswith("<svg")
    again = CliRunner().invoke(main, ["check", str(folder / "briefing.orch")])
    assert again.exit_code == WELL


@pytest.mark.slow
def test_it_is_given_again_in_the_same_folder_and_touches_nothing_else(toured):
    folder, _ = toured
    mine = folder / "mine.txt"
    mine.write_text("mine")
    done = demo(folder.parent, "--out", "there", "--json")
    assert (done.returncode, done.stderr) == (WELL, "")
    document = json.loads(done.stdout)
    assert document["well"]
    assert [step["step"] for step in document["steps"]] == ["check", "mistake", "test", "simulate", "crash", "report"]
    assert mine.read_text() == "mine"


def test_what_was_changed_since_is_kept_and_the_tour_refused(toured):
    folder, _ = toured
    spec = folder / "briefing.orch"
    before = spec.read_text("utf-8")
    spec.write_text(before + "// mine\n", "utf-8")
    try:
        result = CliRunner().invoke(main, ["demo", "--out", str(folder)])
        assert result.exit_code == NOT_WELL
        assert "was changed since the tour made it, and is kept" in result.stderr
        assert spec.read_text("utf-8").endswith("// mine\n")
    finally:
        spec.write_text(before, "utf-8")


def test_a_file_that_no_tour_made_is_left_alone(tmp_path):
    (tmp_path / "report.html").write_text("mine")
    folder = DemoFolder(tmp_path)
    with pytest.raises(TakenFolder, match="the tour did not make it"):
        folder.write("report.html", "ours")
    assert (tmp_path / "report.html").read_text() == "mine"


def test_a_link_that_stands_where_a_file_was_made_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = DemoFolder(tmp_path / "demo")
    folder.write("a", "ours").unlink()
    (tmp_path / "demo" / "a").symlink_to(outside)
    with pytest.raises(TakenFolder):
        DemoFolder(tmp_path / "demo").write("a", "ours")
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"made": 3}', '{"made": {"a": {}}}', "[" * 10_000])
def test_a_broken_manifest_claims_nothing(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    (tmp_path / "a").write_text("mine")
    with pytest.raises(TakenFolder):
        DemoFolder(tmp_path).claim("a")


def test_what_it_offers_to_try_are_commands_that_there_are():
    offered = {line.split()[1] for line in commands()}
    assert offered <= set(COMMANDS)
