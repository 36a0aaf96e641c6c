"""Walkthroughs in the documents are carried out: files are written, commands are run, and what they print is compared.

A block with `file=NAME` is the text of a file; a block `console run` holds commands after `$ ` and what they print,
standard error included, where `…` stands for anything within a line and a line of `…` for any number of lines.
`[exit 1]` is the last line of a command that does not end with 0. In a block `console run about` numbers and widths of
columns may be others. A page is one folder, from top to bottom. One with a block `console run slow` is carried out by
`make slow`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, fences, pages

WALKTHROUGHS = [
    page for page in pages() if any("run" in fence.words for fence in fences(page) if fence.kind == "console")
]


def commands(text):
    """The commands of a block, each with the lines that it prints."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif found and not found[-1][1] and found[-1][0].endswith("\\"):
            found[-1][0] = found[-1][0][:-1] + line.strip()
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(lines).strip()) for command, lines in found]


def pattern(expected, *, about=False):
    if about:
        expected = loose(expected)
    parts = []
    for line in expected.splitlines():
        if line.strip() == "…":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*".join(re.escape(piece.rstrip()) for piece in line.split("…")) + r" *\n")
    return re.compile("".join(parts))


def loose(text):
    """The text without its numbers, widths and wrapped lines."""
    return re.sub(r"[\d.,]*\d", "0", re.sub(r" +", " ", re.sub(r"─+", "─", text)))


def carry_out(command, folder):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "110"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
    )
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    printed = "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines())
    return "\n".join(filter(None, [printed, f"[exit {code}]" if code else ""]))


def is_slow(page):
    return any("slow" in fence.words for fence in fences(page))


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] if is_slow(page) else []) for page in WALKTHROUGHS],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_a_walkthrough_does_what_it_says(page, tmp_path):
    for fence in fences(page):
        if fence.file is not None:
            (tmp_path / fence.file).write_text(fence.text, "utf-8")
        if fence.kind != "console" or "run" not in fence.words:
            continue
        for command, expected in commands(fence.text):
            printed = carry_out(command, tmp_path)
            about = "about" in fence.words
            compared = loose(printed) if about else printed
            matched = pattern(expected, about=about).fullmatch(compared + "\n") if expected else not printed
            assert matched, f"{fence.name}\n$ {command}\n{printed}\n\nexpected:\n{expected}"


def test_there_are_walkthroughs():
    assert WALKTHROUGHS


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_and_options_that_a_page_names_exist(page):
    from orchspec.cli import COMMANDS, main

    text = page.read_text("utf-8")
    named = re.findall(r"(?:^\$ (?:[A-Z_]+=\S+ )*|(?<!`)`)orch ([a-z]+)((?:[^`|\n\\]|\\\n)*)", text, flags=re.MULTILINE)
    for name, rest in named:
        assert name in COMMANDS, f"orch {name} is no command"
        import click

        command = main.get_command(click.Context(main), name)
        known = {option for param in command.params for option in param.opts} | {"--help", "-h"}
        for option in re.findall(r"(?:^|\s)(--[a-z][a-z-]*|-[a-z])\b", rest):
            assert option in known, f"orch {name} has no option {option}"
