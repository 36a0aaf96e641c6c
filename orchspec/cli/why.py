"""`orch why`: the causes of a step, from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import Terminal, orch_command
from orchspec.cli.stores import find_run, opened, store_option
from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from orchspec.runtime.why import Story

__all__ = ["command"]


@orch_command("why")
@click.argument("run")
@click.argument("step", required=False)
@click.option(
    "--not", "missing", is_flag=False, flag_value="", metavar="[STEP]", help="Why this step did not run, or STEP."
)
@store_option
def command(terminal: Terminal, run: str, step: str | None, missing: str | None, store: str) -> None:
    """Says why STEP ran when it did: what it needed, what it waited for, and the causes back to the start.

    STEP is a path as orch journal shows it, such as draft#2/reviews[critic].
    """
    from orchspec.runtime.why import why, why_not

    if missing == "":  # orch why RUN STEP --not
        step, missing = None, step
    if (step is None) == (missing is None):
        raise click.UsageError("name one step: orch why RUN STEP, or orch why RUN --not STEP")
    story = _story(store, run)
    if missing is not None:
        answer = why_not(story, missing)
        if terminal.json:
            terminal.document(answer)
        else:
            at = f" (record {answer['at']})" if answer.get("at") else ""
            how = "" if answer["ran"] else "did not run: "
            terminal.out(safe(f"{missing}{_source(answer)} {how}{answer['reason']}{at}"))
        return
    assert step is not None
    answer = why(story, step)
    if terminal.json:
        terminal.document(answer)
    else:
        for line in _lines(answer):
            terminal.out(safe(line))


def _story(store: str, run: str) -> Story:
    from orchspec.runtime.driver.stored import pinned_plan
    from orchspec.runtime.why import read_story

    with opened(store) as looked:
        row = find_run(looked, run)
        return read_story(pinned_plan(looked, row), row.run, looked.records(row.run))


def _source(answer: dict[str, Any]) -> str:
    return f" ({answer['source']})" if answer.get("source") else ""


def _lines(answer: dict[str, Any]) -> list[str]:
    begun = answer["begun"]
    lines = [f"{answer['step']}{_source(answer)} began with record {begun['seq']}, {begun['time'][11:23]}"]
    lines.extend(f"  {need['why']:<28} {need['step']}{_when(need)}" for need in answer["needs"])
    lines.extend(f"  {'within ' + each['step']:<28} {each['why']}" for each in answer["within"])
    lines.extend(f"  {'waited':<28} {each}" for each in answer["waits"])
    lines.extend(
        f"  {'attempt ' + str(each['attempt']):<28} {each['agent']}, {each['outcome'] or 'under way'}"
        for each in answer["attempts"]
    )
    lines.append("because")
    for link in answer["chain"]:
        said = ", ".join(f"{what}: {detail}" if detail else what for what, detail in link["decided"][:3])
        where = f"{link['step']} " if link["step"] else ""
        lines.append(f"  {link['seq']:>5}  {link['time'][11:23]}  {where}{link['type']}{'  ' + said if said else ''}")
    return lines


def _when(need: dict[str, Any]) -> str:
    seq = f", record {need['seq']}" if need["seq"] is not None else ", not settled"
    return f"{seq}{'  ' + need['said'] if need['said'] else ''}"
