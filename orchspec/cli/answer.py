"""`orch answer`: a person's answer to a question of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import Misuse, Terminal, did_you_mean, orch_command
from orchspec.cli.stores import find_run, json_value, opened, store_option

if TYPE_CHECKING:
    from orchspec.runtime.journal import SQLiteStore
    from orchspec.runtime.journal.records import QuestionRow, RunRow

__all__ = ["command"]


@orch_command("answer")
@click.argument("run")
@click.argument("step")
@click.option("--value", required=True, metavar="JSON|@FILE", help="The answer: the result of the contract.")
@click.option("--by", required=True, metavar="NAME", help="Who answers.")
@store_option
def command(terminal: Terminal, run: str, step: str, value: str, by: str, store: str) -> None:
    """Answers a question of the inbox, once.

    The answer is checked against the contract and durable when this ends. A run that is under way takes it at once; one
    that is parked takes it when it is resumed. What an ended run left to people is closed by any JSON.
    """
    answer = json_value(value, "--value")
    from orchspec.runtime.driver.clock import wall_us

    with opened(store) as looked:
        if looked.close_matter(run, step, by, answer):
            if terminal.json:
                terminal.document({"run": run, "step": step, "by": by, "status": "closed"})
            else:
                terminal.say(f"closed: {step} of run {run} is in the inbox no more; see orch inbox --closed")
            return
        row = find_run(looked, run)
        question = _question(looked, row, step)
        step = question.place
        now_us = wall_us()
        if question.deadline_us is not None and question.deadline_us < now_us and row.options.get("speed", 1) == 1:
            raise Misuse(
                f"{step} of run {run} was to be answered by its deadline, which has passed; orch resume {run} goes on",
                "too_late",
            )
        _verify(looked, row, question, answer)
        looked.post_mail("answer", posted_us=now_us, run=run, place=step, value=answer, by=by)
        parked = row.status == "parked"
    if terminal.json:
        terminal.document({"run": run, "step": step, "by": by, "status": "parked" if parked else "running"})
    elif parked:
        terminal.say(f"answered; the run is parked, go on with: orch resume {run} --store {store}")
    else:
        terminal.say("answered; the run takes it at once if it is under way, else with orch resume")


def _question(store: SQLiteStore, row: RunRow, step: str) -> QuestionRow:
    questions = [each for each in store.questions() if each.run == row.run]
    for each in questions:
        if each.place == step:
            return each
    # The name of what asked will do where it asks one question alone: `verdict` for `verdict?eve`.
    asked = [each for each in questions if _asked_by(each.place, step)]
    if len(asked) == 1:
        return asked[0]
    if not questions:
        raise Misuse(f"run {row.run} ({row.status}) asks nobody anything; see orch inbox", "no_question")
    names = [each.place for each in questions]
    hint = did_you_mean(step, names) or f"; it waits at {', '.join(names[:6])}"
    raise Misuse(f"run {row.run} waits for no answer at {step}{hint}", "no_question")


def _asked_by(place: str, step: str) -> bool:
    return place.rpartition("?")[0] == step or place.rpartition("/")[2].partition("?")[0] == step


def _verify(store: SQLiteStore, row: RunRow, question: QuestionRow, answer: Any) -> None:
    from orchspec.runtime.driver.stored import pinned_plan
    from orchspec.runtime.driver.values import as_json
    from orchspec.runtime.errors import BadOutput
    from orchspec.runtime.kernel.program import program_of
    from orchspec.runtime.kernel.values import Unverified

    contract = program_of(pinned_plan(store, row)).contracts[question.contract]
    try:
        contract.verify(contract.decode_inputs(question.inputs), as_json(answer, "the answer"))
    except Unverified as error:
        raise Misuse(f"this is no answer to {question.contract}: {error.reason}", error.code) from None
    except BadOutput as error:
        raise Misuse(error.message, error.code) from None
