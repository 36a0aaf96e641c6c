"""`orch inbox`: the questions that wait for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import Terminal, orch_command
from orchspec.cli.stores import opened, store_option
from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import MatterRow, QuestionRow

__all__ = ["command"]


@orch_command("inbox")
@click.option("--closed", is_flag=True, help="What runs left to people and somebody has closed, and what became of it.")
@store_option
def command(terminal: Terminal, *, closed: bool, store: str) -> None:
    """Shows the questions that wait for people, oldest first.

    Below them stands what runs that have ended left to people: undos that are stuck, and doubts that nobody settled.
    """
    with opened(store) as looked:
        if closed:
            _show_closed(terminal, looked.matters(closed=True))
            return
        answered = {(mail.run, mail.place) for mail in looked.pending_mail() if mail.kind == "answer"}
        questions = looked.questions()
        matters = looked.matters()
    if terminal.json:
        asked = [_document(row, answered=(row.run, row.place) in answered) for row in questions]
        terminal.document([*asked, *(_matter(row) for row in matters)])
        return
    if not questions and not matters:
        terminal.say("nobody is asked anything")
    for row in questions:
        _show(terminal, row, store, answered=(row.run, row.place) in answered)
    for matter in matters:
        told = _matter(matter)
        terminal.out(safe(f"{matter.run}  {matter.place}  left to people since {told['asked']}"))
        terminal.out(safe(f"  {matter.why}"))
        terminal.out("  look at the target, put it right, then say what became of it (any JSON):")
        terminal.out(safe(f"  orch answer {matter.run} {matter.place!r} --value JSON --by NAME --store {store}"))


def _show_closed(terminal: Terminal, matters: list[MatterRow]) -> None:
    if terminal.json:
        told = [{**_matter(row), "answered": True, "by": row.closed_by, "value": row.value} for row in matters]
        terminal.document(told)
        return
    if not matters:
        terminal.say("nothing that runs left to people has been closed")
    for row in matters:
        terminal.out(safe(f"{row.run}  {row.place}  closed by {row.closed_by}: {json.dumps(row.value)}"))
        terminal.out(safe(f"  {row.why}"))


def _matter(row: MatterRow) -> dict[str, Any]:
    """What an ended run left to people, in the form of a question that nobody in particular is asked."""
    from orchspec.runtime.journal.records import format_time

    asked = {"run": row.run, "step": row.place, "who": None, "contract": None, "expects": row.why, "inputs": None}
    return {
        **asked,
        "messages": [],
        "result": None,
        "asked": format_time(row.time_us),
        "deadline": None,
        "answered": False,
    }


def _document(row: QuestionRow, *, answered: bool) -> dict[str, Any]:
    from orchspec.runtime.journal.records import format_time

    return {
        "run": row.run,
        "step": row.place,
        "who": row.who,
        "contract": row.contract,
        "expects": row.expects,
        "inputs": row.inputs,
        "messages": [{"channel": name, "from": sender, "values": values} for name, sender, values in row.messages],
        "result": row.choices,
        "asked": format_time(row.asked_us),
        "deadline": None if row.deadline_us is None else format_time(row.deadline_us),
        "answered": answered,
    }


def _show(terminal: Terminal, row: QuestionRow, store: str, *, answered: bool) -> None:
    from orchspec.runtime.journal.records import format_time

    until = "" if row.deadline_us is None else f", until {format_time(row.deadline_us)}"
    terminal.out(safe(f"{row.run}  {row.place}  for {row.who} since {format_time(row.asked_us)}{until}"))
    if row.expects:
        terminal.out(safe(f"  {row.contract}: {row.expects}"))
    for name, value in (row.inputs or {}).items():
        text = json.dumps(value, ensure_ascii=True)
        terminal.out(f"  {safe(name)}: {text if len(text) <= 400 else text[:399] + '…'}")
    for name, sender, values in row.messages:
        text = json.dumps(values, ensure_ascii=True)
        terminal.out(f"  {safe(sender)} on {safe(name)}: {text if len(text) <= 400 else text[:399] + '…'}")
    terminal.out(f"  expected: {_type(row.choices)}")
    if answered:
        terminal.out(f"  answered; taken when the run goes on: orch resume {safe(row.run)} --store {store}")
    else:
        terminal.out(safe(f"  orch answer {row.run} {row.place!r} --value JSON --by NAME --store {store}"))


def _type(form: Any) -> str:
    """A type of a plan as a spec writes it: `List<Finding>?`."""
    if not isinstance(form, list) or len(form) != 2:
        return str(form)
    kind, inner = form
    match kind:
        case "List":
            return f"List<{_type(inner)}>"
        case "Map":
            return f"Map<Text, {_type(inner)}>"
        case "Option":
            return f"{_type(inner)}?"
        case _:
            return "{ done: Bool, result }" if str(inner).endswith(".in_doubt") else str(inner)
