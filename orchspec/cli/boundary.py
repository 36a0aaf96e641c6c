"""The edge of the command line: whatever happens inside ends in an exit code and at most one message.

Errors of the world (classes of ours that carry a `code`, `OrchError` first of all) say what to do and end with 1,
as does what the operating system refuses (a full disk); misuse ends with 2. Anything else is a bug of ours: the
user gets one line, and a file with the traceback to report.
An interrupt ends with 130 and a reader that went away with 141, as a shell reports SIGINT and SIGPIPE.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

from orchspec.cli.common import MISUSE, NOT_WELL, WELL, Terminal

__all__ = ["BUG", "INTERRUPTED", "READER_GONE", "guard", "wants_json"]

BUG: Final = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130  # 128 + SIGINT
READER_GONE: Final = 141  # 128 + SIGPIPE


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for JSON; read before it is parsed, since parsing itself may fail."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def guard(arguments: Sequence[str], run: Callable[[], object]) -> int:
    """Calls `run` and gives the exit code of the process: what `run` gives, or what its failure means."""
    _let_streams_escape()
    terminal = Terminal(json=wants_json(arguments))
    try:
        code = run()
        sys.stdout.flush()  # here, where a reader that went away is still understood
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except (KeyboardInterrupt, EOFError, click.Abort):
        if terminal.json:
            return _fail(terminal, "interrupted", "interrupted", INTERRUPTED)
        terminal.say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except click.UsageError as error:
        return _misuse(terminal, error)
    except click.ClickException as error:
        return _fail(terminal, getattr(error, "code", "misuse"), error.format_message(), error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last boundary: nothing may reach the user as a traceback
        return _translate(terminal, error)
    return code if isinstance(code, int) else WELL


def _translate(terminal: Terminal, error: Exception) -> int:
    code = getattr(error, "code", None)
    if isinstance(code, str) and type(error).__module__.startswith("orchspec."):
        return _fail(terminal, code, str(error), NOT_WELL)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return _fail(terminal, "system", f"{place}{error.strerror or error}", NOT_WELL)
    message = f"this is a bug in orch: {type(error).__name__}: {error}"
    if os.environ.get("ORCH_DEBUG"):
        import traceback

        traceback.print_exception(error)
    else:
        message = f"{message}\n{_keep_traceback(error)}"
    return _fail(terminal, "bug", message, BUG)


def _keep_traceback(error: Exception) -> str:
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="backslashreplace", prefix="orch-bug-", suffix=".txt", delete=False
        ) as file:
            file.write(f"orch {' '.join(sys.argv[1:])}\n\n")
            file.writelines(traceback.format_exception(error))
    except OSError:
        return "run it again with ORCH_DEBUG=1 to see the traceback, and report it"
    return f"please report it with {file.name}, which holds the traceback (ORCH_DEBUG=1 shows it)"


def _misuse(terminal: Terminal, error: click.UsageError) -> int:
    message = error.format_message().rstrip(".")
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        if terminal.json:
            return _fail(terminal, "usage", "a command is missing; orch --help lists the commands", MISUSE)
        terminal.say(message)  # for this one error, click's message is the help
        return MISUSE
    if terminal.json or error.ctx is None:
        return _fail(terminal, "usage", message, MISUSE)
    usage = error.ctx.get_usage()
    return _fail(terminal, "usage", f"{message}\n{usage}\nhelp: {error.ctx.command_path} --help", MISUSE)


def _fail(terminal: Terminal, code: str, message: str, exit_code: int) -> int:
    try:
        if terminal.json:
            terminal.document({"error": {"code": code, "message": message}})
            sys.stdout.flush()
        else:
            terminal.say(message if message.startswith("error[") else f"error: {message}")
    except BrokenPipeError:
        return _reader_gone()
    except OSError:  # not even that can be written: a full disk
        _drop_output()
        Terminal().say(f"error: {message}")
    return exit_code


def _reader_gone() -> int:
    _drop_output()
    return READER_GONE


def _drop_output() -> None:
    # Python flushes standard output once more on its way out; there it would complain.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _let_streams_escape() -> None:
    # Where a stream was closed by whoever started us, Python has none, and no file of ours may come to lie at its
    # number.
    while (nowhere := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(nowhere)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - stays
    # A message must not fail for a character that the terminal's encoding lacks.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
