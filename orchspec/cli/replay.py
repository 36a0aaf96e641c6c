"""`orch replay`: a schedule that broke something, once more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import LIVENESS_BROKEN, NOT_WELL, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import read_text
from orchspec.cli.plans import compile_spec, refuse
from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.parity import Difference
    from orchspec.simulator.chaos.schedule import Schedule
    from orchspec.simulator.chaos.told import Chronicle
    from orchspec.simulator.checkers import Violation

__all__ = ["command"]

_AGREES = "the real engine wrote the same journal, record by record"


@orch_command("replay")
@click.argument("schedule")
@click.option("--spec", metavar="FILE", help="The spec, where it has moved since.")
@click.option("--journal", is_flag=True, help="Print every durable record, a JSON document a line.")
@click.option(
    "--real", is_flag=True, help="Also with the real engine, killed where the schedule says; the journals must agree."
)
def command(terminal: Terminal, schedule: str, spec: str | None, *, journal: bool, real: bool) -> int:
    """Replays a .schedule file, and says what breaks and whether it is byte for byte what was recorded.

    The spec is compiled as it is now, so after a fix the same schedule says whether it holds. Ends with 0 when all
    held, 1 when safety broke or the real engine's journal is another, 3 when only liveness broke.
    """
    from orchspec.proving import proven_of
    from orchspec.simulator.chaos.chronicle import Chronicler
    from orchspec.simulator.chaos.schedule import digest_of, read_schedule
    from orchspec.simulator.checkers import LIVENESS, check_all

    wanted = read_schedule(read_text(schedule))
    path = spec or _find(wanted.spec, Path(schedule).parent)
    compiled = compile_spec(path)
    if compiled.plan is None:
        refuse(terminal, path, compiled)
        return NOT_WELL
    plan = compiled.plan
    if wanted.flow not in plan.flows:
        raise Misuse(f"{path} has no flow {wanted.flow} any more", "unknown_flow")
    chronicler = Chronicler(
        plan,
        wanted.flow,
        folder=compiled.folder,
        seed=wanted.seed,
        runs=wanted.runs,
        given=wanted.given,
        proven=proven_of(plan, wanted.flow),
    )
    chronicle = chronicler.chronicle(wanted.faults)
    broken = check_all(chronicle)
    same = digest_of(chronicle) == wanted.digest
    changed = plan.hash != wanted.plan_hash
    difference = _differs(plan, compiled.folder, wanted) if real else None
    if terminal.json:
        document = _document(wanted, chronicle, broken, same=same, changed=changed)
        if real:
            document["real"] = {"same": difference is None, "difference": difference and str(difference)}
        terminal.document(document)
    else:
        if journal:
            _print(terminal, chronicle)
        _show(terminal, wanted, broken, same=same, changed=changed)
        if real:
            terminal.out(safe(f"the real engine differs: {difference}") if difference else _AGREES)
    if difference is not None or any(each.number != LIVENESS for each in broken):
        return NOT_WELL
    return LIVENESS_BROKEN if broken else WELL


def _differs(plan: Plan, folder: Path | None, wanted: Schedule) -> Difference | None:
    from orchspec.parity import Job, compare

    return compare(Job(plan, wanted.flow, folder, wanted.seed, wanted.runs, wanted.given, wanted.faults))


def _find(spec: str, beside: Path) -> str:
    """The spec as it was named, or beside the schedule. Raises Misuse."""
    for path in (Path(spec), beside / spec, beside / Path(spec).name):
        if path.is_file():
            return str(path)
    raise Misuse(f"the schedule is of {spec}, which is not there; name it with --spec FILE", "missing_file")


def _print(terminal: Terminal, chronicle: Chronicle) -> None:
    import json

    for commit, record in zip(chronicle.commits, chronicle.order, strict=True):
        line = {"commit": commit, "run": record.run, "seq": record.seq, "time_us": record.time_us, "type": record.type}
        terminal.out(json.dumps({**line, **record.body}))


def _show(terminal: Terminal, wanted: Schedule, broken: list[Violation], *, same: bool, changed: bool) -> None:
    from orchspec.simulator.chaos.lines import fault_lines

    for line in fault_lines(wanted.faults):
        terminal.out(safe(f"  {line}"))
    for each in broken:
        terminal.out(safe(f"{each.number}: {each.message}"))
    if not broken:
        terminal.out("all held")
    if changed:
        terminal.say("the spec has changed since the schedule was written")
    elif wanted.digest:
        terminal.say("byte for byte what was recorded" if same else "not what was recorded: another version of orch?")


def _document(
    wanted: Schedule, chronicle: Chronicle, broken: list[Violation], *, same: bool, changed: bool
) -> dict[str, Any]:
    from orchspec.simulator.chaos.lines import fault_lines
    from orchspec.simulator.chaos.schedule import digest_of

    return {
        "flow": wanted.flow,
        "faults": fault_lines(wanted.faults),
        "held": not broken,
        "violations": [each.as_json() for each in broken],
        "records": len(chronicle.order),
        "digest": digest_of(chronicle),
        "same": same,
        "spec_changed": changed,
        "runs": {told.run: told.status for told in chronicle.runs.values()},
    }
