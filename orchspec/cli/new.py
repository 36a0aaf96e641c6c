"""`orch new`: a working starter."""

from __future__ import annotations

from pathlib import Path

import click

from orchspec.cli.common import WELL, Misuse, Terminal, orch_command

__all__ = ["command"]


@orch_command("new")
@click.argument("folder", metavar="DIR")
def command(terminal: Terminal, folder: str) -> int:
    """Makes a working starter: a spec, stand-in agents, a test.

    DIR is made, or must be empty.
    """
    from orchspec.starter import FILES, SPEC, starter_text

    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise Misuse(f"{folder} is a file; name a folder that is new or empty")
    if path.is_dir() and any(path.iterdir()):
        raise Misuse(f"{folder} is not empty; name a folder that is new or empty")
    path.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        # Newly made, never over what came there meanwhile.
        with (path / name).open("x", encoding="utf-8", newline="\n") as file:
            file.write(starter_text(name))
    if terminal.json:
        terminal.document({"folder": str(path), "files": list(FILES)})
        return WELL
    room = max(len(name) for name in FILES)
    for name, what in FILES.items():
        terminal.out(f"{path / name}{' ' * (room - len(name))}  {what}")
    terminal.say(f"\nnext: cd {folder} && orch test {SPEC} && orch run {SPEC} --agents agents --input @question.json")
    return WELL
