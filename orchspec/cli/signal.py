"""`orch signal`: something that comes from outside, for whichever run waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import Misuse, Terminal, did_you_mean, orch_command
from orchspec.cli.stores import json_value, opened, store_option

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.journal import SQLiteStore

__all__ = ["command"]


@orch_command("signal")
@click.argument("name")
@click.option(
    "--args",
    "arguments",
    default="{}",
    show_default=True,
    metavar="JSON|@FILE",
    help="The arguments, by name or in order.",
)
@click.option(
    "--value", default="null", show_default=True, metavar="JSON|@FILE", help="What the signal brings, if it does."
)
@store_option
def command(terminal: Terminal, name: str, arguments: str, value: str, store: str) -> None:
    """Sends a signal to whichever run waits for it, now or within seven days.

    It is checked against the signal's declaration and durable when this ends. Whoever has waited longest for a signal
    with these arguments takes it, once; a run that is parked takes it when it is resumed. Before any run of the store
    knows the signal, it is kept as it is, and checked by the first run that does.
    """
    args, given = json_value(arguments, "--args"), json_value(value, "--value")
    from orchspec.runtime.driver.clock import wall_us
    from orchspec.runtime.driver.mailbox import unresolved_key

    with opened(store, create=True) as looked:
        plan = _plan(looked, name)
        key = _key(plan, name, args, given) if plan is not None else unresolved_key(args)
        number = looked.post_mail("signal", posted_us=wall_us(), name=name, key=key, value=given)
    if terminal.json:
        terminal.document({"signal": name, "key": key, "mail": number})
    elif plan is None:
        terminal.say("kept for seven days; no run of the store knows this signal yet, the first that does checks it")
    else:
        terminal.say("sent; a run that waits takes it at once if it is under way, else with orch resume")


def _key(plan: Plan, name: str, args: Any, value: Any) -> str:
    """The key of the signal; its value fits the plan."""
    from orchspec.runtime.driver.values import as_json
    from orchspec.runtime.errors import BadOutput
    from orchspec.runtime.kernel.program import program_of
    from orchspec.runtime.kernel.values import InvalidValue

    codec = program_of(plan).codecs.signal(name)
    if isinstance(args, list):
        if len(args) > len(codec.inputs.names):
            raise Misuse(f"{name} takes {len(codec.inputs.names)} arguments, found {len(args)}", "bad_arguments")
        args = dict(zip(codec.inputs.names, args, strict=False))
    try:
        values = codec.decode_inputs(args)
        codec.decode_result(as_json(value, "the value"))
        return codec.key(values)
    except InvalidValue as error:
        raise Misuse(f"this is no signal {name}: {error}", "invalid_value") from None
    except BadOutput as error:
        raise Misuse(error.message, error.code) from None


def _plan(store: SQLiteStore, name: str) -> Plan | None:
    """The newest plan of the store that declares the signal; Misuse for what looks like a slip of the pen."""
    from orchspec.runtime.driver.stored import pinned_plan

    known: dict[str, None] = {}
    seen: set[str] = set()
    for row in reversed(store.runs()):
        if row.plan_hash in seen:
            continue
        seen.add(row.plan_hash)
        plan = pinned_plan(store, row)
        if name in plan.signals:
            return plan
        known.update(dict.fromkeys(plan.signals))
    hint = did_you_mean(name, list(known))
    if hint:
        raise Misuse(f"no run of the store {store.path} knows a signal {name}{hint}", "unknown_signal")
    return None
