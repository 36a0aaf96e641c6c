"""`orch compile`: the plan of a spec, which is all that the runtime and the simulator need of it."""

from __future__ import annotations

from pathlib import Path

import click

from orchspec.cli.common import NOT_WELL, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import NewFile, write_text
from orchspec.cli.plans import compile_spec, refuse, set_option, settings_of

__all__ = ["command"]


@orch_command("compile")
@click.argument("file", required=False)
@click.option(
    "-o", "output", type=NewFile(), metavar="PLAN.json", help="Write the plan to this file instead of standard output."
)
@set_option
@click.option("--schema", is_flag=True, help="Print the JSON Schema of plans instead; no FILE is then needed.")
def command(terminal: Terminal, file: str | None, output: str | None, settings: tuple[str, ...], schema: bool) -> int:
    """Compiles a spec to its plan.

    The plan is canonical JSON (sorted keys, no spaces) with its format and the hash of what it decides: the same spec
    gives the same bytes, and layout and comments do not change the hash. FILE may be - for standard input.
    """
    if schema:
        if file is not None or settings:
            raise Misuse("--schema is the same for all plans; leave out FILE and --set")
        return _give(terminal, _schema_text(), output, "the JSON Schema of plans")
    if file is None:
        raise Misuse("there is nothing to compile; name a spec: orch compile FILE")
    compiled = compile_spec(file, settings_of(settings))
    if compiled.plan is None:
        refuse(terminal, file, compiled)
        return NOT_WELL
    return _give(terminal, compiled.plan.as_json(), output, f"the plan {compiled.plan.hash}")


def _schema_text() -> str:
    import json

    from orchspec.compiler.plan import plan_schema

    # In the manner of the repository's other documents: it is published, and read by people.
    return json.dumps(plan_schema(), indent=2, sort_keys=True, ensure_ascii=False)


def _give(terminal: Terminal, text: str, output: str | None, what: str) -> int:
    if output is None:
        # JSON as it is, with --json too: it is the one document.
        click.echo(text)
        return WELL
    write_text(output, f"{text}\n")
    if terminal.json:
        terminal.document({"written": str(Path(output))})
    else:
        terminal.say(f"{output}: {what}")
    return WELL
