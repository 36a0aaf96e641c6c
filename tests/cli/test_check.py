import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, NOT_WELL, WELL
from orchspec.grammar.diagnostics import Code, Diagnostic, Edit, Fix, Label
from orchspec.grammar.source import Source

ROOT = Path(__file__).resolve().parents[2]
MISSPELT = Code("E9998", "planted-error", "error", "{found} is misspelt", "Planted.", "agnet", "agent")
UNUSED = Code("W9999", "planted-warning", "warning", "{found} is unused", "Planted.", "spare", "")


def planted(name, text=None):
    """Stands in for the compiler: `agnet` is an error with a safe fix, `spare` a warning, `knot` fixes to itself."""
    source = Source(name, text)
    found = []
    for match in re.finditer("agnet|spare|spore|knot", text):
        span = source.span(*match.span())
        code = UNUSED if match.group() == "spare" else MISSPELT
        replacement = {"agnet": "agent", "knot": "knot knot", "spore": "spare!"}.get(match.group())
        trust = "maybe-incorrect" if match.group() == "spore" else "machine-applicable"
        fix = Fix("write agent", (Edit(span, replacement),), trust) if replacement else None
        label = Label(source.span(0, 1), "the file starts here")
        found.append(Diagnostic(code, span, {"found": match.group()}, (label,), ("a fact",), fix))
    return found


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.setattr("orchspec.compiler.check_file", planted, raising=False)
    monkeypatch.chdir(tmp_path)

    def write(text, name="a.orch"):
        Path(name).write_bytes(text.encode())
        return name

    return write


def check(*arguments, **settings):
    return CliRunner().invoke(main, ["check", *arguments], **settings)


def test_a_well_file_ends_well_with_nothing_on_standard_output(spec):
    result = check(spec("agent a\n"))
    assert (result.exit_code, result.stdout, result.stderr) == (WELL, "", "1 file: all well\n")


def test_errors_end_with_1_and_are_shown_with_their_code_and_line(spec):
    result = check(spec("orch 1\nagnet a\nagnet b\n"))
    assert result.exit_code == NOT_WELL
    assert result.stdout.count("E9998") == 2
    assert "a.orch:2:1" in result.stdout
    assert result.stderr == "1 file: 2 errors\n"


def test_warnings_end_well(spec):
    result = check(spec("spare\n"))
    assert (result.exit_code, result.stderr) == (WELL, "1 file: 1 warning\n")


@pytest.mark.parametrize("flags", [["--json"], ["--format", "json"], ["--json", "--format", "json"]])
def test_json_is_the_list_of_diagnostics_alone(spec, flags):
    result = check(spec("agnet é spare\n"), *flags)
    assert (result.exit_code, result.stderr) == (NOT_WELL, "")
    first, second = json.loads(result.stdout)
    assert first["code"] == "E9998"
    assert first["span"] == {"file": "a.orch", "line": 1, "column": 1, "end_line": 1, "end_column": 6}
    assert second["span"]["column"] == 9, "columns are counted in characters"
    assert set(first) == {"code", "severity", "message", "span", "labels", "notes", "fix"}


def test_sarif_names_rule_place_and_fix(spec):
    result = check(spec("orch 1\nagnet a\n", "ä b.orch"), "--format", "sarif")
    (run,) = json.loads(result.stdout)["runs"]
    (found,) = run["results"]
    place = found["locations"][0]["physicalLocation"]
    assert (found["ruleId"], found["level"], run["columnKind"]) == ("E9998", "error", "unicodeCodePoints")
    assert place["artifactLocation"]["uri"] == "%C3%A4%20b.orch"
    assert place["region"] == {"startLine": 2, "startColumn": 1, "endLine": 2, "endColumn": 6}
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["E9998"]
    assert found["fixes"][0]["artifactChanges"][0]["replacements"] == [
        {"deletedRegion": place["region"], "insertedContent": {"text": "agent"}}
    ]
    assert found["relatedLocations"][0]["message"] == {"text": "the file starts here"}


def test_several_files_are_reported_together_and_a_repeated_one_once(spec):
    one, two = spec("agnet\n", "one.orch"), spec("agnet\n", "two.orch")
    result = check(one, two, one, "--json")
    assert [each["span"]["file"] for each in json.loads(result.stdout)] == ["one.orch", "two.orch"]
    assert check(one, two).stderr == "2 files: 2 errors\n"


def test_standard_input_is_checked_and_named_as_such(spec):
    spec("")
    result = check("-", "--json", input="agnet\n")
    assert [(each["code"], each["span"]["file"]) for each in json.loads(result.stdout)] == [("E9998", "<stdin>")]


