"""The whole search: it goes on where it was, says how many of how many, and finds what differs."""

import pytest
from click.testing import CliRunner

from orchspec.parity import search
from orchspec.parity.__main__ import main
from orchspec.parity.search import Story
from orchspec.parity.stores import damage
from tests.parity.stories import SPECS

RACE = str(SPECS / "race.orch")
ASKED = ["--part", "calm", "--part", "singles", "--at-most", "2"]


def searched(*arguments):
    return CliRunner().invoke(main, [RACE, *ASKED, *arguments])


def test_it_says_how_many_of_how_many_and_goes_on_where_it_was(tmp_path, monkeypatch):
    log = tmp_path / "log.jsonl"
    first = searched("--log", str(log))
    assert first.exit_code == 0, first.output
    assert "| race | 2 of 2 | 4 of 378 | 0 |" in first.output
    log.write_text(log.read_text() + '{"spec": "race", "flow')  # it was killed as it wrote
    monkeypatch.setattr(Story, "differs", lambda *_: pytest.fail("compared again"))
    assert "4 of 378" in searched("--log", str(log)).output


def test_what_other_code_compared_counts_only_if_one_says_so(tmp_path, monkeypatch):
    log = tmp_path / "log.jsonl"
    monkeypatch.setattr(search, "code_digest", lambda: "other")
    searched("--log", str(log))
    monkeypatch.undo()
    assert "0 of 378" in searched("--log", str(log), "--table").output
    assert "4 of 378" in searched("--log", str(log), "--table", "--any-code").output


def test_what_differs_is_told_and_ends_with_1(monkeypatch):
    monkeypatch.setattr(Story, "differs", lambda _self, faults: "a record" if faults else None)
    found = searched()
    assert found.exit_code == 1
    assert "a record" in found.output
    assert "| race | 2 of 2 | 4 of 378 | 4 |" in found.output


def test_only_schedules_with_a_fault_of_a_kind_are_compared():
    assert "| all | 9 of 9 | 0 |" in CliRunner().invoke(main, [RACE, "--part", "singles", "--kind", "zombie"]).output


def test_a_torn_log_has_half_of_the_commit_and_an_unsynced_one_nothing_of_it():
    before, after = b"header old", b"header oldNEWNEW"
    assert damage("unsynced", before, after) == before
    assert damage("torn", before, after) == b"header oldNEW"
    again = b"HEADER new bytes from its beginning"
    assert damage("torn", b"header old and more of it than that", again)[:17] == again[:17]
