import errno
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from orchspec import __version__
from orchspec.cli import COMMANDS
from orchspec.cli.boundary import BUG, INTERRUPTED, READER_GONE, guard, wants_json
from orchspec.cli.common import MISUSE, NOT_WELL, PARKED, WELL, Terminal, orch_command
from orchspec.runtime.errors import UnknownRun
from tests.support.commands import orch

ROOT = Path(__file__).resolve().parents[2]
ORCH = [sys.executable, "-c", "from orchspec.cli import main; main()"]


def raising(error):
    def run():
        raise error

    return run


def test_bare_orch_shows_its_commands_and_is_misuse():
    result = orch()
    assert (result.exit_code, result.stdout) == (MISUSE, "")
    assert all(name in result.stderr for name in COMMANDS)


def test_version_is_that_of_the_package():
    assert orch("--version").stdout == f"orch {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_with_the_options_all_share(name):
    made = import_module(f"orchspec.cli.{name}").command
    result = orch(name, "--help")
    assert result.exit_code == WELL
    assert all(option in result.stdout for option in ("--json", "--color", "--help"))
    assert COMMANDS[name] == (made.help or "").splitlines()[0], "the table of orch --help and the command's own help"


def test_a_mistyped_command_is_misuse_that_names_the_nearest():
    result = orch("chek")
    assert (result.exit_code, result.stdout) == (MISUSE, "")
    assert "there is no command 'chek'; did you mean check?" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("nothing-like-it", "--json"), ("check", "--no-such-flag", "--json"), ("check", "--json", "--color", "pink")],
)
def test_misuse_with_json_is_one_document_and_nothing_else(arguments):
    result = orch(*arguments)
    assert (result.exit_code, result.stderr) == (MISUSE, "")
    assert set(json.loads(result.stdout)["error"]) == {"code", "message"}


def test_json_is_asked_for_only_before_the_double_dash():
    assert wants_json(["check", "--json", "a"])
    assert not wants_json(["check", "--", "--json"])


@pytest.mark.parametrize("code", [WELL, NOT_WELL, PARKED])
def test_the_code_of_a_command_is_that_of_the_process(code):
    assert guard([], lambda: code) == code


def test_an_error_of_ours_ends_with_one_message(capsys):
    assert guard([], raising(UnknownRun("there is no run 'r1' in runs.db; orch status lists them"))) == NOT_WELL
    assert capsys.readouterr() == ("", "error: there is no run 'r1' in runs.db; orch status lists them\n")


def test_an_error_of_ours_with_json_is_a_document(capsys):
    guard(["--json"], raising(UnknownRun("no run")))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": {"code": "unknown_run", "message": "no run"}}
    assert captured.err == ""


def test_a_bug_of_ours_leaves_its_traceback_in_a_file(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert guard([], raising(KeyError("x"))) == BUG
    message = capsys.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert str(kept) in message
    assert "bug in orch" in message
    assert "Traceback" not in message
    assert "Traceback" in kept.read_text("utf-8")


def test_a_bug_of_ours_shows_its_traceback_when_asked(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("ORCH_DEBUG", "1")
    assert guard([], raising(KeyError("x"))) == BUG
    assert "Traceback" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_ends_with_130(error, capsys):
    assert guard([], raising(error)) == INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_an_interrupt_with_json_is_a_document_too(capsys):
    assert guard(["--json"], raising(KeyboardInterrupt())) == INTERRUPTED
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "interrupted"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_was_closed_is_none_to_write_to_and_changes_nothing_else(closed):
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *ORCH]
    assert subprocess.run([*shell, "explain", "E0601"], cwd=ROOT, check=False).returncode == WELL
    assert subprocess.run([*shell, "explain", "nonsense"], cwd=ROOT, check=False).returncode == MISUSE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_below_standard_output_is_said_without_a_traceback(options):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*ORCH, "explain", "E0601", *options], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (NOT_WELL, b"error: No space left on device\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("watch", "--every", "nan"), "nan is not in the range"),
        (("run", "specs/logo.orch", "--speed", "nan", "--stand-ins"), "nan is not in the range"),
        (("run", "specs/logo.orch", "--agents", "agents.py"), "write --agents agents"),
        (("run", "specs/logo.orch", "--agents", "../x"), "takes a module"),
        (("run", "specs/logo.orch", "--input", '{"a": 1'), "in single quotes"),
        (("compare", "specs/scaling.orch", "chain", "--with", "n"), "--with takes name=value"),
        (("calibrate", "pyproject.toml", "--update", "nothing.orch"), "there is no file nothing.orch"),
        (("simulate", "specs/logo.orch", "--charts", "README.md"), "is a file, expected a folder"),
    ],
)
def test_slips_of_newcomers_are_misuse_that_says_what_to_write(arguments, words, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = orch(*arguments)
    assert (result.exit_code, result.stdout) == (MISUSE, "")
    assert words in result.stderr


def test_a_refusal_of_the_operating_system_is_no_bug(capsys):
    assert guard([], raising(OSError(errno.ENOSPC, "No space left on device", "out.json"))) == NOT_WELL
    assert capsys.readouterr().err == "error: out.json: No space left on device\n"


def test_a_reader_that_went_away_is_quiet():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*ORCH, "--help"], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (READER_GONE, b"")


def test_what_a_terminal_lacks_is_written_as_escapes():
    code = (
        "import sys; from orchspec.cli.boundary import guard; from orchspec.cli.common import Terminal;"
        "sys.exit(guard([], lambda: Terminal().out('is \\u2192')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (WELL, b"is \\u2192\n", b"")


@pytest.mark.parametrize(
    ("color", "variables", "expected"),
    [
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {}, False),
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, True),
        ("auto", {"TERM": "dumb"}, False),
    ],
)
def test_colour_follows_the_flag_then_no_color_then_the_terminal(color, variables, expected, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Terminal(color=color).colored() is expected


def test_no_colour_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert not Terminal().colored()


def test_tables_are_wide_enough_for_intervals_where_nobody_says_how_wide_a_line_is(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert Terminal().console().width == 100
    monkeypatch.setenv("COLUMNS", "72")
    assert Terminal().console().width == 72


def test_a_document_holds_no_infinity(capsys):
    with pytest.raises(ValueError, match="JSON"):
        Terminal(json=True).document({"latency": float("inf")})
    assert capsys.readouterr().out == ""


def test_a_command_gets_its_terminal_and_its_own_parameters():
    @orch_command("greet")
    @click.argument("name")
    def greet(terminal, name):
        """Greets."""
        terminal.say(f"{name} {terminal.json} {terminal.color}")
        return PARKED

    result = CliRunner().invoke(greet, ["Ada", "--json", "--color", "never"], standalone_mode=False)
    assert (result.return_value, result.stderr) == (PARKED, "Ada True never\n")