def test_fix_applies_what_is_safe_and_reports_what_is_left(spec):
    name = spec("agnet a\r\nspare\nagnet b")
    result = check(name, "--fix")
    assert (result.exit_code, Path(name).read_bytes()) == (WELL, b"agent a\r\nspare\nagent b")
    assert result.stderr == "a.orch: 2 fixes applied\n1 file: 1 warning\n"


GUESS = "spore\nagnet a\n"


def test_fix_says_how_to_get_at_the_fixes_that_need_a_look(spec):
    name = spec(GUESS)
    result = check(name, "--fix")
    assert Path(name).read_text("utf-8") == "spore\nagent a\n"
    assert "1 fix left that needs a look: --diff --unsafe-fixes shows the guesses among them" in result.stderr
    assert check(name, "--fix", "--unsafe-fixes").exit_code == WELL
    assert Path(name).read_text("utf-8") == "spare!\nagent a\n"


def test_diff_shows_what_fix_would_change_and_writes_nothing(spec):
    name = spec(GUESS)
    result = check(name, "--diff")
    assert Path(name).read_text("utf-8") == GUESS
    assert result.stdout == "--- a.orch (as it is)\n+++ a.orch (fixed)\n@@ -1,2 +1,2 @@\n spore\n-agnet a\n+agent a\n"
    assert result.stderr == "a.orch: 1 fix would be applied, 1 left that needs a look\n"
    assert "+spare" in check(name, "--diff", "--unsafe-fixes").stdout
    assert (result.exit_code, check(spec("agent a\n"), "--diff").exit_code) == (NOT_WELL, WELL)


def test_fix_leaves_a_well_file_untouched(spec):
    name = spec("agent a\n")
    before = Path(name).stat()
    check(name, "--fix")
    assert Path(name).stat().st_ino == before.st_ino


def test_fixes_that_never_settle_end(spec):
    name = spec("knot")
    assert check(name, "--fix").exit_code == NOT_WELL
    assert len(Path(name).read_text("utf-8")) < 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-", "--fix"], "--fix writes to files"),
        (["a.orch", "--unsafe-fixes"], "add one of them"),
        (["a.orch", "--diff", "--format", "sarif"], "--diff shows changes as text"),
        (["a.orch", "gone.orch"], "there is no file gone.orch"),
        ([], "Missing argument"),
    ],
)
def test_misuse_is_said_and_nothing_is_reported(spec, arguments, words):
    spec("agnet\n")
    result = check(*arguments)
    assert (result.exit_code, result.stdout) == (MISUSE, "")
    assert words in result.stderr


def test_two_kinds_of_document_at_once_are_misuse(spec):
    result = check(spec("agnet\n"), "--json", "--format", "sarif")
    assert result.exit_code == MISUSE
    assert "leave one out" in json.loads(result.stdout)["error"]["message"]


def test_a_missing_file_with_json_is_an_error_document(spec):
    spec("")
    result = check("gone.orch", "--json")
    assert result.exit_code == MISUSE
    assert json.loads(result.stdout)["error"]["code"] == "unreadable_file"


def test_the_briefing_of_the_gallery_has_no_error():
    result = check(str(ROOT / "specs" / "briefing.orch"), "--json")
    assert result.exit_code == WELL
    assert [each for each in json.loads(result.stdout) if each["severity"] == "error"] == []


def test_a_broken_spec_is_refused_by_the_real_compiler(tmp_path):
    path = tmp_path / "broken.orch"
    path.write_text("orch 1\nflow f(a: Text) -> Text { return a @ }\n", "utf-8")
    result = check(str(path), "--json")
    assert result.exit_code == NOT_WELL
    assert [(each["code"], each["span"]["line"]) for each in json.loads(result.stdout)] == [("E0001", 2)]


TYPOS = """orch 1
contract Draft(topic: Text) -> Text
agent scout fulfils Draft { timeout = 5m  budget { cost <= $0.01 } }
flow f(topic: Text) -> Text { step x = Draft(topik) by scuot { tiemout = 10sec }  return x }
"""


def test_fix_mends_misspelt_words_where_the_spec_shows_that_they_were(tmp_path):
    path = tmp_path / "typos.orch"
    path.write_text(TYPOS, "utf-8")
    result = check(str(path), "--fix")
    assert (result.exit_code, result.stdout) == (WELL, "")
    mended = TYPOS.replace("fulfils", "fulfills").replace("5m", "5min").replace("10sec", "10s")
    assert path.read_text("utf-8") == mended.replace("topik", "topic").replace("scuot", "scout").replace(
        "tiemout", "timeout"
    )


def test_fix_leaves_a_word_whose_mending_would_be_another_mistake(tmp_path):
    path = tmp_path / "guess.orch"
    text = "orch 1\ntype Note { text: Text }\nflow f(note: Note) -> Int { return note.txt }\n"
    path.write_text(text, "utf-8")
    result = check(str(path), "--fix")
    assert (result.exit_code, path.read_text("utf-8")) == (NOT_WELL, text)
